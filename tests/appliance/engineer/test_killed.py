"""Deaths in the middle of what an engineer has written: the old or the new stands there, whole; and the commands."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from appliance.engineer import pin

COLLECT = """
import asyncio, sys
from pathlib import Path
from appliance.engineer.collecting import Collecting
from appliance.journal import Journal, Limits
from appliance.levels.collections import levels, set_level
from appliance.screen import Screen
from appliance.supervisor import Supervisor
from tests.appliance.supervisor.yard import entries
from wire.money import Money

async def main():
    journal = Journal(Path(sys.argv[1]), limits=Limits(min_free_bytes=0), clock=lambda: 5.0, boot_id="b")
    await journal.open()
    devices = entries(bills={"driver": "ccnet", "port": "/dev/nowhere", "currency": "KZT"})
    supervisor = Supervisor(journal=journal, screen=Screen(), clock=lambda: 5.0, entries=devices)
    room = Collecting(journal=journal, supervisor=supervisor, clock=lambda: 5.0, holder=lambda _: "", print_lines=None)
    if sys.argv[2] == "begin":
        await journal.write(lambda book: set_level(book, "bills", Money(50000, "KZT"), 3, at=1.0, reference="r"))
    records = await room.collect(["bills"], "form-1")
    lying = await room.lying()
    told = [e for e in await journal.events(100, 0) if e.kind == "collection"]
    print(records[0]["total"], sum(each["total"] for each in lying[0]["lying"]), len(told))
    await journal.close()

asyncio.run(main())
"""


def run(*words: str, at: str = "", stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "KIOSKWIRE_CRASH_AT": at, "PYTHONPATH": os.getcwd(), **more}
    return subprocess.run(
        [sys.executable, *words], env=environ, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_pin_is_the_old_or_the_new_one(tmp_path: Path, moment: str) -> None:
    pin.save(tmp_path, "907351", 1.0)
    words = ("-m", "appliance", "pin")
    done = run(*words, at=f"appliance.engineer.pin.{moment}", stdin="482913\n", STATE_DIR=str(tmp_path))
    assert done.returncode == -signal.SIGKILL, done.stderr
    kept = pin.load(tmp_path)
    assert kept is not None
    assert (kept.matches("907351"), kept.matches("482913")) == ((True, False) if moment == "before" else (False, True))
    assert [each.name for each in tmp_path.iterdir()] == [pin.FILE]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_collection_is_written_once_or_not_at_all(tmp_path: Path, moment: str) -> None:
    done = run("-c", COLLECT, str(tmp_path), "begin", at=f"appliance.engineer.collect.{moment}")
    assert done.returncode == -signal.SIGKILL, done.stderr
    again = run("-c", COLLECT, str(tmp_path), "again")  # the same form is sent again
    assert again.stdout.split() == ["150000", "0", "1"], again.stderr


def test_what_is_no_pin_is_not_set_and_not_said(tmp_path: Path) -> None:
    done = run("-m", "appliance", "pin", stdin="123456\n", STATE_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "123456 " in done.stderr or "tried first" in done.stderr
    assert list(tmp_path.iterdir()) == []
    done = run("-m", "appliance", "pin", stdin="482913\n", STATE_DIR=str(tmp_path), ENGINEER_PIN="907351")
    assert (done.returncode, "ENGINEER_PIN is set" in done.stderr) == (2, True)


def test_a_bundle_is_made_of_a_kiosk_that_cannot_start(tmp_path: Path) -> None:
    file = tmp_path / "out.zip"
    done = run(
        "-m", "appliance", "support-bundle", str(file), STATE_DIR=str(tmp_path / "none"), WS_SERVER_URL="http://u:canary@x",
        WS_TOKEN="canary-token-of-settings", ROUTING_CONFIG=str(tmp_path / "missing.yaml"), HEALTH_CHECK_PORT="1",
        LOG_MAX_MB="many",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(file) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert "LOG_MAX_MB" in files["settings.txt"]
    assert {"health.json", "routing.yaml", "report.json"} <= set(json.loads(files["manifest.json"])["missing"])
    assert "canary" not in "".join(files.values())
