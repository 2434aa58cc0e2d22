"""Power cuts, as a model: a kiosk's journal is recorded, and opened again as each cut may have left it.

What is promised to hold wherever the power goes: an operation whose gateway was called is in the journal, an outcome
that was stored is there and the same, an event that was kept is there until it is acknowledged, nothing is there that
nobody wrote, the journal keeps its id, and no state is judged damaged. See `tests/chaos/powercut/`.
"""

import asyncio
import copy
import errno
import random
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.powercut import failing, hub, lying, story
from tests.chaos.powercut.check import Checker, Depth, Moment, Tally, cut_everywhere
from tests.chaos.powercut.disk import Disk
from tests.chaos.powercut.record import Recorder
from tests.chaos.results import Result, timed

_SHARED_MEMORY = Path("/dev/shm")


def run(directory: Path, seed: int, scale: float) -> Result:
    """Record kiosks and cut their power everywhere. Its faults are counted in cuts."""
    result = Result(scenario="powercuts", seed=seed)
    tally = Tally()
    with timed(result), story.quietly(), place_for(directory) as place:
        work = _run(place, random.Random(f"{seed} powercuts"), scale, result, tally)
        with ThreadPoolExecutor(1) as thread:  # a loop may be running in this one
            thread.submit(asyncio.run, work).result()
    result.figures |= {
        "cuts_count": tally.prefixes, "states_checked_count": tally.states, "states_opened_count": tally.opened,
        "facts_checked_count": tally.facts,
    }  # fmt: skip
    result.breaches += tally.breaches
    return result


@contextmanager
def place_for(directory: Path) -> Iterator[Path]:
    """Where thousands of small journals are opened: in memory, if that can be had, as no real disk is needed."""
    with tempfile.TemporaryDirectory(dir=_SHARED_MEMORY if _SHARED_MEMORY.is_dir() else directory) as name:
        yield Path(name)


async def _run(place: Path, rng: random.Random, scale: float, result: Result, tally: Tally) -> None:
    checker = Checker(place / "states", tally, rng)
    for number in range(max(1, round(3 * scale))):
        await _one(place / f"kiosk-{number}", rng, checker, result)
    for number in range(max(8, round(60 * scale))):
        plan = failing.draw(rng, 250)
        await failing.fail_and_cut(place / f"failing-{number}", rng, plan, checker)
        result.faults[f"{errno.errorcode[plan.code]} of {' or '.join(plan.kinds)}"] += plan.failed
    recorder = hub.recorder(place / "hub")
    await hub.work(recorder, max(2, round(12 * scale)))
    before = tally.prefixes
    image = hub.cut_everywhere(place / "hub-state", recorder.log, checker, Depth(0, 1))
    result.faults["power cut of the hub"] += tally.prefixes - before
    await hub.replay(place / "hub-again", image, recorder, tally)


async def _one(place: Path, rng: random.Random, checker: Checker, result: Result) -> None:
    """A first run cut everywhere, then a second one after one of these cuts, and one after the program alone died."""
    first = Recorder(place / "first")
    await story.work(first, rng, steps=8)
    first.compare()
    await _cut(Moment(), first, checker, result, "power cut")
    ends = await lying.forget_and_cut(place / "lying", first.log, checker, rng, 20)
    result.faults["power cut after syncs that lied"] += ends.total()
    for end, count in ends.items():
        name = f"lying_disk_{end.replace(' ', '_')}_count"
        result.figures[name] = result.figures.get(name, 0) + count
    for kind in ("power cut while recovering", "power cut after a kill"):
        moment = Moment()
        for op in first.log[: rng.randrange(len(first.log))]:
            moment.pass_by(op)
        if kind == "power cut while recovering":
            moment.disk = Disk.holding(rng.choice(list(moment.disk.states(rng, singles=2, randoms=2))))
        again = Recorder(place / kind, moment.disk)
        await story.work(again, rng, steps=1, first=1000, again=list(moment.facts.tried.values()))
        again.compare(copy.deepcopy(moment.disk))
        await _cut(moment, again, checker, result, kind)
    shutil.rmtree(place)


async def _cut(moment: Moment, recorder: Recorder, checker: Checker, result: Result, kind: str) -> None:
    before = checker.tally.prefixes
    await cut_everywhere(moment, recorder.log, checker, Depth(1, 1), kind)
    result.faults[kind] += checker.tally.prefixes - before
