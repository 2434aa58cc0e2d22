"""Frames of SSP, byte by byte. Most come from ITL's manual and from two hosts' tests."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hardware.ssp.frames import Frame, FrameError, FrameReader, encode, parse

VECTORS: list[dict[str, Any]] = [
    vector
    for vector in json.loads((Path(__file__).parent / "vectors.json").read_text())
    if vector["direction"] != "n/a"
]
GOOD = [vector for vector in VECTORS if vector["expect"] == "accept"]
BAD = [vector for vector in VECTORS if vector["expect"] == "reject"]

frames = st.builds(
    Frame,
    st.binary(min_size=1, max_size=60) | st.lists(st.sampled_from([0x7F, 0x7E, 0]), min_size=1, max_size=9).map(bytes),
    st.booleans(),
    st.integers(0, 0x7F),
)


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_a_known_frame_is_read_and_written_byte_for_byte(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    [frame] = FrameReader().feed(data)
    assert encode(frame) == data


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])
def test_a_bad_frame_is_refused(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    assert FrameReader().feed(data) == []
    with pytest.raises(FrameError) as refusal:
        parse(data)
    assert refusal.value.kind == vector["decoded"]["fault"]


@given(frames)
def test_what_is_written_is_read(frame: Frame) -> None:
    assert parse(encode(frame)) == frame


@given(frames)
def test_no_single_start_byte_stands_inside(frame: Frame) -> None:
    inside = encode(frame)[1:]
    assert b"\x7f" not in inside.replace(b"\x7f\x7f", b"")


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


@given(st.binary(max_size=12).map(lambda noise: noise.replace(b"\x7f", b"\x00")), frames)
def test_noise_in_front_is_skipped_and_counted(noise: bytes, frame: Frame) -> None:
    reader = FrameReader()
    assert reader.feed(noise + encode(frame)) == [frame]
    assert reader.skipped == len(noise)


@given(frames, frames, st.data())
def test_a_frame_behind_half_of_another_is_read(first: Frame, second: Frame, data: st.DataObject) -> None:
    whole = encode(first)
    half = whole[: data.draw(st.integers(1, len(whole) - 1))]
    assume(not half.endswith(b"\x7f"))  # with the start behind it that would be a doubled one
    assert FrameReader().feed(half + encode(second)) == [second]


@given(st.lists(st.binary(max_size=40) | st.lists(st.sampled_from([0x7F, 1]), max_size=20).map(bytes), max_size=4))
@settings(max_examples=200)
def test_no_bytes_raise(chunks: list[bytes]) -> None:
    reader = FrameReader()
    for chunk in chunks:
        reader.feed(chunk)
    reader.give_up()
    assert reader.feed(encode(Frame(b"\x11"))) == [Frame(b"\x11")]


@pytest.mark.parametrize("frame", [Frame(b""), Frame(bytes(256)), Frame(b"\x11", address=0x80)])
def test_what_no_frame_holds_is_a_bug(frame: Frame) -> None:
    with pytest.raises(ValueError, match="a frame holds"):
        encode(frame)


@pytest.mark.parametrize(
    ("data", "kind"),
    [("", "no frame"), ("02", "no frame"), ("7F", "cut short"), ("7F80", "cut short"), ("7F800111", "cut short"),
     ("7F8000", "cut short"), ("7F8000FFFF", "no data"), ("7F80011165FF", "CRC"), ("7F800111658200", "too long"),
     ("7F7F", "single 7F inside a frame"), ("7F807F01", "single 7F inside a frame")],
)  # fmt: skip
def test_a_refusal_says_why(data: str, kind: str) -> None:
    with pytest.raises(FrameError) as refusal:
        parse(bytes.fromhex(data))
    assert refusal.value.kind == kind


def test_a_frame_in_a_log_is_short() -> None:
    assert str(Frame(b"\xf0\xee\x01")) == "1/00 F0 EE 01"
    assert str(Frame(bytes(40), False, 0x10)).endswith("…")
