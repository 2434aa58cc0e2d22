"""Which language each person has, and how many strangers are answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud.bot.users import Refusals
from tests.cloud.bot.parts import ADMIN, OTHER_ADMIN, parts


def test_a_few_a_minute_each_and_in_all() -> None:
    refusals = Refusals(each=2, all_=5, seconds=60)
    assert [refusals.may(1, 0.0) for _ in range(4)] == [True, True, False, False]
    assert [refusals.may(user, 1.0) for user in range(2, 7)] == [True, True, True, False, False]
    assert not refusals.may(1, 59.0)
    assert refusals.may(1, 60.0)
    assert refusals.may(9, 62.0)


async def test_a_language_chosen_while_languages_are_read_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with parts(tmp_path, started=False) as bot:
        users, connect = bot.users, bot.engine.connect
        has_read, chosen = asyncio.Event(), asyncio.Event()

        class Slow:
            def __init__(self, connection: Any) -> None:
                self.connection = connection

            async def execute(self, statement: Any) -> Any:
                found = await self.connection.execute(statement)
                has_read.set()
                await chosen.wait()
                return found

        @asynccontextmanager
        async def slowly() -> AsyncIterator[Slow]:
            async with connect() as connection:
                yield Slow(connection)

        with monkeypatch.context() as patch:
            patch.setattr(type(bot.engine), "connect", lambda _: slowly())
            asking = asyncio.create_task(users.language(OTHER_ADMIN))
            await has_read.wait()
        await users.set_language(ADMIN, "ru")
        chosen.set()
        assert await asking == "en"
        assert await users.language(ADMIN) == "ru"
