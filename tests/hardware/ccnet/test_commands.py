"""Every command of the notes, its data and its answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.ccnet import commands
from hardware.ccnet.commands import COMMANDS, fields_json, mask, read_fields, types_of, write_fields
from hardware.ccnet.states import State

NOTES = (
    *range(0x30, 0x3B), 0x3B, 0x3C, 0x3D, 0x3E, 0x40, 0x41, 0x43, 0x44, 0x50, 0x51, 0x5A, 0x5B, 0x5C, 0x60, 0x62, 0x66,
    0x67, 0x68, 0x69, 0x70, 0xF0,
)  # fmt: skip


def test_all_commands_of_the_notes_are_declared() -> None:
    assert set(COMMANDS) == set(NOTES)


def test_those_of_bill_to_bill_units_are_marked() -> None:
    marked = {code for code, command in COMMANDS.items() if command.bill_to_bill}
    assert marked == {0x3B, 0x3C, 0x3D, 0x3E, 0x40, 0x43, 0x44, 0x62, 0x66, 0x67, 0x70}


@given(st.sets(st.integers(0, 23)))
def test_a_mask_is_its_types(types: set[int]) -> None:
    assert types_of(mask(types)) == types


def test_the_highest_bit_is_the_highest_type() -> None:
    assert mask({23}) == bytes.fromhex("800000")
    assert mask({0}) == bytes.fromhex("000001")
    assert mask({47}, 6) == bytes.fromhex("800000000000")
    with pytest.raises(ValueError, match="24"):
        mask({24})


def test_enable_has_both_masks() -> None:
    data = commands.ENABLE_BILL_TYPES.encode({"enable": frozenset(range(2, 7)), "escrow": frozenset[int]()})
    assert data == bytes.fromhex("3400007C000000")
    wide = (frozenset({0, 47}), 6)
    assert commands.ENABLE_BILL_TYPES.encode({"enable": wide, "escrow": wide}).hex() == "34" + "800000000001" * 2


def test_a_field_that_is_missing_or_none_of_it_is_named() -> None:
    with pytest.raises(ValueError, match="escrow"):
        commands.ENABLE_BILL_TYPES.encode({"enable": frozenset[int]()})
    with pytest.raises(ValueError, match="colour"):
        commands.POLL.encode({"colour": 1})
    with pytest.raises(ValueError, match="note_ms"):
        COMMANDS[0x5A].encode({"note_ms": -1, "voucher_ms": 0})
    with pytest.raises(ValueError, match="ASCII"):
        write_fields(commands.IDENTIFICATION.reply, {"part": "Ж", "serial": "", "asset": bytes(7)})
    with pytest.raises(ValueError, match="longer"):
        write_fields(commands.IDENTIFICATION.reply, {"part": "A" * 16, "serial": "", "asset": bytes(7)})
    with pytest.raises(ValueError, match="no number"):
        COMMANDS[0x5A].encode({"note_ms": "ten", "voucher_ms": 0})
    with pytest.raises(ValueError, match="bytes"):
        COMMANDS[0x68].encode({"options": b"\x00"})


def test_answers_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="must have 34"):
        read_fields(commands.IDENTIFICATION.reply, bytes(33))
    with pytest.raises(ValueError, match="6 or 12"):
        read_fields(commands.GET_STATUS.reply, bytes(7))


def test_identification() -> None:
    reply = commands.IDENTIFICATION.encode_reply({"part": "SM-KZ", "serial": "21K1", "asset": b"\x01" * 7})
    assert len(reply) == 34
    assert read_fields(commands.IDENTIFICATION.reply, reply) == {
        "part": "SM-KZ",
        "serial": "21K1",
        "asset": b"\x01" * 7,
    }


def test_status_of_48_types() -> None:
    shown = fields_json(commands.GET_STATUS.reply, bytes.fromhex("800000000001000000000002"))
    assert shown["enable_types"] == [0, 47]
    assert shown["security"] == "000000000002"


def test_escrow_timeouts_are_milliseconds() -> None:
    data = COMMANDS[0x5A].encode({"note_ms": 15000, "voucher_ms": 20000})
    assert data.hex() == "5a00003a9800004e20"
    assert fields_json(COMMANDS[0x5A].request, data[1:]) == {"note_ms": 15000, "voucher_ms": 20000}


def test_options_are_named_where_they_are_known() -> None:
    shown = fields_json(COMMANDS[0x69].reply, bytes.fromhex("80000001"))
    assert shown["options"] == "80000001"
    assert shown["options_set"] == [31, 0]
    assert shown["options_words"] == ["lights off while disabled", "option 0"]


def test_power_recovery_names_notes_and_places() -> None:
    recovery = commands.read_recovery(bytes.fromhex("1703000401"))
    assert recovery.pairs == ((3, 0), (4, 1))
    assert fields_json(commands.POWER_RECOVERY.reply, b"\x00") == {
        "recovery": 0,
        "recovery_words": "nothing",
        "pairs": [],
    }
    with pytest.raises(ValueError, match="pairs"):
        commands.read_recovery(b"\x17\x03")


def test_stack_return_and_hold_want_a_note_in_escrow() -> None:
    for command in (commands.STACK, commands.RETURN, commands.HOLD):
        assert command.valid == {State.ESCROW, State.HOLDING}


@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=130))
def test_any_data_is_read_or_refused(code: int, data: bytes) -> None:
    for fields in (COMMANDS[code].request, COMMANDS[code].reply):
        try:
            fields_json(fields, data)
            read_fields(fields, data)
        except ValueError as error:
            assert str(error)  # noqa: PT017
