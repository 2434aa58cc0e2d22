"""How a command is read."""

import pytest

from cloud.bot.command import Command, WrongUse
from cloud.bot.commands import COMMANDS, PRESSES, Said, nearest, read, split


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/status", Said("status", "", "")),
        ("/STATUS@My_Bot  a  b ", Said("status", "my_bot", "a  b")),
        ("/add_kiosk\nk1", Said("add_kiosk", "", "k1")),
        ("status", None),
        ("/", None),
        ("/etc/passwd", None),
        (" /status", None),
        ("/стат", None),
        ("", None),
    ],
)
def test_a_text_as_a_command(text: str, said: Said | None) -> None:
    assert read(text) == said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("a  b\nc", ["a", "b", "c"]),
        ('k1 "Main hall"', ["k1", "Main hall"]),
        ("k1 «Главный вход»", ["k1", "Главный вход"]),
        ("k1 “Main hall” '' x", ["k1", "Main hall", "", "x"]),
        ("k1 it's", ["k1", "it's"]),
        ('k1 «a "b" c»', ["k1", 'a "b" c']),
        ("„Halle“", ["Halle"]),
    ],
)
def test_words_are_as_in_a_shell(text: str, words: list[str]) -> None:
    assert split(text) == words


@pytest.mark.parametrize("text", ['k1 "Main', "«x"])
def test_a_quote_that_is_not_closed_is_told(text: str) -> None:
    with pytest.raises(WrongUse) as caught:
        split(text)
    assert caught.value.key == "core.quote_open"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("k1", ["k1"]),
        ("k1 ТЦ «Мега»", ["k1", "ТЦ «Мега»"]),
        ('k1 кафе "Сова"', ["k1", 'кафе "Сова"']),
        ('k1 "Main  hall"', ["k1", "Main  hall"]),
        ("k1 «ТЦ «Мега»»", ["k1", "ТЦ «Мега»"]),
        ("k1 «ТЦ «Мега»", ["k1", "«ТЦ «Мега»"]),
        ('k1 "кафе "Сова""', ["k1", 'кафе "Сова"']),
        ("k1 «Мега» и «Сова»", ["k1", "«Мега» и «Сова»"]),
        ('k1 "Owl" and "Mega"', ["k1", '"Owl" and "Mega"']),
        ("k1 “Main hall”", ["k1", "Main hall"]),
        ('"k1" \n Joe\'s ', ["k1", "Joe's"]),
        ('k1 ""', ["k1", ""]),
    ],
)
def test_a_name_keeps_the_quotes_in_it(text: str, words: list[str]) -> None:
    assert split(text, 1) == words
    with pytest.raises(WrongUse):
        split("k1 «Мега", 1)


def test_the_nearest_command() -> None:
    async def act(*_: object) -> None: ...

    commands = [Command(name=name, help="", act=act) for name in ("status", "kiosk", "list_kiosks")]  # type: ignore[arg-type]
    assert nearest("statsu", commands) == "status"
    assert nearest("listkiosks", commands) == "list_kiosks"
    assert nearest("weather", commands) == ""


def test_what_buttons_say_fits() -> None:
    assert COMMANDS
    for verb in PRESSES:
        assert ":" not in verb
        assert len(f"{verb}:0123456789abcdef:choice") <= 64
