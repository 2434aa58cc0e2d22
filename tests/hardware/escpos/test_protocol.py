"""The conversation, byte by byte, with time moved by hand."""

from hardware.errors import DeviceFault, LocalProtocolError, OutcomeUnknown, TransportError
from hardware.escpos.orders import AwaitReady, Print, ReadStatus, Settings
from hardware.escpos.profiles import PROFILES
from hardware.escpos.protocol import EscposProtocol
from hardware.events import DeviceState, SlipPrinted, SlipUnclear, StateChanged
from hardware.protocol import Actions, Finish, Memory, Record, Send
from hardware.roles import PrinterStatus
from hardware.slip import Cut, Slip, Text

SLIP = Slip((Text(text="hi"), Cut()))
BYTES = b"\x1b@hi\n\x1dVB\x00"
ASK = {n: bytes((0x10, 0x04, n)) for n in (1, 2, 3, 4)}
GS_R = b"\x1dr\x01"


class Script:
    """One protocol and its clock."""

    def __init__(self, memory: Memory | None = None, **settings: object) -> None:
        self.now = 0.0
        self.protocol = EscposProtocol(memory or {}, Settings(profile=PROFILES["epson"], **settings))  # type: ignore[arg-type]
        self.records: list[Record] = []
        self.finished: dict[int, Finish] = {}

    def sent(self, actions: Actions) -> list[bytes]:
        self.records += [action for action in actions if isinstance(action, Record)]
        self.finished |= {action.ticket: action for action in actions if isinstance(action, Finish)}
        return [action.data for action in actions if isinstance(action, Send)]

    def hears(self, *answers: int) -> list[bytes]:
        return self.sent(self.protocol.received(bytes(answers), self.now))

    def waits(self, seconds: float = 0.0) -> list[bytes]:
        """To the next moment it wants, or so long."""
        sent: list[bytes] = []
        until = self.now + seconds if seconds else max(self.protocol.wake_at or 0, self.now)
        while self.protocol.wake_at is not None and self.protocol.wake_at <= until:
            self.now = max(self.now, self.protocol.wake_at)
            sent += self.sent(self.protocol.wake(self.now))
        self.now = until
        return sent

    def round(self, *answers: int) -> list[bytes]:
        """Four questions answered; what is sent behind them."""
        sent: list[bytes] = []
        for n, answer in enumerate(answers or (0x12,) * 4, 1):
            sent = self.hears(answer)
            if n < 4:
                assert sent == [ASK[n + 1]]
        return sent

    def ready(self) -> None:
        self.sent(self.protocol.opened(self.now))
        assert self.waits() == [ASK[1]]
        assert self.round() == [b"\x1b@" + GS_R]
        self.hears(0x00)
        self.waits()
        assert self.protocol.status.state is DeviceState.READY

    def prints(self, ticket: int = 7, reference: str = "A") -> list[bytes]:
        return self.sent(self.protocol.command(Print(SLIP, reference), ticket, self.now))

    def events(self, kind: type) -> list[object]:
        return [record.event for record in self.records if isinstance(record.event, kind)]


def test_from_open_to_ready() -> None:
    script = Script()
    assert script.protocol.status.state is DeviceState.ABSENT
    waiting = script.sent(script.protocol.command(AwaitReady(), 1, 0))
    assert waiting == []
    script.ready()
    assert script.finished[1].error is None
    assert [event.state for event in script.events(StateChanged)] == [DeviceState.STARTING, DeviceState.READY]  # type: ignore[attr-defined]


def test_a_slip_from_the_check_to_the_confirmation() -> None:
    script = Script()
    script.ready()
    assert script.prints() == [ASK[1]]
    assert script.round() == []
    assert script.records[-1].memory == {
        "version": 1, "begun": "A", "copy": False, "last": None, "outcome": "", "remains": False,
    }  # fmt: skip
    assert script.waits() == [BYTES + GS_R]  # not before the intent is written
    assert script.hears(0x00) == [GS_R]  # once more behind all
    assert script.waits() == [ASK[1]]
    script.hears(0x12)
    assert script.hears(0x00) == [ASK[4]]
    assert script.hears(0x12) == [ASK[2]]
    assert script.hears(0x12) == [ASK[3]]
    assert script.hears(0x12) == [ASK[1]]
    assert 7 not in script.finished
    script.hears(0x12)
    assert script.finished[7].error is None
    assert script.events(SlipPrinted) == [SlipPrinted(reference="A")]
    assert script.records[-1].memory["last"] == "A"  # type: ignore[index]
    assert script.prints(8) == []
    assert script.finished[8].error is None


