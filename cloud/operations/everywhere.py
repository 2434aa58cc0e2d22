"""What is known of operations at all hubs together: the one asked, the others by questions, the store for all.

An operation is on the books of one hub while it is under way, and has a row at the latest when it ends. So who finds
neither asks the others, all at once, and no longer than half a second: one that does not answer is passed over, and
what the store says is said. A hub that takes an operation off its books has written its row before: so where all
answer "not here" the row is looked for once more, and only then there is none.
"""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from cloud.bus.bus import Bus, NoAnswerError
from cloud.kiosks.elsewhere import Elsewhere
from cloud.kiosks.links import Links
from cloud.operations.freeing import Freeing
from cloud.operations.operation import Operation, State
from cloud.operations.running import Books
from cloud.operations.settling import Settling
from cloud.operations.store import Store

PATIENCE = 0.5  # seconds that another hub has to answer
_UNDER_WAY_MAX = 200  # operations that one hub names at a time
_LATEST_MAX = 500
_UNDER_WAY = frozenset({State.SENT, State.ACCEPTED})

A = TypeVar("A", bound=msgspec.Struct)


class Whereabouts(msgspec.Struct, frozen=True):
    """Have you this one on your books?"""

    request_id: str


class OnTheBooks(msgspec.Struct, frozen=True):
    """The operation as it stands here, None: it is not on the books; `progress` is JSON.

    `is_being_freed`: it never was sent, and its row is about to go.
    """

    operation: Operation | None = None
    progress: bytes | None = None
    is_being_freed: bool = False


class WhatRuns(msgspec.Struct, frozen=True):
    """Which operations are on your books? Of this kiosk, of this name, whose ids begin so; empty: any."""

    kiosk_id: str = ""
    operation: str = ""
    beginning: str = ""


class TheseRun(msgspec.Struct, frozen=True):
    """Those, the newest, without bodies and answers."""

    operations: list[Operation]


class HowTheseStand(msgspec.Struct, frozen=True):
    """Those of these that are on your books, please."""

    request_ids: list[str]


class LoadAt(msgspec.Struct, frozen=True):
    """How many operations of this kiosk have you under way?"""

    kiosk_id: str


class LoadThere(msgspec.Struct, frozen=True):
    """So many."""

    running: int


class CancelThere(msgspec.Struct, frozen=True):
    """Tell this kiosk, which you hold, not to execute this operation."""

    kiosk_id: str
    request_id: str


class CancelTold(msgspec.Struct, frozen=True):
    """Whether the kiosk is here and was told."""

    was_told: bool


class MaySettle(msgspec.Struct, frozen=True):
    """A person wants to settle this one by hand: what speaks against it?"""

    request_id: str


class Against(msgspec.Struct, frozen=True):
    """A key of `settling.AGAINST`; empty: nothing here."""

    fact: str = ""


