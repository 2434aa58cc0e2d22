"""The table of commands."""

import pytest

from hardware.ssp import commands as c
from hardware.ssp.frames import Frame, encode

SENT = [
    (c.SYNC, (), "7F8001116582"),
    (c.POLL, (), "7F8001071202"),
    (c.POLL_ACK, (), "7F800156F783"),
    (c.EVENT_ACK, (), "7F800157F203"),
    (c.ENABLE, (), "7F80010A3F82"),
    (c.DISABLE, (), "7F8001093582"),
    (c.PROTOCOL, (6,), "7F800206062414"),
    (c.SETUP, (), "7F8001051D82"),
    (c.REJECT, (), "7F8001083002"),
    (c.HOLD, (), "7F8001185382"),
    (c.LAST_REJECT, (), "7F8001177182"),
    (c.SERIAL, (), "7F80010C2B82"),
    (c.SET_INHIBITS, (7, 0), "7F80030207002BB6"),
]


@pytest.mark.parametrize(("command", "arguments", "sent"), SENT, ids=[row[0].name for row in SENT])
def test_a_command_goes_out_as_the_manual_shows(command: c.Command, arguments: tuple[int, ...], sent: str) -> None:
    assert encode(Frame(command.data(*arguments))).hex().upper() == sent


def test_the_other_flag() -> None:
    assert encode(Frame(c.ENABLE.data(), flag=False)).hex().upper() == "7F00010A3C08"


def test_every_command_has_a_name_and_a_sentence_of_its_own() -> None:
    assert len({command.name for command in c.COMMANDS.values()}) == len(c.COMMANDS)
    assert all(command.words for command in c.COMMANDS.values())


def test_all_commands_of_the_notes_are_declared() -> None:
    notes = "01 02 03 04 05 06 07 08 09 0A 0C 0D 0E 11 17 18 20 21 33 35 38 3B 3C 3D 3F 41 42 43 46 4A 4B 4C 4F 52 53"
    notes += " 56 57 5B 5C 60 61"
    assert set(bytes.fromhex(notes)) <= set(c.COMMANDS)


def test_payout_is_marked_as_encrypted_and_nothing_we_send_is() -> None:
    assert {code for code, command in c.COMMANDS.items() if command.encrypted} >= {0x33, 0x38, 0x3D, 0x3F, 0x46, 0x52}
    assert not any(c.COMMANDS[code].encrypted for code in c.SILENT | c.POLLS)
