"""What stands on a slip of paper, for any printer: text, codes, pictures, and where it is cut.

A `Slip` is a plain value; what a device cannot print (a letter its code pages lack, a picture that is too wide) is
refused before the first byte, by name. A marked copy of a slip says so above and below, and opens no drawer.
"""

from enum import StrEnum

import msgspec


class Align(StrEnum):
    """Where a line stands."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """One or more lines of text (line feeds in it begin new ones). A line that is too long is cut at a space."""

    text: str
    align: Align = Align.LEFT
    bold: bool = False
    underline: bool = False
    invert: bool = False
    width: int = 1  # 1 to 8 times
    height: int = 1


class QrCode(msgspec.Struct, frozen=True, kw_only=True, tag="qr"):
    """A QR code made by the printer itself."""

    content: str
    module: int = 4  # dots a module, 1 to 16
    correction: str = "M"  # L, M, Q or H
    align: Align = Align.CENTER


class Barcode(msgspec.Struct, frozen=True, kw_only=True, tag="barcode"):
    """A one-dimensional code. `symbology`: ean13, ean8 (their check digit may be left out), code39, code128."""

    content: str
    symbology: str = "ean13"
    height: int = 80  # dots, 1 to 255
    align: Align = Align.CENTER


class Picture(msgspec.Struct, frozen=True, kw_only=True, tag="picture"):
    """Black and white dots: each row is ceil(width / 8) bytes, the leftmost dot the highest bit, 1 is black."""

    width: int
    rows: tuple[bytes, ...]
    align: Align = Align.CENTER


class Feed(msgspec.Struct, frozen=True, kw_only=True, tag="feed"):
    """Empty lines, 255 at most."""

    lines: int = 1


class Cut(msgspec.Struct, frozen=True, kw_only=True, tag="cut"):
    """Cut the paper, fed to the knife; whole or but for a bridge."""

    partial: bool = True


class OpenDrawer(msgspec.Struct, frozen=True, kw_only=True, tag="drawer"):
    """A pulse on the drawer's pin 2 or 5."""

    pin: int = 2


Element = Text | QrCode | Barcode | Picture | Feed | Cut | OpenDrawer


class Slip(msgspec.Struct, frozen=True):
    """From top to bottom."""

    elements: tuple[Element, ...]


def pair(left: str, right: str, columns: int) -> Text:
    """A name and a figure, at either end of a line; on two lines where one is too short."""
    gap = columns - len(left) - len(right)
    if gap >= 1:
        return Text(text=f"{left}{' ' * gap}{right}")
    return Text(text=f"{left}\n{right:>{columns}}")


def lines(*texts: str, cut: bool = True) -> Slip:
    """A slip of plain lines."""
    body: tuple[Element, ...] = tuple(Text(text=text) for text in texts)
    return Slip((*body, Feed(lines=3), Cut()) if cut else body)
