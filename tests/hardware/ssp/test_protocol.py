"""Conversations with an SSP validator, frame by frame, time moved by hand."""

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
    CreditsLost,
    DeviceState,
    Event,
    Identified,
    Jammed,
    Tampered,
)
from hardware.protocol import Actions, Finish, Memory, Record, Send
from hardware.ssp.frames import Frame, encode, parse
from hardware.ssp.protocol import SspProtocol
from hardware.ssp.replies import Setup, write_setup
from wire.money import Money

SETUP = write_setup(Setup(0, "0333", "EUR", 1, (5, 10, 0), (2, 2, 0), 100, 8, ("EUR",) * 3, (5, 10, 0)))
EUR_5, EUR_10 = Money(500, "EUR"), Money(1000, "EUR")
OK = "F0"


class Talk:
    """One end of the line. `device` answers what is not said by hand."""

    def __init__(self, memory: Memory | None = None, *, ack: bool = True, **settings: object) -> None:
        self.memory: Memory = memory or {}
        self.settings = settings
        self.ack = ack
        self.now = 0.0
        self.log: list[str] = []
        self.sent: list[Frame] = []
        self.events: list[Event] = []
        self.ended: dict[int, object] = {}
        self.tickets = 0
        self.said: dict[int, str] = {}  # answers by command, instead of the usual ones
        self.protocol = SspProtocol(self.memory, **settings)  # type: ignore[arg-type]

    def carry(self, actions: Actions) -> None:
        for action in actions:
            match action:
                case Send(data):
                    self.sent.append(parse(data))
                    self.log.append(parse(data).data.hex().upper())
                case Record(event, memory, _):
                    if memory is not None:
                        self.memory = memory
                    if event is not None:
                        self.events.append(event)
                    self.log.append("memory" if event is None else type(event).__name__)
                case Finish(ticket, result, error):
                    assert ticket not in self.ended
                    self.ended[ticket] = result if error is None else error

    @property
    def asked(self) -> bytes | None:
        pending = self.protocol._exchange.asked
        return None if pending is None else pending.data

    def hear(self, answer: str, flag: bool | None = None) -> None:
        """The device answers."""
        self.now += 0.01
        flag = self.sent[-1].flag if flag is None else flag
        self.carry(self.protocol.received(encode(Frame(bytes.fromhex(answer), flag)), self.now))

    def wait(self) -> None:
        assert self.protocol.wake_at is not None
        self.now = max(self.now, self.protocol.wake_at)
        self.carry(self.protocol.wake(self.now))

    def open(self) -> None:
        self.carry(self.protocol.opened(self.now))
        self.settle()

    def settle(self) -> None:
        """Answer all but polls and what is said of a note."""
        while self.asked is not None and self.asked[0] not in (0x07, 0x56, 0x18, 0x08, 0x57):
            self.usual()

    def usual(self) -> None:
        assert self.asked is not None
        command = self.asked[0]
        answers = {0x05: OK + SETUP.hex(), 0x0C: OK + "0012D687", 0x17: OK + "02", 0x08: "F5"}
        self.hear(self.said.get(command, answers.get(command, OK)))

    def polled(self, events: str = "", times: int = 1) -> None:
        """The next polls bring these events."""
        for _ in range(times):
            for _ in range(30):
                if self.asked is not None and self.asked[0] in (0x07, 0x56):
                    break
                if self.asked is None:
                    self.wait()
                else:
                    self.usual()
            assert self.asked is not None
            if self.asked[0] == 0x56 and not self.ack:
                self.hear("F2")
            assert self.asked[0] in (0x07, 0x56)
            self.hear(OK + events)

    def ask(self, command: object) -> int:
        self.tickets += 1
        self.carry(self.protocol.command(command, self.tickets, self.now))
        return self.tickets

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def restart(self) -> None:
        self.protocol = SspProtocol(self.memory, **self.settings)  # type: ignore[arg-type]
        self.carry(self.protocol.opened(self.now))

    def commands(self) -> list[str]:
        return [frame.data.hex().upper() for frame in self.sent]


def started(**settings: object) -> Talk:
    talk = Talk(**settings)  # type: ignore[arg-type]
    talk.carry(talk.protocol.opened(0.0))
    while talk.asked is not None and talk.asked[0] not in (0x07, 0x56):
        talk.usual()
    return talk


def ready(**settings: object) -> Talk:
    talk = started(**settings)
    talk.polled("E8")
    ticket = talk.ask(Enable(None))
    talk.settle()
    talk.polled()
    assert talk.ended[ticket] is None
    return talk


