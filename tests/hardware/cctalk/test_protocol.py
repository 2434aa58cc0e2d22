"""The bus: one question in flight, fair to all, echo, repeats. Time is moved by hand."""

import pytest

from hardware.cctalk.frames import HOST, Frame, Sum, encode
from hardware.cctalk.lane import LATE_S, Answer, Ask, Conversation, LineLost, Outcome, Rest, Script
from hardware.cctalk.protocol import BusProtocol, For, Guest, Join, Leave
from hardware.cctalk.survey import SurveyConversation
from hardware.errors import LocalProtocolError, TransportError
from hardware.events import DeviceState
from hardware.protocol import Action, Finish, Say, Send
from hardware.roles import Status


class Asker(Conversation):
    """Asks what it is given, over and over, and keeps the answers."""

    def __init__(self, address: int, *asks: Ask | Rest, kind: Sum = Sum.SUM8, ends: bool = False) -> None:
        super().__init__(f"d{address}", address, kind)
        self.asks, self.ends = asks, ends
        self.answers: list[Answer] = []
        self.losses = 0

    def run(self) -> Script[None]:
        while not self.leaving:
            try:
                for ask in self.asks:
                    self.answers.append((yield ask))
            except LineLost:
                self.losses += 1
            if self.ends:
                raise RuntimeError("on purpose")

    def command(self, command: object, ticket: int, now: float) -> None:
        self.out.append(Finish(ticket, command))

    def leave(self, now: float) -> None:
        self.leaving = True

    def failed(self, error: Exception) -> None:
        self.out.append(Say(f"{error!r}", "error"))

    @property
    def status(self) -> Status:
        return Status(state=DeviceState.READY)


class Line:
    """A bus and its time."""

    def __init__(self, *askers: Asker, echo: bool | None = False) -> None:
        self.bus = BusProtocol(askers, echo=echo)
        self.now = 0.0
        self.actions: list[Action] = list(self.bus.opened(0.0))
        self.on_to(LATE_S)

    def on_to(self, seconds: float) -> list[bytes]:
        """Let that time pass; what was sent meanwhile."""
        end, sent = self.now + seconds, self.sent()
        while (at := self.bus.wake_at) is not None and at <= end:
            self.now = max(self.now, at)
            self.actions += self.bus.wake(self.now)
            sent += self.sent()
        self.now = end
        return sent

    def hear(self, data: bytes) -> list[bytes]:
        self.actions += self.bus.received(data, self.now)
        return self.sent() + self.on_to(0.005)

    def sent(self) -> list[bytes]:
        found = [action.data for action in self.actions if isinstance(action, Send)]
        self.actions = [action for action in self.actions if not isinstance(action, Send)]
        return found


def question(address: int, header: int) -> bytes:
    return encode(Frame(address, header), Sum.SUM8)


def answer(address: int, data: bytes = b"", header: int = 0) -> bytes:
    return encode(Frame(HOST, header, data, address), Sum.SUM8)


def test_nothing_is_asked_while_something_is_asked() -> None:
    line = Line(Asker(2, Ask(254)), Asker(3, Ask(254)))
    assert line.on_to(0.1) == []
    assert line.hear(answer(2)) == [question(3, 254)]
    assert line.hear(answer(3)) == [question(2, 254)]


def test_a_dead_device_costs_the_others_one_answer_s_time() -> None:
    dead, well = Asker(2, Ask(254)), Asker(3, Ask(254))
    line = Line(dead, well)
    asked = []
    for _ in range(12):
        asked += line.on_to(0.3)
        asked += line.hear(answer(3))
    assert asked.count(question(3, 254)) >= 5
    assert {one.outcome for one in well.answers} == {Outcome.GOOD}
    assert dead.answers[0].outcome is Outcome.SILENT


def test_an_answer_of_another_device_is_no_answer() -> None:
    asker = Asker(2, Ask(254))
    line = Line(asker)
    line.hear(answer(3))
    assert asker.answers == []
    assert asker.skipped_bytes == 5


def test_an_answer_that_does_not_fit_its_question_is_none() -> None:
    asker = Asker(2, Ask(229))
    line = Line(asker)
    line.hear(answer(2, b"\x01\x02\x03"))
    assert asker.answers == []
    line.hear(answer(2, bytes(11)))
    assert asker.answers == [Answer(Outcome.GOOD, bytes(11))]


def test_three_times_and_then_it_is_silent() -> None:
    asker = Asker(2, Ask(254))
    line = Line(asker)
    assert [*line.sent(), *line.on_to(0.62)] == [question(2, 254)] * 3
    assert asker.answers == [Answer(Outcome.SILENT)]
    assert asker.repeats == 2


def test_after_silence_another_question_waits_until_no_late_answer_can_come() -> None:
    asker = Asker(2, Ask(254, tries=1), Ask(242))
    line = Line(asker)
    line.on_to(0.3)
    assert asker.answers == [Answer(Outcome.SILENT)]
    assert line.on_to(1.8) == []
    assert line.on_to(0.2) == [question(2, 242)]


