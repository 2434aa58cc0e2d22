"""The page: chats to read and to type into, live over a WebSocket; and the same for programs, by POST.

Whoever opens it is every person here, so only this machine may: the Host must be this address, the Origin this page,
and a POST must be JSON, which other pages cannot send.
"""

import contextlib
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import msgspec
from tornado.web import HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from cloud.emulator.chats import Chat, Post
from cloud.emulator.people import People

Json = dict[str, Any]

_SHOWN = 300  # messages of a chat, when the page is opened
_FILES = {
    "index.html": "text/html; charset=utf-8",
    "chat.css": "text/css; charset=utf-8",
    "chat.js": "text/javascript; charset=utf-8",
    "render.js": "text/javascript; charset=utf-8",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_LOCAL = {"127.0.0.1", "localhost", "[::1]"}


class Say(msgspec.Struct, forbid_unknown_fields=True):
    """A person writes; `chat` 0 is their own with the bot."""

    say: str
    user: int
    chat: int = 0
    thread: int = 0
    reply_to: int = 0


class Press(msgspec.Struct, forbid_unknown_fields=True):
    """A person presses a button of a message."""

    press: str
    user: int
    message: int
    chat: int = 0


class Page:
    """What the page shows, and who looks at it. `trouble` makes a bad day of a kind: down, limit or fail."""

    def __init__(self, people: People, trouble: Callable[[str], None]) -> None:
        self.people = people
        self.trouble = trouble
        self._live: set[LiveHandler] = set()
        people.world.watch(self._changed)

    def head(self) -> Json:
        """All but the messages."""
        world = self.people.world
        persons = [world.users[number] for number in self.people.shown or list(world.users)]
        chats = [world.chats[person.user_id] for person in persons]
        chats += [chat for chat in world.chats.values() if chat.kind != "private" and not chat.moved_to]
        first = persons[0].user_id if persons else 0
        return {
            "bot": world.bot,
            "people": [{"id": person.user_id, "name": person.name} for person in persons],
            "chats": [self._shown(chat) for chat in chats],
            "menus": {
                chat.chat_id: world.menu(chat.chat_id if chat.kind == "private" else first, chat.chat_id)
                for chat in chats
                if first
            },
        }

    def all(self) -> Json:
        """All, for a page that has just been opened."""
        chats = self.people.world.chats.values()
        posts = {chat.chat_id: [post.shown() for post in list(chat.posts.values())[-_SHOWN:]] for chat in chats}
        return {"head": self.head(), "all": posts}

    def do(self, action: Say | Press) -> Json:
        """What a person does; returns what came of it. Raises `ValueError` when it cannot be."""
        chat = self.people.world.chats.get(action.chat or action.user)
        if action.user not in self.people.world.users or chat is None:
            raise ValueError("there is no such person or chat")
        if isinstance(action, Press):
            return {"pressed": self.people.press(action.user, action.message, action.press, chat.chat_id)}
        if action.reply_to and action.reply_to not in chat.posts:
            raise ValueError("the message to be replied to is gone")
        if action.thread and action.thread not in chat.topics:
            raise ValueError("there is no such topic")
        if len(action.say.encode("utf-16-le")) // 2 > 4096:
            raise ValueError("a message has at most 4096 characters")
        return {"said": self.people.say(action.user, action.say, chat.chat_id, action.reply_to, action.thread)}

    def opened(self, live: "LiveHandler") -> None:
        """Somebody looks."""
        self._live.add(live)
        live.tell(self.all())

    def closed(self, live: "LiveHandler") -> None:
        """Somebody looks no more."""
        self._live.discard(live)

    def _shown(self, chat: Chat) -> Json:
        world = self.people.world
        shown: Json = {"id": chat.chat_id, "kind": chat.kind, "title": chat.title, "forum": chat.forum}
        if chat.kind == "private":
            shown["started"] = world.users[chat.chat_id].started
        if chat.forum:
            shown["topics"] = [{"id": number, "name": name} for number, name in chat.topics.items()]
        return shown

    def _changed(self, chat: Chat, what: Post | str) -> None:
        if not self._live:
            return
        news: Json
        if isinstance(what, str):
            answer = self.people.world.presses[what].answer or {}
            news = {"answer": what, **answer}
        elif what.gone:
            news = {"chat": chat.chat_id, "deleted": what.message["message_id"]}
        else:
            news = {"head": self.head(), "chat": chat.chat_id, "post": what.shown()}
        for live in list(self._live):
            live.tell(news)


class _Local(RequestHandler):
    """Answers this machine's own pages and programs only."""

    def initialize(self, page: Page) -> None:
        self._page = page

    def prepare(self) -> None:
        host = self.request.host.lower()
        if (host.rpartition(":")[0] if host[-1:].isdigit() else host) not in _LOCAL:
            raise HTTPError(403)


class FilesHandler(_Local):
    """The page's own files."""

    def get(self, name: str) -> None:
        name = name or "index.html"
        if name not in _FILES:
            raise HTTPError(404)
        self.set_header("Content-Type", _FILES[name])
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")
        self.finish(files("cloud.emulator").joinpath("pages", name).read_bytes())


class ActHandler(_Local):
    """POST /sim/say and /sim/press; GET /sim/messages: for programs."""

    def get(self, name: str) -> None:
        if name != "messages":
            raise HTTPError(405)
        number = self.get_query_argument("chat")
        if not re.fullmatch("-?[0-9]{1,19}", number):
            raise HTTPError(400)
        chat = self._page.people.world.chats.get(int(number))
        posts = list(chat.posts.values())[-_SHOWN:] if chat else []
        self._answer({"messages": [post.shown() for post in posts if post.by_bot]})

    def post(self, name: str) -> None:
        if self.request.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            raise HTTPError(415)
        if name == "messages":
            raise HTTPError(405)
        try:
            body = msgspec.json.decode(self.request.body, type=dict[str, Any])
            self._answer(self._page.do(_read(body)))
        except ValueError as why:  # msgspec's errors are such
            self.set_status(400)
            self._answer({"wrong": str(why)})

    def _answer(self, what: Json) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(what))


class LiveHandler(WebSocketHandler):
    """/sim/live: all that is, then what changes; takes what people do. Tornado lets no other page's Origin in."""

    def initialize(self, page: Page) -> None:
        self._page = page

    def open(self, *args: str, **kwargs: str) -> None:
        self._page.opened(self)

    def on_close(self) -> None:
        self._page.closed(self)

    def tell(self, what: Json) -> None:
        """Send; a page that is gone is none of our trouble."""
        with contextlib.suppress(WebSocketClosedError):
            self.write_message(msgspec.json.encode(what, order=None).decode())

    def on_message(self, message: str | bytes) -> None:
        try:
            given = msgspec.json.decode(message, type=dict[str, Any])
            if "head" in given:
                self.tell({"head": self._page.head()})
            elif "trouble" in given:
                self._page.trouble(str(given["trouble"]))
            else:
                done = self._page.do(_read(given))
                if "pressed" in done:
                    self.tell(done)
        except ValueError as why:
            self.tell({"wrong": str(why)})


def _read(given: Json) -> Say | Press:
    """Raises `ValueError`."""
    if "press" in given:
        return msgspec.convert(given, Press)
    return msgspec.convert(given, Say)


def routes(page: Page) -> list[Any]:
    """For the application."""
    given = {"page": page}
    return [
        (r"/(index\.html)?", FilesHandler, given),
        (r"/sim/([a-z]+\.(?:css|js))", FilesHandler, given),
        (r"/sim/live", LiveHandler, given),
        (r"/sim/(say|press|messages)", ActHandler, given),
    ]
