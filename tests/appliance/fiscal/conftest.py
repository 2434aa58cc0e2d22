"""Fixtures: every register there is, and virtual time."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.appliance.fiscal import world as worlds
from tests.appliance.fiscal.world import REGISTERS, Play, Registers, World


@pytest.fixture(params=REGISTERS, ids=lambda registers: registers.name)
def registers(request: pytest.FixtureRequest) -> Registers:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def play(registers: Registers, tmp_path: Path) -> Play:
    """Plays a script, and gives the world as it is then."""

    def playing(script: Callable[[World], Coroutine[Any, Any, None]]) -> World:
        made: list[World] = []

        async def scripted(world: World) -> None:
            made.append(world)
            await script(world)

        worlds.run(lambda clock: World(registers, tmp_path, clock), scripted)
        return made[0]

    return playing
