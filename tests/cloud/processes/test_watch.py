"""Who says nothing any more is killed, and who could not say anything is not."""

import asyncio
from pathlib import Path

import pytest

from cloud.processes import supervisor
from cloud.processes.children import Child
from cloud.processes.place import Place
from tests.cloud.hub import until


@pytest.mark.gen_test(timeout=1000.0)  # by the same clock
async def test_nobody_is_killed_for_what_it_could_not_say_while_all_stood_still(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where the machine, or the container, is paused for longer than a process may be silent."""
    loop, looks, killed, passed = asyncio.get_running_loop(), 0, False, 0.0
    real = loop.time

    def look(_state: str) -> bool:
        nonlocal looks
        looks += 1
        return True

    def kill() -> None:
        nonlocal killed
        killed = True

    monkeypatch.setattr(supervisor, "_LOOK_EVERY", 0.05)
    monkeypatch.setattr(supervisor, "notify", look)
    monkeypatch.setattr(loop, "time", lambda: real() + passed)
    hubs = supervisor.Supervisor([], [], [[]], Place(tmp_path), 0.0)
    child = Child(1, hubs)
    child.ready_at = loop.time()
    monkeypatch.setattr(child, "kill", kill)
    hubs._slots[0].all.add(child)
    watching = asyncio.create_task(hubs._watch())
    try:
        await until(lambda: looks)
        passed += 2 * supervisor._SILENT
        before = looks
        await until(lambda: looks >= before + 3)
        assert not killed
        while not killed:  # it goes on to say nothing
            passed += supervisor._LATE / 3
            before = looks
            await until(lambda before=before: looks >= before + 2)  # type: ignore[misc]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert passed >= 3 * supervisor._SILENT