def escrowed(**settings: object) -> Talk:
    talk = ready(**settings)
    talk.polled("EF00")
    talk.polled("EF01")
    return talk


def stacking(**settings: object) -> tuple[Talk, int]:
    talk = escrowed(**settings)
    talk.hear(OK)  # to HOLD
    ticket = talk.ask(Stack(1))
    talk.hear(OK + "CC")
    return talk, ticket


def test_it_begins_with_sync_and_rejects_before_it_polls() -> None:
    talk = started()
    assert talk.commands()[:8] == ["11", "08", "09", "0608", "05", "0C", "020000", "56"]
    assert [frame.flag for frame in talk.sent[:8]] == [True, False] * 4
    [identified] = talk.told(Identified)
    assert isinstance(identified, Identified)
    assert (identified.serial, identified.firmware, identified.accepts) == ("1234567", "0333", (EUR_5, EUR_10))


def test_lower_protocols_are_tried() -> None:
    talk = Talk()
    talk.open()
    talk.hear("F5")
    talk.hear(OK)
    assert talk.commands()[-1] == "0608"
    talk.hear("F8")
    assert talk.commands()[-1] == "0607"
    talk.hear("F8")
    assert talk.commands()[-1] == "0606"
    talk.hear("F8")
    assert talk.commands()[-1] == "05"


def test_a_note_is_held_while_nobody_decides_and_never_polled() -> None:
    talk = escrowed()
    assert talk.told(BillEscrowed) == [BillEscrowed(bill=EUR_5, escrow=1)]
    for _ in range(4):
        assert talk.asked == b"\x18"
        talk.hear(OK)
        talk.wait()
    assert talk.now > 8


def test_a_credit_is_written_down_before_it_is_acknowledged() -> None:
    talk, ticket = stacking()
    talk.log.clear()
    talk.polled("CCEE01")
    assert talk.log[-2:] == ["BillStacked", "57"] or talk.log[-3:] == ["BillStacked", "memory", "57"]
    assert talk.told(BillStacked) == [BillStacked(bill=EUR_5, escrow=1)]
    assert talk.ended[ticket] == EUR_5
    talk.hear(OK)
    talk.polled("EB")
    talk.polled()
    assert talk.memory["last"] == {"channel": 1, "in_path": False, "unacked": False, "cleared": False}


def test_the_intent_is_written_down_before_the_poll_that_accepts() -> None:
    talk = escrowed()
    talk.hear(OK)
    talk.log.clear()
    talk.ask(Stack(1))
    assert talk.log == ["memory", "56"]
    assert talk.memory["note"]["order"] == "stack"  # type: ignore[index]


def test_a_credit_repeated_until_acknowledged_is_one_note() -> None:
    talk, _ = stacking()
    talk.polled("EE01", times=3)
    assert len(talk.told(BillStacked)) == 1


def test_the_same_across_a_restart_of_the_host() -> None:
    talk, _ = stacking()
    talk.polled("EE01")
    talk.restart()
    talk.polled("EE01")
    assert len(talk.told(BillStacked)) == 1


def test_a_credit_not_yet_written_down_comes_after_a_restart() -> None:
    talk, _ = stacking()
    talk.restart()
    talk.polled("EE01")
    assert talk.told(BillStacked) == [BillStacked(bill=EUR_5, escrow=1, late=True)]


def test_without_acknowledgements_each_polls_flag_is_written_down_while_a_note_is_open() -> None:
    talk, _ = stacking(ack=False)
    talk.polled("CC")
    talk.log.clear()
    talk.wait()
    assert talk.log == ["memory", "07"]
    flag = talk.sent[-1].flag
    assert talk.memory["flag"] is flag
    # The host dies; the device has answered this poll with a credit that nobody wrote down.
    talk.restart()
    assert (talk.sent[-1].data, talk.sent[-1].flag) == (b"\x07", flag)
    talk.hear(OK + "EE01")
    assert talk.told(BillStacked) == [BillStacked(bill=EUR_5, escrow=1, late=True)]
    assert talk.memory["flag"] is None
    assert talk.commands()[-1] == "11"


def test_without_acknowledgements_the_next_command_waits_for_the_record() -> None:
    talk, _ = stacking(ack=False)
    talk.polled("EE01")
    talk.log.clear()
    talk.polled()
    assert "BillStacked" not in talk.log
    assert len(talk.told(BillStacked)) == 1
    assert "57" not in talk.commands()


@pytest.mark.parametrize("refusal", ["F2", "F8", "FA"])
def test_a_device_without_poll_with_ack_is_polled_plainly(refusal: str) -> None:
    talk = started()
    talk.hear(refusal)
    assert talk.asked == b"\x07"
    assert talk.protocol.status.state is not DeviceState.FAULT


