"""What answers mean."""

import pytest

from hardware.escpos import replies


@pytest.mark.parametrize(
    ("asked", "value", "words"),
    [
        (1, 0x12, "printer status: online"),
        (1, 0x1A, "printer status: offline"),
        (2, 0x32, "offline cause: stopped by paper end"),
        (3, 0x5A, "error cause: cutter error and an error that recovers by itself (head hot, cover)"),
        (4, 0x7E, "roll paper sensor: paper out and near end"),
    ],
)
def test_a_status_that_was_asked_for(asked: int, value: int, words: str) -> None:
    told = replies.real_time(bytes((value,)), asked)
    assert (told.words, told.command, told.fault) == (words, f"DLE EOT {asked}", None)


def test_one_that_the_notes_do_not_know() -> None:
    assert replies.real_time(b"\x12", 7).words == "status 12"


def test_every_reading_where_nobody_asked() -> None:
    decoded = replies.any_status(b"\x32").decoded
    assert decoded == {
        "valid": True,
        "dle_eot_1": "waits to be put on line again",
        "dle_eot_2": "stopped by paper end",
        "dle_eot_3": "unrecoverable error",
        "dle_eot_4": "paper out",
    }


def test_two_to_four_are_asked_for_in_their_usual_order() -> None:
    assert [key for key in replies.several(b"\x12\x1e").decoded if key != "valid"] == ["dle_eot_1", "dle_eot_4"]
    assert replies.several(b"\x1a\x32\x7e").decoded["dle_eot_4"] == "7E paper out"


@pytest.mark.parametrize(("asked", "value", "words"), [(1, 0x0C, "paper out"), (2, 0, "drawer pin 3 is low")])
def test_an_answer_in_the_order_of_the_stream(asked: int, value: int, words: str) -> None:
    assert replies.buffered(bytes((value,)), asked).words == f"all before was done; {words}"


def test_changes_told_unasked() -> None:
    assert replies.automatic(b"\x10\x00\x00\x00").words == "told unasked: well"
    told = replies.automatic(b"\x38\x08\x0c\x00")
    assert told.words == "told unasked: offline and cover open, cutter error, paper out"


def test_the_full_status() -> None:
    told = replies.full(b"\x10\x0f\x05\x02\x41\x01")
    assert told.frame == {"paper": 5, "user": 2, "recoverable": 0x41, "unrecoverable": 1}
    assert told.decoded["means"] == (
        "paper out and near end, cover open, print head too hot and paper jam, cutter error"
    )
    assert replies.full_cut_short(b"\x10\x0f").fault == "a full status is six bytes, not 2"


@pytest.mark.parametrize(
    ("data", "are"), [("00", True), ("01", True), ("40", False), ("1200", True), ("0000", False), ("1201", False)]
)
def test_which_bytes_answer_something(data: str, are: bool) -> None:
    assert replies.are_answers(bytes.fromhex(data)) is are


def test_what_is_no_answer_says_why() -> None:
    assert replies.refused(b"\x81").fault == (
        "81 is no status (bits 1 and 4 set, 0 and 7 clear) and answers nothing that was asked"
    )
