"""What is looked at while the doors are tried: logs, memory, and a payment that goes on beside it all."""

import asyncio
import json
import time
from pathlib import Path

import httpx

from bench.program import Program
from bench.stack import Gateway, send_headers
from tests.chaos.results import Result

_MIB = 1024 * 1024


class Watch:
    """One program from now on: the same process, no traceback, and no more memory than it may take."""

    def __init__(self, program: Program, name: str = "") -> None:
        self._program = program
        self._name = name or program.name
        self._pid = program.pid
        self._log_from = program.log.stat().st_size if program.log.exists() else 0
        self._rss = rss_mib(self._pid)

    def lines(self) -> list[str]:
        """What it logged since."""
        with self._program.log.open("rb") as log:
            log.seek(self._log_from)
            return log.read().decode("utf-8", "replace").split("\n")[:-1]

    def judge(self, result: Result, grows_mib: float) -> None:
        """Note the figures, and a breach for each thing that is not as it must be."""
        if not self._program.alive or self._program.pid != self._pid:
            result.breaches.append(f"the {self._name} ended: {self._program.tail()}")
            return
        result.aim(f"{self._name}_grew_mib", rss_mib(self._pid) - self._rss, grows_mib)
        strange = [line for line in self.lines() if not is_calm(line)]
        result.figures[f"{self._name}_tracebacks"] = len(strange)
        result.breaches += [f"the {self._name} logged: {line[:1500]}" for line in strange[:5]]


def is_calm(line: str) -> bool:
    """Whether a log line is one of ours and tells no defect."""
    if "Traceback" in line or "was never " in line:
        return False
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False  # what Python prints by itself


def rss_mib(pid: int) -> float:
    """Its memory, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Bystander:
    """Pays again and again at one kiosk, and expects to be served as ever."""

    def __init__(self, url: str, key: str, kiosk: str, gateway: Gateway) -> None:
        self._url = url
        self._key = key
        self._kiosk = kiosk
        self._gateway = gateway
        self._orders: list[str] = []
        self._wrong: list[str] = []
        self._longest = 0.0  # seconds of a payment since the last note
        self._longest_ever = 0.0

    async def live(self) -> None:
        """Until cancelled."""
        async with httpx.AsyncClient(base_url=self._url, timeout=30.0, trust_env=False) as http:
            while True:
                await self._pay(http)
                await asyncio.sleep(0.05)

    async def _pay(self, http: httpx.AsyncClient) -> None:
        order = f"bystander-{len(self._orders)}"
        began = time.monotonic()
        self._orders.append(order)
        headers = send_headers(self._kiosk, "payment", key=self._key, idempotency=order)
        answer = await http.post("/send", json={"order_id": order, "sum": 100}, headers=headers)
        self._longest = max(self._longest, time.monotonic() - began)
        if answer.status_code != 200 or answer.json().get("order_id") != order:
            self._wrong.append(f"{order}: {answer.status_code} {answer.text[:200]}")

    def note(self, result: Result, during: str) -> None:
        """How long its payments took since the last note."""
        result.figures[f"bystander_{during}_s"] = round(self._longest, 3)
        self._longest_ever, self._longest = max(self._longest_ever, self._longest), 0.0

    def judge(self, result: Result, longest_s: float) -> None:
        """Note what became of it. The last may have been cut off by the end."""
        result.operations += len(self._orders)
        result.figures["bystander_payments"] = len(self._orders)
        result.aim("bystander_longest_s", self._longest_ever, longest_s)
        result.breaches += [f"a payment that had nothing to do with it: {words}" for words in self._wrong[:5]]
        for order in self._orders[:-1]:
            if (effects := self._gateway.effects(order)) != 1:
                result.breaches.append(f"{order} was paid {effects} times")