def test_an_unanswered_command_goes_again_with_its_flag() -> None:
    talk, _ = stacking()
    talk.wait()
    first = talk.sent[-1]
    talk.wait()
    talk.wait()
    assert talk.sent[-2:] == [first, first]
    talk.hear(OK + "EE01")
    assert len(talk.told(BillStacked)) == 1


def test_an_answer_with_the_other_flag_is_not_read() -> None:
    talk, _ = stacking()
    talk.wait()
    talk.hear(OK + "EE01", flag=not talk.sent[-1].flag)
    assert talk.told(BillStacked) == []


def test_give_back() -> None:
    talk = escrowed()
    talk.hear(OK)
    ticket = talk.ask(GiveBack(1))
    assert talk.asked == b"\x08"
    talk.hear(OK)
    talk.polled("ED")
    talk.polled("EC")
    assert talk.told(BillReturned) == [BillReturned(bill=EUR_5, escrow=1)]
    assert talk.ended[ticket] is None
    assert talk.told(BillRejected) == []


def test_a_note_refused_by_the_device_says_why() -> None:
    talk = ready()
    talk.polled("EF00")
    talk.polled("ED")
    talk.polled("EC")
    talk.polled()
    assert talk.told(BillRejected) == [BillRejected(code="17 02", words="it was not recognised")]


def test_a_rejection_while_stacking_is_a_return() -> None:
    talk, ticket = stacking()
    talk.polled("EDEC")
    assert talk.told(BillReturned) == [BillReturned(bill=EUR_5, escrow=1)]
    assert isinstance(talk.ended[ticket], Refused)


def test_after_a_power_cut_e2_is_the_open_note() -> None:
    talk, ticket = stacking()
    talk.polled("F1")
    talk.settle()
    talk.polled("E201")
    assert talk.told(BillStacked) == [BillStacked(bill=EUR_5, escrow=1, late=True)]
    assert talk.ended[ticket] == EUR_5


def test_after_a_power_cut_e2_is_not_credited_when_the_note_was() -> None:
    talk, _ = stacking()
    talk.polled("EE01")
    talk.polled("F1E201")
    talk.polled("E201")
    assert len(talk.told(BillStacked)) == 1
    talk.polled()
    talk.polled("E201")  # another power cut, another note
    assert len(talk.told(BillStacked)) == 2


def test_e2_of_a_note_nobody_knows_is_unclaimed_money() -> None:
    talk = ready()
    talk.polled("F1E202")
    assert talk.told(BillStacked) == [BillStacked(bill=EUR_10, escrow=None, late=True, unclaimed=True)]
    talk = ready()
    talk.polled("F1E200")
    assert len(talk.told(BillHeldBack)) == 1


def test_e1_gives_the_open_note_back() -> None:
    talk, ticket = stacking()
    talk.polled("F1E101")
    assert talk.told(BillReturned) == [BillReturned(bill=EUR_5, escrow=1, late=True)]
    assert isinstance(talk.ended[ticket], Refused)


def test_e1_or_e2_of_another_note_leaves_the_open_one_open() -> None:
    talk, _ = stacking()
    talk.polled("F1E102")
    assert talk.told(BillReturned) == []
    talk.polled("E202")
    assert talk.told(BillStacked) == [BillStacked(bill=EUR_10, escrow=None, late=True, unclaimed=True)]
    assert talk.memory["note"] is not None


def test_a_power_cut_of_which_nothing_is_told_is_unclear_for_a_note_on_its_way() -> None:
    talk, ticket = stacking()
    talk.polled("F1")
    talk.polled(times=40)
    [unclear] = talk.told(BillUnclear)
    assert isinstance(unclear, BillUnclear)
    assert (unclear.bill, unclear.escrow) == (EUR_5, 1)
    assert isinstance(talk.ended[ticket], OutcomeUnknown)


def test_a_note_that_left_escrow_by_itself_went_back() -> None:
    talk = escrowed()
    talk.hear("F5")
    talk.polled(times=40)
    assert talk.told(BillReturned) == [BillReturned(bill=EUR_5, escrow=1)]


def test_after_a_restart_a_held_note_is_rejected_before_any_poll() -> None:
    talk = escrowed()
    talk.restart()
    talk.hear(OK)
    assert talk.asked == b"\x08"
    talk.hear(OK)
    talk.polled("EDEC")
    assert talk.told(BillReturned) == [BillReturned(bill=EUR_5, escrow=1, late=True)]


