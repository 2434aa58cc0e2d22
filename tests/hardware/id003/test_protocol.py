"""Conversations with an ID-003 validator, frame by frame, time moved by hand."""

import pytest

from hardware.bills import AwaitReady, Disable, Enable, GiveBack, Hold, Stack
from hardware.errors import DeviceFault, LocalProtocolError, OutcomeUnknown, Refused, TransportError
from hardware.events import (
    BillEscrowed,
    BillHeldBack,
    BillRejected,
    BillReturned,
    BillStacked,
    BillUnclear,
    CassetteFull,
    CassetteRemoved,
    CassetteReturned,
    DeviceState,
    Event,
    Identified,
    Jammed,
    StateChanged,
    Tampered,
)
from hardware.id003.currency import Assignment
from hardware.id003.currency import encode as encode_table
from hardware.id003.frames import Frame, encode, parse
from hardware.id003.protocol import Id003Protocol
from hardware.protocol import Actions, Finish, Memory, Record, Say, Send
from wire.money import Money

TABLE = encode_table([Assignment(0x63, 0x51, 5, 2), Assignment(0x64, 0x51, 1, 3), Assignment(0x65, 0x99, 1, 1)])
KZT_500, KZT_1000 = Money(50_000, "KZT"), Money(100_000, "KZT")


class Talk:
    """One end of the line: what the protocol says is compared, what the device says is given."""

    def __init__(self, memory: Memory | None = None, **settings: object) -> None:
        self.memory: Memory = memory or {}
        self.settings = settings
        self.now = 0.0
        self.log: list[object] = []  # sent hex, events, in order
        self.sent: list[Frame] = []
        self.events: list[Event] = []
        self.ended: dict[int, object] = {}
        self.tickets = 0
        self.protocol = Id003Protocol(self.memory, **settings)  # type: ignore[arg-type]

    def carry(self, actions: Actions) -> None:
        for action in actions:
            match action:
                case Send(data):
                    self.sent.append(parse(data))
                    self.log.append(str(parse(data)))
                case Record(event, memory, _):
                    if memory is not None:
                        self.memory = memory
                    if event is not None:
                        self.events.append(event)
                    self.log.append("memory" if event is None else type(event).__name__)
                case Finish(ticket, result, error):
                    assert ticket not in self.ended
                    self.ended[ticket] = result if error is None else error
                case Say():
                    pass

    def open(self) -> None:
        self.carry(self.protocol.opened(self.now))

    def hear(self, code: int, data: bytes = b"") -> None:
        """The device says it."""
        self.now += 0.01
        self.carry(self.protocol.received(encode(Frame(code, data)), self.now))

    def wait(self) -> None:
        """Until the protocol wants to be woken."""
        assert self.protocol.wake_at is not None
        self.now = max(self.now, self.protocol.wake_at)
        self.carry(self.protocol.wake(self.now))

    def polled(self, code: int, data: bytes = b"", times: int = 1) -> None:
        """The next polls are answered so."""
        for _ in range(times):
            self.answer()
            for _ in range(4):
                if self.protocol._exchange.request is not None and self.sent[-1].code == 0x11:
                    break
                self.wait()
            assert self.sent[-1].code == 0x11
            self.hear(code, data)

    def answer(self, *, table: bytes = TABLE) -> None:
        """Answer all settings and questions until it polls again."""
        while self.protocol._exchange.request is not None and self.sent[-1].code != 0x11:
            frame = self.sent[-1]
            if frame.code in (0x40, 0x41, 0x42, 0x43, 0x44):
                self.hear(0x50)
            elif frame.code == 0x8A:
                self.hear(0x8A, table)
            elif frame.code == 0x88:
                self.hear(0x88, b"U(KAZ)-10-SS V1\x00")
            else:
                self.hear(frame.code, frame.data)

    def ask(self, command: object) -> int:
        self.tickets += 1
        self.carry(self.protocol.command(command, self.tickets, self.now))
        if self.log and self.log[-1] == "memory":
            self.wait()  # an intent is written down alone
        return self.tickets

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def restart(self) -> None:
        self.protocol = Id003Protocol(self.memory, **self.settings)  # type: ignore[arg-type]
        self.open()


def ready(memory: Memory | None = None, **settings: object) -> Talk:
    """A validator that takes notes."""
    talk = Talk(memory, **settings)
    talk.open()
    talk.polled(0x40)
    talk.answer()
    talk.polled(0x1B)
    talk.answer()
    talk.polled(0x1A)
    ticket = talk.ask(Enable(None))
    talk.answer()
    assert talk.ended[ticket] is None
    talk.polled(0x11)
    return talk


