"""The port's own HTTP door: takes `POST /send` straight off the socket and leaves everything else to Tornado.

Of a round trip through the hub most is spent in a general HTTP server. A connection whose request is a plain
`POST /send` (HTTP/1.1, a Content-Length, nothing unusual) is parsed here by llhttp and answered in one write; at the
first request that is anything else, the connection and the bytes read so far are handed to Tornado's server for
good, whose own handler answers `POST /send` as well. So this file needs to understand one request only.
"""

import asyncio
import logging
import os
import socket
from email.utils import formatdate
from http.client import responses
from time import time
from weakref import WeakSet

import httptools
from prometheus_client import Counter
from tornado.httpserver import HTTPServer

from cloud.cancelled import cancelled
from cloud.errors import Refused
from cloud.metrics import Metrics
from cloud.operations.answers import Answer, refusal
from cloud.operations.request_id import new_request_id
from cloud.web.read_ahead import ReadAhead
from cloud.web.send import BODY_MAX_BYTES, Send, headers_of
from wire.crashpoint import crash_point
from wire.problems import Outcome

log = logging.getLogger(__name__)

_OURS = (b"POST /send ", b"POST /send?")
_OURS_LENGTH = len(_OURS[0])
_HEAD_MAX_BYTES = 16 * 1024
_HEADERS_MAX = 100
# Headers that change how a message is read: whoever uses them is served by the general server.
_UNUSUAL = frozenset({"transfer-encoding", "expect", "upgrade", "trailer"})
_TLS_HELLO = b"\x16\x03"
_REQUEST_TIMEOUT = 30.0  # from a request's first byte to its last, and for an answer to be read
_IDLE_TIMEOUT = 75.0
_SWEEP = 5.0
_FLUSH = 0.01
_AT_ONCE = 1024
_PAUSE = 1.0  # after a connection could not be accepted


