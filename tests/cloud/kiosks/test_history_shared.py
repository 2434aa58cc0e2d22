"""The history of connections that several hubs write to one PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cloud.kiosks import history as module
from cloud.kiosks.absence import Came, Ended
from cloud.kiosks.history import HUB_DIED, HUB_STOPPED, History
from cloud.kiosks.history_rows import number_after
from cloud.metrics import Metrics
from tests.cloud.db.test_lives import Member, ask, members
from tests.cloud.fleet import new_database
from tests.cloud.hub import until

NOW = 1_800_000_000.0


def test_a_hub_that_is_alone_counts() -> None:
    assert [number_after(last, None, NOW) for last in (0, 7)] == [1, 8]


def test_numbers_of_several_hubs_never_meet_and_follow_time() -> None:
    given: set[int] = set()
    last = dict.fromkeys(range(5), 0)
    for step in range(300):
        for slot, before in last.items():
            # More than one a millisecond, and one whose clock stands an hour behind.
            now = NOW + step / 5000 - (3600.0 if slot == 4 else 0.0)
            last[slot] = number_after(before, slot, now)
            assert last[slot] > before
            given.add(last[slot])
    assert len(given) == 1500
    assert max(given) < 2**53
    early, late = number_after(0, 9, NOW), number_after(0, 1, NOW + 0.002)
    assert early < late
    assert number_after(early + 10**9, 3, NOW) > early + 10**9


def arrival(at: float) -> Came:
    """Of a kiosk."""
    return Came(at=at, address="192.0.2.1", version="2.1", dialect="kiosk.v2")


@asynccontextmanager
async def histories(*names: str) -> AsyncIterator[tuple[str, list[tuple[Member, History]]]]:
    """One for each hub, all running; `kiosk_001` is registered."""
    url = new_database()
    row = "INSERT INTO kiosks (id, enabled, generation, created_at, revision) VALUES ('kiosk_001', true, 0, 0.0, 1)"
    await ask(url, row)
    async with members(url, *names) as hubs:
        made = [(hub, History(hub.engine, hub.writer, Metrics(), hub=hub.life, slot=hub.hold.slot)) for hub in hubs]
        for _, history in made:
            await history.start()
        try:
            yield url, made
        finally:
            for _, history in made:
                await history.stop()


async def test_each_hub_knows_what_another_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OTHERS_EVERY", 0.1)
    monkeypatch.setattr(module, "_OTHERS_TIMES", 1000)  # until it is written, be that much later
    async with histories("one", "two") as (_, ((first, one), (second, two))):
        came, went = one.now(), one.now() + 1.0
        one.began("kiosk_001", arrival(came))
        two.look_again("kiosk_001")
        await until(lambda: two.last("kiosk_001"))
        seen = two.last("kiosk_001")
        assert seen is not None
        assert (seen.hub, seen.ended_at, seen.address) == (first.life, None, "192.0.2.1")
        one.ended("kiosk_001", Ended(at=went, why="1006", code=1006))
        two.look_again("kiosk_001")
        await until(lambda: (last := two.last("kiosk_001")) and last.ended_at == went)
        # It comes here: what the other says of it is of before.
        two.began("kiosk_001", arrival(went + 1.0))
        one.look_again("kiosk_001")
        two.look_again("kiosk_001")
        await until(lambda: (last := one.last("kiosk_001")) and last.hub == second.life)
        await asyncio.sleep(0.3)
        mine = two.last("kiosk_001")
        assert mine is not None
        assert (mine.hub, mine.ended_at) == (second.life, None)


async def test_a_start_closes_only_what_no_living_hub_has() -> None:
    async with histories("one", "two") as (url, ((first, one), (_, two))):
        one.began("kiosk_001", arrival(one.now()))
        await one.written()
        left = (
            "INSERT INTO connections (number, kiosk_id, refused, began_at, hub) VALUES (5, 'kiosk_001', false, 1.0, $1)"
        )
        await ask(url, left, "f" * 32)
        another = History(first.engine, first.writer, Metrics(), hub="e" * 32, slot=9)
        await another.start()
        await another.stop()
        found = await ask(url, "SELECT hub, why FROM connections ORDER BY number")
        assert found == [("f" * 32, HUB_DIED), (first.life, "")]
        assert two.last("kiosk_001") is None
    assert (await ask(url, "SELECT why FROM connections ORDER BY number DESC LIMIT 1")) == [(HUB_STOPPED,)]