def escrowed(**settings: object) -> Talk:
    talk = ready(**settings)
    talk.polled(0x12)
    talk.polled(0x13, b"\x63")
    return talk


def stacking() -> tuple[Talk, int]:
    talk = escrowed()
    ticket = talk.ask(Stack(1))
    talk.hear(0x50)
    talk.polled(0x14)
    talk.now += 5
    return talk, ticket


def test_power_up_is_answered_by_reset_and_initialize_by_all_settings() -> None:
    talk = Talk()
    talk.open()
    talk.polled(0x40)
    assert str(talk.sent[-1]) == "40"
    talk.hear(0x50)
    talk.polled(0x1B)
    talk.answer()
    settings = [str(frame) for frame in talk.sent if frame.code != 0x11]
    expected = ["40", "88", "8A", "C0 FF FF", "C1 00 00", "C3 01", "C4 00", "C5 03 00", "C2 00"]
    assert settings == expected
    talk.polled(0x1A)
    assert talk.protocol.denominations == (KZT_500, KZT_1000)
    [identified] = talk.told(Identified)
    assert isinstance(identified, Identified)
    assert (identified.model, identified.accepts) == ("U", (KZT_500, KZT_1000))
    states = [event.state for event in talk.told(StateChanged) if isinstance(event, StateChanged)]
    assert states == [DeviceState.STARTING, DeviceState.DISABLED]


def test_a_note_is_credited_on_vend_valid_and_written_down_before_ack() -> None:
    talk, ticket = stacking()
    talk.log.clear()
    talk.polled(0x15)
    assert talk.log[-2:] == ["BillStacked", "50"]
    assert talk.told(BillStacked) == [BillStacked(bill=KZT_500, escrow=1)]
    assert talk.ended[ticket] == KZT_500
    talk.polled(0x16)
    talk.polled(0x11)
    assert talk.memory["note"] is None


def test_the_intent_is_written_down_before_the_device_hears_it() -> None:
    talk = escrowed()
    talk.log.clear()
    talk.ask(Stack(1))
    assert talk.log == ["memory", "41"]
    assert talk.memory["note"]["order"] == "stack"  # type: ignore[index]


def test_an_unconfirmed_vend_valid_that_comes_again_is_the_same_note() -> None:
    talk, _ = stacking()
    talk.polled(0x15, times=5)
    assert len(talk.told(BillStacked)) == 1
    assert [frame.code for frame in talk.sent].count(0x50) == 5


def test_the_same_across_a_restart_of_the_host() -> None:
    talk, _ = stacking()
    talk.polled(0x15)
    talk.restart()
    talk.polled(0x15)
    assert len(talk.told(BillStacked)) == 1
    assert talk.told(BillHeldBack) == []
    assert talk.sent[-1].code == 0x50


def test_two_equal_notes_are_two() -> None:
    talk, _ = stacking()
    talk.polled(0x15)
    talk.polled(0x16)
    talk.polled(0x11)
    talk.polled(0x12)
    talk.polled(0x13, b"\x63")
    talk.ask(Stack(2))
    talk.hear(0x50)
    talk.polled(0x14)
    talk.polled(0x15)
    assert [event.escrow for event in talk.told(BillStacked) if isinstance(event, BillStacked)] == [1, 2]


def test_a_vend_valid_after_a_restart_belongs_to_the_open_intent() -> None:
    talk, _ = stacking()
    talk.restart()
    talk.polled(0x15)
    assert talk.told(BillStacked) == [BillStacked(bill=KZT_500, escrow=1, late=True)]


def test_power_up_with_a_bill_in_the_stacker_comes_to_its_credit() -> None:
    talk, ticket = stacking()
    talk.polled(0x42)
    assert isinstance(talk.ended[ticket], OutcomeUnknown)
    assert talk.sent[-1].code == 0x40
    talk.hear(0x50)
    talk.polled(0x15)
    assert talk.told(BillStacked) == [BillStacked(bill=KZT_500, escrow=1, late=True)]
    assert talk.sent[-1].code == 0x50


def test_a_credited_note_told_of_again_after_a_power_cut_is_not_credited_twice() -> None:
    talk, _ = stacking()
    talk.polled(0x15)
    talk.polled(0x42)
    talk.hear(0x50)
    talk.polled(0x15, times=2)
    assert len(talk.told(BillStacked)) == 1
    assert talk.told(BillHeldBack) == []


