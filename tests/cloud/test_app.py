"""The hub as a whole: what it keeps, what it leaves behind, what it measures."""

import asyncio
import stat
from pathlib import Path

import pytest

from cloud.app import Hub
from tests.cloud.hub import running, settings
from wire.environment import Secret


async def test_a_stopped_hub_leaves_no_task_and_no_port(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with Hub(settings(tmp_path)) as hub:
        port = hub.port
        assert asyncio.all_tasks() > before
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    assert before == asyncio.all_tasks()


# Tornado leaves the socket that it could not bind to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_hub_that_cannot_start_leaves_nothing_either(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with Hub(settings(tmp_path)) as hub:
        with pytest.raises(OSError, match="in use"):
            async with Hub(settings(tmp_path / "other", port=hub.port)):
                pass
    assert before == asyncio.all_tasks()


async def test_a_demo_hub_keeps_a_random_secret_for_itself_alone(tmp_path: Path) -> None:
    async with running(tmp_path, demo=True, jwt_secret=Secret()) as hub:
        token = hub.token()
    kept = tmp_path / "demo-jwt-secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert len(kept.read_text()) >= 32
    async with running(tmp_path, demo=True, jwt_secret=Secret()) as hub, hub.socket(token) as kiosk:
        await kiosk.hello()


async def test_the_metrics_that_are_asked_for_are_there(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving():
        await hub.send()
        await hub.idle()
        answer = await hub.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    names = {line.split("{")[0].split(" ")[0] for line in answer.text.splitlines() if not line.startswith("#")}
    assert {
        "kioskwire_operations_total",
        "kioskwire_operation_seconds_bucket",
        "kioskwire_operation_kiosk_seconds_bucket",
        "kioskwire_kiosks_connected",
        "kioskwire_kiosk_connections_total",
        "kioskwire_operations_queued",
        "kioskwire_operations_running",
        "kioskwire_operations_carrying",
        "kioskwire_kiosks_elsewhere",
        "kioskwire_database_writes_waiting",
        "kioskwire_callbacks_waiting",
        "kioskwire_event_loop_lag_seconds",
    } <= names
    assert 'kioskwire_operations_total{operation="payment",outcome="succeeded"} 1.0' in answer.text
    assert "kiosk_001" not in answer.text  # a series for each kiosk would have no end


async def test_many_operations_at_once_cost_few_transactions(tmp_path: Path) -> None:
    async with (
        running(tmp_path, rate_limit_per_key=0, rate_limit_per_kiosk=0) as hub,
        hub.kiosk() as kiosk,
        kiosk.serving(),
    ):
        before = await hub.metric("kioskwire_database_transaction_seconds_count")
        answers = await asyncio.gather(*(hub.send({"n": n}, key=f"key-{n}") for n in range(100)))
        await hub.idle()
        after = await hub.metric("kioskwire_database_transaction_seconds_count")
        assert {200} == {answer.status_code for answer in answers}
        assert after - before < 100  # of 200 rows
