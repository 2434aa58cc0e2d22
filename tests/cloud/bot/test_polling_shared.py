"""Hubs that share a database: one polls Telegram, whatever becomes of it, of its database and of Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cloud.db.engine import open_engine
from cloud.db.lease import SharedLease
from cloud.emulator.server import Emulator
from cloud.settings import Settings, database_url
from tests.cloud.bot.parts import Parts
from tests.cloud.bot.site import ADMIN, Site, bot_site
from tests.cloud.db.test_lease import Clock, its_time_is_over
from tests.cloud.fleet import database_server, new_database
from tests.cloud.hub import until
from tests.redis_server import running_redis

SECONDS = 60.0  # of a lease that is to end only where a test says so: a machine that is busy stands still
SHORT = 2.5  # of one that ends by itself
NO_MORE_FOR = 2.5  # seconds, in which nothing is to be said


@asynccontextmanager
async def bots(count: int, seconds: float = SECONDS) -> AsyncIterator[tuple[Emulator, list[Parts], list[Clock]]]:
    """The first polls."""
    url, clocks = new_database(), [Clock() for _ in range(count)]
    engines = [open_engine(database_url(Settings(database_url=url))) for _ in range(count)]
    async with Emulator(port=0) as tg:
        tg.user(ADMIN)
        made = [
            Parts(
                engine, tg, lease=SharedLease(engine, "bot:1", str(number).rjust(32, "0"), seconds=seconds, clock=clock)
            )
            for number, (engine, clock) in enumerate(zip(engines, clocks, strict=True))
        ]
        try:
            for one in made:
                one.start()
                await made[0].connected()
            yield tg, made, clocks
        finally:
            for one in made:
                await one.stop()
            for engine in engines:
                await engine.dispose()


def conflicts(*lives: Parts) -> float:
    """How often Telegram said that two poll."""
    return sum(life.metrics.telegram_calls.labels("conflict")._value.get() for life in lives)


async def test_the_next_one_polls_when_the_first_has_stopped_and_each_word_is_answered_once() -> None:
    async with bots(3) as (tg, lives, _):
        tg.say(ADMIN, "one")
        await lives[0].said(1)
        await until(lambda: not lives[0].incoming._known)  # noted as done: else the next one may do it once more
        await lives[0].polling.stop()
        await lives[0].lease.stop()
        tg.say(ADMIN, "two")
        await lives[1].said(2)
        assert sum(life.polling.state == "connected" for life in lives[1:]) == 1
        await asyncio.sleep(NO_MORE_FOR)
        assert len(tg.messages(ADMIN)) == 2
        assert conflicts(*lives) == 0


async def test_one_that_stood_still_polls_no_more_when_it_goes_on() -> None:
    async with bots(2) as (tg, lives, clocks):
        clocks[0].slept += 10 * SECONDS
        assert not lives[0].polling.is_ready  # at once, whatever it was in the midst of
        tg.say(ADMIN, "one")
        await its_time_is_over([life.lease for life in lives], clocks, SECONDS)
        await until(lambda: any(life.polling.is_ready for life in lives))
        assert sum(life.polling.is_ready for life in lives) == 1
        await lives[0].said(1)
        await asyncio.sleep(NO_MORE_FOR)
        assert len(tg.messages(ADMIN)) == 1


async def test_while_the_database_is_away_none_polls_and_then_one() -> None:
    server = database_server()
    async with bots(2, SHORT) as (tg, lives, _):
        await asyncio.to_thread(server.stop, "immediate")
        try:
            await until(lambda: all(life.polling.state == "standby" for life in lives))
        finally:
            await asyncio.to_thread(server.start, max_connections="300")
        await until(lambda: any(life.polling.state == "connected" for life in lives))
        tg.say(ADMIN, "one")
        await lives[0].said(1)
        assert conflicts(*lives) == 0


async def test_a_redis_that_is_flushed_or_away_changes_nothing(tmp_path: Path) -> None:
    with running_redis() as redis:
        both = {"redis_url": redis.url, "database_url": new_database()}
        async with (
            bot_site(tmp_path / "first", **both) as first,
            bot_site(tmp_path / "second", tg=first.tg, ready=False, **both) as second,
        ):

            def state(site: Site) -> str:
                return site.hub.hub.services.health.telegram()

            await until(lambda: {state(first), state(second)} == {"connected", "standby"})
            polls = first if state(first) == "connected" else second
            await asyncio.to_thread(redis.kill)
            await asyncio.sleep(1.0)
            assert "/help" in (await polls.say("hello"))["text"]
            assert {state(first), state(second)} == {"connected", "standby"}
            await asyncio.to_thread(redis.start)
            await asyncio.sleep(0.5)
            assert {state(first), state(second)} == {"connected", "standby"}
