"""Every act of every person, whichever door they came in by."""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.accounts.account import Act
from cloud.db.engine import explain
from cloud.db.tables import audit
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

_WHO_MAX, _ADDRESS_MAX, _ACT_MAX, _SUBJECT_MAX, _DATA_MAX = 200, 64, 48, 128, 4000
_ACT = re.compile(r"[a-z][a-z.-]*")
_ALIKE_FOR = 600.0  # seconds during which acts alike are counted instead of written
_ALIKE_MAX = 500  # kinds of them that are counted apart; what is more goes into one


class Audit:
    """The rows; none is ever changed. `cloud.operations.retention` deletes those that are old."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self._alike: dict[tuple[str, ...], tuple[float, int, Act]] = {}  # what → since when, how many more, the last
        self._first: list[Act] = []
        self._writing = asyncio.Lock()
        self.wake = asyncio.Event()  # `write_alike` has something to write

    async def note(self, act: Act) -> None:
        """Write it down, at the time it is now. Raises SQLAlchemyError, OSError."""
        async with self._engine.begin() as connection:
            await self.put(connection, act)
            crash_point("hub.accounts.audit.before")
        crash_point("hub.accounts.audit.after")

    async def note_done(self, act: Act) -> None:
        """The same of what has been done already: where it cannot be written, it is told in the log instead.

        Whoever did it must hear so all the same, perhaps with a token that is shown only once.
        """
        try:
            await self.note(act)
        except (SQLAlchemyError, OSError) as error:
            told = {"who": act.who, "door": act.door, "act": act.act, "subject": act.subject, "address": act.address}
            log.error("an act could not be written into the audit", extra={**told, "error": explain(error)})

    async def put(self, connection: AsyncConnection, act: Act) -> None:
        """The same within a transaction that is under way: the act and its row, or neither."""
        data = msgspec.json.encode(_clean(act.data)).decode()
        if len(data) > _DATA_MAX:
            data = msgspec.json.encode({"too_long": len(data)}).decode()
        await connection.execute(insert(audit).values(
            at=self._clock(), who=_clean(act.who)[:_WHO_MAX], door=act.door, address=_clean(act.address)[:_ADDRESS_MAX],
            act=act.act[:_ACT_MAX], subject=_clean(act.subject)[:_SUBJECT_MAX], data=data,
        ))  # fmt: skip

    def note_alike(self, act: Act, nearby: str) -> None:
        """For what a stranger may do a thousand times: the first is written, and how many more came in ten minutes.

        Acts are alike that are the same of the same subject from the same neighbourhood. Whoever answers does not wait
        for it: how long a refusal takes must not tell whether there was something to write.
        """
        key: tuple[str, ...] = (act.act, act.subject, nearby)
        if key not in self._alike and len(self._alike) >= _ALIKE_MAX:
            key = (act.act,)
        since, more, _ = self._alike.get(key, (self._clock(), -1, act))
        self._alike[key] = (since, more + 1, act)
        if more < 0:
            self._first.append(act)  # at most one for each key
            self.wake.set()

    async def write_alike(self) -> None:
        """Write what was noted for the first time, and how many were alike where the ten minutes are over.

        Whoever comes while another writes waits: neither is anything written twice, nor is it left out.
        """
        async with self._writing:
            self.wake.clear()
            while self._first:
                await self.note(self._first[0])
                self._first.pop(0)
            now = self._clock()
            for key, (since, more, act) in list(self._alike.items()):
                if 0 <= now - since < _ALIKE_FOR:
                    continue
                if more:
                    await self.note(msgspec.structs.replace(act, data={**act.data, "more": more}))
                _, counted, last = self._alike.pop(key)
                if counted > more:  # while that was being written: they are told with the next ten minutes' ones
                    self._alike[key] = now, counted - more, last

    async def page(
        self,
        *,
        subject: str = "",
        who: str = "",
        door: str = "",
        act: str = "",
        since: float | None = None,
        until: float | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Act]:
        """The newest first, of what is asked for; `before` is the number of the last one of the page before.

        `act` is a whole one, kiosk.disable, or what several begin with: kiosk. `until` itself is not of it any more.
        """
        if act and not _ACT.fullmatch(act):
            return []
        wanted: list[ColumnElement[bool]] = []
        wanted += [column == value for column, value in (
            (audit.c.subject, subject), (audit.c.who, who), (audit.c.door, door),
        ) if value]  # fmt: skip
        if "." in act:
            wanted.append(audit.c.act == act)
        elif act:
            wanted.append((audit.c.act >= act) & (audit.c.act < act[:-1] + chr(ord(act[-1]) + 1)))
        if since is not None:
            wanted.append(audit.c.at >= since)
        if until is not None:
            wanted.append(audit.c.at < until)
        if before is not None:
            wanted.append(audit.c.number < before)
        statement = select(audit).where(*wanted).order_by(audit.c.number.desc()).limit(limit)
        async with self._engine.connect() as connection:
            return [
                Act(
                    who=row.who, door=row.door, act=row.act, subject=row.subject, address=row.address, at=row.at,
                    number=row.number, data=msgspec.json.decode(row.data, type=dict),
                )
                for row in await connection.execute(statement)
            ]  # fmt: skip


def _clean(value: Any) -> Any:
    """As any database and any JSON takes it: without NUL, and whole characters only."""
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        case dict():
            return {_clean(str(name)): _clean(item) for name, item in value.items()}
        case list() | tuple() | set():
            return [_clean(item) for item in value]
        case None | bool() | int() | float():
            return value
        case _:
            return _clean(str(value))
