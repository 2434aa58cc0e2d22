"""Several hubs on one PostgreSQL and one Redis beside named peers, in one run: `make bench-fleet`.

The work is one HTTP request that reaches a kiosk on its own connection and comes back with its answer:

* `kioskwire-alone`  one hub on SQLite, without Redis
* `kioskwire` 1 2 4  so many processes on PostgreSQL and Redis; callers ask each process alike, for kiosks whose socket
                     is there (same) or at another for sure (cross), with and without an Idempotency-Key
* `nats` 1 2         nats-server, so many HTTP fronts (Tornado) that ask by request-reply, kiosks on connections of
                     their own. Nothing is stored, nobody proves who he is, what is lost is lost
* `crossbar`         Crossbar's HTTP bridge and WAMP components. The same holds for it

Rounds are interleaved. No program has a core of its own: there are more of them than cores, so rates of several
processes say what this machine does, and CPU an operation says what they would do with a core for each. Then idle
kiosks by the thousand. Exit status 1 if something did not run or answered wrongly; aims are told, not asserted.

    python -m bench.fleet [--quick] [--json FILE] [--only rates idle] [--processes 1 2 4] [--no-peers]
                          [--hubs 1 2] [--kiosks 15000]
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench import fleet_idle
from bench.fleet_figures import Idle, Sample, merge, tables
from bench.fleet_systems import Fleet, start_alone, start_crossbar, start_fleet, start_nats, with_keys
from bench.measure import cpu_model, read_cpu, read_machine, read_noise
from bench.postgresql import MissingError as NoPostgresqlError
from bench.postgresql import running_server
from bench.program import StackError
from bench.redis_server import MissingError as NoRedisError
from bench.redis_server import running_redis
from bench.stage import CORES, PEERS, ROOT, NotRun, Stage, Target, environment, open_stage

_ONE, _MANY = 1, 48


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how often. `rate`: kiosks that come a second."""

    seconds: float
    rounds: int
    kiosks: int
    rate: float


FULL = Plan(seconds=2.0, rounds=5, kiosks=15_000, rate=100.0)
QUICK = Plan(seconds=1.0, rounds=2, kiosks=1000, rate=100.0)


class Found(msgspec.Struct, kw_only=True):
    """All that was seen."""

    samples: list[Sample] = []
    idle: list[Idle] = []
    not_run: dict[str, str] = {}
    failed: dict[str, str] = {}


def measure_rates(plan: Plan, found: Found, processes: Sequence[int], *, has_peers: bool) -> None:
    """Start all, and load them in turn."""
    with contextlib.ExitStack() as stack:
        try:
            database = stack.enter_context(running_server(shared_buffers="256MB", max_connections="300"))
            redis = stack.enter_context(running_redis())
        except (NoPostgresqlError, NoRedisError) as missing:
            found.not_run["kioskwire"] = str(missing)
            return
        stage = stack.enter_context(open_stage(is_pinned=False))
        starts: dict[str, Callable[[], Fleet]] = {
            "kioskwire-alone": partial(start_alone, stage),
            **{f"kioskwire {n}": partial(start_fleet, stage, n, database, redis) for n in processes},
        }
        if has_peers:
            starts |= {f"nats {n}": partial(start_nats, stage, n) for n in (1, 2)}
            starts["crossbar"] = partial(start_crossbar, stage)
        fleets = []
        for name, start in starts.items():
            with _told(name, found):
                _say(f"starting {name}")
                fleet = start()
                _warm_up(fleet)
                fleets.append(fleet)
        for number in range(plan.rounds):
            # Another begins each round: who follows whom does not decide.
            turned = fleets[number % max(1, len(fleets)) :] + fleets[: number % max(1, len(fleets))]
            for callers in (_ONE, _MANY):
                for fleet in turned:
                    _say(f"round {number + 1}/{plan.rounds}: {fleet.name} {len(fleet.targets)}, {callers} callers")
                    with _told(f"{fleet.name} {len(fleet.targets)}", found):
                        found.samples += _cell(stage, fleet, callers, plan.seconds)


def _cell(stage: Stage, fleet: Fleet, callers: int, seconds: float) -> list[Sample]:
    """One fleet's turn: each place of kiosks, un-keyed and keyed."""
    has_places = fleet.has_keys and len(fleet.targets) > 1
    return [
        _measure(stage, fleet, where, callers, seconds, is_keyed=is_keyed)
        for is_keyed in ((False, True) if fleet.has_keys else (False,))
        for where in (("same", "cross") if has_places else ("same",))
    ]


