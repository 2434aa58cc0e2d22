"""Kiosks get their identity: a code is made, and traded once for a token bound to a key. See `wire.enrolment`.

Whatever comes of a trade stands in one transaction: the code is used, the key bound, the next generation in force, and
the audit has its line. Who dies over the answer finds it again under the same code and key.
"""

import asyncio
import logging
import math
import random
import time

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.cancelled import cancelled
from cloud.db.dialect import one_after_another
from cloud.db.engine import explain
from cloud.db.lease import Lease, Mine
from cloud.db.tables import codes, kiosks
from cloud.errors import Refused, StorageError
from cloud.kiosks import audit
from cloud.kiosks.codes import Code, Holder, Reason, Result, code_hash, good_until, is_over, judge, new_code
from cloud.kiosks.guesses import Guesses
from cloud.kiosks.identity import Conflict
from cloud.kiosks.proof import fingerprint
from cloud.kiosks.registry import Kiosk, Registry, next_revision
from cloud.kiosks.tokens import Tokens
from cloud.metrics import Metrics
from wire.crashpoint import crash_point
from wire.enrolment import EnrolAnswer, shown_code

log = logging.getLogger(__name__)

_EVERY = 60.0
_WAITING_MAX = 64  # trades at a time; they go one after the other
_SIGHTINGS_MAX = 64  # lines about boxes seen twice that wait for the database
_CODES_KEPT = 5  # of each kiosk, so that an older one is called so
_ADDRESS_MAX = 64


class MadeCode(msgspec.Struct, frozen=True):
    """A code as it is given to a person, once. `good_until` is Unix seconds."""

    text: str
    good_until: float

    def __repr__(self) -> str:
        return "MadeCode(…)"


class _Traded(msgspec.Struct, frozen=True, kw_only=True):
    result: Result
    reason: Reason | None = None
    kiosk_id: str = ""
    name: str = ""
    generation: int = 0
    used_at: float = 0.0


