"""Drivers against simulated devices, in virtual time: a random day after the other, for every family.

A day is one schedule of `tests.hardware.<family>.schedules`: customers, an owner who orders, a bad line, links lost,
power cuts of either side or both, hosts killed. What is promised to hold at the end of each: what the driver credited,
paid or registered is what physically happened, by the simulator's own ledger, or it was told as unclear.
"""

import importlib
import random
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.chaos.results import Result, timed

FAMILIES = ("ccnet", "cctalk", "id003", "ssp", "shtrih", "atol", "escpos")
SCHEDULES = 1000  # of each family, at scale 1
_TOLD_MAX = 5  # breaches of a family that are told in full


def run(directory: Path, seed: int, scale: float) -> Result:
    """Play them."""
    result = Result(scenario="devices", seed=seed)
    with timed(result):
        for family in FAMILIES:
            play = importlib.import_module(f"tests.hardware.{family}.schedules").run
            seeds = random.Random(f"{seed} devices {family}")
            breaches = _play(family, play, [seeds.randrange(1 << 31) for _ in range(max(5, round(SCHEDULES * scale)))])
            result.figures[f"{family}_schedules_count"] = max(5, round(SCHEDULES * scale))
            result.breaches += breaches[:_TOLD_MAX]
            if len(breaches) > _TOLD_MAX:
                result.breaches.append(f"{family}: {len(breaches) - _TOLD_MAX} more")
    return result


def _play(family: str, play: Callable[[int], list[str]], seeds: list[int]) -> list[str]:
    found = []
    for each in seeds:
        try:
            breaches = play(each)
        except Exception:
            breaches = [traceback.format_exc(limit=-2).strip()]
        found += [f"tests.hardware.{family}.schedules.run({each}): {breach}" for breach in breaches]
    return found
