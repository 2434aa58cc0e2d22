"""Slips as bytes, against python-escpos (its Dummy printer) as an independent reference."""

import warnings
from typing import Any

import pytest
from PIL import Image

from hardware.errors import Refused
from hardware.escpos.commands import decode
from hardware.escpos.profiles import PROFILES, profile
from hardware.escpos.render import render, wrap
from hardware.slip import Align, Barcode, Cut, Element, Feed, OpenDrawer, Picture, QrCode, Slip, Text

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from escpos.printer import Dummy

EPSON = PROFILES["epson"]
START = b"\x1b@"


def ours(*elements: Element, **options: Any) -> bytes:
    data = b"".join(render(Slip(elements), options.pop("model", EPSON), **options))
    assert data.startswith(START)
    return data.removeprefix(START)


@pytest.fixture
def theirs() -> Any:
    return Dummy(profile="TM-T88V")


def test_a_line_of_text(theirs: Any) -> None:
    # Theirs chooses code page 0 for plain ASCII; ours leaves the page alone, as every page has ASCII.
    theirs.text("Total 100\n")
    assert b"\x1bt\x00" + ours(Text(text="Total 100")) == theirs.output


@pytest.mark.parametrize("align", list(Align))
def test_alignment(theirs: Any, align: Align) -> None:
    theirs.set(align=align.value)
    theirs.textln("x")
    # Ours sends only what differs from ESC @: left is as it was.
    expected = theirs.output.replace(b"\x1bt\x00", b"")
    assert ours(Text(text="x", align=align)) == (expected if align is not Align.LEFT else b"x\n")


def test_styles(theirs: Any) -> None:
    theirs.set(bold=True)
    theirs.set(underline=1)
    theirs.set(invert=True)
    theirs.set(custom_size=True, width=3, height=4)
    theirs.textln("x")
    expected = theirs.output.replace(b"\x1bt\x00", b"")
    assert ours(Text(text="x", bold=True, underline=True, invert=True, width=3, height=4)) == expected


def test_styles_are_taken_back_for_the_next_line() -> None:
    data = ours(Text(text="a", bold=True, width=2), Text(text="b"), Text(text="c"))
    assert data == b"\x1bE\x01\x1d!\x10a\n\x1bE\x00\x1d!\x00b\nc\n"


def test_cyrillic_and_the_euro(theirs: Any) -> None:
    theirs.charcode("CP866")
    theirs.text("Чек")
    theirs.charcode("CP858")
    theirs.text("€\n")
    # Theirs was told which pages to take; ours finds one that has all.
    assert ours(Text(text="Чек€")) == b"\x1bt\x2e" + "Чек€".encode("cp1251") + b"\n"
    only = profile("epson", code_pages={17: "cp866", 19: "cp858"})
    assert ours(Text(text="Чек€"), model=only) == theirs.output


@pytest.mark.parametrize(("module", "correction"), [(3, "H"), (7, "L"), (16, "Q"), (1, "M")])
def test_qr(theirs: Any, module: int, correction: str) -> None:
    theirs.qr("1234", ec="LMQH".index(correction), size=module, native=True)
    # Theirs feeds a line behind the code when it is centred; ours feeds none, a QR code ends its own line.
    assert ours(QrCode(content="1234", module=module, correction=correction, align=Align.LEFT)) == theirs.output


def test_qr_in_utf8(theirs: Any) -> None:
    theirs.qr("сумма=1", ec=1, size=4, native=True)
    assert ours(QrCode(content="сумма=1", align=Align.LEFT)) == theirs.output


@pytest.mark.parametrize(
    ("symbology", "content"), [("EAN13", "4006381333931"), ("EAN8", "40170725"), ("CODE39", "A-1 B")]
)
def test_bar_codes(theirs: Any, symbology: str, content: str) -> None:
    theirs.barcode(content, symbology, height=64, width=2, pos="BELOW", font="A", function_type="A")
    assert ours(Barcode(content=content, symbology=symbology.lower(), height=64)) == theirs.output


def test_code128(theirs: Any) -> None:
    theirs.barcode("{Bno 17", "CODE128", height=64, width=2, pos="BELOW", font="A", function_type="B")
    # Theirs takes the choice of the set from its caller; ours always writes it.
    assert ours(Barcode(content="no 17", symbology="code128", height=64)) == theirs.output


def test_a_picture(theirs: Any) -> None:
    image = Image.new("1", (16, 3), 1)
    for x, y in ((0, 0), (9, 1), (15, 2)):
        image.putpixel((x, y), 0)
    theirs.image(image, impl="bitImageRaster")
    rows = (b"\x80\x00", b"\x00\x40", b"\x00\x01")
    assert ours(Picture(width=16, rows=rows, align=Align.LEFT)) == theirs.output


