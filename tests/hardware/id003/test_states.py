"""Statuses in words."""

import pytest

from hardware.id003.states import FAULTS, NAMES, REJECTS, WORDS, Status, name, words


def test_every_status_has_a_name_and_words() -> None:
    assert set(NAMES) == set(Status) == set(WORDS)


def test_every_documented_reason_has_words() -> None:
    assert set(REJECTS) == set(range(0x71, 0x80))


@pytest.mark.parametrize("code", sorted(FAULTS))
def test_a_fault_says_what_to_do_or_what_is_broken(code: Status) -> None:
    assert words(code)


def test_reasons_are_said() -> None:
    assert words(Status.REJECTING, b"\x79").endswith("notes of this value are refused now")
    assert "reason 99" in words(Status.REJECTING, b"\x99")
    assert "stacker's motor" in words(Status.FAILURE, b"\xa2")
    assert "failure 01" in words(Status.FAILURE, b"\x01")


def test_what_is_not_known_is_told_by_its_number() -> None:
    assert name(0x60) == "status 60"
    assert "60" in words(0x60)