def printing() -> Script:
    script = Script()
    script.ready()
    script.prints()
    script.round()
    assert script.waits() == [BYTES + GS_R]
    return script


def test_paper_out_before_is_a_fault_and_nothing_was_sent() -> None:
    script = Script()
    script.ready()
    script.prints()
    script.round(0x1A, 0x32, 0x12, 0x7E)
    error = script.finished[7].error
    assert isinstance(error, DeviceFault)
    assert error.code == "paper-out"
    assert not script.events(SlipUnclear)


def test_a_cover_opened_in_the_middle_is_unclear_at_once() -> None:
    script = printing()
    assert script.waits() == [ASK[1]]
    script.hears(0x1A)
    assert script.waits() == [ASK[2]]  # off line: why?
    script.hears(0x16)
    assert isinstance(script.finished[7].error, OutcomeUnknown)
    assert script.events(SlipUnclear)[0].words.startswith("the cover is open")  # type: ignore[attr-defined]
    assert script.records[-1].memory is None or script.protocol.status.state is DeviceState.FAULT


def test_silence_is_unclear_before_a_printer_can_be_back() -> None:
    script = printing()
    script.waits(3.1)
    assert isinstance(script.finished[7].error, OutcomeUnknown)


def test_well_and_never_confirming_is_unclear_in_the_end() -> None:
    script = printing()
    while 7 not in script.finished:
        if script.waits():
            script.hears(0x12)
    assert isinstance(script.finished[7].error, OutcomeUnknown)
    assert 15 <= script.now <= 20


def test_an_answer_too_many_is_not_believed() -> None:
    script = printing()
    script.hears(0x00, 0x00)
    assert isinstance(script.finished[7].error, OutcomeUnknown)


def test_the_line_goes_in_the_middle() -> None:
    script = printing()
    script.sent(script.protocol.lost(script.now))
    assert isinstance(script.finished[7].error, OutcomeUnknown)
    assert script.prints(8, "B") == []
    assert isinstance(script.finished[8].error, TransportError)
    script.sent(script.protocol.opened(script.now))
    script.waits()
    (clean,) = script.round()
    assert clean == bytes(1024 + 16) + b"\x1b@" + b"\x1dVB\x00" + GS_R


def test_a_status_that_is_asked_for() -> None:
    script = Script()
    script.ready()
    script.sent(script.protocol.command(ReadStatus(), 3, script.now))
    script.waits()
    script.round(0x12, 0x12, 0x12, 0x1E)
    assert script.finished[3].result == PrinterStatus(online=True, paper=True, paper_low=True, cover_open=False)


def test_no_answer_is_absent_and_asked_again() -> None:
    script = Script()
    script.ready()
    script.waits(6)
    assert script.protocol.status.state is DeviceState.ABSENT
    assert script.protocol.status.repeats >= 2
    script.prints()
    script.waits(20)
    assert isinstance(script.finished[7].error, DeviceFault | TransportError)


def test_one_who_no_longer_waits_gets_no_slip() -> None:
    script = Script()
    script.sent(script.protocol.opened(0))
    script.prints()
    script.protocol.abandoned(7, 0)
    script.waits()
    script.round()
    script.hears(0x00)
    script.waits()
    assert not script.events(SlipPrinted)
    assert script.protocol.settled


def test_closing_waits_for_a_slip_and_takes_no_other() -> None:
    script = printing()
    script.sent(script.protocol.closing(script.now))
    assert not script.protocol.settled
    script.prints(8, "B")
    assert isinstance(script.finished[8].error, TransportError)


def test_what_it_does_not_know_is_our_mistake() -> None:
    script = Script()
    script.sent(script.protocol.command("nonsense", 1, 0))
    assert isinstance(script.finished[1].error, LocalProtocolError)