class Door:
    """Accepts all connections of the hub's port."""

    def __init__(self, *, send: Send, general: HTTPServer, metrics: Metrics) -> None:
        self.send = send
        self.general = general
        self._metrics = metrics
        self._listeners: dict[int, list[socket.socket]] = {}
        self._beginning: set[asyncio.Task[None]] = set()  # connections that were accepted just now
        self._connections: set[_Connection] = set()
        self._handed_over: WeakSet[ReadAhead] = WeakSet()  # Tornado watches who speaks slowly, and not who reads slowly
        self._task: asyncio.Task[None] | None = None
        self._date = (0, b"")
        self._counted: dict[int, Counter] = {}
        self.closing = False

    async def start(self, sockets: list[socket.socket]) -> None:
        """Begin to accept on sockets that listen; they are the door's to close from now on."""
        self.accept(0, sockets)
        self._task = asyncio.create_task(self._sweep(), name="door")

    def accept(self, whose: int, sockets: list[socket.socket]) -> None:
        """Accept on these too; another process of this machine is not there to do it. `whose` names them.

        Not by a server of asyncio: whom it accepted in the moment in which it is closed is served by nobody.
        """
        self.ignore(whose)
        self._listeners[whose] = sockets
        for listener in sockets:
            asyncio.get_running_loop().add_reader(listener, self._came_to, listener)

    def ignore(self, whose: int) -> None:
        """Accept on them no more. Where others have them open too, nobody who waits in them is cut off."""
        for listener in self._listeners.pop(whose, []):
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()

    def stop_accepting(self) -> None:
        """Take no new connections; those open are closed after the request they are in."""
        self.hand_over()
        self.close_idle()

    def hand_over(self) -> None:
        """Take no new connections: others do. Who is connected is told so with the answer to its next request."""
        self.closing = True
        for whose in list(self._listeners):
            self.ignore(whose)

    async def last_call(self) -> None:
        """Take no new connections but those that wait already: closing the socket would cut them off."""
        for listeners in self._listeners.values():
            for listener in listeners:
                self._came_to(listener)
        self.hand_over()
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def close_idle(self) -> None:
        """Close what nothing is asked on."""
        for connection in list(self._connections):
            connection.close_if_idle()

    async def stop(self) -> None:
        """Close what is open."""
        self.hand_over()
        if self._task:
            await cancelled(self._task)
        await asyncio.gather(*self._beginning, return_exceptions=True)
        for connection in list(self._connections):
            connection.close()

    def _came_to(self, listener: socket.socket) -> None:
        """Take the connections that wait there."""
        for _ in range(_AT_ONCE):
            try:
                waiting, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                self._pause(listener, error)
                return
            waiting.setblocking(False)
            task = asyncio.create_task(self._begin(waiting), name="connection")
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)

    async def _begin(self, waiting: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: _Connection(self), waiting)
        except OSError as error:
            log.warning("a connection could not be served", extra={"error": str(error)})
            waiting.close()

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        """Out of files or of memory: those who wait go on waiting for a moment, and the hub has its turn."""
        log.error("no connection can be accepted", extra={"error": str(error)})
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)
        loop.call_later(_PAUSE, self._go_on, listener)

    def _go_on(self, listener: socket.socket) -> None:
        if any(listener in listeners for listeners in self._listeners.values()):
            asyncio.get_running_loop().add_reader(listener, self._came_to, listener)

    def came(self, connection: "_Connection") -> None:
        """A connection is here."""
        self._connections.add(connection)

    def gone(self, connection: "_Connection") -> None:
        """A connection ended, or is Tornado's now."""
        self._connections.discard(connection)

    def head(self, answer: Answer, close: bool) -> bytes:
        """Status line and headers of an answer."""
        counted = self._counted.get(answer.status)
        if counted is None:
            counted = self._counted[answer.status] = self._metrics.http.labels(str(answer.status))
        counted.inc()
        lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers_of(answer).items()]
        lines.append("X-Content-Type-Options: nosniff\r\nCache-Control: no-store")
        if answer.body or answer.status not in {204, 304}:
            lines.append(f"Content-Length: {len(answer.body)}")
        if close:
            lines.append("Connection: close")
        return "\r\n".join(lines).encode("latin-1", "replace") + self._date_line()

    def handed_over(self, stream: ReadAhead) -> None:
        """A connection is Tornado's now."""
        self._handed_over.add(stream)

    def refuse(self, problem: str, detail: str, outcome: Outcome | None = None) -> bytes:
        """The whole answer to a request that was not understood; the connection ends with it."""
        answer = refusal(Refused(problem, detail, request_id=new_request_id()), outcome)
        return self.head(answer, close=True) + answer.body

    def _date_line(self) -> bytes:
        now = int(time())
        if self._date[0] != now:
            self._date = (now, f"\r\nDate: {formatdate(now, usegmt=True)}\r\n\r\n".encode())
        return self._date[1]

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP)
            now = loop.time()
            for connection in list(self._connections):
                connection.check_time(now)
            for stream in list(self._handed_over):
                stream.close_if_stalled(now)


