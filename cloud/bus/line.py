"""The two connections to one Redis that the bus has at a time: one hears, one speaks. If either breaks, both go."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from cloud.bus.connection import Connection, RedisTroubleError, command, refusal
from cloud.bus.dialling import Dialler
from cloud.redis_address import Node

_SUBSCRIBE = 2.0


class Line:
    """Made by `open_line`. `lost` is done, with why, once it is of no use any more."""

    def __init__(self, node: Node, on_message: Callable[[bytes], None]) -> None:
        self.node = node
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.refusal = ""  # what Redis said last instead of doing it
        self._on_message = on_message
        self._speaker: Connection
        self._hearer: Connection
        self._expected: deque[Callable[[Any], None]] = deque()
        self._subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = 0

    async def open(self, dialler: Dialler, channels: Sequence[str]) -> None:
        """Connect, and hear these channels. Raises OSError, TimeoutError, `RedisTroubleError`."""
        self._speaker = await dialler.connect(self.node)
        try:
            self._hearer = await dialler.connect(self.node)
            try:
                self._missing = len(channels)
                self._hearer.stream(self._heard, self.cut)
                self._speaker.stream(self._replied, self.cut)
                self._hearer.write(command("SUBSCRIBE", *channels))
                async with asyncio.timeout(_SUBSCRIBE):
                    await self._subscribed
            except BaseException:
                self._hearer.abort()
                raise
        except BaseException:
            self._speaker.abort()
            self._subscribed.cancel()
            raise

    def publish(self, frames: list[tuple[str, bytes]], through: Callable[[int], None]) -> None:
        """Send frames to channels; `through` is called for each, in their order, with how many heard it: -1 where
        Redis refused it. It is not called any more once the line is lost."""

        def done(reply: Any) -> None:
            if self._speaker.is_error(reply):
                self.refusal = refusal(reply)
            through(reply if isinstance(reply, int) else -1)

        self._expected.extend([done] * len(frames))
        self._speaker.write(b"".join([command("PUBLISH", channel, data) for channel, data in frames]))

    def ask(self, reply: Callable[[Any], None], *words: str) -> None:
        """Another command; `reply` is called with what Redis says, unless it refuses."""

        def done(said: Any) -> None:
            if not self._speaker.is_error(said):
                reply(said)

        self._expected.append(done)
        self._speaker.write(command(*words))

    def cut(self, why: str) -> None:
        """It is of no use any more."""
        if not self.lost.done():
            self.lost.set_result(why)
        if not self._subscribed.done():
            self._subscribed.set_exception(RedisTroubleError(why))
        self._speaker.abort()
        self._hearer.abort()

    def _replied(self, reply: Any) -> None:
        if self._expected:
            self._expected.popleft()(reply)

    def _heard(self, reply: Any) -> None:
        if isinstance(reply, list) and reply[0] == b"message":
            self._on_message(reply[2])
        elif isinstance(reply, list) and reply[0] == b"subscribe":
            self._missing -= 1
            if not self._missing and not self._subscribed.done():
                self._subscribed.set_result(None)
        elif self._hearer.is_error(reply) and not self._subscribed.done():
            self._subscribed.set_exception(RedisTroubleError(refusal(reply)))


async def open_line(dialler: Dialler, channels: Sequence[str], on_message: Callable[[bytes], None]) -> Line:
    """A line to the server that the address means just now. Raises as `Line.open` does, and `RedisTroubleError`."""
    line = Line(await dialler.find(), on_message)
    await line.open(dialler, channels)
    return line
