"""One port before several programs: each new connection goes to one of them, picked at random. Nothing is retried."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Sequence

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
        self._passing: set[asyncio.Task[None]] = set()  # of each connection, which nobody else would keep
        self._server: asyncio.Server = self._in_loop(asyncio.start_server(self._accept, _OWN, port, backlog=1024))

    def close(self) -> None:
        """End it, and all that goes through it."""

        async def end() -> None:
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._in_loop(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LIMIT_S)
        self._loop.close()

    def _in_loop(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_LIMIT_S)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._pass(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0]
        source = None if address == _OWN else (address, 0)  # whoever comes from elsewhere is seen to do so
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
            await asyncio.gather(_pump(reader, their_writer), _pump(their_reader, writer))
        except (OSError, asyncio.CancelledError):  # one end broke it, or all ends: the other is to know at once
            _reset(writer)
            _reset(their_writer)
        finally:
            for each in (writer, their_writer):
                each.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End it as a program that is gone does, not in order."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
