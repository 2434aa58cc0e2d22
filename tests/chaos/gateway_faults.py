"""What can go wrong with HTTP between a kiosk and its gateway: cut heads and bodies, resets, slow and doubled answers.

Some kiosks on one hub and one gateway, all of them the real programs, each with a proxy before the gateway. A case
happens to one payment and, where it says so, to the status query after it; then the next payment goes through
undisturbed and must get its own answer, whatever is left of the one before. A request is never doubled: a second
request is a second charge, and nobody after the kiosk could tell it from one that was meant.
"""

import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from tests.chaos.frame_faults import Lived, add
from tests.chaos.plan import Script, Step, Way
from tests.chaos.proxy import FaultProxy
from tests.chaos.results import Result, timed
from tests.chaos.told import Told, poll
from tests.journeys.site import Site

KIOSKS = 6
TIMEOUT_S = 2.0
# Later than anything on the line can still reach the gateway.
ABSENT_AFTER_S = 4.0
UP = (
    "delay", "trickle", "drop", "corrupt", "corrupt-utf8", "corrupt-header", "fin", "rst", "fin-head", "rst-head",
    "fin-body", "rst-body", "fin-after", "rst-after", "hold",
)  # fmt: skip
DOWN = (*UP, "duplicate", "duplicate-late")


class Case(msgspec.Struct, frozen=True):
    """What happens to a payment."""

    name: str
    steps: tuple[Step, ...]
    blind: bool = False  # there is no status query


def _step(fault: str, way: Way, nth: int = 1) -> Step:
    amount = {"delay": 0.5, "trickle": 400.0, "duplicate-late": 0.3}.get(fault, 0.0)
    return Step(fault, way=way, kind="request" if way == "up" else "response", nth=nth, amount=amount)


def cases() -> list[Case]:
    """All of them."""
    found = [Case(f"{fault} {way}", (_step(fault, way),)) for way, faults in _WAYS for fault in faults]
    found += [Case(f"{case.name}, nobody to ask", case.steps, blind=True) for case in found]
    lost = _step("rst-after", "up")
    found += [
        Case(f"answer lost, then its status query {fault} {way}", (lost, _step(fault, way, 2 if way == "up" else 1)))
        for way, faults in _WAYS
        for fault in faults
        if (fault, way) not in _NO_TEXT
    ]
    return found


_NO_TEXT = {("corrupt", "up"), ("corrupt-utf8", "up")}  # a query has no body
_WAYS: tuple[tuple[Way, Sequence[str]], ...] = (("up", UP), ("down", DOWN))


def run(directory: Path, seed: int, scale: float) -> Result:
    """A share of the cases, chosen by the seed; all of them at scale 1."""
    result = Result(scenario="gateway_faults", seed=seed)
    with timed(result):
        run_cases(directory, result, choose(seed, scale))
    return result


def choose(seed: int, scale: float) -> list[Case]:
    """The cases where an answer comes twice, and a share of the others, chosen by the seed."""
    every = cases()
    twice = [case for case in every if "duplicate" in case.name]
    each = [case for case in every if case not in twice]
    count = min(len(each), max(8, round(scale * len(each))))
    return twice + (each if count == len(each) else random.Random(f"{seed} gateway_faults").sample(each, count))


def run_cases(directory: Path, result: Result, chosen: Iterable[Case]) -> None:
    """Run them on a few kiosks at a time and note what came of them."""
    site = Site(directory, {"RATE_LIMIT_PER_KEY": "0", "RATE_LIMIT_PER_KIOSK": "0", "ACCEPT_RATE": "0"})
    chosen = list(chosen)
    try:
        with ThreadPoolExecutor(KIOSKS, thread_name_prefix="kiosk") as threads:
            shares = [chosen[number::KIOSKS] for number in range(KIOSKS)]
            lived = list(threads.map(lambda share: live(site, share), shares))
        add(result, lived)
        result.breaches += [f"{order} was paid {count} times" for order, count in site.twice().items()]
    finally:
        site.close()


def live(site: Site, share: Sequence[Case]) -> Lived:
    """One kiosk and its cases."""
    with FaultProxy(site.gateway.port, kind="http") as till:
        url = f"http://127.0.0.1:{till.port}/api/v1/payment"
        status = {"url": f"{url}/status", "params": ["order_id"], "absent": [404], "timeout": TIMEOUT_S}
        payment = {"url": url, "timeout": TIMEOUT_S}
        routes = {
            "payment": {**payment, "status": {**status, "absent_after": ABSENT_AFTER_S}},
            "payment.blind": payment,
        }
        kiosk = site.new_kiosk("till", {"routes": routes})
        told = Told(kiosk, "gateway")
        try:
            kiosk.appliance.start()
            breaches, missed = [], 0
            for number, case in enumerate(share):
                breaches += _happen(told, till, case, number)
                missed += len(case.steps)
            breaches += told.breaches()
            if not kiosk.appliance.alive or not site.hub.alive:
                breaches.append(f"a program died: {site.hub.tail()} {kiosk.appliance.tail()}")
            faults = till.done
            return Lived(len(told.asked), faults, breaches, missed=missed - faults.total())
        finally:
            kiosk.close()


def _happen(told: Told, till: FaultProxy, case: Case, number: int) -> list[str]:
    """One case, and the payment after it."""
    operation = "payment.blind" if case.blind else "payment"
    script = Script(case.steps)
    till.plan = script
    told.pay(f"{number}-faulted", operation).result()
    poll(lambda: len(script.history) == len(case.steps), 30.0)
    if not case.blind:  # it is asked after, until it is known
        poll(lambda: told.kiosk.queue()["in_doubt"] == 0)
    next_ = told.pay(f"{number}-next", operation).result()
    till.plan = None
    words = []
    if next_.status_code != 200 or next_.json().get("order_id") != f"{told.kiosk.id}-{number}-next":
        words.append(f"{case.name}: the payment after it was told {next_.status_code} {next_.text[:200]}")
    return words
