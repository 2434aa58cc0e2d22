"""How one thing is done once: written down, sent, and found out about until it is known.

    look at the register          shift, paper, the number of the last document: a no from here has begun nothing
    Record(memory)                uuid, that number, sum: the intent
    POST                          lost or repeated: ask for the uuid
    GET until it is over          ready tells all; any other end is compared with the fiscal storage
    Record(event, memory)         the result is copied out at once, the server keeps it for a time only

A uuid that the server does not know was never taken, or forgotten with its database: the storage decides, and only
then the same task is sent again under the same uuid. Once its caller has gone nothing is sent any more; it is only
found out what happened.
"""

from collections.abc import Mapping

import msgspec

from hardware.atol import frames
from hardware.atol.asking import BLOCK_WORDS, Asking, fault_of, number_in, text_in
from hardware.atol.frames import Accepted, Found, Garbled, Outcome, Results, WebError
from hardware.atol.orders import (
    Done,
    Never,
    NotDone,
    Order,
    Unclear,
    Verdict,
    document_of,
    error_of,
    look_at_journal,
    look_at_paper,
    mapping,
    pick,
    recalled,
    refuse_first,
)
from hardware.atol.receipts import CURRENCY
from hardware.atol.states import FAULT_CODES, UNDER_WAY, TaskStatus, words_of
from hardware.atol.steps import Clock, NoAnswer, Pause, Talk, Timing
from hardware.errors import DeviceError, DeviceFault, OutcomeUnknown, Refused, TransportError
from hardware.events import (
    CashMoved,
    DocumentAbsent,
    DocumentRegistered,
    DocumentUnclear,
    Event,
    SlipPrinted,
    SlipUnclear,
)
from hardware.protocol import Finish, Memory, Record, Say
from wire.money import Money
from wire.receipt import FiscalDocument

POSTS_MAX = 3  # of one task by one caller
ATTEMPTS_MAX = 50  # uuids tried for one reference whose earlier attempts failed
GARBLED_MAX = 5  # answers in a row that are none, before the storage is asked instead
DOCUMENTS_MAX = 20  # looked through in the storage for one of ours


