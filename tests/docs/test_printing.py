"""docs/printing.md says what the language does."""

import re
from pathlib import Path

import msgspec
import pytest

from appliance.printing import elements, jobs
from appliance.printing.reading import _KNOWN, read_request
from appliance.printing.template import _COMMANDS, read_template
from hardware.roles import Paper
from hardware.slip import Text
from tests.markdown import fences, rows
from wire.problems import PROBLEMS, Outcome

TEXT = (Path(__file__).parents[2] / "docs/printing.md").read_text(encoding="utf-8")
PAPER = Paper(32)
LINES = [cells[0].strip("`").replace(r"\|", "|") for cells in rows(TEXT.split("## The language")[1].split("\n## ")[0])]


@pytest.mark.parametrize("line", [line for line in LINES if line != "line"])
def test_every_line_of_the_table_is_understood(line: str) -> None:
    found, mistakes = read_template(line, {"name": "x"}, PAPER)
    assert mistakes == []
    assert found[0] != Text(text=line), "it would be an ordinary text"


def test_every_command_is_in_the_table() -> None:
    assert {line.split()[0][1:] for line in LINES if line.startswith("!")} == set(_COMMANDS)


@pytest.mark.parametrize(
    "text", [r"\# not big", r"a \| b", r"\{", r"\!cut", r"\---", r"\\", "#1", "a|b", "4400 **** 1234"]
)
def test_what_is_said_to_be_ordinary_is(text: str) -> None:
    assert f"`{text}`" in TEXT
    found, mistakes = read_template(text, {}, PAPER)
    assert (found, mistakes) == ([Text(text=re.sub(r"\\(.)", r"\1", text))], [])


def test_every_field_is_in_the_table() -> None:
    table = rows(TEXT.split("## The language")[0])
    assert {cells[0].strip("`") for cells in table} - {"field", "---"} == set(_KNOWN)


def test_examples_of_requests_are_taken() -> None:
    examples = [text for text in fences(TEXT, "json") if '"status"' not in text]
    assert len(examples) == 2
    for example in examples:
        assert read_request(example.encode(), PAPER).slip is not None
    types = {each["type"] for each in msgspec.json.decode(examples[1])["elements"]}
    assert types == set(elements._KINDS)


def test_limits_are_the_codes() -> None:
    assert "1024 by 4096" in TEXT
    for status in (jobs.PRINTED, jobs.UNCLEAR):
        assert f'`"status": "{status}"`' in TEXT


def test_problems_that_mean_nothing_was_printed_do() -> None:
    (row,) = (cells[0] for cells in rows(TEXT) if "device-fault" in cells[0])
    for name in re.findall(r"`([a-z-]+)`", row):
        assert PROBLEMS[name].outcome is Outcome.NOT_EXECUTED