def test_a_note_that_is_not_wanted_is_rejected() -> None:
    talk = ready()
    talk.ask(Enable(frozenset({EUR_10})))
    talk.settle()
    talk.polled("EF01")
    assert talk.asked == b"\x08"
    assert talk.told(BillEscrowed) == []


def test_a_channel_of_no_known_value_goes_back_with_words() -> None:
    talk = ready()
    talk.polled("EF07")
    assert talk.asked == b"\x08"
    assert len(talk.told(BillRejected)) == 1


def test_only_what_was_asked_for_is_taken() -> None:
    talk = ready()
    ticket = talk.ask(Enable(frozenset({EUR_10})))
    talk.settle()
    talk.polled()
    assert "020200" in talk.commands()
    assert talk.ended[ticket] is None
    assert isinstance(talk.ended[talk.ask(Enable(frozenset({Money(1, "KZT")})))], Refused)


def test_disable_gives_an_undecided_note_back() -> None:
    talk = escrowed()
    talk.hear(OK)
    ticket = talk.ask(Disable())
    assert talk.asked == b"\x08"
    talk.hear(OK)
    talk.polled("EDEC")
    talk.polled()
    talk.polled()
    assert talk.ended[ticket] is None
    assert talk.commands().count("09") == 2


def test_what_nobody_decides_on_goes_back_in_time_and_hold_makes_it_longer() -> None:
    talk = escrowed(escrow_s=10.0)
    ticket = talk.ask(Hold(1, 25.0))
    assert talk.ended[ticket] is None
    while talk.now < 24.0:
        assert talk.asked in (b"\x18", None)
        if talk.asked is None:
            talk.wait()
        else:
            talk.hear(OK)
    while talk.asked != b"\x08":
        if talk.asked is None:
            talk.wait()
        else:
            talk.hear(OK)
    assert talk.now >= 25.0


@pytest.mark.parametrize("command", [Stack(7), GiveBack(7), Hold(7, 1.0)])
def test_a_note_that_is_not_there_is_refused(command: object) -> None:
    talk = escrowed()
    assert isinstance(talk.ended[talk.ask(command)], Refused)


def test_one_order_excludes_the_other_and_the_same_joins() -> None:
    talk, ticket = stacking()
    assert isinstance(talk.ended[talk.ask(GiveBack(1))], Refused)
    assert isinstance(talk.ended[talk.ask(Hold(1, 1.0))], Refused)
    joined = talk.ask(Stack(1))
    talk.polled("EE01")
    assert (talk.ended[ticket], talk.ended[joined]) == (EUR_5, EUR_5)


def test_an_unknown_event_is_told_once_and_acknowledged_after() -> None:
    talk = ready()
    talk.polled("AA0102")
    [lost] = talk.told(CreditsLost)
    assert isinstance(lost, CreditsLost)
    assert lost.at_most is None
    assert "AA 01 02" in lost.words
    assert talk.asked == b"\x57"
    talk.polled("AA0102")
    assert len(talk.told(CreditsLost)) == 1


def test_what_is_read_before_an_unknown_event_counts() -> None:
    talk, _ = stacking()
    talk.polled("EE01AA")
    assert len(talk.told(BillStacked)) == 1


def test_a_polls_answer_to_another_command_counts_and_the_command_is_said_again() -> None:
    talk, _ = stacking()
    talk.polled("EE01")
    assert talk.asked == b"\x57"
    talk.hear(OK + "EE01")
    assert talk.asked == b"\x57"
    assert len(talk.told(BillStacked)) == 1


@pytest.mark.parametrize(("events", "kind"), [("EA", Jammed), ("E9", Jammed), ("E7", CassetteFull), ("E601", Tampered)])
def test_complaints_are_told_once_while_they_last(events: str, kind: type[Event]) -> None:
    talk = ready()
    talk.polled(events, times=3)
    assert len(talk.told(kind)) == 1
    talk.polled()
    talk.polled(events)
    assert len(talk.told(kind)) == 2


def test_a_jam_is_a_fault_and_refuses_to_be_enabled() -> None:
    talk = ready()
    talk.polled("EA")
    assert talk.protocol.status.state is DeviceState.FAULT
    assert talk.protocol.status.code == "EA"
    assert isinstance(talk.ended[talk.ask(Enable(None))], DeviceFault)


def test_collection_is_told_once_even_across_a_restart() -> None:
    talk = ready()
    talk.polled("E3", times=2)
    assert len(talk.told(CassetteRemoved)) == 1
    assert talk.protocol.status.state is DeviceState.FAULT
    talk.restart()
    talk.polled("E3")
    talk.polled("E4")
    assert (len(talk.told(CassetteRemoved)), len(talk.told(CassetteReturned))) == (1, 1)


