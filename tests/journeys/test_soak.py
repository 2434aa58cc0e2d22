"""A short random soak: callers pay while hub, appliance and network break at random. Then everything is put right,
and what was told is held against the ledger.

`SOAK_SEED` repeats a run's choices, `SOAK_SECONDS` lengthens it.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import httpx
import pytest

from tests.journeys.site import Backend, Json, Kiosk, Site, payment, unique, until

SECONDS = float(os.environ.get("SOAK_SECONDS", "15"))
CALLERS = 6
FAULTS = ["", "", "", "slow:0.3", "slow-after:0.6", "lost", "reset", "error-500", "decline", "slow:2.5"]

ACTS = ["kill hub", "kill kiosk", "kill kiosk", "cut", "cut", "hold up", "hold down", "freeze"]


class Told(NamedTuple):
    """One answer: status, outcome (None with the gateway's own answer), content, request id, and when (Unix)."""

    status: int
    outcome: str | None
    content: bytes
    request_id: str
    at: float


def told(answer: httpx.Response) -> Told:
    is_problem = answer.headers["content-type"] == "application/problem+json"
    outcome = answer.json()["outcome"] if is_problem else None
    return Told(answer.status_code, outcome, answer.content, answer.headers["x-request-id"], time.time())


class Order:
    """An order, what its payments were asked to go through, and everything told about it."""

    def __init__(self, kiosk: str, fault: str) -> None:
        self.id = unique("soak")
        self.kiosk = kiosk
        self.body = payment(self.id, **({"simulate": fault} if fault else {}))
        self.told: list[Told] = []
        self.broken = 0  # the hub died, or the caller could not reach it: nothing was told

    def send(self, backend: Backend, timeout: float) -> None:
        try:
            self.told.append(told(backend.send(self.kiosk, "payment", self.body, key=self.id, timeout=timeout)))
        except httpx.TransportError:
            self.broken += 1


@pytest.fixture
def kiosks(site: Site) -> Iterator[list[Kiosk]]:
    """Two kiosks that can ask their gateway, believing "not found" only when it surely acts no more."""
    routes = site.routes(timeout=2, absent_after=4)
    made = [site.new_kiosk("soak", routes) for _ in range(2)]
    for kiosk in made:
        kiosk.appliance.start(wait=False)
    for kiosk in made:
        kiosk.wait_ready()
    yield made
    for kiosk in made:
        kiosk.close()


def pay(
    chance: random.Random, backend: Backend, kiosks: list[Kiosk], orders: list[Order], stop: threading.Event
) -> None:
    """A caller: pays, and asks again with the same key when it was not told for certain, sometimes even then."""
    while not stop.is_set():
        order = Order(chance.choice(kiosks).id, chance.choice(FAULTS))
        orders.append(order)
        for _ in range(chance.randint(1, 3)):
            order.send(backend, chance.choice([1, 3, 8]))
            if stop.wait(chance.uniform(0, 0.3)):
                return


def spoil(chance: random.Random, site: Site, kiosks: list[Kiosk], until_s: float) -> list[str]:
    """Break one thing after another; returns what was done."""
    done = []
    while time.monotonic() < until_s:
        time.sleep(chance.uniform(0.2, 1.2))
        kiosk = chance.choice(kiosks)
        match act := chance.choice(ACTS):
            case "kill hub":
                site.hub.kill()
                time.sleep(chance.uniform(0, 0.5))
                site.hub.start()
            case "kill kiosk":
                kiosk.appliance.kill()
                time.sleep(chance.uniform(0, 0.5))
                kiosk.appliance.start(wait=False)
            case "cut":
                kiosk.proxy.cut()
                time.sleep(chance.uniform(0, 1))
                kiosk.proxy.restore()
            case "hold up" | "hold down":
                kiosk.proxy.hold(up=act == "hold up", down=act == "hold down")
                time.sleep(chance.uniform(0, 1.5))
                if chance.random() < 0.5:
                    kiosk.proxy.cut()
                kiosk.proxy.restore()
            case "freeze" if kiosk.appliance.alive:
                kiosk.appliance.freeze()
                time.sleep(chance.uniform(0, 1))
                kiosk.appliance.thaw()
        done.append(act)
    return done


def heal(site: Site, kiosks: list[Kiosk]) -> None:
    """Put everything right; a kiosk that was started anew does not wait out its backoff."""
    for kiosk in kiosks:
        kiosk.proxy.cut()
        kiosk.proxy.restore()
        kiosk.appliance.kill()
        kiosk.appliance.start(wait=False)
    for kiosk in kiosks:
        kiosk.wait_ready()


def settled(site: Site, kiosk: Kiosk) -> bool:
    """Whether every operation of a kiosk has ended."""
    return all(operation["final"] for operation in site.backend.operations(kiosk.id))


def contradictions(site: Site, order: Order, operation: Json | None) -> list[str]:
    """Everything that was told about an order and is not so; `operation` is what its key stands for at the end."""
    lines = [line for line in site.gateway.lines() if line.get("order_id") == order.id]
    effects = sum(line["effect"] == "payment" for line in lines)
    found = [f"{effects} effects"] if effects > 1 or len(lines) > 1 else []
    if lines and operation is None:
        found.append("in the ledger, and no operation")
    begun = datetime.fromisoformat(operation["created_at"]).timestamp() if operation else time.time()
    for answer in order.told:
        paid = answer.outcome is None and answer.status == 200 and b'"success"' in answer.content
        if paid and effects != 1:
            found.append(f"told paid, and the ledger has {effects}")
        if b'"declined"' in answer.content and effects:
            found.append(f"told declined, and the ledger has {effects}")
        # A refusal leaves the key free: what was paid by a later attempt does not make it untrue.
        if answer.outcome == "not_executed" and effects and begun <= answer.at:
            found.append(f"told {answer.content!r}, and the ledger has {effects}")
    definite = {(answer.status, answer.content) for answer in order.told if answer.outcome is None}
    if len(definite) > 1:
        found.append(f"told differently: {definite}")
    return found


def test_whatever_breaks_each_order_is_paid_once_at_most_and_what_is_told_is_true(
    site: Site, kiosks: list[Kiosk], capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("SOAK_SEED", "") or random.SystemRandom().randrange(1_000_000))
    with capsys.disabled():
        print(f"\nsoak: SOAK_SEED={seed}")
    stop = threading.Event()
    orders: list[Order] = []
    callers = [
        threading.Thread(target=pay, args=(random.Random(f"{seed} {n}"), site.backend, kiosks, orders, stop))
        for n in range(CALLERS)
    ]
    for caller in callers:
        caller.start()
    try:
        done = spoil(random.Random(seed), site, kiosks, time.monotonic() + SECONDS)
    finally:
        stop.set()
        heal(site, kiosks)
        for caller in callers:
            caller.join(60)
    for kiosk in kiosks:
        until(f"every operation of {kiosk.id} having ended", lambda kiosk=kiosk: settled(site, kiosk))
        kiosk.wait_settled()
    summary = f"SOAK_SEED={seed}, {len(orders)} orders, {done}"
    final: dict[str, Json] = {}
    for kiosk in kiosks:
        final |= {found["idempotency_key"]: found for found in site.backend.operations(kiosk.id)}

    def lies() -> dict[str, list[str]]:
        return {order.id: bad for order in orders if (bad := contradictions(site, order, final.get(order.id)))}

    assert lies() == {}, summary

    # Each key asked again gives the one answer it has, and nothing is executed.
    before = site.gateway.lines()
    known = [order for order in orders if order.id in final]
    for order, answer in [(o, site.backend.later(o.kiosk, "payment", o.body, key=o.id)) for o in known]:
        again = told(answer.result())
        order.told.append(again)
        operation = final[order.id]
        assert again.request_id == operation["request_id"], summary
        if operation["answer"] is not None:
            assert (again.status, again.outcome) == (operation["answer"]["status"], None), summary
        else:
            assert again.outcome == "not_executed", summary
    assert site.gateway.lines() == before, summary
    assert lies() == {}, summary
    assert len(orders) > CALLERS
    assert any(answer.outcome is None for order in orders for answer in order.told), summary
