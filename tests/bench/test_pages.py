"""The demo is readable on a terminal and in a file."""

import io
from collections.abc import Mapping

import pytest

from bench.pages import Page

STEP = {
    "title": "A payment",
    "request": {"method": "POST", "url": "http://h/send", "headers": {"A": "1", "Long-Name": "2"}, "body": {"sum": 1}},
    "answer": {"status": 200, "headers": {}, "body": {"status": "успех"}},
    "ms": 12.34,
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_step_is_aligned_and_plain_off_a_terminal() -> None:
    stream = io.StringIO()
    Page(stream, {}).step(1, STEP)
    assert stream.getvalue() == (
        "\n"
        "1  A payment\n"
        "   in   POST http://h/send\n"
        "        A:         1\n"
        "        Long-Name: 2\n"
        '        {"sum": 1}\n'
        "   out  200 in 12.3 ms\n"
        '        {"status": "успех"}\n'
    )


@pytest.mark.parametrize(
    ("environ", "coloured"), [({"TERM": "xterm"}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals_that_want_them(environ: Mapping[str, str], coloured: bool) -> None:
    stream = Terminal()
    Page(stream, environ).title("Addresses")
    assert ("\x1b[" in stream.getvalue()) == coloured


def test_names_and_values_stand_in_columns() -> None:
    stream = io.StringIO()
    Page(stream, {}).pairs({"hub": "a", "API docs": "b"})
    assert stream.getvalue() == "  hub       a\n  API docs  b\n"
