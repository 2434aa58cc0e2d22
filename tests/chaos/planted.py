"""Plants one bug of each kind into the programs and shows that the soak's checker finds it: `make chaos-planted`.

A checker that finds nothing proves nothing until it has been seen to find something.
"""

import random
import sys
import tempfile
from pathlib import Path

from tests.chaos import soak
from tests.chaos.checker import Promise
from tests.chaos.results import Result

_SCALE = 0.02

# The program, what is planted into it, and which promises must be seen to break.
BUGS: dict[str, tuple[str, tuple[Promise, ...]]] = {
    "double": ("appliance", (Promise.DOUBLE,)),
    "forgotten": ("hub", (Promise.LOST_OUTCOME, Promise.UNSETTLED)),
    "false_failure": ("appliance", (Promise.FALSE_FAILURE,)),
}


def found(result: Result, promises: tuple[Promise, ...]) -> list[str]:
    """The breaches of these promises."""
    return [breach for breach in result.breaches if breach.startswith(tuple(f"{promise}:" for promise in promises))]


def main() -> int:
    """The command: exit status 1 if a bug was not found."""
    seed = random.SystemRandom().randrange(1_000_000)
    missed = 0
    for bug, (program, promises) in BUGS.items():
        with tempfile.TemporaryDirectory() as directory:
            result = soak.run(Path(directory), seed, _SCALE, {program: bug})
        seen = found(result, promises)
        missed += not seen
        words = f"found: {seen[0]}" if seen else "NOT FOUND"
        print(f"{bug} in the {program}, {result.operations} operations, seed {seed}: {words}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