def test_refused_and_busy() -> None:
    asker = Asker(2, Ask(229))
    line = Line(asker)
    line.hear(answer(2, header=6))
    assert asker.answers == []
    assert line.on_to(0.11) == [question(2, 229)]
    line.hear(answer(2, header=5))
    assert asker.answers == [Answer(Outcome.REFUSED)]


def test_an_echo_is_found_out_and_taken_off() -> None:
    asker = Asker(2, Ask(254), Ask(242))
    line = Line(asker, echo=None)
    line.hear(question(2, 254)[:2])
    line.hear(question(2, 254)[2:] + answer(2))
    assert line.bus.echo is True
    line.hear(question(2, 242) + answer(2, b"\x01\x02\x03"))
    assert asker.answers == [Answer(Outcome.GOOD), Answer(Outcome.GOOD, b"\x01\x02\x03")]


def test_no_echo_is_found_out_by_the_first_answer() -> None:
    line = Line(Asker(2, Ask(254)), echo=None)
    line.hear(answer(2))
    assert line.bus.echo is False


def test_a_changed_echo_is_a_collision_and_what_follows_is_no_answer() -> None:
    asker = Asker(2, Ask(254))
    line = Line(asker, echo=True)
    changed = bytes((2, 0, 1, 254, 0))
    line.hear(changed + answer(2))
    assert asker.answers == []
    assert line.on_to(0.3) == [question(2, 254)]


def test_another_adapter_is_found_out() -> None:
    asker = Asker(2, Ask(254))
    line = Line(asker, echo=None)
    line.hear(question(2, 254) + answer(2))
    for _ in range(4):
        line.on_to(0.3)
        line.hear(answer(2))
    assert line.bus.echo is False
    assert len(asker.answers) > 1


def test_an_echo_that_is_switched_off_is_not_looked_for() -> None:
    asker = Asker(2, Ask(254))
    line = Line(asker, echo=False)
    line.hear(question(2, 254) + answer(2))
    assert asker.answers == []
    assert line.bus.echo is False


def test_what_comes_unasked_is_dropped_and_counted() -> None:
    asker = Asker(2, Rest(100.0))
    line = Line(asker)
    line.hear(b"noise")
    assert asker.skipped_bytes == 5


def test_half_an_answer_and_silence_do_not_spoil_the_next() -> None:
    asker = Asker(2, Ask(229))
    line = Line(asker)
    line.hear(answer(2, bytes(11))[:7])
    line.on_to(0.06)
    line.hear(answer(2, bytes(11)))
    assert asker.answers == [Answer(Outcome.GOOD, bytes(11))]


def test_a_script_that_fails_is_begun_anew_and_harms_nobody_else() -> None:
    bad, good = Asker(2, Ask(254), ends=True), Asker(3, Ask(254))
    line = Line(bad, good)
    line.hear(answer(2))
    assert any(isinstance(action, Say) and "on purpose" in action.words for action in line.actions)
    line.hear(answer(3))
    assert good.answers
    assert question(2, 254) in line.on_to(6)


def test_the_port_s_end_is_told_to_all_and_nothing_is_asked_without_it() -> None:
    asker = Asker(2, Ask(254))
    line = Line(asker)
    line.actions += line.bus.lost(line.now)
    assert asker.losses == 1
    assert line.on_to(5) == []
    line.actions += line.bus.opened(line.now)
    assert line.on_to(0.1) == [question(2, 254)]


def test_devices_come_and_go() -> None:
    line = Line()
    assert line.bus.wake_at is None
    asker = Asker(2, Ask(254))
    line.actions += line.bus.command(Join(asker), 1, line.now)
    with pytest.raises(LocalProtocolError):
        line.bus.command(Join(Asker(2)), 9, line.now)
    assert line.on_to(2.1) == [question(2, 254)]
    line.actions += line.bus.command(For("d2", "hello"), 2, line.now)
    line.actions += line.bus.command(Leave("d2"), 3, line.now)
    line.hear(answer(2))
    assert [(action.ticket, action.result) for action in line.actions if isinstance(action, Finish)] == [
        (1, None),
        (2, "hello"),
        (3, None),
    ]
    with pytest.raises(LocalProtocolError):
        line.bus.command(For("d2", "hello"), 4, line.now)


def test_closing_waits_for_all_and_not_without_a_port() -> None:
    line = Line(Asker(2, Ask(254)), Asker(3, Ask(254)))
    line.bus.closing(line.now)
    assert not line.bus.settled
    line.bus.lost(line.now)
    assert line.bus.settled


def test_the_address_poll_hears_bare_addresses() -> None:
    line = Line()
    survey = SurveyConversation("address-poll")
    line.actions += line.bus.command(Guest(survey), 7, line.now)
    assert line.on_to(2.01) == [b"\x00\x00\x01\xfd\x02"]
    line.hear(b"\x00\x00\x01\xfd\x02\x02\x28")
    asked = line.on_to(2.0)
    assert question(2, 254) == asked[0]
    line.actions += line.bus.lost(line.now)
    [finish] = [action for action in line.actions if isinstance(action, Finish)]
    assert isinstance(finish.error, TransportError)
