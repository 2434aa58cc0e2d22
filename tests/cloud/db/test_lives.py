"""Hubs that share a PostgreSQL: who lives, who is found dead by whom, and what becomes of what it had."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from cloud.backends.keys import ApiKeys
from cloud.db import lives as module
from cloud.db import target
from cloud.db.engine import open_engine
from cloud.db.hold import NotHeldError, SupersededError
from cloud.db.lives import Lives, Sight, Watch
from cloud.db.shared_hold import SharedHold
from cloud.db.writer import Writer
from cloud.errors import StorageError
from cloud.kiosks.history import History
from cloud.metrics import Metrics
from cloud.operations.operation import Operation, State
from cloud.operations.store import Store
from cloud.settings import Settings, database_url
from tests.cloud import hub as hubs_of_tests
from tests.cloud.fleet import database_server, new_database
from tests.cloud.operations.test_answers import operation


async def until(check: Any) -> Any:
    """As ever, with patience for as many looks as it takes to find somebody dead."""
    return await hubs_of_tests.until(check, timeout=60.0)


class Looks:
    """A clock that goes on with each look, three times, and not by itself: who is found dead, or is not, has had as
    many turns as who looks, however long they took."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 0.03
        return self._now


class Member:
    """What a hub has of this: a writer, its life, a store."""

    def __init__(self, url: str, name: str) -> None:
        self.engine = open_engine(database_url(Settings(database_url=url)))
        self.hold = SharedHold(name.ljust(32, "0"), name, "1.0")
        self.writer = Writer(self.engine, Metrics(), self.hold)
        self.lives = Lives(self.engine, self.writer, self.hold, Looks())
        self.store = Store(self.engine, self.writer, ApiKeys(self.engine), is_shared=True)
        self.history = History(self.engine, self.writer, Metrics(), hub=self.life, slot=0)

    @property
    def life(self) -> str:
        return self.hold.life

    async def begin(self) -> None:
        """As the hub does."""
        await self.writer.open()
        self.writer.start()
        self.lives.start()
        self.lives.watch({"operations": self.store.bury, "connections": self.history.bury})

    async def end(self) -> None:
        """In order."""
        await self.lives.stop()
        await self.writer.stop()
        await self.engine.dispose()

    async def die(self) -> None:
        """As by -9: its session ends with it, and nothing is said."""
        await self.lives.stop()
        self.writer.superseded.set()  # no goodbye
        if (writing := self.writer._task) is not None:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        self.writer._task = None
        await self.engine.dispose()

    async def stand_still(self) -> None:
        """As by SIGSTOP: its session stays."""
        await self.lives.stop()


@asynccontextmanager
async def members(url: str, *names: str) -> AsyncIterator[list[Member]]:
    """Hubs that have begun; whichever still lives at the end says goodbye."""
    made = [Member(url, name) for name in names]
    async with AsyncExitStack() as stack:
        for member in made:
            await member.begin()
            stack.push_async_callback(member.end)
        yield made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"_EVERY": 0.1, "_FREE_FOR": 0.6, "_SILENT_FOR": 1.5, "_GAP_MAX": 0.5}.items():
        monkeypatch.setattr(module, name, seconds)


