"""Runs the scenarios and prints what came of them: `make chaos`, or `python -m tests.chaos.run --help`.

Each scenario is a process of its own. Those that measure time run alone; the others run beside each other. The exit
status is 1 if any promise broke. `HUBS=2` has them on two hubs that share a PostgreSQL and a Redis; those that cannot
be lived through so are left out, and why is said.
"""

import argparse
import importlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from bench.program import die_with
from tests.chaos import report, several
from tests.chaos.results import Result, read
from tests.hubs import wanted as wanted_hubs

OPERATIONS = 10_000  # of the soak at scale 1
# What measures time, one after another; then the rest, the longest first, some at a time.
ALONE = ("takeover", "lost_midway", "revocation", "backlog", "slow")
BESIDE = (
    *(
        "desk",
        "hubs",
        "soak",
        "crashes",
        "standstill",
        "desk_crashes",
        "frame_faults",
        "powercuts",
        "fuzz",
        "frozen",
        "disk",
        "clocks",
    ),
    *("gateway_faults", "schema", "devices", "identity", "canary"),
)
_LANES = 3  # they wait more than they compute
SCENARIOS = (*BESIDE[:3], *ALONE, *BESIDE[3:])
# These have no natural end; the others stop at scale 1.
_UNBOUNDED = frozenset({"soak", "hubs", "crashes", "fuzz", "powercuts", "devices", "desk"})
_LIMIT_S = 3600.0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=OPERATIONS, help="faulted operations of the soak (N)")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run's choices (SEED)")
    parser.add_argument("--json", type=Path, default=None, help="write the results there as well (JSON)")
    parser.add_argument("--only", default="", help=f"scenarios, comma separated (ONLY): {', '.join(SCENARIOS)}")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1_000_000)
    scale = given.operations / OPERATIONS
    if given.one:
        return _run_one(given.one, seed, scale, given.json)
    chosen = given.only.split(",") if given.only else list(SCENARIOS)
    if unknown := set(chosen) - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    if scale <= 0:
        parser.error("--operations is above 0")
    hubs = wanted_hubs()
    left_out = several.left_out(chosen, hubs)
    chosen = [name for name in chosen if name not in left_out]
    for name, why in left_out.items():
        print(f"{name} is not run with {hubs} hubs: {why}", flush=True)
    if not chosen:
        parser.error(f"nothing is left to be run with {hubs} hubs")
    fleet = f", {hubs} hubs" if hubs > 1 else ""
    print(f"Chaos: seed {seed}, {given.operations} faulted operations in the soak{fleet}. The same again:", flush=True)
    again = [f"HUBS={hubs}"] if hubs > 1 else []
    again += ["make chaos", f"SEED={seed}", f"N={given.operations}", *([f"ONLY={given.only}"] if given.only else [])]
    print(f"    {' '.join(again)}", flush=True)
    began = time.monotonic()
    results = _run_all(chosen, seed, scale)
    run = report.Run(seed=seed, operations=given.operations, took_s=round(time.monotonic() - began, 1), results=results)
    print(report.text(run))
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    return int(any(result.broken for result in results))


def _run_all(chosen: Iterable[str], seed: int, scale: float) -> list[Result]:
    chosen = set(chosen)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    results: dict[str, Result] = {}

    def run_each(names: Iterable[str]) -> None:
        for name in names:
            if name in chosen:
                results[name] = _run_apart(name, directory / name, seed, scale)
                print(report.line(results[name]), flush=True)

    run_each(ALONE)
    with ThreadPoolExecutor(_LANES) as lanes:
        for done in [lanes.submit(run_each, (name,)) for name in BESIDE]:
            done.result()
    if any(result.broken for result in results.values()):
        print(f"What the programs logged and stored is kept in {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return [results[name] for name in SCENARIOS if name in results]


def _run_apart(name: str, directory: Path, seed: int, scale: float) -> Result:
    """One scenario in a process of its own, so that nothing is left of it, and one that fails fails alone."""
    directory.mkdir(parents=True)
    told = directory / "result.json"
    bounded = scale if name in _UNBOUNDED else min(scale, 1.0)
    command = [sys.executable, "-m", "tests.chaos.run", "--one", name, "--seed", str(seed), "--json", str(told)]
    with (directory / "output.txt").open("wb") as output:
        try:
            subprocess.run(
                [*command, "--operations", str(max(1, round(bounded * OPERATIONS)))],
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_LIMIT_S,
                check=True,
                preexec_fn=die_with(os.getpid()),
                env={**os.environ, "TMPDIR": str(directory)},
            )
            return read(told.read_bytes(), Result)
        except (subprocess.SubprocessError, OSError, msgspec.MsgspecError) as error:
            output.flush()
            tail = (directory / "output.txt").read_text(errors="replace")[-2000:]
            return Result(scenario=name, seed=seed, breaches=[f"the scenario itself failed: {error}\n{tail}"])


def _run_one(name: str, seed: int, scale: float, told: Path) -> int:
    directory = told.parent / "state"
    directory.mkdir()
    result: Result = importlib.import_module(f"tests.chaos.{name}").run(directory, seed, scale)
    told.write_bytes(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
