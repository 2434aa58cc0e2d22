"""/start, /help, /language: who the bot is, what it can do, and in which language it says so."""

import difflib

from cloud.bot.command import Command, Press, WrongUse
from cloud.bot.hands import Hands
from cloud.bot.html import Html, bold, code, escape
from cloud.bot.reply import Button, Caller, Language, Reply
from cloud.bot.usage import usage

_LANGUAGES: dict[str, Language] = {
    "en": "en",
    "english": "en",
    "английский": "en",
    "ru": "ru",
    "russian": "ru",
    "русский": "ru",
}
_BUTTONS = [[Button("English", "lang:en"), Button("Русский", "lang:ru")]]
# Which commands stand together in /help, and in which order. One that is in no group stands in the last.
_GROUPS = (
    ("kiosks.group_fleet", ("status", "list_kiosks", "kiosk")),
    ("kiosks.group_kiosks", ("add_kiosk", "code", "regenerate_token", "enable_kiosk", "disable_kiosk", "remove_kiosk")),
    ("kiosks.group_operations", ("operation", "unknown")),
    ("kiosks.group_alerts", ("alerts", "mute", "unmute", "mutes")),
    ("kiosks.group_bot", ("start", "help", "language")),
)
_OTHER = "kiosks.group_other"
# What /help says of one command besides its line.
_MORE = {
    "add_kiosk": "kiosks.more_add",
    "code": "kiosks.more_code",
    "regenerate_token": "kiosks.more_token",
    "list_kiosks": "kiosks.more_list",
    "kiosk": "kiosks.more_kiosk",
    "mute": "kiosks.more_mute",
    "disable_kiosk": "kiosks.more_disable",
    "remove_kiosk": "kiosks.more_remove",
}


async def start(hands: Hands, caller: Caller, _words: list[str]) -> Reply:
    """/start, with whatever a link to the bot put behind it."""
    where = f" {hands.public_url}" if hands.public_url else ""
    return Reply(html=hands.say(caller.language, "kiosks.welcome", where=where, shown=caller.shown))


async def help_(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/help, /help add_kiosk"""
    if words:
        return _help_of(hands, caller, words[0].lstrip("/").lower())
    say, language = hands.say, caller.language
    left = {command.name: command for command in hands.commands}
    groups = [(key, [left.pop(name) for name in names if name in left]) for key, names in _GROUPS]
    groups.append((_OTHER, list(left.values())))
    sections = [say(language, "kiosks.help_head")]
    for key, commands in groups:
        if commands:
            lines = [_line(hands, language, command) for command in commands]
            sections.append(Html("\n".join([bold(say(language, key)), *lines])))
    sections.append(say(language, "kiosks.help_tail"))
    return Reply(html=Html("\n\n".join(sections)))


async def language(hands: Hands, caller: Caller, words: list[str]) -> Reply:
    """/language ru; without a word it asks."""
    if not words:
        return Reply(html=hands.say(caller.language, "kiosks.language_which"), buttons=_BUTTONS)
    wanted = _LANGUAGES.get(words[0].casefold())
    if wanted is None or len(words) > 1:
        raise WrongUse("kiosks.language_wrong", text=" ".join(words)[:50])
    await hands.users.set_language(caller.user_id, wanted)
    return Reply(html=hands.say(wanted, "kiosks.language_is"))


async def press_language(hands: Hands, caller: Caller, rest: str) -> Reply:
    """A language's button. In a group each who presses it chooses for himself: the question stays."""
    wanted: Language = "ru" if rest == "ru" else "en"
    await hands.users.set_language(caller.user_id, wanted)
    said = hands.say(wanted, "kiosks.language_is")
    return Reply(html=said, edits=True) if caller.is_private else Reply(toast=said)


def _line(hands: Hands, language: Language, command: Command) -> Html:
    return Html(f"{escape(usage(command, language))} — {hands.say(language, command.help)}")


def _help_of(hands: Hands, caller: Caller, name: str) -> Reply:
    say, language = hands.say, caller.language
    command = next((each for each in hands.commands if each.name == name), None)
    if command is None:
        near = difflib.get_close_matches(name[:64], [each.name for each in hands.commands], n=1)
        if near:
            return Reply(html=say(language, "kiosks.help_unknown_near", command=name[:64], near=near[0]))
        return Reply(html=say(language, "kiosks.help_unknown", command=name[:64]))
    lines = [code(usage(command, language)), say(language, command.help)]
    if (more := _MORE.get(name)) is not None:
        lines.append(say(language, more))
    return Reply(html=Html("\n".join(lines)))


COMMANDS = [
    Command(name="start", help="kiosks.help_start", act=start),
    Command(name="help", usage="[command]", help="kiosks.help_help", act=help_),
    Command(name="language", usage="[en|ru]", help="kiosks.help_language", act=language),
]
PRESSES = {"lang": Press(act=press_language, changes=False)}
