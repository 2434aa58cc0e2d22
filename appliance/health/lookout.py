"""Looks after what of the kiosk itself goes wrong in silence, and has the hub told: disk, clock, journal.

    disk-low {free, limit}          free bytes in STATE_DIR are near DISK_MIN_FREE_MB, below which nothing new is begun
    disk-ok {free, limit}           there is room again
    clock-wrong {offset_s}          the hub's clock is so many seconds ahead of ours, and has been for a minute
    clock-right {offset_s}          it is no more
    journal-trouble {reason}        the journal takes nothing new; told as far as it can still be written
    journal-well {}                 it does again

Another run of the program begins with nothing told: the hub takes `started` for the end of all of these.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from appliance.health.crossing import Crossing
from appliance.health.verdict import CLOCK_TOLERANCE_S

LOOK_S = 5.0
DISK_LOW, DISK_OK = 2.0, 2.5  # times DISK_MIN_FREE_MB
CLOCK_AFTER_S, DISK_AFTER_S, JOURNAL_AFTER_S = 60.0, 10.0, 5.0
CLOCK_RIGHT_S = CLOCK_TOLERANCE_S / 2

_log = logging.getLogger(__name__)

Note = Callable[[str, dict[str, Any]], Awaitable[None]]


class Lookout:
    """`start` and `stop` are a pair.

    Args:
        directory: STATE_DIR.
        min_free_bytes: as of DISK_MIN_FREE_MB; 0: nobody is to look at it.
        offset: seconds by which the hub's clock is ahead of ours; None before it told.
        trouble: why the journal takes nothing new; empty: it does.
        note: has the hub told.
    """

    def __init__(
        self, directory: Path, *, min_free_bytes: int, offset: Callable[[], float | None],
        trouble: Callable[[], str], note: Note,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._limit = min_free_bytes
        self._offset = offset
        self._trouble = trouble
        self._note = note
        self._disk = Crossing(after_s=DISK_AFTER_S)
        self._clock = Crossing(after_s=CLOCK_AFTER_S)
        self._journal = Crossing(after_s=JOURNAL_AFTER_S)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="lookout")

    async def stop(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self, now: float) -> None:
        """Look once, at a moment of a monotonic clock."""
        free = await asyncio.to_thread(free_bytes, self._directory)
        if self._disk.look(now, low(free, self._limit)):
            kind = "disk-low" if self._disk.told else "disk-ok"
            await self._tell(kind, {"free": free, "limit": self._limit})
        offset = self._offset()
        if self._clock.look(now, wrong(offset)):
            kind = "clock-wrong" if self._clock.told else "clock-right"
            await self._tell(kind, {"offset_s": round(offset or 0.0, 1)})
        trouble = self._trouble()
        if self._journal.look(now, bool(trouble)):
            if self._journal.told:
                await self._tell("journal-trouble", {"reason": trouble})
            else:
                await self._tell("journal-well", {})

    async def _tell(self, kind: str, data: dict[str, Any]) -> None:
        _log.log(logging.WARNING if kind in _BAD else logging.INFO, "the kiosk itself: %s", kind, extra=data)
        await self._note(kind, data)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look(time.monotonic())
            except Exception:  # the task must outlive any mistake of ours
                _log.exception("looking after the kiosk itself failed")


_BAD = frozenset({"disk-low", "clock-wrong", "journal-trouble"})


def low(free: int | None, limit: int) -> bool | None:
    """Whether room is short; None: neither short nor ample, or not known."""
    if free is None or not limit:
        return None
    return True if free < DISK_LOW * limit else False if free > DISK_OK * limit else None


def wrong(offset: float | None) -> bool | None:
    """Whether the clock is; None: about as much as is put up with, or not known."""
    if offset is None:
        return None
    return True if abs(offset) > CLOCK_TOLERANCE_S else False if abs(offset) < CLOCK_RIGHT_S else None


def free_bytes(directory: Path) -> int | None:
    """What the disk still has for us; None when it does not tell."""
    try:
        facts = os.statvfs(directory)
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize
