"""Questions: for one person, once, for a while, and not too many."""

import asyncio
from pathlib import Path

import pytest

from cloud.bot import asks as asks_module
from cloud.bot.reply import Caller, Target
from tests.cloud.bot.parts import ADMIN, OTHER_ADMIN, parts
from tests.cloud.hub import rows


def caller(user_id: int) -> Caller:
    return Caller(user_id=user_id, shown=str(user_id), language="en", target=Target(-1001))


ANN, BOB = caller(ADMIN), caller(OTHER_ADMIN)


async def test_a_question_is_used_once_even_at_the_same_moment(tmp_path: Path) -> None:
    async with parts(tmp_path, started=False) as bot:
        asks = bot.asks
        ask_id = await asks.keep("disable", "k" * 64, ANN, 60)
        assert len(ask_id) == 16
        assert ":" not in ask_id
        looked = await asks.look(ask_id, "disable")
        assert looked is not None
        assert looked.subject == "k" * 64
        used = await asyncio.gather(*(asks.use(ask_id, ANN, "disable") for _ in range(5)))
        assert [one.subject for one in used if one is not None] == ["k" * 64]
        assert await asks.look(ask_id, "disable") is None
        found = await asks.of_id(ask_id)
        assert found is not None
        assert found.used_at is not None


async def test_only_who_was_asked_for_what_was_asked_and_in_time(tmp_path: Path) -> None:
    async with parts(tmp_path, started=False) as bot:
        asks = bot.asks
        ask_id = await asks.keep("disable", "k", ANN, 60)
        assert await asks.use(ask_id, BOB, "disable") is None
        assert await asks.use(ask_id, ANN, "remove") is None
        assert await asks.use("nothing", ANN, "disable") is None
        bot.ahead = 61
        assert await asks.use(ask_id, ANN, "disable") is None
        assert await asks.look(ask_id, "disable") is None
        bot.ahead = 0
        assert await asks.use(ask_id, ANN, "disable") is not None
        of_all = await asks.keep("resolve", "r", ANN, 60, any_admin=True)
        assert await asks.use(of_all, BOB, "resolve") is not None


async def test_a_question_is_found_by_its_message(tmp_path: Path) -> None:
    async with parts(tmp_path, started=False) as bot:
        ask_id = await bot.asks.keep("why", "r", ANN, 60)
        await bot.asks.asked(ask_id, -1001, 17)
        found = await bot.asks.of_message(-1001, 17)
        assert found is not None
        assert found.id == ask_id
        assert await bot.asks.of_message(-1002, 17) is None


async def test_there_are_never_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asks_module, "_KEPT_MAX", 5)
    async with parts(tmp_path, started=False) as bot:
        ids = []
        for _ in range(8):
            bot.ahead += 1
            ids.append(await bot.asks.keep("x", "s", ANN, 60))
        assert {ask_id for (ask_id,) in rows(tmp_path, "SELECT id FROM bot_asks")} == set(ids[3:])
        await bot.asks.use(ids[6], ANN, "x")
        bot.ahead += 1
        ids.append(await bot.asks.keep("x", "s", ANN, 1))
        assert await bot.asks.look(ids[3], "x")  # though it is older than the one that was used
        bot.ahead += 2
        ids.append(await bot.asks.keep("x", "s", ANN, 60))  # and than the one that is over
        kept = {ask_id for (ask_id,) in rows(tmp_path, "SELECT id FROM bot_asks")}
        assert kept == {ids[3], ids[4], ids[5], ids[7], ids[9]}
        bot.ahead += 2 * 86400
        await bot.asks.keep("x", "s", ANN, 60)
        assert len(rows(tmp_path, "SELECT id FROM bot_asks")) == 1
