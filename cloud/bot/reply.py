"""What goes between a command and Telegram: who asks, and what is answered."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

Language = Literal["en", "ru"]
DATA_MAX = 64  # bytes of a button's data, as Telegram has it


class Target(msgspec.Struct, frozen=True):
    """A chat, and a topic of it (0: none). The id is a number, or `@name` of a public one."""

    chat_id: int | str
    topic_id: int = 0


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, where, and in which language. `shown` names them in audits: a name as it is and the id."""

    user_id: int
    shown: str
    language: Language
    target: Target
    message_id: int = 0  # of the command, or of the message whose button was pressed
    is_private: bool = True
    done: list[tuple[str, str, dict[str, Any]]] = msgspec.field(default_factory=list)

    def did(self, act: str, subject: str, **data: object) -> None:
        """What was done for this person, for the audit: an act such as kiosk.disable, of what, and without secrets."""
        self.done.append((act, subject, data))


class Button(msgspec.Struct, frozen=True):
    """A button under a message: what it says, and at most 64 bytes that come back. `data` is `verb:rest`."""

    text: str
    data: str


Rows = Sequence[Sequence[Button]]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: HTML of at most one message, buttons, a file; `edits` the message whose button was pressed instead of
    sending a new one. With `toast` a pressed button says so much and no more. `ask` names a question of `asks` that is
    to be answered by a reply to this message."""

    html: str = ""
    buttons: Rows = ()
    file: tuple[str, bytes] | None = None
    edits: bool = False
    toast: str = ""
    ask: str = ""
