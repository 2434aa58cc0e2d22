"""Every command: written and read by its declaration."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.errors import LocalProtocolError
from hardware.shtrih import commands
from hardware.shtrih.declaration import Command
from hardware.shtrih.fields import (
    DATE,
    FN_DATE,
    FN_DATETIME,
    MONEY,
    MONEY_OR_COMPUTED,
    TIME,
    TLV,
    VERSION,
    Field,
    flags,
    hexadecimal,
    text,
    uint,
)

CYRILLIC = "АБВaz 12"
EVERY = sorted(commands.ALL.values(), key=lambda command: command.code)
# The lengths of requests that the notes give (LEN of version 1).
LENGTHS = {
    "short_status": 5, "full_status": 5, "sale": 60, "storno": 60, "close": 71, "discount": 54, "cancel": 5,
    "subtotal": 5, "open": 6, "close_extended": 131, "continue_print": 5, "open_shift": 5, "device_type": 1,
    "fn_status": 6, "fn_find": 10, "shift_status": 6, "correction_v2": 69, "close_v2": 118,
}  # fmt: skip


def value_of(field: Field) -> st.SearchStrategy[Any]:
    kind = field.kind
    if kind is MONEY_OR_COMPUTED:
        return st.one_of(st.none(), st.integers(0, (1 << 40) - 2))
    if kind is DATE:
        return st.dates().map(lambda day: day.strftime("%d.%m.%y"))
    if kind is TIME:
        return st.times().map(lambda moment: moment.strftime("%H:%M:%S"))
    if kind is FN_DATE:
        return st.integers(0, 99).map(lambda year: f"20{year:02d}-02-03")
    if kind is FN_DATETIME:
        return st.integers(0, 59).map(lambda minute: f"2026-11-21 13:{minute:02d}")
    if kind is VERSION:
        return st.sampled_from(["C.1", "0.7"])
    if kind is TLV:
        return st.just(b"")
    size = kind.size
    if isinstance(kind.unpack(b"\x41" * (size or 3)), int):
        return st.integers(0, (1 << (8 * (size or 1) - 1)) - 1)
    if kind.unpack(b"\x41" * (size or 3)) == "A" * (size or 3):
        return st.text(CYRILLIC if kind.unpack(b"\xc0" * (size or 3))[0] == "А" else "az 12", max_size=3)  # type: ignore[index]
    return st.binary(min_size=size or 0, max_size=size or 9).map(lambda data: data.hex().upper())


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.hex)
@settings(max_examples=8)
@given(data=st.data())
def test_what_is_written_is_read(command: Command, data: st.DataObject) -> None:
    asked = {field.name: data.draw(value_of(field)) for field in command.request if not field.name.startswith("_")}
    read = command.read_request(command.ask(asked))
    assert read is not None
    for name, value in asked.items():
        assert read.get(name, value) == value or value == b""
    told = {field.name: data.draw(value_of(field)) for field in command.reply if not field.name.startswith("_")}
    reply = command.read_reply(command.answer(0, told))
    assert reply is not None
    assert reply.error == 0
    for name, value in told.items():
        assert command.finish is not None or value == b"" or reply.values.get(name, value) == value


@pytest.mark.parametrize(("name", "length"), LENGTHS.items())
def test_requests_are_as_long_as_described(name: str, length: int) -> None:
    command = commands.command(name)
    values = {field.name: 0 for field in command.request if field.default is None}
    assert len(command.ask(values)) == length


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.hex)
def test_an_error_is_read_without_fields(command: Command) -> None:
    reply = command.read_reply(command.answer(0x4E))
    assert reply is not None
    assert (reply.error, reply.values) == (0x4E, {})
    assert command.words.endswith(".")


@given(data=st.binary(max_size=80))
def test_no_answer_raises(data: bytes) -> None:
    for command in EVERY:
        command.read_reply(command.number + data)
        command.read_request(command.number + data)


def test_numbers_and_names_are_each_one() -> None:
    assert len({command.name for command in EVERY}) == len(EVERY)
    assert commands.find(b"\xff\x46\x00") is commands.command("operation_v2")
    assert commands.find(b"") is None
    assert commands.number_of(b"\xff") == 0xFF
    with pytest.raises(LocalProtocolError, match="there is no command 'sell'"):
        commands.command("sell")


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("short_status", {}, "password is missing"),
        ("short_status", {"password": 1 << 32}, "does not fit into 4 bytes"),
        ("short_status", {"password": 1, "color": 2}, "there is no field color"),
        ("cash_in", {"password": 1, "sum": -1}, "sum: -1 does not fit"),
        ("print_line", {"password": 1, "text": "x" * 41}, "longer than 40"),
        ("print_line", {"password": 1, "text": "қ"}, "has no place in cp1251"),
        ("set_date", {"password": 1, "date": "soon"}, "is no DMY"),
        ("load_code", {"password": 1, "block": 0, "content": b"1"}, "1 bytes where 64 must stand"),
    ],
)
def test_what_cannot_be_written_is_named(name: str, values: dict[str, object], reason: str) -> None:
    with pytest.raises(LocalProtocolError, match=reason):
        commands.command(name).ask(values)


def test_older_firmware_leaves_out_what_came_later() -> None:
    status = commands.command("short_status")
    whole = status.answer(0, {"cashier": 1, "flags": 0, "mode": 2, "submode": 0, "ops_low": 0, "battery": 1,
                              "supply": 1, "last_print": 0})  # fmt: skip
    old = status.read_reply(whole[:-1])
    assert old is not None
    assert "last_print" not in old.values
    assert status.read_reply(whole[:-2]) is None
    close = commands.command("close_v2").read_reply(bytes.fromhex("FF4500") + bytes(13))
    assert close is not None
    assert "datetime" not in close.values


def test_kinds() -> None:
    assert MONEY.pack(18999) == bytes.fromhex("374A000000")
    assert MONEY_OR_COMPUTED.pack(None) == b"\xff" * 5
    assert MONEY_OR_COMPUTED.unpack(b"\xff" * 5) is None
    assert flags(2).unpack(b"\x92\x02") == "0292"
    assert flags(2).pack("0292") == b"\x92\x02"
    assert text(4).unpack(b"\xc0\x00\x00\x00") == "А"
    assert uint(2).unpack(b"\x01\x02") == 0x0201
    assert hexadecimal(2).pack("0102") == b"\x01\x02"
    assert TLV.unpack(b"\x01") == [{"tag": None, "name": "", "value": "01"}]
