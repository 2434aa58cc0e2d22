"""CCNET frames: the known ones, the long ones, and dirt."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.ccnet.frames import (
    SHORT_MAX,
    SUBCOMMANDED,
    Address,
    Frame,
    FrameReader,
    Sender,
    Skipped,
    encode,
)

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
GOOD = [vector for vector in VECTORS if vector["expect"] == "accept"]
BAD = [vector for vector in VECTORS if vector["expect"] == "reject"]

SENDERS: tuple[Sender, ...] = ("host", "device")
senders = st.sampled_from(SENDERS)
addresses = st.sampled_from([1, 2, 3, 4])
shorts = st.builds(Frame, addresses, st.binary(min_size=1, max_size=60))
longs = st.builds(Frame, addresses, st.binary(min_size=2, max_size=400), st.just(True))
frames = shorts | longs


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_a_known_frame_is_read_and_written_byte_for_byte(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    [frame] = FrameReader(vector["sender"]).feed(data)
    assert encode(frame, vector["sender"]) == data


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])
def test_a_bad_frame_is_refused(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    reader = FrameReader(vector["sender"])
    assert reader.feed(data) == []
    assert reader.damaged == 1


@given(frames, senders)
def test_what_is_written_is_read(frame: Frame, sender: Sender) -> None:
    [read] = FrameReader(sender).feed(encode(frame, sender))
    assert (read.address, read.data) == (frame.address, frame.data)
    assert encode(read, sender) == encode(frame, sender)


@given(st.lists(frames | st.binary(max_size=12), max_size=5), senders, st.lists(st.integers(1, 40), max_size=30))
def test_any_split_of_the_stream_gives_the_same(parts: list[Frame | bytes], sender: Sender, cuts: list[int]) -> None:
    stream = b"".join(part if isinstance(part, bytes) else encode(part, sender) for part in parts)
    whole, pieces = FrameReader(sender), FrameReader(sender)
    expected = whole.scan(stream) + whole.rest()
    read: list[Frame | Skipped] = []
    at = 0
    for cut in cuts:
        read += pieces.scan(stream[at : at + cut])
        at += cut
    read += pieces.scan(stream[at:])
    assert read + pieces.rest() == expected
    assert pieces.dropped == whole.dropped


@given(frames, senders, st.data())
def test_a_flipped_bit_is_never_accepted(frame: Frame, sender: Sender, data: st.DataObject) -> None:
    raw = bytearray(encode(frame, sender))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    reader = FrameReader(sender)
    read = reader.feed(bytes(raw)) + [piece for piece in reader.rest() if isinstance(piece, Frame)]
    assert frame not in read
    assert not any(len(encode(each, sender)) >= len(raw) for each in read)


@given(shorts, senders, st.binary(max_size=40).filter(lambda noise: 2 not in noise))
def test_noise_is_skipped_and_counted(frame: Frame, sender: Sender, noise: bytes) -> None:
    reader = FrameReader(sender)
    assert reader.feed(noise + encode(frame, sender) + noise) == [frame]
    assert reader.dropped == 2 * len(noise)


@given(shorts, senders)
def test_a_false_beginning_costs_nothing(frame: Frame, sender: Sender) -> None:
    reader = FrameReader(sender)
    read = reader.feed(b"\x02\x03\x06\x02" + encode(frame, sender) + encode(frame, sender))
    assert read[-1] == frame
    assert reader.dropped >= 4


@given(st.binary(max_size=300), senders)
def test_no_bytes_make_a_reader_raise(data: bytes, sender: Sender) -> None:
    reader = FrameReader(sender)
    pieces = reader.scan(data) + reader.rest()
    raw = b"".join(piece.data if isinstance(piece, Skipped) else encode(piece, sender) for piece in pieces)
    assert raw == data


def test_a_long_command_has_its_length_behind_the_command() -> None:
    data = bytes([0x60]) + bytes(300)
    raw = encode(Frame(3, data), "host")
    assert raw[:6] == bytes([0x02, 0x03, 0x00, 0x60]) + (308).to_bytes(2, "big")
    assert len(raw) == 308
    assert FrameReader("host").feed(raw) == [Frame(3, data, long=True)]


@pytest.mark.parametrize("command", sorted(SUBCOMMANDED))
def test_or_behind_the_subcommand(command: int) -> None:
    data = bytes([command, 0x01]) + bytes(300)
    raw = encode(Frame(3, data), "host")
    assert raw[:7] == bytes([0x02, 0x03, 0x00, command, 0x01]) + (309).to_bytes(2, "big")
    assert FrameReader("host").feed(raw) == [Frame(3, data, long=True)]


@pytest.mark.parametrize(("command", "ahead"), [(0x50, 1), (0x60, 2), (0xF0, 1), (0x39, 2)])
def test_and_is_found_in_the_other_place_too(command: int, ahead: int) -> None:
    frame = Frame(3, bytes([command, 0x07]) + bytes(range(200)), long=True, ahead=ahead)
    raw = encode(frame, "host")
    assert raw[3 + ahead : 5 + ahead] == len(raw).to_bytes(2, "big")
    assert FrameReader("host").feed(raw) == [frame]


def test_a_long_command_with_a_wrong_sum_is_told_as_that() -> None:
    reader = FrameReader("host")
    raw = encode(Frame(3, b"\x33", long=True), "host")
    assert reader.scan(raw[:-1] + b"\x00") == []
    [skipped] = reader.rest()
    assert isinstance(skipped, Skipped)
    assert skipped.fault.startswith("CRC")
    assert len(skipped.data) == 8


def test_the_shortest_long_command() -> None:
    raw = encode(Frame(3, b"\x33", long=True), "host")
    assert len(raw) == 8
    assert FrameReader("host").feed(raw) == [Frame(3, b"\x33", long=True)]


def test_a_long_answer_has_it_straight_behind_the_zero() -> None:
    raw = encode(Frame(1, bytes(246)), "device")
    assert raw[:5] == bytes([0x02, 0x01, 0x00]) + (253).to_bytes(2, "big")
    assert FrameReader("device").feed(raw) == [Frame(1, bytes(246), long=True)]
    assert encode(Frame(1, bytes(245)), "device")[2] == SHORT_MAX


@pytest.mark.parametrize("length", [1, 5, 251, 255])
def test_a_length_that_cannot_be_is_refused_at_once(length: int) -> None:
    [skipped] = FrameReader("host").scan(bytes([2, 3, length])) or [None]
    reader = FrameReader("host")
    reader.feed(bytes([2, 3, length]))
    assert skipped is None  # told when the stretch ends
    assert reader.dropped >= 2


@pytest.mark.parametrize(("address", "sender"), [(0, "host"), (5, "host"), (0x0E, "device"), (0xFF, "device")])
def test_an_address_that_cannot_be_is_refused(address: int, sender: Sender) -> None:
    with pytest.raises(ValueError, match=f"{address:02X}"):
        encode(Frame(address, b"\x33"), sender)
    assert FrameReader(sender).feed(bytes.fromhex("02030633DA81").replace(b"\x03", bytes([address]), 1)) == []


def test_broadcast_is_the_hosts_alone() -> None:
    assert FrameReader("host").feed(encode(Frame(Address.BROADCAST, b"\x30"), "host")) == [Frame(0x0E, b"\x30")]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        encode(Frame(3, b""), "host")
    with pytest.raises(ValueError, match="do not fit"):
        encode(Frame(3, bytes(70000)), "device")
    with pytest.raises(ValueError, match="subcommand"):
        encode(Frame(3, b"\xf0", long=True), "host")


def test_endless_noise_is_handed_on_in_stretches() -> None:
    reader = FrameReader("device")
    pieces = [piece for _ in range(10) for piece in reader.scan(bytes(1000))]
    assert [len(piece.data) for piece in pieces if isinstance(piece, Skipped)] == [4096, 4096]
    assert reader.reset() == 0
    assert reader.dropped == 10_000


def test_a_frame_in_a_log_is_short() -> None:
    assert str(Frame(3, b"\x33")) == "03:33"
    assert len(str(Frame(3, bytes(100)))) < 50