class _Connection(asyncio.Protocol):
    """One connection, as long as it brings nothing but plain `POST /send`."""

    __slots__ = (
        "_body_at",
        "_body_end",
        "_buffer",
        "_door",
        "_headers",
        "_is_full",
        "_keep_alive",
        "_loop",
        "_since",
        "_task",
        "_transport",
    )

    def __init__(self, door: Door) -> None:
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._headers: dict[str, str] = {}
        self._body_at = self._body_end = 0  # where the present request's body lies, once its head is read
        self._keep_alive = True
        self._is_full = False  # of answers that its caller does not read
        self._task: asyncio.Task[None] | None = None  # answering the present request
        self._since = self._loop.time()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller is here."""
        self._transport = transport  # type: ignore[assignment]
        self._door.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone; what it asked for goes on."""
        self._door.gone(self)

    def data_received(self, data: bytes) -> None:
        """More bytes."""
        if not self._buffer and self._task is None:
            self._since = self._loop.time()
        self._buffer += data
        if self._task is None and not self._is_full:
            self._advance()
        elif len(self._buffer) > _HEAD_MAX_BYTES:
            self._transport.pause_reading()  # it may ask ahead, but not without end

    def pause_writing(self) -> None:
        """Enough answers wait for a caller who does not read them: nothing more is done until it does."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It reads."""
        self._is_full = False
        if self._task is None:
            self._go_on()

    # The door's side.

    def close(self) -> None:
        """Close now."""
        self._transport.close()

    def close_if_idle(self) -> None:
        """Close unless a request is being read or answered."""
        if self._task is None and not self._buffer:
            self._transport.close()

    def check_time(self, now: float) -> None:
        """Cut a caller that is too slow to ask or to listen, or idle for long."""
        waiting = self._transport.get_write_buffer_size() > 0
        if self._task is not None and not waiting:
            return
        limit = _REQUEST_TIMEOUT if self._buffer or waiting else _IDLE_TIMEOUT
        if now - self._since > limit:
            self._transport.abort()

    # One request.

    def _advance(self) -> None:
        """Go on with what is in the buffer."""
        buffer = self._buffer
        if not self._body_at and not self._read_head():
            return
        if len(buffer) >= self._body_end:
            body = bytes(buffer[self._body_at : self._body_end])
            del buffer[: self._body_end]
            self._body_at = self._body_end = 0
            self._task = self._loop.create_task(self._answer(self._headers, body))

    def _read_head(self) -> bool:
        """Read the request's head; False when it is not all there, or not ours to answer."""
        buffer = self._buffer
        start = bytes(buffer[:_OURS_LENGTH])
        if start[:2] == _TLS_HELLO:  # else it would wait for its answer as long as for a request
            self._refuse("this port speaks HTTP without TLS")
            return False
        if start not in _OURS:
            if not any(ours.startswith(start) for ours in _OURS):
                self._hand_over()
            return False
        end = buffer.find(b"\r\n\r\n", 0, _HEAD_MAX_BYTES) + 4
        if end < 4:
            if len(buffer) >= _HEAD_MAX_BYTES:
                self._refuse(f"a request's head has at most {_HEAD_MAX_BYTES} bytes")
            return False
        self._headers = {}
        parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(memoryview(buffer)[:end])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, UnicodeError):
            self._hand_over()
            return False
        headers = self._headers
        if parser.get_http_version() != "1.1" or not _UNUSUAL.isdisjoint(headers) or len(headers) > _HEADERS_MAX:
            self._hand_over()
            return False
        self._keep_alive = parser.should_keep_alive()
        length = int(headers.get("content-length", 0))
        if length > BODY_MAX_BYTES:
            answer = self._door.send.too_large()
            self._transport.write(self._door.head(answer, close=True) + answer.body)
            self._transport.close()
            return False
        self._body_at, self._body_end = end, end + length
        return True

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser read a header. Repeated ones are joined, as Tornado does: no id or number survives that."""
        key, text = name.decode("ascii").lower(), value.decode("latin-1").strip(" \t")  # llhttp leaves blanks behind
        known = self._headers.get(key)
        self._headers[key] = text if known is None else f"{known},{text}"

    async def _answer(self, headers: dict[str, str], body: bytes) -> None:
        answer = await self._door.send.answer(headers, body)
        transport = self._transport
        self._task = None
        self._since = self._loop.time()
        if transport.is_closing():
            return
        close = not self._keep_alive or self._door.closing
        crash_point("hub.door.answer.before")
        transport.write(self._door.head(answer, close) + answer.body)
        crash_point("hub.door.answer.after")
        if close:
            transport.close()
            return
        if self._is_full:
            transport.pause_reading()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """After an answer: what the caller asked ahead, and whatever it asks next."""
        if self._buffer and not self._transport.is_closing():
            self._advance()
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _refuse(self, detail: str) -> None:
        """Answer what is no request, and close."""
        self._transport.write(self._door.refuse("bad-request", detail))
        self._transport.close()

    def _hand_over(self) -> None:
        """Give the connection to Tornado, with what was read of it."""
        transport = self._transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size():  # the answer before, to a caller that asks ahead: it goes out first
            transport.pause_reading()
            self._loop.call_later(_FLUSH, self._hand_over)
            return
        address = transport.get_extra_info("peername")
        twin = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self._door.gone(self)
        # Closes this descriptor only: the connection lives on in its twin.
        transport.abort()
        twin.setblocking(False)
        limits = {"max_buffer_size": BODY_MAX_BYTES + 64 * 1024, "read_chunk_size": 64 * 1024}
        ahead = ReadAhead(twin, bytes(self._buffer), self._door.refuse, **limits)
        self._door.handed_over(ahead)
        self._door.general.handle_stream(ahead, address)
        self._buffer.clear()
