"""Every command of the table, there and back."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hardware.escpos.commands import COMMANDS, FEED_CUT, OTHER_SYMBOL, decode
from hardware.escpos.declaration import Command, Number, Terminated, Value, encode


def encoded(command: Command, draw: Callable[[st.SearchStrategy[object]], object]) -> bytes:
    values: dict[str, Value] = {}
    for item in command.fields:
        if isinstance(item, Number):
            top = min(item.top, 40) if item.size == 2 else item.top
            values[item.name] = draw(st.integers(item.low, top))  # type: ignore[assignment]
        elif isinstance(item, Terminated):
            values[item.name] = draw(st.binary(max_size=20).map(lambda data: data.replace(b"\0", b"x")))  # type: ignore[assignment]
        else:
            size = None if item.length is None else item.length(values)
            any_size = st.binary(max_size=20) if size is None else st.binary(min_size=size, max_size=size)
            values[item.name] = draw(any_size)  # type: ignore[assignment]
    return encode(command, **values)


@given(st.data(), st.sampled_from([command for command in COMMANDS if command is not OTHER_SYMBOL]))
def test_every_command_reads_back_as_it_was_made(data: st.DataObject, command: Command) -> None:
    sent = encoded(command, data.draw)
    found = decode(sent)
    assert isinstance(found, tuple)
    instruction, end = found
    assert end == len(sent)
    if instruction.command is not command:  # GS V 0 and GS V '0' are one, and so are codes with the same selector
        assert instruction.command.prefix == command.prefix
    assert encode(instruction.command, **instruction.values) == sent
    assert all(decode(sent[:size]) is None for size in range(1, len(sent)))


def test_a_command_stands_where_it_stands() -> None:
    found = decode(b"xx\x1dVB\x07y", 2)
    assert isinstance(found, tuple)
    instruction, end = found
    assert (instruction.command, instruction.values, instruction.selected, end) == (FEED_CUT, {"n": 7}, b"B", 6)


def test_what_no_command_begins_with() -> None:
    assert decode(b"x") is False
    assert decode(b"\x1b\x01") is False


def test_no_two_commands_begin_alike() -> None:
    starts = [(command.prefix, command.selector) for command in COMMANDS]
    assert len(set(starts)) == len(starts)
