"""What is answered: to commands, buttons, replies, strangers; and that an answer finds its way."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloud.bot import doing as doing_module
from tests.cloud.bot.acts import acts
from tests.cloud.bot.parts import ADMIN, GROUP, OTHER_ADMIN, STRANGER, Parts, parts
from tests.cloud.hub import broken, until


def button(message: dict[str, Any], text: str) -> str:
    keyboard = message["reply_markup"]["inline_keyboard"]
    return next(b["callback_data"] for row in keyboard for b in row if b["text"] == text)


async def press(bot: Parts, message: dict[str, Any], text: str, user: int = ADMIN) -> str:
    """Press a button, wait for the answer; returns its toast."""
    number = bot.tg.press(user, message["message_id"], button(message, text), message["chat"]["id"])
    await until(lambda: bot.tg.answered(number))
    return bot.tg.answered(number).get("text") or ""


SAID = {
    "/lok": ["no command /lok", "/look"],
    "/weather": ["no command /weather", "/help"],
    "/weather <b>": ["no command /weather"],
    "hello": ["/help"],
    "/fail wrong": ["not closed", "Right would be: /fail <how>"],
    '/look "a': ["not closed", "Right would be: /look [id]"],
    "/fail refused": ["No: not <now>"],
    "/fail storage": ["The database does not answer"],
    "/fail slow": ["longer than"],
    "/fail": ["log has the reason", "/status"],
    "/LOOK@BOT «a b»": ["did a b"],
}


async def test_every_word_has_an_answer(tmp_path: Path) -> None:
    async with parts(tmp_path, **acts().given, act_within=0.05) as bot:
        for text in SAID:
            bot.tg.say(ADMIN, text.replace("BOT", bot.incoming.username))
        for words, answer in zip(SAID.values(), await bot.said(len(SAID)), strict=True):
            assert all(word in answer for word in words), answer
        assert not bot.tg.refused


async def test_who_chose_a_language_is_answered_in_it(tmp_path: Path) -> None:
    async with parts(tmp_path) as bot:
        await bot.users.set_language(ADMIN, "ru")
        for user in (ADMIN, OTHER_ADMIN):
            bot.tg.say(user, "hello")
        assert "Я понимаю" in (await bot.said(1))[0]
        assert "I take commands" in (await bot.said(1, OTHER_ADMIN))[0]


async def test_buttons(tmp_path: Path) -> None:
    doing = acts()
    async with parts(tmp_path, **doing.given) as bot:
        bot.tg.say(ADMIN, "/ask kiosk_001")
        await bot.said(2)
        sure, _ = bot.tg.messages(ADMIN)
        assert await press(bot, sure, "Page") == "Page 2"
        assert "does nothing any more" in await press(bot, sure, "Odd")
        assert await press(bot, sure, "Yes") == ""
        await until(lambda: bot.messages()[0] == "Done")
        assert bot.tg.messages(ADMIN)[0]["edits"] == 1
        assert await press(bot, sure, "Yes") == "No longer"
        assert doing.done == ["kiosk_001 yes"]


async def test_another_admin_cannot_press_for_the_one_who_was_asked(tmp_path: Path) -> None:
    doing = acts()
    async with parts(tmp_path, **doing.given) as bot:
        bot.tg.say(ADMIN, "/ask k", GROUP)
        await bot.said(2, GROUP)
        sure, _ = bot.tg.messages(GROUP)
        assert await press(bot, sure, "Yes", OTHER_ADMIN) == "No longer"
        assert str(STRANGER) in await press(bot, sure, "Yes", STRANGER)
        await press(bot, sure, "Yes")
        assert doing.done == ["k yes"]


async def test_a_message_that_is_gone_is_answered_by_a_new_one(tmp_path: Path) -> None:
    async with parts(tmp_path, **acts().given) as bot:
        bot.tg.say(ADMIN, "/ask k")
        await bot.said(2)
        sure, _ = bot.tg.messages(ADMIN)
        bot.tg.delete(ADMIN, sure["message_id"])
        await press(bot, sure, "Yes")
        await until(lambda: bot.messages() == ["Why?", "Done"])


async def test_a_reply_answers_a_question_once(tmp_path: Path) -> None:
    doing = acts()
    async with parts(tmp_path, **doing.given) as bot:
        bot.tg.say(ADMIN, "/ask k", GROUP)
        await bot.said(2, GROUP)
        why = bot.tg.messages(GROUP)[1]["message_id"]

        async def noted() -> bool:
            return await bot.asks.of_message(GROUP, why) is not None

        await until(noted)
        bot.tg.say(OTHER_ADMIN, "not mine", GROUP, why)
        assert "no longer open" in (await bot.said(3, GROUP))[2]
        bot.tg.say(ADMIN, "it hung", GROUP, why)
        assert (await bot.said(4, GROUP))[3] == "Noted"
        bot.tg.say(ADMIN, "again", GROUP, why)
        assert "no longer open" in (await bot.said(5, GROUP))[4]
        bot.tg.say(ADMIN, "fine", GROUP, bot.tg.messages(GROUP)[3]["message_id"])  # that was no question
        bot.tg.say(ADMIN, "/look x", GROUP)
        assert (await bot.said(6, GROUP))[5] == "did x"
        assert doing.done == ["k because it hung", "x"]


async def test_an_answer_waits_out_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others, waits = asyncio.Event(), []

    async def sleep(seconds: float) -> None:
        """No shorter than it is told, and until the others have their answer."""
        waits.append(seconds)
        await others.wait()
        await asyncio.sleep(seconds)

    monkeypatch.setattr(doing_module, "asyncio", SimpleNamespace(timeout=asyncio.timeout, sleep=sleep))
    async with parts(tmp_path, **acts().given) as bot:
        bot.tg.limit(ADMIN, 1, 1)
        bot.tg.say(ADMIN, "/change a")
        bot.tg.say(OTHER_ADMIN, "/change b")
        await bot.said(1, OTHER_ADMIN)  # others do not wait
        await until(lambda: waits)
        assert not bot.messages()
        others.set()
        assert await bot.said(1) == ["did a"]
        assert len(bot.tg.refused) == 1


async def test_an_answer_outlives_an_outage(tmp_path: Path) -> None:
    doing = acts()
    async with parts(tmp_path, **doing.given) as bot:
        doing.gate.clear()
        bot.tg.say(ADMIN, "/change a")
        await doing.begun.wait()
        with bot.tg.down():
            doing.gate.set()
            await until(lambda: bot.metrics.telegram_calls.labels("unreachable")._value.get() >= 2)
        assert await bot.said(1) == ["did a"]
        assert doing.done == ["a"]


async def test_an_answer_that_telegram_does_not_take_holds_up_nothing(tmp_path: Path) -> None:
    async with parts(tmp_path, **acts().given) as bot:
        bot.tg.fail(403, 1, "sendMessage")
        bot.tg.say(ADMIN, "/look a")
        bot.tg.say(ADMIN, "/look b")
        assert await bot.said(1) == ["did b"]


async def test_patience_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(doing_module, "_PATIENCE", 60.0)
    async with parts(tmp_path, **acts().given) as bot:
        bot.tg.limit(ADMIN, 3600, 1)
        bot.tg.say(ADMIN, "/look a")
        await until(lambda: "an answer could not be told" in caplog.messages)
        bot.line._not_before.clear()
        bot.tg.say(ADMIN, "/look b")
        assert await bot.said(1) == ["did b"]


async def test_strangers_are_refused_politely_and_not_for_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    doing = acts()
    async with parts(tmp_path, **doing.given) as bot:
        stranger = STRANGER + 1
        bot.tg.user(stranger, language="ru")
        for _ in range(10):
            bot.tg.say(stranger, "/change a")
        bot.tg.say(stranger, "/look a", GROUP)
        await bot.said(3, stranger)
        bot.tg.say(ADMIN, "/look a")
        await bot.said(1)
        assert len(bot.messages(stranger)) == 3
        assert f"Ваш id — {stranger}" in bot.messages(stranger)[0]
        assert not bot.messages(GROUP)
        assert doing.done == ["a"]
        warned = [record for record in caplog.records if record.getMessage() == "a stranger spoke to the bot"]
        assert [vars(record)["user_id"] for record in warned] == [stranger] * 3


async def test_without_a_database_of_users_the_setting_decides(tmp_path: Path) -> None:
    async with parts(tmp_path, started=False) as bot:
        bot.incoming.start()
        async with broken(tmp_path, "bot_users"):
            assert await bot.users.language(ADMIN) == "en"
        await bot.users.set_language(ADMIN, "ru")
        assert await bot.users.language(ADMIN) == "ru"
        assert bot.users.language_of_stranger("ru-RU") == "ru"
        assert bot.users.language_of_stranger("kk") == "en"
