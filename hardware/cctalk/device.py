"""What the conversations with all kinds of device have in common: finding it, who it is, how it stands, its memory."""

from abc import abstractmethod
from collections import deque
from typing import Literal

from hardware.calling import AwaitReady
from hardware.cctalk.frames import Sum
from hardware.cctalk.lane import ANSWER_S, LATE_S, TRIES, Ask, Conversation, LineLost, Outcome, Rest, Script
from hardware.errors import DeviceError, TransportError
from hardware.events import DeviceState, Event, Identified, StateChanged
from hardware.protocol import Finish, Memory, Record, Say
from hardware.roles import Identity, Status
from wire.money import Money

FIND_S = 1.0  # how often a device that does not answer is looked for
LOOK_S = 0.08  # how long its answer is waited for then; every so many times as long as any other
LOOKS_LONG = 10
FAULT_S = 5.0  # how often a device that said it is faulty is asked again
CONTRADICTIONS_MAX = 8  # answers in a row of which no two agree


class Silent(Exception):
    """The device does not answer any more."""

    def __init__(self, header: int) -> None:
        self.header = header
        super().__init__(header)


class RefusedQuestion(Exception):
    """It said no to something that it must know."""

    def __init__(self, header: int) -> None:
        self.header = header
        super().__init__(header)


