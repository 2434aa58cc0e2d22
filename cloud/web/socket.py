"""`GET /ws`: kiosks' sockets, on Tornado's WebSocket.

A kiosk that was enrolled is let in by its hello, which proves its key for this connection; until then its socket is
the door's alone and is in nobody's way. Of every other kiosk the token is enough.
"""

import asyncio
import logging
import secrets
import struct
from collections.abc import Awaitable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamBufferFullError, StreamClosedError
from tornado.util import ObjectDict
from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler

from cloud.kiosks.links import NOT_PROVED, Link
from cloud.kiosks.proof import proves
from cloud.kiosks.registry import Kiosk
from cloud.kiosks.tokens import BadToken
from cloud.web.handler import Refusing
from cloud.web.read_ahead import ReadAhead
from cloud.web.services import Services
from wire import session as wire
from wire.crashpoint import crash_points
from wire.enrolment import CHALLENGE_BYTES, CHALLENGE_HEADER
from wire.messages import MESSAGE_MAX_BYTES, SUBPROTOCOL, Hello, Malformed, decode_from_kiosk
from wire.problems import CloseCode

log = logging.getLogger(__name__)

# With more than this still waiting for a slow kiosk it counts as dead; two of the largest messages fit.
_WRITE_BUFFER_MAX = 2 * MESSAGE_MAX_BYTES + 64 * 1024

# In place of what only the handshake needed, a quarter of an idle kiosk's memory otherwise.
_PAST = HTTPServerRequest(start_line=RequestStartLine("GET", "/ws", "HTTP/1.1"), headers=HTTPHeaders(Host="hub"))
_SENT, _NO_UI = HTTPHeaders(), ObjectDict()

# In the database, for a kiosk that another hub knows already.
_LOOK_WITHIN = 2.0


