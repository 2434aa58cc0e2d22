"""Every sentence stands in all languages, with the same fields; none is left over, and none is asked for in vain."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import cloud.dashboard
from cloud.dashboard.rendering import templates
from cloud.dashboard.texts import LANGUAGES, TEXTS, choose, say

HERE = Path(cloud.dashboard.__file__).parent
PAGES = sorted(path.name for path in (HERE / "pages").glob("*.html"))
SUBJECTS = {key.partition(".")[0] for key in TEXTS["en"]}
_LITERAL = re.compile(rf"""["']((?:{"|".join(sorted(SUBJECTS))})\.[A-Za-z0-9._-]*)""")
_FILES = (".html", ".csv", ".json", ".js", ".css", ".svg", ".py")


def sources() -> Iterator[tuple[str, str]]:
    """Name and Python code of each module and of each page."""
    for path in HERE.rglob("*.py"):
        if "texts" not in path.relative_to(HERE).parts[:-1]:
            yield path.name, path.read_text(encoding="utf-8")
    for name in PAGES:
        yield name, templates.load(name).code


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def named() -> set[str]:
    """What looks like a key, or like the beginning of some."""
    found = {literal for _, text in sources() for literal in _LITERAL.findall(text)}
    return {literal for literal in found if not literal.endswith(_FILES)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_sentences_with_the_same_fields(language: str) -> None:
    there, here = TEXTS["en"], TEXTS[language]  # type: ignore[index]
    assert sorted(there.keys() ^ here.keys()) == []
    assert [key for key in there if fields(there[key]) != fields(here[key])] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_empty_or_left_in_another_alphabet(language: str) -> None:
    texts = TEXTS[language]  # type: ignore[index]
    assert [key for key, sentence in texts.items() if not sentence.strip()] == []
    wrong = r"[А-Яа-яЁё]" if language == "en" else r"^[A-Za-z ,.']{25,}$"
    assert [key for key, sentence in texts.items() if re.search(wrong, sentence)] == []


def test_no_sentence_is_left_over() -> None:
    used = named()
    beginnings = tuple(literal for literal in used if literal not in TEXTS["en"])
    assert [key for key in TEXTS["en"] if key not in used and not key.startswith(beginnings)] == []


def test_every_sentence_that_is_named_is_there() -> None:
    assert [literal for literal in sorted(named()) if not any(key.startswith(literal) for key in TEXTS["en"])] == []


def test_every_sentence_is_given_its_fields() -> None:
    wrong = []
    for name, text in sources():
        for call in ast.walk(ast.parse(text)):
            if not isinstance(call, ast.Call) or getattr(call.func, "attr", getattr(call.func, "id", "")) != "say":
                continue
            keys = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and arg.value in TEXTS["en"]]
            given = {keyword.arg for keyword in call.keywords}
            wrong += [f"{name}: {key}" for key in keys if None not in given and not fields(TEXTS["en"][key]) <= given]
    assert wrong == []


@pytest.mark.parametrize("name", PAGES)
def test_every_page_compiles(name: str) -> None:
    assert templates.load(name).code


@pytest.mark.parametrize(
    ("wanted", "accepted", "language"),
    [
        ("kk", "ru", "kk"), ("", "ru-RU,ru;q=0.9,en;q=0.8", "ru"), ("", "de,kk;q=0.3,en;q=0.2", "kk"),
        ("xx", "", "en"), ("", "ru;q=0,kk;q=0.1", "kk"), ("", "ru;q=x, en", "en"),
    ],
)  # fmt: skip
def test_the_language_is_the_one_wished_for_or_the_browser_s_first(wanted: str, accepted: str, language: str) -> None:
    assert choose(wanted, accepted) == language


def test_a_sentence_is_filled_with_its_fields() -> None:
    assert say("ru", "shell.ago", span="5 мин") == "5 мин назад"
