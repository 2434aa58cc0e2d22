"""The language of slips, line by line. Pure; docs/printing.md is for those who write it.

    # text           twice as wide and high        = text  > text   in the middle, at the right
    ## text          twice as high                 **text** __text__  bold, underlined: the whole line
    left | right     at either end of the line     ---  ===         a rule across the paper
    !qr …   !barcode ean13 …   !image …   !feed 2   !cut   !drawer
    {name}           a value of the request        \\               before a mark: an ordinary letter

A line is read in that order: its place and size first, then what it is. Letters that were escaped, and all of a value,
are put out of the way before the marks are looked for and come back at the end, so that nobody's name is a command.
"""

import difflib
import re
from collections.abc import Callable, Mapping

from appliance.printing.elements import ELEMENTS_MAX, rule, sides, wrong_letters, wrong_with
from appliance.printing.picture import read_picture
from hardware.roles import Paper
from hardware.slip import Align, Barcode, Cut, Element, Feed, OpenDrawer, QrCode, Text

Values = Mapping[str, object]

# Those of Unicode's noncharacters that stand for a mark that is none; they are no letters and never come in.
_MARKS = "\\#=><|{}*_!- "
_HIDE = {ord(mark): 0xFDD0 + number for number, mark in enumerate(_MARKS)}
_SHOW = {hidden: mark for mark, hidden in _HIDE.items()}
_ESCAPE = re.compile(r"\\([\\#=><|{}*_!-])")
_PLACE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[^\W\d]\w*")
_COMMAND = re.compile(r"!([a-z][a-z0-9]*)(?: (.*))?")
_OPTION = re.compile(r"([a-z]+)=(\S+) ")
_ALIGNS = {"< ": Align.LEFT, "= ": Align.CENTER, "> ": Align.RIGHT}
_SIZES = {"# ": (2, 2), "## ": (1, 2)}


class _Wrong(ValueError):
    """A line that cannot be understood."""


def read_template(text: str, values: Values, paper: Paper) -> tuple[list[Element], list[str]]:
    """What stands on the slip, and every mistake with its line; with mistakes, the slip is not whole."""
    elements: list[Element] = []
    mistakes = [f"values.{name}: {words}" for name, value in values.items() if (words := _wrong_value(value))]
    reader = _Reader({name: value for name, value in values.items() if not _wrong_value(value)}, set(values), paper)
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if len(lines) > ELEMENTS_MAX:
        return [], [f"has {len(lines)} lines; right would be at most {ELEMENTS_MAX}"]
    for number, line in enumerate(lines, 1):
        try:
            elements.append(reader.line(line))
        except _Wrong as error:
            mistakes.append(f"line {number}: {error}")
    return elements, mistakes


class _Reader:
    def __init__(self, values: Values, given: set[str], paper: Paper) -> None:
        self._values = values
        self._given = given  # with those that are wrong, which is told once
        self._paper = paper

    def line(self, line: str) -> Element:
        """Raises `_Wrong`."""
        if words := wrong_letters(line):
            raise _Wrong(words)
        body = self._filled(_ESCAPE.sub(lambda found: found[1].translate(_HIDE), line))
        align: Align | None = None
        size: tuple[int, int] | None = None
        while True:
            if align is None and body[:2] in _ALIGNS:
                align, body = _ALIGNS[body[:2]], body[2:]
            elif size is None and (mark := next((each for each in _SIZES if body.startswith(each)), "")):
                size, body = _SIZES[mark], body[len(mark) :]
            else:
                break
        if command := _COMMAND.fullmatch(body):
            if size is not None:
                raise _Wrong(f"!{command[1]} has no size; right would be no # before it")
            return _checked(_command(command[1], command[2] or "", align))
        return _checked(self._text(body, align, size or (1, 1)))

    def _filled(self, line: str) -> str:
        """With its values, in which nothing is a mark."""
        missing: list[str] = []

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if not _NAME.fullmatch(name):
                raise _Wrong(f"{{{_shown(name)[:40]}}} is no name of a value; right would be \\{{ for a brace")
            if name not in self._given:
                missing.append(name)
            return str(self._values.get(name, "")).translate(_HIDE)

        filled = _PLACE.sub(value, line)
        if missing:
            near = difflib.get_close_matches(missing[0], self._given, n=1)
            raise _Wrong(
                f"{', '.join(f'{{{name}}}' for name in missing)} {'has' if len(missing) == 1 else 'have'} no value"
                + (f"; did you mean {{{near[0]}}}?" if near else f"; right would be values.{missing[0]}")
            )
        if "{" in filled or "}" in filled:
            raise _Wrong("a brace stands alone; right would be {name}, or \\{ for a brace")
        return filled

    def _text(self, body: str, align: Align | None, size: tuple[int, int]) -> Element:
        width, height = size
        if re.fullmatch(r"-{3,}|={3,}", body):
            return Text(text=rule(body[0], self._paper, width=width), width=width, height=height)
        bold = underline = False
        while True:
            if not bold and len(body) > 4 and body[:2] == body[-2:] == "**":
                bold, body = True, body[2:-2]
            elif not underline and len(body) > 4 and body[:2] == body[-2:] == "__":
                underline, body = True, body[2:-2]
            else:
                break
        left, *others = body.split(" | ")
        if len(others) > 1:
            raise _Wrong(f"has {len(others) + 1} columns; right would be two, and \\| for an ordinary bar")
        if others:
            if align is not None:
                raise _Wrong("a pair stands at both ends of its line; right would be no =, < or > before it")
            if any(letter in body for letter in "\n\t"):
                raise _Wrong("a pair is of one line, without tabs and line feeds")
            body = sides(_shown(left).strip(), _shown(others[0]).strip(), self._paper, width=width)
        return Text(
            text=_shown(body), align=align or Align.LEFT, bold=bold, underline=underline, width=width, height=height
        )


