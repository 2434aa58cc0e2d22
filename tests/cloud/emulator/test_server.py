"""The Bot API over HTTP, as python-telegram-bot and plain requests use it."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import telegram
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TimedOut,
)
from telegram.request import HTTPXRequest

from cloud.emulator.limits import Limits
from cloud.emulator.server import Emulator
from tests.listening import Listening

ADMIN, GROUP, FORUM = 7, -42, -1001
# python-telegram-bot warns of a change to come whenever Telegram asks for a pause.
OF_PTB = pytest.mark.filterwarnings("ignore:.*retry_after:telegram.warnings.PTBDeprecationWarning")


def _patient() -> HTTPXRequest:
    """No answer is given up because the machine is busy."""
    limits = {"read_timeout": 60.0, "write_timeout": 60.0, "connect_timeout": 60.0, "pool_timeout": 60.0}
    return HTTPXRequest(**limits, httpx_kwargs={"trust_env": False})


@asynccontextmanager
async def talking(**changes: Any) -> AsyncIterator[tuple[Emulator, telegram.Bot]]:
    """An emulator with a person who has pressed Start, a group and a forum; and a bot that talks to it."""
    async with Emulator(**changes) as tg:
        tg.user(ADMIN, "Admin")
        tg.group(GROUP, "Alerts")
        tg.group(FORUM, "Log", forum=True)
        bot = telegram.Bot(
            tg.token,
            base_url=f"{tg.url}/bot",
            base_file_url=f"{tg.url}/file/bot",
            request=_patient(),
            get_updates_request=_patient(),
        )
        async with bot:
            yield tg, bot


def _keyboard(*data: str) -> telegram.InlineKeyboardMarkup:
    return telegram.InlineKeyboardMarkup([[telegram.InlineKeyboardButton(one, callback_data=one) for one in data]])


async def _refused(call: Any, kind: type[Exception] = BadRequest) -> str:
    with pytest.raises(kind) as refused:
        await call
    return str(refused.value)


async def test_a_bot_learns_who_it_is() -> None:
    async with talking() as (tg, bot):
        me = await bot.get_me()
        assert me.username == "kioskwire_bot"
        assert me.id == int(tg.token.partition(":")[0])


async def test_a_message_comes_with_its_entities() -> None:
    async with talking() as (tg, bot):
        sent = await bot.send_message(ADMIN, "😀 <b>a</b> &lt; <tg-spoiler>b</tg-spoiler>", parse_mode="HTML")
        assert sent.text == "😀 a < b"
        assert [(entity.type, entity.offset) for entity in sent.entities] == [("bold", 3), ("spoiler", 7)]
        (message,) = tg.messages(ADMIN)
        assert message["html"] == "😀 <b>a</b> &lt; <tg-spoiler>b</tg-spoiler>"
        assert message["edits"] == 0
        assert tg.unknown == []
        assert tg.sent[-1]["method"] == "sendMessage"


async def test_calls_may_be_json_forms_multipart_or_queries() -> None:
    async with (
        talking() as (tg, _),
        httpx.AsyncClient(base_url=f"{tg.url}/bot{tg.token}", trust_env=False, timeout=60) as client,
    ):
        fields = {"chat_id": ADMIN, "text": "a", "disable_notification": True}
        markup = {"inline_keyboard": [[{"text": "A", "callback_data": "a"}]]}
        answers = [
            await client.post("/sendMessage", json={**fields, "reply_markup": markup}),
            await client.post("/SENDMESSAGE", data={**fields, "reply_markup": json.dumps(markup)}),
            await client.post("/sendmessage", data=fields, files={"spare": b"x"}),
            await client.get("/sendMessage", params=fields),
        ]
        assert [answer.json()["ok"] for answer in answers] == [True] * 4
        assert [message["silent"] for message in tg.messages(ADMIN)] == [True] * 4
        assert answers[0].json()["result"]["reply_markup"] == markup == answers[1].json()["result"]["reply_markup"]


async def test_an_unknown_method_is_404_and_an_unknown_token_401() -> None:
    async with talking() as (tg, _), httpx.AsyncClient(base_url=tg.url, trust_env=False, timeout=60) as client:
        missing = await client.get(f"/bot{tg.token}/sendNothing")
        assert (missing.status_code, missing.json()) == (
            404,
            {"ok": False, "error_code": 404, "description": "Not Found"},
        )
        wrong = await client.get(f"/bot{tg.token[:-1]}x/getMe")
        assert (wrong.status_code, wrong.json()) == (
            401,
            {"ok": False, "error_code": 401, "description": "Unauthorized"},
        )
        assert (await client.get("/botnonsense/getMe")).status_code == 404
        assert (await client.get(f"/BOT{tg.token}/GETME")).json()["ok"]
        of_other = {"request": _patient(), "get_updates_request": _patient()}
        other = telegram.Bot(tg.token[:-1] + "x", base_url=f"{tg.url}/bot", **of_other)
        try:
            await _refused(other.initialize(), InvalidToken)
        finally:
            await other.shutdown()


async def test_wrong_types_are_refused_and_unknown_parameters_noted() -> None:
    async with talking() as (tg, bot):
        words = await _refused(bot.send_message(ADMIN, "a", api_kwargs={"message_thread_id": "first"}))
        assert words == "Parameter message_thread_id must be an integer, not 'first'"
        await bot.send_message(ADMIN, "a", api_kwargs={"colour": "red"})
        assert tg.unknown == ["sendMessage.colour"]


async def test_whom_a_bot_cannot_write_to() -> None:
    async with talking() as (tg, bot):
        assert await _refused(bot.send_message(99, "a")) == "Chat not found"
        tg.user(8, started=False)
        words = await _refused(bot.send_message(8, "a"), Forbidden)
        assert words == "Forbidden: bot can't initiate conversation with a user"
        tg.block(ADMIN)
        assert await _refused(bot.send_message(ADMIN, "a"), Forbidden) == "Forbidden: bot was blocked by the user"
        tg.say(ADMIN, "/start")
        await bot.send_message(ADMIN, "a")
        tg.kick(GROUP)
        words = await _refused(bot.send_message(GROUP, "a"), Forbidden)
        assert words == "Forbidden: bot was kicked from the group chat"


async def test_topics_must_be_there() -> None:
    async with talking() as (tg, bot):
        topic = tg.topic(FORUM, "Kiosks")
        sent = await bot.send_message(FORUM, "a", message_thread_id=topic)
        assert (sent.message_thread_id, sent.is_topic_message) == (topic, True)
        assert await _refused(bot.send_message(FORUM, "a", message_thread_id=9999)) == "Message thread not found"
        assert await _refused(bot.send_message(GROUP, "a", message_thread_id=topic)) == "Message thread not found"
        tg.drop_topic(FORUM, topic)
        assert await _refused(bot.send_message(FORUM, "a", message_thread_id=topic)) == "Message thread not found"
        assert [message["text"] for message in tg.messages(FORUM, topic)] == ["a"]


async def test_a_group_may_move() -> None:
    async with talking() as (tg, bot):
        tg.migrate(GROUP, -1002)
        with pytest.raises(ChatMigrated) as moved:
            await bot.send_message(GROUP, "a")
        assert moved.value.new_chat_id == -1002
        await bot.send_message(-1002, "a")
        told = [update.message for update in await bot.get_updates()]
        assert [(one.migrate_to_chat_id, one.migrate_from_chat_id) for one in told] == [(-1002, None), (None, GROUP)]


async def test_a_public_group_has_a_name() -> None:
    async with talking() as (tg, bot):
        tg.group(-1003, "Public", username="our_kiosks")
        assert (await bot.send_message("@Our_Kiosks", "a")).chat.id == -1003
        assert await _refused(bot.send_message("@nobody", "a")) == "Chat not found"


async def test_a_channel_has_no_sender_but_itself() -> None:
    async with talking() as (tg, bot):
        tg.channel(-1004, "News")
        sent = await bot.send_message(-1004, "a")
        assert sent.from_user is None
        assert sent.sender_chat is not None
        assert sent.sender_chat.type == "channel"
        await bot.edit_message_text("b", -1004, sent.message_id)


async def test_editing() -> None:
    async with talking() as (tg, bot):
        sent = await bot.send_message(ADMIN, "a", reply_markup=_keyboard("x:1", "y:2"))
        words = await _refused(bot.edit_message_text("a", ADMIN, sent.message_id, reply_markup=_keyboard("x:1", "y:2")))
        assert words.startswith("Message is not modified: specified new message content and reply markup are exactly")
        edited = await bot.edit_message_text("<b>b</b>", ADMIN, sent.message_id, parse_mode="HTML")
        assert isinstance(edited, telegram.Message)
        assert (edited.text, edited.reply_markup) == ("b", None), "the keyboard goes where none is given"
        (message,) = tg.messages(ADMIN)
        assert (message["edits"], message["html"]) == (1, "<b>b</b>")
        await bot.edit_message_reply_markup(ADMIN, sent.message_id, reply_markup=_keyboard("z:3"))
        assert tg.messages(ADMIN)[0]["reply_markup"]["inline_keyboard"][0][0]["text"] == "z:3"
        theirs = tg.say(ADMIN, "hello")
        assert await _refused(bot.edit_message_text("b", ADMIN, theirs["message_id"])) == "Message can't be edited"
        assert await _refused(bot.edit_message_text("b", ADMIN, 9999)) == "Message to edit not found"
        tg.delete(ADMIN, sent.message_id)
        assert await _refused(bot.edit_message_text("c", ADMIN, sent.message_id)) == "Message to edit not found"
        assert await _refused(bot.edit_message_text("x" * 4097, ADMIN, sent.message_id)) == "Message_too_long"


async def test_a_document_is_kept_and_its_caption_edited() -> None:
    async with talking() as (tg, bot):
        sent = await bot.send_document(ADMIN, b'{"a": 1}', caption="<b>c</b>", parse_mode="HTML", filename="a.json")
        assert sent.document is not None
        assert (sent.caption, sent.document.file_name, sent.document.file_size) == ("c", "a.json", 8)
        file = await bot.get_file(sent.document.file_id)
        assert await file.download_as_bytearray() == b'{"a": 1}'
        async with httpx.AsyncClient(base_url=tg.url, trust_env=False, timeout=60) as client:
            answer = await client.get(f"/sim/file/{sent.document.file_id}")
            assert answer.content == b'{"a": 1}'
            assert answer.headers["content-disposition"].startswith("attachment")
        words = await _refused(bot.edit_message_text("b", ADMIN, sent.message_id))
        assert words == "There is no text in the message to edit"
        await bot.edit_message_caption(ADMIN, sent.message_id, caption="d")
        assert tg.messages(ADMIN)[0]["caption"] == "d"
        assert await _refused(bot.send_document(ADMIN, b"", filename="a")) == "File must be non-empty"
        assert await _refused(bot.send_document(ADMIN, "BQACnothing")) == "Wrong file identifier/http url specified"


async def test_replies_name_what_they_answer() -> None:
    async with talking() as (tg, bot):
        asked = await bot.send_message(ADMIN, "Why?", reply_markup=telegram.ForceReply(selective=True))
        assert tg.messages(ADMIN)[0]["asks"]
        tg.say(ADMIN, "because", reply_to=asked.message_id)
        (update,) = await bot.get_updates()
        assert update.message is not None
        assert update.message.reply_to_message is not None
        assert update.message.reply_to_message.message_id == asked.message_id
        sent = await bot.send_message(
            ADMIN, "b", reply_parameters=telegram.ReplyParameters(message_id=update.message.message_id)
        )
        assert sent.reply_to_message is not None
        gone = telegram.ReplyParameters(message_id=9999)
        assert await _refused(bot.send_message(ADMIN, "b", reply_parameters=gone)) == "Message to be replied not found"
        lenient = telegram.ReplyParameters(message_id=9999, allow_sending_without_reply=True)
        assert (await bot.send_message(ADMIN, "b", reply_parameters=lenient)).reply_to_message is None


async def test_pressed_buttons_are_answered_once_they_are_told() -> None:
    async with talking() as (tg, bot):
        sent = await bot.send_message(ADMIN, "a", reply_markup=_keyboard("x:1"))
        press = tg.press(ADMIN, sent.message_id, "x:1")
        (update,) = await bot.get_updates()
        assert update.callback_query is not None
        assert (update.callback_query.id, update.callback_query.data) == (press, "x:1")
        assert tg.answered(press) is None
        assert await _refused(bot.answer_callback_query(press, "x" * 201)) == "Message_too_long"
        await bot.answer_callback_query(press, "done", show_alert=True)
        assert tg.answered(press) == {"text": "done", "show_alert": True}
        words = "Query is too old and response timeout expired or query id is invalid"
        assert await _refused(bot.answer_callback_query("5")) == words
        tg.later(200)
        assert await _refused(bot.answer_callback_query(press)) == words
        assert await bot.get_updates() == (), "a pressed button is not told after minutes"


async def test_the_menu_of_commands() -> None:
    async with talking() as (tg, bot):
        await bot.set_my_commands([("start", "Begin")])
        await bot.set_my_commands([("start", "Начать")], language_code="ru")
        scope = telegram.BotCommandScopeChat(ADMIN)
        await bot.set_my_commands([("status", "State")], scope=scope)
        assert [command.description for command in await bot.get_my_commands(language_code="ru")] == ["Начать"]
        assert [command["command"] for command in tg.world.menu(ADMIN, ADMIN)] == ["status"]
        await bot.delete_my_commands(scope=scope)
        tg.user(8, "Other", "ru")
        assert [tg.world.menu(user, user)[0]["description"] for user in (ADMIN, 8)] == ["Begin", "Начать"]
        assert await _refused(bot.set_my_commands([("Start", "x")])) == "Bot_command_invalid"


async def test_updates_are_kept_until_they_are_confirmed() -> None:
    async with talking() as (tg, bot):
        for number in range(3):
            tg.say(ADMIN, f"/start {number}")
        first = await bot.get_updates(limit=2)
        assert [update.update_id for update in first] == [1, 2]
        assert len(await bot.get_updates()) == 3, "nothing was confirmed"
        assert [update.update_id for update in await bot.get_updates(offset=2)] == [2, 3]
        assert [update.update_id for update in await bot.get_updates(offset=-1)] == [3]
        assert [update.update_id for update in await bot.get_updates()] == [3], "a negative offset forgets the rest"
        assert await bot.get_updates(offset=4) == ()
        tg.say(ADMIN, "old")
        tg.later(90_000)
        assert await bot.get_updates() == (), "after a day they are gone"


async def test_a_poll_waits_for_what_comes() -> None:
    async with talking() as (tg, bot):
        poll = asyncio.create_task(bot.get_updates(timeout=30))
        await tg.until(tg.updates.is_polled)
        tg.say(ADMIN, "/start")
        (update,) = await poll
        assert update.message is not None
        assert [entity.type for entity in update.message.entities] == ["bot_command"]


async def test_only_what_is_wanted_is_told() -> None:
    async with talking() as (tg, bot):
        await bot.get_updates(allowed_updates=["callback_query"])
        said = tg.say(ADMIN, "a")
        tg.press(ADMIN, said["message_id"], "x")
        assert [update.callback_query is not None for update in await bot.get_updates()] == [True]


async def test_in_groups_a_bot_sees_commands_and_replies_alone() -> None:
    async with talking() as (tg, bot):
        asked = await bot.send_message(GROUP, "Why?")
        tg.say(ADMIN, "chatter", GROUP)
        tg.say(ADMIN, "/status@other_bot", GROUP)
        tg.say(ADMIN, "/status", GROUP)
        tg.say(ADMIN, "/status@kioskwire_bot", GROUP)
        tg.say(ADMIN, "because", GROUP, reply_to=asked.message_id)
        tg.say(ADMIN, "/status now", GROUP, anonymous=True)
        messages = [update.message for update in await bot.get_updates()]
        assert [one.text for one in messages] == ["/status", "/status@kioskwire_bot", "because", "/status now"]
        assert messages[-1].from_user.id != ADMIN
        assert messages[-1].sender_chat.id == GROUP


async def test_people_change_what_they_wrote() -> None:
    async with talking() as (tg, bot):
        said = tg.say(ADMIN, "/statu")
        tg.amend(ADMIN, said["message_id"], "/status")
        first, second = await bot.get_updates()
        assert first.message is not None
        assert first.message.text == "/statu", "an update says what was so then"
        assert second.edited_message is not None
        assert second.edited_message.text == "/status"


async def test_two_pollers_are_told_of_each_other() -> None:
    async with talking() as (tg, bot):
        first = asyncio.create_task(bot.get_updates(timeout=30))
        await tg.until(tg.updates.is_polled)
        tg.say(ADMIN, "a")
        assert len(await first) == 1
        first = asyncio.create_task(bot.get_updates(offset=2, timeout=30))
        await tg.until(tg.updates.is_polled)
        async with httpx.AsyncClient(base_url=f"{tg.url}/bot{tg.token}", trust_env=False, timeout=60) as client:
            await client.get("/getUpdates")
        words = "terminated by other getUpdates request; make sure that only one bot instance is running"
        assert await _refused(first, Conflict) == f"Conflict: {words}"
        with tg.steal():
            assert await _refused(bot.get_updates(), Conflict) == f"Conflict: {words}"
        await bot.get_updates()


async def test_polling_and_a_webhook_exclude_each_other() -> None:
    async with talking() as (tg, bot):
        poll = asyncio.create_task(bot.get_updates(timeout=30))
        await tg.until(tg.updates.is_polled)
        await bot.set_webhook("https://example.com/telegram", max_connections=2)
        assert await _refused(poll, Conflict) == "Conflict: terminated by setWebhook request"
        words = await _refused(bot.get_updates(), Conflict)
        assert words.endswith("use deleteWebhook to delete the webhook first")
        assert (await bot.get_webhook_info()).max_connections == 2
        await bot.delete_webhook()
        assert await bot.get_updates() == ()


class Receiver:
    """The bot's own address for updates: answers as it is told."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.url = ""
        self._server: Listening

    async def __aenter__(self) -> "Receiver":
        self._server = Listening(self._answer, "127.0.0.1", 0, None, 100)
        self.url = f"http://127.0.0.1:{self._server.port}/telegram"
        return self

    async def __aexit__(self, *why: object) -> None:
        await self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.search(r"content-length: (\d+)", head, re.I)[1])  # type: ignore[index]
        secret = re.search(r"x-telegram-bot-api-secret-token: (\S+)", head, re.I)
        self.got.append((secret[1] if secret else "", json.loads(await reader.readexactly(length))))
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


