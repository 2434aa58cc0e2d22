"""Frames of both link layers: any cut gives the same, a flipped bit is never taken, noise is skipped and counted."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.errors import LocalProtocolError
from hardware.shtrih.frames import (
    Control,
    Dropped,
    FrameReader,
    FrameV1,
    FrameV2,
    ReaderV1,
    ReaderV2,
    unstuff,
    wrap_v2,
)

VECTORS = [
    vector
    for vector in json.loads(Path(__file__).with_name("vectors.json").read_text())
    if vector["sender"] is not None
]

frames_v1 = st.binary(min_size=1, max_size=255).map(FrameV1)
controls = st.sampled_from([0x05, 0x06, 0x15]).map(Control)
frames_v2 = st.one_of(st.builds(FrameV2, st.integers(0, 0xFFFF), st.binary(max_size=300)), st.just(FrameV2(None)))


def reader(version: int) -> FrameReader[Any]:
    return ReaderV1() if version == 1 else ReaderV2()


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({place % (len(data) + 1) for place in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_known_frame_is_read_and_written_byte_for_byte(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    items = reader(1 if vector["protocol"] == "shtrih-v1" else 2).feed(data)
    assert b"".join(item.encode() for item in items) == data.lstrip(b"\xff" if data[0] == 0xFF else b"")
    assert len(items) == 1


@given(items=st.lists(st.one_of(frames_v1, controls), max_size=4), cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_version_1_reads_the_same_however_it_is_cut(items: list[Any], cuts: list[int]) -> None:
    one = ReaderV1()
    found = [item for piece in cut(b"".join(item.encode() for item in items), cuts) for item in one.feed(piece)]
    assert found == items
    assert one.skipped == 0
    assert not one.partial


@given(items=st.lists(frames_v2, max_size=4), cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_version_2_reads_the_same_however_it_is_cut(items: list[FrameV2], cuts: list[int]) -> None:
    one = ReaderV2()
    found = [item for piece in cut(b"".join(item.encode() for item in items), cuts) for item in one.feed(piece)]
    assert found == items
    assert one.skipped == 0


@given(frame=frames_v1, place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_taken_in_version_1(frame: FrameV1, place: int, bit: int) -> None:
    data = bytearray(frame.encode())
    data[place % len(data)] ^= 1 << bit
    found = ReaderV1().feed(bytes(data))
    # What stands inside of a broken frame may look like a shorter one; it is never the frame that was sent.
    assert frame not in found


@given(frame=frames_v2, place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_taken_in_version_2(frame: FrameV2, place: int, bit: int) -> None:
    data = bytearray(frame.encode())
    data[place % len(data)] ^= 1 << bit
    assert frame not in ReaderV2().feed(bytes(data))


@given(frame=frames_v2, noise=st.binary(max_size=20).map(lambda data: data.replace(b"\x8f", b"")))
def test_noise_before_a_frame_is_skipped_and_counted(frame: FrameV2, noise: bytes) -> None:
    one = ReaderV2()
    assert one.feed(noise + frame.encode()) == [frame]
    assert one.skipped == len(noise)


@given(frame=frames_v1, count=st.integers(0, 5))
def test_ff_between_frames_of_version_1_is_noise(frame: FrameV1, count: int) -> None:
    one = ReaderV1()
    assert one.feed(b"\xff" * count + b"\x06" + b"\xff" * count + frame.encode()) == [Control(6), frame]
    assert one.skipped == 2 * count


@given(data=st.binary(max_size=400), version=st.sampled_from([1, 2]))
def test_no_bytes_raise_and_none_vanish(data: bytes, version: int) -> None:
    one = reader(version)
    items = one.read(data)
    kept = sum(len(item.encode()) for item in items if not isinstance(item, Dropped))
    assert kept + one.skipped + len(one.clear()) == len(data) or version == 2
    assert sum(len(item.data) for item in items if isinstance(item, Dropped)) <= len(data)


def test_a_half_frame_waits_and_can_be_forgotten() -> None:
    one = ReaderV1()
    assert one.feed(bytes.fromhex("0205111E")) == []
    assert one.partial
    assert one.clear() == bytes.fromhex("0205111E")
    assert one.feed(b"\x15") == [Control(0x15)]
    assert one.skipped == 4


def test_a_broken_frame_is_dropped_byte_by_byte_and_the_next_is_found() -> None:
    good = FrameV2(7, b"\x11\x1e\x00\x00\x00")
    broken = bytearray(good.encode())
    broken[5] ^= 1
    one = ReaderV2()
    items = one.read(bytes(broken) + good.encode())
    assert [type(item) for item in items] == [Dropped, FrameV2]
    assert one.damaged == 1
    assert "CRC" in items[0].reason  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("hexed", "reason"),
    [
        ("8F0100AA0000", "LEN 1"),
        ("8F9F00", "stands for nothing"),
        ("8F07008F", "start byte 8F inside"),
    ],
)
def test_what_is_wrong_with_a_frame_of_version_2_is_said(hexed: str, reason: str) -> None:
    dropped = next(item for item in ReaderV2().read(bytes.fromhex(hexed)) if isinstance(item, Dropped))
    assert reason in dropped.reason


def test_a_frame_of_length_0_is_none_in_version_1() -> None:
    dropped = ReaderV1().read(b"\x02\x00\x00")[0]
    assert isinstance(dropped, Dropped)
    assert "length 0" in dropped.reason


def test_stuffing() -> None:
    assert wrap_v2(b"\x8f\x9f")[3:7] == bytes.fromhex("9F819F83")
    assert unstuff(bytes.fromhex("9F819F8300")) == b"\x8f\x9f\x00"
    assert unstuff(b"\x9f") is None
    assert unstuff(b"\x8f") is None


def test_what_does_not_fit_into_a_frame_is_our_mistake() -> None:
    for frame in (FrameV1(b""), FrameV1(bytes(256)), FrameV2(None, b"1"), FrameV2(65536)):
        with pytest.raises(LocalProtocolError):
            frame.encode()


def test_frames_are_short_in_a_log() -> None:
    assert str(FrameV1(bytes(100))).endswith("(100 bytes)")
    assert str(FrameV2(None)) == "v2 sync"
    assert str(FrameV2(3, b"\x10")) == "v2 #3 10"
    assert str(Control(5)) == "ENQ"
