"""Frames in words, and as the data that `decode` prints."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.explain import Sender
from hardware.ssp.explain import bare, explainer
from hardware.ssp.frames import Frame, encode

ALL: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
VECTORS = [vector for vector in ALL if vector["direction"] != "n/a"]
SENDERS: dict[str, Sender] = {"host->device": "host", "device->host": "device"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_known_frame_means_what_others_say_it_means(vector: dict[str, Any]) -> None:
    reader = explainer("itl-ssp")
    sender = SENDERS[vector["direction"]]
    data = bytes.fromhex(vector["hex"])
    reader.feed("host", bytes.fromhex(vector.get("after", "")))
    explained = [*reader.feed(sender, data), *reader.finish(sender)]
    assert b"".join(each.data for each in explained) == data
    assert all(each.fault is None for each in explained) == (vector["expect"] == "accept")
    assert {key: explained[0].decoded.get(key) for key in vector["decoded"]} == vector["decoded"]
    assert json.dumps([dict(each.decoded) | dict(each.frame) for each in explained])
    if vector["expect"] == "accept":
        assert explained[0].words
        assert explained[0].checksum is not None
        assert explained[0].checksum["good"]
        assert reader.guess_sender(data) == sender


@pytest.mark.parametrize("vector", [v for v in ALL if v["direction"] == "n/a"], ids=lambda vector: vector["name"])
def test_data_and_its_checksum_without_a_frame(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    explained = bare(data)
    assert explained is not None
    assert explained.decoded["data"] == vector["decoded"]["data"]
    assert explained.fault is None
    assert bare(data[:-1] + bytes([data[-1] ^ 1])) is None


def test_what_is_a_frame_is_not_bare() -> None:
    assert bare(bytes.fromhex("7F8001116582")) is None
    assert bare(b"\x84\xfc") is None


def test_poll_events_are_read_even_when_nobody_heard_the_poll() -> None:
    [explained] = explainer("itl-ssp").feed("device", encode(Frame(bytes.fromhex("F0EE01EB"))))
    assert [event["name"] for event in explained.decoded["events"]] == ["CREDIT", "STACKED"]  # type: ignore[attr-defined]


def test_the_protocol_agreed_on_decides_lengths() -> None:
    reader = explainer("itl-ssp")
    power_up = bytes((0xF0, 0xCA)) + bytes.fromhex("FA050000455552")
    for version, unread in ((8, None), (7, "FA050000455552")):
        reader.feed("host", encode(Frame(bytes((6, version)), flag=True)))
        reader.feed("device", encode(Frame(b"\xf0", flag=True)))
        reader.feed("host", encode(Frame(b"\x07", flag=False)))
        [explained] = reader.feed("device", encode(Frame(power_up, flag=False)))
        assert explained.decoded.get("unread") == unread


def test_power_up_moves_are_read_when_nobody_heard_the_protocol() -> None:
    power_up = bytes((0xF0, 0xCA)) + bytes.fromhex("FA050000455552")
    [explained] = explainer("itl-ssp").feed("device", encode(Frame(power_up)))
    assert explained.decoded["events"] == [
        {
            "code": "CA",
            "name": "NOTE INTO STACKER AT POWER-UP",
            "amounts": [{"value": 1530, "currency": "EUR"}],
        }
    ]
    assert "1530 EUR" in explained.words


def test_a_credit_before_an_event_nobody_knows_is_told() -> None:
    [explained] = explainer("itl-ssp").feed("device", encode(Frame(bytes.fromhex("F0EE0399"))))
    assert [event["name"] for event in explained.decoded["events"]] == ["CREDIT"]  # type: ignore[attr-defined]
    assert explained.decoded["unread"] == "99"
    assert "99 cannot be read" in explained.words


def test_a_note_that_is_read_and_one_in_escrow_and_one_that_is_credited() -> None:
    for data, words, credit in (
        ("F0EF00", "a note is being read", False),
        ("F0EF03", "a note is held in escrow", False),
        ("F0EE03", "a note is taken and cannot come back", True),
    ):
        [explained] = explainer("itl-ssp").feed("device", encode(Frame(bytes.fromhex(data))))
        assert explained.words.endswith(words)
        assert ("credit" in explained.decoded) is credit


def test_a_payout_cut_short_says_how_much_of_what() -> None:
    paid = bytes((0xF0, 0xDC, 1)) + (500).to_bytes(4, "little") + (2000).to_bytes(4, "little") + b"EUR"
    [explained] = explainer("itl-ssp").feed("device", encode(Frame(paid)))
    assert "500 of 2000 EUR" in explained.words


def test_an_answer_with_another_flag_answers_something_else() -> None:
    reader = explainer("itl-ssp")
    reader.feed("host", bytes.fromhex("7F8001071202"))
    [explained] = reader.feed("device", encode(Frame(b"\xf0", flag=False)))
    assert "answers" not in explained.decoded


def test_the_same_command_again_is_said_to_be_one() -> None:
    reader = explainer("itl-ssp")
    first, second = reader.feed("host", bytes.fromhex("7F80010712027F8001071202"))
    assert "again" not in first.words
    assert "again" in second.words


def test_an_encrypted_packet_is_told_by_its_length() -> None:
    [explained] = explainer("itl-ssp").feed("device", encode(Frame(b"\x7e" + bytes(16), flag=False)))
    assert explained.decoded["encrypted"] is True
    assert explained.decoded["length"] == 16
    assert explained.fault is None


def test_payout_commands_are_read_and_said_to_need_encryption() -> None:
    pay = bytes((0x33,)) + (1530).to_bytes(4, "little") + b"EUR\x19"
    by = bytes((0x46, 1)) + bytes.fromhex("0200") + (500).to_bytes(4, "little") + b"EUR\x58"
    first, second = explainer("itl-ssp").feed("host", encode(Frame(pay)) + encode(Frame(by, flag=False)))
    assert (first.decoded["amount"], first.decoded["currency"], first.decoded["test_only"]) == (1530, "EUR", True)
    assert first.decoded["must_be_encrypted"] is True
    assert second.decoded["amounts"] == [{"count": 2, "value": 500, "currency": "EUR"}]


def test_a_refused_payout_has_a_reason() -> None:
    reader = explainer("itl-ssp")
    reader.feed("host", encode(Frame(bytes((0x33,)) + bytes(8))))
    [explained] = reader.feed("device", encode(Frame(b"\xf5\x03")))
    assert (explained.decoded["reason"], explained.decoded["reason_words"]) == (3, "busy")


def test_several_frames_and_a_broken_one_followed_by_a_good_one() -> None:
    reader = explainer("itl-ssp")
    explained = reader.feed("host", bytes.fromhex("7F8001071202" + "7F800111" + "7F8001116582" + "0102"))
    assert [each.fault is None for each in explained] == [True, False, True, False]
    assert explained[1].decoded["fault"] == "single 7F inside a frame"


@given(st.lists(st.binary(max_size=30) | st.sampled_from([bytes.fromhex(v["hex"]) for v in VECTORS]), max_size=5))
def test_nothing_raises_and_nothing_is_swallowed(chunks: list[bytes]) -> None:
    for sender in ("host", "device"):
        reader = explainer("itl-ssp")
        told = b""
        for chunk in chunks:
            reader.guess_sender(chunk)
            bare(chunk)
            told += b"".join(each.data for each in reader.feed(sender, chunk))  # type: ignore[arg-type]
        told += b"".join(each.data for each in reader.finish(sender))  # type: ignore[arg-type]
        assert told == b"".join(chunks)


@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_no_good_frame_makes_it_raise(command: bytes, answer: bytes) -> None:
    reader = explainer("itl-ssp")
    reader.feed("host", encode(Frame(command)))
    reader.feed("device", encode(Frame(b"\xf0" + answer)))


def test_there_is_one_variant() -> None:
    with pytest.raises(ValueError, match="ccnet"):
        explainer("ccnet")
