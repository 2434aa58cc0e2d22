"""Who looks on while a hub dies: a caller of `POST /send`, and the CPU of processes and cores."""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from bench.measure import read_cpu
from bench.stack import send_headers
from bench.storm_figures import SAMPLE_S

_PROBES_PER_S = 20.0


class Prober:
    """Sends operations, to kiosks that are there as far as is known."""

    def __init__(self, there: Callable[[], Mapping[str, float]], key: str) -> None:
        self._there = there
        self._key = key
        self.ports: list[int] = []
        self.only: set[str] | None = None  # send to these alone
        self.seen: list[tuple[float, float, int]] = []  # when it was sent, seconds it took, status (0: none)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        async with httpx.AsyncClient(timeout=30.0, trust_env=False, verify=False) as http:
            while True:
                await asyncio.sleep(1 / _PROBES_PER_S)
                there = [name for name in (self.only or self._there()) if name in self._there()]
                if there and self.ports:
                    task = asyncio.create_task(self._send(http, random.choice(there), random.choice(self.ports)))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    async def _send(self, http: httpx.AsyncClient, kiosk: str, port: int) -> None:
        began, status = time.monotonic(), 0
        with contextlib.suppress(httpx.HTTPError):
            headers = send_headers(kiosk, "payment", key=self._key) | {"Header-Timeout": "20"}
            answer = await http.post(f"http://127.0.0.1:{port}/send", json={"order_id": "1"}, headers=headers)
            status = answer.status_code
        self.seen.append((began, time.monotonic() - began, status))


class Watch:
    """CPU of the hubs' processes and of each core, twice a second: shares of one core."""

    def __init__(self) -> None:
        self.pids: dict[str, int] = {}
        self.hubs: dict[str, list[tuple[float, float]]] = {}
        self.cores: dict[str, list[tuple[float, float]]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        before: dict[tuple[str, int], float] = {}
        at = time.monotonic()
        while True:
            now = time.monotonic()
            used = {(name, pid): read_cpu([pid]) for name, pid in self.pids.items()}
            for into, found in ((self.hubs, used), (self.cores, _cores())):
                for key, seconds in found.items():
                    if key in before and seconds >= before[key]:
                        into.setdefault(key[0], []).append((now, (seconds - before[key]) / (now - at)))
                    before[key] = seconds
            at = now
            await asyncio.sleep(SAMPLE_S)


def _cores() -> dict[tuple[str, int], float]:
    """Seconds for which each core was busy, since boot."""
    found = {}
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            found[name, 0] = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return found
