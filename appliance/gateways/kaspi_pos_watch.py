"""Watching a payment at a Kaspi terminal until it is known how it ended.

    wait     → asked again, every `poll` seconds; each change of its stage is told
    unknown  → the terminal does not know it: `/v2/actualize` has it ask the bank, not sooner than 10 s after the last
               time, later and later
    success, fail → the end

A terminal that cannot be reached is asked on. One that says several times, for a while, that it does not know the
process has forgotten it: then nobody here can tell.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from appliance.gateways.kaspi_pos_said import GONE_CODES, OK, Process, Said, stage_of
from appliance.gateways.kaspi_pos_terminal import Heard

_log = logging.getLogger(__name__)

Ask = Callable[[str], Awaitable[Heard]]
"""Calls `status` or `actualize` for the one process."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long things take, in seconds."""

    start: float = 20.0  # the answer to a start, which comes before the customer is asked
    call: float = 10.0  # the answer to anything else
    actualize: float = 10.0  # at least, between two of them
    actualize_most: float = 300.0
    pause_most: float = 30.0  # between two tries to reach it
    slow_after: float = 600.0  # a terminal that still waits then is asked more rarely ...
    slow: float = 5.0
    gone: float = 10.0  # so long, and `GONE_TIMES` in a row, it says that it does not know the process
    free: float = 300.0  # 180 s to scan, 60 to confirm, and some: by then it is not busy with one that was lost
    known_within: float = 24 * 3600.0


GONE_TIMES = 5


class Gone(msgspec.Struct, frozen=True):
    """It cannot be known any more, and why."""

    words: str


async def watch(
    ask: Ask, *, poll: float, until: float, timing: Timing, tell: Callable[[dict[str, Any]], None],
    each: Callable[[], Awaitable[None]],
) -> Process | Gone | None:  # fmt: skip
    """How the process ended; None when it is not known by `until` (monotonic).

    `each` is done before every question.
    """
    began = time.monotonic()
    actualize_at, actualize_pause = began, timing.actualize
    pause, told, unknown_times, unknown_since = poll, "", 0, 0.0
    while True:
        await each()
        asked = time.monotonic()  # an answer that lay here for long says nothing of what came meanwhile
        heard = await ask("status")
        now = time.monotonic()
        if _process(heard, "unknown") and now >= actualize_at:
            actualized = await ask("actualize")
            now = time.monotonic()
            actualize_at, actualize_pause = now + actualize_pause, min(actualize_pause * 2, timing.actualize_most)
            if _process(actualized, "success", "fail"):
                heard = actualized
        process = heard.process if isinstance(heard, Said) and heard.code == OK else None
        if process is not None and process.status in {"success", "fail"}:
            return process
        if process is not None:
            pause = max(poll, timing.slow) if now - began > timing.slow_after else poll
            stage = stage_of(process)
            if stage["stage"] + process.sub_status != told:
                told = stage["stage"] + process.sub_status
                tell(stage)
        elif not isinstance(heard, Said) or heard.code not in GONE_CODES:
            words = heard.words() if isinstance(heard, Said) else heard.detail
            if words != told:
                told = words
                _log.warning("a terminal does not say how a payment stands", extra={"reason": words})
                tell({"stage": "terminal-away", "words": "the terminal does not answer", "sub_status": ""})
            pause = min(pause * 1.5, timing.pause_most)
        if isinstance(heard, Said) and heard.code in GONE_CODES:
            unknown_times += 1
            unknown_since = unknown_since or now
            if unknown_times >= GONE_TIMES and asked - unknown_since >= timing.gone:
                return Gone(heard.words())
        elif isinstance(heard, Said):
            unknown_times, unknown_since = 0, 0.0
        if now >= until:
            return None
        await asyncio.sleep(min(pause, max(until - now, 0.0)))


def _process(heard: Heard, *statuses: str) -> bool:
    if not isinstance(heard, Said) or heard.code != OK:
        return False
    process = heard.process
    return process is not None and process.status in statuses
