"""A part of the journeys with two hubs on one database and one Redis; `make test-hubs` goes all of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.program import die_with
from tests import hubs

_HERE = Path(__file__).parent
# Where another hub may have the kiosk, the caller, or what is known of both.
_PART = (
    "test_killed_hub.py",
    "test_repetition.py",
    "test_cut_link.py::test_a_kiosk_that_comes_back_within_the_grace_brings_its_caller_the_answer",
    "test_cut_link.py::test_a_request_lost_on_the_way_to_the_kiosk_is_sent_again_and_executed_once",
)
_LIMIT_S = 600.0


@pytest.mark.skipif(hubs.wanted() > 1, reason="all journeys are gone with several hubs just now")
def test_with_two_hubs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", f"--basetemp={tmp_path / 'two'}", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(str(_HERE / name) for name in _PART)],
        env={**os.environ, "HUBS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LIMIT_S,
        check=False,
        preexec_fn=die_with(os.getpid()),
    )
    assert done.returncode == 0, done.stdout[-20_000:]
