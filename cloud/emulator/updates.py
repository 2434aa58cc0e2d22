"""Updates that wait for the bot: kept until it confirms them, given to one poller at a time."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from cloud.emulator.errors import Refusal, conflict

Json = dict[str, Any]

KEPT = 10_000  # updates; the oldest go first
KEPT_FOR, PRESS_KEPT_FOR = 86_400.0, 150.0  # seconds; a pressed button is of no use later
AT_ONCE = 100  # given at one call
# Given only to those who ask for them by name.
_ON_REQUEST = {"chat_member", "message_reaction", "message_reaction_count"}
_OTHER_POLLER = "terminated by other getUpdates request; make sure that only one bot instance is running"


class Waiting(msgspec.Struct, frozen=True):
    """An update. Those with the same `queue` are delivered to a webhook one after the other."""

    update: Json
    until: float
    queue: int

    @property
    def number(self) -> int:
        """Its update_id."""
        return int(self.update["update_id"])


class _Poll(msgspec.Struct):
    """A getUpdates that waits."""

    ended: asyncio.Future[None]
    refusal: Refusal | None = None


class Updates:
    """The queue of one bot. `wanted` is what allowed_updates said last; empty is Telegram's default."""

    def __init__(self, *, clock: Callable[[], float] = time.time, first: int = 1) -> None:
        self._clock = clock
        self._numbers = itertools.count(first)
        self._waiting: list[Waiting] = []
        self._poll: _Poll | None = None
        self._watchers: list[Callable[[], None]] = []
        self.wanted: list[str] | None = None
        self.stolen = False  # another program polls with the same token

    def go_on_at(self, number: int) -> None:
        """Number updates from here on, before there are any: a bot's numbers are never used again, and a hub that has
        seen them takes none of them twice."""
        self._numbers = itertools.count(number)

    def watch(self, told: Callable[[], None]) -> None:
        """Call `told` at every new update."""
        self._watchers.append(told)

    def push(self, kind: str, what: Json, queue: int = 0) -> int:
        """Add an update; returns its id, 0 if the bot does not want such ones."""
        if kind not in self.wanted if self.wanted else kind in _ON_REQUEST:
            return 0
        number = next(self._numbers)
        keep = PRESS_KEPT_FOR if kind == "callback_query" else KEPT_FOR
        # A copy: what happens to the message later is not in it.
        update = msgspec.json.decode(msgspec.json.encode({"update_id": number, kind: what}))
        self._waiting.append(Waiting(update, self._clock() + keep, queue))
        if len(self._waiting) > KEPT:
            del self._waiting[0]
        if self._poll is not None and not self._poll.ended.done():
            self._poll.ended.set_result(None)
        for told in self._watchers:
            told()
        return number

    def waiting(self) -> Sequence[Waiting]:
        """All that is neither confirmed nor too old, oldest first."""
        now = self._clock()
        if any(waiting.until <= now for waiting in self._waiting):
            self._waiting = [waiting for waiting in self._waiting if waiting.until > now]
        return self._waiting

    def done(self, number: int) -> None:
        """One was delivered to the webhook."""
        self._waiting = [waiting for waiting in self._waiting if waiting.number != number]

    def drop(self) -> None:
        """Forget all that waits."""
        self._waiting = []

    async def get(self, offset: int, limit: int, timeout: float) -> list[Json]:
        """As getUpdates: confirms what is below `offset`, then waits for more. Raises `Refusal` when another poller
        comes, or a webhook is set."""
        self.end_poll(conflict(_OTHER_POLLER))
        if self.stolen:
            raise conflict(_OTHER_POLLER)
        self._confirm(offset)
        if not self.waiting() and timeout > 0:
            poll = self._poll = _Poll(asyncio.get_running_loop().create_future())
            try:
                async with asyncio.timeout(timeout):
                    await poll.ended
            except TimeoutError:
                pass
            finally:
                if self._poll is poll:
                    self._poll = None
            if poll.refusal is not None:
                raise poll.refusal
        return [waiting.update for waiting in self.waiting()[:limit]]

    def end_poll(self, refusal: Refusal) -> None:
        """Refuse the getUpdates that waits, if one does."""
        poll, self._poll = self._poll, None
        if poll is not None and not poll.ended.done():
            poll.refusal = refusal
            poll.ended.set_result(None)

    def steal(self) -> None:
        """Another program begins to poll with the same token."""
        self.stolen = True
        self.end_poll(conflict(_OTHER_POLLER))

    def is_polled(self) -> bool:
        """Whether a getUpdates waits just now."""
        return self._poll is not None

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            self._waiting = self._waiting[offset:]
        elif offset > 0:
            self._waiting = [waiting for waiting in self._waiting if waiting.number >= offset]
