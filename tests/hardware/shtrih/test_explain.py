"""Frames in words and as data."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.explain import Explained, Sender
from hardware.shtrih.explain import VARIANTS, bare, explainer
from hardware.shtrih.frames import FrameV1, FrameV2

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())


def explain(variant: str, sender: Sender, data: bytes) -> list[Explained]:
    one = explainer(variant)
    return [*one.feed(sender, data), *one.finish(sender)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_known_frame_means_what_it_is_known_to_mean(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    if vector["sender"] is None:
        found = bare(data)
        assert found is not None
        items = [found]
        assert [item.fault for item in explain(vector["protocol"], "host", data)] != [None]
    else:
        items = explain(vector["protocol"], vector["sender"], data)
        assert explainer(vector["protocol"]).guess_sender(data) == vector["sender"]
    assert [item.fault for item in items] == [None] * len(items)
    assert b"".join(item.data for item in items) == data
    decoded: dict[str, object] = {}
    for item in items:
        decoded.update(item.decoded)
    assert {name: decoded.get(name) for name in vector["decoded"]} == vector["decoded"]
    assert all(item.checksum is None or item.checksum["good"] for item in items)
    json.dumps([item.decoded for item in items])


@given(data=st.binary(max_size=300), variant=st.sampled_from(VARIANTS), sender=st.sampled_from(["host", "device"]))
def test_no_bytes_raise(data: bytes, variant: str, sender: Sender) -> None:
    explainer(variant).guess_sender(data)
    bare(data)
    items = explain(variant, sender, data)
    assert sum(len(item.data) for item in items) == len(data)
    json.dumps([[dict(item.decoded), dict(item.frame), item.checksum] for item in items])


@given(data=st.binary(min_size=1, max_size=250), sender=st.sampled_from(["host", "device"]))
def test_no_content_raises(data: bytes, sender: Sender) -> None:
    for head in (b"", b"\xff"):
        content = (head + data)[:255]
        for variant, raw in (("shtrih-v1", FrameV1(content).encode()), ("shtrih-v2", FrameV2(1, content).encode())):
            (item,) = explain(variant, sender, raw)
            json.dumps([dict(item.decoded), dict(item.frame), item.checksum])


def test_deep_groups_do_not_raise() -> None:
    nested = b""
    for _ in range(5000):
        nested = b"\x23\x04" + min(len(nested), 0xFFFF).to_bytes(2, "little") + nested
    (item,) = explain("shtrih-v2", "device", FrameV2(1, b"\xff\x3b\x00" + nested).encode())
    assert item.fault is None


def test_a_wrong_checksum_is_shown_beside_the_right_one() -> None:
    data = bytearray.fromhex("0205111E0000000A")
    data[-1] ^= 1
    item = explain("shtrih-v1", "host", bytes(data))[0]
    assert item.fault == "LRC 0B, must be 0A"
    assert item.checksum == {"algorithm": "xor-8", "sent": "0B", "reckoned": "0A", "good": False}
    data = bytearray.fromhex("8F07001800111E000000F91A")
    data[-1] ^= 1
    (item,) = explain("shtrih-v2", "host", bytes(data))
    assert item.fault == "CRC 1BF9, must be 1AF9"
    assert item.checksum is not None
    assert item.checksum["good"] is False


def test_tags_of_a_document_are_named() -> None:
    (item,) = explain("shtrih-v2", "device", bytes.fromhex("8F0D002E00FF3B000E0404000C000000") + b"")
    assert item.fault is not None  # its checksum is missing
    content = bytes.fromhex("FF3B000E0404000C000000") + bytes.fromhex("FD0302008088")
    (item,) = explain("shtrih-v2", "device", FrameV2(46, content).encode())
    assert item.decoded["tlv"] == [
        {"tag": 1038, "name": "shift", "value": 12},
        {"tag": 1021, "name": "cashier", "value": "АИ"},
    ]


def test_one_tag_is_told_by_itself() -> None:
    (item,) = explain("shtrih-v2", "device", FrameV2(46, bytes.fromhex("FF3B000E0404000C000000")).encode())
    assert (item.decoded["tag"], item.decoded["value"]) == (1038, 12)


def test_a_setting_that_reads_as_a_text_is_shown_as_one() -> None:
    raw = bytes.fromhex("020F1F00CAE0F1F1E8F020C8E2E0EDEEE229")
    (item,) = explain("shtrih-v1", "device", raw)
    assert (item.decoded["value"], item.decoded["hex"]) == ("Кассир Иванов", "CAE0F1F1E8F020C8E2E0EDEEE2")
    (item,) = explain("shtrih-v1", "device", FrameV1(b"\x1f\x00\x01\x02").encode())
    assert item.decoded["value"] == "0102"


def test_an_error_is_told_with_what_to_do() -> None:
    (item,) = explain("shtrih-v1", "device", FrameV1(b"\xff\x46\x4e").encode())
    assert item.decoded["err"] == 0x4E
    assert item.decoded["err_words"] == "the shift is open for more than 24 hours; close the shift"
    assert "close the shift" in item.words


def test_a_found_document_is_read_by_its_type() -> None:
    content = bytes.fromhex("1A0B15090A" + "07000000" + "78563412" + "01" + "374A000000")
    (item,) = explain("shtrih-v1", "device", FrameV1(b"\xff\x0a\x00\x03\x01" + content).encode())
    assert item.decoded["type_words"] == "receipt"
    assert (item.decoded["fd"], item.decoded["sum"], item.decoded["sign"]) == (7, 18999, 0x12345678)
    assert item.decoded["datetime"] == "2026-11-21 09:10"


def test_other_found_documents() -> None:
    head = bytes.fromhex("1A0B15090A" + "07000000" + "78563412")
    by_type = {
        1: (b"7701000001  " + b"0000000001012345    " + b"\1\0", "registration", "0000000001012345"),
        2: (b"\x09\0", "shift", 9),
        21: (b"\x05\0\0\0" + b"\x1a\x0b\x14", "unsent_since", "2026-11-20"),
        7: (b"", "fd", 7),
    }
    for kind, (rest, name, value) in by_type.items():
        content = b"\xff\x0a\x00" + bytes([kind, 0]) + head + rest
        assert explain("shtrih-v1", "device", FrameV1(content).encode())[0].decoded[name] == value


def test_an_answer_of_fewer_bytes_than_described_is_shown_as_it_is() -> None:
    (item,) = explain("shtrih-v1", "device", FrameV1(b"\x11\x00\x1e").encode())
    assert (item.fault, item.decoded["err"], item.decoded["rest"]) == (None, 0, "1E")
    (item,) = explain("shtrih-v1", "device", FrameV1(b"\x11").encode())
    assert item.fault is not None


def test_a_request_that_is_too_short_is_refused() -> None:
    (item,) = explain("shtrih-v1", "host", FrameV1(b"\x11\x1e").encode())
    assert item.fault is not None


def test_an_unknown_command_is_no_fault() -> None:
    (item,) = explain("shtrih-v1", "host", FrameV1(b"\x01\x1e\x00\x00\x00").encode())
    assert item.fault is None
    (item,) = explain("shtrih-v1", "device", FrameV1(b"\x01\x37").encode())
    assert (item.fault, item.decoded["err"]) == (None, 0x37)


def test_sync_and_nothing_yet() -> None:
    assert explain("shtrih-v2", "host", FrameV2(None).encode())[0].decoded == {"sync": True}
    assert explain("shtrih-v2", "device", FrameV2(0).encode())[0].decoded["nothing_yet"] is True
    assert explainer("shtrih-v2").guess_sender(FrameV2(0).encode()) == "device"


def test_there_are_two_variants() -> None:
    with pytest.raises(ValueError, match="shtrih-v3"):
        explainer("shtrih-v3")


def test_bare_takes_no_frame_and_no_wrong_sum() -> None:
    assert bare(FrameV2(None).encode()) is None
    assert bare(b"\x00\x00\x0f\x1e") is None
    assert bare(b"\x0f") is None


def test_a_cut_frame_is_forgiven_when_a_whole_one_follows() -> None:
    cut, whole = bytes.fromhex("0248FF461E0000"), bytes.fromhex("0205111E0000000A")
    *lost, item = explain("shtrih-v1", "host", cut + whole)
    assert lost[0].fault is not None
    assert not any(one.decoded for one in lost)
    assert b"".join(one.data for one in lost) == cut
    assert (item.fault, item.decoded["cmd"]) == (None, "11")
    (item,) = explain("shtrih-v1", "host", cut)
    assert item.fault == "it was cut: its end, where LEN says, did not come"


def test_half_a_number_is_no_command() -> None:
    frame = FrameV1(b"\xff").encode()
    for (item,) in (explain("shtrih-v1", "host", frame), explain("shtrih-v1", "device", frame)):
        assert item.fault is not None


def test_a_line_of_words_is_short() -> None:
    close = b"\x85" + bytes([30, 0, 0, 0]) + (10000).to_bytes(5, "little") + bytes(15 + 2 + 4 + 40)
    (item,) = explain("shtrih-v1", "host", FrameV1(close).encode())
    assert item.words == "85 close: Close the receipt. (sum1 10000, discount 0)"
    assert item.decoded["cash"] == 10000
    (item,) = explain("shtrih-v1", "host", FrameV1(b"\x8d\x1e\0\0\0\x02").encode())
    assert item.decoded["type_words"] == "return of a sale"


def test_control_bytes_in_the_words_of_the_description() -> None:
    for sender, data, meaning in (
        ("host", b"\x05", "ENQ"),
        ("device", b"\x15", "NAK: idle, send a command"),
        ("device", b"\x06", "ACK: accepted"),
    ):
        (item,) = explain("shtrih-v1", "host" if sender == "host" else "device", data)
        assert item.decoded["meaning"] == meaning
        assert item.words.startswith(f"{meaning};")
