"""Sockets that are half open: the kiosk's end is gone, the hub's does not know, and the kiosk logs in anew.

A scripted kiosk does so a thousand times. Its older connections hang in a proxy that says nothing to either end; now
and then an operation is under way on one, and what it said comes when the newer one serves already. Most logins are of
the same run of its program, some of a new one. In the end the hub must have what it had: sockets, tasks, memory.
Then a real appliance loses its power while its line is dead.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.stack import Hub
from tests.chaos.proxy import FaultProxy
from tests.chaos.results import Result, timed
from tests.journeys.site import Kiosk, Site, payment, unique, until
from wire.messages import SUBPROTOCOL

FULL = 1000
SERVES_S = 5.0
# CPython's allocator and SQLite's cache settle only so closely; a socket that leaked is 20 KiB at least.
MEMORY_MIB = 4.0
_WARM_UP = 100
_BACK_S = 30.0
_GOODBYE_S = 6.0  # the hub waits 5 s for the answer to its goodbye


def run(directory: Path, seed: int, scale: float) -> Result:
    """Take over, count what is left."""
    result = Result(scenario="takeover", seed=seed)
    chance = random.Random(f"{seed} takeover")
    slack = 1.0 if scale >= 1 else 10.0
    site = Site(directory, {"RATE_LIMIT_PER_KIOSK": "0", "ACCEPT_RATE": "0", "LOG_LEVEL": "WARNING"})
    with timed(result):
        try:
            with FaultProxy(site.hub.port, kind="raw") as line:
                box = Box(site, unique("again"), line, chance, result)
                asyncio.run(box.live(_WARM_UP if scale >= 1 else 20, max(20, int(FULL * scale))))
            result.aim("takeover_longest_s", max(box.took), SERVES_S * slack)
            result.aim("takeover_new_run_longest_s", max(box.took_new_run), SERVES_S * slack)
            result.figures["takeover_median_ms"] = round(sorted(box.took)[len(box.took) // 2] * 1000, 1)
            result.aim("leaked_sockets", box.after[0] - box.before[0], 0)
            result.aim("leaked_tasks", box.after[1] - box.before[1], 0)
            result.aim(
                "memory_growth_mib",
                box.after[2] - box.before[2],
                MEMORY_MIB * len(site.hubs) * (1.0 if scale >= 1 else 5.0),
            )
            with site.kiosk("power") as kiosk:
                _lose_power(site, kiosk, result, SERVES_S * slack)
            for order, count in site.twice().items():
                result.breaches.append(f"{order} acted {count} times")
        finally:
            site.close()
    return result


class Box:
    """The scripted kiosk: one memory of what it executed, many connections."""

    def __init__(self, site: Site, kiosk: str, line: FaultProxy, chance: random.Random, result: Result) -> None:
        self._site = site
        self._kiosk = kiosk
        self._token = site.hub.add_kiosk(kiosk)
        self._line = line
        self._chance = chance
        self._result = result
        self._boot = 0
        self._executed: dict[str, int] = {}
        self.took: list[float] = []
        self.took_new_run: list[float] = []
        self.before = self.after = (0, 0, 0.0)

    async def live(self, warm_up: int, count: int) -> None:
        """Be replaced so many times."""
        here = await self._login()
        for number in range(warm_up):
            here = await self._replace(here, busy=number % 5 == 0)
        self.before = await self._at_rest()
        self.took.clear()
        for number in range(1, count + 1):
            busy, new_run = number % 20 == 0, number % 100 == 50 or number == count
            here = await self._replace(here, busy=busy, new_run=new_run)
            self._result.faults["half-open"] += 1
        self.after = await self._at_rest(self.before)
        here.transport.abort()
        doubled = [request for request, times in self._executed.items() if times > 1]
        if doubled:
            self._result.breaches.append(f"executed more than once: {doubled}")

    async def _replace(self, older: ClientConnection, *, busy: bool = False, new_run: bool = False) -> ClientConnection:
        """The line of the older connection dies; a newer one comes, and is served."""
        asked: asyncio.Task[Any] | None = None
        request = {}
        if busy:
            asked = asyncio.create_task(self._ask())
            request = await _hear(older, "request")
        number = self._line.numbers[-1]
        self._line.hold(up=True, down=True, connection=number)
        if busy:  # it says so on the dead line: nobody is to hear this
            self._execute(request)
            await older.send(_answer(request, "older"))
        self._boot += new_run
        began = time.monotonic()
        newer = await self._login()
        (self.took_new_run if new_run else self.took).append(time.monotonic() - began)
        if asked is not None:
            again = await _hear(newer, "request")
            if again["request_id"] != request["request_id"]:
                self._result.breaches.append("the newer connection was not asked for what was under way")
            self._line.restore()  # what the older one said arrives after all
            await asyncio.sleep(0.02)
            await newer.send(_answer(again, "newer"))  # out of its memory
            told = await asked
            if told != (200, "newer"):
                self._result.breaches.append(f"the caller of what was under way was told {told}")
            self._result.operations += 1
            self._result.faults["late bytes"] += 1
        older.transport.abort()
        return newer

    async def _login(self) -> ClientConnection:
        socket = await connect(
            f"ws://127.0.0.1:{self._line.port}/ws",
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {self._token}"},
            proxy=None,
            ping_interval=None,
            compression=None,
        )
        hello = {"type": "hello", "version": "0", "boot_id": f"boot-{self._boot}", "journal": "j", "routes": []}
        await socket.send(json.dumps(hello))
        await _hear(socket, "welcome")
        return socket

    async def _ask(self) -> tuple[int, str]:
        order = unique("order")
        answer = await asyncio.to_thread(self._site.backend.send, self._kiosk, "payment", payment(order), key=order)
        return answer.status_code, answer.json().get("by", answer.text)

    def _execute(self, request: dict[str, Any]) -> None:
        self._executed[request["request_id"]] = self._executed.get(request["request_id"], 0) + 1

    async def _at_rest(self, at_most: tuple[int, int, float] | None = None) -> tuple[int, int, float]:
        """What the hub holds once that is no more than it was; without that, when nobody waits for a goodbye."""
        if at_most is None:
            await asyncio.sleep(_GOODBYE_S)
            return await asyncio.to_thread(_held, self._site)
        end = time.monotonic() + _BACK_S
        while True:
            now = await asyncio.to_thread(_held, self._site)
            if (now[0] <= at_most[0] and now[1] <= at_most[1]) or time.monotonic() > end:
                return now
            await asyncio.sleep(0.5)


def _held(site: Site) -> tuple[int, int, float]:
    """The hubs' sockets, tasks, and memory in MiB."""
    held = [_held_by(hub) for hub in site.hubs]
    return sum(each[0] for each in held), sum(each[1] for each in held), sum(each[2] for each in held)


