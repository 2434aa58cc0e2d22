"""The registry: what is written is at hand, here at once and in every other process soon."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.errors import Refused
from cloud.kiosks.registry import Registry
from tests.cloud.hub import broken, database_of, until


@asynccontextmanager
async def registry(tmp_path: Path, changed: list[str] | None = None) -> AsyncIterator[Registry]:
    """A registry on the database in `tmp_path`; running where `changed` is given to note changes in."""
    engine = open_engine(database_of(tmp_path))
    await migrate(engine)
    made = Registry(engine)
    if changed is not None:
        await made.start(changed.append)
    try:
        yield made
    finally:
        await made.stop()
        await engine.dispose()


async def test_a_change_is_at_hand_at_once_and_told(tmp_path: Path) -> None:
    changed: list[str] = []
    async with registry(tmp_path, changed) as kiosks:
        added = await kiosks.add("kiosk_001", "Entrance")
        assert (added, 1, ["kiosk_001"]) == (kiosks.get("kiosk_001"), len(kiosks), changed)
        disabled = await kiosks.enable("kiosk_001", False)
        assert (False, disabled) == (disabled.enabled, kiosks.get("kiosk_001"))
        renewed = await kiosks.renew_token("kiosk_001")
        assert (1, renewed) == (renewed.generation, kiosks.get("kiosk_001"))
        await kiosks.remove("kiosk_001")
        assert (kiosks.get("kiosk_001"), len(kiosks), changed) == (None, 0, ["kiosk_001"] * 4)


async def test_what_another_process_changes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed: list[str] = []
    async with registry(tmp_path, changed) as here, registry(tmp_path) as there:
        await there.add("kiosk_001", "")
        await until(lambda: here.get("kiosk_001"))
        await there.renew_token("kiosk_001")
        await until(lambda: (kiosk := here.get("kiosk_001")) is not None and kiosk.generation == 1)
        await there.remove("kiosk_001")
        await until(lambda: here.get("kiosk_001") is None)
        assert {"kiosk_001"} == set(changed)


async def test_a_kiosk_added_again_begins_where_its_tokens_ended(tmp_path: Path) -> None:
    async with registry(tmp_path) as kiosks:
        await kiosks.add("kiosk_001", "old")
        await kiosks.remove("kiosk_001")
        again = await kiosks.add("kiosk_001", "new")
        assert (again.name, again.enabled, again.generation) == ("new", True, 1)


async def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    async with registry(tmp_path) as kiosks:
        await kiosks.add("kiosk_001", "")
        with pytest.raises(Refused) as refused:
            await kiosks.add("kiosk_001", "")
        assert refused.value.problem == "conflict"
        for act in (kiosks.remove("no"), kiosks.renew_token("no"), kiosks.enable("no", True), kiosks.rename("no", "")):
            with pytest.raises(Refused) as refused:
                await act
            assert refused.value.problem == "unknown-kiosk"


async def test_a_failing_database_leaves_what_was_known(tmp_path: Path) -> None:
    changed: list[str] = []
    async with registry(tmp_path, changed) as here, registry(tmp_path) as there:
        await here.add("kiosk_001", "")
        async with broken(tmp_path, "kiosks"):
            with pytest.raises(Exception, match=r"no such table|does not exist"):
                await here.add("kiosk_002", "")
            assert here.get("kiosk_001") is not None
        await there.add("kiosk_003", "")
        await until(lambda: here.get("kiosk_003"))
