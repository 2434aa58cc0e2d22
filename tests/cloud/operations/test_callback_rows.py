"""Callbacks that several hubs deliver out of one PostgreSQL: each by one of them at a time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cloud.db.engine import open_engine
from cloud.errors import Refused
from cloud.metrics import Metrics
from cloud.operations import callback_rows
from cloud.operations.callbacks import Callbacks
from cloud.operations.resolutions import Resolutions
from cloud.settings import Settings, database_url
from tests.cloud.db.test_lives import Member, ask
from tests.cloud.fleet import new_database
from tests.cloud.hub import until
from tests.cloud.operations.test_answers import operation

_FILL = (
    "INSERT INTO callbacks (request_id, api_key_id, created_at, next_at)"
    " SELECT request_id, api_key_id, extract(epoch FROM now()), extract(epoch FROM now()) FROM operations"
)


class Post:
    """Where callbacks go: notes who was called by whom; does not answer while `is_open` is not set."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.at_once: Counter[str] = Counter()  # under way, by hub
        self.most = 0
        self.by: Counter[str] = Counter()
        self.is_open = asyncio.Event()
        self.is_open.set()

    def of(self, member: Member) -> "type[Callbacks]":
        post = self

        class Posting(Callbacks):
            async def _post(self, url: str, body: str, headers: dict[str, str]) -> int:
                post.came[headers["webhook-id"]] += 1
                post.by[member.life] += 1
                post.at_once[member.life] += 1
                post.most = max(post.most, post.at_once[member.life])
                try:
                    await asyncio.sleep(0.01)
                    await post.is_open.wait()
                finally:
                    post.at_once[member.life] -= 1
                return 200

        return Posting


@asynccontextmanager
async def delivering(count: int, *names: str) -> AsyncIterator[tuple[str, Post, list[tuple[Member, Callbacks]]]]:
    """So many callbacks that are due, and hubs that deliver them from `Callbacks.start` on."""
    url, post = new_database(), Post()
    made: list[tuple[Member, Callbacks]] = []
    for name in names:
        member = Member(url, name)
        await member.begin()
        await member.store._keys.start()
        callbacks = post.of(member)(
            engine=member.engine,
            store=member.store,
            resolutions=Resolutions(member.engine, member.writer),
            keys=member.store._keys,
            metrics=Metrics(),
            keep_trying=3600.0,
            version="0",
            life=member.life,
        )
        made.append((member, callbacks))
    first = made[0][0]
    key, _ = await first.store._keys.add("backend")
    await asyncio.gather(
        *(
            first.store.put(operation(request_id=f"request-{n:03}", api_key_id=key.id, hub=first.life))
            for n in range(count)
        )
    )
    await first.store._keys.set_callback(key.id, "http://127.0.0.1:9/")
    for member, _ in made:
        await member.store._keys._changes.now()
    await ask(url, _FILL)
    try:
        yield url, post, made
    finally:
        post.is_open.set()
        for member, callbacks in made:
            await callbacks.stop()
            await member.store._keys.stop()
            await member.end()


async def all_delivered(url: str) -> bool:
    return await ask(url, "SELECT count(*) FROM callbacks WHERE delivered_at IS NULL OR taken_by IS NOT NULL") == [(0,)]


async def test_each_is_delivered_once_and_all_hubs_take_part() -> None:
    async with delivering(150, "one", "two", "three") as (url, post, hubs):
        post.is_open.clear()  # two fast ones would leave nothing to the third
        for _, callbacks in hubs:
            callbacks.start()
        await until(lambda: len(post.by) == 3)
        post.is_open.set()
        await until(lambda: all_delivered(url))
        assert set(post.came.values()) == {1}
        assert len(post.came) == 150
        assert post.most <= 10  # of one API key at a time, at each hub


async def test_those_of_a_dead_hub_are_taken_again_after_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.callbacks._LOOK_EVERY", 0.1)
    looks: list[str | None] = []
    due = callback_rows.CallbackRows.due

    async def looked(its: callback_rows.CallbackRows, *args: Any) -> Any:
        found = await due(its, *args)
        looks.append(its._life)
        return found

    monkeypatch.setattr(callback_rows.CallbackRows, "due", looked)
    async with delivering(5, "one", "two") as (url, post, ((_, first), (member, second))):
        post.is_open.clear()
        first.start()
        await until(lambda: len(post.came) == 5)
        assert first._task is not None
        for task in (first._task, *first._deliveries):  # dies
            task.cancel()
        await asyncio.gather(first._task, *first._deliveries, return_exceptions=True)
        first._under_way.clear()
        post.is_open.set()
        second.start()
        await until(lambda: looks.count(member.life) >= 3)
        assert set(post.came.values()) == {1}  # they may still be under way there
        its_time = f"extract(epoch FROM now()) + {callback_rows.TAKEN_FOR}"
        assert await ask(url, f"SELECT count(*) FROM callbacks WHERE taken_until <= {its_time}") == [(5,)]
        await ask(url, f"UPDATE callbacks SET taken_until = taken_until - {callback_rows.TAKEN_FOR}")  # which is over
        await until(lambda: all_delivered(url))
        assert set(post.came.values()) == {2}


async def test_what_a_hub_that_stood_still_says_late_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback_rows, "TAKEN_FOR", 0.5)
    async with delivering(1, "one", "two") as (url, post, ((_, first), (_, second))):
        post.is_open.clear()
        first.start()
        await until(lambda: len(post.came) == 1)
        second.start()
        await until(lambda: sum(post.came.values()) == 2)
        post.is_open.set()
        await until(lambda: all_delivered(url))
        assert await ask(url, "SELECT attempts FROM callbacks") == [(1,)]


async def test_one_that_is_under_way_elsewhere_is_not_sent_again() -> None:
    async with delivering(2, "one", "two") as (url, post, ((_, first), (_, second))):
        post.is_open.clear()
        first.start()
        await until(lambda: len(post.came) == 2)
        with pytest.raises(Refused, match="being delivered"):
            await second.redeliver("request-000")
        key_id = next(iter(first._under_way.values()))
        assert await second.redeliver_all(key_id) == 0
        post.is_open.set()
        await until(lambda: all_delivered(url))
        await second.redeliver("request-000")
        await until(lambda: post.came["op_request-000"] == 2)
        await until(lambda: all_delivered(url))
        assert post.came["op_request-001"] == 1


async def test_who_stops_gives_back_what_it_has_taken() -> None:
    async with delivering(3, "one", "two") as (url, post, ((_, first), (_, second))):
        post.is_open.clear()
        first.start()
        await until(lambda: len(post.came) == 3)
        await first.stop()
        assert await ask(url, "SELECT count(*) FROM callbacks WHERE taken_by IS NOT NULL") == [(0,)]
        post.is_open.set()
        second.start()
        await until(lambda: all_delivered(url))


async def test_those_of_a_hub_that_is_buried_are_anybodys() -> None:
    async with delivering(3, "one") as (url, post, ((member, first),)):
        post.is_open.clear()
        first.start()
        await until(lambda: len(post.came) == 3)
        engine = open_engine(database_url(Settings(database_url=url)))
        async with engine.begin() as connection:
            assert await callback_rows.bury(connection, member.life, 0.0) == 3
        await engine.dispose()
        assert await ask(url, "SELECT count(*) FROM callbacks WHERE taken_by IS NOT NULL") == [(0,)]
