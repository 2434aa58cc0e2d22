"""A server of bytes for a test, of which nothing is left when it ends.

Not `asyncio.start_server`: whom that has accepted in the moment in which it is closed is served and closed by nobody,
and what its handlers hold is left to the garbage collector, which fails whichever test it comes to it in.
"""

import asyncio
import inspect
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]

_CLOSED_WITHIN = 60.0  # seconds


def cut(writer: asyncio.StreamWriter) -> None:
    """End it now, whatever is not sent yet.

    One that has ended is left alone: where it was closed with something left to send, asyncio's `abort` fails then.
    """
    with suppress(AttributeError):
        writer.transport.abort()


class Listening:
    """`serve` is called with each connection. A connection is closed by it, or by `close`."""

    def __init__(self, serve: Serve, host: str, port: int, tls: ssl.SSLContext | None, backlog: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=backlog)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._serve = serve
        self._tls = tls
        self._came: set[socket.socket] = set()  # not yet begun with
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._mistakes: list[BaseException] = []
        asyncio.get_running_loop().add_reader(self._listener, self._come)

    def stop_listening(self) -> None:
        """Take nobody any more; who is here stays."""
        if self._listener.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()

    async def close(self) -> None:
        """Take nobody any more, cut off who is here. Raises what a handler raised, unless its peer was to blame."""
        self.stop_listening()
        async with asyncio.timeout(_CLOSED_WITHIN):
            while self._tasks:
                for task in self._tasks:
                    task.cancel()
                await asyncio.wait(self._tasks, timeout=1.0)
            for connection in self._came:
                connection.close()
            for writer in self._writers:
                cut(writer)
            for writer in self._writers:
                with suppress(OSError):
                    await writer.wait_closed()
        self._writers.clear()
        if self._mistakes:
            raise self._mistakes[0]

    def _come(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # there is none
                return
            connection.setblocking(False)
            # As asyncio does for its own: what is written goes out though what went before is not acknowledged yet.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._came.add(connection)
            task = asyncio.create_task(self._one(connection), name="served")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def _one(self, connection: socket.socket) -> None:
        self._came.discard(connection)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls)
        except BaseException:
            connection.close()
            raise
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        self._writers.append(writer)
        serving = self._serve(reader, writer)
        if inspect.isawaitable(serving):
            await serving

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or not (error := task.exception()):
            return
        if not isinstance(error, OSError | asyncio.IncompleteReadError):
            self._mistakes.append(error)


@asynccontextmanager
async def listening(
    serve: Serve, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None, backlog: int = 100
) -> AsyncIterator[Listening]:
    """Serve until the context ends, on a free port unless one is named."""
    server = Listening(serve, host, port, tls, backlog)
    try:
        yield server
    finally:
        await server.close()
