"""Keeps the figures that charts are drawn from: counts operations by minute and hour, and how the fleet stands.

It reads the operations' rows beside everything else and is told nothing, so that `POST /send` pays nothing for it and
a restart loses nothing. Each look counts the minutes since the last one, the present one among them; a few of the past
minutes again, since a row may be written only when its operation ends; and, now and then, those in which an operation
stands open otherwise than it was counted: so outcomes that come hours later find their bar. A look is bounded, and
pauses the longer the longer it took.

Minutes are kept for 3 days and hours for 400, **of the hub's own running**: a clock that stands a year ahead deletes
nothing. What such a clock has dated is counted where it says, and shown to nobody once the clock is right again.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.cancelled import cancelled
from cloud.db.engine import explain
from cloud.db.lease import Lease, Mine
from cloud.operations.figure_rows import MINUTES_KEPT, FigureRows, Key
from cloud.operations.figures import DAY, HOUR, MINUTE, Bars, Count, Fleet, Span, floor

log = logging.getLogger(__name__)

EVERY = 5.0
_SHARE = 20.0  # a look that took so long pauses for so many times that
_WITHIN = 30.0
_STOP_WITHIN = 2.0
_MINUTES_AT_ONCE = 60
_LONG = 0.2  # seconds of one question, after which fewer minutes are asked for at once
_LOOK_MAX = 1.0  # seconds, after which the rest is left to the next look
# A row may be written as late as its caller waits, which is 300 s at most: minutes of these ages are counted again.
_AGAIN = (1, 2, 6, 15)
_OPEN_EVERY = 30.0
_OPEN_MAX = 20  # minutes or hours counted for it in one look
_FORGET_EVERY = 3600.0
_SUMMED = 2 * DAY  # hours of that age are sums of their minutes, older ones are counted from the rows
_BACK = 400 * DAY
_KEEP_READ = 2.0  # seconds for which many who look at the same chart are shown one answer


class Tally:
    """The figures. A database that is away is asked again, and what was missed made up for.

    Args:
        engine: of the hub's database, migrated.
        fleet: how the fleet stands just now, without `unknown`, which is read here.
        refused: how many requests were refused since the hub began.
        jobs: who has this lease counts, where hubs share a database; each adds what it has refused itself.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        fleet: Callable[[], Fleet],
        refused: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        jobs: Lease | None = None,
    ) -> None:
        self._jobs = jobs or Mine()
        self._rows = FigureRows(engine)
        self._fleet = fleet
        self._refused = refused
        self._clock = clock
        self._monotonic = monotonic
        self._refused_counted = 0
        self._next: int | None = None  # the first minute that is not counted for good
        self._minute: int | None = None  # of the last look
        self._stood: dict[int, Fleet] = {}  # by minute, what is not written yet
        self._at_once = _MINUTES_AT_ONCE
        self._open_at = self._forget_at = float("-inf")  # monotonic
        self._unknown = 0
        self._goes_back = True
        self._is_failing = False
        self._read: dict[Span, tuple[float, Bars]] = {}
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()

    def start(self) -> None:
        """Begin; the first look comes at once."""
        self._task = asyncio.create_task(self._run(), name="tally")

    async def stop(self) -> None:
        """End. What was not counted yet is counted by the next start.

        A look under way comes to its end: SQLite keeps the lock of a statement that was broken off in a thread.
        """
        self._stopped.set()
        if self._task:
            await asyncio.wait([self._task], timeout=_STOP_WITHIN)
            await cancelled(self._task)

    async def read(self, span: Span) -> Bars:
        """The bars of a chart, at most two seconds old. Raises SQLAlchemyError, OSError, TimeoutError."""
        async with asyncio.timeout(_WITHIN), self._reading:
            found = self._read.get(span)
            if found is None or self._monotonic() - found[0] > _KEEP_READ:
                found = self._read[span] = self._monotonic(), await self._rows.bars(span, self._clock())
        return found[1]

    async def look(self) -> bool:
        """Look once. True if there is more to count than one look may. Raises SQLAlchemyError, OSError."""
        now, began = self._clock(), self._monotonic()
        minute = floor(now, MINUTE)
        if not self._jobs.is_held:
            await self._add_refused(minute)
            return False
        found = None
        if began >= self._open_at:
            found = await self._rows.open()
            self._unknown = sum(unknown for unknown, _ in found.values())
        self._note_fleet(minute)
        if self._next is None:
            self._next = await self._begin(minute)
        await self._rows.put_fleet(self._stood)
        self._stood.clear()
        # In order: who is killed in the middle goes on after the last minute there is.
        until = began + _LOOK_MAX
        while (more := await self._count_missed(minute)) and self._monotonic() < until and not self._stopped.is_set():
            pass
        if not more:
            await self._count_present(minute)
        if not more and self._goes_back:
            self._goes_back = more = await self._count_before(now)
        if not more and found is not None:
            await self._count_open(found, now)
            self._open_at = self._monotonic() + _OPEN_EVERY
        if began >= self._forget_at:
            await self._rows.forget()
            self._forget_at = self._monotonic() + _FORGET_EVERY
        return more

    async def _run(self) -> None:
        while not self._stopped.is_set():
            began = self._monotonic()
            more = False
            try:
                async with asyncio.timeout(_WITHIN):
                    more = await self.look()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                if not self._is_failing:
                    extra = {"error": explain(error)}
                    log.warning("operations are not counted for the charts; it is made up for later", extra=extra)
                self._fail()
            except Exception:  # the task must outlive any mistake of ours
                if not self._is_failing:
                    log.exception("operations are not counted for the charts")
                self._fail()
            else:
                if self._is_failing:
                    log.info("operations are counted again")
                self._is_failing = False
            took = self._monotonic() - began
            # What was missed is made up for at once, though never with more than half of the time.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.05, took) if more else max(EVERY, _SHARE * took)):
                    await self._stopped.wait()

    async def _add_refused(self, minute: int) -> None:
        self._next, self._minute, self._goes_back, self._open_at = None, None, True, float("-inf")
        self._stood.clear()
        if refused := self._refused() - self._refused_counted:
            counts = {minute: (await self._rows.minutes(minute, minute + MINUTE)).get(minute, Count())}
            await self._rows.put(MINUTE, counts, {minute: refused})
            self._refused_counted += refused

    def _fail(self) -> None:
        self._is_failing = True
        self._next = None  # found again, with some minutes before it

    def _note_fleet(self, minute: int) -> None:
        there = msgspec.structs.replace(self._fleet(), unknown=self._unknown)
        known = self._stood.get(minute)
        self._stood[minute] = there if known is None else known.worst(there)
        while len(self._stood) > _MINUTES_AT_ONCE:  # the database is away: the oldest are not known, then
            del self._stood[min(self._stood)]

    async def _begin(self, minute: int) -> int:
        """The first minute to be counted: some before the last one that an earlier life has."""
        found = await self._rows.last_minute(minute)
        earliest = floor(minute - MINUTES_KEPT * MINUTE, HOUR)
        return earliest if found is None else max(earliest, found - _AGAIN[-1] * MINUTE)

    async def _count_present(self, minute: int) -> None:
        """The present minute, and those of the past that may have got rows since."""
        refused = self._refused() - self._refused_counted
        minutes = [minute]
        if self._minute != minute:
            minutes += [minute - age * MINUTE for age in _AGAIN]
        counts = {one: (await self._rows.minutes(one, one + MINUTE)).get(one, Count()) for one in minutes}
        await self._rows.put(MINUTE, counts, {minute: refused})
        self._refused_counted += refused
        self._minute = minute

    async def _count_missed(self, minute: int) -> bool:
        """Some of the minutes before the present one that nobody has counted. True if there are more."""
        assert self._next is not None
        if self._next >= minute:  # nothing was missed; or the clock was set back, and they are counted as they come
            self._next = minute
            return False
        began = self._monotonic()
        first = await self._rows.first_after(self._next, minute)
        if first is None:
            self._next = minute
            return False
        start = floor(first, MINUTE)
        end = min(start + self._at_once * MINUTE, minute)
        await self._rows.put(MINUTE, await self._rows.minutes(start, end))
        self._next = end
        is_long = self._monotonic() - began > _LONG
        self._at_once = max(1, self._at_once // 2) if is_long else min(_MINUTES_AT_ONCE, self._at_once * 2)
        return end < minute

    async def _count_before(self, now: float) -> bool:
        """One of the hours before those whose minutes are kept: for a hub that has not counted before."""
        edge = floor(now - MINUTES_KEPT * MINUTE, HOUR)
        before = await self._rows.first_hour(edge)
        found = await self._rows.last_before(edge if before is None else before, now - _BACK)
        if found is None:
            return False
        hour = floor(found, HOUR)
        await self._rows.put(HOUR, {hour: await self._rows.whole(hour, hour + HOUR)})
        return True

    async def _count_open(self, found: Mapping[int, tuple[int, int]], now: float) -> None:
        """Count anew where an operation stands open otherwise than it was counted."""
        counted = await self._rows.counted_open()
        stands: dict[Key, tuple[int, int]] = {}
        for minute, (unknown, running) in found.items():
            for width in (MINUTE, HOUR):
                key = width, floor(minute, width)
                others = stands.get(key, (0, 0))
                stands[key] = others[0] + unknown, others[1] + running
        wrong = [key for key in counted.keys() | stands.keys() if counted.get(key) != stands.get(key)]
        summed, oldest = now - _SUMMED, now - _BACK
        # Of what is younger the minutes are counted, and the hours are their sums. The newest first: they are seen.
        of_use = [key for key in wrong if key[1] >= oldest and (key[0] == MINUTE) == (floor(key[1], HOUR) >= summed)]
        for width, begin in sorted(of_use, key=lambda key: -key[1])[:_OPEN_MAX]:
            await self._rows.put(width, {begin: await self._rows.whole(begin, begin + width)})
