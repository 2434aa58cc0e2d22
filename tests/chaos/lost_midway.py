"""A kiosk, or its line, is lost while an operation runs: how soon its caller is told, what, and what becomes of it.

The socket closes in most cases: the process was killed, or the line was cut. In a full run some go silent instead, and
the hub has to find out by itself.
"""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.results import Result, timed
from tests.journeys.site import Kiosk, Site, payment, problem, unique, until

FULL = 12
# KIOSK_RECONNECT_GRACE, and a second for everything else; silent, what `wire.session.SILENCE_LIMIT` adds to that.
CLOSED_S, SILENT_S = 6.0, 51.0
_WAYS = ("line cut", "line cut for good", "kiosk killed")


def run(directory: Path, seed: int, scale: float) -> Result:
    """Lose several kiosks, each in the middle of a payment."""
    result = Result(scenario="lost_midway", seed=seed)
    chance = random.Random(f"{seed} lost_midway")
    full = scale >= 1
    ways = [_WAYS[n % len(_WAYS)] for n in range(max(3, int(FULL * scale)))]
    ways += ["silence"] * (2 * full)
    chance.shuffle(ways)
    site = Site(directory)
    with timed(result), ExitStack() as stack:
        stack.callback(site.close)
        kiosks = [stack.enter_context(site.kiosk("lost", start=False)) for _ in ways]
        for kiosk in kiosks:
            kiosk.appliance.start(wait=False)
        for kiosk in kiosks:
            kiosk.appliance.wait_ready()
        pauses = [chance.uniform(0.0, 1.0) for _ in ways]
        with ThreadPoolExecutor(len(ways)) as threads:
            waits = list(
                threads.map(
                    lambda case: _lose(site, case[0], case[1], case[2], result), zip(kiosks, ways, pauses, strict=True)
                )
            )
        for way, at_most in (*((way, CLOSED_S) for way in _WAYS), ("silence", SILENT_S)):
            took = [wait for wait, its in zip(waits, ways, strict=True) if its == way]
            if took:
                name = f"told_after_{way.replace(' ', '_')}_longest_s"
                result.aim(name, max(took), at_most if full else at_most * 10)
        for order, count in site.twice().items():
            result.breaches.append(f"{order} acted {count} times")
    return result


def _lose(site: Site, kiosk: Kiosk, way: str, pause: float, result: Result) -> float:
    """Lose one; returns for how long its caller was left in the dark."""
    order = unique("order")
    sent = site.backend.later(kiosk.id, "payment", payment(order, simulate="slow-after:7"), key=order, timeout=120)
    until("the gateway acting", lambda: site.gateway.effects(order))
    time.sleep(pause)
    began = time.monotonic()
    match way:
        case "kiosk killed":
            kiosk.appliance.kill()
        case "silence":
            kiosk.proxy.hold(up=True, down=True, new=True)
        case _:
            kiosk.proxy.cut(hang=way == "line cut for good")
    result.faults[way] += 1
    result.operations += 1
    answer = sent.result()
    took = time.monotonic() - began
    if problem(answer) != (504, "kiosk-lost", "unknown"):
        result.breaches.append(f"{way}: the caller was told {answer.status_code} {answer.text}")
    if kiosk.appliance.alive:
        kiosk.proxy.restore()
    else:
        kiosk.appliance.start(wait=False)
    final = site.backend.final(answer.headers["x-request-id"])
    effects = site.gateway.effects(order)
    if (final["state"], effects) != ("succeeded", 1):
        result.breaches.append(f"{way}: {order} ended {final['state']} and acted {effects} times")
    return took