def _held_by(hub: Hub) -> tuple[int, int, float]:
    """Of one. Other files and sockets are its database's, which keeps a few ready."""
    process = Path(f"/proc/{hub.pid}")
    at_the_door = _accepted_at(hub.port)
    sockets = 0
    for file in (process / "fd").iterdir():
        with suppress(FileNotFoundError):
            sockets += str(file.readlink()) in at_the_door
    line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS:"))
    metrics = hub.http.get("/metrics").text.splitlines()
    tasks = next(line for line in metrics if line.startswith("kioskwire_event_loop_tasks "))
    return sockets, int(float(tasks.split()[1])), int(line.split()[1]) / 1024


def _accepted_at(port: int) -> set[str]:
    """The sockets of a port, as `/proc` names them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{words[9]}]" for words in lines if int(words[1].rpartition(":")[2], 16) == port}


async def _hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(30.0):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if message["type"] == kind:
                return message


def _answer(request: dict[str, Any], by: str) -> str:
    told = {"request_id": request["request_id"], "operation": "payment", "executed": "yes", "status": 200}
    return json.dumps({"type": "response", **told, "body": {"by": by}})


def _lose_power(site: Site, kiosk: Kiosk, result: Result, at_most: float) -> None:
    """A real appliance dies in mid-operation while its line is dead, and is started anew."""
    order = unique("order")
    sent = site.backend.later(kiosk.id, "payment", payment(order, simulate="slow-after:1"), key=order, timeout=30)
    until("the gateway acting", lambda: site.gateway.effects(order))
    kiosk.proxy.hold(up=True, down=True)
    kiosk.appliance.kill()
    result.faults["power cut on a dead line"] += 1
    logins = kiosk.proxy.accepted
    kiosk.appliance.start(wait=False)
    _wait(lambda: kiosk.proxy.accepted > logins)
    began = time.monotonic()
    again = unique("order")
    answer = site.backend.send(kiosk.id, "payment", payment(again), key=again, timeout=30)
    result.aim("appliance_takeover_s", time.monotonic() - began, at_most)
    result.operations += 2
    if answer.status_code != 200 or site.gateway.effects(again) != 1:
        result.breaches.append(f"after the takeover a payment was answered {answer.status_code} {answer.text}")
    told = sent.result()
    final = site.backend.final(told.headers["x-request-id"])
    if (final["state"], site.gateway.effects(order)) != ("succeeded", 1):
        result.breaches.append(f"what was under way ended {final['state']} with {site.gateway.effects(order)} effects")


def _wait(condition: Callable[[], object]) -> None:
    until("the appliance's new login", condition)
