"""Who was ever here is known over a restart, and forgotten with the kiosk."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cloud.alerts.presence import Presence
from cloud.db.engine import open_engine
from cloud.kiosks.links import Link
from tests.chaos.points import ROOT
from tests.cloud.hub import database_of, execute, rows

_PROGRAM = """
import asyncio, sys
from cloud.alerts.presence import Presence
from cloud.db.engine import open_engine

asyncio.run(Presence(open_engine(sys.argv[1]), 0.0).note([], lambda kiosk_id: kiosk_id == "b", 10.0, 10.0))
"""


def _noted(tmp_path: Path) -> list[tuple[str]]:
    return rows(tmp_path, "SELECT kiosk_id FROM presences ORDER BY kiosk_id")


def _two(tmp_path: Path) -> None:
    execute(tmp_path)
    for kiosk_id in ("a", "b"):
        execute(tmp_path, f"INSERT INTO presences (kiosk_id, here, at) VALUES ('{kiosk_id}', true, 5)")


async def test_who_is_no_kiosk_any_more_was_never_here(tmp_path: Path) -> None:
    _two(tmp_path)
    engine = open_engine(database_of(tmp_path))
    presence = Presence(engine, 7.0)
    await presence.note([], lambda kiosk_id: kiosk_id == "b", 10.0, 10.0)
    assert _noted(tmp_path) == [("b",)]
    assert (presence.gone_since("a", None), presence.gone_since("b", None)) == (None, 7.0)
    await engine.dispose()


@pytest.mark.parametrize(("moment", "left"), [("before", ["a", "b"]), ("after", ["b"])])
def test_a_death_while_forgetting_leaves_all_or_nothing(tmp_path: Path, moment: str, left: list[str]) -> None:
    _two(tmp_path)
    environ = {**os.environ, "KIOSKWIRE_CRASH_AT": f"hub.alerts.presence_forget.{moment}"}
    command = [sys.executable, "-c", _PROGRAM, str(database_of(tmp_path))]
    done = subprocess.run(command, cwd=ROOT, env=environ, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [kiosk_id for (kiosk_id,) in _noted(tmp_path)] == left


async def test_one_that_came_and_went_unnoticed_before_the_hub_stopped_was_here(tmp_path: Path) -> None:
    execute(tmp_path)
    engine = open_engine(database_of(tmp_path))
    presence = Presence(engine, 7.0)
    await presence.note([], lambda _: True, 10.0, 10.0)
    lost = cast(Link, SimpleNamespace(kiosk_id="a", ready=False, connected_at=11.0, lost_at=12.0))
    await presence.leave([lost], 20.0, 15.0)
    assert rows(tmp_path, "SELECT kiosk_id, here, at FROM presences") == [("a", 0, 17.0)]
    await engine.dispose()
