"""What the hub knows of a shift is what the register says of it, whoever opened and closed it."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.fiscal import shifts
from appliance.journal import Journal
from hardware.roles import FiscalRegister, ShiftState
from tests.appliance import worlds
from tests.appliance.fiscal.world import Life, Play, World, sale


async def told(source: Journal | Life) -> list[tuple[str, dict[str, Any]]]:
    journal = source if isinstance(source, Journal) else source.journal
    events = await journal.events(1000, 0)
    return [(each.kind, msgspec.json.decode(each.data)) for each in events if each.kind.startswith("shift-")]


@pytest.mark.parametrize(
    ("known", "says", "kinds"),
    [
        (None, ("closed", None), []),
        (None, ("open", 7), ["shift-opened"]),
        (None, ("expired", 7), ["shift-opened"]),
        ((True, 7, ""), ("open", 7), []),
        ((True, 7, ""), ("expired", 7), []),  # when it was opened is known
        ((True, 7, "open"), ("open", 7), []),
        ((True, 7, "open"), ("expired", 7), ["shift-opened"]),
        ((True, 7, "expired"), ("expired", 7), []),
        ((True, 7, ""), ("open", None), []),
        ((True, None, ""), ("open", 7), []),
        ((True, 7, ""), ("closed", 7), ["shift-closed"]),
        ((False, 7, ""), ("closed", 7), []),
        ((False, 7, ""), ("open", 8), ["shift-opened"]),
        ((True, 7, ""), ("open", 9), ["shift-closed", "shift-opened"]),
    ],
)
async def test_what_is_otherwise_is_told_once(
    tmp_path: Path, known: tuple[bool, int | None, str] | None, says: tuple[str, int | None], kinds: list[str]
) -> None:
    async with worlds.journal(tmp_path) as journal:
        if known is not None:
            is_open, shift, found = known
            await journal.write(lambda book: shifts.note(book, "register", is_open=is_open, shift=shift, found=found))
        state = ShiftState(state=says[0], number=says[1])
        for at in (1.0, 2.0):
            assert await journal.write(lambda book, at=at: shifts.compare(book, "register", state, at)) == (
                bool(kinds) and at == 1.0
            )
        found_ = await told(journal)
        assert [kind for kind, _ in found_] == kinds
        assert all(data["found"] for _, data in found_)
        if kinds and kinds[-1] == "shift-opened":
            assert found_[-1][1] == {"shift": says[1], "state": says[0], "found": True}


def test_a_shift_of_somebody_else_is_found(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shifts, "AGAIN_S", 30.0)  # virtual, but the devices are asked all the time

    async def script(world: World) -> None:
        async with world.life() as life:
            watched, register = life.supervisor.find_as("register", FiscalRegister)  # type: ignore[type-abstract]
            life.desk.start()
            await watched.use(lambda: register.open_shift("by-hand"), 60.0)
            await asyncio.sleep(20)
            ((kind, data),) = await told(life)
            assert (kind, data["state"], data["found"]) == ("shift-opened", "open", True)
            await life.run("r1", sale())
            life.do("expire_shift")
            await asyncio.sleep(shifts.AGAIN_S + 20)
            assert [(kind, data["state"]) for kind, data in (await told(life))[1:]] == [("shift-opened", "expired")]
            await watched.use(lambda: register.close_shift("by-hand-2"), 60.0)
            await asyncio.sleep(shifts.AGAIN_S + 20)
            assert [kind for kind, _ in (await told(life))[2:]] == ["shift-closed"]
            await life.run("r2", sale())
            await asyncio.sleep(2 * shifts.AGAIN_S)
            (last,) = (await told(life))[3:]
            assert (last[0], "found" in last[1]) == ("shift-opened", False)

    play(script)
