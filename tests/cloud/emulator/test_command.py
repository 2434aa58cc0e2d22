"""`kioskwire-sim telegram` as a stranger types it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from appliance.simulate import main
from cloud.emulator import command

COMMAND = [
    sys.executable,
    "-c",
    "import argparse, sys; from cloud.emulator.command import declare, run; parser = argparse.ArgumentParser(); "
    "declare(parser); sys.exit(run(parser.parse_args(), []))",
]


@contextmanager
def running(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The program, and where it listens."""
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = json.loads(process.stdout.readline())
            assert line["message"] == "listening"
            yield process, line["url"]
        finally:
            process.kill()


def test_it_serves_until_it_is_told_to_stop() -> None:
    with running("--port", "0", "--admin", "5", "--group", "Log#", "--group", "Alerts=-77") as (process, url):
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            assert client.get("/").status_code == 200
            said = client.post("/sim/say", json={"say": "/start", "user": 5})
            assert said.json()["said"]["from"]["first_name"] == "You"
            updates = client.get(f"/bot{command.TOKEN}/getUpdates").json()["result"]
            assert updates[0]["message"]["text"] == "/start"
            assert updates[0]["update_id"] > 1_700_000_000, "an earlier run has not come so far"
            assert updates[0]["message"]["message_id"] > 1_000_000
            for chat, title in ((-1001, "Log"), (-77, "Alerts")):
                found = client.get(f"/bot{command.TOKEN}/getChat", params={"chat_id": chat})
                assert found.json()["result"]["title"] == title
        port = url.rpartition(":")[2]
        taken = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=120, check=False)
        assert taken.returncode == 1
        assert "another program listens there" in taken.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_all_mistakes_are_told_at_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", _only_this)
    arguments = [
        "--port",
        "http",
        "--host",
        "0.0.0.0",
        "--token",
        "123:short",
        "--admin",
        "me",
        "--group",
        "Log=7",
        "--group",
        "A=-5",
        "--group",
        "B=-5",
    ]
    assert main(["telegram", *arguments, "--language", "russian", "--lodger", "x"]) == 2
    told = [line.removeprefix("kioskwire-sim: ").split(": ")[0] for line in capsys.readouterr().err.splitlines()]
    assert told == [
        "--lodger", "x", "--host=0.0.0.0", "--token", "--language=russian", "--group=Log=7", "--group=-5",
        "--admin=me", "--port=http",
    ]  # fmt: skip


class _Point:
    name = "telegram"

    @staticmethod
    def load() -> object:
        return command.COMMAND


def _only_this(*, group: str) -> list[_Point]:
    assert group == "kioskwire.sim"
    return [_Point()]
