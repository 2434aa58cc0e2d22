"""Two boxes with one kiosk's identity, each with a gateway of its own, so that each effect tells who did it.

A stranger has the kiosk's token and a journal of its own; a copy has the token and a copy of the disk: one sees that
its machine is another, one cannot. Whoever serves stays, the hub names both addresses, nothing goes to the wrong box,
and what one did is never denied by the other.
"""

import json
import random
import shutil
import threading
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.stack import Appliance, Gateway, Hub, gateway_routes
from tests.chaos.doorway import Doorway
from tests.chaos.proxy import FaultProxy
from tests.chaos.results import Result, timed
from tests.journeys.clients import V1Client
from tests.journeys.site import Kiosk, Site, payment, unique, until

_ALARM = "two boxes go by the identity of one kiosk"
MINUTE_S = 60.0
_ELSEWHERE_S = 5.0


class Second:
    """The second box: another machine, as BOX_ID says, with another gateway."""

    def __init__(self, kiosk: Kiosk, directory: Path, gateway: Gateway, box_id: str, line: FaultProxy) -> None:
        routes = gateway_routes(gateway.url)
        url = f"ws://127.0.0.1:{line.port}/ws"
        self.appliance = Appliance(directory, url, kiosk.appliance.token, routes, settings={"BOX_ID": box_id})

    def copy_of(self, kiosk: Kiosk) -> None:
        """Take the disk of the first one, as it is while that one runs."""
        kiosk.appliance.freeze()
        try:
            shutil.copytree(kiosk.appliance.directory / "state", self.appliance.directory / "state")
        finally:
            kiosk.appliance.thaw()

    def refused(self, code: int) -> bool:
        """Whether it says that the hub does not want it, and why."""
        return f"{code}" in str(self.appliance.health()["reasons"])

    def journal(self) -> str:
        """Its journal's name."""
        name: str = self.appliance.health()["journal"]["id"]
        return name


def run(directory: Path, seed: int, scale: float) -> Result:
    """Each kind of a second box, then two v1 clients."""
    result = Result(scenario="identity", seed=seed)
    chance = random.Random(f"{seed} identity")
    site = Site(directory)
    with timed(result), ExitStack() as stack:
        stack.callback(site.close)
        other = Gateway(directory / "other-gateway")
        stack.callback(other.kill)
        other.start()
        line = stack.enter_context(FaultProxy(site.hub.port, kind="websocket"))
        for number in range(max(1, int(2 * scale))):
            for act in (_stranger, _seen_copy, _unseen_copy, _copy_after_a_cut):
                with site.kiosk("twin", settings={"BOX_ID": "first"}) as kiosk:
                    box_id = "first" if act is _unseen_copy else "second"
                    second = Second(kiosk, directory / f"{act.__name__}{number}", other, box_id, line)
                    try:
                        act(site, kiosk, second, other, result)
                    finally:
                        second.appliance.kill()
                result.faults[act.__name__.strip("_").replace("_", " ")] += 1
        _old_clients(site, line, result, 20.0 if scale >= 1 else 3.0, chance)
        for order, count in {**site.twice(), **_twice(other)}.items():
            result.breaches.append(f"{order} acted {count} times")
    return result


def _stranger(site: Site, kiosk: Kiosk, second: Second, other: Gateway, result: Result) -> None:
    """The token in another box: refused, loudly, for as long as the first one serves."""
    second.appliance.start(wait=False)
    began = time.monotonic()
    until("the stranger being refused", lambda: second.refused(4410))
    result.figures["alarm_after_s"] = round(time.monotonic() - began, 2)
    _pay(site, kiosk, result, site.gateway, other)
    _alarm(site, kiosk, result, same_journal=False)
    # The first one is gone for a moment: its place is kept, whoever knocks.
    kiosk.appliance.kill()
    until("the first one being away", lambda: not site.connected(kiosk.id))
    second.appliance.kill()
    second.appliance.start(wait=False)
    until("the stranger being refused again", lambda: second.refused(4410))
    kiosk.appliance.start()
    _pay(site, kiosk, result, site.gateway, other)


def _seen_copy(site: Site, kiosk: Kiosk, second: Second, other: Gateway, result: Result) -> None:
    """A copy of the disk in a machine that shows it: its journal has another name from the start."""
    _pay(site, kiosk, result, site.gateway, other)
    second.copy_of(kiosk)
    second.appliance.start(wait=False)
    until("the copy being refused", lambda: second.refused(4410))
    _check(result, second.journal() != kiosk.health()["journal"]["id"], "a copy kept its journal's name")
    _pay(site, kiosk, result, site.gateway, other)
    _alarm(site, kiosk, result, same_journal=False)


def _unseen_copy(site: Site, kiosk: Kiosk, second: Second, other: Gateway, result: Result) -> None:
    """A copy in a machine that shows nothing: the hub sees both, and the copy takes another name."""
    second.copy_of(kiosk)
    second.appliance.start(wait=False)
    until("the copy being refused", lambda: second.refused(4411))
    first = kiosk.health()["journal"]["id"]
    until("the copy's journal having another name", lambda: second.journal() != first)
    _pay(site, kiosk, result, site.gateway, other)
    _alarm(site, kiosk, result, same_journal=True)


