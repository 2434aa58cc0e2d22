"""Walks to the hub while there is no link, and when a person asks; remembers the last walk.

While the link is down: first after `FIRST_S`, so that a short drop costs nothing, then once in `EVERY_S`. A person may
ask once in `ASKED_S`, and drops that follow each other are looked at as often. One walk runs at a time, whoever wanted
it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from appliance.cancelled import cancelled
from appliance.network.probe import Aim, Machine, look
from appliance.network.steps import Seen, Walk, judge

FIRST_S, EVERY_S, ASKED_S = 5.0, 60.0, 10.0
_TURN_S = 1.0

_log = logging.getLogger(__name__)


class Network:
    """The way to the hub, as it was last walked. `start` and `stop` are a pair."""

    def __init__(
        self, *, aim: Callable[[], Aim | None], connected: Callable[[], bool], token: Callable[[], str],
        look: Callable[[Aim, Machine | None], Awaitable[Seen]] = look, here: Machine | None = None,
    ) -> None:  # fmt: skip
        """`aim` is None while there is no hub to go to; `token` is how the hub takes ours (`steps.Seen.token`)."""
        self._aim = aim
        self._connected = connected
        self._token = token
        self._look = look
        self._here = here
        self._down_since: float | None = None  # monotonic
        self._walked_at: float | None = None
        self._asked = False
        self._task: asyncio.Task[None] | None = None
        self.last: Walk | None = None
        self.running = False

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._run(), name="network")

    async def stop(self) -> None:
        """End, in the middle of a walk if need be."""
        await cancelled(self._task)

    def ask(self) -> bool:
        """A person wants to know. False: it runs already, was done a moment ago, or there is no hub to go to."""
        if self.running or self._asked or self._aim() is None:
            return False
        if self._walked_at is not None and time.monotonic() - self._walked_at < ASKED_S:
            return False
        self._asked = True
        return True

    def told(self) -> dict[str, Any] | None:
        """The last walk as data, for a report."""
        found: dict[str, Any] | None = msgspec.to_builtins(self.last)
        return found

    async def _run(self) -> None:
        """The top of the task."""
        while True:
            await asyncio.sleep(_TURN_S)
            if not self._is_due(time.monotonic()):
                continue
            try:
                await self._walk()
            except Exception:
                _log.exception("the way to the hub could not be looked at")

    def _is_due(self, now: float) -> bool:
        if self._connected():
            self._down_since = None
        elif self._down_since is None:
            self._down_since = now
        if self._aim() is None:
            self._asked = False
            return False
        if self._asked:
            return True
        if self._down_since is None or now - self._down_since < FIRST_S:
            return False
        if self._walked_at is None:
            return True
        # What was seen before this drop says nothing of it; a link that flaps is not walked all the time.
        wait = ASKED_S if self._walked_at < self._down_since else EVERY_S
        return now - self._walked_at >= wait

    async def _walk(self) -> None:
        aim = self._aim()
        if aim is None:
            return
        before = self.last.first_failed if self.last else None
        self.running, self._asked = True, False
        began, at = time.monotonic(), time.time()
        try:
            seen = await self._look(aim, self._here)
        finally:
            self.running, self._walked_at = False, time.monotonic()
        seen.token = "good" if self._connected() else self._token()
        self.last = Walk(at=at, took=time.monotonic() - began, looks=judge(seen))
        failed = self.last.first_failed
        if failed != before:
            _log.info("the way to the hub was looked at", extra={
                "step": failed.step.value if failed else "", "finding": failed.finding if failed else "well",
                "took_s": round(self.last.took, 1),
            })  # fmt: skip


def token_state(trouble: str, *, has_token: bool) -> str:
    """How the hub takes our token, by the uplink's own words for why there is no link."""
    if not has_token:
        return "missing"
    for sign, state in _SIGNS:
        if sign in trouble:
            return state
    return "untried"


_SIGNS = (
    ("HTTP 401", "refused"), ("hub: 4401", "refused"), ("HTTP 403", "disabled"), ("hub: 4403", "disabled"),
    ("hub: 4409", "duplicate"), ("hub: 4410", "duplicate"), ("hub: 4411", "duplicate"),
)  # fmt: skip