async def ask(url: str, statement: str, *given: Any) -> list[tuple[Any, ...]]:
    """From outside."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement, *given)]
    finally:
        await connection.close()


async def living(url: str) -> list[str]:
    return [row[0] for row in await ask(url, "SELECT name FROM hubs WHERE ended_at IS NULL ORDER BY name")]


async def end_sessions(url: str) -> None:
    await ask(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def under_way(hub: "Member", request_id: str, state: State = State.SENT, **more: Any) -> Operation:
    return operation(hub=hub.life, request_id=request_id, state=state, status=None, answer=None, sent_at=1.0, **more)


def sight(*, held: bool, seen_at: float = 1.0) -> Sight:
    return Sight("a", 0, "a", seen_at, held)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    for name, seconds in {"_FREE_FOR": 10.0, "_SILENT_FOR": 30.0, "_GAP_MAX": 6.0}.items():
        monkeypatch.setattr(module, name, seconds)
    return Watch()


def test_dead_is_whose_lock_was_free_for_ten_seconds_of_looking(watch: Watch) -> None:
    assert [bool(watch.look([sight(held=False)], now)[0]) for now in (0, 5, 9.9, 10)] == [False, False, False, True]


def test_who_has_its_lock_again_or_renews_its_row_is_not_dead(watch: Watch) -> None:
    watch.look([sight(held=False)], 0)
    watch.look([sight(held=True)], 5)
    assert watch.look([sight(held=False)], 10) == ([], [])
    assert watch.look([sight(held=False)], 15) == ([], [])
    assert watch.look([sight(held=False, seen_at=2.0)], 20) == ([], [])
    assert watch.look([sight(held=False, seen_at=2.0)], 25) == ([], [])
    assert watch.look([sight(held=False, seen_at=2.0)], 30)[0]


def test_who_was_blind_or_asleep_looks_ten_seconds_anew(watch: Watch) -> None:
    """A restart of PostgreSQL frees every lock, and a hub that was stopped itself has not looked."""
    for now in (0, 5):
        watch.look([sight(held=False)], now)
    watch.blind()
    assert watch.look([sight(held=False)], 10) == ([], [])
    assert watch.look([sight(held=False)], 100) == ([], [])
    assert watch.look([sight(held=False)], 105) == ([], [])
    assert watch.look([sight(held=False)], 110)[0]


def test_who_has_its_lock_and_says_nothing_for_half_a_minute_stands_still(watch: Watch) -> None:
    for now in range(0, 30, 5):
        assert watch.look([sight(held=True)], now) == ([], [])
    assert watch.look([sight(held=True)], 30) == ([], [sight(held=True)])


async def test_hubs_write_side_by_side_and_say_goodbye() -> None:
    url = new_database()
    async with members(url, "one", "two", "three") as hubs:
        await asyncio.gather(
            *(hub.store.put(under_way(hub, f"request-{n}-{hub.hold.slot}")) for hub in hubs for n in range(9))
        )
        assert await living(url) == ["one", "three", "two"]
        assert sorted(hub.hold.slot for hub in hubs) == [0, 1, 2]
        found = await ask(url, "SELECT hub, count(*) FROM operations GROUP BY hub")
        assert dict(found) == {hub.life: 9 for hub in hubs}
        await hubs[1].end()
        assert await living(url) == ["one", "three"]
        async with members(url, "four") as (four,):
            assert four.hold.slot == 1
    # What could not be told otherwise is told with the goodbye.
    assert await ask(url, "SELECT DISTINCT state FROM operations") == [("unknown",)]


async def test_a_dead_hub_is_buried_by_one_and_what_it_had_is_unknown() -> None:
    url = new_database()
    async with members(url, "one", "two", "three") as (one, two, three):
        for hub in (one, two):
            await hub.store.put(under_way(hub, f"sent-to-{hub.hold.slot}"))
            await hub.store.put(under_way(hub, f"accepted-{hub.hold.slot}", State.ACCEPTED))
            await hub.store.put(under_way(hub, f"queued-by-{hub.hold.slot}", State.QUEUED))
            await hub.store.put(operation(request_id=f"finished-{hub.hold.slot}"))
        opened = "INSERT INTO connections (number, kiosk_id, refused, began_at, hub) VALUES ($1, 'a', false, 1.0, $2)"
        for number, hub in enumerate((one, two)):
            await ask(url, opened, number, hub.life)
        buried: list[str] = []
        for hub in (two, three):
            bury = hub.hold.bury

            async def note(connection: Any, life: str, seen_at: float, bury: Any = bury) -> Any:
                buried.append(life)
                return await bury(connection, life, seen_at)

            hub.hold.bury = note  # type: ignore[method-assign]
        await one.die()

        async def is_alone() -> bool:
            return await living(url) == ["three", "two"]

        await until(is_alone)
        states = dict(await ask(url, "SELECT request_id, state FROM operations"))
        assert (states["sent-to-0"], states["accepted-0"]) == ("unknown", "unknown")
        assert (states["queued-by-0"], states["finished-0"]) == ("queued", "succeeded")
        assert (states["sent-to-1"], states["accepted-1"]) == ("sent", "accepted")
        found = await two.store.find("sent-to-0")
        assert found is not None
        assert (found.problem, found.detail) == ("timeout", "the hub that had it under way is gone")
        rows = await ask(url, "SELECT hub, why, ended_at IS NULL FROM connections ORDER BY number")
        assert rows == [(one.life, "hub-died", False), (two.life, "", True)]
        await asyncio.sleep(0.5)
        assert buried == [one.life]


async def test_hubs_whose_sessions_are_ended_go_on_and_bury_nobody() -> None:
    url = new_database()
    async with members(url, "one", "two") as hubs:
        for round_ in range(2):
            await end_sessions(url)

            async def writes(hub: Member, request_id: str) -> bool:
                try:
                    await hub.store.put(under_way(hub, request_id))
                except StorageError:
                    return False
                return True

            for hub in hubs:
                await until(lambda hub=hub, name=f"request-{round_}-{hub.hold.slot}": writes(hub, name))
        await asyncio.sleep(1.0)
        assert await living(url) == ["one", "two"]
        assert await ask(url, "SELECT DISTINCT state FROM operations") == [("sent",)]


async def test_a_restart_of_the_server_buries_nobody() -> None:
    url, server = new_database(), database_server()
    async with members(url, "one", "two", "three") as hubs:
        await asyncio.gather(*(hub.store.put(under_way(hub, f"request-{hub.hold.slot}")) for hub in hubs))
        await asyncio.to_thread(server.stop, "immediate")
        await asyncio.sleep(1.0)  # longer than who is dead is waited for
        await asyncio.to_thread(server.start, max_connections="300")
        await asyncio.sleep(1.5)
        assert await living(url) == ["one", "three", "two"]
        assert await ask(url, "SELECT DISTINCT state FROM operations") == [("sent",)]


async def test_a_hub_that_was_found_dead_writes_no_more() -> None:
    url = new_database()
    async with members(url, "one", "two") as (one, two):
        await one.store.put(under_way(one, "request-1"))
        await one.stand_still()

        async def is_buried() -> bool:
            return await living(url) == ["two"]

        await until(is_buried)  # its session was ended, and it did not come back in time
        outcomes = await asyncio.gather(
            *(one.store.put(operation(request_id="request-1")) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(outcome, StorageError) for outcome in outcomes)
        one.lives.start()
        await until(one.writer.superseded.is_set)
        with pytest.raises(StorageError, match="must be started anew"):
            await one.store.put(operation(request_id="request-1"))
        found = await two.store.find("request-1")
        assert found is not None
        assert found.state is State.UNKNOWN


async def test_a_hub_that_goes_on_in_time_has_lost_nothing() -> None:
    url = new_database()
    async with members(url, "one", "two") as (one, two):
        await one.store.put(under_way(one, "request-1"))
        await one.stand_still()
        await end_sessions(url)
        one.lives.start()
        await asyncio.sleep(1.0)
        assert await living(url) == ["one", "two"]
        await one.store.put(operation(request_id="request-1"))
        found = await two.store.find("request-1")
        assert found is not None
        assert found.state is State.SUCCEEDED


async def test_hubs_with_and_without_redis_exclude_each_other_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    url = new_database()
    engine = open_engine(database_url(Settings(database_url=url)))
    alone = Writer(engine, Metrics())
    async with members(url, "one"):
        with monkeypatch.context() as patch:
            patch.setattr(target, "_BEGIN_WITHIN", 0.3)
            with pytest.raises(NotHeldError, match="hubs with REDIS_URL run on this database; right would be"):
                await alone.open()
    await alone.open()
    two = Member(url, "two")
    with monkeypatch.context() as patch:
        patch.setattr(target, "_BEGIN_WITHIN", 0.3)
        with pytest.raises(NotHeldError, match="another hub without REDIS_URL runs on this database; right would be"):
            await two.writer.open()
    await two.engine.dispose()
    alone.start()
    await alone.stop()
    await engine.dispose()


async def test_a_hub_that_had_the_database_for_itself_meanwhile_supersedes_all() -> None:
    url = new_database()
    async with members(url, "one", "two") as (one, two):
        for hub in (one, two):
            await hub.store.put(under_way(hub, f"request-{hub.hold.slot}"))
            await hub.lives.stop()
        await end_sessions(url)
        engine = open_engine(database_url(Settings(database_url=url)))
        alone = Writer(engine, Metrics())
        await alone.open()
        alone.start()
        await alone.stop()
        await engine.dispose()
        for hub in (one, two):
            with pytest.raises(StorageError):
                await hub.store.put(under_way(hub, "request-9"))  # finds its connection gone
            with pytest.raises(StorageError):
                await hub.store.put(under_way(hub, "request-9"))
            assert hub.writer.superseded.is_set()


async def test_one_alone_that_comes_back_after_hubs_that_shared_is_superseded() -> None:
    url = new_database()
    engine = open_engine(database_url(Settings(database_url=url)))
    alone = Writer(engine, Metrics())
    await alone.open()
    alone.start()
    await end_sessions(url)
    async with members(url, "one"):
        pass
    await alone.probe()
    await alone.probe()
    assert alone.superseded.is_set()
    assert "must be started anew" in (alone.error or "")
    await alone.stop()
    await engine.dispose()


async def test_at_the_start_only_what_no_living_hub_has_is_given_up() -> None:
    url = new_database()
    async with members(url, "one", "two") as (one, two):
        await one.store.put(under_way(one, "of-another"))
        await two.store.put(under_way(two, "of-nobody"))
        await ask(url, "UPDATE operations SET hub = NULL WHERE request_id = 'of-nobody'")
        assert await two.store.abandon("the hub was restarted") == 1
        assert sorted(await ask(url, "SELECT request_id, state FROM operations")) == [
            ("of-another", "sent"),
            ("of-nobody", "unknown"),
        ]


async def test_groups_that_lock_the_same_rows_are_tried_again() -> None:
    """A deadlock that PostgreSQL resolves costs one of both a moment, and no row."""
    url = new_database()
    async with members(url, "one", "two") as hubs:
        for n in range(200):
            await hubs[0].store.put(under_way(hubs[0], f"request-{n:03}"))
        ended = []
        for round_ in range(20):
            for hub in hubs:
                numbers = range(200) if hub is hubs[0] else reversed(range(200))
                ended += [hub.store.put(under_way(hub, f"request-{n:03}", detail=str(round_))) for n in numbers]
            await asyncio.sleep(0)
        assert all(await asyncio.gather(*ended))


async def test_who_is_superseded_says_so_at_once() -> None:
    url = new_database()
    async with members(url, "one", "two") as (one, _two):
        await ask(url, "UPDATE hubs SET ended_at = 1.0 WHERE name = 'one'")
        await until(one.writer.superseded.is_set)
        with pytest.raises(SupersededError):
            one.hold.supersede()