class Everywhere:
    """Asks, and answers those that ask. Costs nothing where there are no others."""

    def __init__(
        self,
        *,
        bus: Bus,
        elsewhere: Elsewhere,
        links: Links,
        books: Books,
        store: Store,
        freeing: Freeing,
        settling: Settling,
    ) -> None:
        self._bus = bus
        self._elsewhere = elsewhere
        self._links = links
        self._books = books
        self._store = store
        self._freeing = freeing
        self._settling = settling
        bus.answer(Whereabouts, self._known)
        bus.answer(WhatRuns, self._runs)
        bus.answer(HowTheseStand, self._stand)
        bus.answer(LoadAt, self._load)
        bus.answer(CancelThere, self._cancel)
        bus.answer(MaySettle, self._against)

    # What this hub asks.

    async def look(self, request_id: str) -> OnTheBooks:
        """An operation as it stands, wherever; nothing in it where there is none. Raises `StorageError`."""
        here = self._here(request_id)
        if here.operation is not None:
            return here
        found = await self._store.find(request_id)
        others = [peer.life for peer in self._bus.peers()]
        if found is not None:
            # What ended, waits or is unknown stands in its row; only what is under way may be further than that.
            others = [life for life in others if life == found.hub and found.state in _UNDER_WAY]
        if not others:
            return OnTheBooks(found)
        known = await self._first(others, Whereabouts(request_id))
        if known is not None:
            return known
        if (here := self._here(request_id)).operation is not None:  # queued, its kiosk came here meanwhile
            return here
        return OnTheBooks(await self._store.find(request_id))

    async def under_way(self, kiosk_id: str = "", operation: str = "", beginning: str = "") -> list[Operation]:
        """What is under way at the other hubs, as far as they answer; without bodies and answers."""
        found = await self._all(WhatRuns(kiosk_id, operation, beginning), TheseRun)
        return [one for run in found for one in run.operations]

    async def latest(self, operations: Sequence[Operation]) -> list[Operation]:
        """The same operations, read from the store, as the hubs know them that have them under way."""
        lives = {peer.life for peer in self._bus.peers()}
        by_hub: dict[str, list[str]] = {}
        ahead: dict[str, Operation] = {}
        for it in operations:
            if (running := self._books.get(it.request_id)) is not None:
                ahead[it.request_id] = running.operation
            elif it.state in _UNDER_WAY and it.hub in lives:
                by_hub.setdefault(it.hub, []).append(it.request_id)
        asking = [self._ask(life, HowTheseStand(ids[:_LATEST_MAX]), TheseRun) for life, ids in by_hub.items()]
        for run in await asyncio.gather(*asking) if asking else ():
            if run is not None:
                ahead |= {it.request_id: it for it in run.operations}
        return [ahead.get(it.request_id, it) for it in operations]

    async def load_of(self, kiosk_id: str) -> int:
        """How many operations of a kiosk the other hubs have under way."""
        return sum(load.running for load in await self._all(LoadAt(kiosk_id), LoadThere))

    async def cancel(self, operation: Operation) -> None:
        """Tell the kiosk not to execute it, wherever its socket is. What it has begun goes on."""
        kiosk_id, request_id = operation.kiosk_id, operation.request_id
        if self._cancel_here(kiosk_id, request_id):
            return
        for _ in range(2):  # it may be on its way from one hub to another
            seen = self._elsewhere.get(kiosk_id)
            if seen is None:
                return
            told = await self._ask(seen.hub, CancelThere(kiosk_id, request_id), CancelTold)
            if (told is not None and told.was_told) or self._cancel_here(kiosk_id, request_id):
                return

    async def against(self, request_id: str) -> str:
        """What speaks against settling this one by hand in this moment, at any other hub that answers."""
        return next((it.fact for it in await self._all(MaySettle(request_id), Against) if it.fact), "")

    # What others ask.

    def _here(self, request_id: str) -> OnTheBooks:
        running = self._books.get(request_id)
        if running is None:
            return OnTheBooks(is_being_freed=request_id in self._freeing)
        progress = None if running.progress is None else bytes(running.progress)
        return OnTheBooks(running.operation, progress)

    async def _known(self, _sender: str, question: Whereabouts) -> OnTheBooks:
        return self._here(question.request_id)

    async def _runs(self, _sender: str, question: WhatRuns) -> TheseRun:
        running = self._books.at(question.kiosk_id) if question.kiosk_id else list(self._books)
        found = [
            it.operation
            for it in running
            if question.operation in {"", it.operation.operation}
            and it.operation.request_id.startswith(question.beginning)
        ]
        found.sort(key=lambda it: it.created_at, reverse=True)
        return TheseRun([_short(it) for it in found[:_UNDER_WAY_MAX]])

    async def _stand(self, _sender: str, question: HowTheseStand) -> TheseRun:
        running = [self._books.get(request_id) for request_id in question.request_ids]
        return TheseRun([_short(it.operation) for it in running if it is not None])

    async def _load(self, _sender: str, question: LoadAt) -> LoadThere:
        return LoadThere(self._books.count_at(question.kiosk_id))

    async def _cancel(self, _sender: str, question: CancelThere) -> CancelTold:
        return CancelTold(self._cancel_here(question.kiosk_id, question.request_id))

    async def _against(self, _sender: str, question: MaySettle) -> Against:
        return Against(self._settling.fact_against(question.request_id))

    def _cancel_here(self, kiosk_id: str, request_id: str) -> bool:
        link = self._links.get(kiosk_id)
        if link is None or not link.ready:
            return False
        self._links.perform(link, link.session.cancel(request_id))
        return True

    # Asking.

    async def _first(self, lives: list[str], question: msgspec.Struct) -> OnTheBooks | None:
        """The first who has it."""
        asking = [asyncio.ensure_future(self._ask(life, question, OnTheBooks)) for life in lives]
        try:
            for answer in asyncio.as_completed(asking):
                known = await answer
                if known is not None and (known.operation is not None or known.is_being_freed):
                    return known
            return None
        finally:
            for task in asking:
                task.cancel()

    async def _all(self, question: msgspec.Struct, answer: type[A]) -> list[A]:
        peers = self._bus.peers()
        if not peers:
            return []
        found = await asyncio.gather(*(self._ask(peer.life, question, answer) for peer in peers))
        return [one for one in found if one is not None]

    async def _ask(self, life: str, question: msgspec.Struct, answer: type[A]) -> A | None:
        try:
            return await self._bus.ask(life, question, answer, PATIENCE)
        except NoAnswerError:
            return None


def _short(operation: Operation) -> Operation:
    return msgspec.structs.replace(operation, body=b"{}", answer=None)
