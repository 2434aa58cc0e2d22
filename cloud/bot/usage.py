"""How a command is written, in the reader's language. Pure."""

import re

from cloud.bot.command import Command
from cloud.bot.reply import Language

_GIVEN = re.compile(r"(?<=[<\[])[^<>\[\]]+(?=[>\]])")
# What stands in brackets; commands and what is typed as it stands are the same in every language.
WORDS: dict[Language, dict[str, str]] = {
    "en": {},
    "ru": {
        "id": "id",
        "name": "имя",
        "kiosk": "киоск",
        "kiosk|kind": "киоск|вид",
        "duration": "время",
        "request id": "id запроса",
        "state": "состояние",
        "text": "текст",
        "command": "команда",
        "en|ru": "en|ru",
    },
}


def arguments(command: Command, language: Language) -> str:
    """What follows its name: `<id> [имя]`."""
    return _GIVEN.sub(lambda found: WORDS[language].get(found[0], found[0]), command.usage)


def usage(command: Command, language: Language) -> str:
    """The whole of it: `/add_kiosk <id> [имя]`."""
    return f"/{command.name} {arguments(command, language)}".strip()
