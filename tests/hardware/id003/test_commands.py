"""The table of commands."""

import pytest

from hardware.id003 import commands as c
from hardware.id003.frames import encode

SENT = [
    (c.STATUS, b"", "FC05112756"),
    (c.RESET, b"", "FC05402B15"),
    (c.STACK_1, b"", "FC0541A204"),
    (c.STACK_2, b"", "FC05423936"),
    (c.RETURN, b"", "FC0543B027"),
    (c.HOLD, b"\xff", "FC0644FFB818"),
    (c.ACK, b"", "FC0550AA05"),
    (c.SET_INHIBIT, b"\x01", "FC06C3018DC7"),
    (c.SET_INHIBIT, b"\x00", "FC06C30004D6"),
    (c.SET_DENOMINATIONS, b"\x00\x00", "FC07C000002DB5"),
    (c.SET_SECURITY, b"\x00\x00", "FC07C10000F1EF"),
    (c.SET_COMMUNICATION, b"\x00", "FC06C200DCCF"),
    (c.SET_OPTIONS, b"\x03\x00", "FC07C50300F8A6"),
    (c.GET_CURRENCY, b"", "FC058A7D7C"),
    (c.GET_VERSION, b"", "FC05886F5F"),
    (c.EXTENSION, b"\x20\xd1\x01", "FC08F020D1010D88"),
]


@pytest.mark.parametrize(("command", "data", "sent"), SENT, ids=[row[0].name for row in SENT])
def test_a_command_goes_out_as_other_hosts_send_it(command: c.Command, data: bytes, sent: str) -> None:
    assert encode(command.frame(*data)).hex().upper() == sent


def test_every_command_has_a_name_and_a_sentence_of_its_own() -> None:
    assert len({command.name for command in c.COMMANDS.values()}) == len(c.COMMANDS)
    assert all(command.words for command in c.COMMANDS.values())


def test_the_set_up_is_all_that_a_validator_waits_for() -> None:
    assert {command.code for command in c.SET_UP} == {0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5}
    assert all(command.answer is c.Answer.ECHO for command in c.SET_UP)
