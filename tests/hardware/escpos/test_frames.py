"""Both directions cut anywhere, with noise, half commands and unknown ones."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.escpos import commands as c
from hardware.escpos.declaration import encode
from hardware.escpos.frames import (
    COMMAND_MAX,
    Automatic,
    Block,
    Buffered,
    FrameReader,
    Full,
    Obeyed,
    Piece,
    Status,
    StreamReader,
    Text,
    Unknown,
)

statuses = st.integers(0, 15).map(lambda n: Status(0x12 | (n & 3) << 2 | (n & 12) << 3))
STREAM = b"".join(
    (
        encode(c.INIT),
        b"total 100\n",
        encode(c.RASTER, m=0, x=2, y=3, dots=b"\x10\x04\x01\x1d\x56\x00"),
        encode(c.BARS_A[2], content=b"4006381333931"),
        encode(c.BARS_B[8], n=5, content=b"{B\x00ab"),
        encode(c.QR_STORE, m=0x30, content=b"\x1b@\x00"),
        encode(c.CUT_FULL),
        encode(c.FEED_CUT, n=0),
        encode(c.DLE_EOT, n=4),
    )
)


def joined(pieces: list[Piece]) -> list[Piece]:
    """Text is given out as it comes: put together what belongs together."""
    whole: list[Piece] = []
    for piece in pieces:
        if whole and isinstance(piece, Text) and isinstance(whole[-1], Text):
            whole[-1] = Text(whole[-1].data + piece.data)
        else:
            whole.append(piece)
    return whole


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(at % (len(data) + 1) for at in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


@given(st.lists(st.integers(0, 10_000)))
def test_a_stream_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    whole = StreamReader().feed(STREAM)
    reader = StreamReader()
    assert joined([piece for part in cut(STREAM, cuts) for piece in reader.feed(part)]) == whole
    assert reader.waiting == b""
    assert b"".join(piece.data for piece in whole) == STREAM


def test_a_stream_in_commands_and_text() -> None:
    pieces = StreamReader().feed(STREAM)
    assert [piece.instruction.command if isinstance(piece, Obeyed) else piece for piece in pieces] == [
        c.INIT,
        Text(b"total 100"),
        *(c.LF, c.RASTER, c.BARS_A[2], c.BARS_B[8], c.QR_STORE, c.CUT_FULL, c.FEED_CUT, c.DLE_EOT),
    ]


def test_an_unknown_command_costs_one_byte_and_is_counted() -> None:
    reader = StreamReader()
    pieces = reader.feed(b"\x1b\x01\x1b@")
    assert [type(piece) for piece in pieces] == [Unknown, Unknown, Obeyed]
    assert reader.dropped == 2


def test_what_says_it_is_longer_than_any_picture_has_lost_its_place() -> None:
    reader = StreamReader()
    reader.feed(b"\x1dv0\x00\xff\xff\xff\xff")
    pieces = reader.feed(b"x" * COMMAND_MAX)
    assert pieces[0] == Unknown(b"\x1d")


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_no_bytes_raise_from_the_stream_reader_and_none_are_lost(parts: list[bytes]) -> None:
    reader = StreamReader()
    pieces = [piece for part in parts for piece in reader.feed(part)]
    assert b"".join(piece.data for piece in pieces) + reader.forget() == b"".join(parts)


@given(st.lists(statuses), st.lists(st.integers(0, 1000)))
def test_statuses_however_they_are_cut(sent: list[Status], cuts: list[int]) -> None:
    reader = FrameReader(expects_buffered=lambda: False)
    data = bytes(status.value for status in sent)
    assert [one for part in cut(data, cuts) for one in reader.feed(part)] == sent
    assert reader.dropped == 0


@given(statuses, st.sampled_from((0x01, 0x02, 0x10, 0x80)))
def test_a_fixed_bit_that_flips_makes_it_no_status(status: Status, bit: int) -> None:
    reader = FrameReader(expects_buffered=lambda: False)
    assert reader.feed(bytes((status.value ^ bit,))) == []
    assert reader.dropped == 1


def test_noise_is_skipped_and_counted() -> None:
    reader = FrameReader(expects_buffered=lambda: False)
    assert reader.feed(bytes.fromhex("FF 00 12 93 0C 1A 11 13")) == [Status(0x12), Status(0x1A)]
    assert reader.dropped == 6


def test_the_answer_to_gs_r_only_when_it_was_asked_for() -> None:
    asked = [True]
    reader = FrameReader(expects_buffered=lambda: asked[0])
    assert reader.next(b"\x00\x00") == Buffered(0)
    asked[0] = False
    assert reader.next() is None
    assert reader.dropped == 1


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_automatic_and_full_status_and_blocks_in_pieces(size: int) -> None:
    data = bytes.fromhex("14000F00 12 100F0400010012") + b"_TM-T88V\0"
    reader = FrameReader(automatic=True, full=True, blocks=lambda: True)
    found = [one for at in range(0, len(data), size) for one in reader.feed(data[at : at + size])]
    assert found == [
        Automatic(bytes.fromhex("14000F00")),
        Status(0x12),
        Full(bytes.fromhex("100F04000100")),
        Status(0x12),
        Block(0x5F, b"TM-T88V"),
    ]


def test_an_automatic_status_that_breaks_off_costs_one_byte() -> None:
    reader = FrameReader(automatic=True, expects_buffered=lambda: False)
    assert reader.feed(bytes.fromhex("1400 12")) == [Status(0x12)]
    assert reader.dropped == 2


def test_a_lost_line_drops_the_half_that_came() -> None:
    reader = FrameReader(full=True)
    reader.feed(b"\x10\x0f\x00")
    reader.reset()
    assert (reader.feed(b"\x12"), reader.dropped) == ([Status(0x12)], 3)


@given(st.binary(max_size=80), st.booleans(), st.booleans(), st.booleans())
def test_no_bytes_raise_from_the_reader(data: bytes, automatic: bool, full: bool, blocks: bool) -> None:
    reader = FrameReader(automatic=automatic, full=full, blocks=lambda: blocks)
    answers = reader.feed(data)
    assert len(answers) + reader.dropped <= len(data)
