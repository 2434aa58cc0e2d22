"""The rows of callbacks: which are due, and what came of them.

Where hubs share a database each takes some for itself, for as long as an attempt may last (`TAKEN_FOR`): so a callback
is delivered by one hub at a time, and those of a hub that died are another's after that. Rows that another hub is
taking just now are passed over.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Row, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.db.shared_hold import NOW
from cloud.db.tables import callbacks
from wire.crashpoint import crash_point

TAKEN_FOR = 60.0  # an attempt lasts a quarter of it; the rest is for a database that is slow to take what came of it

c = callbacks.c
Result = tuple[Row[Any], dict[str, object]]


class CallbackRows:
    """`life` is this hub's where others share the database. All of it raises SQLAlchemyError, OSError."""

    def __init__(self, engine: AsyncEngine, life: str | None = None) -> None:
        self._engine = engine
        self._life = life

    @property
    def is_free(self) -> ColumnElement[bool]:
        """Whether no hub delivers it just now; of this hub's own only a hub that is alone knows otherwise."""
        return true() if self._life is None else or_(c.taken_until.is_(None), c.taken_until < NOW)

    async def due(
        self, now: float, longest: float, under_way: Mapping[str, str], room: int, each: int
    ) -> tuple[int, list[Row[Any]]]:
        """How many wait in all, and those to be delivered now: `room` at most, and with those `under_way` (by id, of
        which API key) no more than `each` of one key. No pause is longer than `longest` seconds: what is due later than
        that was dated by a clock that has been set back since."""
        waiting = c.next_at.is_not(None)
        counts = Counter(under_way.values())
        async with self._engine.connect() as connection:
            count = await connection.scalar(select(func.count()).select_from(callbacks).where(waiting)) or 0
            if not count or room <= 0:
                return count, []
            due = select(callbacks).where(
                waiting,
                or_(c.next_at <= now, c.next_at > now + longest),
                c.request_id.not_in(list(under_way)),
                c.api_key_id.not_in([key for key, of_it in counts.items() if of_it >= each]),
            )
            due = due.order_by(c.next_at).limit(room)
            if self._life is None:
                return count, _chosen(await connection.execute(due), counts, each)
            rows = await connection.execute(due.where(self.is_free).with_for_update(skip_locked=True))
            chosen = _chosen(rows, counts, each)
            if chosen:
                mine = update(callbacks).where(c.request_id.in_([row.request_id for row in chosen]))
                await connection.execute(mine.values(taken_by=self._life, taken_until=NOW + TAKEN_FOR))
                crash_point("hub.callbacks.take.before")
            await connection.commit()
            crash_point("hub.callbacks.take.after")
        return count, chosen

    async def write(self, results: Iterable[Result]) -> None:
        """What came of attempts. Of one that another hub has taken since it says so."""
        async with self._engine.begin() as connection:
            for row, change in results:
                statement = update(callbacks).where(c.request_id == row.request_id).values(attempts=row.attempts + 1)
                if self._life is not None:
                    statement = statement.where(c.taken_by == self._life).values(taken_by=None, taken_until=None)
                await connection.execute(statement.values(**change))
            crash_point("hub.callbacks.result.before")
        crash_point("hub.callbacks.result.after")

    async def begin_anew(self, condition: ColumnElement[bool], now: float) -> int:
        """Its attempts and its time count from now on, or its first failure would be the last. Returns how many, none
        of those that another hub delivers just now."""
        anew = {"next_at": now, "created_at": now, "attempts": 0, "delivered_at": None}
        async with self._engine.begin() as connection:
            count = (await connection.execute(update(callbacks).where(condition, self.is_free).values(anew))).rowcount
            crash_point("hub.callbacks.redeliver.before")
        crash_point("hub.callbacks.redeliver.after")
        return int(count)

    async def release(self, request_ids: Iterable[str]) -> None:
        """Let other hubs have those that this one has taken and will not deliver."""
        if self._life is None or not (ids := list(request_ids)):
            return
        async with self._engine.begin() as connection:
            mine = update(callbacks).where(c.request_id.in_(ids), c.taken_by == self._life)
            await connection.execute(mine.values(taken_by=None, taken_until=None))
            crash_point("hub.callbacks.release.before")
        crash_point("hub.callbacks.release.after")

    async def find(self, request_id: str) -> Row[Any] | None:
        """One."""
        async with self._engine.connect() as connection:
            return (await connection.execute(select(callbacks).where(c.request_id == request_id))).first()


async def bury(connection: AsyncConnection, life: str, _seen_at: float) -> int:
    """A hub is dead: what it was delivering is anybody's. See `cloud.db.shared_hold.Burial`."""
    its = update(callbacks).where(c.next_at.is_not(None), c.taken_by == life)
    return (await connection.execute(its.values(taken_by=None, taken_until=None))).rowcount


def _chosen(rows: Iterable[Row[Any]], counts: Counter[str], each: int) -> list[Row[Any]]:
    """No more than `each` of one API key, those included that are counted."""
    found = []
    for row in rows:
        if counts[row.api_key_id] < each:
            counts[row.api_key_id] += 1
            found.append(row)
    return found
