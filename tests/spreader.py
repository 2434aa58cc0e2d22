"""One port before several programs: each new connection goes to one of them, picked at random. Nothing is retried."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Sequence

from tests.listening import Listening

_OWN = "127.0.0.1"
_LIMIT_S = 15.0
_CHUNK = 64 * 1024


class Spreader:
    """As a balancer does that knows nothing of what it passes on. A program that does not accept is left out."""

    def __init__(self, port: int, targets: Sequence[int], seed: str) -> None:
        self.port = port
        self.targets = list(targets)
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"spreader {port}", daemon=True)
        self._thread.start()
        try:
            self._server: Listening = self._in_loop(self._listen())
        except BaseException:  # the port is somebody else's
            self._end_loop()
            raise

    def close(self) -> None:
        """End it, and all that goes through it."""
        try:
            self._in_loop(self._server.close())
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LIMIT_S)
        self._loop.close()

    def _in_loop(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_LIMIT_S)

    async def _listen(self) -> Listening:
        return Listening(self._pass, _OWN, self.port, None, 1024)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if peer is None:  # it is gone already
            _reset(writer)
            return
        source = None if peer[0] == _OWN else (peer[0], 0)  # whoever comes from elsewhere is seen to do so
        for port in self._random.sample(self.targets, len(self.targets)):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):  # a program that stands still accepts, by its system's hand
                    onward = await asyncio.open_connection(_OWN, port, local_addr=source)
                break
        else:
            _reset(writer)
            return
        their_reader, their_writer = onward
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, their_writer))
                pumps.create_task(_pump(their_reader, writer))
            for each in (writer, their_writer):
                each.close()
            for each in (writer, their_writer):
                await each.wait_closed()
        except* (OSError, asyncio.CancelledError):  # one end broke it, or all ends: the other is to know at once
            _reset(writer)
            _reset(their_writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End it as a program that is gone does, not in order."""
    connection = writer.get_extra_info("socket")
    if connection.fileno() < 0:  # it has ended
        return
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
