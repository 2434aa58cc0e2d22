"""Bytes and frames, with both sums."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.cctalk.explain import VARIANTS
from hardware.cctalk.frames import HOST, Frame, FrameReader, Sum, decode, encode

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
GOOD = [vector for vector in VECTORS if vector["expect"] == "accept"]
BAD = [vector for vector in VECTORS if vector["expect"] == "reject"]

bytes_ = st.integers(0, 255)
sum8_frames = st.builds(Frame, bytes_, bytes_, st.binary(max_size=20), bytes_)
crc_frames = st.builds(Frame, bytes_, bytes_, st.binary(max_size=20), st.none())
framed = st.one_of(st.tuples(st.just(Sum.SUM8), sum8_frames), st.tuples(st.just(Sum.CRC16), crc_frames))


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_published_frames_are_read_and_made_byte_for_byte(vector: dict[str, Any]) -> None:
    kind, data = VARIANTS[vector["protocol"]], bytes.fromhex(vector["hex"])
    frame = decode(data, kind)
    assert encode(frame, kind) == data
    assert FrameReader(kind).feed(data) == [frame]


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])
def test_frames_published_as_wrong_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"checksum|length"):
        decode(bytes.fromhex(vector["hex"]), VARIANTS[vector["protocol"]])


@given(framed)
def test_what_is_encoded_is_decoded(case: tuple[Sum, Frame]) -> None:
    kind, frame = case
    assert decode(encode(frame, kind), kind) == frame


@given(framed, st.integers(0, 1000), st.integers(0, 7))
def test_a_flipped_bit_is_never_accepted(case: tuple[Sum, Frame], at: int, bit: int) -> None:
    kind, frame = case
    data = bytearray(encode(frame, kind))
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(ValueError, match="the"):
        decode(bytes(data), kind)


@given(st.lists(crc_frames, max_size=4), st.lists(st.integers(0, 200), max_size=6))
def test_any_split_gives_the_same_frames(frames: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(encode(frame, Sum.CRC16) for frame in frames)
    reader, found, at = FrameReader(Sum.CRC16), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        found += reader.feed(stream[at:cut])
        at = max(at, cut)
    assert found == frames
    assert reader.skipped == reader.pending == 0


@given(st.sampled_from(Sum), st.lists(st.binary(max_size=40)))
def test_no_bytes_raise(kind: Sum, pieces: list[bytes]) -> None:
    reader = FrameReader(kind)
    found = [frame for piece in pieces for frame in reader.feed(piece)]
    assert sum(len(frame.data) + 5 for frame in found) + reader.skipped + reader.pending == sum(map(len, pieces))


def test_noise_before_an_answer_is_skipped_and_counted() -> None:
    answer = Frame(HOST, 0, b"\x14", 2)
    reader = FrameReader(Sum.SUM8, HOST)
    assert reader.feed(b"\x00\xff\x40" + encode(answer, Sum.SUM8)) == [answer]
    assert reader.skipped == 3


def test_a_wrong_frame_costs_one_byte_at_a_time() -> None:
    good = Frame(HOST, 0, b"", 2)
    reader = FrameReader(Sum.SUM8, HOST)
    assert reader.feed(b"\x01\x00\x02\x00\x00" + encode(good, Sum.SUM8)) == [good]
    assert reader.skipped == 5


def test_half_a_frame_is_dropped_when_the_line_was_silent() -> None:
    reader = FrameReader(Sum.SUM8)
    assert reader.feed(b"\x01\x03\x02") == []
    reader.drop()
    assert (reader.pending, reader.skipped) == (0, 3)


def test_what_does_not_fit_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="255"):
        encode(Frame(2, 1, bytes(256)), Sum.SUM8)
    with pytest.raises(ValueError, match="sender"):
        encode(Frame(2, 1, b"", None), Sum.SUM8)
    with pytest.raises(ValueError, match="short"):
        decode(b"\x01\x00", Sum.SUM8)
    assert "→2 254" in str(Frame(2, 254))
