"""The page and what programs may do in its stead: over HTTP and a WebSocket."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import telegram
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from cloud.emulator.server import Emulator

YOU, GROUP = 1, -1001


@asynccontextmanager
async def site() -> AsyncIterator[tuple[Emulator, httpx.AsyncClient]]:
    async with Emulator() as tg:
        tg.user(YOU, "You", started=False)
        tg.group(GROUP, "Log", forum=True)
        async with httpx.AsyncClient(base_url=tg.url, trust_env=False, timeout=60) as client:
            yield tg, client


async def _next(line: ClientConnection, key: str) -> dict[str, Any]:
    while True:
        news: dict[str, Any] = json.loads(await line.recv())
        if key in news:
            return news


def _bot(tg: Emulator) -> telegram.Bot:
    return telegram.Bot(tg.token, base_url=f"{tg.url}/bot")


@pytest.mark.parametrize("name", ["", "sim/chat.css", "sim/chat.js", "sim/render.js"])
async def test_the_page_is_here_and_brings_nothing_from_elsewhere(name: str) -> None:
    async with site() as (_, client):
        answer = await client.get(f"/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "//" not in answer.text.replace("// ", "").replace("://${location.host}", "").replace(
            "https?:\\/\\/", ""
        )
        assert "innerHTML" not in answer.text


async def test_only_this_machine_may_be_these_people() -> None:
    async with site() as (tg, client):
        say = {"say": "/start", "user": YOU}
        assert (await client.get("/", headers={"Host": "evil.example"})).status_code == 403
        assert (await client.post("/sim/say", json=say, headers={"Host": "evil.example:80"})).status_code == 403
        simple = {"Content-Type": "text/plain"}  # what other pages may send without being asked
        assert (await client.post("/sim/say", content=json.dumps(say), headers=simple)).status_code == 415
        with pytest.raises(InvalidStatus):
            await connect(tg.url.replace("http", "ws") + "/sim/live", origin="http://evil.example")  # type: ignore[arg-type]
        assert tg.history(YOU) == []


async def test_programs_talk_and_press() -> None:
    async with site() as (tg, client), _bot(tg) as bot:
        said = (await client.post("/sim/say", json={"say": "/start", "user": YOU})).json()["said"]
        sent = await bot.send_message(
            YOU, "<b>a</b>", "HTML",
            reply_markup=telegram.InlineKeyboardMarkup([[telegram.InlineKeyboardButton("A", callback_data="a:1")]]),
        )  # fmt: skip
        (message,) = (await client.get("/sim/messages", params={"chat": YOU})).json()["messages"]
        assert message["html"] == "<b>a</b>"
        press = {"press": "a:1", "user": YOU, "message": sent.message_id}
        number = (await client.post("/sim/press", json=press)).json()["pressed"]
        first, second = await bot.get_updates()
        assert first.message is not None
        assert first.message.message_id == said["message_id"]
        assert second.callback_query is not None
        assert second.callback_query.id == number


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"say": " ", "user": YOU}, "an empty message cannot be sent"),
        ({"say": "x" * 4097, "user": YOU}, "a message has at most 4096 characters"),
        ({"say": "x", "user": 99}, "there is no such person or chat"),
        ({"say": "x", "user": YOU, "chat": -5}, "there is no such person or chat"),
        ({"say": "x", "user": YOU, "reply_to": 9}, "the message to be replied to is gone"),
        ({"say": "x", "user": YOU, "chat": GROUP, "thread": 9}, "there is no such topic"),
        ({"say": 5, "user": YOU}, "Expected `str`, got `int` - at `$.say`"),
        ({"say": "x", "user": YOU, "colour": "red"}, "Object contains unknown field `colour`"),
    ],
)
async def test_what_cannot_be_done_is_told(what: dict[str, Any], words: str) -> None:
    async with site() as (_, client):
        answer = await client.post("/sim/say", json=what)
        assert (answer.status_code, answer.json()) == (400, {"wrong": words})


async def test_the_page_lives() -> None:
    async with site() as (tg, _), _bot(tg) as bot, connect(tg.url.replace("http", "ws") + "/sim/live") as line:
        opened = await _next(line, "all")
        assert [chat["title"] for chat in opened["head"]["chats"]] == ["You", "Log"]
        assert not opened["head"]["chats"][0]["started"]
        await line.send(json.dumps({"say": "/start", "user": YOU, "chat": YOU}))
        news = await _next(line, "post")
        assert (news["chat"], news["post"]["text"]) == (YOU, "/start")
        assert news["head"]["chats"][0]["started"]
        await bot.set_my_commands([("start", "Begin")])
        await line.send(json.dumps({"head": True}))
        menus = (await _next(line, "head"))["head"]["menus"]
        assert menus[str(YOU)] == [{"command": "start", "description": "Begin"}]
        sent = await bot.send_message(YOU, "<tg-spoiler>a</tg-spoiler>", "HTML")
        assert (await _next(line, "post"))["post"]["entities"][0]["type"] == "spoiler"
        await bot.edit_message_text("b", YOU, sent.message_id)
        assert (await _next(line, "post"))["post"]["edits"] == 1
        await line.send(json.dumps({"press": "x", "user": YOU, "chat": YOU, "message": sent.message_id}))
        press = (await _next(line, "pressed"))["pressed"]
        await bot.answer_callback_query(press, "done")
        assert await _next(line, "answer") == {"answer": press, "text": "done", "show_alert": False}
        await bot.delete_message(YOU, sent.message_id)
        assert (await _next(line, "deleted"))["deleted"] == sent.message_id
        await line.send("nonsense")
        assert "malformed" in (await _next(line, "wrong"))["wrong"]


async def test_the_page_offers_bad_days() -> None:
    async with site() as (tg, _), connect(tg.url.replace("http", "ws") + "/sim/live") as line:
        await _next(line, "all")
        await line.send(json.dumps({"trouble": "fail"}))
        await line.send(json.dumps({"trouble": "down"}))
        await line.wait_closed()
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(tg.url)
            tg.open()
            assert (await client.get(f"{tg.url}/bot{tg.token}/getMe")).status_code == 502
