"""Sockets with no library in between: any bytes out, whatever comes back, and the frames of WebSocket as bytes."""

import asyncio
import base64
import os
import re
import socket
import struct
from collections.abc import Iterable

import msgspec

SILENCE_S = 0.4  # after so long without a byte nothing more is expected
_HEARD_MAX = 4 * 1024 * 1024


class Answer(msgspec.Struct, frozen=True):
    """One HTTP answer out of a stream of them."""

    status: int
    headers: dict[str, str]  # lower-case name → the last value
    body: bytes


async def exchange(port: int, *parts: bytes, silence: float = SILENCE_S, patience: float = 20.0) -> bytes:
    """Send the parts, hear until the other end closes, or falls silent after it has said something.

    Nobody is waited for longer than `patience` seconds; who says nothing at all is left after twice `silence`.
    """
    heard = b""
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                while len(heard) < _HEARD_MAX:
                    async with asyncio.timeout(silence if heard else 2 * silence):
                        chunk = await reader.read(65536)
                    if not chunk:
                        break
                    heard += chunk
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        pass  # cut, reset, or silent
    return heard


def answers(heard: bytes) -> list[Answer]:
    """What came, as answers. Interim ones (1xx) are left out; the last may be cut off."""
    found = []
    while match := re.match(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n", heard):
        head, _, rest = heard.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status, size = int(match[1]), int(headers.get("content-length", "0"))
        if status >= 200:
            found.append(Answer(status, headers, rest[:size]))
        heard = rest[size:]
    return found


def upgrade(token: str, *, v2: bool = True, more: Iterable[str] = (), path: str = "/ws") -> bytes:
    """The request that opens a kiosk's WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1", "Host: hub", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}", f"Authorization: Bearer {token}", *more,
    ]  # fmt: skip
    if v2:
        lines.append("Sec-WebSocket-Protocol: kiosk.v2")
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"


def frame(
    payload: bytes,
    *,
    opcode: int = 1,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """A WebSocket frame (RFC 6455, section 5.2); `length` where it shall lie about its size."""
    size = len(payload) if length is None else length
    head = bytes(((0x80 if fin else 0) | reserved << 4 | opcode & 15,))
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes((mask_bit | size,))
    elif size < 65536:
        head += struct.pack("!BH", mask_bit | 126, size)
    else:
        head += struct.pack("!BQ", mask_bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    padded = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return head + mask + padded.to_bytes(len(payload), "big")


def connect(port: int, timeout: float = 10.0) -> socket.socket:
    """A plain connection."""
    return socket.create_connection(("127.0.0.1", port), timeout)