def test_power_up_with_a_bill_in_the_acceptor_is_a_return() -> None:
    talk, _ = stacking()
    talk.polled(0x41)
    talk.hear(0x50)
    talk.polled(0x18)
    talk.polled(0x1B)
    talk.answer()
    talk.polled(0x1A, times=20)
    assert talk.told(BillReturned) == [BillReturned(bill=KZT_500, escrow=1, late=True)]


def test_power_up_without_a_word_of_a_note_that_was_ordered_is_unclear() -> None:
    talk, _ = stacking()
    talk.polled(0x40)
    talk.hear(0x50)
    talk.polled(0x1B)
    talk.answer()
    talk.polled(0x1A, times=3)
    assert talk.told(BillUnclear) == []  # it may still come to VEND VALID
    talk.polled(0x1A, times=20)
    [unclear] = talk.told(BillUnclear)
    assert isinstance(unclear, BillUnclear)
    assert (unclear.bill, unclear.escrow) == (KZT_500, 1)
    assert "count the stacker" in unclear.remedy


def test_a_vend_valid_nobody_knows_of_is_held_back_once_it_is_sure() -> None:
    talk = ready()
    talk.polled(0x15)
    assert talk.told(BillHeldBack) == []
    talk.polled(0x15, times=4)
    [held] = talk.told(BillHeldBack)
    assert isinstance(held, BillHeldBack)
    assert "unknown value" in held.words
    assert talk.told(BillStacked) == []
    assert talk.sent[-1].code == 0x50


def test_a_note_that_idles_away_was_given_back() -> None:
    talk, ticket = stacking()
    talk.polled(0x11, times=2)
    assert talk.told(BillReturned) == []  # one poll may be a late answer
    talk.polled(0x11)
    assert talk.told(BillReturned) == [BillReturned(bill=KZT_500, escrow=1)]
    assert isinstance(talk.ended[ticket], Refused)


def test_a_rejection_while_stacking_is_a_return() -> None:
    talk, ticket = stacking()
    talk.polled(0x17, b"\x7c")
    talk.polled(0x11)
    assert talk.told(BillReturned) == [BillReturned(bill=KZT_500, escrow=1)]
    assert isinstance(talk.ended[ticket], Refused)


def test_a_jam_makes_a_moving_note_unclear_unless_the_device_tells() -> None:
    talk, _ = stacking()
    talk.polled(0x46, times=3)
    assert [type(event) for event in talk.events[-2:]] == [Jammed, StateChanged]
    talk.polled(0x1B)
    talk.answer()
    talk.polled(0x1A, times=3)
    assert len(talk.told(BillUnclear)) == 1


def test_beginning_anew_in_the_middle_makes_a_moving_note_unclear() -> None:
    """A jam that nobody heard of, cleared by hand: the note may be anywhere."""
    talk, _ = stacking()
    talk.polled(0x1B)
    talk.answer()
    talk.polled(0x1A, times=3)
    assert len(talk.told(BillUnclear)) == 1
    assert talk.told(BillReturned) == []


def test_give_back() -> None:
    talk = escrowed()
    ticket = talk.ask(GiveBack(1))
    assert talk.sent[-1].code == 0x43
    talk.hear(0x50)
    talk.polled(0x18)
    talk.polled(0x11)
    assert talk.told(BillReturned) == [BillReturned(bill=KZT_500, escrow=1)]
    assert talk.ended[ticket] is None


def test_another_note_in_escrow_says_that_the_first_went_back() -> None:
    talk, ticket = stacking()
    talk.polled(0x13, b"\x64")
    assert talk.told(BillReturned) == [BillReturned(bill=KZT_500, escrow=1, late=True)]
    assert isinstance(talk.ended[ticket], Refused)
    assert talk.told(BillEscrowed)[-1] == BillEscrowed(bill=KZT_1000, escrow=2)


def test_an_order_that_was_not_heard_is_given_again() -> None:
    talk = escrowed()
    talk.ask(Stack(1))
    assert talk.sent[-1].code == 0x41
    talk.wait()  # no answer
    talk.polled(0x13, b"\x63", times=2)
    assert [frame.code for frame in talk.sent].count(0x41) == 2


