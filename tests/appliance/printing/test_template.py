"""The language of slips: what each line becomes, and every mistake with its line."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.printing.template import read_template
from hardware.errors import Refused
from hardware.escpos.profiles import PROFILES
from hardware.escpos.render import render
from hardware.roles import Paper
from hardware.slip import Align, Barcode, Cut, Element, Feed, OpenDrawer, Picture, QrCode, Slip, Text

PAPER = Paper(20)
PBM = base64.b64encode(b"P4\n# a comment\n10 2\n\xff\xff\x80\x00").decode()


def read(text: str, paper: Paper = PAPER, **values: object) -> list[Element]:
    elements, mistakes = read_template(text, values, paper)
    assert mistakes == []
    return elements


def mistakes(text: str, **values: object) -> list[str]:
    return read_template(text, values, PAPER)[1]


@pytest.mark.parametrize(
    ("line", "element"),
    [
        ("Сәлем, Қазақстан", Text(text="Сәлем, Қазақстан")),
        ("", Text(text="")),
        ("   kept  ", Text(text="   kept  ")),
        ("# big", Text(text="big", width=2, height=2)),
        ("## high", Text(text="high", height=2)),
        ("= middle", Text(text="middle", align=Align.CENTER)),
        ("> right", Text(text="right", align=Align.RIGHT)),
        ("< left", Text(text="left")),
        ("= # **all of it**", Text(text="all of it", align=Align.CENTER, bold=True, width=2, height=2)),
        ("# = in any order", Text(text="in any order", align=Align.CENTER, width=2, height=2)),
        ("__under__", Text(text="under", underline=True)),
        ("**__both__**", Text(text="both", bold=True, underline=True)),
        ("---", Text(text="-" * 20)),
        ("=====", Text(text="=" * 20)),
        ("# ---", Text(text="-" * 10, width=2, height=2)),
        ("Итого | 1500", Text(text="Итого           1500")),
        ("**Итого | 1500**", Text(text="Итого           1500", bold=True)),
        ("# Sum | 15", Text(text="Sum     15", width=2, height=2)),
        ("a long name of a thing | 1500", Text(text="a long name of a thing\n                1500")),
        ("!qr https://kiosk.example/1?a=b c", QrCode(content="https://kiosk.example/1?a=b c")),
        ("> !qr size=6 correction=H x", QrCode(content="x", module=6, correction="H", align=Align.RIGHT)),
        ("!barcode ean13 4600051000057", Barcode(content="4600051000057")),
        ("!barcode height=40 code128 A-1 b", Barcode(content="A-1 b", symbology="code128", height=40)),
        (f"!image {PBM}", Picture(width=10, rows=(b"\xff\xc0", b"\x80\x00"))),
        (f"< !image {PBM}", Picture(width=10, rows=(b"\xff\xc0", b"\x80\x00"), align=Align.LEFT)),
        ("!feed", Feed()),
        ("!feed 12", Feed(lines=12)),
        ("!cut", Cut()),
        ("!cut full", Cut(partial=False)),
        ("!drawer", OpenDrawer()),
        ("!drawer 5", OpenDrawer(pin=5)),
    ],
)
def test_what_a_line_becomes(line: str, element: Element) -> None:
    assert read(line) == [element]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (r"\# not big", "# not big"),
        (r"\= \> \---", "= > ---"),
        (r"\!qr x", "!qr x"),
        (r"a \| b", "a | b"),
        (r"\{name\}", "{name}"),
        (r"\**stars**", "**stars**"),
        (r"C:\dir \x \\", "C:\\dir \\x \\"),
        ("#hash", "#hash"),
        ("=", "="),
        ("a|b", "a|b"),
        ("4400 **** **** 1234", "4400 **** **** 1234"),
        ("****", "****"),
        ("!!! Акция !!!", "!!! Акция !!!"),
        ("--", "--"),
    ],
)
def test_ordinary_letters_stay(line: str, text: str) -> None:
    assert read(line) == [Text(text=text)]


def test_lines_end_in_either_way_and_the_last_may_be_open() -> None:
    assert read("a\r\nb\n") == read("a\nb") == [Text(text="a"), Text(text="b")]


def test_values_are_filled_in() -> None:
    elements = read(
        "= {гость}\n{what} | {sum}\n!qr {url}\n!barcode ean13 {code}\n!image {logo}\n{lines}",
        гость="Айгүл", what="Кофе", sum=500, url="https://a/?b=c d", code="460005100005", logo=PBM, lines="one\ntwo",
    )  # fmt: skip
    assert elements == [
        Text(text="Айгүл", align=Align.CENTER),
        Text(text="Кофе             500"),
        QrCode(content="https://a/?b=c d"),
        Barcode(content="460005100005"),
        Picture(width=10, rows=(b"\xff\xc0", b"\x80\x00")),
        Text(text="one\ntwo"),
    ]


HOSTILE = [
    "# big", "= x", "> x", "---", "**b**", "__u__", "a | b", "!cut", "!drawer", "!qr x", "{name}", "{other}", "\\",
    "\\{", "size=9 x", "< # > = x", "\\# x", " | ", "ean13 1",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_never_read_as_template(value: str) -> None:
    assert read("{name}", name=value, other="x") == [Text(text=value)]
    assert read("= {name}", name=value, other="x") == [Text(text=value, align=Align.CENTER)]
    assert read("!qr {name}", name=value, other="x") == [QrCode(content=value)]
    assert read("**{name}**", name=value, other="x") == [Text(text=value, bold=True)]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=30))
def test_no_value_is_ever_read_as_template(value: str) -> None:
    assert read("{v}", v=value) == [Text(text=value)]
    assert read("!qr -{v}", v=value) == [QrCode(content=f"-{value}")]


@given(st.text(max_size=200))
def test_no_template_raises_and_what_is_well_is_printable(text: str) -> None:
    elements, found = read_template(text, {"a": "b"}, PAPER)
    if not found:
        codes = []
        try:
            assert render(Slip(tuple(elements)), PROFILES["epson"])
        except Refused as refused:
            codes.append(refused.code)
        assert codes in ([], ["letter"]), "only the printer knows its letters"


@given(st.text(max_size=100))
def test_whatever_is_escaped_is_as_it_was(text: str) -> None:
    line = "".join(letter for letter in text if letter.isprintable())
    escaped = "".join(f"\\{letter}" if letter in "\\#=><|{}*_!-" else letter for letter in line)
    assert read(escaped) == [Text(text=line)]


def test_a_pair_is_laid_out_by_what_comes_out_on_paper() -> None:
    """A printer without the tenge sign prints two letters for it."""
    paper = Paper(20, {"₸": "тг", "…": "..."})
    (text,) = read("Итого | 1500 ₸", paper)
    assert isinstance(text, Text)
    assert paper.letters(text.text) == 20
    assert text.text.endswith("1500 ₸")
    (text,) = read("Итого за всё… | 1500 ₸", paper)
    assert isinstance(text, Text)
    assert text.text == "Итого за всё…\n             1500 ₸"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("!qrr x", "there is no !qrr; did you mean !qr?"),
        ("!shout x", "there is no !shout; there are !qr, !barcode"),
        ("!qr", "a QR code holds 1 to 1000 bytes, not 0"),
        ("!qr size=20 x", "1 to 16 dots, not 20"),
        ("!qr size=x y", "size= is a whole number, not 'x'"),
        ("!qr level=H x", "!qr has no level=; there is size=, correction="),
        ("!qr correction=X x", "L, M, Q or H, not 'X'"),
        ("!barcode 4600051000057", "right would be !barcode ean13"),
        ("!barcode ean12 4600051000057", "'ean12' is none of ean13, ean8, code39, code128; did you mean ean1"),
        ("!barcode ean13 4600051000058", "the check digit of 4600051000058 would be 7"),
        ("!barcode ean8 12", "EAN8 is 7 or 8 digits"),
        ("!barcode code39 abc", "code39 has no 'a'"),
        ("!barcode height=0 code39 A", "1 to 255 dots high"),
        ("!image ???", "!image: is not Base64"),
        ("!image iVBORw0KGgo=", "this is PNG"),
        ("!feed 0", "1 to 255 lines can be fed, not 0"),
        ("!feed x", "the lines is a whole number"),
        ("!cut half", "'half' is neither full nor partial"),
        ("!drawer 3", "pin 2 or 5"),
        ("= !cut", "!cut has no place"),
        ("# !qr x", "!qr has no size"),
        ("a | b | c", "has 3 columns; right would be two"),
        ("= a | b", "a pair stands at both ends"),
        ("{nobody}", "{nobody} has no value; right would be values.nobody"),
        ("{nam}", "{nam} has no value; did you mean {name}?"),
        ("{a b}", "{a b} is no name of a value; right would be \\{"),
        ("{}", "{} is no name"),
        ("a { b", "a brace stands alone"),
        ("a } b", "a brace stands alone"),
        ("a\x07b", "U+0007 is no letter"),
        ("a\ufdd0b", "U+FDD0 is no letter"),
        ("x" * 2001, "longer than 2000 letters"),
    ],
)
def test_mistakes_in_words(line: str, words: str) -> None:
    (found,) = mistakes(f"fine\n{line}\nfine", name="x")
    assert found.startswith("line 2: ")
    assert words in found


def test_every_mistake_at_once() -> None:
    assert [found.split(":")[0] for found in mistakes("{a}\nok\n!feed 999\n!qr\n{v} {w}", v=True, w=1.5)] == [
        "values.v", "values.w", "line 1", "line 3", "line 4",
    ]  # fmt: skip


def test_a_pair_cannot_hold_lines() -> None:
    assert "one line" in mistakes("{a} | b", a="x\ny")[0]


def test_too_many_lines() -> None:
    assert mistakes("\n" * 2000) == ["has 2000 lines; right would be at most 1000"]
