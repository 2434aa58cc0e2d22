"""The sums of all families. Each takes the bytes it stands for and returns the number; the family says which bytes,
and in which order the number is sent.

Check values are those of the catalogue of parametrised CRC algorithms (for the bytes "123456789").
"""

from collections.abc import Callable


def _table(polynomial: int, *, reflected: bool) -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        value = byte if reflected else byte << 8
        for _ in range(8):
            if reflected:
                value = (value >> 1) ^ polynomial if value & 1 else value >> 1
            else:
                value = ((value << 1) ^ polynomial) & 0xFFFF if value & 0x8000 else value << 1
        rows.append(value)
    return tuple(rows)


_KERMIT = _table(0x8408, reflected=True)
_CCITT = _table(0x1021, reflected=False)
_BUYPASS = _table(0x8005, reflected=False)


def crc16_kermit(data: bytes) -> int:
    """CRC-16/KERMIT, check value 2189: CCNET and ID-003, over the whole frame but the sum, sent low byte first."""
    value = 0
    for byte in data:
        value = (value >> 8) ^ _KERMIT[(value ^ byte) & 0xFF]
    return value


def crc16_xmodem(data: bytes) -> int:
    """CRC-16/XMODEM, check value 31C3: ccTalk's longer sum."""
    return _forward(_CCITT, data, 0)


def crc16_ccitt_false(data: bytes) -> int:
    """CRC-16/CCITT-FALSE (IBM-3740), check value 29B1: Shtrih-M's second link layer."""
    return _forward(_CCITT, data, 0xFFFF)


def crc16_ssp(data: bytes) -> int:
    """CRC-16/CMS, check value AEE7: ITL's SSP, over SEQ to the last data byte, unstuffed, sent low byte first."""
    return _forward(_BUYPASS, data, 0xFFFF)


def _forward(table: tuple[int, ...], data: bytes, value: int) -> int:
    for byte in data:
        value = ((value << 8) & 0xFFFF) ^ table[(value >> 8) ^ byte]
    return value


def sum8_to_zero(data: bytes) -> int:
    """The byte that makes the sum of all zero, modulo 256: ccTalk's simple sum."""
    return -sum(data) & 0xFF


def xor8(data: bytes) -> int:
    """All bytes, exclusive-or: Shtrih-M's first link layer."""
    value = 0
    for byte in data:
        value ^= byte
    return value


ALGORITHMS: dict[str, Callable[[bytes], int]] = {
    "crc-16/kermit": crc16_kermit,
    "crc-16/xmodem": crc16_xmodem,
    "crc-16/ccitt-false": crc16_ccitt_false,
    "crc-16/cms": crc16_ssp,
    "sum-8": sum8_to_zero,
    "xor-8": xor8,
}
"""By the name that `decode` prints."""
