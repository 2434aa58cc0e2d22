"""The table of all commands, buttons and questions, out of the acts modules; and how a command is read."""

import difflib
import re

import msgspec

from cloud.bot import acts_alerts, acts_dangerous, acts_kiosks, acts_operations, acts_start, acts_status
from cloud.bot.command import Answered, Command, Press, WrongUse

# In the order of the menu.
_ACTS = (acts_status, acts_operations, acts_alerts, acts_kiosks, acts_dangerous, acts_start)
COMMANDS: list[Command] = [command for acts in _ACTS for command in acts.COMMANDS]
PRESSES: dict[str, Press] = {verb: press for acts in _ACTS for verb, press in acts.PRESSES.items()}
REPLIES: dict[str, Answered] = {
    kind: answered for acts in _ACTS for kind, answered in getattr(acts, "REPLIES", {}).items()
}

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,64})(?:@([A-Za-z0-9_]{1,64}))?(?=\s|$)")
_QUOTES = {'"': '"', "'": "'", "«": "»", "“": "”", "„": "“"}


class Said(msgspec.Struct, frozen=True):
    """A text as a command: its name in lower case, the bot it is addressed to in lower case, the rest."""

    name: str
    bot: str
    rest: str


def read(text: str) -> Said | None:
    """A message's text as a command; None where it is none."""
    found = _COMMAND.match(text)
    if found is None:
        return None
    return Said(found[1].lower(), (found[2] or "").lower(), text[found.end() :].strip())


def split(text: str, name_after: int | None = None) -> list[str]:
    """Words as a shell has them; quotes of both languages hold words together. Raises `WrongUse`.

    Telegram's clients turn quotes into typographic ones as people type, so those do as well. What follows the first
    `name_after` words is one name, with the quotes in it.
    """
    words: list[str] = []
    word: list[str] | None = None
    closing = ""
    for at, c in enumerate(text):
        if len(words) == name_after and not c.isspace():
            return [*words, _name(text[at:].strip())]
        if closing:
            if c == closing:
                closing = ""
            elif word is not None:
                word.append(c)
        elif c in _QUOTES and not word:
            word, closing = [], _QUOTES[c]
        elif c.isspace():
            if word is not None:
                words.append("".join(word))
            word = None
        else:
            word = [*(word or []), c]
    if closing:
        raise WrongUse("core.quote_open")
    if word is not None:
        words.append("".join(word))
    return words


def _name(text: str) -> str:
    """A name without the one pair of quotes around the whole of it. Raises `WrongUse`."""
    closing = _QUOTES.get(text[0], "")
    if closing and closing not in text[1:]:
        raise WrongUse("core.quote_open")
    return text[1:-1] if closing and text.endswith(closing) and _is_one_pair(text, closing) else text


def _is_one_pair(text: str, closing: str) -> bool:
    """Whether the first and the last character belong together: «a «b»» and "a "b"" are one, «a» «b» are two."""
    inner = text[1:-1]
    if closing == text[0]:
        opens = inner.find(closing)
        return opens < 0 or inner[:opens][-1:].isspace()
    depth = 0
    for c in inner:
        depth += (c == text[0]) - (c == closing)
        if depth < 0:
            return False
    return depth == 0


def nearest(name: str, commands: list[Command]) -> str:
    """The command that was probably meant; empty where none is near."""
    near = difflib.get_close_matches(name, [command.name for command in commands], n=1)
    return near[0] if near else ""
