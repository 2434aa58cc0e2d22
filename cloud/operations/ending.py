"""The ways an operation under way ends: its kiosk tells the outcome, its time is over, it never was sent.

An outcome is on the disk before its kiosk hears `settled`, whichever way it came here.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from cloud.errors import Refused
from cloud.kiosks.links import Link, Links
from cloud.operations import operation as rules
from cloud.operations.answers import Answer, answer_of
from cloud.operations.counting import Counting
from cloud.operations.freeing import Freeing
from cloud.operations.operation import Operation, State
from cloud.operations.running import Books, Running
from cloud.operations.settling import Settling
from cloud.operations.store import Store
from cloud.operations.tasks import Tasks
from wire.messages import Response, Responses

log = logging.getLogger(__name__)

_STORE_RETRY = 1.0
# What a kiosk's word changes in an operation.
_TOLD = (
    "state", "executed", "status", "answer", "problem", "detail", "elapsed", "accepted_at", "finished_at",
)  # fmt: skip
# Asks the store for an outcome; calls what it is given where there is none.
LookFirst = Callable[[Running, Callable[[], None]], Coroutine[object, object, None]]


class Voice(Protocol):
    """The kiosk that tells an outcome, here or at another hub."""

    @property
    def is_v1(self) -> bool:
        """Whether it has no journal."""

    def settle(self, request_id: str) -> None:
        """The outcome is on disk: let the kiosk forget it."""


class Near:
    """A kiosk whose socket is here."""

    __slots__ = ("_link", "_links")

    def __init__(self, links: Links, link: Link) -> None:
        self._links = links
        self._link = link

    @property
    def is_v1(self) -> bool:
        """See `Voice`."""
        return self._link.is_v1

    def settle(self, request_id: str) -> None:
        """See `Voice`."""
        self._links.perform(self._link, self._link.session.settle(request_id))


class Ending:
    """Ends what is on the books. `ended` is called with the kiosk of each that is off them."""

    def __init__(
        self,
        *,
        links: Links,
        store: Store,
        books: Books,
        counting: Counting,
        settling: Settling,
        tasks: Tasks,
        grace: float,
        ended: Callable[[str], None],
        unix: Callable[[], float],
    ) -> None:
        self._links = links
        self._store = store
        self._books = books
        self._counting = counting
        self._settling = settling
        self._tasks = tasks
        self._grace = grace
        self._ended = ended
        self._unix = unix
        self.freeing = Freeing(store)
        # Where there are other hubs: whether one of them is to hear an outcome that was told here; to have a carrier
        # not ask any more; to ask the store before `unknown` is told.
        self.carried: Callable[[Link, Response], bool] = lambda _link, _response: False
        self.forget: Callable[[Running], None] = lambda _running: None
        self.look_first: LookFirst | None = None
        self.is_stopping = False
        self._loop = asyncio.get_running_loop()

    # Its kiosk tells.

    def answered(self, link: Link, response: Response) -> None:
        """A kiosk here told one outcome."""
        running = self._books.get(response.request_id)
        self._settling.heard(link, response.request_id)
        if running is None:
            if not self.carried(link, response) and (storing := self._settling.late(link, response)):
                self._tasks.store(storing)
        elif running.operation.kiosk_id != link.kiosk_id:
            self._settling.not_its_own(link, response.request_id)
        else:
            self.told(running, response, Near(self._links, link))

    def answered_together(self, link: Link, message: Responses) -> None:
        """A kiosk here told several at once."""
        late: list[Response] = []
        for response in message.responses:
            if self._books.get(response.request_id) is None:
                self._settling.heard(link, response.request_id)
                if not self.carried(link, response):
                    late.append(response)
            else:
                self.answered(link, response)
        if storing := self._settling.late_batch(link, late):
            self._tasks.store(storing)
        if not message.more:
            self._settling.told_all(link)

    def told(self, running: Running, response: Response, voice: Voice) -> None:
        """The outcome of one that is on the books, by its own kiosk."""
        if rules.is_forgotten(running.operation, response):
            self._counting.forgotten(running.operation)
        is_news = rules.answered(running.operation, response, self._unix())
        if is_news:
            if running.answered:  # the caller was told that it is unknown, and now it is known
                self._counting.ended(running.operation)
                self._settling.tell(running.operation)
            elif not voice.is_v1:
                self._resolve(running)
        if is_news or not running.settling:
            self._store_outcome(running, voice)

    # Its time is over.

    def deadline(self, running: Running) -> None:
        """Its caller's patience has an end."""
        if running.sent:
            waited = self._loop.time() - running.started
            self._doubt(running, "timeout", f"sent to the kiosk, and no answer within {waited:.0f} s")
        else:
            self.take_back(running)

    def away(self, running: Running) -> None:
        """Its kiosk is nowhere: callers are told after the grace, unless it comes back before."""
        waits = running.deadline is not None and running.lost is None and not running.answered
        if waits and running.operation.delivery == "now":  # what was queued has time until it expires
            running.lost = self._loop.call_later(self._grace, self._lost, running)

    def _lost(self, running: Running) -> None:
        running.lost = None
        if running.sent:
            detail = f"the kiosk's connection broke and it did not come back within {self._grace:g} s"
            self._doubt(running, "kiosk-lost", detail)
        else:
            self.take_back(running)

    def _doubt(self, running: Running, problem: str, detail: str) -> None:
        """Its kiosk has not told, as far as is known here."""
        if self.look_first is None:
            self.give_up(running, problem, detail)
        else:
            self._tasks.spawn(self.look_first(running, lambda: self.give_up(running, problem, detail)))

    def take_back(self, running: Running, refused: Refused | None = None) -> None:
        """It never was put on a socket: it is not executed, and its key is free again. `refused` says why."""
        operation = running.operation
        if operation.delivery == "queue":  # its caller was given its id, and may ask what became of it
            self.give_up(running, "expired", f"kiosk {operation.kiosk_id} went away before it was sent")
            return
        if link := self._links.get(operation.kiosk_id):
            link.session.forget(operation.request_id)
        if operation.idempotency_key is not None:
            self.free(operation)
        if refused is None:
            refused = Refused("kiosk-offline", f"kiosk {operation.kiosk_id} is not connected", retry_after=10)
        refused.request_id = operation.request_id
        operation.state, operation.problem = State.EXPIRED, refused.problem
        self._counting.ended(operation, self._loop.time() - running.started)
        self._settling.tell(operation)
        self.early(running, refused)

    def give_up(self, running: Running, problem: str, detail: str) -> None:
        """Wait no longer. What the kiosk says later still counts."""
        operation = running.operation
        if running.answered or operation.state is State.QUEUED:
            return
        if link := self._links.get(operation.kiosk_id):
            link.session.forget(operation.request_id)
        self.forget(running)
        rules.given_up(operation, problem, detail, self._unix())
        self._settling.gave_up(running)
        self._resolve(running)
        self._store_outcome(running, None)

    def found(self, running: Running, stored: Operation) -> None:
        """Another hub has written what its kiosk told."""
        operation = running.operation
        if link := self._links.get(operation.kiosk_id):
            link.session.forget(operation.request_id)
        self.forget(running)
        for name in _TOLD:
            setattr(operation, name, getattr(stored, name))
        self._resolve(running)
        self._books.remove(running)
        self._ended(operation.kiosk_id)

    # It did not come to run.

    def early(self, running: Running, ending: "Answer | BaseException") -> Answer:
        """It did not come to run: off the books, and whoever joined it gets the same ending."""
        self._books.remove(running)
        running.end(ending)
        return ending  # type: ignore[return-value] # of use only where it is an answer

    def free(self, operation: Operation) -> None:
        """It never was sent: its row is to go, and its key with it."""
        if self.freeing.free(operation.request_id):
            self._tasks.store(self.freeing.run())

    # On the disk.

    def _resolve(self, running: Running) -> None:
        """Tell whoever waits."""
        running.answered = True
        if not running.answer.done():
            running.answer.set_result(answer_of(running.operation))
        self._counting.ended(running.operation, self._loop.time() - running.started)
        self._settling.tell(running.operation)

    def _store_outcome(self, running: Running, voice: Voice | None) -> None:
        """Write the outcome, then let the kiosk forget it; try again until it is written."""

        def written(future: asyncio.Future[Any]) -> None:
            self._tasks.storing.discard(future)
            error = None if future.cancelled() else future.exception()
            if error is None:
                self._stored(running, voice)
                return
            extra = {"request_id": running.operation.request_id, "error": str(error)[:200]}
            log.error("an outcome could not be stored, trying again", extra=extra)
            if not self.is_stopping:
                self._loop.call_later(_STORE_RETRY, self._store_outcome, running, voice)

        running.settling = running.settling or voice is not None
        future = self._store.put(running.operation)
        self._tasks.storing.add(future)
        future.add_done_callback(written)

    def _stored(self, running: Running, voice: Voice | None) -> None:
        operation = running.operation
        if voice is not None:
            if not running.answered:  # a v1 client has no journal: its outcome is told only once it is safe here
                self._resolve(running)
            voice.settle(operation.request_id)
        self._books.remove(running)
        self._ended(operation.kiosk_id)
