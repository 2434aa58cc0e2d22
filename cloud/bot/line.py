"""The line to Telegram: `Talk`, and what only the room itself needs, over python-telegram-bot's client of the Bot API.

The token stands in every address of the Bot API, so that whatever a library or a proxy says of a failed request may
quote it: every text that leaves here is scrubbed, and none of their exceptions is handed on.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
import msgspec
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeChat,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    ReplyParameters,
)
from telegram.constants import ParseMode
from telegram.error import NetworkError, TelegramError
from telegram.request import HTTPXRequest

from cloud.bot.html import CAPTION_MAX, TEXT_MAX, TOAST_MAX, cut, cut_plain, plain
from cloud.bot.reply import Rows, Target
from cloud.bot.talk import Conflict, Limited, Rejected, TalkError, Unauthorized, Unreachable
from cloud.metrics import Metrics
from cloud.outgoing import BoundedTransport
from wire.environment import Secret

log = logging.getLogger(__name__)

T = TypeVar("T")
_ANSWER_MAX = 8 * 1024 * 1024  # 100 updates have at most some megabytes
_TIMEOUT = 15.0  # until something more of an answer comes
_CALL_WITHIN = 60.0  # a request with its answer, be it that something more always comes
_CHATS_MAX = 1000  # whose limits and moves are remembered
_WORDS_MAX = 300
_ALLOWED = ["message", "callback_query"]


class Me(msgspec.Struct, frozen=True):
    """The bot, as Telegram knows it."""

    id: int
    username: str


class Line:
    """One bot's line. Methods raise `TalkError`; `close` ends it.

    A chat that Telegram asked to wait for is not called before that: `Limited` is raised at once.
    """

    def __init__(
        self,
        *,
        token: Secret,
        api_url: str,
        proxy: Secret | None = None,
        metrics: Metrics | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        proxy = proxy or Secret()
        self._secrets = _secrets(token.reveal(), proxy.reveal())
        self._metrics = metrics
        self._monotonic = monotonic
        self._requests = [_Requests(proxy.reveal(), connections) for connections in (1, 16)]
        self._bot = _Bot(
            token.reveal(),
            base_url=f"{api_url.rstrip('/')}/bot",
            base_file_url=f"{api_url.rstrip('/')}/file/bot",
            get_updates_request=self._requests[0],
            request=self._requests[1],
        )
        self._not_before: dict[int | str, float] = {}  # monotonic
        self._moved: dict[int | str, int] = {}

    async def close(self) -> None:
        """Close its connections."""
        for request in self._requests:
            await request.shutdown()

    async def send(
        self, to: Target, html: str, *, buttons: Rows = (), reply_to: int = 0, silent: bool = False, asks: bool = False
    ) -> int:
        """See `Talk`. A text that Telegram cannot read as HTML is sent as it reads without."""
        markup = _keyboard(buttons) or (ForceReply(selective=True) if asks else None)

        async def call(chat_id: int | str, text: str, mode: str | None) -> int:
            message = await self._bot.send_message(
                chat_id,
                text,
                parse_mode=mode,
                message_thread_id=to.topic_id or None,
                reply_markup=markup,
                reply_parameters=_reply(reply_to),
                disable_notification=silent or None,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
            return message.message_id

        return await self._in_chat(to, cut(html, TEXT_MAX), call)

    async def edit(self, to: Target, message_id: int, html: str, *, buttons: Rows = ()) -> None:
        """See `Talk`."""

        async def call(chat_id: int | str, text: str, mode: str | None) -> None:
            await self._bot.edit_message_text(
                text,
                chat_id,
                message_id,
                parse_mode=mode,
                reply_markup=_keyboard(buttons),
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )

        try:
            await self._in_chat(to, cut(html, TEXT_MAX), call)
        except Rejected as error:
            if "message is not modified" not in str(error).lower():
                raise

    async def send_file(self, to: Target, name: str, data: bytes, html: str = "", *, reply_to: int = 0) -> int:
        """See `Talk`."""

        async def call(chat_id: int | str, text: str, mode: str | None) -> int:
            message = await self._bot.send_document(
                chat_id,
                InputFile(data, filename=name),
                caption=text or None,
                parse_mode=mode,
                message_thread_id=to.topic_id or None,
                reply_parameters=_reply(reply_to),
            )
            return message.message_id

        return await self._in_chat(to, cut(html, CAPTION_MAX), call)

    async def answer(self, callback_id: str, text: str = "") -> None:
        """See `Talk`. One that is too old to be answered is no error: nobody waits any more."""
        try:
            await self._call(lambda: self._bot.answer_callback_query(callback_id, cut_plain(text, TOAST_MAX) or None))
        except Rejected as error:
            log.debug("a button's waiting could not be ended", extra={"error": str(error)})

    async def me(self) -> Me:
        """Who the bot is."""
        found = await self._call(self._bot.get_me)
        return Me(found.id, found.username or "")

    async def updates(self, offset: int, wait: float) -> list[bytes]:
        """What there is from `offset` on (0: all that is left), each as JSON; waits up to `wait` seconds for some."""
        found = await self._call(lambda: self._bot.raw_updates(offset, round(wait), _ALLOWED), wait + _TIMEOUT)
        return [msgspec.json.encode(update) for update in found]

    async def set_webhook(self, url: str, secret: str) -> None:
        """Have updates delivered there; what waits is kept."""
        await self._call(lambda: self._bot.set_webhook(url, secret_token=secret, allowed_updates=_ALLOWED))

    async def delete_webhook(self) -> None:
        """Have no webhook; what waits is kept."""
        await self._call(lambda: self._bot.delete_webhook(drop_pending_updates=False))

    async def set_commands(
        self, commands: Sequence[tuple[str, str]], *, language_code: str = "", chat_id: int = 0
    ) -> None:
        """The menu: names and lines; of one chat where that is named, in one language of clients."""
        menu = [BotCommand(name, line) for name, line in commands]
        scope = BotCommandScopeChat(chat_id) if chat_id else None
        await self._call(lambda: self._bot.set_my_commands(menu, scope=scope, language_code=language_code or None))

    def moved(self, old: int | str, new: int) -> None:
        """A group became a supergroup, which has another id: what is for the old one goes to the new one."""
        if self._moved.get(old) != new:
            if len(self._moved) >= _CHATS_MAX:
                self._moved.clear()
            self._moved[old] = new
            log.warning("a chat has moved; its new id belongs into the settings", extra={"chat": old, "now": new})

    async def _in_chat(self, to: Target, html: str, call: Callable[[int | str, str, str | None], Awaitable[T]]) -> T:
        """Say a text in a chat, wherever it is now, in a way that Telegram takes."""
        text, mode = html, ParseMode.HTML if html else None
        for _ in range(3):  # as it is; plain; in its new chat
            chat_id = self._moved.get(to.chat_id, to.chat_id)
            left = self._not_before.get(chat_id, 0.0) - self._monotonic()
            if left > 0:
                raise Limited(left)
            try:
                return await self._call(lambda chat_id=chat_id, text=text, mode=mode: call(chat_id, text, mode))  # type: ignore[misc]
            except _MovedError as moved:
                self.moved(to.chat_id, moved.chat_id)
            except Limited as limited:
                if len(self._not_before) >= _CHATS_MAX:
                    self._not_before.clear()
                self._not_before[chat_id] = self._monotonic() + limited.after
                raise
            except Rejected as error:
                if mode is None or "can't parse entities" not in str(error).lower():
                    raise
                log.error("a text of ours is no HTML that Telegram takes", extra={"error": str(error)})
                text, mode = plain(html), None
        raise Rejected("the chat moves and moves")

    async def _call(self, call: Callable[[], Awaitable[T]], within: float | None = None) -> T:
        """One request; whatever goes wrong becomes a `TalkError` without secrets and without a history."""
        try:
            async with asyncio.timeout(_CALL_WITHIN if within is None else within):
                result = await call()
        except _Refusal as refusal:
            error = self._told(refusal)
        except NetworkError as failed:
            error = Unreachable(self._scrubbed(str(failed)))
        except OSError as failed:
            error = Unreachable(type(failed).__name__)
        except (TelegramError, ValueError, KeyError, TypeError, AttributeError) as strange:
            # An answer that is none of the Bot API's, or one that the library cannot read.
            error = Unreachable(f"no answer of the Bot API: {self._scrubbed(f'{type(strange).__name__}: {strange}')}")
        else:
            self._count("ok")
            return result
        self._count(type(error).__name__.removesuffix("Error").lstrip("_").lower())
        raise error

    def _told(self, refusal: "_Refusal") -> TalkError:
        words = self._scrubbed(refusal.words)
        if refusal.moved_to:
            return _MovedError(refusal.moved_to)
        if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Limited(max(1.0, refusal.after))
        if not refusal.is_telegram or refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unreachable(words)
        if refusal.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
            return Unauthorized("Telegram does not know the token")
        if refusal.status == HTTPStatus.CONFLICT:
            return Conflict(words)
        return Rejected(words)

    def _scrubbed(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        # Also a token that is not ours: a proxy may quote what it was asked before.
        return re.sub(r"[0-9]{5,}(:|%3[Aa])[A-Za-z0-9_-]{20,}", "…", text)[:_WORDS_MAX]

    def _count(self, result: str) -> None:
        if self._metrics is not None:
            self._metrics.telegram_calls.labels(result).inc()


class _MovedError(TalkError):
    """The chat has another id now."""

    def __init__(self, chat_id: int) -> None:
        super().__init__(f"the chat is {chat_id} now")
        self.chat_id = chat_id


class _Refusal(TelegramError):
    """An answer that is no success, as it came: the library's own errors of it warn, log and quote."""

    def __init__(self, status: int, payload: bytes) -> None:
        try:
            said = msgspec.json.decode(payload, type=_Said)
        except (msgspec.MsgspecError, UnicodeError):
            said = None
        self.status = status
        self.is_telegram = said is not None
        self.words = said.description if said is not None else f"answered {status}, and not as the Bot API does"
        parameters = said.parameters if said is not None and said.parameters is not None else _Parameters()
        self.after = float(parameters.retry_after)
        self.moved_to = parameters.migrate_to_chat_id
        super().__init__(self.words)


