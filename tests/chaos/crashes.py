"""Both programs die at every crash point, by turns and together, and are held against what the gateway really did.

Each case has a kiosk of its own, asks for some operations of every kind, has a program die where the case says, starts
it again, and lets everything heal. Then: no order has two effects; what was told as paid has one and what was told as
not executed has none, to the end of the run; every operation is final, except where the gateway cannot be asked (a
GET); a repeated key gives the same answer; the callbacks told the final state; events came once and in order.

`python -m tests.chaos.crashes [SEED [SCALE [POINT…]]]` runs it by itself and prints each case.
"""

import contextlib
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from bench.program import StackError
from bench.stack import Gateway
from tests.chaos import crash_cases, crash_settings
from tests.chaos.crash_cases import Case
from tests.chaos.crash_lives import Ended
from tests.chaos.crash_yard import Receiver, Yard, effects_by_order
from tests.chaos.points import names
from tests.chaos.results import Result, timed

NAME = "crashes"
_HUB_YARDS = 4  # in each of these the hub dies
_KIOSKS_AT_ONCE = 5  # in the one where it does not
_LATER, _PAIRS = 14, 10  # at full scale


def run(directory: Path, seed: int, scale: float) -> Result:
    """See the module. At full scale every point, below it a sample that has the most dangerous ones."""
    chance = random.Random(f"{seed} {NAME}")
    result = Result(scenario=NAME, seed=seed)
    with timed(result):
        cases = choose(chance, scale)
        ended = run_cases(directory, cases, chance)
        for one in ended:
            result.operations += one.operations
            result.breaches += [f"{one.case.name}: {words}" for words in one.breaches]
            result.faults.update({"killed at a crash point": len(one.visited)})
        visited = {point for one in ended for point in one.visited}
        listed = set(names())
        if scale >= 1:
            missed = listed - visited - crash_cases.NOT_VISITED.keys()
            result.breaches += [f"{point}: no case got there" for point in sorted(missed)]
        result.breaches += [f"{point}: said never to be visited" for point in visited & crash_cases.NOT_VISITED.keys()]
        states: Counter[str] = sum((one.states for one in ended), Counter())
        result.figures |= {"cases": len(ended), "points": len(listed), "points_visited": len(visited)}
        result.figures |= {f"operations_{state}": count for state, count in sorted(states.items())}
        result.figures["slowest_case_s"] = max((one.took_s for one in ended), default=0.0)
    return result


def choose(chance: random.Random, scale: float) -> list[Case]:
    """The cases of a run, in an order that has the long ones first."""
    first, second = crash_cases.first_visits(), crash_cases.recoveries()
    if scale < 1:
        dangerous = [case for case in first if case.last in crash_cases.DANGEROUS]
        others = [case for case in [*first, *second] if case not in dangerous]
        return dangerous + chance.sample(others, max(2, round(len(others) * scale * 0.4)))
    cases = [*first, *second]
    cases += crash_cases.later_visits(chance, round(_LATER * scale)) + crash_cases.pairs(chance, round(_PAIRS * scale))
    chance.shuffle(cases)
    return cases


def run_cases(
    directory: Path, cases: list[Case], chance: random.Random, note: Callable[[Ended], None] = lambda _ended: None
) -> list[Ended]:
    """Run them, several at a time, and look at the ledger once more when all is over."""
    seeds = {case: chance.random() for case in cases}
    hubs = [case for case in cases if case.hub]
    others = [case for case in cases if not case.hub]
    ended: list[Ended] = []
    gateway = Gateway(directory / "gateway")
    receiver = Receiver()
    lanes = ThreadPoolExecutor(_HUB_YARDS + _KIOSKS_AT_ONCE, thread_name_prefix="lane")
    try:
        gateway.start()
        taking = threading.Lock()

        def work(yard: Yard, left: list[Case]) -> None:
            while True:
                with taking:
                    if not left:
                        return
                    case = left.pop(0)
                one = crash_settings.run_case(yard, case, random.Random(seeds[case]))
                ended.append(one)
                note(one)

        def lane_of_hub(number: int) -> None:
            if hubs:
                with opened(Yard(directory, f"hub-{number}", gateway, receiver)) as yard:
                    work(yard, hubs)

        def lane_of_kiosks() -> None:
            if others:
                with opened(Yard(directory, "kiosks", gateway, receiver)) as yard, ThreadPoolExecutor() as workers:
                    for done in [workers.submit(work, yard, others) for _ in range(_KIOSKS_AT_ONCE)]:
                        done.result()

        running = [lanes.submit(lane_of_hub, number) for number in range(min(_HUB_YARDS, len(hubs)))]
        running.append(lanes.submit(lane_of_kiosks))
        for lane in running:
            lane.result()
        effects = effects_by_order(gateway.lines())
        for one in ended:
            one.breaches += [words for words in one.lies(effects) if words not in one.breaches]
        if receiver.forged:
            ended[0].breaches.append(f"callbacks whose signature is wrong: {receiver.forged[:3]}")
    finally:
        lanes.shutdown()
        receiver.close()
        gateway.kill()
        gateway.http.close()
    return ended


class opened(contextlib.AbstractContextManager[Yard]):  # noqa: N801 - reads as a verb
    """A yard that is started, and closed at the end by the same thread."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard

    def __enter__(self) -> Yard:
        try:
            self._yard.start()
        except BaseException:
            self._yard.close()
            raise
        return self._yard

    def __exit__(self, *_: object) -> None:
        self._yard.close()


def main(arguments: list[str]) -> int:
    """Run it and print each case and the table."""
    seed = int(arguments[0]) if arguments else random.SystemRandom().randrange(1_000_000)
    scale = float(arguments[1]) if len(arguments) > 1 else 1.0
    chosen = arguments[2:]
    chance = random.Random(f"{seed} {NAME}")
    with tempfile.TemporaryDirectory(prefix="crashes-") as directory:
        cases = choose(chance, scale)
        if chosen:
            every = crash_cases.first_visits() + crash_cases.recoveries()
            cases = [case for case in every if any(part in case.name for part in chosen)]
        print(f"seed {seed}, {len(cases)} cases", flush=True)
        began = time.monotonic()
        ended = run_cases(Path(directory), cases, chance, lambda one: print(one, flush=True))
    bad = [one for one in ended if one.breaches]
    visits = Counter(point for one in ended for point in one.visited)
    states: Counter[str] = sum((one.states for one in ended), Counter())
    for point in names():
        if not chosen or visits[point]:
            print(f"{visits[point]:4}  {point}")
    print(
        f"{len(ended)} cases, {len(visits)} of {len(names())} points, {visits.total()} deaths, {len(bad)} with breaches"
    )
    print(f"{dict(sorted(states.items()))}, {time.monotonic() - began:.0f} s")
    for one in bad:
        print(one)
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (StackError, msgspec.MsgspecError) as error:
        sys.exit(str(error))
