"""Plants one bug of each kind into the programs and shows that the soak's checker finds it: `make chaos-planted`.

A checker that finds nothing proves nothing until it has been seen to find something.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.chaos import soak
from tests.chaos.checker import Promise
from tests.chaos.results import Result

_SCALE = 0.02


class Bug(NamedTuple):
    """The program that it is planted into, which promises must be seen to break, and with how many hubs."""

    program: str
    promises: tuple[Promise, ...]
    hubs: int = 1
    scale: float = _SCALE


BUGS: dict[str, Bug] = {
    "double": Bug("appliance", (Promise.DOUBLE,)),
    "forgotten": Bug("hub", (Promise.LOST_OUTCOME, Promise.UNSETTLED)),
    "false_failure": Bug("appliance", (Promise.FALSE_FAILURE,)),
    "carried_anew": Bug("hub", (Promise.DOUBLE,), hubs=2),
    "denied": Bug("hub", (Promise.FALSE_FAILURE,), hubs=2),
}


def found(result: Result, promises: tuple[Promise, ...]) -> list[str]:
    """The breaches of these promises."""
    return [breach for breach in result.breaches if breach.startswith(tuple(f"{promise}:" for promise in promises))]


def main() -> int:
    """The command: exit status 1 if a bug was not found."""
    parser = argparse.ArgumentParser(prog="make chaos-planted", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000), help="(SEED)")
    parser.add_argument("--only", default="", help=f"bugs, comma separated (ONLY): {', '.join(BUGS)}")
    given = parser.parse_args()
    chosen = given.only.split(",") if given.only else list(BUGS)
    if unknown := set(chosen) - set(BUGS):
        parser.error(f"there is no bug {', '.join(sorted(unknown))}; there are {', '.join(BUGS)}")
    missed = 0
    for name in chosen:
        bug = BUGS[name]
        with tempfile.TemporaryDirectory() as directory:
            result = soak.run(Path(directory), given.seed, bug.scale, {bug.program: name}, hubs=bug.hubs)
        seen = found(result, bug.promises)
        missed += not seen
        words = f"found: {seen[0]}" if seen else f"NOT FOUND, only {result.breaches}"
        where = bug.program if bug.hubs == 1 else f"{bug.program}, of which there are {bug.hubs}"
        print(f"{name} in the {where}, {result.operations} operations, seed {given.seed}: {words}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
