"""One connection to Redis, for the bus: commands go out as bytes, replies come in one call a piece.

`redis.asyncio` serves everything else here. A message by way of it costs twice the time of a hub, which an operation
that crosses hubs would pay five times.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, cast

from cloud.redis_address import Address, Node

_CONNECT = 2.0  # seconds for each: until the connection stands, and for each answer on the way in


class RedisTroubleError(Exception):
    """Redis cannot be used; the words say why, and hold no secret."""


_WORDS = {
    "WRONGPASS": "it refuses the user or the password",
    "NOAUTH": "it wants a password",
    "NOPERM": "this user may not do what the bus needs, see docs/scale.md",
    "LOADING": "it is loading its data",
    "BUSY": "a script holds it up",
    "DENIED": "it is in protected mode",
    "MASTERDOWN": "it is a replica without a master",
    "CLUSTERDOWN": "its cluster is down",
    "MOVED": "it is a cluster, and REDIS_URL does not say so: redis+cluster://…",
}


def explain(error: BaseException) -> str:
    """What went wrong on the way to Redis, in words that hold nothing of its address."""
    if isinstance(error, RedisTroubleError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"no answer within {_CONNECT:g} s"
    if isinstance(error, socket.gaierror):
        return "its host name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "it closed the connection"
    import ssl  # noqa: PLC0415

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS as it should"
    if isinstance(error, OSError):
        return (error.strerror or "the connection broke").lower()
    return type(error).__name__


def refusal(error: Any) -> str:
    """What Redis answered instead, in words."""
    text = str(error)
    code = text.split(" ", 1)[0]
    if "max number of clients" in text:
        return "it has too many clients"
    if "without any password configured" in text:
        return "a password is given, and it has none"
    if "DB index" in text:
        return "it has no database of that number"
    return _WORDS.get(code, f"it answers {code}" if code.isupper() and code.isalpha() else "it answers with an error")


def command(*words: str | bytes) -> bytes:
    """A command as bytes."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Connection(asyncio.Protocol):
    """`on_reply` is called with each reply once `streaming`; `on_lost` once, when it breaks unasked."""

    def __init__(self) -> None:
        import hiredis  # noqa: PLC0415 - an extra: a small hub does without

        self._errors = hiredis.HiredisError
        self._reply_error = hiredis.ReplyError
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._waiting: list[asyncio.Future[Any]] = []
        self._on_reply: Callable[[Any], None] | None = None
        self._on_lost: Callable[[str], None] | None = None
        self.lost: str = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        raw = transport.get_extra_info("socket")
        with contextlib.suppress(OSError, AttributeError):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                if self._on_reply is not None:
                    self._on_reply(reply)
                elif self._waiting:
                    future = self._waiting.pop(0)
                    if not future.done():
                        future.set_result(reply)
        except self._errors:
            self.lost = "it does not speak as Redis does"
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self.lost or (explain(exc) if exc else "it closed the connection")
        self._transport = None
        for future in self._waiting:
            if not future.done():
                future.set_exception(RedisTroubleError(self.lost))
        self._waiting.clear()
        call, self._on_lost = self._on_lost, None
        if call is not None:
            call(self.lost)

    def stream(self, on_reply: Callable[[Any], None], on_lost: Callable[[str], None]) -> None:
        """From here on replies are given to `on_reply`; the connection's end to `on_lost`."""
        self._on_reply, self._on_lost = on_reply, on_lost
        if self._transport is None:
            raise RedisTroubleError(self.lost or "it closed the connection")

    def is_error(self, reply: Any) -> bool:
        """Whether it is Redis's refusal."""
        return isinstance(reply, self._reply_error)

    def write(self, data: bytes) -> None:
        """Send it; on a connection that is gone it is lost."""
        if self._transport is not None:
            self._transport.write(data)

    async def call(self, *words: str | bytes) -> Any:
        """A command and its reply. Raises `RedisTroubleError`, TimeoutError."""
        reply = await self.try_call(*words)
        if self.is_error(reply):
            raise RedisTroubleError(refusal(reply))
        return reply

    async def try_call(self, *words: str | bytes) -> Any:
        """The same where a refusal may be: `is_error` tells."""
        if self._transport is None:
            raise RedisTroubleError(self.lost or "it closed the connection")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._transport.write(command(*words))
        async with asyncio.timeout(_CONNECT):
            return await future

    def abort(self) -> None:
        """Close it at once, and tell nobody."""
        self._on_lost = None
        if self._transport is not None:
            self._transport.abort()

    def cut(self) -> None:
        """Close it at once; `on_lost` hears of it."""
        if self._transport is not None:
            self._transport.abort()


async def connect(address: Address, node: Node, *, name: str = "", at_sentinel: bool = False) -> Connection:
    """A connection that may be used: encrypted, signed in, at its database. Raises OSError, TimeoutError,
    `RedisTroubleError`; `explain` has words for them. `name` is what Redis's CLIENT LIST shows."""
    loop = asyncio.get_running_loop()
    tls = address.context() if address.is_tls else None
    async with asyncio.timeout(_CONNECT):
        _, connection = await loop.create_connection(
            Connection, node.host, node.port, ssl=tls, server_hostname=node.host if tls else None
        )
    try:
        login = address.sentinel_login if at_sentinel else address.login
        if login.password:
            await connection.call("AUTH", *([login.user] if login.user else []), login.password)
        if address.database and not at_sentinel:
            await connection.call("SELECT", str(address.database))
        if name:
            await connection.try_call("CLIENT", "SETNAME", name)  # where this user may not, it goes without
    except BaseException:
        connection.abort()
        raise
    return connection
