"""The line to Telegram over real HTTP: what it says, what it makes of refusals, and that it keeps its token."""

import asyncio
import base64
import contextlib
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import generate_latest

from cloud.bot.html import units
from cloud.bot.line import Line
from cloud.bot.reply import Button, Target
from cloud.bot.talk import Conflict, Limited, Rejected, TalkError, Unauthorized, Unreachable
from cloud.emulator.server import Emulator
from cloud.metrics import Metrics
from tests.cloud.hub import PATIENCE, until
from tests.listening import listening
from wire.environment import Secret

ANN, GROUP = 7, -1001
AT_ANN = Target(ANN)


@asynccontextmanager
async def line(url: str, token: str, proxy: str = "", **more: Any) -> AsyncIterator[Line]:
    made = Line(token=Secret(token), api_url=url, proxy=Secret(proxy), metrics=Metrics(), **more)
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def telegram() -> AsyncIterator[tuple[Emulator, Line]]:
    async with Emulator(port=0) as tg, line(tg.url, tg.token) as made:
        tg.user(ANN)
        tg.group(GROUP, "Log", forum=True)
        yield tg, made


async def test_what_is_said_arrives() -> None:
    async with telegram() as (tg, talk):
        topic = tg.topic(GROUP, "Kiosks")
        button = Button("Yes", "yes:1")
        first = await talk.send(AT_ANN, "<b>one</b> https://a.example", buttons=[[button]])
        second = await talk.send(AT_ANN, "two", reply_to=first, silent=True, asks=True)
        await talk.edit(AT_ANN, first, "<i>1</i>", buttons=[[button]])
        await talk.edit(AT_ANN, first, "<i>1</i>", buttons=[[button]])  # says so already
        await talk.send(Target(GROUP, topic), "three", reply_to=99999)  # to a message that is gone
        await talk.send_file(Target(GROUP, topic), "a.json", b"{}", "<b>file</b>")
        one, two = tg.messages(ANN)
        assert (one["text"], one["edits"], one["reply_markup"]["inline_keyboard"][0][0]["text"]) == ("1", 1, "Yes")
        assert one["message_id"] == first
        assert two["message_id"] == second
        assert two["reply_to_message"]["message_id"] == first
        assert [message.get("caption", message.get("text")) for message in tg.messages(GROUP, topic)] == [
            "three",
            "file",
        ]
        sends = [call["given"] for call in tg.sent if call["method"] == "sendMessage"]
        assert all('"is_disabled": true' in given["link_preview_options"].lower() for given in sends)
        assert "force_reply" in sends[1]["reply_markup"]
        assert not tg.unknown


async def test_who_it_is_and_what_it_is_told() -> None:
    async with telegram() as (tg, talk):
        me = await talk.me()
        assert me.id == int(tg.token.partition(":")[0])
        assert me.username
        tg.say(ANN, "hello")
        (update,) = await talk.updates(0, 1)
        assert b'"hello"' in update
        await talk.set_commands([("start", "Begin")], language_code="ru", chat_id=ANN)
        await talk.delete_webhook()
        await talk.answer(tg.press(ANN, 1, "x:y"), "t" * 300)  # cut to what fits
        await talk.answer("1234567", "too old")  # which is no trouble
        assert not tg.unknown


async def test_what_is_too_long_is_cut() -> None:
    async with telegram() as (tg, talk):
        await talk.send(AT_ANN, f"<b>{'😀&amp;' * 3000}</b>")
        text = tg.messages(ANN)[0]["text"]
        assert units(text) <= 4096
        assert text.endswith("…")


async def test_html_that_telegram_refuses_is_sent_plain(caplog: pytest.LogCaptureFixture) -> None:
    async with telegram() as (tg, talk):
        await talk.send(AT_ANN, "<b>a &amp; b</i>")
        message = tg.messages(ANN)[0]
        assert message["text"] == "a & b"
        assert not message.get("entities")
        assert [record.levelname for record in caplog.records if record.name == "cloud.bot.line"] == ["ERROR"]


async def test_a_chat_that_moved_is_followed_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with telegram() as (tg, talk):
        tg.migrate(GROUP, -1002)
        for text in ("one", "two"):
            await talk.send(Target(GROUP), text)
        assert [message["text"] for message in tg.messages(-1002)] == ["one", "two"]
        assert [r.getMessage() for r in caplog.records if r.name == "cloud.bot.line"] == [
            "a chat has moved; its new id belongs into the settings"
        ]
        assert len(tg.refused) == 1


