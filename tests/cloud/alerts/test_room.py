"""The room of alerts ends what it began."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cloud.alerts.webhook import AlertsWebhook
from tests.cloud.hub import running
from wire.environment import Secret


async def test_a_start_that_fails_midway_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Any) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(AlertsWebhook, "__aenter__", fail)
    before = asyncio.all_tasks()
    secret = Secret("whsec_" + "c" * 32)
    with pytest.raises(RuntimeError, match="no such thing"):
        async with running(tmp_path, alerts_webhook_url="http://127.0.0.1:9/x", alerts_webhook_secret=secret):
            pass
    assert not [task for task in asyncio.all_tasks() - before if task.get_name().startswith("alerts")]
