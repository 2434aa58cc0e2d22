"""The probe finds a validator and leaves it as it was."""

from hardware.id003.probe import PROBES
from hardware.id003.simulator import Id003Simulator
from hardware.probe import Found


def ask(simulator: Id003Simulator | None) -> tuple[list[Found], set[int]]:
    probing = PROBES[0].ask()
    said = set()
    try:
        question = next(probing)
        while True:
            said.add(question.data[2])
            answer = b"" if simulator is None else b"".join(simulator.received(question.data, 0.0))
            assert simulator is None or question.enough(answer)
            question = probing.send(answer)
    except StopIteration as ended:
        return ended.value, said


def test_a_validator_says_who_it_is() -> None:
    simulator = Id003Simulator({}, lambda kind, figures: None)
    simulator.power_on(0.0)
    [found], said = ask(simulator)
    assert (found.driver, found.identity.model) == ("id003", "U")
    assert "POWER UP" in found.words
    assert said == {0x11, 0x88}


def test_silence_is_nobody() -> None:
    assert ask(None)[0] == []


def test_the_line_is_that_of_the_driver() -> None:
    assert (PROBES[0].line.baud, PROBES[0].line.parity) == (9600, "E")
