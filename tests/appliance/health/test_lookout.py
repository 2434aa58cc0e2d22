"""What of the kiosk itself goes wrong in silence is told."""

from pathlib import Path
from typing import Any

import pytest

from appliance.health import lookout
from appliance.health.lookout import Lookout, free_bytes, low, wrong

LIMIT = 16 * 1024 * 1024


class World:
    """A kiosk whose disk, clock and journal are as the test says; time goes on with each look."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free: int | None = 100 * LIMIT
        self.offset: float | None = None
        self.trouble = ""
        self.now = 0.0
        self.told: list[tuple[str, dict[str, Any]]] = []
        monkeypatch.setattr(lookout, "free_bytes", lambda _: self.free)
        self.lookout = Lookout(
            directory, min_free_bytes=LIMIT, offset=lambda: self.offset, trouble=lambda: self.trouble, note=self.note
        )

    async def note(self, kind: str, data: dict[str, Any]) -> None:
        self.told.append((kind, data))

    async def pass_(self, seconds: float) -> list[str]:
        """What is told within so many seconds."""
        before = len(self.told)
        until = self.now + seconds
        while self.now < until:
            self.now += lookout.LOOK_S
            await self.lookout.look(self.now)
        return [kind for kind, _ in self.told[before:]]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


async def test_a_kiosk_that_is_well_tells_nothing(world: World) -> None:
    world.offset = -20.0
    assert await world.pass_(600) == []


async def test_a_disk_that_fills_is_told_before_it_is_full_and_when_there_is_room(world: World) -> None:
    world.free = 2 * LIMIT - 1
    assert await world.pass_(30) == ["disk-low"]
    assert world.told[-1][1] == {"free": 2 * LIMIT - 1, "limit": LIMIT}
    world.free = 2 * LIMIT + 1  # hardly more
    assert await world.pass_(600) == []
    world.free = None  # it cannot be asked
    assert await world.pass_(600) == []
    world.free = 3 * LIMIT
    assert await world.pass_(30) == ["disk-ok"]


async def test_a_wrong_clock_is_told_when_it_stays_wrong(world: World) -> None:
    world.offset = 3600.0
    assert await world.pass_(50) == []
    world.offset = 0.5
    assert await world.pass_(300) == []
    world.offset = -86400.04
    assert await world.pass_(80) == ["clock-wrong"]
    assert world.told[-1][1] == {"offset_s": -86400.0}
    world.offset = 45.0
    assert await world.pass_(300) == []
    world.offset = 1.0
    assert await world.pass_(80) == ["clock-right"]


async def test_a_clock_that_jumps_tells_a_few_times_an_hour(world: World) -> None:
    count = 0
    for turn in range(60):
        world.offset = 500.0 if turn % 2 else 0.0
        count += len(await world.pass_(70))
    assert 0 < count <= 12


async def test_a_journal_that_takes_nothing_is_told(world: World) -> None:
    world.trouble = "the disk is nearly full: 3 MiB free"
    assert await world.pass_(20) == ["journal-trouble"]
    assert world.told[-1][1] == {"reason": world.trouble}
    world.trouble = "the disk is nearly full: 2 MiB free"
    assert await world.pass_(60) == []
    world.trouble = ""
    assert await world.pass_(20) == ["journal-well"]


def test_what_is_not_known_is_neither(tmp_path: Path) -> None:
    assert (low(None, LIMIT), low(0, 0), wrong(None)) == (None, None, None)
    assert (free_bytes(tmp_path) or 0) > 0
    assert free_bytes(tmp_path / "nowhere") is None
