"""The desk in virtual time: ten thousand random days of a kiosk that takes cash and registers receipts.

Customers, backends, engineers, bad lines, power cuts of devices, a disk that refuses, and deaths of the appliance at
any journal write and any moment; see `desk_days`. In the end of each day what the devices did, what stands in the
journal and what the hub was told agree to the last minor unit, or the kiosk itself says what is unclear.

    python -m tests.chaos.desk 4711          one day, told
    python -m tests.chaos.desk 4711 -v       the same with the appliance's log
"""

import functools
import itertools
import logging
import os
import random
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.chaos import desk_days
from tests.chaos.powercuts import place_for
from tests.chaos.results import Result, timed

DAYS = 10_000  # at scale 1
_TOLD_MAX = 8  # breaches that are told in full
_CHUNK = 20


def run(directory: Path, seed: int, scale: float) -> Result:
    """Live through them, on every core."""
    result = Result(scenario="desk", seed=seed)
    count = max(20, round(DAYS * scale))
    draw = random.Random(f"{seed} desk")
    seeds = [draw.randrange(1 << 31) for _ in range(count)]
    ends: Counter[str] = Counter()
    deaths: Counter[str] = Counter()
    bad = 0
    with timed(result), place_for(directory) as place:
        for day in live(seeds, place):
            ends.update(day.statuses)
            deaths.update(day.deaths)
            result.operations += len(day.statuses)
            result.faults.update({"deaths and restarts": day.lives - 2, "writes": day.writes})
            if day.breaches:
                bad += 1
                if bad <= _TOLD_MAX:
                    result.breaches.append(f"python -m tests.chaos.desk {day.seed}: {'; '.join(day.breaches)[:1500]}")
    if bad > _TOLD_MAX:
        result.breaches.append(f"{bad - _TOLD_MAX} more days with breaches")
    result.figures |= {"days_count": count, "bad_days_count": bad}
    result.figures |= {
        f"died_at_{point.replace('.', '_') or 'another'}_count": n for point, n in sorted(deaths.items())
    }
    result.figures |= {f"sessions_{end.replace('-', '_') or 'untold'}_count": n for end, n in sorted(ends.items())}
    return result


def live(seeds: Iterable[int], place: Path) -> Iterable[desk_days.Day]:
    """Days, in any order."""
    seeds = list(seeds)
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(chunks)), mp_context=get_context("spawn")) as processes:
        yield from itertools.chain.from_iterable(processes.map(functools.partial(_some, place=place), chunks))


def _some(seeds: list[int], place: Path) -> list[desk_days.Day]:
    logging.getLogger().setLevel(logging.ERROR)
    logging.lastResort = None  # what is logged there is judged, not shown
    days = [desk_days.play(seed, place) for seed in seeds]
    for day in days:
        day.story.clear()
    return days


def main(arguments: list[str]) -> int:
    """One day, told."""
    verbose = "-v" in arguments
    logging.basicConfig(level=logging.DEBUG if verbose else logging.CRITICAL, format="%(name)s: %(message)s")
    bad = 0
    for seed in [int(word) for word in arguments if word.isdecimal()]:
        day = desk_days.play(seed)
        print("\n".join(day.story))
        print(f"seed {seed}: {day.lives} lives, {day.writes} writes, {day.seconds:.0f} s, ends {day.statuses}")
        for breach in day.breaches:
            print(f"BREACH {breach}")
        bad += bool(day.breaches)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
