"""The sums of all families, by their published check values and by the slow way."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import checksums
from hardware.checksums import ALGORITHMS

CHECK = b"123456789"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("crc-16/kermit", 0x2189), ("crc-16/xmodem", 0x31C3), ("crc-16/ccitt-false", 0x29B1), ("crc-16/cms", 0xAEE7),
        ("sum-8", -sum(CHECK) & 0xFF), ("xor-8", 0x31),
    ],
)  # fmt: skip
def test_check_values_are_those_of_the_catalogue(name: str, expected: int) -> None:
    assert expected == ALGORITHMS[name](CHECK)


def test_every_sum_can_be_named() -> None:
    named = set(ALGORITHMS.values())
    public = {
        value for name, value in vars(checksums).items()
        if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == checksums.__name__
    }  # fmt: skip
    assert named == public


def bit_by_bit(data: bytes, polynomial: int, value: int) -> int:
    """A CRC as a shift register makes it, most significant bit first."""
    for byte in data:
        for bit in range(8):
            top = (value >> 15) ^ ((byte >> (7 - bit)) & 1)
            value = (value << 1) & 0xFFFF
            if top:
                value ^= polynomial
    return value


def mirrored(number: int, width: int) -> int:
    return int(f"{number:0{width}b}"[::-1], 2)


SLOW: dict[str, Callable[[bytes], int]] = {
    "crc-16/kermit": lambda data: mirrored(bit_by_bit(bytes(mirrored(byte, 8) for byte in data), 0x1021, 0), 16),
    "crc-16/xmodem": lambda data: bit_by_bit(data, 0x1021, 0),
    "crc-16/ccitt-false": lambda data: bit_by_bit(data, 0x1021, 0xFFFF),
    "crc-16/cms": lambda data: bit_by_bit(data, 0x8005, 0xFFFF),
}


@given(st.sampled_from(sorted(SLOW)), st.binary(max_size=64))
def test_the_tables_give_what_the_register_gives(name: str, data: bytes) -> None:
    assert SLOW[name](data) == ALGORITHMS[name](data)


@given(st.sampled_from(sorted(SLOW)), st.binary(min_size=1, max_size=64), st.data())
def test_no_flipped_bit_escapes(name: str, data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) * 8 - 1))
    flipped = bytearray(data)
    flipped[at // 8] ^= 1 << at % 8
    assert ALGORITHMS[name](data) != ALGORITHMS[name](bytes(flipped))


@given(st.binary(max_size=64))
def test_the_simple_sums_come_out_at_nothing(data: bytes) -> None:
    assert sum(data + bytes([checksums.sum8_to_zero(data)])) % 256 == 0
    assert checksums.xor8(data + bytes([checksums.xor8(data)])) == 0