async def test_a_limited_chat_is_left_alone_until_its_time(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    async with Emulator(port=0) as tg, line(tg.url, tg.token, monotonic=lambda: now[0]) as talk:
        tg.user(ANN)
        tg.group(GROUP)
        tg.limit(ANN, 7, 1)
        for _ in range(3):
            with pytest.raises(Limited) as caught:
                await talk.send(AT_ANN, "x")
            assert caught.value.after == 7
        assert len(tg.refused) == 1  # it was asked once
        await talk.send(Target(GROUP), "others are not concerned")
        now[0] += 7.1
        await talk.send(AT_ANN, "x")


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda talk: talk.send(Target(4242), "x"), Rejected),  # there is no such chat
        (lambda talk: talk.edit(AT_ANN, 4242, "x"), Rejected),
        (lambda talk: talk.send(AT_ANN, "x", buttons=[[Button("x", "y" * 65)]]), Rejected),
    ],
)
async def test_what_telegram_will_never_take(act: Callable[[Line], Awaitable[object]], error: type[TalkError]) -> None:
    async with telegram() as (_, talk):
        with pytest.raises(error):
            await act(talk)


async def test_troubles_have_names() -> None:
    async with telegram() as (tg, talk):
        tg.fail(502)
        with pytest.raises(Unreachable):
            await talk.send(AT_ANN, "x")
        tg.lose()
        with pytest.raises(Unreachable):
            await talk.send(AT_ANN, "x")
        with tg.steal(), pytest.raises(Conflict):
            await talk.updates(0, 1)
        with tg.down(), pytest.raises(Unreachable):
            await talk.send(AT_ANN, "x")
        await talk.send(AT_ANN, "x")
        async with line(tg.url, f"{tg.token}x") as other:
            with pytest.raises(Unauthorized):
                await other.me()


# What stands between, and what must not be told of it.

CANARY = "987654321:Canary_token-that_must-not-be-seen-00000"


