"""What a command and a button are. The acts modules declare theirs; `commands` puts them together."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from cloud.bot.reply import Caller, Reply

if TYPE_CHECKING:
    from cloud.bot.asks import Ask
    from cloud.bot.hands import Hands


class WrongUse(Exception):
    """A command's arguments cannot be used. `key` names the sentence that says why, `fields` fill it; the right use
    is added by who answers."""

    def __init__(self, key: str, **fields: object) -> None:
        super().__init__(key)
        self.key = key
        self.fields = fields


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command. `help` is the key of its line in the menu and in /help; the arguments come split as a shell does.

    `changes` says that it must not be carried out twice: where the hub dies in the middle of it, its caller is told
    so instead, and one that comes too late is not carried out. `name_after` says that what follows so many words is
    one name, which keeps the quotes in it.
    """

    name: str
    usage: str = ""
    help: str
    act: "Callable[[Hands, Caller, list[str]], Awaitable[Reply | list[Reply]]]"
    changes: bool = False
    name_after: int | None = None


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """What a button does. `rest` is what follows the first colon of its data. A button that only turns a page or looks
    says so by `changes=False`."""

    act: "Callable[[Hands, Caller, str], Awaitable[Reply | list[Reply]]]"
    changes: bool = True


# A text that replies to a question: hands, who, the question (used up already), the text.
Answered = Callable[["Hands", Caller, "Ask", str], Awaitable[Reply]]
