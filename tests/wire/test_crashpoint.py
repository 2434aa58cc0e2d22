"""Crash points end a program where they are told to, in test builds, and are nothing anywhere else."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wire import crashpoint
from wire.crashpoint import VARIABLE, is_test_build, parse, switch

SCRIPT = """
from wire.crashpoint import crash_point, crash_points
crash_point("hub.room.other.before")
for number in range(3):
    crash_point("hub.room.act.before")
    crash_points(("hub.room.act", "", "hub.room.last"), "after")
    print(number, flush=True)
print("alive", flush=True)
"""


def run(at: str, tree: Path = Path(crashpoint.__file__).parents[1]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, VARIABLE: at, "PYTHONPATH": str(tree)}
    script = [sys.executable, "-c", SCRIPT]
    return subprocess.run(script, env=environment, cwd=tree, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("at", "printed"),
    [
        ("hub.room.act.before", ""),
        ("hub.room.act.before:2", "0\n"),
        ("hub.room.act.after:3", "0\n1\n"),
        ("hub.room.last.after", ""),
    ],
)
def test_the_process_dies_at_the_visit_that_was_named(at: str, printed: str) -> None:
    ended = run(at)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, printed)
    assert ended.stderr == f"crash point {at.partition(':')[0]}: the process dies here\n"


@pytest.mark.parametrize("at", ["", "hub.room.act.before:4", "hub.room.nowhere.after"])
def test_what_is_not_visited_so_often_ends_nothing(at: str) -> None:
    ended = run(at)
    assert (ended.returncode, ended.stdout.splitlines()[-1], ended.stderr) == (0, "alive", "")


@pytest.mark.parametrize(
    "at", ["hub", "hub.room.act", "hub.room.act.before:0", "hub.room.act.before:x", ":", ".before:"]
)
def test_what_names_no_point_is_refused_in_words(at: str) -> None:
    ended = run(at)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{VARIABLE}={at}: right would be ")
    with pytest.raises(ValueError, match="right would be"):
        parse(at)


def test_no_other_thread_goes_on_meanwhile() -> None:
    script = (
        "import threading\nfrom wire.crashpoint import crash_point\nat = [0]\n"
        "def count():\n    while True:\n        at[0] += 1\n"
        "threading.Thread(target=count, daemon=True).start()\n"
        "import ctypes, os\nos.kill = lambda *_: (print(at[0] - before), os._exit(0))\n"
        "before = at[0]\ncrash_point('hub.room.act.before')\n"
    )
    script = script.replace("before = at[0]\n", "import sys; sys.setswitchinterval(0.5)\nbefore = at[0]\n")
    environment = {
        **os.environ,
        VARIABLE: "hub.room.act.before",
        "PYTHONPATH": str(Path(crashpoint.__file__).parents[1]),
    }
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.stdout, ended.returncode) == ("0\n", 0)


def test_nothing_that_is_installed_can_be_ended(tmp_path: Path) -> None:
    tree = Path(crashpoint.__file__).parents[1]
    bare, installed = tmp_path / "bare", tmp_path / "site-packages"
    for place in (bare, installed):
        shutil.copytree(tree / "wire", place / "wire", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        tree / "tests" / "chaos", installed / "tests" / "chaos", ignore=shutil.ignore_patterns("__pycache__")
    )
    for place in (bare, installed):
        for at in ("hub.room.act.before", "nonsense"):
            ended = run(at, place)
            assert (ended.returncode, ended.stdout.splitlines()[-1], ended.stderr) == (0, "alive", "")


def test_a_frozen_program_is_no_test_build() -> None:
    package = Path(crashpoint.__file__).parent
    assert is_test_build(package, frozen=False)
    assert not is_test_build(package, frozen=True)


def test_switched_off_both_do_nothing_at_all() -> None:
    visit, visit_all = switch("", pytest.fail)
    visit("hub.room.act.before")
    visit_all(iter(["never looked at", 1]), "before")  # type: ignore[list-item]


def test_the_process_of_the_tests_has_them_switched_off() -> None:
    assert (crashpoint.crash_point, crashpoint.crash_points) == switch("", lambda _name: None)
