"""Who and what is in this small Telegram: people, chats, topics, messages, files."""

import itertools
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from cloud.emulator.errors import bad, forbidden

Json = dict[str, Any]

BOT_NAME = "kioskwire_bot"
MESSAGES_MAX = 5000  # kept in a chat; the oldest are forgotten first
PRESSES_MAX = 5000
FILES_MAX_BYTES = 256 * 1024 * 1024  # of all files; the oldest are forgotten first


class User(msgspec.Struct):
    """A person. A bot may write to those who have pressed Start and have not blocked it since."""

    user_id: int
    name: str
    language: str = "en"
    started: bool = False
    blocked: bool = False

    def shown(self) -> Json:
        """As the Bot API's User."""
        return {
            "id": self.user_id,
            "is_bot": False,
            "first_name": self.name,
            "username": f"user{self.user_id}",
            "language_code": self.language,
        }


class Post(msgspec.Struct):
    """A message. `message` is the Bot API's; `html` as the bot sent it; `edits` counts its changes."""

    message: Json
    by_bot: bool
    html: str = ""
    edits: int = 0
    asks: bool = False  # with a ForceReply: the reply field opens at the reader's
    silent: bool = False  # without a sound
    gone: bool = False  # deleted

    def shown(self) -> Json:
        """For tests and the page: the message with `html`, `edits`, `asks` and `silent`."""
        return {**self.message, "html": self.html, "edits": self.edits, "asks": self.asks, "silent": self.silent}


class Chat(msgspec.Struct, kw_only=True):
    """A chat. `topics` are of a forum: id → name. `moved_to` is set when a group became a supergroup."""

    chat_id: int
    kind: str  # private, group, supergroup, channel
    title: str
    forum: bool = False
    username: str = ""
    member: bool = True  # whether the bot is in it
    topics: dict[int, str] = {}
    moved_to: int = 0
    posts: dict[int, Post] = {}
    numbers: Iterator[int]  # of its messages

    def shown(self) -> Json:
        """As the Bot API's Chat."""
        if self.kind == "private":
            return {"id": self.chat_id, "type": "private", "first_name": self.title}
        shown: Json = {"id": self.chat_id, "type": self.kind, "title": self.title}
        if self.username:
            shown["username"] = self.username
        return {**shown, "is_forum": True} if self.forum else shown

    def add(self, post: Post) -> Json:
        """Keep a message; returns it."""
        self.posts[post.message["message_id"]] = post
        if len(self.posts) > MESSAGES_MAX:
            del self.posts[next(iter(self.posts))]
        return post.message

    def remove(self, message_id: int) -> None:
        """Delete a message."""
        self.posts.pop(message_id).gone = True

    def next_id(self) -> int:
        """A message's id; they grow in a chat."""
        return next(self.numbers)


class Stored(msgspec.Struct, frozen=True):
    """A file that was sent."""

    file_id: str
    name: str
    data: bytes


class Press(msgspec.Struct):
    """A button that was pressed. `answer` is what the bot said to it; None while it has said nothing."""

    at: float
    chat_id: int
    answer: Json | None = None