async def test_a_webhook_gets_each_update_until_it_takes_it() -> None:
    async with talking() as (tg, bot), Receiver() as receiver:
        tg.say(ADMIN, "first")
        receiver.statuses = [500, 503]
        await bot.set_webhook(receiver.url, secret_token="secret-1")
        await tg.until(lambda: len(receiver.got) == 3 and not tg.updates.waiting())
        assert [(secret, update["update_id"]) for secret, update in receiver.got] == [("secret-1", 1)] * 3
        info = await bot.get_webhook_info()
        assert info.last_error_message == "Wrong response from the webhook: 503 X"
        assert info.pending_update_count == 0
        tg.say(ADMIN, "second")
        tg.say(ADMIN, "third")
        await tg.until(lambda: len(receiver.got) == 5)
        assert [update["message"]["text"] for _, update in receiver.got[3:]] == ["second", "third"]


async def test_a_webhook_that_is_not_there_is_tried_again() -> None:
    with socket.socket() as nobody:  # it has the port, and never listens
        nobody.bind(("127.0.0.1", 0))
        await _is_tried_again(f"http://127.0.0.1:{nobody.getsockname()[1]}/telegram")


async def _is_tried_again(url: str) -> None:
    async with talking() as (tg, bot):
        await bot.set_webhook(url)
        tg.say(ADMIN, "a")
        await tg.until(lambda: tg.webhook.info().get("last_error_message") == "Connection refused")
        assert (await bot.get_webhook_info()).pending_update_count == 1
        await bot.delete_webhook(drop_pending_updates=True)
        assert await bot.get_updates() == ()


