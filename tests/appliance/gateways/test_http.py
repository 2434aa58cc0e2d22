"""The HTTP client against a real gateway on a bad day."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from appliance.gateways import Answered, Gateways, NeverGot, NoAnswer
from tests.appliance.quick import quick
from tests.appliance.worlds import Call, gateway, reply, route, until
from tests.listening import listening


@asynccontextmanager
async def gateways() -> AsyncIterator[Gateways]:
    opened = Gateways()
    try:
        yield opened
    finally:
        await opened.close()


@quick
async def test_a_post_carries_the_body_and_nothing_else() -> None:
    async with gateway() as there, gateways() as here:
        result = await here.call(route(there.url + "?x=1"), "POST", b'{"sum": 1.10}')
        assert isinstance(result, Answered)
        assert (result.status, bytes(result.body)) == (200, b'{"ok":true}')
        call = there.calls[0]
        assert (call.method, call.target, call.body) == ("POST", "/api?x=1", b'{"sum": 1.10}')
        assert call.headers["content-type"] == "application/json"
        assert set(call.headers) <= {
            "host", "accept", "accept-encoding", "connection", "user-agent", "content-length", "content-type"
        }  # fmt: skip


@pytest.mark.parametrize("late", [False, True])
@quick
async def test_an_answer_that_comes_twice_is_not_the_next_calls(late: bool) -> None:
    """Neither one that came together with the first nor one that comes when the next request is on its way."""

    async def twice(call: Call) -> bytes | None:
        answer = reply(body=b'{"paid":' + call.body + b"}")
        if not late:
            return answer * 2
        if call.body != b"1":
            there.calls[0].writer.write(reply(body=b'{"paid":1}'))
            await asyncio.sleep(0.1)
        return answer

    async with gateway(twice) as there, gateways() as here:
        for order in (b"1", b"2", b"3"):
            result = await here.call(route(there.url), "POST", order)
            assert isinstance(result, Answered)
            assert bytes(result.body) == b'{"paid":' + order + b"}"
        assert [call.headers["connection"] for call in there.calls] == ["close"] * 3


@quick
async def test_a_redirect_is_an_answer() -> None:
    async def redirect(_call: Call) -> bytes:
        return b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"

    async with gateway(redirect) as there, gateways() as here:
        result = await here.call(route(there.url), "POST", b"{}")
        assert isinstance(result, Answered)
        assert (result.status, bytes(result.body)) == (302, b"{}")


@quick
async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    async with gateway() as there, gateways() as here:
        assert isinstance(await here.call(route(there.url), "POST", b"{}"), Answered)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://name.invalid/", "https://127.0.0.1:1/", "http://xn--/"])
@quick
async def test_who_cannot_be_reached_never_got_it(url: str) -> None:
    async with gateways() as here:
        assert isinstance(await here.call(route(url), "POST", b"{}"), NeverGot)


@quick
async def test_a_failed_tls_handshake_never_got_it() -> None:
    async with gateway() as there, gateways() as here:
        url = there.url.replace("http://", "https://")
        assert isinstance(await here.call(route(url, timeout=0.3), "POST", b"{}"), NeverGot)
        assert there.calls == []


@quick
async def test_whatever_a_library_raises_before_a_byte_was_sent_it_never_got_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise AttributeError("the connection was gone before it could be used")

    monkeypatch.setattr(httpx.AsyncClient, "send", fail)
    async with gateways() as here:
        assert isinstance(await here.call(route("http://127.0.0.1:1"), "POST", b"{}"), NeverGot)


@quick
async def test_a_connection_reset_as_soon_as_it_stands_is_a_result() -> None:
    resets = []

    def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        resets.append(writer)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with listening(reset) as server, gateways() as here:
        there = route(f"http://127.0.0.1:{server.port}")
        for _ in range(20):
            results = await asyncio.gather(*(here.call(there, "POST", b"{}") for _ in range(10)))
            assert all(isinstance(result, NeverGot | NoAnswer) for result in results)
        await until(lambda: len(resets) == 200)


@quick
async def test_a_reset_after_the_request_is_no_answer() -> None:
    async def reset(call: Call) -> None:
        call.reset()

    async with gateway(reset) as there, gateways() as here:
        assert isinstance(await here.call(route(there.url), "POST", b"{}"), NoAnswer)
        assert len(there.calls) == 1


@pytest.mark.parametrize("text", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"])
@quick
async def test_half_an_answer_is_none(text: bytes) -> None:
    async def half(call: Call) -> None:
        call.writer.write(text)

    async with gateway(half) as there, gateways() as here:
        assert isinstance(await here.call(route(there.url), "POST", b"{}"), NoAnswer)


@quick
async def test_the_timeout_is_for_the_whole_call() -> None:
    async def drip(call: Call) -> None:
        call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            call.writer.write(b" ")
            await asyncio.sleep(0.02)

    async with gateway(drip) as there, gateways() as here:
        result = await here.call(route(there.url, timeout=0.2), "POST", b"{}")
        assert isinstance(result, NoAnswer)
        assert "0.2 s" in result.detail


@pytest.mark.parametrize("declared", [True, False])
@quick
async def test_reading_stops_at_the_limit(declared: bool) -> None:
    async def huge(call: Call) -> None:
        length = b"Content-Length: 100000000\r\n" if declared else b""
        call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + length + b"\r\n")
        while True:
            call.writer.write(b"x" * 65536)
            await call.writer.drain()

    async with gateway(huge) as there, gateways() as here:
        result = await here.call(route(there.url), "POST", b"{}")
        assert isinstance(result, Answered)
        fields = msgspec.json.decode(result.body)
        assert (True, 100_000_000 if declared else None) == (fields["truncated"], fields["size"])


@quick
async def test_a_get_is_retried_and_a_post_is_not() -> None:
    async def second_time(call: Call) -> bytes | None:
        if call.method == "POST" or len(there.calls) < 2:
            return None
        return reply()

    async with gateway(second_time) as there, gateways() as here:
        assert isinstance(await here.call(route(there.url, retries=2), "GET", b'{"a":1}'), Answered)
        assert len(there.calls) == 2
        assert isinstance(await here.call(route(there.url, retries=2), "POST", b"{}"), NoAnswer)
        assert len(there.calls) == 3


@quick
async def test_a_get_that_may_have_arrived_once_is_never_called_unreached() -> None:
    async with gateways() as here:
        async with gateway() as there:

            async def die(_call: Call) -> None:
                there.answer = die

            there.answer = die
            result = await here.call(route(there.url, retries=1), "GET", b"{}")
        assert isinstance(result, NoAnswer)


@quick
async def test_forgetting_leaves_running_calls_undisturbed() -> None:
    forgotten = asyncio.Event()

    async def wait(_call: Call) -> bytes:
        await forgotten.wait()
        return reply()

    async with gateway(wait) as there, gateways() as here:
        running = asyncio.create_task(here.call(route(there.url), "POST", b"{}"))
        while not there.calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        here.forget()
        forgotten.set()
        assert isinstance(await here.call(route(there.url), "POST", b"{}"), Answered)
        assert isinstance(await running, Answered)


@quick
async def test_a_gateways_cookies_are_not_kept() -> None:
    async def bake(_call: Call) -> bytes:
        return b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 2\r\n\r\n{}"

    async with gateway(bake) as one, gateway() as other, gateways() as client:
        for there in (one, one, other):
            await client.call(route(there.url), "POST", b"{}")
        assert ["cookie" in call.headers for call in (*one.calls, *other.calls)] == [False, False, False]