def test_a_cashbox_that_came_back_while_nobody_listened_hinders_nothing() -> None:
    talk = ready()
    talk.polled("E3")
    talk.restart()
    talk.polled()
    assert talk.protocol.status.state is DeviceState.DISABLED
    ticket = talk.ask(Enable(None))
    talk.polled(times=3)
    assert talk.ended[ticket] is None
    talk.polled("EF01")
    assert len(talk.told(CassetteReturned)) == 1


def test_a_device_that_disabled_itself_is_enabled_again() -> None:
    talk = ready()
    talk.polled("E8")
    talk.polled("", times=20)
    assert talk.commands().count("0A") == 2


def test_encryption_only_is_a_fault_with_words_and_is_asked_again() -> None:
    talk = Talk()
    talk.carry(talk.protocol.opened(0.0))
    talk.hear(OK)
    talk.hear("FA")
    status = talk.protocol.status
    assert (status.state, status.code) == (DeviceState.FAULT, "FA")
    assert "encrypted" in status.words
    assert isinstance(talk.ended[talk.ask(Enable(None))], DeviceFault)
    assert talk.ended[talk.ask(Disable())] is None
    talk.wait()
    assert talk.commands()[-1] == "11"


def test_a_hopper_is_a_fault_with_words() -> None:
    talk = Talk()
    talk.said[0x05] = "F003" + "3031323147425007" + "00"
    talk.open()
    talk.hear("F5")
    talk.settle()
    assert "Smart Hopper" in talk.protocol.status.words


def test_channel_values_are_asked_for_when_the_setup_has_none() -> None:
    talk = Talk()
    talk.said[0x05] = OK + write_setup(Setup(0, "0333", "EUR", 0, (0, 0), (0, 0), 100, 8, ("EUR",) * 2, (0, 0))).hex()
    talk.said[0x0E] = OK + "020000" + (b"EUREUR").hex() + "05000000" + "0A000000"
    talk.open()
    talk.hear("F5")
    talk.settle()
    assert talk.protocol.denominations == (EUR_5, EUR_10)


def test_silence_is_absent_and_everybody_waiting_hears_it() -> None:
    talk, ticket = stacking()
    for _ in range(5):
        talk.wait()
    assert talk.protocol.status.state is DeviceState.ABSENT
    assert isinstance(talk.ended[ticket], OutcomeUnknown)
    assert isinstance(talk.ended[talk.ask(Enable(None))], TransportError)
    assert talk.ended[talk.ask(Disable())] is None
    talk.hear(OK + "EE01")
    assert talk.told(BillStacked) == [BillStacked(bill=EUR_5, escrow=1, late=True)]


def test_after_twenty_tries_without_a_note_the_sequence_is_begun_anew() -> None:
    talk = ready()
    talk.wait()
    for _ in range(21):
        talk.wait()
    assert talk.commands()[-1] == "11"


def test_a_lost_port_asks_the_same_again_when_it_is_back() -> None:
    talk, ticket = stacking()
    talk.wait()
    pending = talk.sent[-1]
    talk.carry(talk.protocol.lost(talk.now))
    assert isinstance(talk.ended[ticket], OutcomeUnknown)
    talk.now += 60
    talk.carry(talk.protocol.opened(talk.now))
    assert talk.sent[-1] == pending


def test_closing_waits_for_a_note_and_disables() -> None:
    talk, _ = stacking()
    talk.carry(talk.protocol.closing(talk.now))
    assert not talk.protocol.settled
    talk.polled("EE01EB")
    talk.polled()
    talk.polled()
    assert talk.protocol.settled
    assert talk.commands()[-2:].count("09") or "09" in talk.commands()[-4:]


def test_ready_waits_for_the_set_up() -> None:
    talk = Talk()
    talk.carry(talk.protocol.opened(0.0))
    ticket = talk.ask(AwaitReady())
    assert ticket not in talk.ended
    while talk.asked is not None and talk.asked[0] not in (0x07, 0x56):
        talk.usual()
    assert talk.ended[ticket] is None


def test_an_abandoned_call_is_not_finished() -> None:
    talk, ticket = stacking()
    talk.carry(talk.protocol.abandoned(ticket, talk.now))
    talk.polled("EE01")
    assert ticket not in talk.ended


def test_an_unknown_command_is_a_bug() -> None:
    with pytest.raises(LocalProtocolError):
        Talk().protocol.command("dance", 1, 0.0)
