"""How commands are written, in both languages."""

import re

from cloud.bot.commands import COMMANDS
from cloud.bot.usage import WORDS, usage


def test_what_is_given_is_named_in_the_readers_language() -> None:
    by_name = {command.name: command for command in COMMANDS}
    assert usage(by_name["add_kiosk"], "en") == "/add_kiosk <id> [name]"
    assert usage(by_name["add_kiosk"], "ru") == "/add_kiosk <id> [имя]"
    assert usage(by_name["mute"], "ru") == "/mute <киоск|вид> <время>"
    assert usage(by_name["status"], "ru") == "/status"


def test_every_argument_has_its_russian_word() -> None:
    named = {name for command in COMMANDS for name in re.findall(r"[<\[]([^>\]]+)[>\]]", command.usage)}
    assert named == set(WORDS["ru"])
