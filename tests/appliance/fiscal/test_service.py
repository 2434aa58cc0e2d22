"""Documents by a real driver and its simulator, in virtual time, for every register there is."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.appliance.fiscal import world as worlds
from tests.appliance.fiscal.world import REGISTERS, Registers, World, sale

Play = Callable[[Callable[[World], Coroutine[Any, Any, None]]], World]


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


def test_a_sale_opens_the_shift_and_is_registered(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            answer = await life.run("r1", sale())
            kept = {name: answer[name] for name in ("http", "status", "reference", "document", "total", "currency")}
            assert kept == {
                "http": 200, "status": "registered", "reference": "r1", "document": "receipt", "total": 12_345,
                "currency": "RUB",
            }  # fmt: skip
            assert answer["sign"]
            assert answer["printed"] is not False
            assert world.documents[-1] == {"number": answer["number"], "total": 12_345}
            assert await life.run("r1", sale()) == answer
            assert [event.kind for event in await life.events("shift-opened")] == ["shift-opened"]
            told = [event for event in await life.events("document-registered") if b'"r1"' in bytes(event.data)]
            assert len(told) == 1

    assert play(script).totals == [12_345]
