"""A request's JSON as a slip, and every mistake by its path."""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.printing.reading import MARGIN, Misread, Wanted, marked, plain, read_request
from hardware.roles import Paper
from hardware.slip import Align, Barcode, Cut, Feed, OpenDrawer, Picture, QrCode, Slip, Text

PAPER = Paper(20)


def read(**body: Any) -> Wanted:
    return read_request(msgspec.json.encode(body), PAPER)


def wrong(**body: Any) -> list[str]:
    with pytest.raises(Misread) as misread:
        read(**body)
    return misread.value.mistakes


def test_plain_lines_are_no_template() -> None:
    lines = ["# Сәлем", "{x} | !cut", "---"]
    assert read(lines=lines).slip == Slip((*(Text(text=line) for line in lines), MARGIN, Cut()))


def test_a_template_with_values() -> None:
    assert read(template="= {a}", values={"a": "Қайырлы күн"}, cut=False).slip == Slip(
        (Text(text="Қайырлы күн", align=Align.CENTER),)
    )


def test_elements() -> None:
    logo = base64.b64encode(b"P4 8 1\n\xff").decode()
    wanted = read(
        elements=[
            {"type": "text", "text": "a", "align": "center", "bold": True, "width": 2},
            {"type": "pair", "left": "Итого", "right": "15"},
            {"type": "rule"},
            {"type": "rule", "letter": "="},
            {"type": "qr", "content": "x", "module": 6},
            {"type": "barcode", "content": "A", "symbology": "code39"},
            {"type": "image", "data": logo, "align": "left"},
            {"type": "feed", "lines": 2},
            {"type": "drawer"},
            {"type": "cut", "partial": False},
        ],
        action="print",
    )
    assert wanted.slip == Slip((
        Text(text="a", align=Align.CENTER, bold=True, width=2), Text(text="Итого             15"), Text(text="-" * 20),
        Text(text="=" * 20), QrCode(content="x", module=6), Barcode(content="A", symbology="code39"),
        Picture(width=8, rows=(b"\xff",), align=Align.LEFT), Feed(lines=2), OpenDrawer(), Cut(partial=False),
    ))  # fmt: skip


def test_where_it_is_cut() -> None:
    assert read(lines=["a"], cut="full").slip == Slip((Text(text="a"), MARGIN, Cut(partial=False)))
    assert read(lines=["a"], cut=False).slip == Slip((Text(text="a"),))
    assert read(template="a\n!cut").slip == Slip((Text(text="a"), Cut())), "once is enough"


def test_columns_of_the_request() -> None:
    assert read(template="a | b", columns=10, cut=False).slip == Slip((Text(text="a        b"),))


def test_copies() -> None:
    assert read(lines=["a"], copy=True).copy
    assert read(copy_of="request-1") == Wanted(copy=True, copy_of="request-1")
    assert read(copy_of="request-1", copy=True) == Wanted(copy=True, copy_of="request-1")


def test_a_copy_is_marked_and_opens_no_drawer() -> None:
    copy = marked(Slip((OpenDrawer(), Text(text="a"), Feed(lines=3), Cut())))
    words = [each.text for each in copy.elements if isinstance(each, Text)]
    assert words == ["КОПИЯ", "a", "КОПИЯ"]
    assert copy.elements[-2:] == (Feed(lines=3), Cut())
    assert not any(isinstance(each, OpenDrawer) for each in copy.elements)


def test_plain_slips_hold_letters_alone() -> None:
    assert plain(["a\x1b@\nb", "ү"]).elements[:2] == (Text(text="a@b"), Text(text="ү"))


def test_what_callers_add_for_themselves_is_passed_over() -> None:
    assert read(lines=["a"], order_id="1", comment="x").slip is not None


