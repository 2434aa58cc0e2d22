"""A request's JSON as a slip, every mistake at once, by its path. Pure."""

import difflib
from collections.abc import Sequence
from typing import Any

import msgspec

from appliance.printing.elements import ELEMENTS_MAX, SLIP_MAX, read_element, wrong_text
from appliance.printing.template import read_template
from hardware.roles import Paper
from hardware.slip import Align, Cut, Element, Feed, OpenDrawer, Slip, Text

MISTAKES_MAX = 20  # told at once
COPY_WORDS = "КОПИЯ"
MARGIN = Feed(lines=3)  # below the last line, so that it is not cut

_CONTENT = ("lines", "template", "elements")
_KNOWN = (*_CONTENT, "values", "columns", "cut", "copy", "copy_of", "action")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: a slip of its own, or the copy of another's."""

    slip: Slip | None = None
    copy: bool = False
    copy_of: str = ""  # a request id; then there is no slip


class Misread(ValueError):
    """It cannot be understood; the words hold every mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        more = len(mistakes) - MISTAKES_MAX
        self.mistakes = [*mistakes[:MISTAKES_MAX], *([f"and {more} more"] if more > 0 else [])]
        super().__init__("; ".join(self.mistakes))


def read_request(body: bytes, paper: Paper) -> Wanted:
    """A request's body. Raises `Misread`."""
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misread([f"the body is no JSON: {error}"]) from None
    if not isinstance(given, dict):
        raise Misread([f"the body: right would be an object with {' or '.join(_CONTENT)}"])
    mistakes = [
        f"{name}: is not known; did you mean {near[0]}?"
        for name in given
        if name not in _KNOWN and (near := difflib.get_close_matches(str(name), _KNOWN, n=1, cutoff=0.8))
    ]
    copy = given.get("copy", False)
    if not isinstance(copy, bool):
        mistakes.append("copy: right would be true or false")
    if given.get("action", "print") != "print":
        mistakes.append(f"action: {str(given['action'])[:40]!r} is none of print, nor of the actions of every device")
    if "copy_of" in given:
        return _read_copy(given, mistakes)
    paper = _read_paper(given, paper, mistakes)
    elements = _read_content(given, paper, mistakes)
    cut = given.get("cut", True)
    if not isinstance(cut, bool) and cut not in ("full", "partial"):
        mistakes.append("cut: right would be true, false, full or partial")
    if mistakes:
        raise Misread(mistakes)
    if cut is not False and not isinstance(elements[-1], Cut):
        elements += [MARGIN, Cut(partial=cut != "full")]
    return Wanted(slip=Slip(tuple(elements)), copy=copy)


def marked(slip: Slip) -> Slip:
    """A copy, for a device that does not mark it by itself: it says so above and below, and opens no drawer."""
    mark = Text(text=COPY_WORDS, align=Align.CENTER, bold=True, width=2, height=2)
    body = [element for element in slip.elements if not isinstance(element, OpenDrawer)]
    end = len(body)
    while end and isinstance(body[end - 1], Feed | Cut):
        end -= 1
    return Slip((mark, *body[:end], mark, *body[end:]))


def plain(lines: Sequence[str]) -> Slip:
    """A slip of lines; what is no letter in them is left out."""
    texts = ("".join(letter for letter in line if letter.isprintable()) for line in lines)
    return Slip((*(Text(text=text) for text in texts), MARGIN, Cut()))


def _read_copy(given: dict[str, Any], mistakes: list[str]) -> Wanted:
    copy_of = given["copy_of"]
    if not isinstance(copy_of, str) or not copy_of or len(copy_of) > 200:
        mistakes.append("copy_of: right would be the request id of the slip that is to be printed again")
    if named := [name for name in _CONTENT if name in given]:
        mistakes.append(f"copy_of: what stands on a copy is known; right would be no {' and no '.join(named)}")
    if given.get("copy") is False:
        mistakes.append("copy: what is printed again is always marked; right would be true, or nothing")
    if mistakes:
        raise Misread(mistakes)
    return Wanted(copy=True, copy_of=copy_of)


def _read_paper(given: dict[str, Any], paper: Paper, mistakes: list[str]) -> Paper:
    columns = given.get("columns", paper.columns)
    if type(columns) is not int or not 8 <= columns <= 255:
        mistakes.append("columns: right would be the letters in a line, 8 to 255")
        return paper
    return msgspec.structs.replace(paper, columns=columns)


def _read_content(given: dict[str, Any], paper: Paper, mistakes: list[str]) -> list[Element]:
    named = [name for name in _CONTENT if name in given]
    if len(named) != 1:
        there = " and ".join(named) or "nothing to print"
        mistakes.append(f"there is {there}; right would be one of {', '.join(_CONTENT)}")
    values = given.get("values", {})
    if not isinstance(values, dict):
        mistakes.append('values: right would be an object such as {"name": "Айгүл"}')
        values = {}
    elif values and "template" not in given:
        mistakes.append("values: are filled into a template, and there is none")
    before = len(mistakes)
    elements: list[Element] = []
    if "lines" in given:
        elements = _read_lines(given["lines"], mistakes)
    if "template" in given:
        template = given["template"]
        if isinstance(template, str):
            elements, found = read_template(template, values, paper)
            mistakes += [f"template: {words}" if words.startswith("has ") else _at(words) for words in found]
        else:
            mistakes.append("template: right would be a text")
    if "elements" in given:
        elements = _read_elements(given["elements"], paper, mistakes)
    shows = any(not isinstance(each, Feed | Cut) for each in elements)
    if len(named) == 1 and len(mistakes) == before and not shows:
        mistakes.append(f"{named[0]}: there is nothing to print")
    letters = sum(len(each.text) for each in elements if isinstance(each, Text))
    if letters > SLIP_MAX:
        mistakes.append(f"{named[0]}: are {letters} letters; right would be at most {SLIP_MAX}")
    return elements


def _at(words: str) -> str:
    return words if words.startswith("values.") else f"template, {words}"


def _read_lines(given: object, mistakes: list[str]) -> list[Element]:
    if not isinstance(given, list) or len(given) > ELEMENTS_MAX:
        mistakes.append(f"lines: right would be a list of at most {ELEMENTS_MAX} texts")
        return []
    elements: list[Element] = []
    for number, line in enumerate(given):
        words = wrong_text(line) if isinstance(line, str) else "right would be a text"
        if words:
            mistakes.append(f"lines[{number}]: {words}")
        else:
            elements.append(Text(text=line))
    return elements


def _read_elements(given: object, paper: Paper, mistakes: list[str]) -> list[Element]:
    if not isinstance(given, list) or len(given) > ELEMENTS_MAX:
        mistakes.append(f"elements: right would be a list of at most {ELEMENTS_MAX} objects")
        return []
    elements: list[Element] = []
    for number, each in enumerate(given):
        try:
            elements.append(read_element(each, paper))
        except ValueError as error:
            mistakes.append(f"elements[{number}]: {error}")
    return elements