class _Parameters(msgspec.Struct):
    retry_after: float = 0.0
    migrate_to_chat_id: int = 0


class _Said(msgspec.Struct):
    ok: bool
    description: str = ""
    parameters: _Parameters | None = None


class _Bot(Bot):
    """The library's, with updates as they come: one that it cannot read must not stop all the others."""

    async def raw_updates(self, offset: int, wait: int, allowed: list[str]) -> list[Any]:
        data = {"offset": offset or None, "timeout": wait, "allowed_updates": allowed}
        found = await self._post("getUpdates", data, read_timeout=wait + _TIMEOUT / 2)
        if not isinstance(found, list):
            raise TypeError("no list of updates")
        return found


class _Requests(HTTPXRequest):
    """The library's, of answers that have an end; refusals come as they are."""

    def __init__(self, proxy: str, connections: int) -> None:
        limits = httpx.Limits(max_connections=connections)
        transport = BoundedTransport(
            _ANSWER_MAX, trust_env=False, limits=limits, proxy=httpx.Proxy(proxy) if proxy else None
        )
        super().__init__(
            connection_pool_size=connections,
            connect_timeout=_TIMEOUT / 2,
            read_timeout=_TIMEOUT,
            write_timeout=_TIMEOUT,
            pool_timeout=_TIMEOUT / 2,
            httpx_kwargs={"trust_env": False, "transport": transport},
        )

    async def do_request(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        status, payload = await super().do_request(*arguments, **options)
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise _Refusal(status, payload)
        return status, payload

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        # The library's own logs what it cannot read, all of it.
        try:
            return msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeError):
            raise TelegramError("it is no JSON object") from None


def _secrets(token: str, proxy: str) -> list[str]:
    """What must not be in any text, the longest first."""
    found = {token, token.partition(":")[2], token.replace(":", "%3A"), token.replace(":", "%3a")}
    if proxy:
        found |= {proxy, httpx.URL(proxy).password, httpx.URL(proxy).userinfo.decode()}
    return sorted((secret for secret in found if secret), key=len, reverse=True)


def _keyboard(rows: Rows) -> InlineKeyboardMarkup | None:
    if not rows:
        return None
    return InlineKeyboardMarkup([[InlineKeyboardButton(b.text, callback_data=b.data) for b in row] for row in rows])


def _reply(message_id: int) -> ReplyParameters | None:
    return ReplyParameters(message_id, allow_sending_without_reply=True) if message_id else None
