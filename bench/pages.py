"""How the demo looks: aligned, and coloured where a person looks at a terminal."""

import json
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

_BOLD, _DIM, _GREEN, _RED, _CYAN = "1", "2", "32", "31", "36"
_WIDTH, _WIDEST = 100, 120
_INDENT = 8


class Page:
    """A stream of text written for a person. No colours off a terminal, or where `NO_COLOR` is set."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._width = _width(stream, environ)
        self._coloured = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"

    def line(self, text: str = "") -> None:
        """One line."""
        print(text, file=self._stream, flush=True)

    def words(self, text: str) -> None:
        """A sentence or several, in lines that fit."""
        self.line(textwrap.fill(text, self._width, break_long_words=False, break_on_hyphens=False))

    def title(self, text: str) -> None:
        """The heading of what follows."""
        self.line(f"\n{self._paint(_BOLD, text)}")

    def pairs(self, pairs: Mapping[str, str]) -> None:
        """Names and values in two columns."""
        width = max(map(len, pairs))
        for name, value in pairs.items():
            self.line(f"  {self._paint(_DIM, name.ljust(width))}  {value}")

    def step(self, number: int, step: Mapping[str, Any]) -> None:
        """An operation: what went in and what came back."""
        self.sent(number, step["title"], step["request"])
        self.answered(step["answer"], step["ms"])

    def sent(self, number: int, title: str, request: Mapping[str, Any]) -> None:
        """What went in."""
        self.title(f"{number}  {title}")
        self._block("in ", f"{request['method']} {request['url']}", request)

    def answered(self, answer: Mapping[str, Any], ms: float) -> None:
        """What came back."""
        colour = _GREEN if answer["status"] < 300 else _RED
        took = f"{ms:.1f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
        self._block("out", f"{self._paint(colour, str(answer['status']))} in {took}", answer)

    def moment(self, seconds: float, words: str, *, hand: bool = False) -> None:
        """Something that happened while an operation ran; `hand`: by a customer, not by the kiosk."""
        at = self._paint(_DIM, f"{seconds:5.1f} s")
        self.line(f"   {at}  {self._paint(_CYAN, words) if hand else words}")

    def paper(self, lines: Sequence[str]) -> None:
        """What came out of a printer."""
        width = max(map(len, lines), default=0)
        edge = self._paint(_DIM, "|")
        for line in lines:
            self.line(f"        {edge} {line.ljust(width)} {edge}")

    def message(self, text: str) -> None:
        """What somebody wrote in a chat."""
        for line in text.splitlines():
            self.line(f"        {self._paint(_DIM, '│')} {line}")

    def failure(self, text: str) -> None:
        """Why it did not work."""
        self.line(f"\n{self._paint(_RED, 'The demo failed:')} {text}")

    def _block(self, label: str, head: str, message: Mapping[str, Any]) -> None:
        self.line(f"   {self._paint(_DIM, label)}  {head}")
        width = max(map(len, message["headers"]), default=0) + 1
        for name, value in message["headers"].items():
            self.line(f"        {self._paint(_DIM, f'{name}:'.ljust(width))} {value}")
        for line in folded(message["body"], self._width - _INDENT):
            self.line(" " * _INDENT + line)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured else text


def folded(value: Any, width: int) -> Iterator[str]:
    """JSON in lines of about this width: as many members in each as fit, longer objects in lines of their own."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= width or not isinstance(value, dict):
        yield text
        return
    line = "{"
    for name, member in value.items():
        last = name == list(value)[-1]
        text = f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(member, ensure_ascii=False)}{'}' if last else ','}"
        if len(line) + 1 + len(text) > width and line.strip(" {"):
            yield line
            line = " "
        if len(line) + 1 + len(text) <= width or not isinstance(member, dict):
            line += f"{'' if line.endswith(('{', ' ')) else ' '}{text}"
            continue
        *inner, end = folded(member, width - 2)
        yield f"{line}{'' if line.endswith(('{', ' ')) else ' '}{json.dumps(name, ensure_ascii=False)}:"
        yield from (f"  {each}" for each in inner)
        line = f"  {end}{'}' if last else ','}"
    yield line


def _width(stream: TextIO, environ: Mapping[str, str]) -> int:
    """Of the terminal, where there is one."""
    if environ.get("COLUMNS", "").isdecimal() and int(environ["COLUMNS"]) > 0:
        return min(int(environ["COLUMNS"]), _WIDEST)
    try:
        return min(os.get_terminal_size(stream.fileno()).columns or _WIDTH, _WIDEST)
    except (OSError, ValueError):
        return _WIDTH
