"""How long a look for alerts takes, in a hub of this very process, while many kiosks are gone."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from sqlalchemy import insert

from bench.stage import PEERS, free_port
from bench.telegram import ADMIN, TOKEN
from cloud.alerts.service import Alerts
from cloud.app import Hub
from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.db.tables import kiosks, presences
from cloud.settings import Settings
from wire.environment import Secret

_SECONDS = 16.0
_STEP = 0.005


async def look_at(count: int) -> str:
    """Start a hub whose kiosks are all gone, and whose Telegram refuses; what its looks took, in a line or two."""
    PEERS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PEERS) as directory:
        state = Path(directory)
        (state / "alerts.yaml").write_text("kinds: {kiosk-offline: {after: 0, gather: 0}}\n")
        settings = Settings(
            jwt_secret=Secret(secrets.token_hex(32)),
            port=0,
            state_dir=str(state),
            database_url=f"sqlite+aiosqlite:///{state / 'hub.db'}",
            alerts_config=str(state / "alerts.yaml"),
            telegram_bot_token=Secret(TOKEN),
            telegram_admin_ids=str(ADMIN),
            telegram_api_url=f"http://127.0.0.1:{free_port()}",
        )
        await _gone(settings.database_url, count)
        took: list[float] = []
        original = Alerts.look

        async def timed(alerts: Alerts) -> None:
            started = time.perf_counter()
            await original(alerts)
            took.append(time.perf_counter() - started)

        with patch.object(Alerts, "look", timed):
            async with Hub(settings) as hub:
                lags = await _lags()
                standing = len(hub.services.alerts.standing())
        lags.sort()
        return (
            f"{standing} alerts stand; the look that raised them {max(took) * 1000:.0f} ms, those after it"
            f" {statistics.median(took[-3:]) * 1000:.1f} ms; loop lag at most {lags[-1] * 1000:.0f} ms,"
            f" p99 {lags[int(len(lags) * 0.99)] * 1000:.1f} ms"
        )


async def _gone(url: str, count: int) -> None:
    """Kiosks that were here, and are not."""
    engine = open_engine(url)
    await migrate(engine)
    now = time.time()
    ids = [f"k{number:05d}" for number in range(count)]
    rows = [
        {"id": id, "enabled": True, "generation": 1, "created_at": now, "revision": number + 1}
        for number, id in enumerate(ids)
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(kiosks), rows)
        await connection.execute(insert(presences), [{"kiosk_id": id, "here": False, "at": now - 3600} for id in ids])
    await engine.dispose()


async def _lags() -> list[float]:
    """How late the loop woke, again and again."""
    found, until = [], time.perf_counter() + _SECONDS
    while (before := time.perf_counter()) < until:
        await asyncio.sleep(_STEP)
        found.append(time.perf_counter() - before - _STEP)
    return found