class DeviceConversation(Conversation):
    """A device that is looked for, identified, kept, and looked for again when it goes.

    Args:
        memory: what was remembered of it; anything unknown or damaged in it counts as missing.
    """

    wanted_category: str = ""

    def __init__(self, name: str, address: int, kind: Sum, memory: Memory) -> None:
        super().__init__(name, address, kind)
        self.memory = {key: value for key, value in memory.items() if isinstance(key, str)}
        self.identity = Identity()
        self.state = DeviceState.ABSENT
        self.code = ""
        self.words = "not heard yet"
        self.inbox: deque[tuple[object, int]] = deque()
        self._waiters: list[int] = []
        self._told_identity = ""
        self._understood = False  # it answered more than an ACK since it was found
        self._looks = 0  # at an address where nobody was

    # What the kinds fill in

    @abstractmethod
    def live(self) -> Script[None]:
        """Set it up and keep it; returns when it was left and nothing is on its way."""

    @abstractmethod
    def obey(self, command: object, ticket: int) -> Script[None]:
        """Carry out a wish while the device is there."""

    @abstractmethod
    def missed(self, command: object, ticket: int) -> None:
        """A wish while it is not there."""

    def gone(self) -> None:
        """The link to it was just lost: whoever waits for it gets an end."""

    @property
    def denominations(self) -> tuple[Money, ...]:
        """What it knows."""
        return ()

    # Conversation

    @property
    def status(self) -> Status:
        return Status(
            state=self.state,
            code=self.code,
            words=self.words,
            identity=self.identity,
            skipped_bytes=self.skipped_bytes,
            repeats=self.repeats,
        )

    def command(self, command: object, ticket: int, now: float) -> None:
        self.now = now
        if isinstance(command, AwaitReady):
            if self.is_up:
                self.finish(ticket)
            else:
                self._waiters.append(ticket)
        elif self.state is DeviceState.ABSENT:
            self.missed(command, ticket)
        else:
            self.inbox.append((command, ticket))

    def leave(self, now: float) -> None:
        self.leaving = True

    def failed(self, error: Exception) -> None:
        self.say(f"its driver failed and begins anew: {error!r}", "error")
        self._fail("driver", f"its driver failed ({type(error).__name__}); see the log")

    def run(self) -> Script[None]:
        while True:
            try:
                yield from self._find()
                if self.leaving and self.state is DeviceState.ABSENT:
                    return
                self._understood = False
                self.change(DeviceState.STARTING, words="is being set up")
                yield from self._identify()
                yield from self.live()
                return
            except LineLost:
                self._lost("the port is gone")
                continue  # the next question waits until it is open again
            except Silent:
                if self._understood:
                    self._lost("does not answer")
                    continue
                self._fail(
                    "silent",
                    "it answers the simple poll and nothing else: it may want encryption, which is not "
                    "supported, or the other checksum",
                )
            except RefusedQuestion as refused:
                self._fail(
                    f"NAK {refused.header}",
                    f"it refuses header {refused.header}: it is another kind of device, or wants encryption, which is "
                    "not supported",
                )
            try:
                yield Rest(self.now + FAULT_S)
            except LineLost:
                self._lost("the port is gone")
            if self.leaving:
                return

    # Steps of scripts

    def ask(self, header: int, data: bytes = b"", *, tries: int = TRIES) -> Script[bytes]:
        """Raises `Silent`, `RefusedQuestion`."""
        answer = yield Ask(header, data, tries)
        if answer.outcome is Outcome.REFUSED:
            self._understood = True
            raise RefusedQuestion(header)
        if answer.outcome is not Outcome.GOOD:
            raise Silent(header)
        self._understood = self._understood or bool(answer.data)
        return answer.data

    def ask_maybe(self, header: int, data: bytes = b"") -> Script[bytes | None]:
        """None where the device refuses, or is not heard this time."""
        answer = yield Ask(header, data)
        self._understood = self._understood or bool(answer.data) or answer.outcome is Outcome.REFUSED
        return answer.data if answer.outcome is Outcome.GOOD else None

    def ask_known(self, header: int, data: bytes = b"") -> Script[bytes | None]:
        """None where the device does not know this header: it refuses, or is silent to it and not to others.

        Much hangs on the difference between that and a bad line, so it is tried for long. Raises `Silent`.
        """
        for _ in range(3):
            answer = yield Ask(header, data)
            self._understood = self._understood or bool(answer.data) or answer.outcome is Outcome.REFUSED
            if answer.outcome is not Outcome.SILENT:
                return answer.data if answer.outcome is Outcome.GOOD else None
            yield from self.ask(254)
        return None

    def quiet(self) -> Script[None]:
        """Long enough that nothing of before can still arrive."""
        yield Rest(self.now + LATE_S, nudged=False)

    def settled_answer(self, header: int) -> Script[bytes]:
        """An answer given twice in a row: a sum of 8 bits is too little for money."""
        last = yield from self.ask(header)
        if self.kind is Sum.CRC16:
            return last
        for _ in range(CONTRADICTIONS_MAX):
            again = yield from self.ask(header)
            if again == last:
                return last
            last = again
        raise Silent(header)

    # What is left in `out`

    def record(self, event: Event | None, **changes: object) -> None:
        """An event and what is remembered with it; None removes."""
        if not changes:
            self.out.append(Record(event, None, self.name))
            return
        self.memory = {key: value for key, value in (self.memory | changes).items() if value is not None}
        self.out.append(Record(event, dict(self.memory), self.name))

    def finish(self, ticket: int, result: object = None, error: DeviceError | None = None) -> None:
        """The end of a wish."""
        self.out.append(Finish(ticket, result, error))

    def say(self, words: str, level: Literal["debug", "info", "warning", "error"] = "info") -> None:
        """A line for the log."""
        self.out.append(Say(f"{self.name}: {words}", level))

    def change(self, state: DeviceState, code: str = "", words: str = "") -> None:
        """Another state: told once."""
        if (state, code) != (self.state, self.code):
            self.record(StateChanged(state=state, was=self.state, code=code, words=words))
        self.state, self.code, self.words = state, code, words
        if self.is_up:
            for ticket in self._waiters:
                self.finish(ticket)
            self._waiters.clear()

    @property
    def is_up(self) -> bool:
        """Identified, set up and not faulty."""
        return self.state in {DeviceState.READY, DeviceState.DISABLED, DeviceState.BUSY}

    # Memory

    def remembered(self, key: str) -> int | None:
        """A number from memory, or None when there is none such."""
        value = self.memory.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def remembered_dict(self, key: str) -> dict[str, object] | None:
        """An object from memory."""
        value = self.memory.get(key)
        return {str(name): each for name, each in value.items()} if isinstance(value, dict) else None

    # Coming and going

    def _find(self) -> Script[None]:
        while not self.leaving or self.state is not DeviceState.ABSENT:
            self._turn_away()
            # The others wait meanwhile: one that does not answer must not keep them from being read in time.
            absent = self.state is DeviceState.ABSENT
            briefly = absent and self._looks % LOOKS_LONG != 0
            self._looks += 1
            answer = yield Ask(254, tries=1 if absent else TRIES, wait_s=LOOK_S if briefly else ANSWER_S)
            if answer.outcome in {Outcome.GOOD, Outcome.REFUSED}:
                return
            if self.state is not DeviceState.ABSENT:
                self._lost("does not answer")
            if self.leaving:
                return
            yield Rest(self.now + FIND_S)

    def _turn_away(self) -> None:
        if self.state is DeviceState.ABSENT:
            while self.inbox:
                self.missed(*self.inbox.popleft())

    def _lost(self, words: str) -> None:
        self.change(DeviceState.ABSENT, words=words)
        self.gone()
        self._turn_away()

    def _fail(self, code: str, words: str) -> None:
        self.change(DeviceState.FAULT, code, words)
        self.gone()
        while self.inbox:
            self.missed(*self.inbox.popleft())

    def _identify(self) -> Script[None]:
        category = yield from self.ask_known(245)
        if not self._understood:
            raise Silent(245)  # everybody knows this one
        texts = []
        for header in (246, 244, 241):
            data = yield from self.ask_maybe(header)
            texts.append("" if data is None else _text(data))
        serial = yield from self._read_serial()
        maker, model, firmware = texts
        self.identity = Identity(maker=maker, model=model, serial=serial, firmware=firmware)
        found = "" if category is None else _text(category).replace("_", " ")
        if self.wanted_category and found and found.casefold() != self.wanted_category.casefold():
            self.say(f"at address {self.address} is a {found!r}, wanted is a {self.wanted_category!r}", "warning")

    def _read_serial(self) -> Script[str]:
        data = yield from self.ask_known(242)
        serial = _serial(data)
        known = self.memory.get("serial")
        if known is not None and serial != known:
            # Much hangs on it: a late answer to something else must not look like another device.
            yield from self.quiet()
            answer = yield Ask(242)
            if answer.outcome is Outcome.SILENT or _serial(answer.data or None) != serial:
                raise Silent(242)  # it answered that once; one that says no to it is another
        return serial

    def tell_identity(self, **changes: object) -> None:
        """Once a life, and when another device came in its place."""
        told = repr((self.identity, self.denominations))
        if told != self._told_identity:
            self._told_identity = told
            identity = self.identity
            self.record(
                Identified(
                    maker=identity.maker,
                    model=identity.model,
                    serial=identity.serial,
                    firmware=identity.firmware,
                    accepts=tuple(sorted(set(self.denominations), key=lambda money: (money.currency, money.minor))),
                ),
                **changes,
            )
        elif changes:
            self.record(None, **changes)


def absent_error(conversation: DeviceConversation) -> TransportError:
    """For a wish that was not begun."""
    return TransportError(f"{conversation.name} {conversation.words}; nothing was begun")


def _serial(data: bytes | None) -> str:
    return "" if data is None else str(int.from_bytes(data, "little"))


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace").strip("\0 ")