def test_a_note_still_in_escrow_after_a_silence_goes_back() -> None:
    talk = escrowed()
    ticket = talk.ask(Stack(1))
    talk.carry(talk.protocol.lost(talk.now))
    assert isinstance(talk.ended[ticket], OutcomeUnknown)
    talk.now += 60
    talk.open()
    talk.polled(0x13, b"\x63")
    assert talk.sent[-1].code == 0x43
    assert talk.memory["note"]["order"] == "return"  # type: ignore[index]


def test_a_note_nobody_was_told_of_goes_back_after_a_restart() -> None:
    talk = Talk()
    talk.open()
    talk.polled(0x13, b"\x63")
    assert talk.sent[-1].code == 0x43
    assert talk.told(BillEscrowed) == []


def test_a_code_its_own_table_does_not_name_and_a_ticket_go_back() -> None:
    for data, what in ((b"\x66", "code 66"), (b"123456789012345678", "ticket")):
        talk = ready()
        talk.polled(0x13, data)
        [rejected] = talk.told(BillRejected)
        assert isinstance(rejected, BillRejected)
        assert what in rejected.words
        assert talk.sent[-1].code == 0x43


def test_only_what_was_asked_for_is_taken() -> None:
    talk = ready()
    ticket = talk.ask(Enable(frozenset({KZT_1000})))
    talk.polled(0x11)
    talk.answer()
    assert talk.ended[ticket] is None
    assert Frame(0xC0, b"\xf7\x7f") in talk.sent
    ticket = talk.ask(Enable(frozenset({Money(1, "KZT")})))
    assert isinstance(talk.ended[ticket], Refused)


def test_disable_gives_an_undecided_note_back_first() -> None:
    talk = escrowed()
    ticket = talk.ask(Disable())
    assert talk.sent[-1].code == 0x43
    talk.hear(0x50)
    talk.polled(0x18)
    talk.polled(0x11)
    talk.answer()
    assert talk.sent[-1] == Frame(0xC3, b"\x01") or Frame(0xC3, b"\x01") in talk.sent
    assert talk.ended[ticket] is None


def test_what_nobody_decides_on_goes_back_in_time_and_hold_makes_it_longer() -> None:
    talk = escrowed(escrow_s=10.0)
    ticket = talk.ask(Hold(1, 20.0))
    assert talk.ended[ticket] is None
    held = 0
    while talk.now < 15.0:
        talk.polled(0x13, b"\x63")
        talk.answer()
    held = [frame.code for frame in talk.sent].count(0x44)
    assert held >= 2
    assert 0x43 not in [frame.code for frame in talk.sent]
    while talk.now < 25.0:
        talk.polled(0x13, b"\x63")
        talk.answer()
    assert 0x43 in [frame.code for frame in talk.sent]


@pytest.mark.parametrize("command", [Stack(7), GiveBack(7), Hold(7, 1.0)])
def test_a_note_that_is_not_there_is_refused(command: object) -> None:
    talk = escrowed()
    assert isinstance(talk.ended[talk.ask(command)], Refused)


def test_one_order_excludes_the_other() -> None:
    talk, _ = stacking()
    assert isinstance(talk.ended[talk.ask(GiveBack(1))], Refused)
    assert isinstance(talk.ended[talk.ask(Hold(1, 1.0))], Refused)
    joined = talk.ask(Stack(1))
    talk.polled(0x15)
    assert talk.ended[joined] == KZT_500


def test_collection_is_told_once_even_across_a_restart() -> None:
    talk = ready()
    talk.polled(0x44, times=3)
    assert len(talk.told(CassetteRemoved)) == 1
    talk.restart()
    talk.polled(0x44)
    talk.polled(0x1A)
    assert (len(talk.told(CassetteRemoved)), len(talk.told(CassetteReturned))) == (1, 1)


@pytest.mark.parametrize(
    ("code", "data", "kind"),
    [(0x43, b"", CassetteFull), (0x45, b"", Jammed), (0x46, b"", Jammed), (0x48, b"", Tampered)],
)
def test_faults_are_told_once_and_refuse_to_be_enabled(code: int, data: bytes, kind: type[Event]) -> None:
    talk = ready()
    talk.polled(code, data, times=3)
    assert len(talk.told(kind)) == 1
    assert talk.protocol.status.state is DeviceState.FAULT
    assert isinstance(talk.ended[talk.ask(Enable(None))], DeviceFault)
    assert talk.ended[talk.ask(Disable())] is None


def test_a_failure_says_its_code() -> None:
    talk = ready()
    talk.polled(0x49, b"\xa2")
    assert talk.protocol.status.code == "49 A2"
    assert "motor" in talk.protocol.status.words


