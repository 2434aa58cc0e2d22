"""A command is its declaration: bytes, and back."""

import pytest

from hardware.escpos.declaration import Command, Data, Instruction, Number, Terminated, Value, decode_fields, encode

PLAIN = Command("ESC x", b"\x1bx", "plain", (Number("n", low=1, high=9), Number("wide", 2)))
CHOSEN = Command("GS x", b"\x1dx", "chosen", selector=b"\x00", choices=b"0")
COUNTED = Command("GS ( x", b"\x1d(x", "counted", (Number("m"), Data("content")), b"1", counted=True)
ENDED = Command("ESC y", b"\x1by", "ended", (Terminated("text"),))
SIZED = Command("ESC z", b"\x1bz", "sized", (Number("n"), Data("dots", lambda values: int(values["n"]) * 2)))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("command", "values", "data"),
    [
        (PLAIN, {"n": 9, "wide": 0x0102}, "1B78 09 0201"),
        (CHOSEN, {}, "1D78 00"),
        (COUNTED, {"m": 0x30, "content": b"abc"}, "1D2878 0500 31 30 616263"),
        (ENDED, {"text": b"abc"}, "1B79 616263 00"),
        (SIZED, {"n": 2, "dots": b"abcd"}, "1B7A 02 61626364"),
    ],
    ids=lambda value: value.name if isinstance(value, Command) else "",
)
def test_there_and_back(command: Command, values: dict[str, Value], data: str) -> None:
    sent = bytes.fromhex(data)
    assert encode(command, **values) == sent
    assert command.matches(sent, 0)
    assert decode_fields(command, sent + b"more", 0) == (Instruction(command, values, command.selector), len(sent))
    if command.fields:
        assert decode_fields(command, sent[:-1], 0) is None


@pytest.mark.parametrize(
    ("command", "values", "words"),
    [
        (PLAIN, {"n": 0, "wide": 0}, "ESC x: n is 1 to 9, not 0"),
        (PLAIN, {"n": 1, "wide": 0x10000}, "ESC x: wide is 0 to 65535, not 65536"),
        (PLAIN, {"n": b"1", "wide": 0}, "ESC x: n is 1 to 9"),
        (PLAIN, {"n": 1}, "ESC x takes"),
        (SIZED, {"n": 2, "dots": b"abc"}, "ESC z: dots is 4 bytes, not 3"),
        (ENDED, {"text": b"a\0b"}, "ESC y: text is bytes without a NUL"),
        (COUNTED, {"m": 0, "content": bytes(0x10000)}, "more than it counts"),
    ],
)
def test_what_cannot_be_sent(command: Command, values: dict[str, Value], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        encode(command, **values)


def test_bytes_are_not_a_number() -> None:
    with pytest.raises(TypeError, match="content is bytes"):
        encode(COUNTED, m=0, content=1)
    one = Instruction(COUNTED, {"m": 1, "content": b"a"})
    assert (one.number("m"), one.data("content")) == (1, b"a")
    with pytest.raises(TypeError):
        one.number("content")
    with pytest.raises(TypeError):
        one.data("m")


def test_a_digit_for_a_number_means_the_same() -> None:
    assert CHOSEN.matches(b"\x1dx0", 0) is True
    assert CHOSEN.matches(b"\x1dx1", 0) is False
    assert CHOSEN.matches(b"\x1dx", 0) is None
    assert CHOSEN.matches(b"\x1d", 0) is None


def test_one_that_counts_fewer_bytes_than_its_fields_ends_where_it_says() -> None:
    assert decode_fields(COUNTED, b"\x1d(x\x01\x001rest", 0) == (
        Instruction(COUNTED, {"m": 0, "content": b""}, b"1"),
        6,
    )
