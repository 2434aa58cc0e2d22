"""Both directions in words and as data: the known-good bytes, and the same however they are cut."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.escpos.explain import explainer
from hardware.explain import Explained, Sender

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())


def explain(sender: Sender, data: bytes, *, before: bytes = b"", cuts: int | None = None) -> list[Explained]:
    one = explainer("escpos")
    one.feed("host", before)
    found: list[Explained] = []
    pieces = [data] if cuts is None else [data[at : at + cuts] for at in range(0, len(data), cuts)]
    for piece in pieces:
        found += one.feed(sender, piece)
    return [*found, *one.finish(sender)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
@pytest.mark.parametrize("cuts", [None, 1, 3])
def test_vector(vector: dict[str, Any], cuts: int | None) -> None:
    data = bytes.fromhex(vector["hex"])
    found = explain(vector["from"], data, cuts=cuts)
    refused = any(one.fault is not None for one in found)
    assert refused == (vector["expect"] == "reject"), [one.words for one in found]
    assert b"".join(one.data for one in found) == data
    decoded = {key: value for one in found for key, value in one.decoded.items()}
    assert {key: decoded.get(key) for key in vector["decoded"]} == vector["decoded"]
    assert json.dumps([one.decoded for one in found])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_who_sends_it_is_seen(vector: dict[str, Any]) -> None:
    assert (
        vector["name"] == "half_command"
        or explainer("escpos").guess_sender(bytes.fromhex(vector["hex"])) == vector["from"]
    )


@pytest.mark.parametrize(
    ("question", "answer", "key", "words"),
    [
        ("100401", "1A", "dle_eot_1", "offline"),
        ("100402", "36", "dle_eot_2", "cover open and stopped by paper end"),
        ("100403", "1A", "dle_eot_3", "cutter error"),
        ("100404", "1E", "dle_eot_4", "near end"),
        ("1D7201", "00", "gs_r_1", "paper present"),
        ("1D7201", "03", "gs_r_1", "near end"),
        ("1D7202", "01", "gs_r_2", "drawer pin 3 is high"),
    ],
)
def test_an_answer_is_read_as_what_was_asked(question: str, answer: str, key: str, words: str) -> None:
    (found,) = explain("device", bytes.fromhex(answer), before=bytes.fromhex(question))
    assert found.fault is None
    assert found.decoded[key] == words


@pytest.mark.parametrize("answer", ["00", "0C", "93", "FF", "10", "13"])
def test_what_is_no_status_is_refused_when_one_was_asked_for(answer: str) -> None:
    (found,) = explain("device", bytes.fromhex(answer), before=bytes.fromhex("100401"))
    assert found.fault is not None


def test_a_status_is_no_answer_to_gs_r() -> None:
    (found,) = explain("device", b"\x12", before=bytes.fromhex("1D7201"))
    assert found.fault is not None


def test_an_identity() -> None:
    (found,) = explain("device", b"_TM-T88V\0", before=bytes.fromhex("1D4943"))
    assert found.decoded == {"model": "TM-T88V"}


def test_automatic_status_after_gs_a_among_answers() -> None:
    found = explain("device", bytes.fromhex("38000C0012"), before=bytes.fromhex("1D610E100401"))
    assert [one.command for one in found] == ["GS a", "DLE EOT 1"]
    assert found[0].decoded["cover_open"] is True
    assert "paper out" in found[0].words


def test_text_in_the_page_that_was_chosen() -> None:
    found = explain("host", "\x1bt\x2e".encode("latin-1") + "Қорытынды".replace("Қ", "К").encode("cp1251") + b"\n")
    assert [one.command for one in found] == ["ESC t", "text", "LF"]
    assert found[1].decoded == {"text": "Корытынды", "code_page": "cp1251"}


def test_settings_of_a_code_that_never_comes_are_told_alone() -> None:
    found = explain("host", bytes.fromhex("1D286B03003143031D28 6B0300314531 1B40".replace(" ", "")))
    assert [one.command for one in found] == ["GS ( k 43", "GS ( k 45", "ESC @"]
    assert found[0].decoded == {"fn": 67, "module": 3}


def test_a_number_out_of_range_is_a_fault() -> None:
    (found,) = explain("host", bytes.fromhex("1D286B0300314311"))
    assert found.fault == "GS ( k 43: module is 1 to 16, not 17"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("1D286B0300314534", "GS ( k 45: correction is 48 to 51, not 52"),
        ("1D286B040031413000", "GS ( k 41: model is 49 to 51, not 48"),
        ("1D6B02343030", "GS k is cut short"),
        ("1D76300001000200C0", "GS v 0 is cut short"),
        ("1B74", "ESC t is cut short"),
        ("100F0502", "a full status is six bytes, not 4"),
        ("1204", "1204 is no status: one is a single byte with bits 1 and 4 set and 0 and 7 clear"),
    ],
)
def test_what_is_refused_and_why(data: str, reason: str) -> None:
    bytes_ = bytes.fromhex(data)
    assert [one.fault for one in explain(explainer("escpos").guess_sender(bytes_), bytes_)] == [reason]


def test_answers_behind_each_other_that_nobody_asked_for() -> None:
    found = explain("device", bytes.fromhex("120C1E0012"))
    assert [one.command for one in found] == [None, "GS r 1", None, "GS r 1", None]
    assert [one.fault for one in found] == [None] * 5
    assert found[1].words == "all before was done; paper out"


def test_the_mode_of_letters_bit_by_bit() -> None:
    (found,) = explain("host", b"\x1b!\xb9")
    assert found.decoded == {
        "ESC !": 0xB9, "font": "B", "bold": True, "width": 2, "height": 2, "underline": True,
    }  # fmt: skip


def test_a_bar_code_with_its_settings_is_one() -> None:
    found = explain("host", b"\x1ba\x01\x1dh@\x1dw\x03\x1df\x00\x1dH\x02\x1dk\x024006381333931\x00")
    assert [one.command for one in found] == ["ESC a", "GS k"]
    assert found[1].decoded == {
        "GS h": 64, "GS w": 3, "GS f": 0, "font": "A", "GS H": 2, "digits": "below",
        "GS k": 2, "symbology": "EAN13", "content": "4006381333931", "ean13": "4006381333931",
    }  # fmt: skip


def test_there_is_one_variant() -> None:
    with pytest.raises(ValueError, match="esc-p2"):
        explainer("esc-p2")


@given(st.lists(st.tuples(st.sampled_from(["host", "device"]), st.binary(max_size=40)), max_size=8))
def test_nothing_raises_and_nothing_is_lost(talk: list[tuple[Sender, bytes]]) -> None:
    one = explainer("escpos")
    found: list[Explained] = []
    for sender, data in talk:
        found += one.feed(sender, data)
        one.guess_sender(data)
    found += [*one.finish("host"), *one.finish("device")]
    for sender in ("host", "device"):
        said = b"".join(data for who, data in talk if who == sender)
        assert b"".join(each.data for each in found if each.sender == sender) == said
    json.dumps([[each.frame, each.decoded] for each in found])
