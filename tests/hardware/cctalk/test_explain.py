"""Frames in words and as data."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.cctalk.commands import COMMANDS
from hardware.cctalk.explain import VARIANTS, explainer
from hardware.cctalk.fields import sizes
from hardware.cctalk.frames import HOST, Frame, Sum, encode
from hardware.explain import Explained

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())


def talk(asked: tuple[int, int, bytes], answer: bytes, kind: Sum = Sum.SUM8) -> Explained:
    """An answer behind its question."""
    address, header, data = asked
    src = (HOST, address) if kind is Sum.SUM8 else (None, None)
    reader = explainer("cctalk" if kind is Sum.SUM8 else "cctalk-crc16")
    reader.feed("host", encode(Frame(address, header, data, src[0]), kind))
    [explained] = reader.feed("device", encode(Frame(HOST, 0, answer, src[1]), kind))
    return explained


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['protocol']} {vector['name']}")
def test_published_frames(vector: dict[str, Any]) -> None:
    reader, data = explainer(vector["protocol"]), bytes.fromhex(vector["hex"])
    explained = [*reader.feed(vector["sender"], data), *reader.finish(vector["sender"])]
    if vector["expect"] == "reject":
        assert explained[0].fault
        return
    assert [each.fault for each in explained] == [None]
    assert {key: explained[0].decoded.get(key) for key in vector["decoded"]} == vector["decoded"]
    assert explained[0].checksum
    assert explained[0].checksum["good"] is True
    assert reader.guess_sender(data) == vector["sender"]


@pytest.mark.parametrize(
    ("asked", "answer", "decoded"),
    [
        ((2, 249, b""), b"\x02\x14", {"unit": 2, "value": 20, "interval_ms": 200}),
        ((2, 242, b""), b"\x95\x30\x10", {"serial": 1061013}),
        ((2, 184, b"\x03"), b"EU020A", {"coin": 3, "country": "EU", "value": 20, "issue": "A", "money": "0.20 EUR"}),
        ((2, 230, b""), b"\xff\x00", {"mask": "FF00", "accepted": [1, 2, 3, 4, 5, 6, 7, 8]}),
        ((2, 232, b""), b"\x02\x03", {"fault": 2, "extra": 3}),
        ((2, 209, b"\x01"), b"\x02", {"coin": 1, "path": 2}),
        ((3, 166, b""), b"\x05\x02\x01\x02", {"counter": 5, "remaining": 2, "paid": 1, "unpaid": 2}),
        ((3, 163, b""), b"\x40\x00\x01", {"flags1": 64, "flags2": 0, "flags3": 1}),
        ((3, 167, b"\x23\x14\x01\x03"), b"\x06", {"counter": 6}),
        ((3, 168, b""), b"\x01\x01\x00", {"count": 257}),
        ((40, 157, b"\x02"), b"KZ1K00A", {"bill": 2, "country": "KZ", "value": 1000, "currency": "KZT"}),
        ((40, 156, b"KZ"), b"\x64\x00\x02", {"country": "KZ", "scale": 100, "decimals": 2}),
        ((40, 154, b"\x01"), b"\xfe", {"error": 254, "error_words": "nothing is in escrow"}),
        ((40, 159, b""), bytes((1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0)), {"counter": 1, "events": [[3, 1]]}),
        ((3, 133, b""), bytes((1, 2, 0, 3, 0, 4, 1)), {"remaining": 2, "paid": 3, "unpaid": 260}),
        ((2, 4, b""), b"\x01\x04\x06", {"level": 1, "revision": "4.6"}),
    ],
)
def test_an_answer_is_read_by_its_question(
    asked: tuple[int, int, bytes], answer: bytes, decoded: dict[str, object]
) -> None:
    for kind in Sum:
        explained = talk(asked, answer, kind)
        assert explained.command == COMMANDS[asked[1]].name
        assert {key: explained.decoded.get(key) for key in decoded} == decoded


def test_an_order_to_pay_names_security_and_count() -> None:
    [explained] = explainer("cctalk").feed("host", encode(Frame(3, 167, b"\x23\x14\x01\x05"), Sum.SUM8))
    assert (explained.decoded["security"], explained.decoded["count"]) == ("231401", 5)


def test_events_are_told_in_words() -> None:
    explained = talk((2, 229, b""), bytes((4, 0, 131, 0, 36, 2, 1, 0, 20, 0, 0)))
    assert "a coin of type 4, which is not taken now, went back" in explained.words
    assert "swallowed" in explained.words
    assert "coin 2 taken, sorter path 1: credit" in explained.words
    noted = talk((40, 159, b""), bytes((20, 3, 0, 3, 1, 0, 10, 0, 99, 7, 7)), Sum.CRC16)
    assert "note 3 stacked: credit; note 3 held in escrow; the stacker is well; bill event 99" in noted.words


def test_an_echo_is_told_as_one() -> None:
    reader, question = explainer("cctalk"), encode(Frame(2, 254), Sum.SUM8)
    reader.feed("host", question)
    echo, answer = reader.feed("device", question + encode(Frame(HOST, 0, b"", 2), Sum.SUM8))
    assert echo.words.startswith("echo of")
    assert answer.words == "2 (Coin Acceptor): ACK to simple poll"


def test_refusals_and_the_unknown() -> None:
    reader = explainer("cctalk")
    reader.feed("host", encode(Frame(3, 167, b"\x01"), Sum.SUM8))
    [nak] = reader.feed("device", encode(Frame(HOST, 5, b"", 3), Sum.SUM8))
    assert nak.words == "3 (Payout): NAK: refused to dispense hopper coins"
    [busy] = reader.feed("device", encode(Frame(HOST, 6, b"", 3), Sum.SUM8))
    assert "BUSY" in busy.words
    [odd] = reader.feed("device", encode(Frame(HOST, 77, b"", 3), Sum.SUM8))
    assert odd.fault
    [own] = reader.feed("host", encode(Frame(2, 20), Sum.SUM8))
    assert "maker's own" in own.words
    [misfit] = reader.feed("host", encode(Frame(2, 184), Sum.SUM8))
    assert "does not fit" in misfit.words


@given(
    st.sampled_from(sorted(VARIANTS)), st.lists(st.tuples(st.sampled_from(["host", "device"]), st.binary(max_size=30)))
)
def test_no_bytes_raise_and_none_are_lost(variant: str, pieces: list[tuple[Any, bytes]]) -> None:
    reader = explainer(variant)
    told = {"host": b"", "device": b""}
    for sender, data in pieces:
        for explained in reader.feed(sender, data):
            told[sender] += explained.data
    for sender in ("host", "device"):
        for explained in reader.finish(sender):  # type: ignore[arg-type]
            told[sender] += explained.data
        assert told[sender] == b"".join(data for who, data in pieces if who == sender)


@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=15), st.binary(max_size=15), st.sampled_from(Sum))
def test_no_contents_raise(header: int, question: bytes, answer: bytes, kind: Sum) -> None:
    explained = talk((2, header, question), answer, kind)
    assert json.dumps(explained.decoded)
    assert explained.words


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: str(command.header))
def test_every_header_is_declared_in_words(command: Any) -> None:
    assert command.name
    assert command.words
    assert COMMANDS[command.header] is command
    least, most = sizes(command.asks)
    assert most is None or least <= most


def test_a_frame_behind_noise_that_reads_as_a_great_length() -> None:
    for kind, frame in ((Sum.SUM8, Frame(2, 229, b"", HOST)), (Sum.CRC16, Frame(40, 159, b"", None))):
        reader = explainer("cctalk" if kind is Sum.SUM8 else "cctalk-crc16")
        raw = encode(frame, kind)
        assert reader.feed("host", b"\xff\xfe" + raw + raw) == []
        noise, *frames = reader.finish("host")
        assert (noise.data, noise.fault is None) == (b"\xff\xfe", False)
        assert [(each.data, each.fault) for each in frames] == [(raw, None), (raw, None)]


def test_the_zeros_of_a_cut_answer_are_no_frame() -> None:
    answer = encode(Frame(HOST, 0, bytes(11), 2), Sum.SUM8)
    for end in range(1, len(answer)):
        reader = explainer("cctalk")
        told = [*reader.feed("device", answer[:end]), *reader.finish("device")]
        assert all(each.fault for each in told)


def test_a_command_is_named() -> None:
    [explained] = explainer("cctalk-crc16").feed("host", encode(Frame(40, 1, b"", None), Sum.CRC16))
    assert (explained.decoded["name"], explained.decoded["meaning"]) == ("reset device", "RESET DEVICE")
