"""Events of a poll, with the data each has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.ssp.events import KINDS, Code, Shape, read

EUR_15_30 = bytes.fromhex("FA050000455552")


def test_several_in_one_answer() -> None:
    polled = read(bytes.fromhex("EE01EBEF00"), 6)
    assert [(event.kind.name, event.channel) for event in polled.events] == [
        (Code.CREDIT, 1), (Code.STACKED, None), (Code.READ, 0),
    ]  # fmt: skip
    assert polled.rest == b""


def test_what_stands_behind_an_unknown_code_is_not_read() -> None:
    polled = read(bytes.fromhex("EE01AAEE02"), 6)
    assert [event.channel for event in polled.events] == [1]
    assert polled.rest == bytes.fromhex("AAEE02")


def test_an_event_cut_short_is_not_read() -> None:
    assert read(b"\xee", 6).rest == b"\xee"
    assert read(b"\xd2\x01\x00", 6).rest == b"\xd2\x01\x00"


@pytest.mark.parametrize(
    ("data", "protocol", "amounts"),
    [
        (b"\xd2\x01" + EUR_15_30, 6, ((1530, "EUR"),)),
        (b"\xd2\x02" + EUR_15_30 * 2, 8, ((1530, "EUR"), (1530, "EUR"))),
        (b"\xd2\xfa\x05\x00\x00", 5, ((1530,),)),
        (b"\xdc\x01\x01\x00\x00\x00" + EUR_15_30, 6, ((1, 1530, "EUR"),)),
        (b"\xdc\x01\x00\x00\x00\xfa\x05\x00\x00", 5, ((1, 1530),)),
        (b"\xc9" + EUR_15_30, 6, ((1530, "EUR"),)),
        (b"\xca" + EUR_15_30, 8, ((1530, "EUR"),)),
        (b"\xca", 7, ()),
        (b"\xdb" + EUR_15_30, 6, ((1530, "EUR"),)),
        (b"\xdb", 6, ()),
    ],
)
def test_amounts_by_protocol(data: bytes, protocol: int, amounts: tuple[tuple[object, ...], ...]) -> None:
    polled = read(data, protocol)
    assert polled.rest == b""
    assert polled.events[0].amounts == amounts


def test_a_stored_note_without_an_amount_leaves_the_next_event_alone() -> None:
    polled = read(bytes.fromhex("DBEE01EBEF00CC"), 6)
    assert [event.kind.code for event in polled.events] == [0xDB, 0xEE, 0xEB, 0xEF, 0xCC]


def test_error_during_payout() -> None:
    assert read(b"\xb1\x01", 6).events[0].error == 1
    assert read(b"\xb1\x01" + EUR_15_30 + b"\x00", 7).events[0].error == 0
    assert read(b"\xb1\x01" + EUR_15_30, 7).rest


def test_as_data_names_what_there_is() -> None:
    event = read(b"\xdc\x01\x01\x00\x00\x00" + EUR_15_30, 6).events[0]
    assert event.as_data()["amounts"] == [{"paid": 1, "asked": 1530, "currency": "EUR"}]


def test_money_waits_for_its_acknowledgement() -> None:
    waiting = {code for code, kind in KINDS.items() if kind.acknowledged}
    assert waiting >= {0xEE, 0xE2, 0xE6, 0xD2, 0xDC}
    assert not waiting & {0xEF, 0xE8, 0xCC, 0xEB, 0xF1, 0xB6}


@given(st.binary(max_size=40), st.integers(0, 9))
def test_no_bytes_raise_and_none_is_lost(data: bytes, protocol: int) -> None:
    polled = read(data, protocol)
    assert data.endswith(polled.rest)
    for event in polled.events:
        assert event.as_data()["code"]


def test_every_shape_is_used() -> None:
    assert {kind.shape for kind in KINDS.values()} == set(Shape)
