"""What may stand on a slip, with its limits, whoever asks for it: a template or a list of elements. Pure."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from appliance.printing.picture import read_picture
from hardware.roles import Paper
from hardware.slip import Align, Barcode, Cut, Element, Feed, OpenDrawer, QrCode, Text, pair

ELEMENTS_MAX = 1000
TEXT_MAX = 2000  # letters in one text
SLIP_MAX = 32_000  # letters on a slip, which is some sixty metres
CONTENT_MAX = 1000  # bytes in a QR code; small printers take no more
_CODE39 = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%+-./")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef]")  # all but the tab and the line feed
_SYMBOLOGIES = ("ean13", "ean8", "code39", "code128")


def wrong_letters(text: str) -> str:
    """Which letter of a text is none; empty: all are letters."""
    found = _CONTROLS.search(text)
    return f"U+{ord(found[0]):04X} is no letter" if found else ""


def wrong_text(text: str) -> str:
    """What is wrong with a text; empty: nothing."""
    return wrong_letters(text) or (f"is longer than {TEXT_MAX} letters" if len(text) > TEXT_MAX else "")


def wrong_with(element: Element) -> str:
    """What is wrong with it; empty: nothing that can be known before a printer is asked."""
    match element:
        case Text(text=text, width=width, height=height):
            if not (1 <= width <= 8 and 1 <= height <= 8):
                return f"letters are 1 to 8 times as large, not {width} by {height}"
            return wrong_text(text)
        case QrCode():
            return _wrong_qr(element)
        case Barcode(content=content, symbology=symbology, height=height):
            if not 1 <= height <= 255:
                return f"a bar code is 1 to 255 dots high, not {height}"
            return _wrong_bars(symbology, content)
        case Feed(lines=lines) if not 1 <= lines <= 255:
            return f"1 to 255 lines can be fed, not {lines}"
        case OpenDrawer(pin=pin) if pin not in (2, 5):
            return f"a drawer hangs on pin 2 or 5, not {pin}"
    return ""


def sides(left: str, right: str, paper: Paper, *, width: int = 1) -> str:
    """The text of a pair: a name and a figure at either end of a line, whatever the printer makes of their letters."""
    spread = pair("x" * paper.letters(left), "x" * paper.letters(right), paper.columns // width)
    gap = spread.text.count(" ") if "\n" not in spread.text else None
    if gap is not None:
        return f"{left}{' ' * gap}{right}"
    before = max(0, paper.columns // width - paper.letters(right))
    return f"{left}\n{' ' * before}{right}"


def rule(letter: str, paper: Paper, *, width: int = 1) -> str:
    """A line across the paper."""
    return letter * (paper.columns // width)


def read_element(given: object, paper: Paper) -> Element:
    """One of a request's `elements`. Raises `ValueError` in words."""
    if not isinstance(given, dict):
        raise ValueError('right would be an object such as {"type": "text", "text": "…"}')  # noqa: TRY004
    kind = str(given.get("type", ""))
    if kind not in _KINDS:
        near = difflib.get_close_matches(kind, _KINDS, n=1)
        raise ValueError(f"type: {kind[:40]!r} is none of {', '.join(_KINDS)}{_meant(near)}")
    fields = {name: value for name, value in given.items() if name != "type"}
    wanted, make = _KINDS[kind]
    known = [field.name for field in msgspec.structs.fields(wanted)]
    for name in fields:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            raise ValueError(
                f"{str(name)[:40]}: is no field of {kind}; there are {', '.join(known) or 'none'}{_meant(near)}"
            )
    try:
        element = make(msgspec.convert(fields, wanted), paper)
    except msgspec.ValidationError as error:
        words, _, where = str(error).partition(" - at `$.")
        raise ValueError(f"{where.removesuffix('`')}: {words}" if where else words) from None
    if words := wrong_with(element):
        raise ValueError(words)
    return element


class _Pair(msgspec.Struct):
    left: str
    right: str
    bold: bool = False


class _Rule(msgspec.Struct):
    letter: str = "-"


class _Image(msgspec.Struct):
    data: str
    align: Align = Align.CENTER


def _make_pair(given: _Pair, paper: Paper) -> Element:
    if words := wrong_text(given.left) or wrong_text(given.right):
        raise ValueError(words)
    if "\n" in given.left + given.right or "\t" in given.left + given.right:
        raise ValueError("left and right are of one line each, without tabs")
    return Text(text=sides(given.left, given.right, paper), bold=given.bold)


def _make_rule(given: _Rule, paper: Paper) -> Element:
    if len(given.letter) != 1 or not given.letter.isprintable():
        raise ValueError("letter: right would be one letter, such as -")
    return Text(text=rule(given.letter, paper))


def _make_image(given: _Image, _paper: Paper) -> Element:
    try:
        return read_picture(given.data, given.align)
    except ValueError as error:
        raise ValueError(f"data: {error}") from None


def _as_it_is(given: Any, _paper: Paper) -> Element:
    element: Element = given
    return element


_KINDS: Mapping[str, tuple[type[msgspec.Struct], Callable[[Any, Paper], Element]]] = {
    "text": (Text, _as_it_is),
    "pair": (_Pair, _make_pair),
    "rule": (_Rule, _make_rule),
    "qr": (QrCode, _as_it_is),
    "barcode": (Barcode, _as_it_is),
    "image": (_Image, _make_image),
    "feed": (Feed, _as_it_is),
    "cut": (Cut, _as_it_is),
    "drawer": (OpenDrawer, _as_it_is),
}


def _meant(near: list[str]) -> str:
    return f"; did you mean {near[0]}?" if near else ""


def _wrong_qr(code: QrCode) -> str:
    size = len(code.content.encode())
    if not 1 <= size <= CONTENT_MAX:
        return f"a QR code holds 1 to {CONTENT_MAX} bytes, not {size}"
    if not 1 <= code.module <= 16:
        return f"a module of a QR code is 1 to 16 dots, not {code.module}"
    if code.correction not in ("L", "M", "Q", "H"):
        return f"the correction of a QR code is L, M, Q or H, not {code.correction[:20]!r}"
    return wrong_text(code.content)


def _wrong_bars(symbology: str, content: str) -> str:
    match symbology:
        case "ean13" | "ean8":
            return _wrong_ean(content, 13 if symbology == "ean13" else 8)
        case "code39":
            wrong = sorted(set(content) - _CODE39)
        case "code128":
            wrong = sorted(letter for letter in set(content) if not " " <= letter <= "~")
        case _:
            near = difflib.get_close_matches(symbology, _SYMBOLOGIES, n=1)
            return f"{symbology[:40]!r} is none of {', '.join(_SYMBOLOGIES)}{_meant(near)}"
    if wrong:
        return f"{symbology} has no {wrong[0]!r}"
    return "" if 1 <= len(content) <= 200 else f"{symbology} holds 1 to 200 letters, not {len(content)}"


def _wrong_ean(content: str, digits: int) -> str:
    if not (content.isascii() and content.isdigit() and len(content) in (digits - 1, digits)):
        return f"EAN{digits} is {digits - 1} or {digits} digits, not {content[:40]!r}"
    body = content[: digits - 1]
    check = -sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body))) % 10
    return "" if content in (body, f"{body}{check}") else f"the check digit of {content} would be {check}"
