"""Setup and channel values at both ages of the protocol."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.ssp.commands import COMMANDS
from hardware.ssp.replies import Channel, Setup, decode, read_channel_values, read_setup, write_setup
from wire.money import Money

OLD = bytes.fromhex("003031303047425000000103050A1402020240000005")


def test_before_protocol_6_values_are_multiplied_and_in_the_one_country() -> None:
    setup = read_setup(OLD)
    assert setup is not None
    assert (setup.unit, setup.firmware, setup.country, setup.protocol) == (0, "0100", "GBP", 5)
    assert [channel.money for channel in setup.channels] == [Money(500, "GBP"), Money(1000, "GBP"), Money(2000, "GBP")]


def test_from_protocol_6_each_channel_has_its_own() -> None:
    setup = Setup(0, "0333", "EUR", 0, (0, 0), (0, 0), 100, 8, ("EUR", "GBP"), (5, 20))
    again = read_setup(write_setup(setup))
    assert again == setup
    assert [channel.money for channel in setup.channels] == [Money(500, "EUR"), Money(2000, "GBP")]


def test_an_answer_cut_short_or_a_hoppers_is_none() -> None:
    whole = write_setup(Setup(0, "0333", "EUR", 1, (5,), (2,), 100, 6, ("EUR",), (5,)))
    assert [read_setup(whole[:length]) for length in range(len(whole))] == [None] * len(whole)
    assert read_setup(bytes((3, *OLD[1:]))) is None


def test_channel_values_in_both_forms() -> None:
    old = read_channel_values(bytes((2, 5, 10)), "EUR", 1)
    new = read_channel_values(bytes((1, 0)) + b"EUR" + (500).to_bytes(4, "little"), "", 1)
    assert old == (Channel(1, 5, "EUR"), Channel(2, 10, "EUR"))
    assert new == (Channel(1, 500, "EUR"),)
    assert read_channel_values(b"\x05\x01", "EUR", 1) is None


def test_an_unused_channel_or_a_strange_currency_is_no_money() -> None:
    assert Channel(1, 0, "EUR").money is None
    assert Channel(1, 5, "eu?").money is None
    assert Channel(1, 5, "").money is None


def test_a_hopper_is_read_for_the_eye() -> None:
    data = bytes((3,)) + b"0121GBP" + bytes((7, 2)) + bytes.fromhex("01000200") + b"GBPGBP"
    said = decode(0x05, data)
    assert (said["unit_name"], said["values"], said["currencies"]) == ("Smart Hopper", [1, 2], ["GBP", "GBP"])


def test_what_went_to_the_cashbox() -> None:
    line = bytes.fromhex("0100F4010000555344")
    said = decode(0x53, bytes((1,)) + line + (7).to_bytes(4, "little"))
    assert said == {"levels": [{"level": 1, "value": 500, "currency": "USD"}], "unknown_notes": 7}


def test_positions_security_and_unit_data() -> None:
    assert decode(0x41, bytes((2, 1, 3))) == {"positions": [{"channel": 1}, {"channel": 3}]}
    assert decode(0x41, bytes((1,)) + (500).to_bytes(4, "little")) == {"positions": [{"value": 500}]}
    assert decode(0x0F, bytes((2, 2, 4))) == {"security": ["standard", "inhibited"]}
    assert decode(0x0D, b"\x000333EUR\x00\x00\x01\x06")["protocol"] == 6


@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=60))
def test_no_bytes_raise(command: int, data: bytes) -> None:
    decode(command, data)
    read_setup(data)
    read_channel_values(data, "EUR", 1)
