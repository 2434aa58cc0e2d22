"""The probe finds a validator without polling it: a poll would accept a note in escrow."""

from typing import Any

import pytest

from hardware.probe import Found
from hardware.ssp.probe import PROBES
from hardware.ssp.simulator import SspSimulator


def ask(**options: Any) -> tuple[list[Found], set[int]]:
    simulator = SspSimulator({}, lambda kind, figures: None, **options)
    simulator.power_on(0.0)
    probing = PROBES[0].ask()
    said = set()
    try:
        question = next(probing)
        while True:
            said.add(question.data[3])
            answer = b"".join(simulator.received(question.data, 0.0))
            assert question.enough(answer)
            question = probing.send(answer)
    except StopIteration as ended:
        return ended.value, said


def test_a_validator_says_who_it_is() -> None:
    [found], said = ask()
    assert (found.driver, found.identity.maker, found.identity.serial) == ("ssp", "ITL", "1234567")
    assert "KZT" in found.words
    assert not said & {0x07, 0x56, 0x01}


def test_one_that_wants_encryption_is_found_and_says_so() -> None:
    [found], _ = ask(encrypted=1)
    assert "encrypted" in found.words


def test_silence_is_nobody() -> None:
    probing = PROBES[0].ask()
    next(probing)
    with pytest.raises(StopIteration) as ended:
        probing.send(b"")
    assert ended.value.value == []


def test_the_line_has_two_stop_bits() -> None:
    assert (PROBES[0].line.baud, PROBES[0].line.parity, PROBES[0].line.stop_bits) == (9600, "N", 2)
