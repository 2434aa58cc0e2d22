"""Outcomes nobody waits for any more: late answers, what the hub's earlier life sent, kiosks that lost their memory.

A kiosk repeats an outcome until it is settled, so nothing here tries again: what cannot be stored now comes again.

What is left of an outage comes in batches: they are stored in order, a few at a time for the whole hub, so that new
operations need not wait for the database behind them.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from cloud.backends.limits import RateLimit
from cloud.errors import Refused, StorageError
from cloud.kiosks.links import Link, Links
from cloud.operations import operation as rules
from cloud.operations.abroad import Abroad, Nobody
from cloud.operations.answers import record
from cloud.operations.by_hand import Resolution, is_by_hand
from cloud.operations.counting import Counting
from cloud.operations.news import Item, News
from cloud.operations.operation import Operation, State
from cloud.operations.resolutions import Resolutions
from cloud.operations.running import Books, Running
from cloud.operations.starting import GivenUp, Starting
from cloud.operations.store import Store
from wire.ids import parse_operation, parse_request_id
from wire.legacy import NO_JOURNAL
from wire.messages import EMPTY_OBJECT, Request, Response
from wire.session import REPEAT_AFTER, WINDOW

log = logging.getLogger(__name__)

# Late outcomes of one kiosk being stored at a time. One with a journal has WINDOW unsettled ones told, and few more; a
# v1 client never repeats any. And batches of them, of which a kiosk has two under way.
_LATE_MAX, _LATE_MAX_V1, _BATCHES_MAX = 2 * WINDOW, 500, 8
# Of what a kiosk never answered it is asked for so many at a time; for so many altogether, where it does not answer.
_ASKED, _ASKED_MAX = WINDOW, 500
_READ_AT_ONCE = 64  # operations, each with a body of up to 1 MiB
# Seconds after which what another hub has under way is looked at again; twice as long each time, up to the second.
_HELD_BACK, _HELD_BACK_MAX = 5.0, 30.0
# Of one kiosk, outcomes of what the hub does not know, in KiB begun: 100,000 at once, should the hub have lost its
# database, and then about as many as a kiosk repeats. A kiosk could fill the disk with what never was.
_UNASKED_KIB, _UNASKED_KIB_PER_S = 128 * 1024, 2.0

AGAINST = {
    "under-way": "it is under way, or its state is being stored just now",
    "kiosk-tells": "its kiosk tells just now what became of it: look again",
    "being-settled": "somebody is settling it just now: look again",
}


def request_for(operation: Operation, *, only_ask: bool = False) -> Request:
    """The message that asks a kiosk for this operation; `start_within` is the session's.

    `only_ask` where it will be 0: the kiosk needs no body to tell what became of it.
    """
    return Request(
        request_id=operation.request_id,
        operation=operation.operation,
        method="GET" if operation.method == "GET" else "POST",
        headers={
            "header-kiosk-id": operation.kiosk_id,
            "header-operation-type": operation.operation,
            "header-http-method": operation.method,
        },
        body=EMPTY_OBJECT if only_ask else msgspec.Raw(operation.body),
    )


class _Asking:
    """The asking of one kiosk that said hello."""

    __slots__ = ("done", "link", "news", "socket", "told", "unanswered")

    def __init__(self, link: Link) -> None:
        self.link = link
        self.socket = link.socket
        self.told = False  # it has nothing left to tell by itself
        self.done: set[str] = set()  # answered since the present page was read, or asked by others
        self.unanswered: set[str] = set()  # asked here
        self.news = asyncio.Event()  # it said something

    @property
    def is_over(self) -> bool:
        """Whether the kiosk has another socket by now, or none."""
        return self.link.socket is not self.socket

    async def hear(self) -> bool:
        """Wait until it says something; False if that takes too long."""
        self.news.clear()
        try:
            async with asyncio.timeout(REPEAT_AFTER):
                await self.news.wait()
        except TimeoutError:
            return False
        return True


# An outcome, whether it is news, when it is on disk (None: it was before), how it contradicts a person; as it was told.
_Writing = tuple[Operation, bool, "asyncio.Future[object] | None", str, Response]


class _Late:
    """One kiosk's outcomes that are being stored."""

    __slots__ = ("batches", "ids", "order", "singles")

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.order = asyncio.Lock()  # what is told later is given to the database later
        self.singles = self.batches = 0


