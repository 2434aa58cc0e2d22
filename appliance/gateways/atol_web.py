"""ATOL's web server as a target: native tasks, each done once, found again after a power cut under the same uuid.

    room = AtolWeb(journal=journal, gateways=gateways, clock=clock)
    room.target(route)          the target of a route whose kind is `AtolWebRoute`
    room.target_of(work)        the target for an open work of kind `KIND` whose route has gone (without its password)
    await room.recover()        before operations are recovered: clears away works that belong to none
    await room.close()

What is asked: `atol_web_tasks`. The answer, HTTP 200 whatever the register said:

| field | |
| --- | --- |
| `status` | `ready`: all was done; `error`: some of it was not, surely, and `results` say what |
| `uuid` | under which the server has it |
| `results` | one a task: `type`, `status` (the server's word), `error` {`code`, `words`}, `result` as it was given |
| `registered` | of a document: whether the fiscal storage has it |
| `fiscal` | of one that is: `number`, `sign` and the other fields of `wire.receipt.FiscalDocument` |
| `found_in_storage` | true where the server did not say it, and its number and total in the storage did |

`fiscal.printed` false: registered and not on paper; print a copy, never sell again.

How one is done, and how it is found out about:

    look at the register            of documents: shift, paper and the last document's number; a no has begun nothing
    the work is written             the uuid, that number
    POST                            lost or repeated: the same uuid again, which the server takes once
    GET until all of it is over     `blocked` and `wait` are no end; nothing is ever sent under another uuid
    ready tells all                 any other end of a document is held against the fiscal storage
    the result is written           the server keeps it for a time only

A queue that is blocked (paper, a shift too old) waits for a person; with `continue_print: true` in its route the
register is told to go on printing from time to time, else by a request of `{"type": "continuePrint"}`. Nobody can
cancel from here. What nobody can tell is `unknown`, with the event `document-unclear` {request_id, operation, uuid,
types, words}.
"""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from appliance.gateways.atol_web_talk import Server
from appliance.gateways.atol_web_tasks import Tasks, read_tasks
from appliance.gateways.atol_web_verdict import End, Kept, doubt_of, order_of, stage_of, told_of
from appliance.gateways.http import Gateways
from appliance.gateways.results import Answered, NeverGot, Result
from appliance.gateways.results import NoAnswer as Lost
from appliance.journal import Book, Journal, StorageError, Work
from appliance.kinds import AtolWebRoute
from appliance.routes import Route
from appliance.targets import Ask, Target, answer
from hardware.atol import frames
from hardware.atol.frames import Accepted, Outcome, Results, WebError
from hardware.atol.orders import Done, Never, Unclear, refuse_first
from hardware.atol.states import UNDER_WAY, TaskStatus, words_of
from hardware.atol.steps import NoAnswer, Timing
from hardware.errors import DeviceError, Refused, TransportError

KIND = "atol-web"
UNCLEAR = "document-unclear"
KNOWN_WITHIN_S = 24 * 3600.0
_POSTS_MAX = 3
_PAUSE_MOST_S = 30.0
_READ_AGAIN_S = 1.0

_log = logging.getLogger(__name__)


class AtolWeb:
    """The web servers of the kiosk, usually one."""

    def __init__(
        self, *, journal: Journal, gateways: Gateways, clock: Callable[[], float], timing: Timing | None = None
    ) -> None:  # fmt: skip
        self.journal = journal
        self.gateways = gateways
        self.clock = clock
        self.timing = timing or Timing()

    def target(self, route: Route) -> "AtolWebTarget":
        """Of a route of this kind."""
        assert isinstance(route.kind, AtolWebRoute)
        return AtolWebTarget(self, route.kind, route.timeout)

    def target_of(self, work: Work) -> "AtolWebTarget":
        """Who finds out what became of a work."""
        kept = msgspec.json.decode(work.data, type=Kept)
        return AtolWebTarget(self, kept.kind, kept.kind.timeout_default)

    async def recover(self) -> None:
        """End the works that no operation asks after any more.

        One has its outcome already, and only the end of its work could not be written then. Or it was lost with a
        damaged journal, and nobody will ever ask: a person is told.
        """
        try:
            for work in await self.journal.read(lambda book: book.open_works(KIND)):
                row = await self.journal.find(work.id)
                if row is not None and row.response is None:
                    continue
                end, event = End(never="its operation had ended already"), None
                if row is None:
                    words = "its operation was lost with the kiosk's journal: look in the register's own journal"
                    uuid = msgspec.json.decode(work.data, type=Kept).uuid
                    end = End(unclear=words)
                    event = {"request_id": work.id, "operation": "", "uuid": uuid, "types": [], "words": words}
                call = partial(_end_work, id=work.id, end=end, event=event, at=self.clock())
                await self.journal.write(call, point="appliance.atol.clear")
        except (StorageError, msgspec.MsgspecError) as error:
            _log.warning("the works of ATOL servers cannot be read", extra={"reason": str(error)})

    async def close(self) -> None:
        """Nothing runs beside operations."""


