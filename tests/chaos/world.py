"""The programs of a soak, each behind proxies that can fail, and at the end the story of what happened there.

One hub, one gateway, `kiosks` appliances and two scripted kiosks that only tell events. Between each appliance and the
hub, and between each appliance and the gateway, stands a proxy of its own.
"""

import json
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.program import wait_for
from bench.stack import Appliance, Gateway, Hub, gateway_routes
from tests import hubs
from tests.chaos import plants
from tests.chaos.callers import SLOWEST_S, Callers
from tests.chaos.history import EventRow, History
from tests.chaos.plan import Plan
from tests.chaos.proxy import FaultProxy
from tests.chaos.stored import Rows, effect, read_operations
from tests.chaos.teller import Teller

GATEWAY_TIMEOUT_S = 2.0
GATEWAY_AWAY_S = 3.0  # the longest that a request may lie before its gateway, frozen or on the line
# From here on "not found" is believed: later than anything can still happen at the gateway.
ABSENT_AFTER_S = GATEWAY_TIMEOUT_S + 2 * GATEWAY_AWAY_S + SLOWEST_S + 2.0

# Chances for a frame, and for a message of HTTP. A request to the gateway is never doubled: a second request is a
# second charge, which no program on either side could tell apart.
FRAME_RATES = {
    "delay": 0.03,
    "duplicate": 0.02,
    "duplicate-late": 0.02,
    "reorder": 0.01,
    "drop": 0.004,
    "corrupt": 0.003,
    "corrupt-utf8": 0.001,
    "corrupt-header": 0.001,
    "trickle": 0.005,
    "hold": 0.0005,
    "fin": 0.0005,
    "rst": 0.001,
    "rst-head": 0.0005,
    "rst-body": 0.001,
    "fin-after": 0.0005,
    "rst-after": 0.001,
    "cut-after": 0.02,
}
HTTP_RATES = {
    "delay": 0.05,
    "trickle": 0.01,
    "rst": 0.01,
    "fin": 0.01,
    "rst-head": 0.01,
    "fin-head": 0.01,
    "rst-body": 0.01,
    "fin-body": 0.01,
    "fin-after": 0.01,
    "rst-after": 0.01,
}


class Place:
    """Where a kiosk stands: its program, its line to the hub, its line to the gateway."""

    def __init__(self, kiosk: str, appliance: Appliance, line: FaultProxy, till: FaultProxy) -> None:
        self.kiosk = kiosk
        self.appliance = appliance
        self.line = line
        self.till = till


