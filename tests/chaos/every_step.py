"""Each kind of trouble before each single step of each family's transactions: `make chaos-steps`.

The tests play every few of them and `make chaos` draws them at random; here all are played, which takes a while.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.chaos.devices import FAMILIES


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. The exit status is 1 if any promise broke."""
    parser = argparse.ArgumentParser(prog="make chaos-steps", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stride", type=int, default=1, help="play every n-th step only (STRIDE)")
    parser.add_argument("--only", default=",".join(FAMILIES), help="families, comma separated (ONLY)")
    given = parser.parse_args(arguments)
    families = given.only.split(",")
    if unknown := set(families) - set(FAMILIES):
        parser.error(f"there is no family {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    if given.stride < 1:
        parser.error("--stride is above 0")
    broken = False
    with ProcessPoolExecutor() as pool:
        plays = {family: pool.submit(_play, family, given.stride) for family in families}
        for family, play in plays.items():
            breaches, took_s = play.result()
            broken |= bool(breaches)
            verdict = f"{len(breaches)} BROKEN" if breaches else "ok"
            print(f"  {family:<8} {took_s:>6.0f} s of one core  {verdict}", flush=True)
            for breach in breaches[:20]:
                print(f"    {breach}")
    return int(broken)


def _play(family: str, stride: int) -> tuple[list[str], float]:
    began = time.process_time()
    breaches: list[str] = importlib.import_module(f"tests.hardware.{family}.schedules").steps(stride=stride)
    return breaches, time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
