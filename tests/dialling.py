"""What relays and servers of tests are made of, of which nothing is left when they end."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

from tests.listening import Listening, Serve, cut

T = TypeVar("T")

_CHUNK = 64 * 1024
_BACKLOG = 100
_WITHIN_S = 90.0  # for what a loop in a thread surely does; above what `Listening.close` may take

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def dialled(host: str, port: int, *, source: str | None = None) -> AsyncIterator[Ends]:
    """A connection, from the address `source` if given. What was written gets there, unless an exception ends it."""
    reader, writer = await asyncio.open_connection(host, port, local_addr=None if source is None else (source, 0))
    try:
        yield reader, writer
        await _closed(writer)
    finally:
        cut(writer)
        await _closed(writer)


async def pass_on(one: Ends, other: Ends) -> None:
    """What each says to the other, until either is closed; then both are."""
    await asyncio.gather(_copy(one[0], other[1]), _copy(other[0], one[1]))


@contextmanager
def served_aside(serve: Serve, *, name: str, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """`listening` for a test that has no event loop: on one of its own, in a thread. Yields the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=name, daemon=True)
    thread.start()

    def run(what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, loop).result(_WITHIN_S)

    async def listen() -> Listening:
        return Listening(serve, "127.0.0.1", 0, tls, _BACKLOG)

    try:
        server = run(listen())
        try:
            yield server.port
        finally:
            run(server.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_WITHIN_S)
        loop.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        try:
            while data := await source.read(_CHUNK):
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
