"""The tables of alerts: read at the start, written behind what the memory says, in small transactions.

What could not be written stays to be written, each row once, as it is last: no more of it than there are alerts.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import Row, case, delete, func, select
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.alerts.alert import Alert, Mute
from cloud.alerts.book import ENDED_MAX, Kept
from cloud.alerts.rules import Telling
from cloud.cancelled import cancelled
from cloud.db import tables
from cloud.db.dialect import insert_into
from cloud.db.lease import Lease, Mine
from cloud.db.writer import without_nul
from cloud.operations.retention import PROOF_DAYS
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

_AT_ONCE = 500  # rows a transaction
_WITHIN = 10.0
_PAUSE = 2.0  # after a failure
_FORGET_EVERY = 3600.0
# What is wrong with a row, and not with the database: others must not wait for it.
_OF_A_ROW = (IntegrityError, DataError, TypeError, ValueError, OverflowError)

_Told = tuple[tuple[int, str], Telling]


class Memory:
    """Reads and writes `alerts`, `alert_tellings` and `mutes`."""

    def __init__(
        self,
        engine: AsyncEngine,
        jobs: Lease | None = None,
        fence: Callable[[AsyncConnection], Awaitable[bool]] | None = None,
    ) -> None:
        """Where hubs share the database only who has the lease of `jobs` writes; `fence` says in a transaction whether
        this hub has it until that is over."""
        self._engine = engine
        self._jobs = jobs or Mine()
        self._fence = fence
        self._alerts: dict[int, Alert] = {}
        self._tellings: dict[tuple[int, str], Telling] = {}
        self._mutes: dict[str, Mute | None] = {}  # None: it has ended
        self._upserts = {
            table.name: _upsert(engine, table, keys)
            for table, keys in (
                (tables.alerts, ("number",)),
                (tables.tellings, ("number", "channel")),
                (tables.mutes, ("scope",)),
            )
        }
        self._wake = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._failing = False

    def start(self) -> None:
        """Begin to write."""
        self._tasks = [
            asyncio.create_task(self._run(), name="alerts-memory"),
            asyncio.create_task(self._keep_forgetting(), name="alerts-forget"),
        ]

    async def stop(self) -> None:
        """Write what can be written, then end."""
        await self.saved(_PAUSE)
        await cancelled(*self._tasks)

    def alert(self, alert: Alert) -> None:
        """Have an alert written as it is."""
        self._alerts[alert.number] = alert
        self._changed()

    def telling(self, channel: str, number: int, telling: Telling) -> None:
        """Have written what was told of an alert."""
        self._tellings[number, channel] = telling
        self._changed()

    def mute(self, mute: Mute) -> None:
        """Have a mute written."""
        self._mutes[mute.scope] = mute
        self._changed()

    def unmute(self, scope: str) -> None:
        """Have a mute forgotten."""
        self._mutes[scope] = None
        self._changed()

    def drop(self) -> None:
        """Another hub goes on from what is written: what is not is nobody's any more."""
        self._alerts.clear()
        self._tellings.clear()
        self._mutes.clear()
        self._written.set()

    def is_waiting(self, scope: str) -> bool:
        """Whether a mute, or its end, is not written yet."""
        return scope in self._mutes

    async def saved(self, within: float) -> bool:
        """Wait until all is written; False if it is not within so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._written.wait()
        except TimeoutError:
            return False
        return True

    async def load(self, channels: Collection[str]) -> Kept | None:
        """What is owed to these channels, and all that stands; None while the database does not answer."""
        try:
            async with asyncio.timeout(_WITHIN), self._engine.connect() as connection:
                return await _load(connection, list(channels), ENDED_MAX)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            if not self._failing:
                log.error("alerts cannot be read", extra={"error": str(error)[:200]})
            self._failing = True
            return None

    async def forget(self) -> None:
        """Delete alerts that were cleared as long ago as operations are kept: by the same proof, as `retention` has it.

        Raises SQLAlchemyError, OSError.
        """
        async with self._engine.begin() as connection:
            boundaries = list((await connection.execute(select(tables.lived_days.c.boundary))).scalars())
            if len(boundaries) > PROOF_DAYS:
                old = tables.alerts.c.cleared_at < min(boundaries)
                await connection.execute(delete(tables.alerts).where(old))
            crash_point("hub.alerts.forget.before")
        crash_point("hub.alerts.forget.after")

    def _changed(self) -> None:
        self._written.clear()
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while self._alerts or self._tellings or self._mutes:
                    async with asyncio.timeout(_WITHIN):
                        await self._write_some()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                if not self._failing:
                    log.error("alerts are not written, and told from memory", extra={"error": str(error)[:200]})
                self._failing = True
                self._wake.set()
                await asyncio.sleep(_PAUSE)
            except Exception:  # the task must outlive any mistake of ours
                if not self._failing:
                    log.exception("alerts are not written, and told from memory")
                self._failing = True
                self._wake.set()
                await asyncio.sleep(_PAUSE)
            else:
                if self._failing:
                    log.info("alerts are written again")
                self._failing = False
                self._written.set()

    async def _keep_forgetting(self) -> None:
        while True:
            await self._jobs.wait_until(held=True)
            try:
                await self.forget()
            except (SQLAlchemyError, OSError) as error:
                log.warning("old alerts could not be deleted", extra={"error": str(error)[:200]})
            except Exception:
                log.exception("old alerts could not be deleted")
            await asyncio.sleep(_FORGET_EVERY)

    async def _write_some(self) -> None:
        """Some rows, alerts before what was told of them, the older ones first: of one thing only one alert stands."""
        alerts = [self._alerts[number] for number in sorted(self._alerts)[:_AT_ONCE]]
        others = len(alerts) == len(self._alerts)
        tellings = list(self._tellings.items())[:_AT_ONCE] if others else []
        mutes = dict(self._mutes) if others else {}
        try:
            await self._write(alerts, tellings, mutes)
        except _OF_A_ROW:
            # What a way of telling that was shut for months was owed is deleted by now, and nobody misses it.
            for alert in alerts:
                await self._write_or_drop([alert], [])
            for telling in tellings:
                await self._write_or_drop([], [telling])
            await self._write([], [], mutes)

    async def _write_or_drop(self, alerts: list[Alert], tellings: list[_Told]) -> None:
        try:
            await self._write(alerts, tellings, {})
        except _OF_A_ROW as error:
            log.warning("a row of alerts does not fit what is there, and is dropped", extra={"error": str(error)[:200]})
            self._forget_written(alerts, tellings, {})

    async def _write(
        self,
        alerts: list[Alert],
        tellings: list[_Told],
        mutes: dict[str, Mute | None],
    ) -> None:
        async with self._engine.begin() as connection:
            if self._fence is not None and not await self._fence(connection):
                self.drop()
                return
            if alerts:
                await connection.execute(self._upserts["alerts"], [_alert_row(alert) for alert in alerts])
            if tellings:
                rows = [{"number": key[0], "channel": key[1], **_values(telling)} for key, telling in tellings]
                await connection.execute(self._upserts["alert_tellings"], rows)
            for scope, mute in mutes.items():
                if mute is None:
                    await connection.execute(delete(tables.mutes).where(tables.mutes.c.scope == scope))
                else:
                    await connection.execute(self._upserts["mutes"], [_values(mute)])
            crash_point("hub.alerts.write.before")
        crash_point("hub.alerts.write.after")
        self._forget_written(alerts, tellings, mutes)

    def _forget_written(
        self,
        alerts: list[Alert],
        tellings: list[_Told],
        mutes: dict[str, Mute | None],
    ) -> None:
        """What has not changed since need not be written again."""
        for alert in alerts:
            if self._alerts.get(alert.number) is alert:
                del self._alerts[alert.number]
        for key, telling in tellings:
            if self._tellings.get(key) is telling:
                del self._tellings[key]
        for scope, mute in mutes.items():
            if self._mutes.get(scope, mute) is mute:
                self._mutes.pop(scope, None)


def _upsert(engine: AsyncEngine, table: Any, keys: tuple[str, ...]) -> Any:
    insert = insert_into(engine, table)
    rest = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    if "acknowledged_at" in rest:  # nobody takes that back; another hub may have written it
        new, old = insert.excluded, table.c
        rest["acknowledged_at"] = func.coalesce(new.acknowledged_at, old.acknowledged_at)
        by = case((new.acknowledged_at.is_(None), old.acknowledged_by), else_=new.acknowledged_by)
        rest["acknowledged_by"] = by
    return insert.on_conflict_do_update(index_elements=list(keys), set_=rest)


async def _load(connection: AsyncConnection, channels: list[str], most: int) -> Kept:
    a, t = tables.alerts.c, tables.tellings.c
    number = (await connection.execute(select(func.max(a.number)))).scalar() or 0
    standing = alerts_of(await connection.execute(select(tables.alerts).where(a.cleared_at.is_(None))))
    owed = select(t.number).where(t.channel.in_(channels), t.cleared_at.is_(None))
    ended = (
        select(tables.alerts).where(a.cleared_at.is_not(None), a.number.in_(owed)).order_by(a.number.desc()).limit(most)
    )
    found = alerts_of(await connection.execute(ended))[::-1]
    numbers = {alert.number for alert in [*standing, *found]}
    tellings: dict[str, dict[int, Telling]] = {}
    told = select(tables.tellings).where(t.channel.in_(channels), t.number >= min(numbers, default=0))
    for row in await connection.execute(told):
        if row.number in numbers:
            names = Telling.__struct_fields__
            tellings.setdefault(row.channel, {})[row.number] = Telling(**{name: getattr(row, name) for name in names})
    mutes = [
        Mute(scope=row.scope, until=row.until, at=row.at, by=row.by)
        for row in await connection.execute(select(tables.mutes))
    ]
    return Kept(number=number, standing=standing, ended=found, tellings=tellings, mutes=mutes)


def alerts_of(rows: Iterable[Row[Any]]) -> list[Alert]:
    """What can be read. The rest is left out, and raised anew if it still holds."""
    found = []
    for row in rows:
        try:
            found.append(_alert(row))
        except (ValueError, TypeError) as error:
            extra = {"number": row.number, "kind": row.kind, "error": str(error)[:200]}
            log.error("a row of alerts cannot be read, and is left out", extra=extra)
    return found


def _alert(row: Row[Any]) -> Alert:
    values = {name: getattr(row, name) for name in Alert.__struct_fields__}
    alert = msgspec.convert({**values, "data": {}}, Alert)
    alert.data = msgspec.json.decode(row.data, type=dict)
    return alert


def _alert_row(alert: Alert) -> dict[str, Any]:
    values = {name: without_nul(value) for name, value in _values(alert).items()}
    return {**values, "severity": str(alert.severity), "data": msgspec.json.encode(alert.data).decode()}


def _values(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
