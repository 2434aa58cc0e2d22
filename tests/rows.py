"""All tests, in rows beside each other: most of them wait for programs, customers, devices and pages most of the time.

    python tests/rows.py

What a row says goes into .state/tests-<row>.log, and is shown whole at the end where a test failed; of the longest row
it is shown as it comes. An interruption ends all rows, each in order: nothing they began stays behind.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

# About as long as each other. What is in none of them is the row that is shown as it comes.
_HUBS = tuple(f"tests/cloud/{room}" for room in ("operations", "kiosks", "bus", "db", "processes"))
_DESK = tuple(f"tests/appliance/{room}" for room in ("cash", "desk", "fiscal", "gateways", "printing"))
ROWS: Mapping[str, Sequence[str]] = {
    "cloud": ("tests/cloud", *(f"--ignore={room}" for room in _HUBS)),
    "hubs": _HUBS,
    "desk": _DESK,
    "journeys": ("tests/journeys", "tests/bench"),
    "browser": ("tests/browser", "tests/chaos"),
}
REST = "rest"
ENDING_S = 30.0  # for tests to put away what they began


def run(rows: Mapping[str, Sequence[str]], shown: Sequence[str], logs: Path) -> int:
    """Run each row's arguments with pytest, and `shown` where it is seen; returns the worst exit status."""
    logs.mkdir(exist_ok=True)
    began = time.monotonic()
    running: dict[str, subprocess.Popen[bytes]] = {}
    ended: dict[str, tuple[int, float]] = {}
    # Looked at between steps, not raised: in the middle of a start it would leave a row that nobody knows of.
    enough: list[signal.Signals] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: enough.append(signal.Signals(number)))
    for name, arguments in rows.items():
        with _log(logs, name).open("wb") as file:
            running[name] = _pytest(arguments, file.fileno())
    print(f"{', '.join(rows)} run beside the rest, into {_log(logs, '*')}", flush=True)
    running[REST] = _pytest(shown, None)
    while len(ended) < len(running):
        for name, row in running.items():
            if name not in ended and row.poll() is not None:
                ended[name] = (row.returncode, time.monotonic() - began)
        if enough:
            _stop(running.values())
            print(f"\nended: {enough[0].name}", flush=True)
            return 130
        time.sleep(0.1)
    for name in rows:
        text = _log(logs, name).read_text(errors="replace").rstrip("\n")
        print(f"\n== {name}\n{text if ended[name][0] else text.rpartition(chr(10))[2]}")
    print()
    for name, (status, seconds) in ended.items():
        print(f"{name:10} {seconds / 60:5.1f} min  {'failed' if status else 'passed'}")
    return max(abs(status) for status, _ in ended.values())


def _log(logs: Path, name: str) -> Path:
    return logs / f"tests-{name}.log"


def _pytest(arguments: Sequence[str], output: int | None) -> "subprocess.Popen[bytes]":
    """In a group of its own: the terminal's Ctrl-C reaches us alone, and each row once, by us."""
    words = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


def _stop(rows: "Iterable[subprocess.Popen[bytes]]") -> None:
    """As by Ctrl-C each; what does not end by that is killed, with what it started."""
    there = [row for row in rows if row.poll() is None]
    for row in there:
        row.send_signal(signal.SIGINT)
    until = time.monotonic() + ENDING_S
    for row in there:
        with contextlib.suppress(subprocess.TimeoutExpired):
            row.wait(max(0.1, until - time.monotonic()))
        if row.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(row.pid, signal.SIGKILL)
            row.wait()


if __name__ == "__main__":
    apart = [f"--ignore={folder}" for row in ROWS.values() for folder in row if not folder.startswith("--")]
    sys.exit(run(ROWS, apart, Path(".state")))