class World:
    """Everything, in one directory. `start` it, `close` it."""

    def __init__(
        self,
        directory: Path,
        seed: str,
        kiosks: int,
        planted: Mapping[str, str] | None = None,
        hubs_wanted: int = 1,
    ) -> None:
        """With more than one hub, callers and kiosks come to any of them.

        `planted` names, for `hub` and `appliance`, a module of `tests.chaos.plants`: a bug that must be found.
        """
        self._directory = directory
        self._seed = seed
        self._planted = dict(planted or {})
        self.gateway = Gateway(directory / "gateway")
        settings = {"RATE_LIMIT_PER_KEY": "0", "RATE_LIMIT_PER_KIOSK": "0", "ACCEPT_RATE": "0", "LOG_LEVEL": "WARNING"}
        if "hub" in self._planted:
            settings |= plants.environment(self._planted["hub"])
        self.hub = (
            Hub(directory / "hub", settings=settings)
            if hubs_wanted == 1
            else hubs.Hubs(directory / "hubs", hubs_wanted, settings=settings)
        )
        self.callers = Callers(self.hub.url, seed)
        self.places: list[Place] = []
        self.proxies: list[FaultProxy] = []
        self.plans: list[Plan] = []
        self._kiosks = kiosks
        self._callback_key = ""

    def start(self) -> None:
        """Start it all and wait until every kiosk is there. Raises `StackError`."""
        self.gateway.start(wait=False)
        self.hub.start()
        self.gateway.wait_ready()
        self.callers.start()
        with_callback = self.hub.add_api_key("called back", self.callers.callback_url)
        self.callers.secret = with_callback["callback_secret"]
        self._callback_key = with_callback["id"]
        self.callers.keys = (with_callback["key"], self.hub.add_api_key("not called back")["key"])
        for number in range(1, self._kiosks + 1):
            self.places.append(self._new_place(f"chaos_{number}"))
        for number in (1, 2):
            teller, line = f"teller_{number}", self._proxy(self.hub.port, "websocket")
            token = self.hub.add_kiosk(teller)
            self.callers.tellers.append(Teller(teller, token, line.port, random.Random(f"{self._seed} {teller}")))
        self.callers.kiosks = [place.kiosk for place in self.places]
        for place in self.places:
            place.appliance.start(wait=False)
        self.wait_connected()

    def trouble(self) -> None:
        """Let the lines be bad from now on."""
        for number, proxy in enumerate(self.proxies):
            to_gateway = any(proxy is place.till for place in self.places)
            rates = HTTP_RATES if to_gateway else FRAME_RATES
            plan = Plan(f"{self._seed} line {number}", rates, amounts={"delay": (0.005, 0.3)})
            self.plans.append(plan)
            proxy.plan = plan

    def heal(self) -> None:
        """Put everything right: lines, programs, and kiosks that hang on a dead line dial anew."""
        for proxy in self.proxies:
            proxy.plan = None
            proxy.cut()
            proxy.restore()
        for program in (self.gateway, self.hub, *(place.appliance for place in self.places)):
            if program.alive:
                program.thaw()
            else:
                program.start(wait=False)
        self.gateway.wait_ready()
        self.hub.wait_ready()
        self.wait_connected()

    def wait_connected(self) -> None:
        """Wait until the hub has every kiosk."""

        def all_there() -> bool:
            kiosks = {each["id"]: each["connected"] for each in self.hub.admin("GET", "/admin/kiosks").json()["kiosks"]}
            return all(kiosks[place.kiosk] for place in self.places)

        wait_for("every kiosk being connected", all_there, 90, every=0.2)

    def wait_settled(self, timeout: float) -> bool:
        """Wait until nobody has anything left to tell; false if that does not come about: the checker says what."""

        def settled() -> bool:
            open_ = self._rows("SELECT count(*) FROM operations WHERE NOT final AND executed IS NULL")[0][0]
            owed = self._rows("SELECT count(*) FROM callbacks WHERE next_at IS NOT NULL")[0][0]
            pages = [place.appliance.health() for place in self.places]
            told = all(page["unsettled"] == 0 and page["queue"]["in_doubt"] == 0 for page in pages)
            return told and not open_ and not owed and all(teller.told_all for teller in self.callers.tellers)

        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if settled():
                return True
            time.sleep(0.5)
        return False

    def history(self) -> History:
        """The whole story."""
        operations = list(read_operations(self._rows))
        owed = self._rows("SELECT request_id FROM callbacks")
        return History(
            orders=self.callers.orders,
            effects=[effect(line) for line in self.gateway.lines()],
            operations=operations,
            callbacks=self.callers.callbacks,
            called_back=frozenset(row[0] for row in owed),
            events=[
                EventRow(kiosk=row[0], journal=row[1], seq=row[2], kind=row[3], data=json.loads(row[4]))
                for row in self._rows("SELECT kiosk_id, journal, seq, kind, data FROM events ORDER BY received_at, seq")
            ],
            tellers=[teller.memory() for teller in self.callers.tellers],
            ended_at=time.time(),
        )

    def close(self) -> None:
        """End everything."""
        self.callers.stop()
        for program in (*(place.appliance for place in self.places), self.hub, self.gateway):
            program.kill()
            program.__exit__(None, None, None)
        for proxy in self.proxies:
            proxy.close()

    def _proxy(self, target: int, kind: Any) -> FaultProxy:
        proxy = FaultProxy(target, kind=kind)
        self.proxies.append(proxy)
        return proxy

    def _new_place(self, kiosk: str) -> Place:
        line, till = self._proxy(self.hub.port, "websocket"), self._proxy(self.gateway.port, "http")
        url = f"http://127.0.0.1:{till.port}"
        routes = gateway_routes(url, timeout=GATEWAY_TIMEOUT_S)
        routes["routes"]["payment"]["status"]["absent_after"] = ABSENT_AFTER_S
        routes["routes"]["blind"] = {"url": f"{url}/api/v1/payment", "timeout": GATEWAY_TIMEOUT_S}
        for route in routes["routes"].values():
            route["concurrency"] = 8
        bugs = [bug for program, bug in self._planted.items() if program == "appliance"]
        appliance = Appliance(
            self._directory / kiosk,
            f"ws://127.0.0.1:{line.port}/ws",
            self.hub.add_kiosk(kiosk),
            routes,
            settings={
                "LOG_LEVEL": "WARNING",
                **plants.environment("impatient", *bugs),
            },
        )
        return Place(kiosk, appliance, line, till)

    def _rows(self, statement: str) -> Rows:
        return self.hub.rows(statement)