@OF_PTB
async def test_telegram_asks_for_pauses() -> None:
    async with talking() as (tg, bot):
        tg.limit(ADMIN, 3)
        assert await _refused(bot.send_message(ADMIN, "a"), RetryAfter) == "Flood control exceeded. Retry in 3 seconds"
        await bot.send_message(ADMIN, "a")
        assert tg.refused[-1]["words"] == "Too Many Requests: retry after 3"


@OF_PTB
async def test_with_real_limits_edits_count_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    count = Limits.count
    monkeypatch.setattr(Limits, "count", lambda limits, chat_id, _now: count(limits, chat_id, 0.0))  # all at once
    async with talking(limits=True) as (_, bot):
        sent = await bot.send_message(ADMIN, "0")
        for number in range(1, 5):
            await bot.edit_message_text(str(number), ADMIN, sent.message_id)
        await _refused(bot.edit_message_text("5", ADMIN, sent.message_id), RetryAfter)
        await bot.send_message(GROUP, "another chat is free")


async def test_telegram_fails_and_loses_answers() -> None:
    async with talking() as (tg, bot):
        tg.fail(502)
        assert "Bad Gateway" in await _refused(bot.send_message(ADMIN, "a"), NetworkError)
        assert tg.messages(ADMIN) == []
        tg.lose()
        await _refused(bot.send_message(ADMIN, "a"), NetworkError)
        assert [message["text"] for message in tg.messages(ADMIN)] == ["a"], "it was done all the same"
        tg.fail(500, method="getUpdates")
        await bot.send_message(ADMIN, "b")
        await _refused(bot.get_updates(), NetworkError)


async def test_telegram_may_be_slow() -> None:
    async with talking() as (tg, bot):
        tg.slow(0.3)
        with pytest.raises(TimedOut):
            await bot.send_message(ADMIN, "a", read_timeout=0.1)
        await tg.until(lambda: tg.messages(ADMIN))
        await bot.send_message(ADMIN, "b")


async def test_an_outage_cuts_and_refuses_connections_and_keeps_everything() -> None:
    async with talking() as (tg, bot):
        await bot.send_message(ADMIN, "a")
        poll = asyncio.create_task(bot.get_updates(timeout=30))
        await tg.until(tg.updates.is_polled)
        url = tg.url
        with tg.down():
            await _refused(poll, NetworkError)
            assert not tg.updates.is_polled()
            await _refused(bot.get_me(), NetworkError)
            tg.say(ADMIN, "said meanwhile")
        assert tg.url == url
        assert [update.message.text for update in await bot.get_updates()] == ["said meanwhile"]
        assert len(tg.messages(ADMIN)) == 1


async def test_a_taken_port_is_told() -> None:
    async with Emulator() as tg:
        with pytest.raises(OSError, match="Address already in use"):
            async with Emulator(port=tg.port):
                pass
