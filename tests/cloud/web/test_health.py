"""`/health`: what it tells, and when it is 503."""

import socket
from pathlib import Path

import pytest

from tests.cloud.hub import PATIENCE, broken, running, until
from wire.version import VERSION


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that works is not called unreachable because this process had no turn."""
    monkeypatch.setattr("cloud.web.health._TIMEOUT", PATIENCE)


async def test_a_hub_that_works_is_healthy(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub, hub.kiosk():
        answer = await hub.http.get("/health")
        report = answer.json()
        assert (answer.status_code, report.pop("uptime") >= 0) == (200, True)
        assert report == {
            "status": "healthy",
            "reasons": [],
            "version": VERSION,
            "redis": "disabled",
            "telegram": "disabled",
            "telemetry": "disabled",
            "database": "connected",
            "active_kiosks": 1,
            "total_kiosks": 2,
            "duplicated_kiosks": 0,
            "operations_running": 0,
            "operations_queued": 0,
        }


async def test_a_broken_database_is_503_and_heals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.web.health._EVERY", 0.05)
    async with running(tmp_path) as hub:

        async def health(status: int) -> dict[str, object] | None:
            answer = await hub.http.get("/health")
            return answer.json() if answer.status_code == status else None

        async with broken(tmp_path, "kiosks"):
            report = await until(lambda: health(503))
            assert (report["status"], report["database"]) == ("degraded", "unreachable")
            assert "the database does not work" in report["reasons"][0]
        assert (await until(lambda: health(200)))["status"] == "healthy"


async def test_a_redis_that_is_not_there_degrades_and_the_hub_serves_on(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, and never listens: nor does anybody else there
        taken.bind(("127.0.0.1", 0))
        url = f"redis://:canary-password@127.0.0.1:{taken.getsockname()[1]}/0"
        async with running(tmp_path, redis_url=url) as hub:
            answer = await hub.http.get("/health")
            assert (
                answer.status_code,
                answer.json()["status"],
                answer.json()["redis"],
            ) == (200, "degraded", "unreachable")
            assert "canary-password" not in answer.text


async def test_running_operations_are_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending()
        request = await kiosk.request()
        assert (await hub.http.get("/health")).json()["operations_running"] == 1
        await kiosk.answer(request)
        await asked
        await hub.idle()
        assert (await hub.http.get("/health")).json()["operations_running"] == 0
