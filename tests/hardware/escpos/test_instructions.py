"""What commands mean."""

import pytest

from hardware.escpos import instructions
from hardware.escpos.commands import COMMANDS
from hardware.escpos.declaration import Command, Instruction
from hardware.escpos.frames import Obeyed, StreamReader


def obeyed(data: str) -> list[Obeyed]:
    return [piece for piece in StreamReader().feed(bytes.fromhex(data)) if isinstance(piece, Obeyed)]


@pytest.mark.parametrize(
    ("data", "decoded"),
    [
        ("1B6102", {"ESC a": 2, "align": "right"}),
        ("1B4530", {"ESC E": 0x30, "bold": "off"}),
        ("1B2D02", {"ESC -": 2, "underline": "thick"}),
        ("1D2170", {"GS !": 0x70, "width": 8, "height": 1}),
        ("1B7411", {"ESC t": 17, "code_page": "cp866"}),
        ("1B74FE", {"ESC t": 254, "code_page": ""}),
        ("1B240001", {"ESC $": 256}),
        ("1D5600", {"GS V": 0, "cut": "full"}),
        ("1D5641FF", {"GS V": 65, "n": 255, "cut": "full"}),
        ("1B700119FA", {"ESC p": 1, "pin": 5, "t1": 25, "t2": 250, "on_ms": 50, "off_ms": 500}),
        ("1D610A", {"GS a": 10, "tells": ["online", "paper"]}),
        ("1D4943", {"GS I": 0x43, "asks": "model"}),
        ("1D763000020001008001", {"GS v 0": "2 bytes x 1 row", "m": 0, "width_bytes": 2, "rows": 1, "black": 2}),
    ],
)
def test_as_data(data: str, decoded: dict[str, object]) -> None:
    (piece,) = obeyed(data)
    assert instructions.explained(piece).decoded == decoded


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.name} {command.selector.hex()}")
def test_every_command_is_told_by_its_name(command: Command) -> None:
    values = {item.name: b"" if not hasattr(item, "size") else 0 for item in command.fields}
    told = instructions.explained(Obeyed(Instruction(command, values, command.selector), b""))
    assert told.words.startswith(f"{command.name}: ")
    assert told.frame["command"] == command.name
    assert told.decoded
    assert all(name in told.frame for name in values)


def test_a_code_is_faulty_when_one_of_its_settings_is() -> None:
    told = instructions.explained_code(obeyed("1D286B0300314311 1D286B0400315030 41 1D286B0300315130"))
    assert told.fault == "GS ( k 43: module is 1 to 16, not 17"
    assert told.decoded == {"qr": "A", "module": 17}


def test_a_code_that_was_kept_before() -> None:
    assert instructions.explained_code(obeyed("1D286B0300315130")).words == "QR code 'kept before'"


def test_what_a_command_cut_short_may_be() -> None:
    assert instructions.begun(b"\x1dk\x02") == "GS k"
    assert instructions.begun(b"\x10") == "DLE DC4 or DLE ENQ or DLE EOT"
