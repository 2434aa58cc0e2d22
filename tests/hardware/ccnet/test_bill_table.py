"""Which notes a table names, and which of them are ours."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.ccnet.bill_table import BillType, money_of, read_table, table_json, write_table
from wire.money import Money


def test_mantissa_and_exponent() -> None:
    table = read_table(bytes.fromhex("05554B520005554B520205554B5281" + "00" * 105))
    assert [bill.value for bill in table.values()] == [Decimal(5), Decimal(500), Decimal("0.5")]
    assert table_json(table) == {"0": ["UKR", 5], "1": ["UKR", 500], "2": ["UKR", "0.5"]}


def test_what_is_all_zero_is_not_used() -> None:
    assert read_table(bytes(120)) == {}
    assert read_table(bytes(240)) == {}


@pytest.mark.parametrize("size", [0, 5, 119, 121, 241])
def test_a_table_of_another_length_is_none(size: int) -> None:
    with pytest.raises(ValueError, match=str(size)):
        read_table(bytes(size))


def test_notes_of_another_country_are_not_ours() -> None:
    table = read_table(write_table({0: ("KAZ", 2, 2), 1: ("RUS", 1, 2), 2: ("USA", 1, 0), 23: ("KAZ", 5, 2)}))
    assert money_of(table, "KZT") == {0: Money(20000, "KZT")}
    assert money_of(table, "RUB") == {1: Money(10000, "RUB")}
    assert money_of(table, "EUR") == {}


def test_letters_nobody_knows_can_be_named() -> None:
    table = read_table(write_table({0: ("XKZ", 2, 2), 1: ("KAZ", 5, 2)}))
    assert money_of(table, "KZT", country="XKZ") == {0: Money(20000, "KZT")}
    assert money_of(table, "KZT", countries={"XKZ": "KZT"}) == {0: Money(20000, "KZT")}


def test_what_is_no_whole_minor_unit_or_no_sum_at_all_is_left_out() -> None:
    table = {
        0: BillType(0, "KAZ", Decimal("0.001")),
        1: BillType(1, "KAZ", Decimal(10) ** 127),
        2: BillType(2, "KAZ", Decimal("0.5")),
    }
    assert money_of(table, "KZT") == {2: Money(50, "KZT")}


@given(st.binary(min_size=120, max_size=120) | st.binary(min_size=240, max_size=240))
def test_any_table_can_be_read_and_told(data: bytes) -> None:
    table = read_table(data)
    assert set(table_json(table)) == {str(number) for number in table}
    money_of(table, "KZT")
