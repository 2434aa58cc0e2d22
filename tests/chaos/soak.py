"""The soak: backends call, everything breaks, and what was told is held against what was done.

An operation counts as faulted when its gateway was asked to misbehave, or when its kiosk, its lines, the hub or the
gateway were in trouble while somebody waited for it. What the lines do to single frames comes on top and is counted by
kind only.
"""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from tests.chaos.checker import Promise, check, settle_times, unknown_for_good
from tests.chaos.history import Ask, History, Order
from tests.chaos.results import Result, timed
from tests.chaos.spoiler import Spoiler, Trouble
from tests.chaos.world import ABSENT_AFTER_S, World
from tests.hubs import wanted as wanted_hubs

_ORDERS = 10_000  # at scale 1
_KIOSKS, _CALLERS = 8, 240
_SLOWEST = 6.0  # orders a second below which the soak gives up waiting for its number
_SETTLE_S = 120.0
_SHOWN = 20  # breaches in words


def run(
    directory: Path,
    seed: int,
    scale: float,
    planted: Mapping[str, str] | None = None,
    *,
    scenario: str = "soak",
    hubs: int = 0,
) -> Result:
    """`scale` 1 is 10,000 faulted operations. `hubs` 0: as many as `HUBS` says."""
    result = Result(scenario=scenario, seed=seed)
    wanted = max(50, round(_ORDERS * scale))
    kiosks, callers = (_KIOSKS, _CALLERS) if scale >= 0.1 else (3, 16)
    with timed(result):
        world = World(directory, f"{seed} {scenario}", kiosks, planted, hubs or wanted_hubs())
        try:
            history, troubles = _live_through(world, seed, wanted, callers, result)
        finally:
            world.close()
        _judge(history, troubles, world, result)
    return result


def _live_through(world: World, seed: int, wanted: int, callers: int, result: Result) -> tuple[History, list[Trouble]]:
    world.start()
    world.trouble()
    world.callers.work(callers)
    spoiler = Spoiler(world, random.Random(f"{seed} spoiler"))
    end = time.monotonic() + 20 + wanted / _SLOWEST
    looked_at, enough = 0.0, False

    def going_on() -> bool:
        nonlocal looked_at, enough
        if not enough and time.monotonic() - looked_at > 1:
            looked_at = time.monotonic()
            enough = len(faulted(world.callers.orders, spoiler.troubles)) >= wanted
        return not enough and time.monotonic() < end

    began = time.monotonic()
    spoiler.run(going_on)
    result.figures["under_fault_s"] = round(time.monotonic() - began, 1)
    world.heal()
    world.callers.rest()
    result.figures["all_settled"] = float(world.wait_settled(_SETTLE_S + ABSENT_AFTER_S))
    before = world.gateway.lines()
    known = {operation.key for operation in world.history().operations if operation.key is not None}
    world.callers.ask_again([order for order in world.callers.orders if order.key in known])
    if world.gateway.lines() != before:
        result.breaches.append("asking again under known keys made the gateway act")
    result.faults.update(spoiler.counts)
    for plan in world.plans:
        result.faults.update({f"line: {kind}": count for kind, count in plan.done.items()})
    for order in world.callers.orders:
        if order.fault:
            result.faults[f"gateway: {order.fault.partition(':')[0]}"] += 1
    return world.history(), spoiler.troubles


def _judge(history: History, troubles: list[Trouble], world: World, result: Result) -> None:
    result.operations = len(history.orders)
    breaches = check(history)
    by_promise = Counter(breach.promise for breach in breaches)
    result.breaches += [str(breach) for breach in breaches[:_SHOWN]]
    if len(breaches) > _SHOWN:
        result.breaches.append(f"… and {len(breaches) - _SHOWN} more: {dict(by_promise)}")
    if not result.figures["all_settled"]:
        result.breaches.append("not everything was settled in time after all was put right")
    settled = sorted(settle_times(history))
    told = [told for order in history.orders for told in order.told]
    left = unknown_for_good(history)
    asks = {order.id: order.ask for order in history.orders}
    result.figures |= {
        "double_effects": by_promise[Promise.DOUBLE],
        "false_outcomes": by_promise[Promise.FALSE_SUCCESS] + by_promise[Promise.FALSE_FAILURE],
        "lost_outcomes": by_promise[Promise.LOST_OUTCOME] + by_promise[Promise.UNSETTLED],
        "faulted_operations": len(faulted(history.orders, troubles)),
        "attempts": len(told),
        "executed": len(history.effects),
        "told_answers": sum(each.is_answer for each in told),
        "told_not_executed": sum(each.outcome == "not_executed" for each in told),
        "told_unknown": sum(each.outcome == "unknown" for each in told),
        "told_nothing": sum(each.status == 0 for each in told),
        "unknown_settled": len(settled),
        "unknown_for_good": len(left),
        "unknown_for_good_askable": sum(asks.get(each.order or "") is Ask.PAYMENT for each in left),
        "settle_longest_s": round(settled[-1], 1) if settled else 0.0,
        "callbacks": len(history.callbacks),
        "events": len(history.events),
    }


def faulted(orders: list[Order], troubles: list[Trouble]) -> list[Order]:
    """The orders that met a fault."""
    by_target: dict[str, list[Trouble]] = defaultdict(list)
    for trouble in troubles:
        by_target[trouble.target].append(trouble)
    shared = by_target.keys() - {order.kiosk for order in orders}
    found = []
    for order in orders:
        near = [*by_target[order.kiosk], *(trouble for target in shared for trouble in by_target[target])]
        if order.fault or any(
            trouble.meets(told.asked_at, told.told_at) for told in list(order.told) for trouble in near
        ):
            found.append(order)
    return found
