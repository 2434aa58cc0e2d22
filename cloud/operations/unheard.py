"""What nobody has under way any more, of kiosks that are here: they are asked what became of it.

At each hello a kiosk is asked for all that it never answered; see `settling`. What becomes unknown while it is
connected would stay so for as long as its socket lives, which may be weeks:

- The hub that had it under way died, or stopped, and what it said to the hub with the kiosk never arrived.
- Its hub gave it up while no message got through.
- Its row says that this hub sends it, and it does not: a commit whose answer was lost was seen by no look that came
  before it, so that the hub took it for not written.

All that is open is gone through every few seconds anyway (`SharedDelivery.expire`), by every hub. What is found there
for five seconds, and so is not just ending, is asked for: by the hub that has the kiosk, once on each connection, some
operations at a time. What says that this hub sends it, and is on its books in no round, is made `unknown` first, so
that whichever hub has the kiosk asks.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine, Iterable

from cloud.errors import StorageError
from cloud.kiosks.links import Link, Links
from cloud.operations.queued_rows import Open, QueuedRows
from cloud.operations.running import Books
from cloud.operations.settling import Settling
from wire.session import WINDOW

log = logging.getLogger(__name__)

_FOUND_FOR = 5.0  # seconds: most of what is given up is told a moment later
_MARKS_MAX = 20_000  # operations that are remembered from one round to the next; more wait for a later one
_TOGETHER = 64  # operations that are read and asked for at a time, each with a body of up to 1 MiB
_PAUSE = 0.1  # seconds between two such times: a hub of thousands of kiosks may have died
_RETRY = 1.0


class Rounds:
    """Which operations have been found for a while, round after round, on the same connection. Pure.

    `now` is seconds of a steady clock; 0 stands for no connection.
    """

    def __init__(self, most: int = _MARKS_MAX) -> None:
        self._most = most
        # By operation: the connection, since when it was found on it, and whether it was due on it.
        self._before: dict[str, tuple[int, float, bool]] = {}
        self._now: dict[str, tuple[int, float, bool]] = {}

    def __len__(self) -> int:
        return max(len(self._before), len(self._now))

    def is_due(self, request_id: str, epoch: int, now: float) -> bool:
        """It is found. True once on each connection: when it was found on it in an earlier round, some seconds ago."""
        if request_id in self._now or len(self._now) >= self._most:
            return False
        known = self._before.get(request_id)
        if known is None or known[0] != epoch:
            known = epoch, now, False
        is_due = not known[2] and request_id in self._before and now - known[1] >= _FOUND_FOR
        self._now[request_id] = known[0], known[1], known[2] or is_due
        return is_due

    def over(self) -> None:
        """All that is open was gone through: what was not found any more is forgotten."""
        self._before, self._now = self._now, {}


class Unheard:
    """Of hubs that share a store. `spawn` owns the task that asks."""

    def __init__(
        self,
        *,
        rows: QueuedRows,
        links: Links,
        books: Books,
        settling: Settling,
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._rows = rows
        self._links = links
        self._books = books
        self._settling = settling
        self._spawn = spawn
        self._rounds = Rounds()
        self._strays: dict[str, None] = {}
        self._due: dict[str, Link] = {}  # by operation, who is to be asked
        self._runs = False

    def seen(self, found: Iterable[Open], *, is_last: bool) -> None:
        """A stretch of what is open; `is_last` of a round."""
        now = self._links.now()
        for it in found:
            request_id = it.request_id
            if it.is_mine:
                if not self._is_here(request_id) and self._rounds.is_due(request_id, 0, now):
                    self._strays[request_id] = None
            elif it.is_unheard:
                link = self._may_ask(it)
                if link is not None and self._rounds.is_due(request_id, link.epoch, now):
                    self._due[request_id] = link
        if is_last:
            self._rounds.over()
        if (self._due or self._strays) and not self._runs:
            self._runs = True
            self._spawn(self._run())

    def _is_here(self, request_id: str) -> bool:
        """Whether this hub sees to it, be it to have its row gone."""
        return self._books.get(request_id) is not None or self._settling.is_being_freed(request_id)

    def _may_ask(self, it: Open) -> Link | None:
        """Its kiosk, if it is here, has a journal, and room for another question, and was not asked this one."""
        link = self._links.get(it.kiosk_id)
        if link is None or not link.ready or link.is_v1 or link.session.outstanding >= WINDOW:
            return None
        return None if link.session.asks_for(it.request_id) else link

    async def _run(self) -> None:
        try:
            while self._due or self._strays:
                try:
                    await self._some()
                except StorageError as error:  # it is all still to be done
                    log.warning("what nobody has under way waits", extra={"error": str(error)[:200]})
                    await asyncio.sleep(_RETRY)
                await asyncio.sleep(_PAUSE)
        finally:
            self._runs = False

    async def _some(self) -> None:
        strays = list(itertools.islice(self._strays, _TOGETHER))
        if strays:
            log.warning("operations that this hub has not under way are unknown", extra={"count": len(strays)})
            await self._rows.give_up(strays)
            for request_id in strays:
                del self._strays[request_id]
        some = dict(itertools.islice(self._due.items(), _TOGETHER))
        if some:
            await self._settling.ask_for(some)
            for request_id in some:
                del self._due[request_id]
