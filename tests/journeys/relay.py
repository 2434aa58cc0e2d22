"""A TCP relay that stands for the network between two programs: it can be cut, held and restored.

It runs in a thread of its own; every method may be called from any other thread and has taken effect when it returns.

    with Relay(hub.port) as relay:
        relay.hold(up=True)      # what the dialling end says is kept back; nobody notices
        relay.cut()              # all connections end, kept bytes are lost, new connections are refused
        relay.cut(hang=True)     # the same, but new connections hang until it is restored
        relay.restore()          # new connections pass; held ones go on
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_CHUNK = 64 * 1024
_ANSWER_S = 10.0
_RESET = struct.pack("ii", 1, 0)  # linger for no time: the close becomes a reset


class Relay:
    """Listens on a port of its own and passes every connection on to `target` at 127.0.0.1.

    "Up" is from who dialled to the target, "down" the other way.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: set[_Pair] = set()
        self._refusing = False
        self._holding_new = (False, False)
        self._open = asyncio.Event()  # while it is not set, new connections hang
        self._open.set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self, *, hang: bool = False) -> None:
        """End every connection with a reset, losing what is under way; refuse new ones, or let them `hang`."""
        self._do(self._cut(hang=hang))

    def hold(self, *, up: bool = False, down: bool = False, new: bool = False) -> None:
        """Keep back what connections say in a direction: the present ones and, if told so, `new` ones.

        They stay open, as over a dead radio link.
        """
        self._do(self._hold(up=up, down=down, new=new))

    def restore(self) -> None:
        """Let new connections through, and let held ones go on."""
        self._do(self._restore())

    @property
    def connections(self) -> int:
        """How many are open now."""
        return self._do(self._count())

    def close(self) -> None:
        """End everything and the thread."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_S)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_S)

    # Everything below runs in the relay's loop.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        if self._refusing:
            _reset(writer)
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        pair = _Pair((reader, writer), there)
        pair.hold(*self._holding_new)
        if self._refusing or not self._open.is_set():  # it was cut in between
            pair.reset()
            return
        self._pairs.add(pair)
        try:
            await pair.run()
        finally:
            self._pairs.discard(pair)

    async def _count(self) -> int:
        return len(self._pairs)

    async def _cut(self, *, hang: bool) -> None:
        if hang:
            self._open.clear()
        else:
            self._refusing = True
        for pair in list(self._pairs):
            pair.reset()

    async def _hold(self, *, up: bool, down: bool, new: bool) -> None:
        for pair in self._pairs:
            pair.hold(up, down)
        if new:
            self._holding_new = (up, down)

    async def _restore(self) -> None:
        self._refusing = False
        self._open.set()
        self._holding_new = (False, False)
        for pair in self._pairs:
            pair.up.set()
            pair.down.set()

    async def _close(self) -> None:
        self._server.close()
        await self._cut(hang=False)
        self._open.set()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            _ended, left = await asyncio.wait(others, timeout=2.0)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Pair:
    """One connection and its continuation."""

    def __init__(self, here: _Stream, there: _Stream) -> None:
        self._here, self._there = here, there
        self.up, self.down = asyncio.Event(), asyncio.Event()
        self.up.set()
        self.down.set()
        self._pumps: list[asyncio.Task[None]] = []
        self._ended = False

    def hold(self, up: bool, down: bool) -> None:
        """Keep back what is said in these directions."""
        for held, gate in ((up, self.up), (down, self.down)):
            if held:
                gate.clear()

    async def run(self) -> None:
        """Pass bytes both ways until one end is gone."""
        if self._ended:
            return
        self._pumps = [
            asyncio.create_task(_pump(self._here[0], self._there[1], self.up)),
            asyncio.create_task(_pump(self._there[0], self._here[1], self.down)),
        ]
        try:
            await asyncio.wait(self._pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            for _reader, writer in (self._here, self._there):
                with contextlib.suppress(OSError):
                    writer.close()

    def reset(self) -> None:
        """End it at once, both ways."""
        self._ended = True
        for pump in self._pumps:
            pump.cancel()
        for _reader, writer in (self._here, self._there):
            _reset(writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    with contextlib.suppress(OSError):
        while True:
            await gate.wait()
            data = await reader.read(_CHUNK)
            await gate.wait()  # it may have been closed while nothing came
            if not data:
                return
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
