"""`kioskwire-sim` as a stranger types it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.gateways.faults import FAULTS
from appliance.simulate import COMMANDS, main
from wire.version import VERSION


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance.simulate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@contextmanager
def running(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """The program and its line that says where it listens."""
    command = [sys.executable, "-m", "appliance.simulate", "gateway", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_help_names_every_command() -> None:
    answer = run("--help")
    assert answer.returncode == 0
    assert [name for name in COMMANDS if name not in answer.stdout] == []


def test_help_of_the_gateway_explains_the_faults() -> None:
    answer = run("gateway", "--help")
    assert answer.returncode == 0
    assert [name for name, words in FAULTS.items() if f"{name:15} {words}" not in answer.stdout] == []


def test_version() -> None:
    assert run("--version").stdout == f"kioskwire-sim {VERSION}\n"


@pytest.mark.parametrize("arguments", [(), ("teapot",), ("gateway", "--port")])
def test_what_is_no_command_exits_with_2(arguments: tuple[str, ...]) -> None:
    answer = run(*arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("usage: kioskwire-sim")


def test_all_mistakes_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--port", "http", "--fault", "pay=slow", "--fault", "quick", "--log-level", "loud", "--lodger", "x"]
    assert main(["gateway", *arguments, "--ledger", "/nowhere/ledger.jsonl"]) == 2
    told = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]
    assert told == [
        "--lodger",
        "x",
        "--port=http",
        "--fault=pay=slow",
        "--fault=quick",
        "--log-level=loud",
        "--ledger=/nowhere/ledger.jsonl",
    ]


def test_a_file_that_is_no_ledger_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    assert main(["gateway", "--ledger", str(tmp_path / "notes.txt")]) == 2
    assert "is no ledger" in capsys.readouterr().err


def test_it_says_where_it_listens_and_acts_on_the_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with running("--ledger", str(ledger), "--fault", "payment=decline") as (process, line):
        assert line["message"] == "listening"
        answer = httpx.post(f"{line['url']}/api/v1/payment", json={"order_id": "A1", "sum": 1}, trust_env=False)
        assert answer.json()["status"] == "declined"
        assert [json.loads(text)["effect"] for text in ledger.read_text().splitlines()] == ["declined"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_kill_takes_nothing_from_the_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with running("--ledger", str(ledger)) as (process, line):
        for order in range(20):
            httpx.post(f"{line['url']}/api/v1/payment", json={"order_id": order, "sum": 1}, trust_env=False)
        os.kill(process.pid, signal.SIGKILL)
    assert [json.loads(text)["order_id"] for text in ledger.read_text().splitlines()] == [str(i) for i in range(20)]


def test_a_port_that_is_taken_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = run("gateway", "--port", str(port))
    assert answer.returncode == 1
    assert answer.stderr == (
        f"kioskwire-sim: cannot listen on 127.0.0.1 port {port}: "
        "another program listens there; choose another --port, or 0\n"
    )