def _measure(stage: Stage, fleet: Fleet, where: str, callers: int, seconds: float, *, is_keyed: bool) -> Sample:
    targets = fleet.aimed(where)
    if is_keyed:
        targets = with_keys(targets)
    if callers < len(targets):
        targets = targets[:callers]
    programs = (fleet.hubs, fleet.redis, fleet.database)
    all_pids = [*stage.pids(), *fleet.redis, *fleet.database]
    at = time.monotonic()
    before, ours, machine = [read_cpu(pids) for pids in programs], _own_cpu(all_pids), read_machine()
    each = ["--callers", str(callers // len(targets)), "--seconds", str(seconds)]
    with ThreadPoolExecutor(len(targets)) as pool:
        loads = list(pool.map(partial(_run_load, argv=each), targets))
    hubs, redis, database = (read_cpu(pids) - was for pids, was in zip(programs, before, strict=True))
    machine_after, ours_after = read_machine(), _own_cpu(all_pids)
    took = time.monotonic() - at  # longer than the load, which has to start
    stage.check()
    if wrong := [load for load in loads if load["errors"]]:
        raise RuntimeError(f"{wrong[0]['errors']} errors at {callers} callers, {where}: {wrong[0]['error_samples']}")
    one = merge(loads)
    busy = machine_after.busy - machine.busy + machine_after.steal - machine.steal
    return Sample(
        system=fleet.name, processes=len(fleet.targets), where=where, is_keyed=is_keyed, callers=callers,
        requests=int(one["requests"]), seconds=one["seconds"], p50=one["p50"], p99=one["p99"],
        cpu_hubs=hubs, cpu_redis=redis, cpu_database=database,
        foreign=max(0.0, (busy - ours_after + ours) / took),
    )  # fmt: skip


def _own_cpu(pids: list[int]) -> float:
    times = os.times()
    return read_cpu(pids) + times.user + times.system + times.children_user + times.children_system


def _run_load(target: Target, argv: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.load", "--url", target.url, "--body", target.body, *argv]
    command += [word for header in target.headers for word in ("--header", header)]
    command += [word for kiosk in target.kiosks for word in ("--kiosk", kiosk)]
    done = subprocess.run(command, cwd=ROOT, env=environment(None), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the load failed: {done.stderr.strip()[-300:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _warm_up(fleet: Fleet) -> None:
    """Call until every kiosk answers at every process."""
    places = ("same", "cross") if len(fleet.targets) > 1 and fleet.has_keys else ("same",)
    for target in (each for where in places for each in fleet.aimed(where)):
        until = time.monotonic() + 30
        while (load := _run_load(target, ["--callers", "4", "--requests", "300"]))["errors"]:
            if time.monotonic() > until:
                raise RuntimeError(f"{fleet.name} does not answer: {load['error_samples']}")
            time.sleep(0.5)


def measure_idle(plan: Plan, found: Found, counts: Sequence[int]) -> None:
    """So many hubs, freshly started."""
    for hubs in counts:
        with _told(f"idle kiosks on {hubs}", found):
            _say(f"{plan.kiosks} idle kiosks on {hubs}")
            found.idle.append(fleet_idle.measure(hubs, plan.kiosks, plan.rate))


@contextlib.contextmanager
def _told(name: str, found: Found) -> Any:
    """One system's trouble is told in the end and does not stop the others."""
    try:
        yield
    except (NotRun, NoPostgresqlError, NoRedisError) as reason:
        found.not_run[name] = str(reason)
    except (RuntimeError, OSError, ValueError, KeyError, StackError) as error:
        found.failed[name] = f"{type(error).__name__}: {error}"
        _say(f"{name} FAILED: {error}")


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.fleet", description="several hubs beside named peers")
    parser.add_argument("--quick", action="store_true", help="short rounds and 1000 idle kiosks")
    parser.add_argument("--only", nargs="+", choices=("rates", "idle"), default=["rates", "idle"])
    parser.add_argument("--processes", nargs="+", type=int, choices=(1, 2, 3, 4, 6, 8), default=[1, 2, 4])
    parser.add_argument("--hubs", nargs="+", type=int, default=[1, 2], help="that hold the idle kiosks")
    parser.add_argument("--no-peers", action="store_true", help="our hubs alone")
    parser.add_argument("--kiosks", type=int, help="idle ones")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there too")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    if options.kiosks:
        plan = msgspec.structs.replace(plan, kiosks=options.kiosks)
    PEERS.mkdir(exist_ok=True)
    before = read_noise(PEERS)
    found = Found()
    with contextlib.suppress(KeyboardInterrupt):  # who has seen enough is told that
        if "rates" in options.only:
            measure_rates(plan, found, options.processes, has_peers=not options.no_peers)
        if "idle" in options.only:
            measure_idle(plan, found, options.hubs)
    after = read_noise(PEERS)
    print(f"{cpu_model()}, {len(CORES)} cores, Python {platform.python_version()}")
    print(f"before: {before}\nafter:  {after}")
    print("\n".join(tables(found.samples, found.idle)))
    for name, reason in found.not_run.items():
        print(f"not run: {name}: {reason}")
    for name, reason in found.failed.items():
        print(f"FAILED: {name}: {reason}")
    if options.json:
        machine = {"cpu": cpu_model(), "cores": len(CORES), "before": asdict(before), "after": asdict(after)}
        options.json.write_text(json.dumps({"machine": machine, **msgspec.to_builtins(found)}, indent=2) + "\n")
    return 1 if found.failed else 0


if __name__ == "__main__":
    sys.exit(main())
