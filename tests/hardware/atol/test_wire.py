"""HTTP over a port: what surely did not leave is told apart from what may have."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from hardware.atol import wire
from hardware.atol.wire import PortTransport
from tests.listening import listening

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    async with listening(once) as server:
        yield f"tcp://127.0.0.1:{server.port}"


async def heard(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def test_answers_of_both_kinds_of_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "IDLE_S", 60.0)  # the connection is kept, however slow the machine is

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"POST /x?y=1 HTTP/1.1" in await heard(reader)
        assert await reader.readexactly(4) == b"body"
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n")
        await writer.drain()
        writer.write(b"{}")
        await heard(reader)  # the same connection again
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with (
        serving(serve) as url,
        httpx.AsyncClient(transport=PortTransport(url, keep=False), base_url="http://x") as client,
    ):
        answer = await client.post("/x?y=1", content=b"body")
        assert (answer.status_code, answer.content) == (201, b"{}")
        assert (await client.get("/")).content == b"[]"


async def test_nobody_there_means_not_sent() -> None:
    with socket.socket() as taken:  # nobody listens there, nor will meanwhile
        taken.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        async with httpx.AsyncClient(transport=PortTransport(url, keep=False)) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("http://x/")


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"]
)
async def test_an_end_in_the_middle_may_have_been_sent(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(answer)

    async with serving(serve) as url, httpx.AsyncClient(transport=PortTransport(url, keep=False)) as client:
        with pytest.raises(httpx.TransportError) as error:
            await client.get("http://x/")
        assert not isinstance(error.value, httpx.ConnectError)


async def test_nonsense_may_have_been_sent() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(b"\x00\x01\x02 what\r\n\r\n")

    async with serving(serve) as url, httpx.AsyncClient(transport=PortTransport(url, keep=False)) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("http://x/")


async def test_a_connection_that_its_server_ended_is_opened_anew() -> None:
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await heard(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async with serving(serve) as url, httpx.AsyncClient(transport=PortTransport(url, keep=False)) as client:
        for _ in range(3):
            assert (await client.get("http://x/")).status_code == 200
    assert count == 3
