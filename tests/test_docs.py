"""The documents say what the code does: settings, links and commands. The contract has its own: docs/test_wire.py.

`UPDATE_DOCS=1 pytest tests/test_docs.py` writes the settings tables anew; Russian descriptions are kept by name.
"""

import argparse
import configparser
import fnmatch
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

import appliance.__main__
import appliance.settings
import appliance.simulate
import cloud.__main__
import cloud.emulator.command
import cloud.settings
from appliance.routes import parse_routes
from tests.markdown import FENCE, fences, rows
from wire.environment import Setting, describe

ROOT = Path(__file__).resolve().parent.parent
WIRE = (ROOT / "docs/wire.md").read_text(encoding="utf-8")
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ru.md")}
UPDATE = os.environ.get("UPDATE_DOCS") == "1"
SETTINGS: dict[str, type[msgspec.Struct]] = {"hub": cloud.settings.Settings, "appliance": appliance.settings.Settings}
RUSSIAN = {"not set": "не задано", "required": "обязательно"}
NOT_OURS = (".venv*", ".pytest*", ".state", ".git", "build", "dist", "node_modules")  # patterns of folders

PLACEHOLDER = re.compile(r"<[^<>\n]+>")
LINK = re.compile(r"\]\(([^()\s]+)\)")


def markdown_files() -> list[Path]:
    def ours(path: Path) -> bool:
        parts = path.relative_to(ROOT).parts
        return not any(fnmatch.fnmatchcase(part, pattern) for part in parts for pattern in NOT_OURS)

    return sorted(path for path in ROOT.rglob("*.md") if ours(path))


# Settings.


def escaped(text: str) -> str:
    """A description as a table cell: nothing in it is taken for HTML or for the cell's end."""
    return text.replace("|", r"\|").replace("<", r"\<")


def table_after(text: str, marker: str) -> tuple[int, int]:
    """Where the rows of the first table after a marker begin and end."""
    at = text.index(f"<!-- {marker} -->")
    head = re.compile(r"\| --- \| --- \| --- \|\n").search(text, at)
    assert head, f"no table after {marker}"
    end = head.end()
    while text.startswith("| ", end):
        end = text.index("\n", end) + 1
    return head.end(), end


def english_rows(settings: list[Setting], _old: dict[str, str]) -> str:
    return "".join(f"| `{s.variable}` | {s.default} | {escaped(s.description)} |\n" for s in settings)


def russian_rows(settings: list[Setting], old: dict[str, str]) -> str:
    return "".join(
        f"| `{s.variable}` | {RUSSIAN.get(s.default, s.default)} | {old.get(s.variable, 'TODO')} |\n" for s in settings
    )


@pytest.mark.parametrize("program", SETTINGS)
@pytest.mark.parametrize(("name", "write"), [("README.md", english_rows), ("README.ru.md", russian_rows)])
def test_settings_tables_are_what_the_code_declares(
    program: str, name: str, write: Callable[[list[Setting], dict[str, str]], str]
) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    begin, end = table_after(text, f"{program} settings")
    old = {cells[0].strip("`"): cells[2] for cells in rows(text[begin:end])}
    expected = write(describe(SETTINGS[program]), old)
    if UPDATE:
        (ROOT / name).write_text(text[:begin] + expected + text[end:], encoding="utf-8")
    else:
        assert expected == text[begin:end]
    assert "TODO" not in expected, "a setting has no Russian description yet"


def test_russian_descriptions_are_russian() -> None:
    text = READMES["README.ru.md"]
    for program, kind in SETTINGS.items():
        begin, end = table_after(text, f"{program} settings")
        foreign = [cells[0] for cells in rows(text[begin:end]) if not re.search("[а-яё]{3}", cells[2])]
        assert foreign == []
        assert len(describe(kind)) == len(rows(text[begin:end]))


def test_setting_names_in_the_documents_exist() -> None:
    known = {setting.variable for kind in SETTINGS.values() for setting in describe(kind)}
    known |= {"HTTPS_PROXY", "NO_PROXY", "UPDATE_DOCS", "BENCH_ARGS"} | make_variables()
    for text in (WIRE, *READMES.values()):
        named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", text))
        assert set() == named - known