class Settling:
    """Works on the store alone; each of its coroutines runs as a task of the service."""

    def __init__(
        self,
        *,
        links: Links,
        store: Store,
        resolutions: Resolutions,
        books: Books,
        news: News,
        counting: Counting,
        wall: Callable[[], float] | None = None,
        is_shared: bool = False,
    ) -> None:
        """`wall` gives Unix seconds; `is_shared`: other hubs write to this store, and send to these kiosks."""
        self.abroad: Abroad = Nobody()  # the other hubs; set where there can be any
        # Whether its row is about to go, since it never was sent: its kiosk is not to be asked, or it could not go.
        self.is_being_freed: Callable[[str], bool] = lambda _request_id: False
        self._links = links
        self._resolutions = resolutions
        self._wall = wall
        self._is_shared = is_shared
        self._starting = Starting(links.now(), self._unix(), is_shared=is_shared)
        self._held: dict[str, asyncio.Event] = {}  # settled just now, by a person or as nobody can tell
        self._store = store
        self._books = books
        self._news = news
        self._counting = counting
        self._asking: list[_Asking] = []
        self._late: dict[str, _Late] = {}  # by kiosk
        self._unasked = RateLimit(_UNASKED_KIB_PER_S, burst=_UNASKED_KIB)
        self._given_up = GivenUp()

    def late(self, link: Link, response: Response) -> Coroutine[object, object, None] | None:
        """A kiosk told an outcome that no caller waits for. None if it has to tell it again later."""
        late = self._late.get(link.kiosk_id)
        if late and (response.request_id in late.ids or late.singles >= (_LATE_MAX_V1 if link.is_v1 else _LATE_MAX)):
            return None
        return self._store_late(link, [response], together=False)

    def late_batch(self, link: Link, responses: list[Response]) -> Coroutine[object, object, None] | None:
        """A kiosk told several together; they are settled together. None as with `late`."""
        late = self._late.get(link.kiosk_id)
        once = {response.request_id: response for response in reversed(responses)}
        responses = [once[key] for key in reversed(once) if not late or key not in late.ids]
        if not responses or (late and late.batches >= _BATCHES_MAX):
            return None
        return self._store_late(link, responses, together=True)

    def _store_late(
        self, link: Link, responses: list[Response], *, together: bool
    ) -> Coroutine[object, object, None]:  # fmt: skip
        late = self._late.setdefault(link.kiosk_id, _Late())
        ids = {response.request_id for response in responses}
        late.ids |= ids
        late.batches += together
        late.singles += not together

        async def store() -> None:
            try:
                if together:
                    async with self._store.turn():
                        async with late.order:
                            writing = await self._write_late(link, await self._not_told(link, responses))
                        settled = await self._settled(writing)
                    self._links.perform(link, link.session.settle_all(settled))
                else:
                    async with late.order:
                        writing = await self._write_late(link, await self._not_told(link, responses))
                    for request_id in await self._settled(writing):
                        self._links.perform(link, link.session.settle(request_id))
            finally:
                late.ids -= ids
                late.batches -= together
                late.singles -= not together
                if not late.ids:
                    self._late.pop(link.kiosk_id, None)
                self._wake(link)

        return store()

    async def _not_told(self, link: Link, responses: list[Response]) -> list[Response]:
        """Those that no other hub waits for, or none that can be reached: it is for those to settle the rest."""
        if not self.abroad.is_anybody:
            return responses
        try:
            found = await self._store.find_all([response.request_id for response in responses])
        except StorageError as error:
            _not_stored(responses[-1].request_id, error)
            return []
        others = {key: (owner, known) for key, known in found.items() if (owner := self.abroad.owner_of(known))}
        others |= await self.abroad.whose(
            link.kiosk_id, [each.request_id for each in responses if each.request_id not in found]
        )
        left = []
        for response in responses:
            owner, known = others.get(response.request_id, ("", None))
            if (
                known is None
                or known.kiosk_id != link.kiosk_id
                or not self.abroad.hand_over(link, known, response, owner)
            ):
                left.append(response)
        return left

    async def store_carried(self, link: Link, operation: Operation, response: Response, *, counts: bool) -> bool:
        """Write what a kiosk told of another hub's operation, and settle it. False: it is to be tried again.

        `counts` unless the other hub will, when it finds it in the store.
        """
        writing = await self._write_late(link, [response], {operation.request_id: operation})
        settled = await self._settled(writing, counts=counts)
        for request_id in settled:
            self._links.perform(link, link.session.settle(request_id))
        return bool(settled)

    def is_being_stored(self, operation: Operation) -> bool:
        """Whether its kiosk has told its outcome here just now."""
        late = self._late.get(operation.kiosk_id)
        return late is not None and operation.request_id in late.ids

    async def _write_late(
        self, link: Link, responses: list[Response], carried: dict[str, Operation] | None = None
    ) -> list[_Writing]:
        """Have these outcomes written, in order. `carried` is what other hubs said of operations without a row."""
        writing: list[_Writing] = []
        try:
            for request_id in [one.request_id for one in responses if one.request_id in self._held]:
                await self._let_go(request_id)  # and no other is held from here on: see `hold`
            for at in range(0, len(responses), _READ_AT_ONCE):
                some = responses[at : at + _READ_AT_ONCE]
                found = await self._store.find_all([response.request_id for response in some])
                for response in some:
                    known = found.get(response.request_id)
                    if known is None and (said := (carried or {}).get(response.request_id)) is not None:
                        # A copy: what is written in vain must not look as if it had been on the disk before.
                        known = msgspec.structs.replace(said)
                    known = known or self._found_at_kiosk(link, response)
                    if known is None:
                        continue
                    if known.kiosk_id != link.kiosk_id:
                        self.not_its_own(link, known.request_id)
                        continue
                    news = known.state is not State.UNKNOWN or response.executed != "unknown"
                    if is_by_hand(known):
                        writing.append(await self._write_beside(known, response))
                        continue
                    if rules.is_forgotten(known, response):
                        self._counting.forgotten(known)
                    if rules.answered(known, response, self._unix()):
                        writing.append((known, news, self._store.put(known), "", response))
                    else:
                        writing.append((known, False, None, "", response))
        except StorageError as error:
            _not_stored(responses[-1].request_id, error)
        return writing

    async def _settled(self, writing: list[_Writing], *, counts: bool = True) -> list[str]:
        """Wait until they are stored; returns which of them the kiosk may forget."""
        settled: list[str] = []
        stored: list[_Writing] = []
        for each in writing:
            known, _, future, _, _ = each
            self.abroad.settled(known.request_id)
            if future is None:  # it was stored before
                settled.append(known.request_id)
                continue
            try:
                await future
            except StorageError as error:
                _not_stored(known.request_id, error)
            else:
                stored.append(each)
        if self._is_shared:
            stored = await self._but_by_hand(stored)
        for known, news, _, contradiction, _ in stored:
            settled.append(known.request_id)
            if contradiction:
                self._counting.contradicted(known, contradiction)
            if news and counts:
                self._counting.ended(known)
            if not is_by_hand(known):
                self.tell(known)
        return settled

    async def _but_by_hand(self, stored: list[_Writing]) -> list[_Writing]:
        """The same, but for what a person settled at another hub in this moment: then the kiosk's word is beside it."""
        told: list[_Writing] = [each for each in stored if is_by_hand(each[0])]
        others = [each for each in stored if not is_by_hand(each[0])]
        try:
            rows = await self._resolutions.of_ids([each[0].request_id for each in others])
            for each in others:
                found = await self._store.find(each[0].request_id) if each[0].request_id in rows else None
                if found is None or not is_by_hand(found):
                    told.append(each)
                    continue
                beside = await self._write_beside(found, each[4])
                if beside[2] is not None:
                    await beside[2]
                told.append(beside)
        except StorageError as error:  # the kiosk tells again
            _not_stored(stored[-1][0].request_id, error)
        return told

    async def _write_beside(self, known: Operation, response: Response) -> _Writing:
        """Have a kiosk's word written beside what a person said before it: what is final stands."""
        kept = await self._resolutions.of(known.request_id)
        if kept is None or kept.told_at is not None:
            return known, False, None, "", response
        future, contradiction = self._resolutions.tell(known, response, self._unix())
        return known, False, future, contradiction, response

    @contextmanager
    def hold(self, request_id: str) -> Iterator[None]:
        """For who settles one by hand: what its kiosk tells meanwhile waits until that is done.

        Raises `Refused` (conflict) where it is being settled already, by its kiosk or by another person.
        """
        if fact := self.fact_against(request_id):
            raise Refused("conflict", AGAINST[fact], request_id=request_id, fact=fact)
        with self._holding(request_id):
            yield

    def fact_against(self, request_id: str) -> str:
        """Why it is not to be settled by hand in this moment, as `AGAINST` has it; empty: nothing here is."""
        if self._books.get(request_id) is not None:
            return "under-way"
        if any(request_id in late.ids for late in self._late.values()):
            return "kiosk-tells"
        return "being-settled" if request_id in self._held else ""

    @contextmanager
    def _holding(self, request_id: str) -> Iterator[None]:
        self._held[request_id] = asyncio.Event()
        try:
            yield
        finally:
            self._held.pop(request_id).set()

    async def _let_go(self, request_id: str) -> None:
        """Return when nobody is settling this: no longer than the database may take."""
        while held := self._held.get(request_id):
            await held.wait()

    def may_begin_for(self, operation: Operation) -> float:
        """Seconds for which the kiosk may still begin an operation that is given up; 0: it never will."""
        return self._starting.left(operation, self._links.now(), self._unix())

    def _unix(self) -> float:
        return time.time() if self._wall is None else self._wall()

    def settled_by_hand(self, operation: Operation, resolution: Resolution) -> None:
        """A person's word is on disk."""
        self._counting.resolved(operation, resolution.by, resolution.why)
        item = Item(operation.state, record(operation, resolution), last=True)
        self._news.tell(operation.request_id, item)

    def _found_at_kiosk(self, link: Link, response: Response) -> Operation | None:
        """The row of what only the kiosk remembers. None if it cannot be one, or the kiosk has told many of them."""
        found = _row_for(link, response)
        if found is not None and self._unasked.take(link.kiosk_id, self._links.now(), _kib(response)):
            self._counting.put_off()
            link.complain("more outcomes of operations that are not known here than are taken at a time")
            return None
        return found

    async def orphaned(self, kiosk_id: str, request_id: str, detail: str) -> None:
        """A kiosk can never tell any more what became of this: a person must find out."""
        await self._let_go(request_id)
        with self._holding(request_id):  # or a person's word would be told before this, and this after it
            known = await self._store.find(request_id)
            if known is None or known.is_final or known.kiosk_id != kiosk_id:
                return
            known.state, known.executed, known.problem, known.detail = State.UNKNOWN, "unknown", "interrupted", detail
            await self._store.put(known)
            self._counting.ended(known)
            self.tell(known)

    def gave_up(self, running: Running) -> None:
        """The hub waits for this no longer, its kiosk may still be asked, and begin it."""
        if not running.operation.is_final:
            self._starting.note(running.operation.request_id, running.start_by, self._links.now())
        if running.operation.start_by is not None and not running.operation.is_final:
            self._given_up.note(running.operation.request_id, running.start_by, self._links.now())

    def heard(self, link: Link, request_id: str) -> None:
        """A kiosk answered this: whatever is being read of it just now is old."""
        self._given_up.forget(request_id)
        for asking in self._asking:
            if asking.link is link:
                asking.done.add(request_id)
                asking.unanswered.discard(request_id)
        self._wake(link)

    def told_all(self, link: Link) -> None:
        """A kiosk has told by itself all that it had to tell."""
        for asking in self._asking:
            if asking.link is link:
                asking.told = True
        self._wake(link)

    def _wake(self, link: Link) -> None:
        """Whoever waits for a kiosk's words looks anew."""
        for asking in self._asking:
            if asking.link is link:
                asking.news.set()

    def not_its_own(self, link: Link, request_id: str) -> None:
        """A kiosk answered what another was asked: it changes nothing."""
        log.warning("kiosk answered an operation of another", extra={"kiosk": link.kiosk_id, "request_id": request_id})

    def ask_again(self, link: Link) -> Coroutine[object, object, None]:
        """Ask a kiosk that said hello for everything it was sent and never answered.

        What is under way, what it has answered a moment ago and what it answers from now on is left out: after
        `settled` a kiosk may have forgotten an operation, and would execute it again. A kiosk that tells by itself what
        it has to tell, and when that is all, is heard out first.
        """
        asking = _Asking(link)
        asking.told = not (link.hello and link.hello.batch)
        self._asking.append(asking)
        return self._ask(asking)

    async def ask_for(self, wanted: Mapping[str, Link]) -> None:
        """Ask kiosks that have long said hello for these, by id: they are unknown, and nobody has them under way.

        What is left out is the same; who has gone is asked at its next hello. For a few at a time: all are read at
        once. Raises `StorageError`.
        """
        askings = {link: _Asking(link) for link in wanted.values() if link.ready}
        self._asking += askings.values()
        try:
            for link, asking in askings.items():
                asking.done = self._under_way(link)
            found = await self._store.find_all(list(wanted))
            for request_id, operation in found.items():
                link = wanted[request_id]
                is_unheard = operation.state is State.UNKNOWN and operation.executed is None
                if is_unheard and link in askings and operation.kiosk_id == link.kiosk_id:
                    await self._ask_for(askings[link], [operation])
        finally:
            for asking in askings.values():
                self._asking.remove(asking)

    async def _ask(self, asking: _Asking) -> None:
        link = asking.link
        held_back: list[str] = []
        try:
            while not asking.told and not asking.is_over:
                if not await asking.hear():
                    break
            if any(not _is_open(running) for running in self._books.at(link.kiosk_id)):
                await self._store.flush()  # given up a moment ago, and not in the store yet
            after: tuple[float, str] | None = None
            while not asking.is_over:
                asking.done = self._under_way(link)
                page = await self._store.unanswered(link.kiosk_id, link.journal, _ASKED, after)
                held_back += [each.request_id for each in page if self.abroad.owner_of(each)]
                await self._ask_for(asking, page)
                if len(page) < _ASKED:
                    break
                after = (page[-1].created_at, page[-1].request_id)
                while len(asking.unanswered | self._being_stored(link)) > _ASKED // 2 and not asking.is_over:
                    if not await asking.hear() and len(asking.unanswered) < _ASKED_MAX:
                        break  # these take their time: it may have to ask a gateway itself
            await self._ask_held_back(asking, held_back)
        except StorageError as error:  # asked at its next hello
            log.error("a kiosk could not be asked again", extra={"kiosk": link.kiosk_id, "error": str(error)[:200]})
        finally:
            self._asking.remove(asking)

    async def _ask_held_back(self, asking: _Asking, request_ids: list[str]) -> None:
        """What other hubs have under way they ask for themselves; once they gave it up or are gone, it is done here."""
        pause = _HELD_BACK
        while request_ids and not asking.is_over:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _HELD_BACK_MAX)
            asking.done = self._under_way(asking.link)
            found = await self._store.find_all(request_ids[:_READ_AT_ONCE])
            rest = request_ids[_READ_AT_ONCE:]
            open_ones = [each for each in found.values() if not each.is_final and each.executed is None]
            await self._ask_for(asking, [each for each in open_ones if not self.abroad.owner_of(each)])
            request_ids = rest + [each.request_id for each in open_ones if self.abroad.owner_of(each)]

    def _under_way(self, link: Link) -> set[str]:
        """What is asked for, being stored, or told: it is not to be asked for again."""
        open_ones = {running.operation.request_id for running in self._books.at(link.kiosk_id) if _is_open(running)}
        return open_ones | self._being_stored(link)

    def _being_stored(self, link: Link) -> set[str]:
        late = self._late.get(link.kiosk_id)
        return (late.ids if late else set()) | self.abroad.ids_at(link.kiosk_id)

    async def _ask_for(self, asking: _Asking, page: list[Operation]) -> None:
        link = asking.link
        for operation in page:
            if asking.is_over:
                return
            running = self._books.get(operation.request_id)
            if operation.request_id in asking.done or (running is not None and _is_open(running)):
                continue
            if self.abroad.owner_of(operation) or operation.request_id in self.abroad.ids_at(link.kiosk_id):
                continue
            if self.is_being_freed(operation.request_id):
                continue
            if operation.journal == NO_JOURNAL:
                detail = "sent to a v1 client, which never answered and has been replaced"
                await self.orphaned(link.kiosk_id, operation.request_id, detail)
                continue
            left = self._left(operation)
            if left > 0:
                self._starting.note(operation.request_id, self._links.now() + left, self._links.now())
            request = request_for(operation, only_ask=left <= 0)
            start_by, lasting = self._links.now() + left, not self.abroad.is_anybody
            if self._links.request(link, request, start_by, operation.journal, lasting=lasting):
                asking.unanswered.add(operation.request_id)

    def _left(self, operation: Operation) -> float:
        """Seconds in which it may still be started. Most often none: the kiosk tells, and starts nothing."""
        if operation.start_by is None or operation.accepted_at is not None:  # see `HubSession`: it is only asked
            return 0.0
        wall = self._unix()
        if wall < operation.created_at:  # the clock was set back: nobody can say
            return 0.0
        left = rules.seconds_left(operation.created_at, operation.start_by, wall, wall)
        known = self._given_up.get(operation.request_id)
        return left if known is None else min(left, known - self._links.now())

    def tell(self, operation: Operation) -> None:
        """Give an operation's state to who watches it."""
        if self._news.is_wanted(operation.request_id):
            item = Item(operation.state, record(operation), last=operation.is_final)
            self._news.tell(operation.request_id, item)


def _is_open(running: Running) -> bool:
    """Whether it is not given up: its kiosk was asked and has time, or has answered."""
    return not running.answered or running.operation.executed is not None


def _not_stored(request_id: str, error: StorageError) -> None:
    extra = {"request_id": request_id, "error": str(error)[:200]}
    log.error("a late outcome could not be stored; the kiosk keeps it", extra=extra)


def _kib(response: Response) -> int:
    return 1 + memoryview(response.body).nbytes // 1024


def _row_for(link: Link, response: Response) -> Operation | None:
    """The row of an operation that only the kiosk remembers: the hub stopped before it stored anything of it.

    None for what cannot be one: a v1 client remembers nothing, and ids have a form.
    """
    if link.is_v1:
        return None
    try:
        request_id, name = parse_request_id(response.request_id), parse_operation(response.operation)
    except ValueError:
        link.complain("a response whose request_id or operation is none")
        return None
    now = time.time()
    return Operation(
        request_id=request_id,
        kiosk_id=link.kiosk_id,
        operation=name,
        method="",
        created_at=now,
        sent_at=now,
        state=State.SENT,
        journal=link.journal,
    )
