"""The simulated bus."""

import pytest

from hardware.cctalk.frames import Frame, Sum, encode
from hardware.cctalk.simulator import CctalkBusSimulator
from hardware.simulation.simulator import ControlError


def bus(**options: object) -> CctalkBusSimulator:
    made = CctalkBusSimulator({}, lambda kind, figures: None, **options)
    made.power_on(0.0)
    return made


POLL = encode(Frame(2, 254), Sum.SUM8)
ACK = encode(Frame(1, 0, b"", 2), Sum.SUM8)


def test_the_adapter_gives_an_echo_even_when_nobody_answers() -> None:
    assert bus().received(POLL, 1.0) == [POLL, ACK]
    assert bus(echo="off").received(POLL, 1.0) == [ACK]
    made = bus()
    made.control("cut", {"device": "coins"}, 1.0)
    assert made.received(POLL, 2.0) == [POLL]
    made.control("restore", {"device": "coins"}, 2.0)
    assert made.received(POLL, 3.0) == [POLL, ACK]


def test_a_question_may_come_in_pieces_and_a_pause_ends_it() -> None:
    made = bus(echo=False)
    assert made.received(POLL[:2], 1.0) == []
    assert made.received(POLL[2:], 1.01) == [ACK]
    assert made.received(POLL[:2], 2.0) == []
    assert made.received(POLL[2:], 2.1) == []


def test_what_it_does_not_know_is_not_answered_and_what_makes_no_sense_refused() -> None:
    made = bus(echo=False)
    assert made.received(encode(Frame(2, 20), Sum.SUM8), 1.0) == []
    assert made.received(encode(Frame(2, 184), Sum.SUM8), 2.0) == [encode(Frame(1, 5, b"", 2), Sum.SUM8)]


@pytest.mark.parametrize(
    ("control", "arguments"),
    [
        ("insert_coin", {"minor": "7"}),
        ("insert_note", {"minor": "7"}),
        ("insert_coin", {"minor": "much"}),
        ("jam", {"device": "coins"}),
        ("free", {"device": "coins"}),
        ("cut", {"device": "reel"}),
        ("dance", {}),
    ],
)
def test_impossible_hands(control: str, arguments: dict[str, str]) -> None:
    with pytest.raises(ControlError):
        bus().control(control, arguments, 1.0)


@pytest.mark.parametrize("options", [{"colour": "red"}, {"devices": "reel"}, {"echo": "maybe"}, {"coins_sum": "md5"}])
def test_wrong_options_are_named(options: dict[str, str]) -> None:
    with pytest.raises(ControlError):
        bus(**options)


def test_a_hopper_remembers_and_an_acceptor_forgets() -> None:
    memory: dict[str, object] = {}
    first = CctalkBusSimulator(memory, lambda kind, figures: None)
    first.power_on(0.0)
    assert first.control("empty_hopper", {}, 0.0) == {"taken": 200}
    assert first.control("fill_hopper", {"coins": "7"}, 0.0) == {"stock": 7}
    again = CctalkBusSimulator(memory, lambda kind, figures: None)
    again.power_on(0.0)
    described = again.describe()
    assert isinstance(described["hopper"], dict)
    assert isinstance(described["coins"], dict)
    assert described["hopper"]["stock"] == 7
    assert described["coins"]["counter"] == 0
