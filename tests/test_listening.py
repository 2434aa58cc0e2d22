"""Nothing is left of a server that a test has closed, whatever it was doing."""

import asyncio
import contextlib
import gc
import socket

import pytest

from tests.listening import listening


@pytest.mark.parametrize("turns", range(6))
async def test_whoever_comes_as_it_is_closed_is_closed_too(turns: int) -> None:
    async def wait_on(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(wait_on) as server:
        line = socket.create_connection(("127.0.0.1", server.port))
        for _ in range(turns):
            await asyncio.sleep(0)
    with line:
        line.settimeout(60)
        with contextlib.suppress(ConnectionError):
            assert line.recv(1) == b""
    gc.collect()


async def test_a_handlers_mistake_is_raised_and_what_its_peer_did_is_not() -> None:
    heard = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        heard.set()
        raise LookupError("a mistake")

    async with listening(serve) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            await asyncio.sleep(0.01)
            line.sendall(b"1")
    with pytest.raises(LookupError):  # noqa: PT012 - it comes when the context ends
        async with listening(serve) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"12")
            await heard.wait()
            writer.close()
            await writer.wait_closed()
            assert await reader.read() == b""
