"""Every kind of frame of `kiosk.v2`, each way, comes twice, late, in another order, not at all, broken, or cut off.

Each case is a kiosk of its own on one hub and one gateway, all of them the real programs. It says hello, pays, pays
while another payment runs, has one cancelled that waits, loses an answer for good, and is cut off while two documents
are registered, so that it tells a backlog. Meanwhile its case happens to it. In the end each payment has one effect or
none, as was told, the hub knows every outcome and every event, and nothing hangs.
"""

import random
import typing
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.chaos.plan import Script, Step, Way
from tests.chaos.results import Result, timed
from tests.chaos.told import Told, poll
from tests.journeys.site import Kiosk, Site
from wire.messages import FromHub, FromKiosk

AT_ONCE = 12
# The kiosk sends no progress, and single events only to a hub that knows no batches.
NEVER_SAID = frozenset({"progress", "event"})
UP, DOWN = (tuple(str(each.__struct_config__.tag) for each in typing.get_args(union)) for union in (FromKiosk, FromHub))
_UP: list[tuple[Way, str]] = [("up", kind) for kind in UP if kind not in NEVER_SAID]
_DOWN: list[tuple[Way, str]] = [("down", kind) for kind in DOWN]
KINDS: tuple[tuple[Way, str], ...] = (*_UP, *_DOWN)
BEATS: tuple[tuple[Way, str], ...] = (("up", "ping"), ("down", "pong"), ("down", "ping"), ("up", "pong"))
TOGETHER = ("duplicate", "duplicate-late", "reorder")  # the connection lives on at once: all kinds in one case
EACH = ("drop", "corrupt", "corrupt-utf8", "corrupt-header", "rst-head", "fin-body", "rst-after")
# Empty ones close a backlog, and there is always one at hello; what is to suffer are those that say something.
_SAYING = {"responses": b'"request_id"', "all_settled": b'["'}
_BEAT_S = 20.0


class Case(msgspec.Struct, frozen=True):
    """What happens to one kiosk."""

    name: str
    steps: tuple[Step, ...]

    @property
    def waits(self) -> bool:
        """Whether its kiosk has to live until the heartbeat."""
        return any(step.kind in {"ping", "pong"} for step in self.steps)


class Lived(NamedTuple):
    """What came of one kiosk: payments asked for, faults, what broke, and how many faults had no chance to happen.

    Some need a moment that a busy machine passes over: a cancelling, that the payment before takes long enough.
    """

    asked: int
    faults: Counter[str]
    breaches: list[str]
    missed: int


def add(result: Result, lived: Iterable[Lived]) -> None:
    """Note what came of kiosks."""
    result.figures.setdefault("missed_faults", 0)
    for each in lived:
        result.operations += each.asked
        result.faults += each.faults
        result.breaches += each.breaches
        result.figures["missed_faults"] += each.missed


def step(fault: str, way: Way, kind: str) -> Step:
    """The first frame of a kind that says something suffers a fault."""
    return Step(fault, way=way, kind=kind, amount=0.3, contains=_SAYING.get(kind, b""))


def cases() -> list[Case]:
    """All of them: those that hold many kinds first."""
    found = [Case(f"{fault} all", tuple(step(fault, *kind) for kind in KINDS)) for fault in TOGETHER]
    found += [
        Case(f"{fault} heartbeat", tuple(step(fault, *kind) for kind in BEATS)) for fault in ("duplicate", "drop")
    ]
    found += [Case(f"{fault} {way} {kind}", (step(fault, way, kind),)) for way, kind in KINDS for fault in EACH]
    found += [
        Case("hold up response", (step("hold", "up", "response"),)),
        Case("hold down request", (step("hold", "down", "request"),)),
    ]
    found.append(Case("rst-head up ping", (step("rst-head", "up", "ping"),)))
    return found


def run(directory: Path, seed: int, scale: float) -> Result:
    """A share of the cases, all of them at scale 1."""
    result = Result(scenario="frame_faults", seed=seed)
    with timed(result):
        run_cases(directory, result, choose(seed, scale))
    return result


def choose(seed: int, scale: float) -> list[Case]:
    """The cases that hold many kinds, and a share of the others, chosen by the seed."""
    every = cases()
    together, each = every[: len(TOGETHER)], every[len(TOGETHER) :]
    count = min(len(each), max(6, round(scale * len(each))))
    chance = random.Random(f"{seed} frame_faults")
    return together + (each if count == len(each) else chance.sample(each, count))


def run_cases(directory: Path, result: Result, chosen: Iterable[Case]) -> None:
    """Run them, some at a time, and note what came of them."""
    site = Site(directory, {"RATE_LIMIT_PER_KEY": "0", "RATE_LIMIT_PER_KIOSK": "0", "ACCEPT_RATE": "0"})
    try:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="case") as threads:
            # The programs die with the thread that starts them: none of these ends before all cases have.
            lived = list(threads.map(lambda case: live(site, case), chosen))
        add(result, lived)
        result.breaches += [f"{order} was paid {count} times" for order, count in site.twice().items()]
    finally:
        site.close()


def live(site: Site, case: Case) -> "Lived":
    """One kiosk's story."""
    script = Script(case.steps)
    routes = site.routes(timeout=5, absent_after=6)
    routes["routes"]["payment.blind"] = {"url": f"{site.gateway.url}/api/v1/payment", "timeout": 5}
    kiosk = site.new_kiosk("frames", routes)
    try:
        kiosk.proxy.plan = script
        kiosk.appliance.start(wait=False)
        told = Told(kiosk, case.name)
        if not poll(lambda: site.connected(kiosk.id)):
            return Lived(0, script.done, [f"{case.name}: it never came in: {kiosk.appliance.tail()}"], missed=0)
        _pay(told)
        _come_back_with_a_backlog(kiosk, told)
        if case.waits:
            poll(lambda: len(script.history) == len(case.steps), 2.5 * _BEAT_S)
        breaches = told.breaches()
        if not site.hub.alive or not kiosk.appliance.alive:
            breaches.append(f"{case.name}: a program died: {site.hub.tail()} {kiosk.appliance.tail()}")
        due = sum(each.fault != "reorder" for each in case.steps)  # that one takes another frame behind it
        return Lived(len(told.asked), script.done, breaches, missed=max(0, due - len(script.history)))
    finally:
        kiosk.close()


def _pay(told: Told) -> None:
    """One that runs, one behind it, one that is cancelled while it waits, one whose answer nobody can find."""
    running = told.pay("runs", simulate="slow:0.6")
    told.sent("runs")
    told.pay("waits")
    told.pay("cancelled")
    cancelled = told.sent("cancelled")
    if cancelled is not None:
        told.kiosk.site.backend.post(f"/operations/{cancelled}/cancel")
    told.pay("blind", "payment.blind", simulate="lost")
    running.result()
    for sent in told.asked.values():
        sent.result()


def _come_back_with_a_backlog(kiosk: Kiosk, told: Told) -> None:
    """Be cut off while two documents are registered, for longer than their callers wait."""
    backend = kiosk.site.backend
    documents = [
        backend.later(kiosk.id, "fiscal", {"check_id": f"{kiosk.id}-{number}", "simulate": "slow:0.8"}, timeout=2)
        for number in (1, 2)
    ]
    poll(lambda: kiosk.queue()["running"] == len(documents) or all(each.done() for each in documents), 45.0)
    kiosk.proxy.cut(hang=True)
    for each in documents:
        each.result()
    poll(lambda: kiosk.health()["unsettled"] >= len(documents), 10.0)
    kiosk.proxy.restore()
