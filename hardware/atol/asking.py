"""The web server's queue, one step above HTTP: put a task in, look how it stands, ask the register something."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hardware.atol import frames
from hardware.atol.commands import PATHS
from hardware.atol.frames import Accepted, Answer, Garbled, Outcome, Results, Task, WebError
from hardware.atol.states import FAULT_CODES, UNDER_WAY, TaskStatus, words_of
from hardware.atol.steps import Clock, NoAnswer, Pause, Request, Response, Talk, Timing
from hardware.errors import DeviceError, DeviceFault, OutcomeUnknown, Refused, TransportError

NAMESPACE = uuid.UUID("6f1c9a52-5d0e-5b7c-9a39-7e7f3c1b2a44")
"""Of all uuids made here, so that they are nobody else's."""

FIRST_POLL_S = 0.1  # most questions are answered within some hundredths of a second

BLOCK_WORDS = {
    "paperError": "put in paper and close the cover: what was cut short is then printed",
    "connectionError": "the web server has lost the register: check its power and cable",
    "fnError": "the fiscal storage does not answer: switch the register off and on, then call service",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What the register said of itself; None where it did not say."""

    shift: frames.Shift | None
    number: int | None
    condition: frames.Condition | None
    storage: str


def fault_of(code: int, description: str) -> DeviceError:
    """An error of the register as ours: out of service, or a no."""
    kind = DeviceFault if code in FAULT_CODES else Refused
    return kind(str(code), words_of(code, description))


class Asking:
    """One server.

    Args:
        name: of the register; part of every uuid.
        api: "v2", or "v1" for older drivers.
        device: which of the server's registers, "" for its default one.
        nonce: of this life, for uuids of questions, which must never be asked for twice.
    """

    def __init__(self, *, name: str, api: str, device: str, nonce: str, clock: Clock, timing: Timing) -> None:
        self.name = name
        self.clock, self.timing = clock, timing
        self._base = PATHS[api]
        self._query = f"?deviceID={device}" if device else ""
        self._nonce, self._count = nonce, 0

    def task_uuid(self, reference: str, attempt: int) -> str:
        """Of the caller's operation: the same for the same, for ever."""
        suffix = f"/{attempt}" if attempt else ""
        return str(uuid.uuid5(NAMESPACE, f"{self.name}/{reference}{suffix}"))

    def fresh(self) -> str:
        """Of a question: never twice the same."""
        self._count += 1
        return str(uuid.uuid5(NAMESPACE, f"{self.name}//{self._nonce}/{self._count}"))

    # The queue

    def post(self, task: str, tasks: Sequence[Task]) -> Talk[Answer | NoAnswer]:
        """Put it in."""
        return (yield from self._call("POST", "", frames.encode_request(task, tasks)))

    def get(self, task: str) -> Talk[Answer | NoAnswer]:
        """How it stands."""
        return (yield from self._call("GET", f"/{task}"))

    def delete(self, task: str) -> Talk[Answer | NoAnswer]:
        """Take it out; only one that still waits goes."""
        return (yield from self._call("DELETE", f"/{task}"))

    def _call(self, method: str, path: str, body: bytes = b"") -> Talk[Answer | NoAnswer]:
        reply = yield Request(body, method, f"{self._base}{path}{self._query}", self.timing.request_s)
        match reply:
            case Response(http, data):
                return frames.read_answer(http, data)
            case NoAnswer():
                return reply
            case _:
                return NoAnswer(True, "no answer")

    # Questions

    def ask(self, *tasks: Task, what: str = "", within_s: float | None = None) -> Talk[tuple[Outcome, ...]]:
        """Have tasks done and wait for the end of them.

        Args:
            what: says what would be on paper, for tasks that do more than ask.

        Raises:
            TransportError, DeviceFault, Refused: nothing came of it.
            OutcomeUnknown: it may have happened; only with `what`.
        """
        task = self.fresh()
        until = self.clock.now + (self.timing.query_s if within_s is None else within_s)
        answer = yield from self.post(task, tasks)
        blocked = ""
        match answer:
            case Accepted():
                if answer.blocked:
                    blocked = BLOCK_WORDS.get(
                        answer.reason, "the queue of the web server is blocked by an earlier task"
                    )
            case NoAnswer(sent=False, words=words):
                raise TransportError(words)
            case WebError() if answer.http < 500:
                raise fault_of(answer.code, answer.description)
            case _ if not what:
                raise TransportError(self._words(answer))
            case _:
                pass
        last, pause_s = self._words(answer), min(FIRST_POLL_S, self.timing.poll_s)
        while self.clock.now < until:
            yield Pause(pause_s)
            pause_s = min(pause_s * 2, self.timing.poll_s)
            answer = yield from self.get(task)
            last = self._words(answer)
            if isinstance(answer, Results) and not any(outcome.status in UNDER_WAY for outcome in answer.outcomes):
                if not what:
                    _raise_unasked(answer.outcomes)
                return answer.outcomes
            if isinstance(answer, WebError) and answer.http < 500 and not what:
                raise TransportError(f"{self.name}: {answer.description}")
        # Do not leave it in the queue: it would be done some time, for nobody.
        answer = yield from self.delete(task)
        if isinstance(answer, Accepted) or not what:
            if blocked:
                raise DeviceFault("blocked", blocked)
            raise TransportError(f"{self.name} does not come to it: {last}")
        raise OutcomeUnknown(what, "look at the paper")

    def check(self, outcomes: Sequence[Outcome], what: str) -> None:
        """Raise unless all of it was done: `Refused`, or `OutcomeUnknown` when some may be on paper."""
        for outcome in outcomes:
            if outcome.status is TaskStatus.READY:
                continue
            if outcome.status is TaskStatus.ERROR and outcome.code and outcome.code not in FAULT_CODES:
                raise fault_of(outcome.code, outcome.description)
            raise OutcomeUnknown(what, f"look at the paper: {words_of(outcome.code, outcome.description)}")

    def look(self) -> Talk[Look]:
        """Shift, last document, paper, storage: what is asked before anything is done. Raises as `ask`."""
        outcomes = yield from self.ask(
            {"type": "getShiftStatus"}, {"type": "getFnStatus"}, {"type": "getDeviceStatus"}, {"type": "getFnInfo"}
        )
        shift, number, condition, storage = (_ready(outcomes, index) for index in range(4))
        first = outcomes[0] if outcomes else None
        if shift is None and number is None and first is not None and first.code:
            raise fault_of(first.code, first.description)
        fn = None if number is None else frames.read_storage(number)
        info = None if storage is None else frames.read_storage_info(storage)
        return Look(
            shift=None if shift is None else frames.read_shift(shift),
            number=None if fn is None else fn.fiscal_document_number,
            condition=None if condition is None else frames.read_condition(condition),
            storage="" if info is None else info.serial,
        )

    def find(self, number: int) -> Talk[frames.Found | None]:
        """A document by its number; None when the storage does not give it. Raises as `ask`."""
        outcomes = yield from self.ask({"type": "getFnDocument", "fiscalDocumentNumber": number, "withRawData": False})
        result = _ready(outcomes, 0)
        return None if result is None else frames.read_found(number, result)

    def device(self) -> Talk[frames.Device | None]:
        """Model and serial number, where the driver tells. Raises as `ask`."""
        result = _ready((yield from self.ask({"type": "getDeviceInfo"})), 0)
        return None if result is None else frames.read_device(result)

    def unsent(self) -> Talk[frames.Exchange | None]:
        """What the data operator has not confirmed, where the driver tells. Raises as `ask`."""
        result = _ready((yield from self.ask({"type": "ofdExchangeStatus"})), 0)
        return None if result is None else frames.read_exchange(result)

    @staticmethod
    def _words(answer: Answer | NoAnswer) -> str:
        match answer:
            case NoAnswer(words=words) | Garbled(words=words):
                return words
            case WebError(description=description):
                return description
            case Results(outcomes):
                return ", ".join(outcome.word for outcome in outcomes) or "nothing"
            case _:
                return "taken"


def _raise_unasked(outcomes: Sequence[Outcome]) -> None:
    """A question that did not reach the register is not answered with no."""
    for outcome in outcomes:
        if outcome.status is TaskStatus.READY:
            continue
        if outcome.status is TaskStatus.ERROR and outcome.code not in FAULT_CODES and outcome.code:
            return  # it said no; what stands behind it was not run for that
        if outcome.status is TaskStatus.ERROR and outcome.code:
            raise fault_of(outcome.code, outcome.description)
        raise TransportError(f"the register was interrupted: {outcome.word} {outcome.description}".rstrip())


def _ready(outcomes: Sequence[Outcome], index: int) -> bytes | None:
    if index < len(outcomes) and outcomes[index].status is TaskStatus.READY:
        return outcomes[index].result
    return None


def number_in(memory: Mapping[str, object], key: str) -> int | None:
    """A whole number of a memory that may be anybody's."""
    value = memory.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text_in(memory: Mapping[str, object], key: str) -> str:
    """A text of a memory that may be anybody's."""
    value = memory.get(key)
    return value if isinstance(value, str) else ""