class KioskSocket(Refusing, WebSocketHandler):
    """One connection of one kiosk; it is the `Socket` of its link."""

    services: Services
    address: str = ""
    _link: Link | None = None
    _challenge: str = ""
    _kiosk_id: str = ""  # once its token was good
    _named: str = ""  # the kiosk that its token names, be that in force or not
    _unproved: asyncio.TimerHandle | None = None  # while its hello is waited for
    _told: tuple[str, int] | None = None  # by its token
    _proved: tuple[str, ...] | None = None  # the key, and what of the last hello was signed with it
    _frames: list[bytes]
    _points: list[str]  # of the frames, for crash points
    _room: int = _WRITE_BUFFER_MAX

    def initialize(self, services: Services) -> None:
        """Called by Tornado with what the route table names."""
        self.services = services
        self._frames, self._points = [], []

    def prepare(self) -> Awaitable[None] | None:
        """A hub under load lets kiosks in no faster than it can greet them. Whoever is none takes no kiosk's turn."""
        if self.request.headers.get("Upgrade", "").casefold() != "websocket":
            raise HTTPError(400, "this address only opens WebSockets")
        if self.services.presence.is_shared and self._is_news():
            return self._prepare_later()
        self._prepare()
        return None

    async def _prepare_later(self) -> None:
        """Another hub has issued the token just now: what that one knows is read first."""
        try:
            async with asyncio.timeout(_LOOK_WITHIN):
                await self.services.registry.refresh()
        except (SQLAlchemyError, OSError) as error:
            log.info("kiosks cannot be read anew", extra={"error": type(error).__name__})
        self._prepare()

    def _prepare(self) -> None:
        gate, kiosk_id = self.services.gate, self._in_force()
        wait = gate.wait_for_another() if self.services.health.stopping else gate.wait(kiosk_id) if kiosk_id else 0
        if wait:
            self.set_status(503)
            self.set_header("Retry-After", str(wait))
            self.finish()
        else:
            self._challenge = secrets.token_urlsafe(CHALLENGE_BYTES)
            self.set_header(CHALLENGE_HEADER, self._challenge)

    def check_origin(self, origin: str) -> bool:
        """Clients of some libraries send an Origin; what lets a kiosk in is its token, which no browser adds."""
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """`kiosk.v2` where it is offered, else v1."""
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    def open(self, *_args: str, **_kwargs: str) -> None:
        """Let it in by its token, or close with the code that says why not."""
        self.address = self.request.remote_ip or ""
        self.set_nodelay(True)
        if self._stream is not None:
            self._stream.max_write_buffer_size = _WRITE_BUFFER_MAX
        self._admit(None)
        self._forget_handshake()

    def _forget_handshake(self) -> None:
        """Thousands of idle kiosks need not keep what they said in it. What was asked of it is known by now."""
        HTTPHeaders.__init__(self.request.headers)  # Tornado's `get` has them until the socket ends
        self.request, self._headers, self.ui = _PAST, _SENT, _NO_UI
        if isinstance(self._stream, ReadAhead):
            self._stream.forget_head()

    def _admit(self, hello: Hello | None) -> None:
        """Let it in, wait for its hello, or refuse it."""
        refusal = self._refusal(hello)
        if refusal is not None:
            code, reason = refusal
            self.services.metrics.refused.labels(str(int(code))).inc()
            if self._named:
                self.services.links.refused(self._named, code, self.address, reason)
            told = {"kiosk": self._kiosk_id or None, "address": self.address, "code": int(code), "reason": reason}
            log.info("kiosk refused", extra=told)
            self.close(code, reason)

    def _token(self) -> str:
        authorization = self.request.headers.get("Authorization", "")
        scheme, _, token = authorization.partition(" ")
        if scheme.casefold() != "bearer":
            token = self.get_query_argument("token", "")
        return token.strip()

    def _in_force(self) -> str:
        """The kiosk that its token lets in; empty where it lets nobody in."""
        try:
            kiosk_id, generation = self._read_token()
        except BadToken:
            return ""
        kiosk = self.services.registry.get(kiosk_id)
        return kiosk_id if kiosk is not None and kiosk.enabled and kiosk.generation == generation else ""

    def _is_news(self) -> bool:
        """Whether its token is good, and newer than what is known here."""
        try:
            kiosk_id, generation = self._read_token()
        except BadToken:
            return False
        kiosk = self.services.registry.get(kiosk_id)
        return kiosk is None or kiosk.generation < generation

    def _read_token(self) -> tuple[str, int]:
        """What its token says, checked once. Raises `BadToken`."""
        if self._told is None:
            self._told = self.services.tokens.read(self._token())
        return self._told

    def _refusal(self, hello: Hello | None) -> tuple[CloseCode, str] | None:
        try:
            kiosk_id, generation = self._read_token()
            kiosk = self.services.registry.get(kiosk_id)
            if kiosk is None:
                return CloseCode.FORBIDDEN, "the kiosk is not registered"
            self._named = kiosk_id
            if generation != kiosk.generation:
                raise BadToken(f"the token of {kiosk_id} is not the one in force")
        except BadToken as error:
            log.info("bad token", extra={"address": self.address, "reason": str(error)})
            return self._bad("the token is not in force")
        self._kiosk_id = kiosk_id
        if not kiosk.enabled:
            return CloseCode.FORBIDDEN, "the kiosk is disabled"
        is_v1 = self.selected_subprotocol is None
        if kiosk.public_key:
            if is_v1:
                return self._bad(f"{NOT_PROVED}: it was enrolled, and speaks kiosk.v2")
            if hello is None:
                return self._wait_for_hello()
            if not self._is_proved(kiosk, hello):
                return self._bad(NOT_PROVED)
        self._link = self.services.links.opened(kiosk_id, generation, self, is_v1=is_v1)
        return None

    def _bad(self, reason: str) -> tuple[CloseCode, str]:
        if self.services.gate.too_many_bad_tokens(self.address):
            return CloseCode.TOO_MANY_ATTEMPTS, "too many attempts with a bad token"
        return CloseCode.BAD_TOKEN, reason

    def _wait_for_hello(self) -> tuple[CloseCode, str] | None:
        if not self.services.gate.may_wait(self._kiosk_id, self.address):
            return CloseCode.TOO_MANY_ATTEMPTS, "too many connections that prove nothing"
        self._unproved = asyncio.get_running_loop().call_later(wire.HELLO_TIMEOUT, self._no_hello)
        return None

    def _no_hello(self) -> None:
        self._waits_no_more()
        self.services.metrics.refused.labels(str(int(CloseCode.NO_HELLO))).inc()
        reason = f"no hello within {wire.HELLO_TIMEOUT:.0f} s"
        self.services.links.refused(self._kiosk_id, CloseCode.NO_HELLO, self.address, reason)
        self.close(CloseCode.NO_HELLO, reason)

    def _waits_no_more(self) -> None:
        if self._unproved is not None:
            self._unproved.cancel()
            self._unproved = None
            self.services.gate.waits_no_more(self._kiosk_id, self.address)

    def _is_proved(self, kiosk: Kiosk, hello: Hello) -> bool:
        told = (kiosk.public_key, hello.boot_id, hello.journal, hello.proof)
        if self._proved != told and not proves(kiosk.public_key, hello, self._challenge, kiosk.id):
            return False
        self._proved = told
        return True

    def on_message(self, message: str | bytes) -> None:
        """Tornado read a message."""
        if self._unproved is not None:
            self._unproved_said(message)
        elif self._link is not None:
            self.services.links.received(self._link, self, message)

    def _unproved_said(self, message: str | bytes) -> None:
        """Nothing but a hello is heard of it."""
        try:
            hello = decode_from_kiosk(message)
        except Malformed:
            self.services.metrics.malformed.inc()
            return
        if not isinstance(hello, Hello):
            return
        self._waits_no_more()
        self._admit(hello)
        if self._link is not None:
            self.services.links.received(self._link, self, message)

    def on_pong(self, data: bytes) -> None:
        """The kiosk lives."""
        if self._link is not None:
            self.services.links.heard(self._link, self, data)

    on_ping = on_pong

    def on_close(self) -> None:
        """The connection is gone."""
        self._waits_no_more()
        if self._link is not None:
            self.services.links.closed(self._link, self, self.close_code, self.close_reason or "")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Without the query: it may hold the token. What a stranger asks wrongly is no news."""
        if not isinstance(value, HTTPError):
            log.error("a kiosk's socket failed", exc_info=(typ, value, tb), extra={"address": self.address})

    # `links.Socket`.

    def proves(self, hello: Hello) -> bool:
        """See `links.Socket`. What stands is the registry as it is now."""
        kiosk = self.services.registry.get(self._kiosk_id)
        if kiosk is None or not kiosk.public_key or self._is_proved(kiosk, hello):
            return True
        self.services.gate.too_many_bad_tokens(self.address)
        return False

    def send(self, text: bytes, point: str) -> None:
        """Write one text frame. Tornado's `write_message` would start a task for each."""
        self._write(0x1, text)
        self._points.append(point)

    def ping(self, data: str | bytes = b"") -> None:
        """Write a ping that says what our steady clock shows; a dead socket is noticed by its silence."""
        data = data or f"{asyncio.get_running_loop().time():.3f}"
        try:
            self._write(0x9, data if isinstance(data, bytes) else data.encode())
        except OSError:
            return

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close with a code, or cut the connection (code 0)."""
        if code == 0 and self._stream is not None:
            self._stream.close()
        else:
            try:
                super().close(code, reason)
            except StreamBufferFullError:  # it does not read: there is no room left to say goodbye
                if self._stream is not None:
                    self._stream.close()

    @property
    def _stream(self) -> IOStream | None:
        stream: IOStream | None = self.ws_connection.stream if self.ws_connection else None
        return stream

    def _write(self, opcode: int, data: bytes) -> None:
        if self.ws_connection is None or self.ws_connection.is_closing():
            raise ConnectionError("the socket is closed")
        if not self._frames:
            IOLoop.current().add_callback(self._flush)
        self._frames.append(_frame(opcode, data))

    def _flush(self) -> None:
        """Frames of one turn of the loop leave in one write: under load most of the cost is the system call."""
        frames, self._frames = b"".join(self._frames), []
        points, self._points = self._points, []
        stream = self._stream
        if stream is None:
            return
        # What is sent at once may be more, however fast the kiosk reads: all that is outstanding, at its hello.
        room = _WRITE_BUFFER_MAX + len(frames)
        self._room = max(room, self._room) if stream.writing() else room
        stream.max_write_buffer_size = self._room
        crash_points(points, "before")
        try:
            stream.write(frames)
        except StreamClosedError:
            return  # on_close comes
        except StreamBufferFullError:
            log.info("kiosk does not read what it is sent", extra={"address": self.address})
            stream.close()
        crash_points(points, "after")


def _frame(opcode: int, data: bytes) -> bytes:
    """An unmasked, final WebSocket frame (RFC 6455, section 5.2)."""
    size = len(data)
    if size < 126:
        return bytes((0x80 | opcode, size)) + data
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + data
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + data
