"""Faults are written in few words, and wrong ones are refused in words."""

import pytest

from appliance.gateways.faults import FAULTS, Fault, parse_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("slow", Fault("slow")),
        ("slow:0.5", Fault("slow", seconds=0.5)),
        ("slow-after:2", Fault("slow-after", seconds=2)),
        ("huge:17", Fault("huge", bytes=17)),
    ],
)
def test_amounts_are_read(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_named_alone_and_for_a_route(name: str) -> None:
    assert parse_fault(name, "fiscal") == Fault(name, "fiscal")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("quick", "there is no fault 'quick'; right would be one of slow"),
        ("quick:3", "there is no fault 'quick'"),
        ("", "there is no fault ''"),
        ("slow:soon", "slow is followed by 'soon'; right would be seconds"),
        ("slow:-1", "slow is followed by '-1'; right would be seconds"),
        ("slow:nan", "slow is followed by 'nan'"),
        ("huge:1.5", "huge is followed by '1.5'; right would be whole bytes"),
        ("lost:3", "lost takes no amount"),
    ],
)
def test_wrong_faults_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_fault(text)


def test_a_route_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no route 'pay'; right would be one of payment"):
        Fault("slow", "pay")
