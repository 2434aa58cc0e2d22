"""The commands, as a technician or a maintainer script meets them."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.__main__ import main
from appliance.updates.confirm import confirm
from appliance.updates.files import GOOD, RESTART, UpdateFiles
from appliance.updates.places import archive_name, this_target
from appliance.updates.trial import Baseline
from tests.appliance.updates.releases import Signer, lay, program
from tests.appliance.worlds import journal

WELL = Baseline(version="1.0.0", at=1.0, connected=True, up=["bills"])


def page(**changes: Any) -> dict[str, Any]:
    return {
        "ws_connected": True, "devices": {"bills": {"state": "disabled"}}, "journal": {"trouble": None},
        "updates": {"on_trial": False}, **changes,
    }  # fmt: skip


@contextlib.contextmanager
def health(answer: dict[str, Any]) -> Iterator[str]:
    """A health page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if answer["journal"]["trouble"] else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/health"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"ws_connected": False}, "the hub is not reached"),
        ({"devices": {"bills": {"state": "fault"}}}, "bills does not work"),
        ({"devices": {}}, ""),
        ({"journal": {"trouble": "the disk is full"}}, "the disk is full"),
        ({"updates": {"on_trial": True}}, "yet to prove itself"),
        ({"devices": 7}, "does not answer"),
    ],
)
def test_confirm_asks_the_health_page(changes: dict[str, Any], words: str) -> None:
    said: list[str] = []
    with health(page(**changes)) as url:
        status = confirm(url, lambda: WELL, 0.2 if words else 20.0, said.append, every_s=0.01)
    assert status == int(bool(words))
    assert words in said[-1]


def test_confirm_without_anybody_there() -> None:
    said: list[str] = []
    assert confirm("http://127.0.0.1:9/health", lambda: None, 0.05, said.append, every_s=0.01) == 1
    assert "does not answer" in said[0]


class Told:
    """What a command ends with and says."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str]:
        status = main(words)
        said = self._capsys.readouterr()
        return status, said.out + said.err


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    for name, value in {
        "KIOSKWIRE_LIB": tmp_path / "lib", "KIOSKWIRE_APP": tmp_path / "app", "STATE_DIR": tmp_path / "state",
        "UPDATE_KEYS_FILE": tmp_path / "release.pub", "HEALTH_CHECK_PORT": "9",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    return Told(capsys)


def test_where_no_appliance_has_run(told: Told) -> None:
    assert told("update")[0] == 0
    assert told("restart", "--when-idle") == (0, "no appliance runs here; the next start takes what is there\n")
    assert told("confirm", "--within", "0.1")[0] == 1
    assert told("update", "forgive", "1.0.0") == (1, "kioskwire-appliance: 1.0.0 has not failed here\n")
    assert told("update", "forgive", "one")[0] == 2
    assert told("update", "forgive")[0] == 2
    assert told("update", "check", "1.0.0")[0] == 2
    assert told("update", "check", "--file", "x")[0] == 2


def test_a_file_is_installed_where_none_runs_and_is_on_trial_at_the_next_start(told: Told, tmp_path: Path) -> None:
    signer = Signer()
    (tmp_path / "release.pub").write_text(signer.public)
    (tmp_path / "state").mkdir()
    given = tmp_path / archive_name("1.1.0", this_target())
    given.write_bytes(program("1.1.0"))
    assert "minisig cannot be read" in told("update", "--file", str(given))[1]
    given.with_name(f"{given.name}.minisig").write_text(signer.sign(given.read_bytes()))
    lay(tmp_path / "lib/appliance", "1.1.0")
    assert "not newer than the package's 1.1.0" in told("update", "--file", str(given))[1]
    (tmp_path / "lib/appliance/1.1.0").rename(tmp_path / "lib/appliance/1.0.0")
    status, said = told("update", "--file", str(given))
    assert (status, "the next start is of 1.1.0, on trial" in said) == (0, True)
    files = UpdateFiles(tmp_path / "state")
    assert (files.word("current"), files.word("trial")) == ("1.1.0", "1.1.0")
    files.add_bad("1.1.0", "why not\x1b]0;\x07")
    assert "1.1.0 why not?]0;?" in told("update")[1], "and nothing is done to the terminal"
    assert "1.1.0 may be tried again when its turn comes" in told("update", "forgive", "1.1.0")[1]
    assert files.word("current") == "", "and not by just any restart"
    assert files.bad() == {}


async def test_a_restart_that_nobody_hears_is_taken_back(told: Told, tmp_path: Path) -> None:
    async with journal(tmp_path / "state"):
        files = UpdateFiles(tmp_path / "state")
        files.make()
        files.write(GOOD, "1.0.0")
        status, said = told("restart", "--when-idle", "--within", "0.5")
        assert (status, "something moved all the time" in said) == (1, True)
        assert not files.exists(RESTART)
