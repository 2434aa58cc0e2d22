"""The stream on which the door hands a connection over to Tornado's server.

Some of its bytes were read before. And what Tornado says of a request that is no HTTP, a status line without a word,
or nothing at all, leaves as the problem that a caller gets everywhere else.
"""

import contextlib
import re
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.httputil import HTTPInputError
from tornado.iostream import IOStream, UnsatisfiableReadError

from wire.problems import Outcome

_BARE_REFUSAL = b"HTTP/1.1 400 Bad Request\r\n\r\n"  # as tornado.http1connection writes it
_TOO_LARGE = frozenset({"Content-Length too long", "chunked body too large"})
_LINE_MAX = 200

# A reader that takes less than this in the time, while more waits for it, is none: what waits must not lie here for as
# long as it likes. A kiosk on a very bad line takes more.
_PROGRESS_BYTES, _PROGRESS_S = 16 * 1024, 30.0

Refuse = Callable[[str, str, Outcome | None], bytes]  # problem, detail, outcome where it is another → the whole answer


class ReadAhead(IOStream):
    """`ahead` comes before what is still to be read; `refuse` makes the bytes of a problem."""

    def __init__(self, connection: socket.socket, ahead: bytes, refuse: Refuse, **limits: int) -> None:
        self._ahead = ahead
        self._refuse = refuse
        self._head: Any = None  # the future of the last request's head
        self._taken = self._taken_then = 0  # bytes of what was to be written, now and at `_then`
        self._then: float | None = None  # since when something waits, or the last progress was seen
        super().__init__(connection, **limits)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """First what was read ahead, then the socket."""
        if self._ahead:
            size = min(len(buf), len(self._ahead))
            buf[:size], self._ahead = self._ahead[:size], self._ahead[size:]
            return size
        return super().read_from_fd(buf)

    def write_to_fd(self, data: memoryview) -> int:
        """Count what is taken."""
        taken = super().write_to_fd(data)
        self._taken += taken
        return taken

    def close_if_stalled(self, now: float) -> None:
        """Close if the other end does not read what waits for it. To be called every few seconds."""
        if self.closed() or not self.writing():
            self._then = None
        elif self._then is None or self._taken - self._taken_then >= _PROGRESS_BYTES:
            self._then, self._taken_then = now, self._taken
        elif now - self._then > _PROGRESS_S:
            self.close()

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """Tornado reads a request's head by this, and nothing else."""
        self._head = None
        self._head = super().read_until_regex(regex, max_bytes)
        return self._head  # type: ignore[no-any-return]

    def forget_head(self) -> None:
        """It became a socket: no other request comes, and thousands of idle ones need not keep what began them."""
        self._head = None

    def write(self, data: bytes | memoryview) -> Any:
        """Tornado's bare refusal with the words it has for it."""
        if data == _BARE_REFUSAL:
            error = sys.exc_info()[1]  # it writes where it catches it
            words = str(error) if isinstance(error, HTTPInputError) else "no HTTP"
            # A header's name or value, in quotes, is not repeated: it may be the caller's key.
            words = re.split(r"[:'\"]", words, maxsplit=1)[0].strip()
            if words in _TOO_LARGE:
                data = self._refuse("too-large", "the body is over the limit", self._outcome())
            else:
                data = self._refuse("bad-request", f"it is not understood: {words}", self._outcome())
        return super().write(data)

    def close(self, exc_info: Any = False) -> None:
        """Tornado hangs up on what is longer than it may be; here it is said first."""
        if isinstance(exc_info, UnsatisfiableReadError) and not self.closed() and not self.writing():
            in_head = self._head is None or not self._head.done()
            words = "the request's head is too long" if in_head else "a chunk's length is too long"
            with contextlib.suppress(OSError):
                self.socket.send(self._refuse("bad-request", words, self._outcome()))
        super().close(exc_info)

    def _outcome(self) -> Outcome | None:
        """Who asks about an operation must not read that it was not executed, because the asking went wrong."""
        if self._head is None or not self._head.done() or self._head.cancelled() or self._head.exception():
            return None
        line = bytes(self._head.result()[:_LINE_MAX]).lstrip(b"\r\n").partition(b"\n")[0]
        return Outcome.UNKNOWN if b"/operations" in line else None