@pytest.mark.parametrize(
    ("body", "mistakes"),
    [
        ({}, ["there is nothing to print; right would be one of lines, template, elements"]),
        ({"lines": [], "template": ""}, ["there is lines and template; right would be one of"]),
        ({"lines": []}, ["lines: there is nothing to print"]),
        ({"template": "!cut\n!feed 2"}, ["template: there is nothing to print"]),
        ({"lines": "a"}, ["lines: right would be a list"]),
        ({"lines": ["a", 5, "b\x00"]}, ["lines[1]: right would be a text", "lines[2]: U+0000"]),
        ({"template": 5}, ["template: right would be a text"]),
        ({"template": "!cutt\n{a}"}, ["template, line 1: there is no !cutt", "template, line 2: {a} has no value"]),
        ({"template": "{a}", "values": {"a": 1.5}}, ["values.a: right would be a text or a whole number"]),
        ({"template": "a", "values": []}, ["values: right would be an object"]),
        ({"lines": ["a"], "values": {"a": "b"}}, ["values: are filled into a template"]),
        ({"lines": ["a"], "columns": 7, "cut": "no", "copy": "yes"}, ["copy: right", "columns: right", "cut: right"]),
        ({"lines": ["a"], "columns": True}, ["columns: right"]),
        ({"lines": ["a"], "cut": 1}, ["cut: right"]),
        ({"lines": ["a"], "coppy": True}, ["coppy: is not known; did you mean copy?"]),
        ({"lines": ["a"], "action": "dance"}, ["action: 'dance' is none of print"]),
        ({"elements": {}}, ["elements: right would be a list"]),
        ({"elements": ["a"]}, ["elements[0]: right would be an object"]),
        ({"elements": [{"type": "txt"}]}, ["elements[0]: type: 'txt' is none of text, pair"]),
        ({"elements": [{}]}, ["elements[0]: type: '' is none of"]),
        (
            {"elements": [{"type": "text"}, {"type": "text", "text": 5}, {"type": "qr", "content": "x", "size": 3}]},
            ["elements[0]: Object missing required field `text`", "elements[1]: text: Expected `str`, got `int`",
             "elements[2]: size: is no field of qr; there are content, module, correction, align"],
        ),
        ({"elements": [{"type": "text", "text": "a", "align": "middle"}]}, ["elements[0]: align: Invalid enum value"]),
        ({"elements": [{"type": "text", "text": "a", "width": 9}]}, ["elements[0]: letters are 1 to 8 times"]),
        ({"elements": [{"type": "image", "data": "P4"}]}, ["elements[0]: data: is not Base64"]),
        ({"elements": [{"type": "pair", "left": "a\n", "right": "b"}]}, ["elements[0]: left and right are of one"]),
        ({"elements": [{"type": "rule", "letter": "--"}]}, ["elements[0]: letter: right"]),
        ({"elements": [{"type": "drawer", "pin": 3}]}, ["elements[0]: a drawer hangs on pin 2 or 5"]),
        ({"lines": ["x" * 2000] * 17}, ["lines: are 34000 letters; right would be at most 32000"]),
        ({"copy_of": 5}, ["copy_of: right would be the request id"]),
        ({"copy_of": "a", "lines": ["x"]}, ["copy_of: what stands on a copy is known; right would be no lines"]),
        ({"copy_of": "a", "copy": False}, ["copy: what is printed again is always marked"]),
    ],
)  # fmt: skip
def test_every_mistake_by_its_path(body: dict[str, Any], mistakes: list[str]) -> None:
    found = wrong(**body)
    assert len(found) == len(mistakes), found
    for each, words in zip(found, mistakes, strict=True):
        assert each.startswith(words)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'{"lines": ["\xff"]}'])
def test_what_is_no_object(body: bytes) -> None:
    with pytest.raises(Misread):
        read_request(body, PAPER)


def test_a_flood_of_mistakes_is_cut_short() -> None:
    found = wrong(lines=[5] * 500)
    assert len(found) == 21
    assert found[-1] == "and 480 more"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["lines", "template", "elements", "values", "columns", "cut", "copy", "copy_of", "action"])


@given(st.dictionaries(FIELDS, JSON, max_size=5))
def test_no_json_does_worse_than_being_refused(body: dict[str, Any]) -> None:
    try:
        wanted = read_request(msgspec.json.encode(body), PAPER)
    except Misread:
        return
    assert (wanted.slip is None) == bool(wanted.copy_of)
