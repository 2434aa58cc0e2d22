"""`kioskwire-sim` as a stranger types it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.gateways import Answered, Gateways, NeverGot
from appliance.gateways.faults import FAULTS
from appliance.gateways.http import Pinned
from appliance.gateways.kaspi_faults import KASPI_FAULTS
from appliance.simulate import COMMANDS, main
from tests.appliance.worlds import PATIENCE_S
from wire.version import VERSION


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance.simulate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@contextmanager
def running(*arguments: str, service: str = "gateway") -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """The program and its line that says where it listens."""
    command = [sys.executable, "-m", "appliance.simulate", service, *arguments]
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


def test_help_of_the_terminal_explains_the_faults() -> None:
    answer = run("kaspi-pos", "--help")
    assert answer.returncode == 0
    assert [name for name, words in KASPI_FAULTS.items() if f"{name:16} {words}" not in answer.stdout] == []


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
        answer = httpx.post(
            f"{line['url']}/api/v1/payment", json={"order_id": "A1", "sum": 1}, trust_env=False, timeout=PATIENCE_S
        )
        assert answer.json()["status"] == "declined"
        assert [json.loads(text)["effect"] for text in ledger.read_text().splitlines()] == ["declined"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def test_a_kill_takes_nothing_from_the_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with running("--ledger", str(ledger)) as (process, line):
        for order in range(20):
            httpx.post(
                f"{line['url']}/api/v1/payment", json={"order_id": order, "sum": 1}, trust_env=False, timeout=PATIENCE_S
            )
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


def test_all_mistakes_of_a_terminal_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--unit", "rouble", "--method", "cash", "--speed", "0", "--fault", "pay=lost", "--fault", "slow:x"]
    assert main(["kaspi-pos", *arguments, "--port", "x", "--ledger", "/nowhere/ledger.jsonl"]) == 2
    told = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]
    assert told == [
        "--unit=rouble", "--method=cash", "--speed=0", "--port=x", "--fault=pay=lost", "--fault=slow:x",
        "--ledger=/nowhere/ledger.jsonl",
    ]  # fmt: skip


def test_a_terminal_charges_and_keeps_a_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with running("--ledger", str(ledger), "--speed", "50", service="kaspi-pos") as (process, line):
        with httpx.Client(base_url=line["url"], trust_env=False, timeout=PATIENCE_S) as client:
            begun = client.get("/v2/payment", params={"amount": "1250", "owncheque": "false"}).json()["data"]
            told = {"status": "wait"}
            deadline = time.monotonic() + PATIENCE_S
            while told["status"] == "wait" and time.monotonic() < deadline:
                told = client.get("/v2/status", params={"processId": begun["processId"]}).json()["data"]
            assert told["status"] == "success"
        effects = [json.loads(text) for text in ledger.read_text().splitlines()]
        assert [(each["effect"], each["minor"], each["process_id"]) for each in effects] == [
            ("charge", 125000, begun["processId"])
        ]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by the openssl command")
async def test_a_terminal_with_a_certificate_of_its_own_is_known_by_its_fingerprint() -> None:
    with running("--tls", service="kaspi-pos") as (_process, line):
        gateways, url = Gateways(), f"{line['url']}/v2/deviceinfo"
        right = await gateways.fetch(url, timeout=PATIENCE_S, trust=Pinned(line["fingerprint"]))
        assert isinstance(right, Answered)
        assert b"serialNum" in bytes(right.body)
        wrong = await gateways.fetch(url, timeout=PATIENCE_S, trust=Pinned("0" * 64))
        assert isinstance(wrong, NeverGot)
        assert f"its certificate has the fingerprint {line['fingerprint']}, not the one" in wrong.detail
        unsaid = await gateways.fetch(url, timeout=PATIENCE_S)
        assert isinstance(unsaid, NeverGot)
        assert "verify failed" in unsaid.detail
        await gateways.close()


def test_atol_web_is_the_device_under_the_name_of_its_route(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "appliance.simulate", "atol-web", "--tcp", "127.0.0.1:0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            where = process.stdout.readline().split()
            assert where[:2] == ["atol", "at"]
            url = where[2].rstrip(";").replace("tcp://", "http://")
            answer = httpx.get(f"{url}/api/v2/requests/1", trust_env=False, timeout=PATIENCE_S)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, 505)
        finally:
            process.kill()


class Further:
    """An entry point of a command that another program brings."""

    def __init__(self, name: str, command: object) -> None:
        self.name = name
        self._command = command

    def load(self) -> object:
        if isinstance(self._command, Exception):
            raise self._command
        return self._command


def further(monkeypatch: pytest.MonkeyPatch, *points: Further) -> list[str]:
    """Have these; returns a list of how often they were looked for."""
    looked: list[str] = []

    def find(*, group: str) -> list[Further]:
        looked.append(group)
        return list(points)

    monkeypatch.setattr("importlib.metadata.entry_points", find)
    return looked


def test_other_programs_may_bring_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("a weather machine", lambda parser: parser.add_argument("--rain"), lambda options, _: int(options.rain))
    further(monkeypatch, Further("weather", command), Further("gateway", ValueError("ours goes first")))
    assert main(["weather", "--rain", "7"]) == 7
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "weather   a weather machine" in capsys.readouterr().out


def test_a_broken_one_is_told_of_when_it_is_asked_for_and_breaks_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    further(monkeypatch, Further("weather", ModuleNotFoundError("No module named 'sky'")))
    with pytest.raises(SystemExit) as helped:
        main(["--help"])
    assert helped.value.code == 0
    assert "weather" not in capsys.readouterr().out
    assert main(["weather"]) == 1
    words = "kioskwire-sim: weather cannot be loaded: ModuleNotFoundError: No module named 'sky'\n"
    assert capsys.readouterr().err == words
    with pytest.raises(SystemExit):
        main(["wether"])
    assert "did you mean weather?" in capsys.readouterr().err


def test_they_are_not_looked_for_when_a_command_of_ours_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = further(monkeypatch)
    assert main(["gateway", "--port", "x"]) == 2
    assert main(["list"]) == 0
    with pytest.raises(SystemExit):
        main(["--version"])
    assert looked == []
