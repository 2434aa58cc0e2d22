"""Frames of ID-003, byte by byte."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.id003.frames import DATA_MAX, Frame, FrameError, FrameReader, encode, parse

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
GOOD = [vector for vector in VECTORS if vector["expect"] == "accept"]
BAD = [vector for vector in VECTORS if vector["expect"] == "reject"]

frames = st.builds(Frame, st.integers(0, 255), st.binary(max_size=DATA_MAX))


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_a_known_frame_is_read_and_written_byte_for_byte(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    [frame] = FrameReader().feed(data)
    assert encode(frame) == data


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])
def test_a_bad_frame_is_refused(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    reader = FrameReader()
    assert reader.feed(data) == []
    with pytest.raises(FrameError):
        parse(data)


@given(frames)
def test_what_is_written_is_read(frame: Frame) -> None:
    assert parse(encode(frame)) == frame


@given(st.lists(frames, max_size=4), st.data())
def test_any_cut_of_the_stream_gives_the_same_frames(several: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(map(encode, several))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = FrameReader()
    read = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        read += reader.feed(stream[start:end])
    assert read == several
    assert reader.skipped == 0


@given(frames, st.data())
def test_no_flipped_bit_is_accepted(frame: Frame, data: st.DataObject) -> None:
    good = encode(frame)
    at, bit = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 7))
    bad = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
    with pytest.raises(FrameError):
        parse(bad)


@given(st.binary(max_size=12).map(lambda noise: noise.replace(b"\xfc", b"\x00")), frames)
def test_noise_in_front_is_skipped_and_counted(noise: bytes, frame: Frame) -> None:
    reader = FrameReader()
    assert reader.feed(noise + encode(frame)) == [frame]
    assert reader.skipped == len(noise)


def test_a_false_start_costs_one_byte_and_no_frame() -> None:
    reader = FrameReader()
    assert reader.feed(bytes.fromhex("FC05FC05112756")) == [Frame(0x11)]
    assert reader.skipped == 2


@given(st.lists(st.binary(max_size=40), max_size=4))
@settings(max_examples=200)
def test_no_bytes_raise(chunks: list[bytes]) -> None:
    reader = FrameReader()
    for chunk in chunks:
        reader.feed(chunk)
    reader.give_up()
    assert reader.feed(encode(Frame(0x11))) == [Frame(0x11)]


def test_more_data_than_a_frame_holds_is_a_bug() -> None:
    with pytest.raises(ValueError, match="a frame holds 250"):
        encode(Frame(0xC5, bytes(251)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "begins with FC"),
        ("02", "begins with FC"),
        ("FC", "one byte"),
        ("FC04112756", "LEN is 4"),
        ("FC051127", "4 came"),
        ("FC0511275600", "there are 6"),
        ("FC05112757", "must be 5627"),
    ],
)
def test_a_refusal_says_why(data: str, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        parse(bytes.fromhex(data))


def test_a_frame_in_a_log_is_short() -> None:
    assert str(Frame(0x13, b"\x64")) == "13 64"
    assert str(Frame(0x8A, bytes(40))).endswith("…")
