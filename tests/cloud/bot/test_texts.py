"""Every sentence is there in both languages, with the same fields, and is used."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from cloud.bot.commands import COMMANDS
from cloud.bot.html import Html
from cloud.bot.texts import LANGUAGES, TEXTS, Texts
from cloud.bot.texts.times import span
from cloud.emulator.entities import parse_html
from cloud.zones import zone

ROOT = Path(__file__).resolve().parents[3] / "cloud" / "bot"
FORMS = {"en": 2, "ru": 3}


def fields(sentence: str) -> Iterator[tuple[str, str]]:
    for _, name, spec, _ in Formatter().parse(sentence):
        if name is not None:
            yield name, spec or ""


def said_in_source() -> tuple[set[str], set[str]]:
    """All texts in the source of the bot that may be keys, and what keys made of parts begin with."""
    whole, starts = set(), set()
    for path in ROOT.rglob("*.py"):
        if path.parent.name in LANGUAGES:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) and isinstance(first := node.values[0], ast.Constant):
                if re.fullmatch(r"[a-z]+\..*", str(first.value)):
                    starts.add(str(first.value))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                whole.add(node.value)
    return whole, starts


def test_both_languages_have_the_same_keys() -> None:
    assert TEXTS["en"].keys() == TEXTS["ru"].keys()


def test_sentences_are_the_same_in_both() -> None:
    for key in TEXTS["en"]:
        names = {language: {name for name, _ in fields(TEXTS[language][key])} for language in LANGUAGES}
        assert names["en"] == names["ru"], key
        for language in LANGUAGES:
            sentence = TEXTS[language][key]
            for name, spec in fields(sentence):
                assert name.isidentifier(), key
                assert "|" not in spec or len(spec.split("|")) == FORMS[language], (language, key)
            parse_html(sentence)  # with the fields' names in it: what fills them is escaped
        english = TEXTS["en"][key].replace("Русский язык", "")
        assert not re.search("[а-яё]", english, re.IGNORECASE), key


def test_no_sentence_is_unused_and_none_is_missing() -> None:
    whole, starts = said_in_source()
    subjects = {key.partition(".")[0] for key in TEXTS["en"]}
    unused = {key for key in TEXTS["en"] if key not in whole and not key.startswith(tuple(starts))}
    assert not unused
    asked = {text for text in whole if re.fullmatch(rf"({'|'.join(subjects)})\.[a-z0-9_.-]+", text)}
    assert asked <= TEXTS["en"].keys() | {text for text in asked if text.endswith(".")}


def test_a_key_begins_with_its_subject() -> None:
    for language in LANGUAGES:
        for path in (ROOT / "texts" / language).glob("[a-z]*.py"):
            texts = importlib.import_module(f"cloud.bot.texts.{language}.{path.stem}").TEXTS
            assert all(key.startswith(f"{path.stem}.") for key in texts), path
            assert texts.items() <= TEXTS[language].items(), path


def test_the_menu_takes_every_command() -> None:
    say = Texts()
    assert len({command.name for command in COMMANDS}) == len(COMMANDS) <= 100
    for command in COMMANDS:
        assert re.fullmatch(r"[a-z0-9_]{1,32}", command.name)
        for language in LANGUAGES:
            assert 1 <= len(say.plain(language, command.help)) <= 256, command.name


def test_fields_are_escaped_and_html_is_not() -> None:
    say = Texts()
    assert "/&lt;b&gt;" in say("en", "core.unknown", command="<b>")
    assert "/<b>x</b>" in say("en", "core.unknown", command=Html("<b>x</b>"))
    assert "/<b>" in say.plain("ru", "core.unknown", command="<b>")
    with pytest.raises(KeyError):
        say("en", "core.unknown")


def test_times_as_people_say_them() -> None:
    assert span("en", 0.4) == "0 s"
    assert span("en", 59.6) == "1 min"
    assert span("en", 3661) == "1 h 1 min"
    assert span("ru", 2 * 86400 + 3 * 3600 + 59) == "2 дн 3 ч"
    assert span("en", 7200) == "2 h"


def test_moments_are_told_in_the_zone_that_is_set() -> None:
    almaty, at = Texts(zone("Asia/Almaty")), 1_795_302_300  # 23:05 in UTC, of the day before there
    assert Texts().when(at) == "2026-11-21 23:05 UTC"
    assert almaty.when(at) == "2026-11-22 04:05 +05"
    assert almaty.when(1e300) == almaty.moment("en", 1e300, at) == f"{1e300:.0f}"
    assert Texts(zone("Europe/Moscow")).when(at) == "2026-11-22 02:05 MSK"
    assert almaty.moment("en", at, at + 3600) == "04:05:00"
    assert Texts().moment("en", at, at + 3600) == "21 Nov 23:05 UTC"  # it was yesterday, be it an hour ago
    assert Texts().moment("en", at, at - 3600) == "23:05:00"
    assert almaty.moment("ru", at, at + 20 * 3600) == "22 ноя 04:05 +05"
    assert almaty.moment("ru", at, at + 400 * 86400) == "22 ноя 2026 04:05 +05"