def test_no_answer_is_absent_and_everybody_waiting_hears_it() -> None:
    talk = escrowed()
    ticket = talk.ask(Stack(1))
    for _ in range(8):
        talk.wait()
    assert isinstance(talk.ended[ticket], (TransportError, OutcomeUnknown))
    assert talk.protocol.status.state is DeviceState.ABSENT
    assert isinstance(talk.ended[talk.ask(Enable(None))], TransportError)
    assert talk.ended[talk.ask(Disable())] is None


def test_ready_waits_for_the_set_up() -> None:
    talk = Talk()
    talk.open()
    ticket = talk.ask(AwaitReady())
    talk.polled(0x40)
    talk.answer()
    assert ticket not in talk.ended
    talk.polled(0x1B)
    talk.answer()
    talk.polled(0x1A)
    assert talk.ended[ticket] is None


def test_a_late_answer_to_nothing_is_not_read() -> None:
    talk, _ = stacking()
    while talk.protocol._exchange.request is not None:
        talk.hear(0x14)
    talk.hear(0x15)  # nobody asked
    assert talk.told(BillStacked) == []


def test_closing_waits_for_a_note_and_inhibits() -> None:
    talk, _ = stacking()
    talk.carry(talk.protocol.closing(talk.now))
    assert not talk.protocol.settled
    talk.polled(0x15)
    talk.polled(0x16)
    talk.polled(0x11)
    talk.answer()
    talk.polled(0x1A)
    assert talk.protocol.settled
    assert Frame(0xC3, b"\x01") in talk.sent


def test_a_note_nobody_answers_for_in_thirty_seconds_is_unknown_to_its_caller() -> None:
    talk, ticket = stacking()
    while talk.now < 40:
        talk.polled(0x14)
    assert isinstance(talk.ended[ticket], OutcomeUnknown)
    talk.polled(0x15)
    assert talk.told(BillStacked) == [BillStacked(bill=KZT_500, escrow=1, late=True)]


def test_settings_the_device_does_not_know_are_left_out() -> None:
    talk = Talk()
    talk.open()
    talk.polled(0x1B)
    while talk.sent[-1].code != 0x11:
        frame = talk.sent[-1]
        if frame.code == 0xC4:
            talk.hear(0x4B)
        elif frame.code == 0xC5:
            talk.hear(0x4A)
            assert talk.sent[-1].code == 0xC5
            talk.hear(0xC5, b"\x03\x00")
        elif frame.code == 0x8A:
            talk.hear(0x8A, TABLE)
        else:
            talk.hear(frame.code, frame.data)
    talk.polled(0x1A)
    assert talk.protocol.status.state is DeviceState.DISABLED


def test_a_setting_that_is_refused_later_is_tried_again_without_hurry() -> None:
    talk = ready()
    talk.ask(Disable())
    assert talk.sent[-1] == Frame(0xC3, b"\x01")
    talk.hear(0x4B)
    talk.polled(0x11, times=5)
    assert [frame.code for frame in talk.sent[-5:]] == [0x11] * 5
    talk.polled(0x11, times=8)
    assert talk.sent.count(Frame(0xC3, b"\x01")) == 3  # set-up, and twice since


def test_a_setting_that_is_never_answered_leads_to_a_new_set_up() -> None:
    talk = ready()
    ticket = talk.ask(Disable())
    for _ in range(3):
        talk.wait()
    talk.polled(0x11, times=15)
    assert [str(frame) for frame in talk.sent].count("C2 00") == 2
    talk.polled(0x1A, times=2)
    assert talk.ended[ticket] is None


def test_a_table_of_an_unnamed_country_is_a_fault_with_words() -> None:
    talk = Talk()
    talk.open()
    talk.polled(0x1B)
    talk.answer(table=bytes((0x61, 0x99, 1, 2)))
    talk.polled(0x1A)
    assert talk.protocol.status.state is DeviceState.FAULT
    assert "country" in talk.protocol.status.words


def test_an_abandoned_call_is_not_finished() -> None:
    talk, ticket = stacking()
    talk.carry(talk.protocol.abandoned(ticket, talk.now))
    talk.polled(0x15)
    assert ticket not in talk.ended
    assert len(talk.told(BillStacked)) == 1


def test_an_unknown_command_is_a_bug() -> None:
    with pytest.raises(LocalProtocolError):
        Talk().protocol.command("dance", 1, 0.0)
