"""Events: stored once each and in order, acknowledged when all of them are on disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from cloud.db.target import ThreadTarget
from tests.cloud.hub import Json, Kiosk, rows, running, until


def event(seq: int) -> Json:
    return {"type": "event", "seq": seq, "at": 1.5, "kind": "door", "data": {"n": seq}}


async def tell(kiosk: Kiosk, after: int, *seqs: int) -> None:
    await kiosk.say("events", after=after, events=[event(seq) for seq in seqs])


async def acknowledged(kiosk: Kiosk) -> int:
    seq: int = (await kiosk.hear("event_ack"))["seq"]
    return seq


def stored(directory: Path) -> list[int]:
    return [row[0] for row in rows(directory, "SELECT seq FROM events ORDER BY rowid")]


async def test_a_batch_is_stored_in_order_and_acknowledged_as_a_whole(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk(batch=256) as kiosk:
        await tell(kiosk, 0, *range(1, 201))
        assert await acknowledged(kiosk) == 200
        await tell(kiosk, 0, *range(1, 201))
        assert await acknowledged(kiosk) == 200
        await tell(kiosk, 200, 201)
        assert await acknowledged(kiosk) == 201
    assert stored(tmp_path) == list(range(1, 202))


async def test_what_a_batch_skips_was_dropped_and_what_is_missing_before_it_is_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk(batch=256) as kiosk:
        await tell(kiosk, 0, 1, 2, 7, 8)
        assert await acknowledged(kiosk) == 8
        await tell(kiosk, 10, 11, 12)  # the one before it was swallowed
        assert await acknowledged(kiosk) == 8
        await tell(kiosk, 8, 9, 10, 11, 12)
        assert await acknowledged(kiosk) == 12
    assert stored(tmp_path) == [1, 2, 7, 8, 9, 10, 11, 12]


async def test_the_very_first_event_is_waited_for_too(tmp_path: Path) -> None:
    """The second overtakes it, or it was swallowed: it is not lost. A kiosk that began later says so twice."""
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        await kiosk.say_raw(json.dumps(event(2)))
        assert await acknowledged(kiosk) == 0
        for seq in (1, 2):
            await kiosk.say_raw(json.dumps(event(seq)))
        while await acknowledged(kiosk) != 2:
            pass
        assert stored(tmp_path) == [1, 2]
    async with running(tmp_path / "new") as hub, hub.kiosk() as kiosk:
        for _ in range(2):
            await kiosk.say_raw(json.dumps(event(1000)))
        while await acknowledged(kiosk) != 1000:
            pass
        assert stored(tmp_path / "new") == [1000]


async def test_batches_and_single_events_go_together(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        await kiosk.say_raw(json.dumps(event(1)))
        assert await acknowledged(kiosk) == 1
        await tell(kiosk, 1, 2, 3)
        assert await acknowledged(kiosk) == 3
        await kiosk.say_raw(json.dumps(event(4)))
        assert await acknowledged(kiosk) == 4
    assert stored(tmp_path) == [1, 2, 3, 4]


@pytest.mark.parametrize("failing", [1, 2, 3])
async def test_no_event_is_acknowledged_over_one_that_the_database_did_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """What is stored together is stored all or not at all: the last number stands for those before it."""
    monkeypatch.setattr("cloud.db.writer._GROUP_MAX", 10)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        fail_once(monkeypatch, failing)
        last = 0
        while last < 40:  # as a kiosk does: what was not acknowledged is told again
            for seq in range(last + 1, 41):
                await kiosk.say_raw(json.dumps(event(seq)))
            await until(lambda: hub.services.links.get("kiosk_001").events_waiting is None)  # type: ignore[union-attr]
            last = max([message["seq"] for message in await kiosk.heard()], default=last)
            assert stored(tmp_path)[:last] == list(range(1, last + 1))
    assert stored(tmp_path) == list(range(1, 41))


def fail_once(monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    """The database does not take the commit of that number, from now on counted, and takes all others."""
    commit, count = ThreadTarget.commit, 0

    async def sometimes(self: ThreadTarget, batches: Any) -> Any:
        nonlocal count
        count += any("events" in batch.sql for batch in batches)
        if count == which:
            count += 1
            raise OSError("no space left")
        return await commit(self, batches)

    monkeypatch.setattr(ThreadTarget, "commit", sometimes)
