"""Commands whose words nobody takes: a closed pipe, a full disk, no stdout at all, Ctrl-C."""

import os
import subprocess
import sys

import pytest

from appliance.workbench.screen import INTERRUPTED, tell_all

DECODE = [sys.executable, "-m", "appliance", "decode", "ccnet", "02030633DA81"]


def test_a_full_disk_is_told_in_a_line() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(DECODE, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "kioskwire-appliance decode: its output cannot be written: No space left on device\n"
    assert done.returncode == 1


def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(DECODE, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_closed_stdout_is_no_fault() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" >&-', "sh", *DECODE], stderr=subprocess.PIPE, text=True, check=False
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)


def test_ctrl_c_ends_without_a_traceback() -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert tell_all("x", interrupted) == INTERRUPTED


def test_what_is_not_the_screens_is_not_hidden() -> None:
    def broken() -> int:
        raise OSError(28, "No space left on device", "journal")

    with pytest.raises(OSError, match="journal"):
        tell_all("x", broken)
