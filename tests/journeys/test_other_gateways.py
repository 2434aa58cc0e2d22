"""Kaspi terminals and ATOL's web server through `POST /send`, with real processes: paid, killed, found again."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos.stored import read_rows
from tests.journeys.site import Json, Kiosk, Site, unique, until


class Terminal:
    """`kioskwire-sim kaspi-pos`."""

    def __init__(self, url: str, ledger: Path) -> None:
        self.url, self.ledger = url, ledger

    def fault(self, **fault: Any) -> None:
        httpx.post(f"{self.url}/sim/faults", json=fault, trust_env=False, timeout=60.0).raise_for_status()

    def charges(self, minor: int) -> int:
        """How often an amount was charged."""
        lines = [json.loads(line) for line in self.ledger.read_bytes().splitlines()]
        return sum(line["effect"] == "charge" and line["minor"] == minor for line in lines)


@contextmanager
def simulated(*arguments: str) -> Iterator[str]:
    """One that runs; gives the first line it says."""
    command = [sys.executable, "-m", "appliance.simulate", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline()
        finally:
            process.kill()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    ledger = tmp_path / "ledger.jsonl"
    with simulated("kaspi-pos", "--ledger", str(ledger), "--speed", "4", "--log-level", "INFO") as line:
        yield Terminal(json.loads(line)["url"], ledger)


def routes(terminal: Terminal) -> Json:
    return {"routes": {"pos": {"gateway": "kaspi-pos", "url": terminal.url, "timeout": 30, "poll": 0.1}}}


def pay(amount: int) -> Json:
    return {"amount": amount, "currency": "KZT"}


def test_a_payment_at_a_terminal(site: Site, terminal: Terminal) -> None:
    with site.kiosk("kaspi", routes(terminal)) as kiosk:
        paid = site.backend.send(kiosk.id, "pos", pay(125000))
        assert (paid.status_code, paid.json()["status"]) == (200, "approved"), paid.text
        wrong = site.backend.send(kiosk.id, "pos", {"amount": 125050, "currency": "RUB"})
        assert wrong.status_code == 400
        assert "right would be KZT" in wrong.text
        assert "whole tenge" in wrong.text
        terminal.fault(fault="busy", count=1)
        busy = site.backend.send(kiosk.id, "pos", pay(30000))
        assert (busy.status_code, busy.json()["outcome"]) == (502, "not_executed")
        assert terminal.charges(125000) == 1
        assert terminal.charges(30000) == 0


def test_killed_while_the_customer_pays_it_is_polled_on(site: Site, terminal: Terminal) -> None:
    with site.kiosk("kaspi-killed", routes(terminal)) as kiosk:
        key = unique("order")
        terminal.fault(fault="slow", seconds=10.0, count=1)
        sent = site.backend.later(kiosk.id, "pos", pay(225000), key=key)
        request_id = site.backend.sent(kiosk.id, key)
        until("a customer at the terminal", lambda: _busy(terminal))
        until("the process in the journal", lambda: _process(kiosk))  # killed before, nobody can ever tell
        kiosk.restart()
        ended = site.backend.final(request_id)
        assert (ended["state"], ended["executed"]) == ("succeeded", "yes"), ended
        again = site.backend.send(kiosk.id, "pos", pay(225000), key=key)
        assert again.json()["status"] == "approved"
        assert terminal.charges(225000) == 1
        sent.result()


def test_a_lost_start_is_unknown_and_never_charged_again(site: Site, terminal: Terminal) -> None:
    with site.kiosk("kaspi-lost", routes(terminal)) as kiosk:
        key = unique("order")
        terminal.fault(fault="lost", count=1)
        lost = site.backend.send(kiosk.id, "pos", pay(325000), key=key)
        assert lost.json()["outcome"] == "unknown", lost.text
        until("the charge", lambda: terminal.charges(325000))
        site.backend.send(kiosk.id, "pos", pay(325000), key=key)
        assert terminal.charges(325000) == 1
        assert site.backend.send(kiosk.id, "pos", pay(425000)).json()["status"] == "approved"


def test_native_tasks_of_atol(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with simulated("atol-web", "--tcp", "127.0.0.1:0", "--quiet", "--option", "speed=20") as line:
        url = line.split()[2].rstrip(";").replace("tcp://", "http://")
        with site.kiosk("atol", {"routes": {"atol": {"gateway": "atol-web", "url": url, "poll": 0.1}}}) as kiosk:
            closed = site.backend.send(kiosk.id, "atol", {"type": "closeShift"})
            assert (closed.status_code, "no shift is open" in closed.text) == (502, True)
            opened = site.backend.send(kiosk.id, "atol", {"type": "openShift"})
            assert opened.json()["fiscal"]["number"] == 1, opened.text


def _process(kiosk: Kiosk) -> str:
    """The terminal's own id of what is under way, as the journal has it."""
    journal = kiosk.appliance.directory / "state" / "journal.db"
    works = read_rows(journal, "SELECT data FROM works WHERE kind = 'kaspi-pos'")
    return next((str(json.loads(data).get("process_id", "")) for (data,) in works), "")


def _busy(terminal: Terminal) -> bool:
    answer: Json = httpx.get(f"{terminal.url}/v2/deviceinfo", trust_env=False, timeout=60.0).json()
    return bool(answer["statusCode"] == 107)
