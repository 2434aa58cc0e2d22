"""The appliance in the hands of somebody who has just copied it onto a machine with nothing on it."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bench.program import wait_for
from tests.frozen.conftest import appliance
from tests.frozen.programs import Bare, Root, processes

ROUTES = json.dumps({"routes": {"payment": {"url": "http://127.0.0.1:9/pay"}}})


def test_it_says_what_it_is(bare: Bare, program: Path) -> None:
    told = bare.run(program, "version")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("kioskwire-appliance ")
    assert "selftest" in bare.run(program, "--help").stdout


def test_it_proves_that_it_is_whole(bare: Bare, program: Path) -> None:
    told = bare.run(program, "selftest", "--json", environ={"TMPDIR": "/tmp"})
    assert told.stderr == ""
    report = json.loads(told.stdout)
    assert [finding for finding in report["findings"] if not finding["ok"]] == []
    assert (told.returncode, report["ok"], report["frozen"]) == (0, True, True)
    used = next(finding["words"] for finding in report["findings"] if finding["check"] == "authorities")
    assert ("the program's own" in used) is isinstance(bare, Root)  # there no machine's are to be had


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ("_internal/certifi/cacert.pem", "authorities"),
        ("_internal/nacl/_sodium.abi3.so", "nacl"),
        ("_internal/appliance/selftest/contents.json", "contents"),
        ("_internal/python3.11/lib-dynload/termios.cpython-311-x86_64-linux-gnu.so", "termios"),
    ],
)
def test_a_part_that_is_missing_is_named(tmp_path: Path, part: str, word: str) -> None:
    folder = tmp_path / "kioskwire-appliance"
    shutil.copytree(appliance("in-folder").parent, folder, symlinks=True)
    (folder / part).unlink()
    told = Bare(tmp_path / "work").run(folder / "kioskwire-appliance", "selftest")
    assert told.returncode == 1
    assert "BROKEN" in told.stdout
    assert word in told.stdout


def test_wrong_settings_are_told_all_at_once(bare: Bare, program: Path) -> None:
    told = bare.run(program, "run", environ={"WS_SERVER_URL": "http://hub", "WS_TOKEN": "t", "LOG_LEVEL": "x"})
    assert told.returncode == 2
    assert all(name in told.stderr for name in ("WS_SERVER_URL", "LOG_LEVEL", "routing_config.yaml"))
    assert "Traceback" not in told.stderr


def test_frames_are_told_in_words(bare: Bare, program: Path) -> None:
    assert "poll" in bare.run(program, "decode", "ccnet", "02030633DA81").stdout.lower()
    assert bare.run(program, "devices", "--help").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="for root every directory takes files but one that is not there")
def test_one_file_that_cannot_unpack_says_so(tmp_path: Path) -> None:
    with Root(tmp_path / "bare") as there:
        (tmp_path / "bare" / "tmp").rmdir()
        told = there.run(appliance("one-file"), "version")
        assert told.returncode != 0
        assert "temporary directory" in told.stderr
        assert there.run(appliance("in-folder"), "version").returncode == 0  # which unpacks nothing


def test_one_file_whose_first_process_is_killed_ends(tmp_path: Path) -> None:
    running, _ = started(tmp_path, appliance("one-file"))
    assert len(processes(running.pid)) == 2
    os.kill(running.pid, signal.SIGKILL)
    running.wait(10)
    wait_for("the second one ends", lambda: not processes(running.pid), 20)
    assert '"message":"stopped"' in (tmp_path / "log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_nothing_stays(tmp_path: Path, program: Path, number: int) -> None:
    running, unpacked = started(tmp_path, program)
    os.kill(running.pid, number)
    assert running.wait(20) == 0
    assert '"message":"stopped"' in (tmp_path / "log").read_text()
    wait_for("no process of it is left", lambda: not processes(running.pid))
    assert list(unpacked.iterdir()) == []


def test_in_its_folder_it_is_one_process(tmp_path: Path) -> None:
    running, unpacked = started(tmp_path, appliance("in-folder"))
    try:
        assert processes(running.pid) == [running.pid]
        assert list(unpacked.iterdir()) == []
    finally:
        running.kill()
        running.wait(10)


def started(directory: Path, program: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """A kiosk that nobody told of a hub that is there, once it listens; and where one file unpacks itself."""
    unpacked = directory / "unpacked"
    unpacked.mkdir()
    (directory / "routing_config.yaml").write_text(ROUTES)
    environ = {
        "WS_SERVER_URL": "ws://127.0.0.1:9/ws", "WS_TOKEN": "token", "STATE_DIR": str(directory / "state"),
        "HEALTH_CHECK_PORT": "0", "TMPDIR": str(unpacked),
    }  # fmt: skip
    with (directory / "log").open("wb") as log:
        running = subprocess.Popen(
            [program, "run"], cwd=directory, env=environ, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for("listening", lambda: '"message":"no link to the hub"' in (directory / "log").read_text(), 30)
    except BaseException:
        running.kill()
        running.wait(10)
        raise
    time.sleep(0.2)
    return running, unpacked
