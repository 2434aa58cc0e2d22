"""What people do in this small Telegram, and what of it the bot is told."""

import time
from typing import Any

from cloud.emulator.chats import Chat, Post, World
from cloud.emulator.entities import Formatted
from cloud.emulator.sending import bare
from cloud.emulator.tidy import tidy
from cloud.emulator.updates import Updates

Json = dict[str, Any]

_EPOCH = 1_767_225_600  # 2026 began

# Whom messages of a group's anonymous administrators come from.
_ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}


class People:
    """The people and groups around one bot."""

    def __init__(self, *, bot_id: int) -> None:
        self._later = 0.0
        self.world = World(bot_id=bot_id, clock=self.now)
        self.updates = Updates(clock=self.now)
        self.shown: list[int] = []  # whose chats the page has, the first being who writes in groups; empty: everybody's

    def go_on(self) -> None:
        """Number all from where no earlier run can have come to, before there is anything: in Telegram no number is
        used twice, and a hub that has seen one takes it for the same."""
        seconds = int(time.time())
        self.updates.go_on_at(seconds)
        self.world.go_on_at(seconds - _EPOCH)

    def now(self) -> float:
        """What Telegram's clock says, in Unix seconds."""
        return time.time() + self._later

    def later(self, seconds: float) -> None:
        """Telegram's clock goes on: what waits gets old."""
        self._later += seconds

    def user(self, user_id: int, name: str = "", language: str = "en", *, started: bool = True) -> None:
        """A person; `started` says whether the bot may write to them."""
        self.world.user(user_id, name, language).started = started

    def group(self, chat_id: int, title: str = "Group", *, forum: bool = False, username: str = "") -> None:
        """A group with the bot in it. Ids of supergroups begin with -100; a `username` makes it public."""
        self.world.group(chat_id, title, forum=forum, username=username)

    def channel(self, chat_id: int, title: str = "Channel") -> None:
        """A channel that the bot may post to."""
        self.world.channel(chat_id, title)

    def topic(self, chat_id: int, name: str = "Topic", thread_id: int = 0) -> int:
        """A topic of a forum; returns its message_thread_id, which is `thread_id` if that is not 0."""
        return self.world.topic(chat_id, name, thread_id)

    def drop_topic(self, chat_id: int, thread_id: int) -> None:
        """Somebody deletes a topic."""
        del self.world.chats[chat_id].topics[thread_id]

    def block(self, user_id: int, *, blocked: bool = True) -> None:
        """A person blocks the bot, or takes that back."""
        self.world.users[user_id].blocked = blocked
        self._member(self.world.chats[user_id], user_id, "kicked" if blocked else "member")

    def kick(self, chat_id: int, *, by: int = 1) -> None:
        """The bot is put out of a group."""
        self.world.chats[chat_id].member = False
        self._member(self.world.chats[chat_id], by, "kicked")

    def migrate(self, chat_id: int, new_id: int) -> None:
        """A group becomes a supergroup with another id."""
        old = self.world.chats[chat_id]
        new = self.world.group(new_id, old.title)
        old.moved_to = new_id
        self._deliver(old, "message", self._said(old, {"migrate_to_chat_id": new_id}))
        self._deliver(new, "message", self._said(new, {"migrate_from_chat_id": chat_id}))

    def say(
        self,
        user_id: int,
        text: str,
        chat_id: int | None = None,
        reply_to: int = 0,
        thread_id: int = 0,
        *,
        anonymous: bool = False,
    ) -> Json:
        """A person writes, to the bot or into a group; returns the message. In groups the bot sees only commands and
        replies to itself, as with Telegram's privacy mode. `anonymous` is how administrators of a group may write."""
        user = self.world.user(user_id)
        chat = self.world.chats[user_id if chat_id is None else chat_id]
        if chat.kind == "private":
            user.started, user.blocked = True, False
        message: Json = {"from": user.shown(), **self._typed(text)}
        if anonymous:
            message |= {"from": _ANONYMOUS, "sender_chat": chat.shown()}
        to_bot = chat.kind == "private" or self._is_command(message)
        if reply_to:
            replied = chat.posts[reply_to]
            message["reply_to_message"] = bare(replied.message)
            thread_id = thread_id or replied.message.get("message_thread_id", 0)
            to_bot = to_bot or replied.by_bot
        if thread_id:
            message |= {"message_thread_id": thread_id, "is_topic_message": True}
        said = self._said(chat, message)
        if to_bot:
            self._deliver(chat, "message", said)
        return said

    def amend(self, user_id: int, message_id: int, text: str, chat_id: int | None = None) -> None:
        """A person changes what they wrote."""
        chat = self.world.chats[user_id if chat_id is None else chat_id]
        post = chat.posts[message_id]
        kept = {name: value for name, value in post.message.items() if name not in {"text", "entities"}}
        post.message = {**kept, **self._typed(text), "edit_date": int(self.now())}
        post.edits += 1
        self.world.tell(chat, post)
        if chat.kind == "private" or self._is_command(post.message):
            self._deliver(chat, "edited_message", post.message)

    def delete(self, chat_id: int, message_id: int) -> None:
        """Somebody deletes a message. The bot is not told."""
        chat = self.world.chats[chat_id]
        post = chat.posts[message_id]
        chat.remove(message_id)
        self.world.tell(chat, post)

    def press(self, user_id: int, message_id: int, data: str, chat_id: int | None = None) -> str:
        """A person presses a button under the bot's message; returns the callback query's id. The button need not be
        there any more: chats show old messages for a while."""
        user = self.world.user(user_id)
        chat = self.world.chats[user_id if chat_id is None else chat_id]
        number = self.world.press(chat.chat_id)
        post = chat.posts.get(message_id)
        message = post.message if post else {"message_id": message_id, "chat": chat.shown(), "date": 0}
        query = {"id": number, "from": user.shown(), "message": message, "chat_instance": str(chat.chat_id)}
        self.updates.push("callback_query", {**query, "data": data}, chat.chat_id)
        return number

    def _typed(self, text: str) -> Json:
        """What a person typed, as a message has it. Raises `ValueError` for what Telegram's programs do not send."""
        what = tidy(Formatted(text, []))
        if not what.text:
            raise ValueError("an empty message cannot be sent")
        return {"text": what.text, "entities": what.entities} if what.entities else {"text": what.text}

    def _is_command(self, message: Json) -> bool:
        """Whether it has a command for this bot, or for any."""
        raw = message["text"].encode("utf-16-le")
        for entity in message.get("entities", ()):
            if entity["type"] == "bot_command":
                end = entity["offset"] + entity["length"]
                word = raw[2 * entity["offset"] : 2 * end].decode("utf-16-le")
                if word.partition("@")[2].lower() in {"", self.world.bot["username"]}:
                    return True
        return False

    def _member(self, chat: Chat, by: int, status: str) -> None:
        """What the bot is told when it is put out or let in."""
        old = "member" if status == "kicked" else "kicked"
        told = {
            "chat": chat.shown(),
            "from": self.world.user(by).shown(),
            "date": int(self.now()),
            "old_chat_member": {"user": self.world.bot, "status": old, "until_date": 0},
            "new_chat_member": {"user": self.world.bot, "status": status, "until_date": 0},
        }
        self._deliver(chat, "my_chat_member", told)

    def _said(self, chat: Chat, message: Json) -> Json:
        start = {"message_id": chat.next_id(), "chat": chat.shown(), "date": int(self.now())}
        post = Post(start | message, False)
        chat.add(post)
        self.world.tell(chat, post)
        return post.message

    def _deliver(self, chat: Chat, kind: str, what: Json) -> None:
        self.updates.push(kind, what, chat.chat_id)