def test_a_long_picture_in_strips(theirs: Any) -> None:
    image = Image.new("1", (8, 10), 0)
    theirs.image(image, impl="bitImageRaster", fragment_height=4)
    assert ours(Picture(width=8, rows=(b"\xff",) * 10, align=Align.LEFT), block_bytes=12) == theirs.output


def test_cuts(theirs: Any) -> None:
    theirs.cut(feed=False)
    assert ours(Cut()) == theirs.output  # GS V 66 0: feed to the knife and cut
    assert ours(Cut(partial=False)) == b"\x1dV\x41\x00"  # theirs feeds six lines and then cuts where it stands


@pytest.mark.parametrize("pin", [2, 5])
def test_drawer(theirs: Any, pin: int) -> None:
    theirs.cashdraw(pin)
    assert ours(OpenDrawer(pin=pin)) == theirs.output


def test_feed(theirs: Any) -> None:
    theirs.print_and_feed(3)
    assert ours(Feed(lines=3)) == theirs.output
    assert ours(Feed(lines=0)) == b""


def test_init(theirs: Any) -> None:
    theirs.hw("INIT")
    assert b"".join(render(Slip(()), EPSON)) == theirs.output
    # Clones for China start with two-byte letters on.
    assert b"".join(render(Slip(()), PROFILES["generic"])) == b"\x1b@\x1c."


def test_a_copy_says_so_above_and_below_and_opens_no_drawer() -> None:
    data = ours(Text(text="A"), OpenDrawer(), Feed(), Cut(), copy_words="COPY")
    mark = b"\x1ba\x01\x1bE\x01\x1d!\x11COPY\n"
    plain = b"\x1ba\x00\x1bE\x00\x1d!\x00"
    assert data == mark + plain + b"A\n" + mark + b"\x1bd\x01" + b"\x1dVB\x00"


def test_blocks_end_where_commands_end_and_are_as_long_as_they_may() -> None:
    slip = Slip((*(Text(text=f"line {n}") for n in range(100)), QrCode(content="x" * 300), Cut()))
    blocks = render(slip, EPSON, block_bytes=64)
    assert all(len(block) <= 64 or b"x" * 300 in block for block in blocks)
    for block in blocks:
        at = 0
        while at < len(block):
            if block[at] >= 0x20:
                at += 1
                continue
            found = decode(block, at)
            assert isinstance(found, tuple), block
            at = found[1]


@pytest.mark.parametrize(
    ("line", "columns", "parts"),
    [
        ("short", 10, ["short"]),
        ("", 10, [""]),
        ("one two three", 8, ["one two", "three"]),
        ("one two", 7, ["one two"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("    x    12345", 8, ["    x   ", "12345"]),
    ],
)
def test_long_lines_are_cut_at_spaces(line: str, columns: int, parts: list[str]) -> None:
    assert wrap(line, columns) == parts


@pytest.mark.parametrize(
    ("element", "words"),
    [
        (Text(text="日"), "no '日' (U+65E5)"),
        (Text(text="a\x1bb"), "U+001B"),
        (Text(text="x", width=9), "1 to 8 times"),
        (QrCode(content=""), "1 to 1020 bytes, not 0"),
        (QrCode(content="x" * 1021), "not 1021"),
        (QrCode(content="x", module=17), "not 17"),
        (QrCode(content="x", correction="X"), "L, M, Q or H"),
        (Barcode(content="4006381333930"), "check digit of 4006381333930 is 1"),
        (Barcode(content="12"), "EAN13 is 12 or 13 digits"),
        (Barcode(content="x", symbology="pdf417"), "pdf417"),
        (Barcode(content="a", symbology="code39"), "CODE39 has no 'a'"),
        (Barcode(content="ю", symbology="code128"), "CODE128 has no 'ю'"),
        (Barcode(content="", symbology="code128"), "CODE128 holds"),
        (Barcode(content="400638133393", height=0), "1 to 255 dots high"),
        (Picture(width=600, rows=()), "1 to 512 dots wide"),
        (Picture(width=9, rows=(b"\0",)), "row 1 has 1 bytes"),
        (Feed(lines=256), "0 to 255 lines"),
        (OpenDrawer(pin=3), "pin 2 or 5"),
    ],
)
def test_what_cannot_be_printed_is_refused_by_name(element: Element, words: str) -> None:
    with pytest.raises(Refused) as refused:
        render(Slip((element,)), EPSON)
    assert words in str(refused.value)


def test_a_model_without_qr_codes_refuses_them() -> None:
    from dataclasses import replace

    with pytest.raises(Refused, match="makes no QR codes"):
        render(Slip((QrCode(content="x"),)), replace(EPSON, qr=False))
