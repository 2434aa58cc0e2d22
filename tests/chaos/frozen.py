"""SIGSTOP and SIGCONT: programs that stand still for seconds or for most of a minute, and go on as if nothing were.

Each round stops one program, or two, in one stage of an operation. What lay in a stopped kiosk's buffer beyond its
time must not be executed any more; callers must hear in time as long as the hub itself runs; and when all run again
everything settles. Two rounds stand still for longer than `SILENCE_LIMIT`, so that connections are given up. Of several
hubs one stands still; one that the others have found dead meanwhile ends, and is started anew.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bench.program import Program
from tests.chaos.results import Result, timed
from tests.chaos.trials import Payment, Trial, side_by_side
from tests.journeys.site import Kiosk, until
from wire.session import SILENCE_LIMIT

_ROUTE_S = 4.0  # the route's own timeout
_STAGES = ("before-accept", "at-the-gateway", "answer-on-its-way", "settling", "queued")
_WHOM = ("kiosk", "gateway", "hub", "kiosk+gateway", "hub+kiosk", "hub+gateway")


def run(directory: Path, seed: int, scale: float) -> Result:
    """At scale 1 most of a minute; a slice stops each program once or twice for a second or two."""
    result = Result(scenario="frozen", seed=seed)
    chance = random.Random(f"{seed} frozen")
    whole = scale >= 0.5
    with timed(result), contextlib.ExitStack() as stack:
        yards = [_Yard(stack, directory / f"yard-{number}", chance, result) for number in range(2 if whole else 1)]
        works: list[Callable[[], None]] = []
        if whole:
            long = [_Yard(stack, directory / f"long-{number}", chance, result) for number in range(3)]
            works += [_long(yard, whom) for yard, whom in zip(long, ("kiosk", "hub", "gateway"), strict=True)]
            yards_and_long = [*yards, *long]
        else:
            yards_and_long = yards
        works += [yard.rounds(until_s=36.0 * scale if whole else 3.0, whole=whole) for yard in yards]
        side_by_side(works)
        side_by_side([yard.finish for yard in yards_and_long])
    return result


class _Yard:
    """A hub, a gateway and two kiosks of its own, so that nobody else stands still with it."""

    def __init__(self, stack: contextlib.ExitStack, directory: Path, chance: random.Random, result: Result) -> None:
        self.trial = Trial(directory, directory.name)
        stack.callback(self.trial.close)
        # A program dies with the thread that started it.
        self._lasting = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="lasting"))
        self._chance = random.Random(chance.random())
        self._result = result
        self._lock = threading.Lock()
        self._over: list[Payment] = []  # their time was over before their kiosk could read of them
        routes = self.trial.site.routes(timeout=_ROUTE_S, absent_after=20.0)
        routes["routes"]["payment"]["concurrency"] = 4
        self.kiosks = [self.trial.add(routes) for _ in range(2)]

    def rounds(self, *, until_s: float, whole: bool) -> Callable[[], None]:
        """Stop programs in every stage, one after another."""

        def work() -> None:
            end = time.monotonic() + until_s
            plan = [(whom, stage) for whom in _WHOM for stage in _STAGES]
            self._chance.shuffle(plan)
            if not whole:  # whatever else is drawn, these are the ones that matter most
                plan = [("kiosk", "before-accept"), ("hub+kiosk", "at-the-gateway"), *plan]
            for number, (whom, stage) in enumerate(plan):
                if time.monotonic() > end and number >= 2:
                    break
                length = self._chance.uniform(1, 10) if whole else self._chance.uniform(1.7, 2.0)
                self.freeze(whom, stage, length)

        return work

    def freeze(self, whom: str, stage: str, length: float) -> list[Payment]:
        """One round: bring an operation to the stage, stop the program, ask for more meanwhile, let it go on."""
        kiosk, other = self._chance.sample(self.kiosks, 2)
        # Nobody can know how long a caller's request lay before a hub that was stopped, or one before the gateway.
        excused, held = "hub" in whom, length if "gateway" in whom else 0.0

        def pay(kiosk: Kiosk, **how: Any) -> Payment:
            return self.trial.pay(kiosk, excused=excused, held=held, **how)

        with self._lock:
            self._result.faults[f"{whom} stopped, {stage}"] += 1
            self._result.figures["stopped_longest_s"] = max(
                self._result.figures.get("stopped_longest_s", 0.0), round(length, 1)
            )
        payments = [self._bring_to(stage, kiosk, length, pay)] if stage != "before-accept" else []
        with self._stopped(whom, kiosk):
            ends = time.monotonic() + length
            # Some have time beyond the stop, for some it is over before: those must not be executed afterwards.
            over = max(1.0, length * 0.4)
            payments += [pay(kiosk, timeout=over), pay(kiosk, timeout=length + 5)]
            if "kiosk" in whom and not excused and length > over + 0.5:
                self._over.append(payments[-2])
            if stage == "queued":
                payments.append(pay(kiosk, expires=max(1, round(length * 0.5))))
            payments.append(pay(other, timeout=length + 5))
            while time.monotonic() < ends:
                time.sleep(0.05)
        kiosk.proxy.restore()
        for payment in payments:
            self.trial.heard(payment)
        until("all being connected again", lambda: self._stand() and all(map(self._connected, self.kiosks)), 90)
        return payments

    def finish(self) -> None:
        """Judge."""
        self.trial.end(self._result, patience=90)
        figures = self._result.figures
        figures["refused_as_too_late"] = figures.get("refused_as_too_late", 0) + len(self._over)
        for payment in self._over:
            if self.trial.effects(payment):
                words = f"{payment.id} lay before a kiosk that was stopped until its time was over, and was executed"
                self._result.breaches.append(words)

    def _stand(self) -> bool:
        """Whether all hubs run. One that found itself buried has ended: it is started anew."""
        for hub in self.trial.site.hubs:
            if not hub.alive and len(self.trial.site.hubs) > 1:
                self._lasting.submit(partial(hub.start, wait=False)).result()
        return True

    def _connected(self, kiosk: Kiosk) -> bool:
        return self.trial.site.connected(kiosk.id)

    def _bring_to(self, stage: str, kiosk: Kiosk, length: float, pay: Callable[..., Payment]) -> Payment:
        trial = self.trial
        match stage:
            case "at-the-gateway":
                payment = pay(kiosk, delay=1.0, timeout=length + 5)
                trial.begun(kiosk, payment)
            case "answer-on-its-way":
                payment = pay(kiosk, fault="slow-after:1", timeout=length + 5)
                trial.wait_effect(payment)
            case "settling":
                payment = pay(kiosk, delay=0.3, timeout=length + 5)
                trial.begun(kiosk, payment)
                kiosk.proxy.hold(down=True)  # the outcome arrives, and "settled" does not
                trial.heard(payment)
            case _:  # something that was done and settled before
                payment = pay(kiosk, timeout=length + 5)
                trial.heard(payment)
        return payment

    @contextlib.contextmanager
    def _stopped(self, whom: str, kiosk: Kiosk) -> Iterator[None]:
        site = self.trial.site
        named: dict[str, Program] = {
            "kiosk": kiosk.appliance,
            "hub": self._chance.choice(site.hubs),
            "gateway": site.gateway,
        }
        programs = [named[name] for name in whom.split("+")]
        for program in programs:
            program.freeze()
        try:
            yield
        finally:
            for program in programs:
                program.thaw()


def _long(yard: _Yard, whom: str) -> Callable[[], None]:
    """One stop that outlasts every patience of a connection."""

    def work() -> None:
        yard.freeze(whom, "at-the-gateway", SILENCE_LIMIT + 3)

    return work
