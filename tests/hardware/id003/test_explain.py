"""Frames in words, and as the data that `decode` prints."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.explain import Sender
from hardware.id003.explain import explainer
from hardware.id003.frames import Frame, encode

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
SENDERS: dict[str, tuple[Sender, ...]] = {
    "host->device": ("host",), "device->host": ("device",), "both": ("host", "device"),
}  # fmt: skip
CASES = [(vector, sender) for vector in VECTORS for sender in SENDERS[vector["direction"]]]


@pytest.mark.parametrize(("vector", "sender"), CASES, ids=[f"{v['name']} from {s}" for v, s in CASES])
def test_a_known_frame_means_what_others_say_it_means(vector: dict[str, Any], sender: Sender) -> None:
    reader = explainer("id003")
    data = bytes.fromhex(vector["hex"])
    explained = [*reader.feed(sender, data), *reader.finish(sender)]
    assert b"".join(each.data for each in explained) == data
    assert all(each.fault is None for each in explained) == (vector["expect"] == "accept")
    assert {key: explained[0].decoded.get(key) for key in vector["decoded"]} == vector["decoded"]
    assert json.dumps([dict(each.decoded) | dict(each.frame) for each in explained])
    if vector["expect"] == "accept":
        assert explained[0].words
        assert explained[0].checksum is not None
        assert explained[0].checksum["good"]


@pytest.mark.parametrize(
    ("data", "sender"),
    [("FC0613641DAC", "device"), ("FC05150310", "device"), ("FC058A7D7C", "host"), ("FC0644FFB818", "host")],
)
def test_who_speaks_is_guessed(data: str, sender: Sender) -> None:
    assert explainer("id003").guess_sender(bytes.fromhex(data)) == sender


def test_a_table_is_told_line_by_line() -> None:
    [explained] = explainer("id003").feed("device", encode(Frame(0x8A, bytes((0x62, 0xE0, 5, 0, 0x63, 0xE0, 1, 1)))))
    assert explained.decoded["denominations"] == [
        {"denom_code": 0x62, "country": 0xE0, "value": 5, "exponent": 0, "amount": 5},
        {"denom_code": 0x63, "country": 0xE0, "value": 1, "exponent": 1, "amount": 10},
    ]


def test_a_ticket_and_a_failure() -> None:
    reader = explainer("id003")
    ticket, failure = reader.feed("device", encode(Frame(0x13, b"1234567890")) + encode(Frame(0x49, b"\xa2")))
    assert ticket.decoded["barcode"] == "1234567890"
    assert failure.decoded["failure"] == 0xA2
    assert "motor" in failure.words


def test_noise_a_bad_frame_and_a_good_one_are_three_things() -> None:
    reader = explainer("id003")
    data = bytes.fromhex("0102" + "FC0613651DAC" + "FC05112756")
    explained = reader.feed("device", data)
    assert [each.data.hex().upper() for each in explained] == ["0102", "FC0613651DAC", "FC05112756"]
    assert [each.fault is None for each in explained] == [False, False, True]


def test_a_frame_behind_half_of_another() -> None:
    explained = explainer("id003").feed("device", bytes.fromhex("FC0613" + "FC05112756"))
    assert [each.data.hex().upper() for each in explained] == ["FC0613", "FC05112756"]


def test_a_frame_within_the_length_of_one_that_was_cut() -> None:
    reader = explainer("id003")
    data = bytes.fromhex("FC178855284555" + "FC0613641DAC" + "FC0512BC64")
    explained = [*reader.feed("device", data), *reader.finish("device")]
    assert [each.data.hex().upper() for each in explained] == ["FC178855284555", "FC0613641DAC", "FC0512BC64"]
    assert [each.fault is None for each in explained] == [False, True, True]


def test_an_enquiry_stands_alone() -> None:
    [enquiry, status] = explainer("id003").feed("device", bytes.fromhex("05FC0512BC64"))
    assert (enquiry.fault, enquiry.command) == (None, "ENQ")
    assert status.decoded["state"] == 0x12
    [from_host] = explainer("id003").feed("host", b"\x05")
    assert from_host.fault is not None


def test_an_escrow_must_name_its_note() -> None:
    [explained] = explainer("id003").feed("device", encode(Frame(0x13)))
    assert explained.fault == "ESCROW without the code of its note"


@given(st.lists(st.binary(max_size=30) | st.sampled_from([bytes.fromhex(v["hex"]) for v in VECTORS]), max_size=5))
def test_nothing_raises_and_nothing_is_swallowed(chunks: list[bytes]) -> None:
    for sender in ("host", "device"):
        reader = explainer("id003")
        told = b""
        for chunk in chunks:
            reader.guess_sender(chunk)
            told += b"".join(each.data for each in reader.feed(sender, chunk))  # type: ignore[arg-type]
        told += b"".join(each.data for each in reader.finish(sender))  # type: ignore[arg-type]
        assert told == b"".join(chunks)


def test_there_is_one_variant() -> None:
    with pytest.raises(ValueError, match="ccnet"):
        explainer("ccnet")
