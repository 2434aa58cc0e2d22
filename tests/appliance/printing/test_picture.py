"""Pictures out of PBM files."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.printing.picture import read_picture
from hardware.slip import Picture


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_both_forms_are_read_alike() -> None:
    digits = b"P1\n# made by hand\n9 2\n1 0 1 0 1 0 1 0 1\n# and\n000000001"
    packed = b"P4 9 2\n\xaa\x80\x00\x80"
    assert read_picture(text(digits)) == read_picture(text(packed)) == Picture(width=9, rows=(b"\xaa\x80", b"\x00\x80"))


def test_what_lies_beyond_the_right_edge_is_white() -> None:
    assert read_picture(text(b"P4 4 1\n\xff")).rows == (b"\xf0",)


@given(st.integers(1, 40), st.integers(1, 20), st.data())
def test_every_picture_comes_out_as_it_was(width: int, height: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.sampled_from("01"), min_size=width * height, max_size=width * height))
    picture = read_picture(text(f"P1 {width} {height}\n{''.join(bits)}".encode()))
    drawn = "".join(f"{int.from_bytes(row, 'big'):0{len(row) * 8}b}"[:width] for row in picture.rows)
    assert drawn == "".join(bits)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("P4", "is not Base64"),
        ("", "is not a PBM file"),
        (text(b"\x89PNG\r\n\x1a\n"), "this is PNG"),
        (text(b"\xff\xd8\xff\xe0"), "this is JPEG"),
        (text(b"P5 1 1 255\n\x00"), "grey PGM"),
        (text(b"P4 0 1\n"), "is 0 by 1 dots; right would be at most 1024 by 4096"),
        (text(b"P4 99999 1\n"), "99999 by 1"),
        (text(b"P4 999999999999 1\n"), "is not a PBM file"),
        (text(b"P4 9 2\n\xaa\x80\x00"), "breaks off: 9 by 2 dots are 4 bytes, not 3"),
        (text(b"P1 2 2\n101"), "breaks off: 2 by 2 dots are 4 digits, not 3"),
        (text(b"P1 2 2\n1021"), "other digits"),
        (text(b"P4 1"), "is not a PBM file"),
    ],
)
def test_mistakes_in_words(given: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"is|breaks|holds") as wrong:
        read_picture(given)
    assert words in str(wrong.value)


@given(st.binary(max_size=60))
def test_no_file_does_worse_than_being_refused(data: bytes) -> None:
    try:
        picture = read_picture(text(b"P4 " + data))
    except ValueError:
        return
    assert {len(row) for row in picture.rows} == {(picture.width + 7) // 8}
