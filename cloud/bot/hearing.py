"""What an update of Telegram means to the bot: whose it is, and what is wanted. Pure.

Obeyed is who writes with an own name: nobody on behalf of a chat, no channel, no bot, no forwarded text, and nothing
that was edited afterwards. In groups the bot hears what is said to it alone: a command, a reply to its question, a
button. Whoever is no admin is a stranger, and in groups heard only if the command names this bot.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from cloud.bot.commands import Said, read
from cloud.bot.reply import Target

_NAME_MAX = 64
_MAX = 2**63 - 1
_Id = Annotated[int, msgspec.Meta(ge=-_MAX, le=_MAX)]  # as databases take them


class User(msgspec.Struct):
    """Telegram's User, of which we need so much."""

    id: _Id
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    language_code: str = ""

    @property
    def shown(self) -> str:
        """For audits and logs: printable, bounded, with the id."""
        name = " ".join(part for part in (self.first_name, self.last_name) if part) or self.username
        printable = "".join(c for c in name if c.isprintable())[:_NAME_MAX].strip()
        return f"{printable} ({self.id})" if printable else str(self.id)


class Chat(msgspec.Struct):
    """Telegram's Chat."""

    id: _Id
    type: str = "private"


class Message(msgspec.Struct):
    """Telegram's Message; one that is no longer accessible has no date."""

    message_id: _Id
    chat: Chat
    date: float = 0.0
    from_: User | None = msgspec.field(default=None, name="from")
    sender_chat: Chat | None = None
    text: str = ""
    message_thread_id: _Id = 0
    is_topic_message: bool = False
    reply_to_message: "Message | None" = None
    forward_origin: dict[str, Any] | None = None
    via_bot: User | None = None
    migrate_to_chat_id: _Id = 0

    @property
    def target(self) -> Target:
        """Where it stands. What is no topic has threads of replies, which nothing can be sent to."""
        return Target(self.chat.id, self.message_thread_id if self.is_topic_message else 0)


class CallbackQuery(msgspec.Struct):
    """Telegram's CallbackQuery: somebody pressed a button."""

    id: str
    from_: User = msgspec.field(name="from")
    message: Message | None = None
    data: str = ""


class Update(msgspec.Struct):
    """Telegram's Update, of the kinds we asked for."""

    update_id: _Id
    message: Message | None = None
    callback_query: CallbackQuery | None = None


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants. `sent_at` is by Telegram's clock, and 0 for a button, of which nobody knows."""

    what: Literal["command", "press", "text", "stranger", "forwarded", "moved"]
    user: User
    target: Target
    message_id: int = 0
    is_private: bool = True
    sent_at: float = 0.0
    said: Said = Said("", "", "")
    text: str = ""
    reply_to: int = 0  # the message it replies to
    callback_id: str = ""
    verb: str = ""
    rest: str = ""
    moved_to: int = 0


def read_update(payload: bytes) -> Update | None:
    """An update as Telegram delivered it; None for what cannot be read."""
    try:
        return msgspec.json.decode(payload, type=Update)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def hear(update: Update, *, username: str, is_admin: Callable[[int], bool]) -> Heard | None:
    """What is wanted; None: nothing, or it is not said to this bot. `username` is the bot's own."""
    if update.callback_query is not None:
        return _pressed(update.callback_query, is_admin)
    if update.message is not None:
        return _said(update.message, username.lower(), is_admin)
    return None


def _pressed(query: CallbackQuery, is_admin: Callable[[int], bool]) -> Heard | None:
    message = query.message
    if message is None or query.from_.is_bot:
        return None
    verb, _, rest = query.data.partition(":")
    return Heard(
        what="press" if is_admin(query.from_.id) else "stranger",
        user=query.from_,
        target=message.target,
        message_id=message.message_id,
        is_private=message.chat.type == "private",
        callback_id=query.id,
        verb=verb,
        rest=rest,
    )


def _said(message: Message, username: str, is_admin: Callable[[int], bool]) -> Heard | None:
    user, chat = message.from_, message.chat
    if message.migrate_to_chat_id:
        nobody = User(0)
        return Heard(what="moved", user=nobody, target=Target(chat.id), moved_to=message.migrate_to_chat_id)
    if user is None or user.is_bot or message.sender_chat is not None or chat.type == "channel":
        return None
    is_private = chat.type == "private"
    said = read(message.text)
    reply_to = message.reply_to_message.message_id if message.reply_to_message is not None else 0
    if message.is_topic_message and reply_to == message.message_thread_id:
        reply_to = 0  # in a topic everything replies to its first message
    common: dict[str, Any] = {
        "user": user,
        "target": message.target,
        "message_id": message.message_id,
        "is_private": is_private,
        "sent_at": message.date,
        "text": message.text,
    }
    if said is not None and said.bot and said.bot != username:
        return None
    if not is_admin(user.id):
        named = said is not None and said.bot == username
        return Heard(what="stranger", **common) if is_private or named else None
    if message.forward_origin is not None or message.via_bot is not None:
        return Heard(what="forwarded", **common) if is_private or said is not None else None
    if said is not None:
        return Heard(what="command", said=said, **common)
    if message.text and (is_private or reply_to):
        return Heard(what="text", reply_to=reply_to, **common)
    return None
