"""The emulator itself: the Bot API on a port of 127.0.0.1, and what a test does to it.

    async with Emulator(port=0) as tg:
        tg.group(-1001, "Log", forum=True)
        bot = telegram.Bot(tg.token, base_url=f"{tg.url}/bot")
        tg.say(7, "/start")                     # a person writes to the bot: an update
        await tg.until(lambda: tg.messages(7))  # what the bot has said there
        tg.press(7, message_id, "verb:rest")

People are made by naming them; a bot cannot write to one who has never written to it. Groups have to be made. Nothing
is kept when it ends.
"""

import asyncio
import contextlib
import inspect
import socket
from collections.abc import Callable, Iterator
from typing import Any, Self

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from cloud.emulator import page
from cloud.emulator.bot import Bot
from cloud.emulator.chats import Post
from cloud.emulator.doors import Calls, routes
from cloud.emulator.errors import Refusal
from cloud.emulator.limits import Limits
from cloud.emulator.people import People
from cloud.emulator.webhook import Webhook

Json = dict[str, Any]

# Of the form Telegram gives: digits, and 35 characters.
TOKEN = "123456:kioskwire-emulator-token-0000000000"  # noqa: S105 - known to all
BODY_MAX_BYTES = 60 * 1024 * 1024
DOWN_S = 20.0  # an outage by the page's button


class _Server(HTTPServer):
    """One that knows its connections, so that they can be cut."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self.streams: set[IOStream] = set()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        self.streams.add(stream)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        self.streams = {stream for stream in self.streams if not stream.closed()}

    def cut(self) -> None:
        """Close all connections now."""
        for stream in self.streams:
            stream.close()
        self.streams.clear()


class Emulator(People):
    """See the module. `limits` switches Telegram's real limits on; `webhook_pause` is in seconds."""

    def __init__(
        self, *, port: int = 0, host: str = "127.0.0.1", token: str = TOKEN, limits: bool = False,
        webhook_pause: float = 0.05,
    ) -> None:  # fmt: skip
        self.token = token
        self.host, self.port = host, port
        super().__init__(bot_id=int(token.partition(":")[0]))
        self.webhook = Webhook(self.updates, pause=webhook_pause, clock=self.now)
        self.calls = Calls(
            bot=Bot(world=self.world, updates=self.updates, webhook=self.webhook),
            token=token,
            limits=Limits() if limits else None,
        )
        self._page = page.Page(self, self._trouble)
        self._reopening: asyncio.TimerHandle | None = None
        self._holder: socket.socket | None = None
        self._server: _Server | None = None

    # What a test looks at

    @property
    def url(self) -> str:
        """Where the Bot API is: what `TELEGRAM_API_URL` takes, without `/bot`."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def sent(self) -> list[Json]:
        """All calls that were accepted: `method`, `given` (texts, as Telegram sees them), `result`, `at`."""
        return self.calls.sent

    @property
    def refused(self) -> list[Json]:
        """All calls that were refused: `method`, `given`, `status`, `words`, `at`."""
        return self.calls.refused

    @property
    def unknown(self) -> list[str]:
        """Parameters that the Bot API does not know, as `method.parameter`."""
        return self.calls.unknown

    def messages(self, chat_id: int, thread_id: int = 0) -> list[Json]:
        """What the bot has said in a chat, or a topic of it: Bot API Messages, with `html`, `edits`, `asks` and
        `silent`."""
        return [post.shown() for post in self._posts(chat_id, thread_id) if post.by_bot]

    def history(self, chat_id: int, thread_id: int = 0) -> list[Json]:
        """The same with what people have said."""
        return [post.shown() for post in self._posts(chat_id, thread_id)]

    def answered(self, press: str) -> Json | None:
        """How the bot has answered a pressed button: `text`, `show_alert`; None if it has not."""
        return self.world.presses[press].answer

    async def until(self, check: Callable[[], Any], timeout: float = 20.0) -> Any:
        """Poll `check`, a function or a coroutine function, until it gives something true; returns that."""
        async with asyncio.timeout(timeout):
            while True:
                value = check()
                if inspect.isawaitable(value):
                    value = await value
                if value:
                    return value
                await asyncio.sleep(0.01)

    # Bad days

    def limit(self, chat_id: int | None, retry_after: int, times: int = 1) -> None:
        """The next calls that write to this chat, or to any (None), are answered 429."""
        self.calls.limit(chat_id, retry_after, times)

    def fail(self, status: int, times: int = 1, method: str = "") -> None:
        """The next calls of this method, or of any but getUpdates, are answered with this status."""
        self.calls.fail(status, times, method)

    def lose(self, times: int = 1, method: str = "") -> None:
        """The next calls of this method, or of any but getUpdates, are carried out, and the line breaks before the
        answer."""
        self.calls.lose(times, method)

    def slow(self, seconds: float, times: int = 1, method: str = "") -> None:
        """The next calls of this method, or of any but getUpdates, are carried out and answered so much later."""
        self.calls.slow(seconds, times, method)

    def steal(self) -> contextlib.AbstractContextManager[None]:
        """Another program polls with the same token, from now on until `give_back` or the end of a `with`."""
        self.updates.steal()
        return self._stolen()

    def give_back(self) -> None:
        """The other poller is gone."""
        self.updates.stolen = False

    @contextlib.contextmanager
    def _stolen(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.give_back()

    def shut(self) -> None:
        """Connections are cut and refused; all state is kept."""
        if self._server is not None:
            self._server.stop()
            self._server.cut()
            self._server = None
            self.updates.end_poll(Refusal(500, "Internal Server Error: restart"))

    def open(self) -> None:
        """Connections are taken again, on the same port."""
        if self._server is None:
            self._listen()

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Within `with tg.down():` nobody can connect."""
        self.shut()
        try:
            yield
        finally:
            self.open()

    def _trouble(self, kind: str) -> None:
        """A bad day, as the page offers them."""
        match kind:
            case "down":
                self.shut()
                self._reopening = asyncio.get_running_loop().call_later(DOWN_S, self.open)
            case "limit":
                self.limit(None, 5, times=5)
            case "fail":
                self.fail(502, times=5)

    # Running

    async def __aenter__(self) -> Self:
        self._holder = self._hold()
        self._listen()
        return self

    async def __aexit__(self, *why: object) -> None:
        await self.webhook.end()
        if self._reopening is not None:
            self._reopening.cancel()
        self.shut()
        if self._holder is not None:
            self._holder.close()

    def _hold(self) -> socket.socket:
        """Have the port for as long as this runs, so that no other program takes it while it is shut: a bound socket
        that never listens. Raises `OSError`."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        if self.port:
            with socket.socket(family) as alone:  # fails where another program listens
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind((self.host, self.port))
        holder = socket.socket(family)
        try:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind((self.host, self.port))
        except OSError:
            holder.close()
            raise
        self.port = holder.getsockname()[1]
        return holder

    def _listen(self) -> None:
        doors = Application([*routes(self.calls), *page.routes(self._page)], log_function=_say_nothing)
        self._server = _Server(doors, max_body_size=BODY_MAX_BYTES)
        self._server.add_sockets(bind_sockets(self.port, self.host, reuse_port=True))

    def _posts(self, chat_id: int, thread_id: int) -> list[Post]:
        chat = self.world.chats.get(chat_id)
        posts = list(chat.posts.values()) if chat else []
        return [post for post in posts if not thread_id or post.message.get("message_thread_id") == thread_id]


def _say_nothing(handler: RequestHandler) -> None:
    """Tornado's access log: every address here has the token in it."""
