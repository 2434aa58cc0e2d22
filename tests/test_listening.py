"""Nothing is left of a server that a test has closed, whatever it was doing."""

import asyncio
import contextlib
import gc
import socket

import pytest

from tests.dialling import dialled
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


async def test_what_a_handler_closed_before_all_was_sent_ends_when_it_is() -> None:
    ended = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(20_000_000))
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with listening(serve) as server, dialled("127.0.0.1", server.port) as (reader, _writer):
        assert len(await reader.read()) == 20_000_000
        await ended.wait()


async def test_what_a_caller_closed_before_all_was_sent_gets_there() -> None:
    count = 0
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while data := await reader.read(65536):
            count += len(data)
        ended.set()

    async with listening(serve) as server:
        async with dialled("127.0.0.1", server.port) as (_reader, writer):
            writer.write(bytes(20_000_000))
        await ended.wait()
    assert count == 20_000_000