class World:
    """All of it."""

    def __init__(self, *, bot_id: int, clock: Callable[[], float] = time.time) -> None:
        self.bot: Json = {
            "id": bot_id,
            "is_bot": True,
            "first_name": "Kioskwire",
            "username": BOT_NAME,
        }
        self.clock = clock
        self.users: dict[int, User] = {}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, Stored] = {}
        self.presses: dict[str, Press] = {}
        self.commands: dict[str, list[Json]] = {}  # scope and language as JSON → commands
        self._first = 2
        self._own = itertools.count(1)  # private chats and groups share their messages' numbers, supergroups do not
        self._files = itertools.count(1)
        self._presses = itertools.count(1)
        self._watchers: list[Callable[[Chat, Post | str], None]] = []

    def go_on_at(self, number: int) -> None:
        """Number messages, files and pressed buttons from here on, before there are any."""
        self._first = number
        self._own, self._files, self._presses = (
            itertools.count(number),
            itertools.count(number),
            itertools.count(number),
        )

    def watch(self, told: Callable[[Chat, Post | str], None]) -> None:
        """Call `told` with every message that is new, changed or deleted, and with what pressed buttons are told."""
        self._watchers.append(told)

    def tell(self, chat: Chat, what: Post | str) -> None:
        """A message is new, has changed or was deleted; or a callback query, by its id, is answered."""
        for told in self._watchers:
            told(chat, what)

    def user(self, user_id: int, name: str = "", language: str = "en") -> User:
        """A person with a private chat; made at the first mention, and not started."""
        user = self.users.get(user_id)
        if user is None:
            user = self.users[user_id] = User(user_id, name or f"Person {user_id}", language)
            self.chats[user_id] = Chat(chat_id=user_id, kind="private", title=user.name, numbers=self._own)
        return user

    def group(self, chat_id: int, title: str, *, forum: bool = False, username: str = "") -> Chat:
        """A group with the bot in it: a supergroup if its id begins with -100, or it is public or a forum."""
        if chat_id >= 0:
            raise ValueError(f"{chat_id} is no group's id: they are below zero")
        large = forum or bool(username) or str(chat_id).startswith("-100")
        chat = self.chats[chat_id] = Chat(
            chat_id=chat_id,
            kind="supergroup" if large else "group",
            title=title,
            forum=forum,
            username=username,
            numbers=itertools.count(self._first) if large else self._own,
        )
        return chat

    def channel(self, chat_id: int, title: str) -> Chat:
        """A channel that the bot may post to."""
        numbers = itertools.count(self._first)
        chat = self.chats[chat_id] = Chat(chat_id=chat_id, kind="channel", title=title, numbers=numbers)
        return chat

    def topic(self, chat_id: int, name: str, thread_id: int = 0) -> int:
        """A new topic of a forum; returns its message_thread_id, which is `thread_id` if that is not 0."""
        chat = self.chats[chat_id]
        if not chat.forum:
            raise ValueError(f"chat {chat_id} has no topics: it is no forum")
        thread = thread_id or chat.next_id()
        chat.topics[thread] = name
        return thread

    def find(self, given: str) -> Chat:
        """A chat by its id or `@name`. Raises `Refusal`."""
        if not given:
            raise bad("chat_id is empty")
        if given.startswith("@"):
            chat = next((chat for chat in self.chats.values() if chat.username.lower() == given[1:].lower()), None)
        else:
            chat = self.chats.get(int(given)) if re.fullmatch("-?[0-9]{1,19}", given) else None
        if chat is None:
            raise bad("chat not found")
        return chat

    def find_to_write(self, given: str) -> Chat:
        """A chat for the bot to write to. Raises `Refusal`."""
        chat = self.find(given)
        if chat.moved_to:
            raise bad("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.moved_to)
        if not chat.member:
            raise forbidden(f"bot was kicked from the {chat.kind} chat")
        if chat.kind == "private":
            user = self.users[chat.chat_id]
            if user.blocked:
                raise forbidden("bot was blocked by the user")
            if not user.started:
                raise forbidden("bot can't initiate conversation with a user")
        return chat

    def keep_file(self, name: str, data: bytes) -> Stored:
        """Keep a file that was sent."""
        stored = Stored(f"BQACAgIAAx{next(self._files):08d}", name, data)
        self.files[stored.file_id] = stored
        while sum(len(file.data) for file in self.files.values()) > FILES_MAX_BYTES and len(self.files) > 1:
            del self.files[next(iter(self.files))]
        return stored

    def press(self, chat_id: int) -> str:
        """A button is pressed; returns the callback query's id."""
        number = str(4_000_000_000_000_000_000 + next(self._presses))
        self.presses[number] = Press(self.clock(), chat_id)
        if len(self.presses) > PRESSES_MAX:
            del self.presses[next(iter(self.presses))]
        return number

    def menu(self, user_id: int, chat_id: int) -> list[Json]:
        """The commands offered to a person in a chat: the narrowest scope that has any, first in their language."""
        private = self.chats[chat_id].kind == "private"
        scopes: list[Json] = [
            {"type": "chat_member", "chat_id": chat_id, "user_id": user_id},
            {"type": "chat", "chat_id": chat_id},
            {"type": "all_private_chats" if private else "all_group_chats"},
            {"type": "default"},
        ]
        for scope in scopes:
            for language in (self.users[user_id].language, ""):
                if commands := self.commands.get(scope_key(scope, language)):
                    return commands
        return []


def scope_key(scope: Json, language: str) -> str:
    """What commands are kept by."""
    return msgspec.json.encode([scope, language], order="sorted").decode()
