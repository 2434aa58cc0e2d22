"""A version that fails on kiosks: they tell the hub, the hub holds it, the operator sees why and decides.

All of it as it is met with outside: kiosks by the socket, the operator by the real command beside the running hub.
"""

import asyncio
import sys
from collections.abc import Awaitable
from pathlib import Path

import pytest

from tests.cloud.hub import POSTGRESQL, Running, database_of, running, until
from tests.cloud.test_main import environment
from tests.cloud.updates.channel import put

KIOSKS = tuple(f"kiosk_{n:03}" for n in range(8))


async def went_back(hub: Running, kiosk_id: str, seq: int = 1, kind: str = "update-failed") -> None:
    """A kiosk that installed 1.0.2, could not do with it, and tells so once the version before runs again."""
    async with hub.kiosk(kiosk_id, journal=f"journal-{kiosk_id}", version="1.0.1") as kiosk:
        await kiosk.say("event", seq=seq, at=1.0, kind="update-installed", data={"from": "1.0.1", "to": "1.0.2"})
        told = {"version": "1.0.2", "reason": "bill validator is down", "running": "1.0.1"}
        await kiosk.say("event", seq=seq + 1, at=2.0, kind=kind, data=told)
        while (await kiosk.hear("event_ack"))["seq"] <= seq:
            pass


async def test_a_version_that_fails_is_held_and_goes_on_when_the_operator_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.updates.standings._LOOK_EVERY", 0.2)
    updates, state = tmp_path / "updates", tmp_path / "hub"
    put(updates, v1_0_1=b"one", v1_0_2=b"two")

    async def rollout(*arguments: str) -> str:
        more = {"DATABASE_URL": database_of(state)} if POSTGRESQL else {}
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cloud", "rollout", *arguments,
            env=environment(state, UPDATES_DIR=str(updates), **more), cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(60):
            output, _ = await program.communicate()
        assert program.returncode == 0, output
        return output.decode()

    async with running(state, kiosks=KIOSKS, updates_dir=str(updates)) as hub:

        async def is_paused() -> bool:
            return bool((await hub.http.get("/updates/stable/rollout.json")).json()["paused"])

        assert await is_paused(), "nobody has begun anything"
        for version in ("1.0.1", "1.0.2"):
            change = {"version": version, "percent": 100}
            answer = await hub.http.put("/admin/rollouts/stable", json=change, headers=hub.admin)
            assert answer.status_code == 200, answer.text
        assert not await is_paused()
        for kiosk_id in KIOSKS[:2]:
            await went_back(hub, kiosk_id)
        assert not await is_paused(), "two failures are let pass"
        await went_back(hub, KIOSKS[2], kind="update-put-off")  # it could not reach us: so does who is cut off by it
        await until(is_paused)

        listed = await rollout("list")
        assert "stable: 1.0.2 to 100 %, PAUSED; offered: 1.0.1, 1.0.2\n" in listed
        assert "  paused by the hub: of 3 kiosks that took 1.0.2 3 failed\n" in listed
        assert "8 kiosks may have it, 0 run it; 0 confirmed, 3 failed, 0 on trial\n" in listed
        shown = (await hub.http.get("/admin/rollouts/stable", headers=hub.admin)).json()
        failures = {(failure["kiosk"], failure["reason"]) for failure in shown["failures"]}
        assert failures == {(kiosk_id, "bill validator is down") for kiosk_id in KIOSKS[:3]}

        assert "1.0.2 to 100 %, going on" in await rollout("resume", "stable")
        await until(lambda: _not(is_paused()))
        await went_back(hub, KIOSKS[0], seq=3)  # one whose failure was known
        await went_back(hub, KIOSKS[3])
        assert await hub.services.rollouts.hold_bad(2, 5.0) == [], "what was known when it went on does not hold it"
        for kiosk_id in KIOSKS[4:6]:
            await went_back(hub, kiosk_id)
        await until(is_paused)
        shown = (await hub.http.get("/admin/rollouts/stable", headers=hub.admin)).json()
        assert shown["rollout"]["reason"] == "of 6 kiosks that took 1.0.2 6 failed"


async def _not(answer: Awaitable[bool]) -> bool:
    return not await answer