def _copy_after_a_cut(site: Site, kiosk: Kiosk, second: Second, other: Gateway, result: Result) -> None:
    """The first one is cut off in the middle of a payment, and a copy of it comes: it must not deny it, nor do it."""
    second.copy_of(kiosk)
    order = unique("order")
    sent = site.backend.later(kiosk.id, "payment", payment(order, simulate="slow-after:2"), key=order, timeout=60)
    until("the gateway acting", lambda: site.gateway.effects(order))
    kiosk.proxy.cut(hang=True)
    second.appliance.start()
    answer = sent.result()
    result.operations += 1
    told = answer.json()
    _check(result, told.get("outcome") == "unknown", f"of a payment at the other box the caller was told {told}")
    _pay(site, kiosk, result, other, site.gateway)  # the copy serves now: nobody else is there
    second.appliance.kill()
    until("the copy being away", lambda: not site.connected(kiosk.id))
    kiosk.proxy.restore()
    kiosk.restart()
    final = site.backend.final(answer.headers["x-request-id"])
    effects = site.gateway.effects(order), other.effects(order)
    _check(result, (final["state"], effects) == ("succeeded", (1, 0)), f"{order} ended {final['state']}, {effects}")


def _old_clients(site: Site, line: FaultProxy, result: Result, seconds: float, chance: random.Random) -> None:
    """Two v1 clients at two addresses, each of which comes back as soon as it can."""
    name = unique("old")
    token = site.hub.add_kiosk(name)
    served: list[str] = []
    ending = threading.Event()
    with Doorway(site.hub.port, "127.0.0.2") as door:
        urls = {"here": f"ws://127.0.0.1:{line.port}/ws", "there": f"ws://127.0.0.1:{door.port}/ws"}

        def live(who: str) -> None:
            while not ending.is_set():
                with V1Client(urls[who], token, lambda request: {"by": who}) as client:
                    while client.close_code is None and not ending.wait(0.05):
                        pass
                ending.wait(0.3)

        threads = [threading.Thread(target=live, args=(who,), daemon=True) for who in urls]
        for thread in threads:
            thread.start()
        until("a v1 client being connected", lambda: site.connected(name))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = site.backend.send(name, "payment", payment(unique("order")), timeout=10)
            result.operations += 1
            if answer.is_success:
                served.append(answer.json()["by"])
            time.sleep(chance.uniform(0.05, 0.2))
        ending.set()
        for thread in threads:
            thread.join(20)
    changes = sum(a != b for a, b in pairwise(served))
    result.aim("changes_between_old_clients_a_minute", changes, max(1.0, seconds / MINUTE_S))
    _check(result, len(served) > 3, "hardly anything was served while two v1 clients were about")
    lines = _alarms(site, name)
    addresses = {(line["address"], line["other_address"]) for line in lines}
    expected = addresses <= {("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "127.0.0.1")} and addresses
    _check(result, bool(expected), f"the alarm for two v1 clients named {addresses}")
    result.faults["two v1 clients"] += 1


def _pay(site: Site, kiosk: Kiosk, result: Result, right: Gateway, wrong: Gateway) -> None:
    """Payments go to the box that serves, and to no other."""
    for _ in range(3):
        order = unique("order")
        answer = site.backend.send(kiosk.id, "payment", payment(order), key=order, timeout=30)
        result.operations += 1
        effects = right.effects(order), wrong.effects(order)
        _check(result, (answer.status_code, effects) == (200, (1, 0)), f"{order}: {answer.status_code}, {effects}")


def _alarm(site: Site, kiosk: Kiosk, result: Result, *, same_journal: bool) -> None:
    _check(result, bool(_alarms(site, kiosk.id)), "no alarm is in the hub's log")
    for hub in site.hubs:
        shown = _shown(hub, kiosk, _ELSEWHERE_S if len(site.hubs) > 1 else 0.0)
        told = shown and (shown["address"], shown["other_address"], shown["same_journal"])
        _check(result, told == ("127.0.0.1", "127.0.0.1", same_journal), f"the admin API shows {shown}")
        health = hub.http.get("/health").json()
        _check(result, health["duplicated_kiosks"] >= 1 and health["reasons"] != [], f"/health tells {health}")


def _shown(hub: Hub, kiosk: Kiosk, patience: float) -> Any:
    """What a hub's admin API shows of two boxes; the one that saw both tells the others within some seconds."""
    end = time.monotonic() + patience
    while True:
        shown = hub.admin("GET", f"/admin/kiosks/{kiosk.id}").json()["duplicate"]
        if shown or time.monotonic() >= end:
            return shown
        time.sleep(0.1)


def _alarms(site: Site, kiosk: str) -> list[dict[str, Any]]:
    logs = [line for hub in site.hubs for line in hub.log.read_text().splitlines()]
    lines = [json.loads(line) for line in logs if _ALARM in line]
    return [line for line in lines if line["kiosk"] == kiosk and line["level"] == "ERROR"]


def _twice(gateway: Gateway) -> dict[str, int]:
    orders = [line["order_id"] for line in gateway.lines() if line["effect"] == "payment"]
    return {order: orders.count(order) for order in orders if orders.count(order) > 1}


def _check(result: Result, holds: bool, words: str) -> None:
    if not holds:
        result.breaches.append(words)
