"""Outcomes nobody waits for any more: late answers, what the hub's earlier life sent, kiosks that lost their memory.

A kiosk repeats an outcome until it is settled, so nothing here tries again: what cannot be stored now comes again.

What is left of an outage comes in batches: they are stored in order, a few at a time for the whole hub, so that new
operations need not wait for the database behind them.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine

import msgspec

from cloud.backends.limits import RateLimit
from cloud.errors import StorageError
from cloud.kiosks.links import Link, Links
from cloud.operations import operation as rules
from cloud.operations.answers import record
from cloud.operations.counting import Counting
from cloud.operations.news import Item, News
from cloud.operations.operation import Operation, State
from cloud.operations.running import Books, Running
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
# Of one kiosk, outcomes of what the hub does not know, in KiB begun: 100,000 at once, should the hub have lost its
# database, and then about as many as a kiosk repeats. A kiosk could fill the disk with what never was.
_UNASKED_KIB, _UNASKED_KIB_PER_S = 128 * 1024, 2.0


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


# An outcome, whether it is news, and when it is on disk; None: it was before.
_Writing = tuple[Operation, bool, "asyncio.Future[object] | None"]


class _Late:
    """One kiosk's outcomes that are being stored."""

    __slots__ = ("batches", "ids", "order", "singles")

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.order = asyncio.Lock()  # what is told later is given to the database later
        self.singles = self.batches = 0


class Settling:
    """Works on the store alone; each of its coroutines runs as a task of the service."""

    def __init__(self, *, links: Links, store: Store, books: Books, news: News, counting: Counting) -> None:
        self._links = links
        self._store = store
        self._books = books
        self._news = news
        self._counting = counting
        self._asking: list[_Asking] = []
        self._late: dict[str, _Late] = {}  # by kiosk
        self._unasked = RateLimit(_UNASKED_KIB_PER_S, burst=_UNASKED_KIB)
        # Until when what came out of the queue, and was given up, might have been started, by the loop's clock: the
        # wall clock may have been set back since.
        self._start_by: dict[str, float] = {}

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
                            writing = await self._write_late(link, responses)
                        settled = await self._settled(writing)
                    self._links.perform(link, link.session.settle_all(settled))
                else:
                    async with late.order:
                        writing = await self._write_late(link, responses)
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

    async def _write_late(self, link: Link, responses: list[Response]) -> list[_Writing]:
        """Have these outcomes written, in order."""
        writing: list[_Writing] = []
        try:
            for at in range(0, len(responses), _READ_AT_ONCE):
                some = responses[at : at + _READ_AT_ONCE]
                found = await self._store.find_all([response.request_id for response in some])
                for response in some:
                    known = found.get(response.request_id) or self._found_at_kiosk(link, response)
                    if known is None:
                        continue
                    if known.kiosk_id != link.kiosk_id:
                        self.not_its_own(link, known.request_id)
                        continue
                    news = known.state is not State.UNKNOWN or response.executed != "unknown"
                    if rules.is_forgotten(known, response):
                        self._counting.forgotten(known)
                    if rules.answered(known, response, time.time()):
                        writing.append((known, news, self._store.put(known)))
                    else:
                        writing.append((known, False, None))
        except StorageError as error:
            _not_stored(responses[-1].request_id, error)
        return writing

    async def _settled(self, writing: list[_Writing]) -> list[str]:
        """Wait until they are stored; returns which of them the kiosk may forget."""
        settled: list[str] = []
        for known, news, future in writing:
            if future is None:  # it was stored before
                settled.append(known.request_id)
                continue
            try:
                await future
            except StorageError as error:
                _not_stored(known.request_id, error)
                continue
            settled.append(known.request_id)
            if news:
                self._counting.ended(known)
            self.tell(known)
        return settled

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
        known = await self._store.find(request_id)
        if known is None or known.is_final or known.kiosk_id != kiosk_id:
            return
        known.state, known.executed, known.problem, known.detail = State.UNKNOWN, "unknown", "interrupted", detail
        await self._store.put(known)
        self._counting.ended(known)
        self.tell(known)

    def gave_up(self, running: Running) -> None:
        """The hub waits for this no longer, its kiosk may still be asked."""
        if running.operation.start_by is not None and not running.operation.is_final:
            self._start_by[running.operation.request_id] = running.start_by

    def heard(self, link: Link, request_id: str) -> None:
        """A kiosk answered this: whatever is being read of it just now is old."""
        self._start_by.pop(request_id, None)
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

    async def _ask(self, asking: _Asking) -> None:
        link = asking.link
        try:
            while not asking.told and not asking.is_over:
                if not await asking.hear():
                    break
            if any(not _is_open(running) for running in self._books.at(link.kiosk_id)):
                await self._store.flush()  # given up a moment ago, and not in the store yet
            after: tuple[float, str] | None = None
            while not asking.is_over:
                asking.done = {
                    running.operation.request_id for running in self._books.at(link.kiosk_id) if _is_open(running)
                }
                asking.done |= self._being_stored(link)
                page = await self._store.unanswered(link.kiosk_id, link.journal, _ASKED, after)
                await self._ask_for(asking, page)
                if len(page) < _ASKED:
                    return
                after = (page[-1].created_at, page[-1].request_id)
                while len(asking.unanswered | self._being_stored(link)) > _ASKED // 2 and not asking.is_over:
                    if not await asking.hear() and len(asking.unanswered) < _ASKED_MAX:
                        break  # these take their time: it may have to ask a gateway itself
        except StorageError as error:  # asked at its next hello
            log.error("a kiosk could not be asked again", extra={"kiosk": link.kiosk_id, "error": str(error)[:200]})
        finally:
            self._asking.remove(asking)

    def _being_stored(self, link: Link) -> set[str]:
        late = self._late.get(link.kiosk_id)
        return late.ids if late else set()

    async def _ask_for(self, asking: _Asking, page: list[Operation]) -> None:
        link = asking.link
        for operation in page:
            if asking.is_over:
                return
            running = self._books.get(operation.request_id)
            if operation.request_id in asking.done or (running is not None and _is_open(running)):
                continue
            if operation.journal == NO_JOURNAL:
                detail = "sent to a v1 client, which never answered and has been replaced"
                await self.orphaned(link.kiosk_id, operation.request_id, detail)
                continue
            left = self._left(operation)
            request = request_for(operation, only_ask=left <= 0)
            if self._links.request(link, request, self._links.now() + left, operation.journal):
                asking.unanswered.add(operation.request_id)

    def _left(self, operation: Operation) -> float:
        """Seconds in which it may still be started. Most often none: the kiosk tells, and starts nothing."""
        if operation.start_by is None or operation.accepted_at is not None:  # see `HubSession`: it is only asked
            return 0.0
        wall = time.time()
        if wall < operation.created_at:  # the clock was set back: nobody can say
            return 0.0
        left = rules.seconds_left(operation.created_at, operation.start_by, wall, wall)
        known = self._start_by.get(operation.request_id)
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
