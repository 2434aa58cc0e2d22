"""What codes are worth comes from the device."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.id003.currency import Assignment, encode, mask, parse, refused
from wire.money import Money


def test_a_value_is_a_number_and_zeros_in_the_currency_of_its_country() -> None:
    assert Assignment(0x62, 0xE0, 5, 0).money({}) == Money(500, "EUR")
    assert Assignment(0x64, 0x51, 2, 3).money({}) == Money(200_000, "KZT")


def test_an_unused_code_is_no_note() -> None:
    assert Assignment(0x61, 0xE0, 0, 0).money({}) is None


def test_a_country_that_nobody_named_is_no_currency_until_a_setting_names_it() -> None:
    line = Assignment(0x61, 0x99, 1, 2)
    assert line.money({}) is None
    assert line.money({}, "KGS") == Money(10_000, "KGS")
    assert line.money({0x99: "TJS"}, "KGS") == Money(10_000, "TJS")


def test_a_code_outside_of_the_range_is_no_note() -> None:
    assert Assignment(0x20, 0xE0, 1, 1).money({}) is None
    assert Assignment(0x61, 0xE0, 1, 200).money({}) is None


@given(st.binary(max_size=80))
def test_any_answer_is_read(data: bytes) -> None:
    table = parse(data)
    assert len(table) == len(data) // 4
    assert encode(table) == data[: len(table) * 4]
    for line in table:
        line.money({}, "KZT")


@given(st.frozensets(st.integers(0x61, 0x6F)))
def test_a_mask_refuses_what_it_was_made_of(codes: frozenset[int]) -> None:
    assert refused(mask(codes)) == codes


def test_the_first_bit_is_61_and_the_second_byte_begins_with_69() -> None:
    assert mask(frozenset({0x61})) == b"\x01\x00"
    assert mask(frozenset({0x69})) == b"\x00\x01"
