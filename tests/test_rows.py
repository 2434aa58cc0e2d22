"""Tests in rows: what failed is shown, and an interruption leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.rows import ROWS

ROOT = Path(__file__).parents[1]
RUN = "import sys; sys.path.insert(0, {root!r}); from pathlib import Path; from tests.rows import run; " \
    "sys.exit(run({rows!r}, {shown!r}, Path('logs')))"  # fmt: skip
PLAIN = ["-p", "no:cacheprovider", "-c", "none.ini"]
WAITING = """
import pathlib, pytest, time
@pytest.fixture
def something():
    yield
    pathlib.Path("{name}.put-away").touch()
def test_that_waits(something):
    pathlib.Path("{name}.begun").touch()
    time.sleep(600)
"""


def begin(directory: Path, **tests: str) -> "subprocess.Popen[str]":
    """Rows of a file each; the last is the one that is shown as it comes."""
    (directory / "none.ini").write_text("[pytest]\n")
    for name, text in tests.items():
        (directory / f"test_{name}.py").write_text(text)
    *apart, shown = tests
    rows = {name: [*PLAIN, f"test_{name}.py"] for name in apart}
    code = RUN.format(root=str(ROOT), rows=rows, shown=[*PLAIN, f"test_{shown}.py"])
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def test_every_row_is_there() -> None:
    named = [folder.removeprefix("--ignore=") for row in ROWS.values() for folder in row]
    assert [folder for folder in named if not (ROOT / folder).is_dir()] == []


def test_what_a_row_leaves_out_is_in_another() -> None:
    folders = {folder for row in ROWS.values() for folder in row if not folder.startswith("--")}
    left_out = {folder.removeprefix("--ignore=") for row in ROWS.values() for folder in row} - folders
    assert left_out == set()
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_what_failed_in_a_row_is_shown_whole_and_what_passed_in_a_line(tmp_path: Path) -> None:
    row = begin(
        tmp_path, good="def test_a(): print('quiet')\n", bad="def test_b(): assert 'why' == 'so'\n",
        rest="def test_c(): pass\n",
    )  # fmt: skip
    said, _ = row.communicate(timeout=300)
    assert row.returncode == 1, said
    assert "assert 'why' == 'so'" in said
    assert "quiet" not in said
    told = {(line.split()[0], line.split()[-1]) for line in said.splitlines() if " min  " in line}
    assert told == {("good", "passed"), ("bad", "failed"), ("rest", "passed")}


def test_an_interruption_ends_all_rows_in_order(tmp_path: Path) -> None:
    row = begin(tmp_path, one=WAITING.format(name="one"), two=WAITING.format(name="two"))
    until = time.monotonic() + 120
    while not all((tmp_path / f"{name}.begun").exists() for name in ("one", "two")):
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(row.pid, signal.SIGINT)  # as a terminal does
    said, _ = row.communicate(timeout=200)
    assert row.returncode == 130, said
    assert all((tmp_path / f"{name}.put-away").exists() for name in ("one", "two"))
