"""The probe finds a validator and leaves it as it was."""

from hardware.id003.frames import Frame, encode
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


def test_an_idling_validator_is_told_from_a_line_that_echoes() -> None:
    """Its answer has the very bytes of the question."""

    def play(answer_version: bytes) -> list[Found]:
        probing = PROBES[0].ask()
        question = next(probing)
        try:
            probing.send(question.data)
            probing.send(answer_version)
        except StopIteration as ended:
            return list(ended.value)
        raise AssertionError("it asks a third time")

    version = encode(Frame(0x88, b"U(KAZ)-10"))
    assert [found.identity.model for found in play(version)] == ["U"]
    assert play(encode(Frame(0x88))) == []
    assert play(b"") == []