class Enrolment:
    """All codes. `start` only where kiosks come in; making and reading codes needs a migrated database alone."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        secret: str,
        registry: Registry,
        tokens: Tokens,
        metrics: Metrics | None = None,
        jobs: Lease | None = None,
        guesses: Guesses | None = None,
    ) -> None:
        """Where hubs share a database, codes grow older by the one that has the lease of `jobs`."""
        self._engine = engine
        self._jobs = jobs or Mine()
        self._secret = secret
        self._registry = registry
        self._tokens = tokens
        self._metrics = metrics or Metrics()
        self._guesses = guesses or Guesses()
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._limited_at: float | None = None  # monotonic, when that was logged last
        self._looked_at: float | None = None  # monotonic
        self._task: asyncio.Task[None] | None = None
        self._sightings: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to count how long codes have lived."""
        self._task = asyncio.create_task(self._run(), name="enrolment")

    async def stop(self) -> None:
        """Stop; lines for the audit are written first."""
        if self._task:
            await cancelled(self._task)
        await asyncio.gather(*self._sightings, return_exceptions=True)

    # For operators.

    async def add_kiosk(self, kiosk_id: str, name: str, made_by: str) -> tuple[Kiosk, MadeCode]:
        """Register a kiosk with a code for it. Raises `Refused` (conflict) if it exists."""
        made: list[MadeCode] = []

        def also(connection: Connection, kiosk_id: str) -> None:
            made.append(self._make(connection, kiosk_id, made_by))

        kiosk = await self._registry.add(kiosk_id, name, also)
        return kiosk, made[0]

    async def new_code(self, kiosk_id: str, made_by: str) -> MadeCode:
        """A code for a kiosk; what it had before is refused from now on. Raises `Refused` (unknown-kiosk).

        The kiosk goes on with the token and key that it has until somebody uses the code.
        """
        async with self._engine.begin() as connection:
            made = await connection.run_sync(self._make, kiosk_id, made_by)
            crash_point("hub.enrolment.code.before")
        crash_point("hub.enrolment.code.after")
        return made

    async def open_until(self, kiosk_id: str) -> float | None:
        """Until when the kiosk's code can be used, Unix seconds; None without one that can."""
        open_one = codes.c.kiosk_id == kiosk_id, codes.c.ended.is_(None), codes.c.used_at.is_(None)
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(codes).where(*open_one))).first()
        now = time.time()
        code = _code(row) if row else None
        return good_until(code, now) if code is not None and not is_over(code, now) else None

    async def newest(self, kiosk_id: str) -> int:
        """The number of its newest code, be that good or not; 0 without any."""
        async with self._engine.connect() as connection:
            statement = select(func.max(codes.c.id)).where(codes.c.kiosk_id == kiosk_id)
            return (await connection.execute(statement)).scalar() or 0

    async def audit(self, kiosk_id: str | None, limit: int) -> list[audit.Line]:
        """The newest lines first: of one kiosk, or of all and of codes that named none."""
        async with self._engine.connect() as connection:
            return await connection.run_sync(audit.read, kiosk_id, limit)

    # For kiosks.

    async def trade(self, code: str, public_key: str, address: str, version: str = "") -> EnrolAnswer:
        """Give the box with this key what the code is for.

        `code` and `public_key` have been parsed. Raises `Refused` (code-refused, in one wording whatever the reason;
        rate-limited) and `StorageError`.
        """
        if self._waiting >= _WAITING_MAX:
            raise self._limited(address, 1.0)
        self._waiting += 1
        try:
            async with self._turn:
                traded = await self._trade(code, public_key, address[:_ADDRESS_MAX])
        finally:
            self._waiting -= 1
        self._metrics.enrolments.labels(str(traded.result)).inc()
        told = {"kiosk": traded.kiosk_id or None, "address": address, "key": fingerprint(public_key)}
        if traded.result is Result.REFUSED:
            log.warning("a code was refused", extra={**told, "reason": str(traded.reason)})
            raise Refused("code-refused", "the code is not known, was used or is too old: have a new one made")
        log.info("kiosk enrolled", extra={**told, "result": str(traded.result), "version": version[:_ADDRESS_MAX]})
        try:
            self._registry.told()
            await self._registry.refresh()  # else its hello would come before its token is in force
        except (SQLAlchemyError, OSError) as error:
            log.warning("kiosks cannot be read anew", extra={"error": explain(error)})
        token = self._tokens.issue(traded.kiosk_id, traded.generation, traded.used_at)
        return EnrolAnswer(kiosk_id=traded.kiosk_id, token=token, name=traded.name)

    def sighted(self, kiosk_id: str, conflict: Conflict) -> None:
        """Two boxes go by the identity of one kiosk: write that down, in the background."""
        if len(self._sightings) >= _SIGHTINGS_MAX:
            return  # said in the log all the same
        kiosk = self._registry.get(kiosk_id)
        is_copy = conflict.there.has_journal_of(conflict.here) or bool(kiosk and kiosk.public_key)
        key = fingerprint(kiosk.public_key) if kiosk and kiosk.public_key else ""
        result = Result.CLONED if is_copy else Result.DUPLICATED
        task = asyncio.create_task(
            self._note_sighting(kiosk_id, result, conflict.here.address, conflict.there.address, key)
        )
        self._sightings.add(task)
        task.add_done_callback(self._sightings.discard)

    async def look(self, monotonic: float) -> None:
        """Add to the age of codes what the hub has run since the last look, and end those that are too old."""
        ran = 0.0 if self._looked_at is None else max(0.0, monotonic - self._looked_at)
        async with self._engine.connect() as connection:
            has_any = (await connection.execute(select(codes.c.id).where(codes.c.ended.is_(None)).limit(1))).first()
        if has_any:
            async with self._engine.begin() as connection:
                await connection.run_sync(_grow_older, ran, time.time())
                crash_point("hub.enrolment.look.before")
            crash_point("hub.enrolment.look.after")
        self._looked_at = monotonic

    async def _run(self) -> None:
        while True:
            if not self._jobs.is_held:
                self._looked_at = None  # what another hub has run is added by that
                await self._jobs.wait_until(held=True)
            try:
                await self.look(time.monotonic())
            except (SQLAlchemyError, OSError) as error:
                log.warning("codes cannot grow older", extra={"error": explain(error)})
            await asyncio.sleep(_EVERY)

    def _make(self, connection: Connection, kiosk_id: str, made_by: str) -> MadeCode:
        now = time.time()
        # Whoever changes a kiosk's codes holds the kiosk's row before: they wait for each other in one order.
        here = update(kiosks).where(kiosks.c.id == kiosk_id, kiosks.c.removed.is_(False))
        if not connection.execute(here.values(id=kiosks.c.id)).rowcount:
            raise Refused("unknown-kiosk", f"there is no kiosk {kiosk_id}", fact="no-kiosk", kiosk=kiosk_id)
        ended = update(codes).where(codes.c.kiosk_id == kiosk_id, codes.c.ended.is_(None))
        connection.execute(ended.values(ended=str(Reason.REPLACED)))
        text = new_code()
        values = {"kiosk_id": kiosk_id, "hash": code_hash(self._secret, text), "made_by": made_by, "made_at": now}
        connection.execute(insert(codes).values(**values))
        newest = select(codes.c.id).where(codes.c.kiosk_id == kiosk_id).order_by(codes.c.id.desc()).limit(_CODES_KEPT)
        connection.execute(delete(codes).where(codes.c.kiosk_id == kiosk_id, codes.c.id.not_in(newest)))
        audit.note(connection, now, kiosk_id=kiosk_id, result=Result.MADE, reason=made_by)
        return MadeCode(shown_code(text), good_until(Code(kiosk_id=kiosk_id, made_at=now), now))

    async def _trade(self, code: str, public_key: str, address: str) -> _Traded:
        """Look at a code if the address, and all of them together, have not tried too many wrong ones."""
        if wait := self._guesses.take(address, asyncio.get_running_loop().time()):
            raise self._limited(address, wait)
        try:
            async with self._engine.begin() as connection:
                await one_after_another(connection)
                hashed = code_hash(self._secret, code)
                traded = await connection.run_sync(_trade, hashed, public_key, address, time.time())
                crash_point("hub.enrolment.trade.before")
        except (SQLAlchemyError, OSError) as error:
            self._guesses.give_back(address)
            raise StorageError(explain(error)) from error
        crash_point("hub.enrolment.trade.after")
        if traded.result is not Result.REFUSED:
            self._guesses.give_back(address)
        return traded

    def _limited(self, address: str, wait: float) -> Refused:
        self._metrics.enrolments.labels("limited").inc()
        now = time.monotonic()
        if self._limited_at is None or now - self._limited_at >= _EVERY:
            self._limited_at = now
            log.warning("too many codes are tried: some are not looked at", extra={"address": address})
        # Spread, so that kiosks that were told to wait do not come back at once.
        after = math.ceil(wait + random.uniform(0, 5))  # noqa: S311 - no secret
        return Refused("rate-limited", "too many wrong codes: try again later", retry_after=after)

    async def _note_sighting(self, kiosk_id: str, result: Result, here: str, there: str, key: str) -> None:
        def write(connection: Connection) -> None:
            told = {"kiosk_id": kiosk_id, "address": here, "other_address": there, "fingerprint": key}
            audit.note(connection, time.time(), result=result, **told)

        try:
            async with self._engine.begin() as connection:
                await connection.run_sync(write)
                crash_point("hub.enrolment.sighted.before")
            crash_point("hub.enrolment.sighted.after")
        except (SQLAlchemyError, OSError) as error:
            log.warning("two boxes could not be noted", extra={"kiosk": kiosk_id, "error": explain(error)})