def _command(name: str, rest: str, align: Align | None) -> Element:
    if name not in _COMMANDS:
        near = difflib.get_close_matches(name, _COMMANDS, n=1)
        hint = f"did you mean !{near[0]}?" if near else f"there are {', '.join(f'!{each}' for each in _COMMANDS)}"
        raise _Wrong(f"there is no !{name}; {hint} (\\!{name} for an ordinary text)")
    takes, placed, make = _COMMANDS[name]
    if align is not None and not placed:
        raise _Wrong(f"!{name} has no place; right would be no =, < or > before it")
    options: dict[str, str] = {}
    while takes and (option := _OPTION.match(rest)):
        if option[1] not in takes:
            raise _Wrong(f"!{name} has no {option[1]}=; there is {', '.join(f'{each}=' for each in takes)}")
        options[option[1]] = _shown(option[2])
        rest = rest[option.end() :]
    try:
        return make(_shown(rest), options, align or Align.CENTER)
    except ValueError as error:
        raise _Wrong(f"!{name}: {error}") from None


def _qr(content: str, options: Mapping[str, str], align: Align) -> Element:
    return QrCode(
        content=content, module=_number(options.get("size", "4"), "size="), correction=options.get("correction", "M"),
        align=align,
    )  # fmt: skip


def _barcode(rest: str, options: Mapping[str, str], align: Align) -> Element:
    symbology, blank, content = rest.partition(" ")
    if not blank:
        raise ValueError("right would be !barcode ean13 4600051000057")
    height = _number(options.get("height", "80"), "height=")
    return Barcode(content=content, symbology=symbology, height=height, align=align)


def _image(rest: str, _options: Mapping[str, str], align: Align) -> Element:
    return read_picture(rest, align)


def _feed(rest: str, _options: Mapping[str, str], _align: Align) -> Element:
    return Feed(lines=_number(rest, "the lines") if rest else 1)


def _cut(rest: str, _options: Mapping[str, str], _align: Align) -> Element:
    if rest not in ("", "full", "partial"):
        raise ValueError(f"{rest[:40]!r} is neither full nor partial")
    return Cut(partial=rest != "full")


def _drawer(rest: str, _options: Mapping[str, str], _align: Align) -> Element:
    return OpenDrawer(pin=_number(rest, "the pin") if rest else 2)


_Make = Callable[[str, Mapping[str, str], Align], Element]
# Each with its options, whether it has a place on the line, and what makes it.
_COMMANDS: Mapping[str, tuple[tuple[str, ...], bool, _Make]] = {
    "qr": (("size", "correction"), True, _qr),
    "barcode": (("height",), True, _barcode),
    "image": ((), True, _image),
    "feed": ((), False, _feed),
    "cut": ((), False, _cut),
    "drawer": ((), False, _drawer),
}


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise ValueError(f"{what} is a whole number, not {text[:40]!r}")
    return int(text)


def _checked(element: Element) -> Element:
    if words := wrong_with(element):
        raise _Wrong(words)
    return element


def _shown(text: str) -> str:
    return text.translate(_SHOW)


def _wrong_value(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return "right would be a text or a whole number"
    return wrong_letters(str(value))