class AtolWebTarget(Target):
    """One route's web server."""

    def __init__(self, room: AtolWeb, kind: AtolWebRoute, timeout: float) -> None:
        self._room = room
        self._journal = room.journal
        self._kind = kind
        self._timeout = timeout
        self._timing = dataclasses.replace(room.timing, poll_s=kind.poll)
        self._server = Server(room.gateways, kind, self._timing)

    def check(self, ask: Ask) -> None:
        """Raises `NotUnderstood` with all that is wrong."""
        read_tasks(ask.body)

    async def run(self, ask: Ask) -> Result:
        """Carry it out."""
        tasks = read_tasks(ask.body)
        until = time.monotonic() + self._timeout
        uuid = self._server.uuid(ask.request_id)
        kept = Kept(kind=msgspec.structs.replace(self._kind, password=""), uuid=uuid)
        if tasks.fiscal is not None:
            order = order_of(tasks, kept, ask.request_id)
            try:
                look = await self._server.look()
                refuse_first(order, look)
            except DeviceError as error:
                return _refused(error)
            kept = msgspec.structs.replace(kept, before=look.number, storage=look.storage)
        if not tasks.only_asks:
            data = msgspec.Raw(msgspec.json.encode(kept))
            work = Work(id=ask.request_id, kind=KIND, begun_at=self._room.clock(), data=data)
            try:
                await self._journal.write(
                    lambda book: book.begin_work(work), point="appliance.atol.begin", needs_room=True
                )
            except StorageError as error:
                return NeverGot(f"it cannot be written down, so nothing was begun: {error}", "kiosk-storage")
        ask.tell({"stage": "sending", "words": "the web server is asked", "uuid": uuid})
        posted = await self._post(tasks, kept, ask.request_id)
        if isinstance(posted, NeverGot):
            if not tasks.only_asks:
                await self._end(ask, kept, End(never=posted.detail, problem=posted.problem))
            return posted
        kept = posted
        outcomes = await self._follow(ask, kept, until)
        if outcomes is not None:
            found = await self._judge(ask, tasks, kept, outcomes, until)
            if isinstance(found, Answered | NeverGot):
                return found
        if tasks.only_asks:
            return NeverGot("the register did not come to it in time; it only asks, and may be asked again")
        return Lost(f"the web server did not tell the end within {self._timeout:g} s")

    def can_tell(self, ask: Ask) -> bool:
        """Always: the server knows the uuid, or the storage the document."""
        return True

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        """Go on asking for the same uuid."""
        tasks = read_tasks(ask.body)
        if tasks.only_asks:
            return NeverGot("its answer was lost; it changed nothing and may be asked again")
        work = await self._read(ask.request_id)
        if work is not None and work.result is not None:
            end = msgspec.json.decode(work.result, type=End)
            if bytes(end.answer) != b"null":
                return Answered(200, end.answer)
            return NeverGot(end.never, end.problem or "gateway-unreachable") if end.never else None
        kept = Kept(kind=self._kind, uuid=self._server.uuid(ask.request_id))
        if work is not None:
            kept = msgspec.json.decode(work.data, type=Kept)
        until = time.monotonic() + KNOWN_WITHIN_S
        outcomes = await self._follow(ask, kept, until)
        found: Answered | NeverGot | Unclear | None = Unclear("the web server never told how it ended")
        if outcomes is not None:
            found = await self._judge(ask, tasks, kept, outcomes, until, lost=work is None)
        if isinstance(found, Answered | NeverGot):
            return found
        words = found.remedy if isinstance(found, Unclear) else "the fiscal storage could not be asked"
        await self._give_up(ask, tasks, kept, words, written=work is not None)
        return None

    # Doing

    async def _post(self, tasks: Tasks, kept: Kept, id: str) -> NeverGot | Kept:
        """Put it into the queue; why it surely is not there, or what is known when it is or may be."""
        maybe = False
        for attempt in range(_POSTS_MAX):
            if attempt:
                await asyncio.sleep(self._timing.retry_s)
            reply = await self._server.post(kept.uuid, tasks.tasks)
            match reply:
                case Accepted():
                    return kept if tasks.only_asks else await self._accept(id, kept)
                case NoAnswer(sent=False, words=words) if not maybe:
                    return NeverGot(f"the web server: {words}")
                case WebError() if frames.is_repeat(reply):
                    if maybe:
                        return kept  # what was sent before had arrived
                    seen = await self._server.get(kept.uuid)
                    if isinstance(seen, WebError) and frames.is_unknown(seen):
                        return _refused(_error_of(reply))
                    return kept
                case WebError() if reply.http < 500 and not maybe:
                    return _refused(_error_of(reply))
                case _:
                    maybe = True
            # Under the same uuid it may be sent as often as one likes; where it is known, once was enough.
            seen = await self._server.get(kept.uuid)
            if isinstance(seen, Results) and seen.outcomes:
                return kept
        return kept

    async def _follow(self, ask: Ask, kept: Kept, until: float) -> tuple[Outcome, ...] | None:
        """Ask until all of it is over; () when the server does not know it; None when it is not known by then."""
        pause, told, unknown_since, nudge_at = self._timing.poll_s, "", 0.0, time.monotonic()
        while True:
            asked = time.monotonic()  # an answer that lay here for long says nothing of what came meanwhile
            reply = await self._server.get(kept.uuid)
            now = time.monotonic()
            stage, words = "register-away", ""
            unknown = isinstance(reply, WebError | Results) and frames.is_unknown(reply)
            if isinstance(reply, Results) and not unknown:
                waiting = [each for each in reply.outcomes if each.status in UNDER_WAY or each.status is None]
                if not waiting:
                    return reply.outcomes
                pause = self._timing.poll_s
                stage, words = stage_of(waiting[0])
                if stage in {"blocked", "queued"} and self._kind.continue_print and now >= nudge_at:
                    nudge_at = now + self._timing.nudge_s
                    await self._server.nudge()
            elif unknown:
                unknown_since = unknown_since or now
                if asked - unknown_since >= self._timing.settle_s:
                    return ()
                stage, words = "sending", "the web server does not know it yet"
            else:
                words = reply.words if isinstance(reply, NoAnswer) else f"{reply}"
                if isinstance(reply, WebError):
                    words = words_of(reply.code, reply.description)
                pause = min(pause * 2, _PAUSE_MOST_S)
            if not unknown:
                unknown_since = 0.0
            if stage + words != told:
                told = stage + words
                ask.tell({"stage": stage, "words": words, "uuid": kept.uuid})
            if now >= until:
                return None
            await asyncio.sleep(min(pause, max(until - now, 0.0)))

    async def _judge(
        self, ask: Ask, tasks: Tasks, kept: Kept, outcomes: tuple[Outcome, ...], until: float, *, lost: bool = False
    ) -> Answered | NeverGot | Unclear | None:
        """The answer of what is over; `Unclear`, or None when the storage could not be asked by then.

        `lost`: nothing was written of it, so that there is no number to compare with.
        """
        result: dict[str, Any] = {"status": "ready", "uuid": kept.uuid, "results": told_of(tasks, outcomes)}
        if any(outcome.status is not TaskStatus.READY for outcome in outcomes) or not outcomes:
            result["status"] = "error"
        if tasks.fiscal is None:
            if not outcomes:
                if kept.accepted:
                    return Unclear("the web server took it and does not know it any more: look at the paper")
                return await self._never(ask, kept, "the web server never had it")
            if not tasks.only_asks and (doubt := doubt_of(outcomes)):
                return Unclear(doubt)
        else:
            verdict = await self._registered(ask, tasks, kept, outcomes, until, lost=lost)
            if verdict is None or isinstance(verdict, Unclear):
                return verdict
            if isinstance(verdict, Never) and not outcomes:
                return await self._never(
                    ask, kept, "the web server never had it, and the fiscal storage has nothing new"
                )
            result["registered"] = isinstance(verdict, Done)
            if isinstance(verdict, Done):
                result["fiscal"] = msgspec.to_builtins(verdict.document)
                if verdict.earlier:  # by the storage's word
                    result["found_in_storage"] = True
                    others = [each for index, each in enumerate(outcomes) if index != tasks.fiscal]
                    if all(each.status is TaskStatus.READY for each in others):
                        result["status"] = "ready"
        found = answer(result)
        if not tasks.only_asks:
            await self._end(ask, kept, End(answer=found.body))
        return found

    async def _registered(
        self, ask: Ask, tasks: Tasks, kept: Kept, outcomes: tuple[Outcome, ...], until: float, *, lost: bool
    ) -> Done | Never | Unclear | None:
        """Whether the document is in the storage; `Done.earlier` says that the storage said so."""
        assert tasks.fiscal is not None
        outcome = outcomes[tasks.fiscal] if tasks.fiscal < len(outcomes) else None
        if outcome is not None and outcome.status is TaskStatus.READY:
            document = frames.read_document(outcome.result)
            if document is not None:
                return Done(document)
        if outcome is not None and outcome.status is TaskStatus.CANCELED:
            return Never()
        if lost:
            return (
                Never()
                if outcome is None
                else Unclear("what was written of it is lost: look in the register's journal")
            )
        order = order_of(tasks, kept, ask.request_id)
        pause = self._timing.retry_s
        while True:
            try:
                verdict = await self._server.compare(order)
                return Done(verdict.document, earlier=True) if isinstance(verdict, Done) else verdict
            except DeviceError as error:
                ask.tell({"stage": "register-away", "words": str(error), "uuid": kept.uuid})
            now = time.monotonic()
            if now >= until:
                return None
            await asyncio.sleep(min(pause, max(until - now, 0.0)))
            pause = min(pause * 2, _PAUSE_MOST_S)

    # The book

    async def _read(self, id: str) -> Work | None:
        while True:
            try:
                return await self._journal.read(lambda book: book.find_work(id))
            except StorageError as error:
                _log.warning("the journal cannot be read for a document in doubt", extra={"reason": str(error)})
                await asyncio.sleep(_READ_AGAIN_S)

    async def _accept(self, id: str, kept: Kept) -> Kept:
        kept = msgspec.structs.replace(kept, accepted=True)
        data = msgspec.to_builtins(kept)
        try:
            await self._journal.write(lambda book: book.change_work(id, data), point="appliance.atol.accept")
        except StorageError as error:  # the server tells it again
            _log.warning("that the web server took a task is not on the disk", extra={"reason": str(error)})
        return kept

    async def _never(self, ask: Ask, kept: Kept, words: str) -> NeverGot:
        await self._end(ask, kept, End(never=words))
        return NeverGot(words)

    async def _end(self, ask: Ask, kept: Kept, end: End, event: dict[str, Any] | None = None) -> None:
        """Write the end. A disk that does not take it: the operation's own outcome says the same."""
        call = partial(_end_work, id=ask.request_id, end=end, event=event, at=self._room.clock())
        try:
            await self._journal.write(call, point="appliance.atol.end")
        except StorageError as error:
            _log.error("the end of a document could not be written", extra={
                "request_id": ask.request_id, "uuid": kept.uuid, "reason": str(error),
            })  # fmt: skip

    async def _tell(self, data: dict[str, Any]) -> None:
        """Of what has no work to end, and as important as of what has one."""
        at = self._room.clock()
        try:
            await self._journal.write(lambda book: book.tell(UNCLEAR, data, at=at))
        except StorageError as error:
            _log.error("an unclear end could not be written", extra={"reason": str(error)})

    async def _give_up(self, ask: Ask, tasks: Tasks, kept: Kept, words: str, *, written: bool) -> None:
        data = {
            "request_id": ask.request_id, "operation": ask.operation, "uuid": kept.uuid, "types": tasks.types,
            "words": words,
        }  # fmt: skip
        _log.error("what became of a document cannot be known", extra={"request_id": ask.request_id, "reason": words})
        if written:
            await self._end(ask, kept, End(unclear=words), data)
        else:
            await self._tell(data)


def _end_work(book: Book, *, id: str, end: object, event: dict[str, Any] | None, at: float) -> None:
    if book.end_work(id, end) and event is not None:
        book.tell(UNCLEAR, event, at=at)


def _error_of(error: WebError) -> DeviceError:
    return Refused(str(error.code), words_of(error.code, error.description))


def _refused(error: DeviceError) -> NeverGot:
    if isinstance(error, TransportError):
        return NeverGot(f"the web server: {error}")
    return NeverGot(str(error), "device-fault")
