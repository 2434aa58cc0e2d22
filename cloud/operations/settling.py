"""Outcomes nobody waits for any more: late answers, what the hub's earlier life sent, kiosks that lost their memory.

A kiosk repeats an outcome until it is settled, so nothing here tries again: what cannot be stored now comes again.
"""

import logging
import time
from collections.abc import Coroutine

import msgspec

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
from wire.messages import Request, Response
from wire.session import WINDOW

log = logging.getLogger(__name__)

# Late outcomes of one kiosk being stored at a time. One with a journal has WINDOW unsettled ones told, and few more; a
# v1 client never repeats any.
_LATE_MAX, _LATE_MAX_V1 = 2 * WINDOW, 500


def request_for(operation: Operation) -> Request:
    """The message that asks a kiosk for this operation; `start_within` is the session's."""
    return Request(
        request_id=operation.request_id,
        operation=operation.operation,
        method="GET" if operation.method == "GET" else "POST",
        headers={
            "header-kiosk-id": operation.kiosk_id,
            "header-operation-type": operation.operation,
            "header-http-method": operation.method,
        },
        body=msgspec.Raw(operation.body),
    )


class _Asking:
    """One reading of what a kiosk never answered, and what it has answered, or is asked, since."""

    __slots__ = ("done", "link")

    def __init__(self, link: Link, done: set[str]) -> None:
        self.link = link
        self.done = done


class Settling:
    """Works on the store alone; each of its coroutines runs as a task of the service."""

    def __init__(self, *, links: Links, store: Store, books: Books, news: News, counting: Counting) -> None:
        self._links = links
        self._store = store
        self._books = books
        self._news = news
        self._counting = counting
        self._asking: list[_Asking] = []
        self._late: dict[str, list[str]] = {}  # by kiosk: whose outcomes are being stored
        # Until when what came out of the queue, and was given up, might have been started, by the loop's clock: the
        # wall clock may have been set back since.
        self._start_by: dict[str, float] = {}

    def has_room(self, link: Link) -> bool:
        """Whether another late outcome of this kiosk is taken. What is not, a kiosk with a journal tells again."""
        return len(self._late.get(link.kiosk_id, ())) < (_LATE_MAX_V1 if link.is_v1 else _LATE_MAX)

    def late(self, link: Link, response: Response) -> Coroutine[object, object, None]:
        """A kiosk told an outcome that no caller waits for."""
        self._late.setdefault(link.kiosk_id, []).append(response.request_id)
        return self._store_late(link, response)

    async def _store_late(self, link: Link, response: Response) -> None:
        try:
            await self._settle_late(link, response)
        finally:
            late = self._late[link.kiosk_id]
            late.remove(response.request_id)
            if not late:
                del self._late[link.kiosk_id]

    async def _settle_late(self, link: Link, response: Response) -> None:
        try:
            known = await self._store.find(response.request_id)
            if known is None:
                known = _found_at_kiosk(link, response)
                if known is None:
                    return
            elif known.kiosk_id != link.kiosk_id:
                self.not_its_own(link, known.request_id)
                return
            news = known.state is not State.UNKNOWN or response.executed != "unknown"
            if rules.answered(known, response, time.time()):
                await self._store.put(known)
                if news:
                    self._counting.ended(known)
                self.tell(known)
        except StorageError as error:
            log.error(
                "a late outcome could not be stored; the kiosk keeps it",
                extra={"request_id": response.request_id, "error": str(error)[:200]},
            )
            return
        self._links.perform(link, link.session.settle(response.request_id))

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

    def not_its_own(self, link: Link, request_id: str) -> None:
        """A kiosk answered what another was asked: it changes nothing."""
        log.warning("kiosk answered an operation of another", extra={"kiosk": link.kiosk_id, "request_id": request_id})

    def ask_again(self, link: Link) -> Coroutine[object, object, None]:
        """Ask a kiosk that said hello for everything it was sent and never answered.

        What is under way, what it has answered a moment ago and what it answers from now on is left out: after
        `settled` a kiosk may have forgotten an operation, and would execute it again.
        """
        under_way = {running.operation.request_id for running in self._books.at(link.kiosk_id) if _is_open(running)}
        asking = _Asking(link, under_way.union(self._late.get(link.kiosk_id, ())))
        self._asking.append(asking)
        return self._ask(asking)

    async def _ask(self, asking: _Asking) -> None:
        link, socket = asking.link, asking.link.socket
        try:
            if any(not _is_open(running) for running in self._books.at(link.kiosk_id)):
                await self._store.flush()  # given up a moment ago, and not in the store yet
            for operation in await self._store.unanswered(link.kiosk_id):
                if link.socket is not socket:
                    return
                running = self._books.get(operation.request_id)
                if operation.request_id in asking.done or (running is not None and _is_open(running)):
                    continue
                if operation.journal == NO_JOURNAL:
                    detail = "sent to a v1 client, which never answered and has been replaced"
                    await self.orphaned(link.kiosk_id, operation.request_id, detail)
                    continue
                start_by = self._links.now() + self._left(operation)
                self._links.request(link, request_for(operation), start_by, operation.journal)
        except StorageError as error:  # asked at its next hello
            log.error("a kiosk could not be asked again", extra={"kiosk": link.kiosk_id, "error": str(error)[:200]})
        finally:
            self._asking.remove(asking)

    def _left(self, operation: Operation) -> float:
        """Seconds in which it may still be started. Most often none: the kiosk tells, and starts nothing."""
        if operation.start_by is None:
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


def _found_at_kiosk(link: Link, response: Response) -> Operation | None:
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
        journal=link.hello.journal[:64] if link.hello else "",
    )
