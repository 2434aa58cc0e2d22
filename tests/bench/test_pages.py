"""The demo is readable on a terminal and in a file."""

import io
import json
from collections.abc import Mapping

import pytest

from bench.pages import Page, folded

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


@pytest.mark.parametrize("width", [40, 80, 120])
def test_json_is_folded_and_still_the_same(width: int) -> None:
    body = {
        "status": "paid",
        "notes": {"100000": 1},
        "receipt": {"status": "registered", "reference": "r" * 30, "a": 1},
    }
    lines = list(folded(body, width))
    assert json.loads("\n".join(lines)) == body
    assert max(map(len, lines)) <= width + 10
    assert (len(lines) == 1) == (width == 120 and len(json.dumps(body)) <= 120)


def test_what_happens_meanwhile_and_paper_stand_apart() -> None:
    stream = io.StringIO()
    page = Page(stream, {})
    page.moment(1.25, "a note is taken")
    page.paper(["ИТОГ 1", "x"])
    page.words("word " * 30)
    assert stream.getvalue().splitlines()[:3] == [
        "     1.2 s  a note is taken",
        "        | ИТОГ 1 |",
        "        | x      |",
    ]
    assert max(map(len, stream.getvalue().splitlines())) <= 100


@pytest.mark.parametrize(("columns", "widest"), [("60", 60), ("500", 120), ("wide", 100)])
def test_a_page_is_as_wide_as_its_terminal(columns: str, widest: int) -> None:
    stream = io.StringIO()
    Page(stream, {"COLUMNS": columns}).words("word " * 100)
    assert widest - 5 <= max(map(len, stream.getvalue().splitlines())) <= widest
