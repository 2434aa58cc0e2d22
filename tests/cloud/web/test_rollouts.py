"""`/admin/rollouts`: how far new versions may go, what became of them, and the hub that stops a bad one."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cloud.hub import Json, Running, running, until
from tests.cloud.updates.channel import put
from tests.cloud.web.test_send import problem_of


@pytest.fixture(autouse=True)
def _looked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.updates.standings._LOOK_EVERY", 0.2)


async def change(hub: Running, channel: str = "stable", **body: Any) -> httpx.Response:
    """PUT by the administrator."""
    return await hub.http.put(f"/admin/rollouts/{channel}", content=json.dumps(body), headers=hub.admin)


async def show(hub: Running, channel: str = "stable") -> Json:
    """GET by the administrator."""
    answer = await hub.http.get(f"/admin/rollouts/{channel}", headers=hub.admin)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def say(hub: Running, kiosk_id: str, kind: str, version: str, seq: int = 1) -> None:
    """A kiosk tells how an update went."""
    # The version it runs may be noted, or not, as it is gone at once: it is not the one that is counted here.
    async with hub.kiosk(kiosk_id, journal=f"journal-{kiosk_id}", version="1.0.0") as kiosk:
        told = {"from": "1.0.0", "to": version} if kind == "update-installed" else {"version": version}
        data = {**told, "reason": "not healthy in 180 s\x1b"}
        await kiosk.say("event", seq=seq, at=1.0, kind=kind, data=data)
        await kiosk.hear("event_ack")


async def test_a_rollout_from_its_beginning_to_the_whole_fleet(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=b"two")
    kiosks = tuple(f"kiosk_{n}" for n in range(40))
    async with running(tmp_path, kiosks=kiosks, updates_dir=str(tmp_path / "updates")) as hub:
        listed = (await hub.http.get("/admin/rollouts", headers=hub.admin)).json()
        assert [row["version"] for row in listed["rollouts"]] == [None]
        assert (listed["versions"], listed["unknown"]) == ({}, 40)
        assert problem_of(await change(hub, version="9.0.0", percent=10)) == "conflict"
        begun = await change(hub, version="1.0.1", percent=50, window="02:00-05:00")
        assert begun.status_code == 200
        told = (await hub.http.get("/updates/stable/rollout.json")).json()
        assert told == {"version": "1.0.1", "percent": 50, "window": "02:00-05:00", "paused": False}
        assert 8 < begun.json()["rollout"]["kiosks"]["among"] < 32
        await say(hub, "kiosk_0", "update-installed", "1.0.1")
        await say(hub, "kiosk_1", "update-confirmed", "1.0.1")
        shown = await show(hub)
        assert {"installed": 1, "confirmed": 1, "failed": 0, "silent": 0}.items() <= shown["rollout"]["kiosks"].items()

        async def noted() -> bool:
            listed = (await hub.http.get("/admin/rollouts", headers=hub.admin)).json()
            return bool(listed["versions"].get("1.0.1") == 1)

        async with hub.kiosk("kiosk_2", version="1.0.1"):  # its version is noted while it is here
            await until(noted)
        assert problem_of(await change(hub, percent=20)) == "conflict"
        widened = (await change(hub, percent=100)).json()
        assert widened["rollout"]["kiosks"]["among"] == 40
        assert [act["words"] for act in widened["changes"]] == [
            "1.0.1 to 100 %, 02:00-05:00",
            "1.0.1 to 50 %, 02:00-05:00",
        ]
        assert widened["changes"][0]["by"] == "admin 127.0.0.1"
    # Nothing of it is forgotten.
    async with running(tmp_path, kiosks=kiosks, updates_dir=str(tmp_path / "updates")) as hub:
        assert (await show(hub))["rollout"]["kiosks"]["running"] == 1
        assert (await hub.http.get("/updates/stable/rollout.json")).json()["percent"] == 100


async def test_a_rollout_with_too_many_failures_is_held_until_somebody_has_it_go_on(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=b"two")
    kiosks = tuple(f"kiosk_{n}" for n in range(6))
    async with running(tmp_path, kiosks=kiosks, updates_dir=str(tmp_path / "updates")) as hub:
        await change(hub, version="1.0.1", percent=100)
        for kiosk in kiosks[:2]:
            await say(hub, kiosk, "update-failed", "1.0.1")
            await say(hub, kiosk, "update-failed", "1.0.1", seq=2)  # a kiosk fails once, however often it says so
        await hub.services.rollouts.hold_bad(2, 5.0)
        assert not (await show(hub))["rollout"]["paused"]
        await say(hub, kiosks[2], "update-failed", "1.0.1")

        async def held() -> bool:
            return bool((await hub.http.get("/updates/stable/rollout.json")).json()["paused"])

        await until(held)
        shown = await show(hub)
        assert shown["rollout"]["reason"] == "of 3 kiosks that took 1.0.1 3 failed"
        assert shown["rollout"]["changed_by"] == "the hub"
        assert sorted(failure["kiosk"] for failure in shown["failures"]) == list(kiosks[:3])
        assert shown["failures"][0]["reason"] == "not healthy in 180 s "
        assert await hub.metric("kioskwire_rollouts_held_total") == 1
        assert (await change(hub, paused=False)).json()["rollout"]["paused"] is False
        assert await hub.services.rollouts.hold_bad(2, 5.0) == []
        for kiosk in kiosks[3:]:
            await say(hub, kiosk, "update-failed", "1.0.1")
        await until(held)


async def test_what_kiosks_say_of_other_versions_or_nonsense_holds_nothing(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=b"two")
    async with running(tmp_path, updates_dir=str(tmp_path / "updates")) as hub:
        await change(hub, version="1.0.1", percent=100)
        async with hub.kiosk() as kiosk:
            for seq, data in enumerate(({}, [], "x", {"version": 1}, {"version": "1.0"}, {"version": "1.0.0"}), 1):
                await kiosk.say("event", seq=seq, at=1.0, kind="update-failed", data=data)
                assert (await kiosk.hear("event_ack"))["seq"] == seq
        assert await hub.services.rollouts.hold_bad(0, 0.0) == []
        assert (await hub.services.rollouts.counts())["1.0.0"].failed == 1


async def test_only_the_administrator_may_and_mistakes_are_named(tmp_path: Path) -> None:
    put(tmp_path / "updates", v1_0_1=b"two")
    async with running(tmp_path, updates_dir=str(tmp_path / "updates")) as hub:
        for path in ("/admin/rollouts", "/admin/rollouts/stable"):
            assert (await hub.http.get(path)).status_code == 401
        assert (await hub.http.put("/admin/rollouts/stable", content=b"{}")).status_code == 401
        assert problem_of(await change(hub)) == "conflict"
        assert problem_of(await change(hub, version="1.0.1", percent=101)) == "bad-request"
        assert problem_of(await change(hub, versoin="1.0.1")) == "bad-request"
        assert problem_of(await change(hub, "Stable", version="1.0.1", percent=1)) == "not-found"
        assert problem_of(await hub.http.get("/admin/rollouts/beta", headers=hub.admin)) == "not-found"
        assert await hub.services.rollouts.read_all() == []
