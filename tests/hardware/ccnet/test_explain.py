"""Frames in words and as data."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.ccnet.commands import COMMANDS
from hardware.ccnet.explain import explainer
from hardware.ccnet.frames import Frame, Sender, encode
from hardware.ccnet.states import State
from hardware.explain import Explained

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())


def explain(sender: Sender, data: bytes) -> list[Explained]:
    """One go, as `decode` does it."""
    made = explainer("ccnet")
    return [*made.feed(sender, data), *made.finish(sender)]


def device(data: str, *asked: int) -> Explained:
    """An answer, alone or behind its command."""
    made = explainer("ccnet")
    for code in asked:
        made.feed("host", encode(Frame(3, bytes([code])), "host"))
    [explained] = made.feed("device", encode(Frame(3, bytes.fromhex(data)), "device"))
    return explained


def host(data: str) -> Explained:
    """A command."""
    [explained] = explain("host", encode(Frame(3, bytes.fromhex(data)), "host"))
    return explained


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_known_frames(vector: dict[str, Any]) -> None:
    [explained] = explain(vector["sender"], bytes.fromhex(vector["hex"]))
    assert explained.data.hex().upper() == vector["hex"]
    if vector["expect"] == "reject":
        assert explained.fault is not None
        assert "CRC" in explained.fault
        assert explained.checksum is not None
        assert explained.checksum["good"] is False
        return
    assert explained.fault is None
    decoded = dict(explained.decoded)
    for name, value in vector["decoded"].items():
        assert decoded[name] == value, name


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_who_sends_is_guessed_where_it_can_be(vector: dict[str, Any]) -> None:
    guessed = explainer("ccnet").guess_sender(bytes.fromhex(vector["hex"]))
    if vector["expect"] == "accept":
        assert guessed == vector["sender"]


def test_all_is_of_jsons_types() -> None:
    for code, command in COMMANDS.items():
        explained = host(f"{code:02x}" + "00" * sum(field.size or 0 for field in command.request))
        assert explained.command == command.name
        assert json.loads(json.dumps(explained.decoded)) == explained.decoded
        assert json.loads(json.dumps(explained.frame)) == explained.frame


@pytest.mark.parametrize("state", sorted(State))
def test_every_state_is_named(state: int) -> None:
    if state == State.INVALID_COMMAND:
        return
    detail = "03" if state >= 0x80 or state in (State.BUSY, State.REJECTING, State.FAILURE) else ""
    explained = device(f"{state:02x}{detail}")
    assert explained.decoded["state"] == state
    assert State(state).name.replace("_", " ") in str(explained.decoded["name"]).replace(" OF POSITION", "")
    assert ("event" in explained.decoded) == (state >= 0x80)


def test_a_stacked_note_is_the_credit() -> None:
    assert device("8102").decoded["meaning"] == "CREDIT"
    assert not any("credit" in device(data).decoded for data in ("8002", "8202", "17", "12"))


def test_states_bear_the_names_of_the_manual() -> None:
    assert device("19").decoded["meaning"] == "UNIT DISABLED"
    assert device("41").decoded["meaning"] == "DROP CASSETTE FULL"
    assert device("42").decoded["meaning"] == "DROP CASSETTE OUT OF POSITION"


def test_answers_to_poll_with_a_second_byte() -> None:
    assert device("1c68").decoded["reason"] == 0x68
    assert device("4751").decoded["failure"] == 0x51
    assert device("1b07").decoded["wait_ms"] == 700
    assert device("810301").decoded["destination"] == 1
    assert device("8266").decoded["bill_type"] == 0x66
    assert device("9066").decoded["reason"] == 0x66


def test_an_answer_is_read_as_the_answer_to_what_was_asked() -> None:
    assert device("0102", 0x5B).decoded["count"] == 258
    assert device("1a2b3c4d", 0x51).decoded["crc32"] == "1A2B3C4D"
    assert device("80000000", 0x69).decoded["options_set"] == [31]
    assert device("34363030", 0x3A).decoded["barcode"] == "4600"
    assert device("170300", 0x66).decoded["pairs"] == [[3, 0]]
    assert device("3230313431323031", 0x5C).decoded["date"] == "20141201"
    assert device("ffffff000000", 0x31).decoded["security_types"] == []
    assert device("14", 0x33).decoded["state"] == 0x14


def test_and_alone_by_its_length() -> None:
    assert device("0102").decoded["count"] == 258
    assert device("000007000000").decoded["enable_types"] == [0, 1, 2]
    assert device("00" * 120).decoded["bills"] == {}
    assert device("17030004").words == "4 bytes of data"
    assert device("1703000401").decoded["pairs"] == [[3, 0], [4, 1]]


def test_short_answers() -> None:
    assert device("00").decoded["meaning"] == "ACK"
    assert device("ff").decoded["meaning"] == "NAK"
    assert device("30").decoded["meaning"] == "ILLEGAL COMMAND"
    assert host("00").decoded["meaning"] == "ACK"
    assert host("30").command == "RESET"


def test_a_frame_that_is_whole_but_says_nonsense_is_a_fault() -> None:
    for wrong in (host("34ffffff"), host("3301"), device("80"), device("14", 0x37)):
        assert wrong.fault is not None
        assert wrong.checksum is not None
        assert wrong.checksum["good"] is True


def test_subcommands() -> None:
    assert host("f00102").decoded["subcmd"] == 1
    assert host("f00102").frame["data"] == "02"


def test_half_a_frame_is_told_in_the_end() -> None:
    made = explainer("ccnet")
    assert made.feed("host", bytes.fromhex("020306")) == []
    [left] = made.finish("host")
    assert left.fault == "it ends after 3 bytes, before its end"


def test_noise_stands_before_the_frame_it_was_before() -> None:
    noise, frame = explain("device", bytes.fromhex("FFFF0203061467D4"))
    assert noise.data == b"\xff\xff"
    assert noise.fault is not None
    assert frame.decoded["state"] == 0x14


def test_there_is_one_variant() -> None:
    with pytest.raises(ValueError, match="ccnet2"):
        explainer("ccnet2")


@given(st.lists(st.tuples(st.sampled_from(["host", "device"]), st.binary(min_size=1, max_size=40)), max_size=6))
def test_nothing_makes_it_raise(stretches: list[tuple[Sender, bytes]]) -> None:
    made = explainer("ccnet")
    for sender, data in stretches:
        made.guess_sender(data)
        for payload in (data, encode(Frame(3, data), sender) if len(data) > 1 else data):
            for explained in made.feed(sender, payload):
                json.dumps([explained.decoded, explained.frame, explained.checksum])
                assert explained.words
    made.finish("host")
    made.finish("device")
