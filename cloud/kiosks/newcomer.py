"""A connection that comes while another one of the same kiosk serves, until it is known which of them stays."""

import asyncio
from typing import Protocol

from cloud.kiosks.identity import Box
from wire.messages import MESSAGE_MAX_BYTES, Hello, Malformed, decode_from_kiosk

# A v1 client may bring the answers that it could not deliver; whoever says more before it is welcome says it again.
_SAID_MAX, _BYTES_MAX = 64, 2 * MESSAGE_MAX_BYTES


class Socket(Protocol):
    """What the door gives for one connection. None of these waits; `send` raises `OSError` on a dead socket."""

    address: str

    def send(self, text: bytes, point: str) -> None:
        """Send one text message, whose sending has that name among the crash points."""

    def ping(self, data: bytes) -> None:
        """Send a ping; its pong, with the same data, comes as `Links.heard`."""

    def proves(self, hello: Hello) -> bool:
        """Whether this hello, of this connection, was signed with the kiosk's key; True for a kiosk that has none."""

    def close(self, code: int, reason: str) -> None:
        """Close; code 0 cuts the connection without a goodbye."""


class Newcomer:
    """Such a connection. Times are seconds of the loop's clock."""

    __slots__ = ("_bytes", "asked_at", "box", "generation", "is_v1", "opened_at", "said", "socket", "timer")

    def __init__(self, socket: Socket, generation: int, now: float, *, is_v1: bool) -> None:
        self.socket = socket
        self.generation = generation  # of the token it came with
        self.is_v1 = is_v1
        self.opened_at = now
        self.box: Box | None = box_of(socket.address, None, now) if is_v1 else None  # None before hello
        self.said: list[str | bytes] = []  # to be heard once it is let in
        self._bytes = 0
        self.asked_at: float | None = None  # when the one that serves was pinged because of it
        self.timer: asyncio.TimerHandle | None = None  # until the answer to that

    def hear(self, text: str | bytes, now: float) -> bool:
        """Keep a message for later. True if it tells who it is. Raises `Malformed` for one that is none."""
        told = False
        if self.box is None:
            hello = decode_from_kiosk(text)
            if hello is None:
                return False
            if not isinstance(hello, Hello):
                raise Malformed("a message before hello")
            self.box = box_of(self.socket.address, hello, now)
            told = True
        if len(self.said) < _SAID_MAX and self._bytes + len(text) <= _BYTES_MAX:
            self._bytes += len(text)
            self.said.append(text)
        return told

    def leave(self) -> None:
        """Nothing is waited for any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def box_of(address: str, hello: Hello | None, now: float) -> Box:
    """Who is at the other end; `hello` is None for a v1 client."""
    if hello is None:
        return Box(address=address, since=now, is_v1=True)
    return Box(address=address, since=now - max(0.0, hello.uptime), journal=hello.journal, boot_id=hello.boot_id)
