"""What passes through the fault proxy, cut into units: WebSocket frames (RFC 6455), HTTP/1.1 messages, raw chunks.

A unit is what one fault happens to. Splitters are fed the bytes of one direction as they come and give whole units;
what has not become one when the connection ends is given by `rest`. Nothing here does I/O.
"""

import re
from collections import deque

import msgspec

_HEAD_MAX = 256 * 1024
_TYPE = re.compile(rb'"type"\s*:\s*"([a-z_]{1,32})"')
_OPCODES = {0x0: "continuation", 0x1: "text", 0x2: "binary", 0x8: "close", 0x9: "ping", 0xA: "pong"}


class Unit(msgspec.Struct, frozen=True):
    """One unit. `head` and `body` are as they stand on the wire; `text` is the body a reader sees (unmasked).

    `group` is `text`, `binary`, `continuation`, `ping`, `pong`, `close`, `frame` (a reserved opcode) of frames,
    `upgrade` of the two HTTP heads before them, `request` and `response` of HTTP, `bytes` of all else. `kind` is what
    the message calls itself in its JSON `type` (also of its continuations), else the same as `group`.
    """

    kind: str
    group: str
    head: bytes
    body: bytes
    mask: bytes = b""

    @property
    def wire(self) -> bytes:
        """All of it."""
        return self.head + self.body

    @property
    def text(self) -> bytes:
        """The body without its mask."""
        return masked(self.body, self.mask) if self.mask else self.body

    def with_text(self, text: bytes) -> "Unit":
        """The same with another body of the same length, masked as before."""
        if len(text) != len(self.body):
            raise ValueError("the other text has another length")
        return msgspec.structs.replace(self, body=masked(text, self.mask) if self.mask else text)


def masked(data: bytes, mask: bytes) -> bytes:
    """Put a mask of four bytes on, or take it off."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def _status(head: bytes) -> bytes:
    return head.split(b" ", 2)[1] if head.count(b" ") else b""


class Splitter:
    """Raw chunks as they come; the base of the others."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Unit]:
        """The units that are whole now."""
        self._buffer += data
        units = []
        while self._buffer and (unit := self._next()) is not None:
            units.append(unit)
        return units

    def rest(self) -> Unit | None:
        """What is left at the end of the connection."""
        return self._chunk(len(self._buffer)) if self._buffer else None

    def _next(self) -> Unit | None:
        return self._chunk(len(self._buffer))

    def _chunk(self, size: int) -> Unit:
        return Unit("bytes", "bytes", b"", self._take(size))

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


class Conversation:
    """What both directions of one connection must know of each other."""

    def __init__(self) -> None:
        self.methods: deque[bytes] = deque()  # of HTTP requests not answered yet
        self.upgraded: bool | None = None  # None: not answered yet


class FrameSplitter(Splitter):
    """One direction of a WebSocket: the HTTP head, then frames. If it does not become a WebSocket, raw chunks."""

    def __init__(self, conversation: Conversation, *, down: bool) -> None:
        super().__init__()
        self._conversation = conversation
        self._down = down
        self._greeted = False
        self._message = "text"  # the kind of the message that is being continued

    def _next(self) -> Unit | None:
        if self._conversation.upgraded is False:
            return super()._next()
        if self._greeted:
            return self._frame()
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return None if len(self._buffer) < _HEAD_MAX else super()._next()
        self._greeted = True
        head = self._take(end)
        if self._down:
            self._conversation.upgraded = _status(head) == b"101"
        elif b"upgrade: websocket" not in head.lower():
            self._conversation.upgraded = False
        return Unit("upgrade", "upgrade", head, b"")

    def _frame(self) -> Unit | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        opcode, size, at = buffer[0] & 0x0F, buffer[1] & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(buffer) < at:
                return None
            size = int.from_bytes(buffer[2:at], "big")
        mask = b""
        if buffer[1] & 0x80:
            at += 4
            mask = bytes(buffer[at - 4 : at])
        if len(buffer) < at + size:
            return None
        group = _OPCODES.get(opcode, "frame")
        unit = Unit(group, group, self._take(at), self._take(size), mask)
        if group in {"text", "binary"}:
            beginning = masked(unit.body[:256], mask) if mask else unit.body[:256]
            found = _TYPE.search(beginning)
            self._message = found[1].decode() if found else group
        return msgspec.structs.replace(unit, kind=self._message) if opcode < 0x8 else unit


class HttpSplitter(Splitter):
    """One direction of HTTP/1.1: whole messages, head and body. One whose body ends with the connection is `rest`."""

    def __init__(self, conversation: Conversation, *, down: bool) -> None:
        super().__init__()
        self._conversation = conversation
        self._group = "response" if down else "request"

    def rest(self) -> Unit | None:
        """A message whose end is the end of the connection, or which was broken off."""
        if not self._buffer:
            return None
        end = self._buffer.find(b"\r\n\r\n") + 4
        return Unit(self._group, self._group, self._take(max(end, 0) if end >= 4 else 0), self._take(1 << 30))

    def _next(self) -> Unit | None:
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return None if len(self._buffer) < _HEAD_MAX else self._chunk(len(self._buffer))
        head = bytes(self._buffer[:end])
        size = self._body_size(head, end)
        if size is None or len(self._buffer) < end + size:
            return None
        methods = self._conversation.methods
        if self._group == "request":
            methods.append(head.split(b" ", 1)[0])
        elif methods and not _status(head).startswith(b"1"):
            methods.popleft()
        return Unit(self._group, self._group, self._take(end), self._take(size))

    def _body_size(self, head: bytes, end: int) -> int | None:
        """Bytes of the body; None while that cannot be told."""
        lines = head.split(b"\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            fields[name.strip().lower()] = value.strip()
        if self._group == "response":
            status, methods = _status(head), self._conversation.methods
            if status in {b"204", b"304"} or status.startswith(b"1") or (methods and methods[0] == b"HEAD"):
                return 0
        if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            return self._chunked_size(end)
        length = fields.get(b"content-length", b"")
        if length.isdigit():
            return int(length)
        return None if self._group == "response" else 0

    def _chunked_size(self, start: int) -> int | None:
        at = start
        while True:
            line = self._buffer.find(b"\r\n", at)
            if line < 0:
                return None
            try:
                size = int(bytes(self._buffer[at:line]).split(b";")[0], 16)
            except ValueError:
                return len(self._buffer) - start  # no chunks at all: pass what there is
            at = line + 2
            if size == 0:  # trailers may follow, then an empty line
                end = self._buffer.find(b"\r\n\r\n", at - 2)
                return None if end < 0 else end + 4 - start
            at += size + 2
            if at > len(self._buffer):
                return None