@pytest.mark.parametrize("name", ["docs/wire.md", *READMES])
def test_examples_of_routing_files_load(name: str) -> None:
    examples = fences((ROOT / name).read_text(encoding="utf-8"), "yaml")
    assert [True] * len(examples) == [bool(parse_routes(example.encode(), name).all()) for example in examples]
    assert examples


# Links and commands.


@pytest.mark.parametrize("path", markdown_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    broken = []
    for target in LINK.findall(text):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        file = path.parent / parts.path if parts.path else path
        if not file.exists() or (parts.fragment and parts.fragment not in anchors(file)):
            broken.append(target)
    assert broken == []


def anchors(path: Path) -> set[str]:
    """The fragments that a Markdown file's headings can be reached by."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Every command of ours and of make that a document names, in words, and whether it is whole.

    Whole are those of shell blocks; code spans may leave arguments out.
    """
    for block in fences(text, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            yield from ((True, words) for words in in_line(line))
    for span in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)):
        line = f"kioskwire-hub {span}" if re.match(r"(kiosk|apikey) ", span) else span
        if re.match(r"(kioskwire-\w+|make) ", line):
            yield from ((False, words) for words in in_line(line))


def in_line(line: str) -> Iterator[list[str]]:
    """The commands in one line of shell; `a|b` within a word, as documents write choices, gives one for each."""
    line = PLACEHOLDER.sub("ID", line)
    choices = re.search(r"\w+(\|\w+)+", line)
    if choices and line.startswith(("kioskwire-", "make")):
        for choice in choices[0].split("|"):
            yield from in_line(line.replace(choices[0], choice))
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set(";&|()<>$"):
            command.append(word)
            continue
        while command and re.fullmatch(r"\w+=.*|exec|sudo|export", command[0]):
            del command[0]
        if command and (command[0] == "make" or command[0].startswith("kioskwire-")):
            yield command
        command = []


def makefiles() -> str:
    return "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "Makefile", *ROOT.glob("*/*.mk"), *ROOT.glob("tests/*/*.mk"))
    )


def make_variables() -> set[str]:
    exported = " ".join(re.findall(r"^export (.+)$", makefiles(), re.MULTILINE)).split()
    return {*exported, *re.findall(r"\$[({]([A-Z_]+)[)}]", makefiles())}


def parsers() -> dict[str, argparse.ArgumentParser]:
    simulator = argparse.ArgumentParser(prog="kioskwire-sim")
    simulator.add_argument("--version", action="version", version="")
    into = simulator.add_subparsers(required=True)
    further = {"telegram": appliance.simulate.Command(*cloud.emulator.command.COMMAND)}
    for name, command in (appliance.simulate.COMMANDS | further).items():
        command.declare(into.add_parser(name))
    return {
        "kioskwire-hub": cloud.__main__._parser(),
        "kioskwire-appliance": appliance.__main__._parser(),
        "kioskwire-sim": simulator,
    }


def complaint(parser: argparse.ArgumentParser, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a parser says against these arguments; nothing if it takes them."""
    try:
        parser.parse_args(arguments)
    except SystemExit as ended:
        return capsys.readouterr().err if ended.code else ""
    return ""


@pytest.mark.parametrize("name", [*READMES, "docs/wire.md"])
def test_commands_in_the_documents_exist(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefiles(), re.MULTILINE))
    known = parsers()
    found = list(commands((ROOT / name).read_text(encoding="utf-8")))
    assert found
    for whole, (program, *arguments) in found:
        if program == "make":
            assert set() == {word.partition("=")[0] for word in arguments if "=" in word} - make_variables()
            assert set() == {word for word in arguments if "=" not in word} - targets
        else:
            words = complaint(known[program], arguments, capsys)
            if whole or "the following arguments are required" not in words:
                assert words == "", f"{program} {shlex.join(arguments)}"


def test_both_readmes_name_the_same_commands() -> None:
    english, russian = ({shlex.join(words) for _whole, words in commands(text)} for text in READMES.values())
    assert english == russian


def test_extras_that_are_to_be_installed_exist() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = set(setup["options.extras_require"])
    named = [set(found.split(",")) for text in READMES.values() for found in re.findall(r"'\.\[([\w,]+)\]'", text)]
    assert named
    assert [found for found in named if not found <= extras] == []