@asynccontextmanager
async def serving(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Have connections served; gives the address. Whoever has read enough, or waits no more, may hang up."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    async with listening(one) as server:
        yield f"127.0.0.1:{server.port}"


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives one answer to every request; its address, and the heads it got. `%s` quotes the request."""
    heads: list[bytes] = []

    async def answer_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer.replace(b"%s", heads[-1].splitlines()[0]))
        await writer.drain()

    async with serving(answer_one) as at:
        yield f"http://{at}", heads


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n<p>no JSON, %s", Unreachable),
        (b"HTTP/1.1 200 OK\r\n\r\n[1]", Unreachable),
        (b'HTTP/1.1 200 OK\r\n\r\n{"ok": true}', Unreachable),
        (b'HTTP/1.1 200 OK\r\n\r\n{"ok": true, "result": {"odd": 1}}', Unreachable),
        (b'HTTP/1.1 200 OK\r\n\r\n{"ok": true, "result": true}', Unreachable),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n<p>blocked: %s", Unreachable),
        (b"HTTP/1.1 404 Not Found\r\n\r\n<p>nothing at %s", Unreachable),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n%s", Unreachable),
        (b'HTTP/1.1 400 Bad\r\n\r\n{"ok": false, "error_code": 400, "description": "%s"}', Rejected),
        (b'HTTP/1.1 409 C\r\n\r\n{"ok": false, "error_code": 409, "description": "%s"}', Conflict),
        (b'HTTP/1.1 500 E\r\n\r\n{"ok": false, "error_code": 500, "description": "%s"}', Unreachable),
        (b'HTTP/1.1 401 U\r\n\r\n{"ok": false, "error_code": 401, "description": "%s"}', Unauthorized),
        (b"nonsense %s\r\n\r\n", Unreachable),
        (b"", Unreachable),
    ],
)
async def test_no_answer_gets_the_token_out(
    answer: bytes, error: type[TalkError], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with answering(answer) as (url, _), line(url, CANARY) as talk:
        for act in (talk.me, lambda: talk.updates(0, 0), lambda: talk.send(AT_ANN, "x")):
            if act is not talk.me and answer.endswith(b"true}"):
                continue
            with pytest.raises(error) as caught:
                await act()
            told = "".join(traceback.format_exception(caught.value))
            _clean(told)
            assert caught.value.__cause__ is None
        assert talk._metrics is not None
        _clean(generate_latest(talk._metrics.registry).decode())
    for record in caplog.records:
        # What libraries log is shut by `cloud.logs` where it has the address: see tests/cloud/test_logs.py.
        if not record.name.startswith(("telegram", "httpx", "httpcore")):
            _clean(record.getMessage() + str(vars(record)))
    _clean("".join(capfd.readouterr()))


def _clean(text: str) -> None:
    for part in (CANARY, CANARY.partition(":")[2], "Canary"):
        assert part not in text, text


async def test_an_endless_answer_ends(caplog: pytest.LogCaptureFixture) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 9_000_000) as (url, _), line(url, CANARY) as talk:
        with pytest.raises(Unreachable):
            await talk.me()


def test_all_forms_of_a_secret_are_scrubbed() -> None:
    proxy = Secret("http://user:pass%20word@proxy.example:3128")
    talk = Line(token=Secret("123456:abc"), api_url="http://127.0.0.1", proxy=proxy)
    for secret in ("123456:abc", "123456%3Aabc", "abc", proxy.reveal(), "pass word", "user:pass%20word"):
        assert talk._scrubbed(f"a ({secret}) b") == "a (…) b"
    assert talk._scrubbed(CANARY) == "…"  # another's


# Proxies


@asynccontextmanager
async def proxy(login: str = "") -> AsyncIterator[tuple[str, list[str]]]:
    """A small forward proxy that knows CONNECT too; its address, and the first lines of what was asked."""
    asked: list[str] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        method, target, _ = first.decode().split()
        asked.append(f"{method} {target}")
        given = f"Basic {base64.b64encode(login.encode()).decode()}".encode()
        if login and given not in rest:
            writer.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return
        host, _, port = target.removeprefix("http://").partition("/")[0].partition(":")
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = target.removeprefix(f"http://{host}:{port}")
                up_writer.write(f"{method} {path} HTTP/1.1\r\n".encode() + rest.replace(b"keep-alive", b"close"))
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(pump(reader, up_writer))
                pumps.create_task(pump(up_reader, writer))
        finally:
            up_writer.transport.abort()
            with contextlib.suppress(OSError):
                await up_writer.wait_closed()

    async with serving(serve) as at:
        yield f"http://{login}@{at}" if login else f"http://{at}", asked


async def test_a_proxy_is_used_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # of the environment nothing is believed
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with (
        Emulator(port=0) as tg,
        proxy("ann:s3cret-of-proxy") as (url, asked),
        line(tg.url, tg.token, url) as talk,
    ):
        tg.user(ANN)
        await talk.send(AT_ANN, "by proxy")
        tg.say(ANN, "hello")
        assert await talk.updates(0, 1)
        assert tg.messages(ANN)[0]["text"] == "by proxy"
        assert len(asked) == 2
        async with line(tg.url, tg.token) as direct:
            await direct.me()
        assert len(asked) == 2


async def test_a_proxy_that_refuses_is_no_word_of_telegram() -> None:
    async with Emulator(port=0) as tg, proxy("ann:s3cret-of-proxy") as (url, _):
        wrong = url.replace("s3cret", "wrong-s3cret")
        async with line(tg.url, tg.token, wrong) as talk:
            with pytest.raises(Unreachable) as caught:
                await talk.me()
            assert "s3cret" not in str(caught.value)
        async with line("https://telegram.invalid", tg.token, wrong) as talk:  # by CONNECT
            with pytest.raises(Unreachable) as caught:
                await talk.me()
            assert "s3cret" not in str(caught.value)


async def test_https_goes_through_connect() -> None:
    heads: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.read(1000))

    async with serving(hang_up) as at, proxy() as (way, asked), line(f"https://{at}", CANARY, way) as talk:
        with pytest.raises(Unreachable):
            await talk.me()
        assert asked == [f"CONNECT {at}"]
        assert not any(b"Canary" in head for head in heads)


async def test_an_answer_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.bot.line._CALL_WITHIN", 0.2)

    begun, over = 0, 0

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal begun, over
        await reader.readuntil(b"\r\n\r\n")
        begun += 1
        try:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        finally:
            over += 1

    async with serving(drip) as at, line(f"http://{at}", "123456:" + "a" * 35) as talk:
        async with asyncio.timeout(PATIENCE):
            while not begun:  # where the machine stands still its time is over before the request is there
                with pytest.raises(Unreachable):
                    await talk.send(AT_ANN, "one")
        await until(lambda: over == begun)
