"""`kioskwire-hub rollout` as operators type it."""

import json
from pathlib import Path

import pytest

from tests.cloud.hub import POSTGRESQL, database_of, rows
from tests.cloud.test_main import run
from tests.cloud.updates.channel import put


def test_a_rollout_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def rollout(*arguments: str) -> tuple[int, str, str]:
        where = {"DATABASE_URL": database_of(tmp_path)} if POSTGRESQL else {}
        return run(monkeypatch, capsys, tmp_path, "rollout", *arguments, UPDATES_DIR=str(tmp_path / "updates"), **where)

    assert rollout("list")[1] == "no channels: put one into UPDATES_DIR, see docs/releases.md\n"
    put(tmp_path / "updates", v1_0_0=b"one", v1_0_1=b"two")
    assert "stable: nobody gets anything yet; offered: 1.0.0, 1.0.1\n" in rollout("list")[1]
    assert rollout("set", "stable", "1.0.0", "--percent", "100")[0] == 0
    assert rollout("set", "stable", "1.0.1") == (
        1,
        "",
        "kioskwire-hub: percent is missing: how much of the fleet gets 1.0.1 first?\n",
    )
    status, output, _ = rollout("set", "stable", "1.0.1", "--percent", "10", "--window", "02:00-05:00")
    assert status == 0
    assert output.startswith(
        "stable: 1.0.1 to 10 %, 02:00-05:00, going on; offered: 1.0.0, 1.0.1\n  0 kiosks may have it"
    )
    assert "right would be 0 to 100" in rollout("set", "stable", "1.0.1", "--percent", "200")[2]
    assert "pause it instead" in rollout("set", "stable", "1.0.1", "--percent", "5")[2]
    assert rollout("set", "stable", "1.0.1", "--percent", "5", "--force")[0] == 0
    assert "PAUSED" in rollout("pause", "stable")[1]
    assert json.loads(rollout("resume", "stable", "--json")[1])["paused"] is False
    shown = json.loads(rollout("show", "stable", "--json")[1])
    assert [act["words"].split(", ")[-1] for act in shown["changes"]] == [
        "resumed",
        "paused",
        "02:00-05:00",
        "02:00-05:00",
        "1.0.0 to 100 %",
    ]
    assert {act["by"] for act in shown["changes"]} == {"command line"}
    noted = rows(tmp_path, "SELECT act, subject, door, data FROM audit ORDER BY number")
    assert [row[:3] for row in noted] == [("rollout.change", "stable", "cli")] * 5
    assert [json.loads(row[3])["paused"] for row in noted] == [False, False, False, True, False]
    assert "there is no channel beta" in rollout("show", "beta")[2]