def _trade(connection: Connection, hashed: str, public_key: str, address: str, now: float) -> _Traded:
    """One transaction's work, about the same for codes that are wrong in whatever way."""
    # Written first: from here on nobody else changes this kiosk or its codes; in SQLite nobody changes anything.
    its_id = select(codes.c.kiosk_id).where(codes.c.hash == hashed).scalar_subquery()
    connection.execute(update(kiosks).where(kiosks.c.id == its_id).values(id=kiosks.c.id))
    row = connection.execute(select(codes).where(codes.c.hash == hashed)).one_or_none()
    code = _code(row) if row else None
    wanted = code.kiosk_id if code else ""
    its = connection.execute(select(kiosks).where(kiosks.c.id == wanted)).one_or_none()
    holder = Holder(enabled=its.enabled, removed=its.removed, public_key=its.public_key or "") if its else None
    result, reason = judge(code, holder, public_key, now)
    generation, used_at = (its.generation if its else 0), (code.used_at if code and code.used_at else now)
    if result is Result.ENROLLED:
        used = {"used_at": now, "used_from": address, "public_key": public_key}
        connection.execute(update(codes).where(codes.c.hash == hashed).values(**used))
        generation += 1
        bound = {"public_key": public_key, "enrolled_at": now, "enrolled_from": address}
        this = update(kiosks).where(kiosks.c.id == wanted)
        connection.execute(this.values(generation=generation, revision=next_revision, **bound))
    elif reason is Reason.EXPIRED:
        connection.execute(update(codes).where(codes.c.hash == hashed).values(ended=str(Reason.EXPIRED)))
    key = fingerprint(public_key) if wanted else ""
    audit.note(connection, now, kiosk_id=wanted, result=result, reason=reason or "", address=address, fingerprint=key)
    name = its.name if its else ""
    return _Traded(result=result, reason=reason, kiosk_id=wanted, name=name, generation=generation, used_at=used_at)


def _grow_older(connection: Connection, ran: float, now: float) -> None:
    open_ones = update(codes).where(codes.c.ended.is_(None))
    connection.execute(open_ones.values(lived=codes.c.lived + ran))
    rows = connection.execute(select(codes).where(codes.c.ended.is_(None))).all()
    over = [row.id for row in rows if is_over(_code(row), now)]
    for at in range(0, len(over), 500):
        some = update(codes).where(codes.c.id.in_(over[at : at + 500]))
        connection.execute(some.values(ended=str(Reason.EXPIRED)))


def _code(row: object) -> Code:
    values = {name: getattr(row, name) for name in Code.__struct_fields__}
    return Code(**{**values, "public_key": values["public_key"] or "", "ended": values["ended"] or ""})
