"""The Bot API as this room needs it, and Telegram's ways of saying no.

TalkError
├── Unreachable   not known whether it arrived: no line, a timeout, 5xx
├── Limited       429; `after` seconds are to be waited, in this chat
├── Conflict      409 of getUpdates: another program polls this bot, or a webhook is set
├── Unauthorized  the token is none
└── Rejected      400, 403 and the like: it will not be taken however often; `words` are Telegram's
"""

from typing import Protocol

from cloud.bot.reply import Rows, Target


class TalkError(Exception):
    """The base. Its text is for logs and holds no token."""


class Unreachable(TalkError):
    """Not known whether it arrived."""


class Limited(TalkError):
    """Telegram wants a pause."""

    def __init__(self, after: float) -> None:
        super().__init__(f"Telegram asks to wait {after:.0f} s")
        self.after = after


class Conflict(TalkError):
    """Another program polls with this token, or a webhook is set."""


class Unauthorized(TalkError):
    """Telegram does not know this token."""


class Rejected(TalkError):
    """It will not be taken however often."""


class Talk(Protocol):
    """What rooms of the bot say to Telegram through. Every method raises `TalkError`; texts are HTML."""

    async def send(
        self, to: Target, html: str, *, buttons: Rows = (), reply_to: int = 0, silent: bool = False, asks: bool = False
    ) -> int:
        """Send a message; returns its id. `asks` opens the reply field at the reader's."""

    async def edit(self, to: Target, message_id: int, html: str, *, buttons: Rows = ()) -> None:
        """Change a message of ours. One that says so already is no error; one that is gone is `Rejected`."""

    async def send_file(self, to: Target, name: str, data: bytes, html: str = "", *, reply_to: int = 0) -> int:
        """Send a document with a caption of at most 1024 characters."""

    async def answer(self, callback_id: str, text: str = "") -> None:
        """End the waiting of a pressed button, with a toast of at most 200 characters."""
