"""How the demo looks: aligned, and coloured where a person looks at a terminal."""

import json
from collections.abc import Mapping
from typing import Any, TextIO

_BOLD, _DIM, _GREEN, _RED = "1", "2", "32", "31"


class Page:
    """A stream of text written for a person. No colours off a terminal, or where `NO_COLOR` is set."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"

    def line(self, text: str = "") -> None:
        """One line."""
        print(text, file=self._stream, flush=True)

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
        sent, answer = step["request"], step["answer"]
        self.title(f"{number}  {step['title']}")
        self._block("in ", f"{sent['method']} {sent['url']}", sent)
        colour = _GREEN if answer["status"] < 300 else _RED
        self._block("out", f"{self._paint(colour, str(answer['status']))} in {step['ms']:.1f} ms", answer)

    def failure(self, text: str) -> None:
        """Why it did not work."""
        self.line(f"\n{self._paint(_RED, 'The demo failed:')} {text}")

    def _block(self, label: str, head: str, message: Mapping[str, Any]) -> None:
        self.line(f"   {self._paint(_DIM, label)}  {head}")
        width = max(map(len, message["headers"]), default=0) + 1
        for name, value in message["headers"].items():
            self.line(f"        {self._paint(_DIM, f'{name}:'.ljust(width))} {value}")
        self.line(f"        {json.dumps(message['body'], ensure_ascii=False)}")

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured else text