class Once:
    """Does orders, one at a time, and remembers the one that is open and the last that was closed.

    `held` is why nothing else can be done now: an open order is being found out about and the register does not
    answer, or its queue is blocked.
    """

    def __init__(self, asking: Asking, memory: Memory) -> None:
        self._asking = asking
        self._clock: Clock = asking.clock
        self._timing: Timing = asking.timing
        self._last: Mapping[str, object] = mapping(memory.get("last"))
        self.left = recalled(mapping(memory.get("open")))
        self.order: Order | None = None
        self.held: DeviceError | None = None
        self._nudge = ""  # the uuid of a continuePrint that is on its way
        self._nudge_at = 0.0
        self._moves_since: float | None = None  # others' tasks are done while ours says that it is blocked

    # What was done before

    def known(self, order: Order) -> tuple[object, DeviceError | None] | None:
        """How the last order ended, when this is the same; None when it has to be done.

        Raises:
            Refused: the reference was something else's.
        """
        last = self._last
        if text_in(last, "reference") != order.reference or text_in(last, "state") == "absent":
            return None
        if text_in(last, "digest") != order.digest:
            raise Refused("reference", f"the reference {order.reference!r} was used for something else")
        if text_in(last, "state") == "unclear":
            return None, OutcomeUnknown(order.what, text_in(last, "remedy"))
        return document_of(last.get("document")), None

    # Doing

    def perform(self, order: Order) -> Talk[None]:
        """All of it, from the first look to the tickets' end."""
        self.order, self._moves_since = order, None
        try:
            yield from self._perform(order)
        finally:
            self.order, self.held = None, None

    def resolve(self) -> Talk[None]:
        """Find out about the order that was open when the last life ended."""
        order = self.left
        if order is None:
            return
        self.order = order
        order.answer_by = self._clock.now + self._timing.answer_s
        try:
            verdict = yield from self._follow(order)
            if isinstance(verdict, Never):
                verdict = NotDone(TransportError("the web server never had it"))
            yield from self._close(order, verdict)
        finally:
            self.left, self.order, self.held = None, None, None

    def _perform(self, order: Order) -> Talk[None]:
        if not order.fiscal:
            order.paper = True
        try:
            look = yield from self._asking.look()
            refuse_first(order, look)
        except DeviceError as error:
            for ticket in order.tickets:
                yield Finish(ticket, error=error)
            return
        order.before, order.storage = look.number, look.storage
        order.attempt = self._first_attempt(order.reference)
        while True:
            order.uuid = self._asking.task_uuid(order.reference, order.attempt)
            yield Record(memory=self._memory(order))
            verdict = yield from self._submit(order)
            if isinstance(verdict, NotDone) and verdict.earlier and order.attempt < ATTEMPTS_MAX:
                order.attempt += 1
                continue
            yield from self._close(order, verdict)
            return

    def _first_attempt(self, reference: str) -> int:
        if text_in(self._last, "reference") != reference:
            return 0
        return (number_in(self._last, "attempt") or 0) + (1 if self._last.get("spent") is True else 0)

    def _submit(self, order: Order) -> Talk[Verdict]:
        maybe = False  # an earlier POST may have been taken
        for _ in range(POSTS_MAX):
            answer = yield from self._asking.post(order.uuid, order.tasks)
            repeat, refusal = False, None
            match answer:
                case Accepted():
                    order.accepted = True
                case NoAnswer(sent=False, words=words) if not maybe:
                    return NotDone(TransportError(words))
                case WebError() if frames.is_repeat(answer):
                    # "It is there already", or "not now": asking for it tells which.
                    repeat = not maybe
                    refusal = fault_of(answer.code, answer.description)
                case WebError() if answer.http < 500 and not maybe:
                    return NotDone(fault_of(answer.code, answer.description))
                case _:
                    maybe = True
            verdict = yield from self._follow(order, earlier=repeat)
            if not isinstance(verdict, Never):
                return verdict
            if refusal is not None and not maybe:
                return NotDone(refusal)
            if order.accepted:
                # Taken, and forgotten: what was at the register then may still be on its way into the storage.
                yield from self._wait(order, self._timing.settle_s, TransportError("the web server forgot the task"))
                verdict = yield from self._follow(order)
                if not isinstance(verdict, Never):
                    return verdict
            if not order.tickets:
                break
            maybe = True
        yield from self._wait(order, self._timing.settle_s, TransportError("the web server does not take the task"))
        verdict = yield from self._follow(order)
        return NotDone(TransportError("the web server did not take it")) if isinstance(verdict, Never) else verdict

    # Finding out

    def _follow(self, order: Order, *, earlier: bool = False) -> Talk[Verdict | Never]:
        """Ask for the uuid until it is known what became of it."""
        garbled, unknown_since, retry_s = 0, None, self._timing.retry_s
        while True:
            answer = yield from self._asking.get(order.uuid)
            match answer:
                case NoAnswer(words=words):
                    yield from self._wait(order, retry_s, TransportError(words))
                    retry_s = min(retry_s * 2, self._timing.retry_max_s)
                    continue
                case WebError() | Results() if frames.is_unknown(answer):
                    unknown_since = self._clock.now if unknown_since is None else unknown_since
                    if not order.tickets and self._clock.now - unknown_since < self._timing.settle_s:
                        unknown = TransportError("the web server does not know the task")
                        yield from self._wait(order, self._timing.retry_s, unknown, stuck=False)
                        continue
                    return (yield from self._unknown(order))
                case Results(outcomes):
                    garbled, unknown_since, retry_s = 0, None, self._timing.retry_s
                    order.accepted = True
                    if outcomes[0].status not in UNDER_WAY and outcomes[0].status is not None:
                        return (yield from self._ended(order, outcomes[0], earlier=earlier))
                    verdict = yield from self._under_way(order, outcomes[0])
                    if verdict is not None:
                        return verdict
                case _:
                    # Neither how it stands nor that it is unknown: the storage may say yes, but never no.
                    garbled += 1
                    if garbled % GARBLED_MAX == 0 and order.fiscal:
                        found = yield from self._compare(order)
                        if isinstance(found, Done):
                            return found
                    why: DeviceError = TransportError("an answer that is none")
                    if isinstance(answer, WebError):
                        why = fault_of(answer.code, answer.description)
                    yield from self._wait(order, self._timing.retry_s, why)

    def _under_way(self, order: Order, outcome: Outcome) -> Talk[Verdict | None]:
        """Wait a while; a verdict only for a task that stays blocked although the queue moves."""
        if outcome.status is TaskStatus.BLOCKED:
            words = words_of(outcome.code, outcome.description) if outcome.code else BLOCK_WORDS["paperError"]
            order.answer_by = min(order.answer_by, self._clock.now + self._timing.blocked_s)
            yield from self._continue_print()
            if self._moves_since is not None and self._clock.now - self._moves_since > self._timing.answer_s:
                if not order.fiscal:
                    return Unclear(look_at_paper(order))
                found = yield from self._compare(order)
                return found if isinstance(found, Done) else Unclear(look_at_journal(order))
            yield from self._wait(order, self._timing.poll_s, DeviceFault("blocked", words))
            return None
        if outcome.status is TaskStatus.WAIT and order.tickets and self._clock.now >= order.answer_by:
            # It stands behind something that does not move. Out of the queue it surely does not happen.
            yield from self._asking.delete(order.uuid)
            order.answer_by = self._clock.now + self._timing.poll_s
        if outcome.status is TaskStatus.WAIT and self._clock.now >= order.answer_by - self._timing.blocked_s:
            yield from self._continue_print()
        busy = DeviceFault("busy", "the register's queue does not move: look at its paper and at its web server")
        yield from self._wait(order, self._timing.poll_s, busy, stuck=False)
        return None

    def _continue_print(self) -> Talk[None]:
        """Have the register print on, should it wait for that; one such task at a time."""
        if self._clock.now < self._nudge_at:
            return
        self._nudge_at = self._clock.now + self._timing.nudge_s
        if self._nudge:
            answer = yield from self._asking.get(self._nudge)
            if isinstance(answer, NoAnswer | Garbled):
                return
            if isinstance(answer, Results) and any(outcome.status in UNDER_WAY for outcome in answer.outcomes):
                self._moves_since = None
                return
            if isinstance(answer, Results) and self._moves_since is None:
                self._moves_since = self._clock.now
        self._nudge = self._asking.fresh()
        yield from self._asking.post(self._nudge, [{"type": "continuePrint"}])

    def _unknown(self, order: Order) -> Talk[Verdict | Never]:
        if order.fiscal:
            return (yield from self._compare(order))
        if order.accepted or order.late:
            # Its number is in no storage: once it may have been taken, nothing can tell.
            return Unclear(look_at_paper(order))
        return Never()

    def _ended(self, order: Order, outcome: Outcome, *, earlier: bool) -> Talk[Verdict]:
        if outcome.status is TaskStatus.READY:
            if not order.fiscal:
                return Done(earlier=earlier)
            document = frames.read_document(outcome.result)
            if document is None:
                verdict = yield from self._compare(order)
                return verdict if isinstance(verdict, Done) else Unclear(look_at_journal(order))
            if order.before is not None and document.number <= order.before:
                return self._of_before(order, document)
            return Done(document)
        if not order.fiscal:
            return self._ended_without_document(order, outcome, earlier=earlier)
        verdict = yield from self._compare(order)
        if isinstance(verdict, Never):
            return NotDone(error_of(outcome), spent=True, earlier=earlier)
        return verdict

    @staticmethod
    def _of_before(order: Order, document: FiscalDocument) -> Verdict:
        if order.storage and document.storage and order.storage != document.storage:
            return Done(document)  # a new storage counts from 1 again
        if order.total is None or document.total_minor in (None, order.total):
            return Done(document, earlier=True)
        return NotDone(
            Refused("reference", f"the reference {order.reference!r} was used for document {document.number}")
        )

    @staticmethod
    def _ended_without_document(order: Order, outcome: Outcome, *, earlier: bool) -> Verdict:
        if outcome.status is TaskStatus.CANCELED:
            return NotDone(DeviceFault("canceled", "it was taken out of the queue"), spent=True, earlier=earlier)
        if earlier:
            return NotDone(fault_of(outcome.code, outcome.description), spent=True, earlier=True)
        if outcome.status is TaskStatus.INTERRUPTED or outcome.code in FAULT_CODES or not outcome.code:
            return Unclear(look_at_paper(order))
        return NotDone(fault_of(outcome.code, outcome.description), spent=True)

    # The fiscal storage

    def _compare(self, order: Order) -> Talk[Done | Unclear | Never]:
        """What the storage says of an order whose task does not say it."""
        while True:
            try:
                look = yield from self._asking.look()
                break
            except DeviceError as error:
                if isinstance(error, DeviceFault) and error.code == "blocked":
                    yield from self._continue_print()
                yield from self._wait(order, self._timing.retry_s, error)
        if look.number is None or order.before is None:
            return Unclear("this register does not tell its last document's number: compare its journal by hand")
        if order.storage and look.storage and order.storage != look.storage:
            return Unclear(f"the fiscal storage was replaced: look for the document in the old one, {order.storage}")
        if look.number < order.before or look.number - order.before > DOCUMENTS_MAX:
            return Unclear(
                f"the last document was {order.before} and is {look.number} now: compare the journal by hand"
            )
        if look.number == order.before:
            return Never()
        found: list[Found] = []
        for number in range(order.before + 1, look.number + 1):
            document = yield from self._find(order, number)
            if document is None:
                return Unclear(f"document {number} of the fiscal storage cannot be read: compare it by hand")
            found.append(document)
        return pick(order, found)

    def _find(self, order: Order, number: int) -> Talk[Found | None]:
        while True:
            try:
                return (yield from self._asking.find(number))
            except Refused:
                return None
            except DeviceError as error:
                yield from self._wait(order, self._timing.retry_s, error)

    # The end

    def _wait(self, order: Order, seconds: float, why: DeviceError, *, stuck: bool = True) -> Talk[None]:
        """Let time pass. Callers are let go when it was too long, and others too when nothing moves."""
        if order.tickets and self._clock.now >= order.answer_by:
            order.late = True
            for ticket in order.tickets:
                yield Finish(ticket, error=OutcomeUnknown(order.what, f"it is found out by itself; now: {why}"))
            order.tickets.clear()
        if not order.tickets:
            order.late = True
        self.held = why if not order.tickets and (stuck or self._clock.now >= order.answer_by) else None
        yield Pause(seconds)

    def _close(self, order: Order, verdict: Verdict) -> Talk[None]:
        late = order.late or not order.tickets
        if isinstance(verdict, Done) and order.cash and order.total is None:
            verdict = Unclear(look_at_paper(order))  # a memory that was damaged
        event: Event | None = None
        error: DeviceError | None = None
        result: FiscalDocument | None = None
        match verdict:
            case Done(document, earlier):
                result = document
                if not earlier:
                    event = self._told(order, document, late=late)
                last = self._closed(order, "done", document=document)
            case NotDone(error, spent):
                if late:
                    event = DocumentAbsent(reference=order.reference, words=str(error))
                last = self._closed(order, "absent", spent=spent)
            case Unclear(remedy):
                error = OutcomeUnknown(order.what, remedy)
                if order.type == "nonFiscal":
                    event = SlipUnclear(reference=order.reference, words=remedy)
                else:
                    event = DocumentUnclear(reference=order.reference, remedy=remedy)
                last = self._closed(order, "unclear", remedy=remedy)
        self._last = last
        yield Record(event, self._memory(None))
        if late:
            yield Say(f"{order.what}: found out: {error or 'it is done'}", "warning" if error else "info")
        for ticket in order.tickets:
            yield Finish(ticket, result, error)

    @staticmethod
    def _told(order: Order, document: FiscalDocument | None, *, late: bool) -> Event:
        if document is not None:
            return DocumentRegistered(reference=order.reference, document=document, late=late)
        if order.cash and order.total is not None:
            minor = order.total if order.type == "cashIn" else -order.total
            return CashMoved(reference=order.reference, amount=Money(minor, CURRENCY), late=late)
        return SlipPrinted(reference=order.reference)

    @staticmethod
    def _closed(
        order: Order, state: str, *, document: FiscalDocument | None = None, spent: bool = False, remedy: str = ""
    ) -> dict[str, object]:
        closed: dict[str, object] = {"reference": order.reference, "digest": order.digest, "state": state}
        if document is not None:
            closed["document"] = msgspec.to_builtins(document)
        if state == "absent":
            closed |= {"attempt": order.attempt, "spent": spent}
        if remedy:
            closed["remedy"] = remedy
        return closed

    def _memory(self, order: Order | None) -> Memory:
        memory: dict[str, object] = {"version": 1}
        if self._last:
            memory["last"] = dict(self._last)
        if order is not None:
            memory["open"] = {
                "reference": order.reference,
                "type": order.type,
                "what": order.what,
                "uuid": order.uuid,
                "attempt": order.attempt,
                "before": order.before,
                "storage": order.storage,
                "total": order.total,
                "digest": order.digest,
            }
        return memory
