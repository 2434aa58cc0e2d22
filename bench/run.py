"""Run hub and appliance beside named peers on the same work, in one run, and print the ratios.

The work is one HTTP request that reaches a device on its outbound socket and comes back with the device's answer:

* `direct`           the floor: the local gateway called over HTTP, no hub in between
* `fastapi`          a hub on FastAPI and uvicorn[standard], without accounts or journal
* `crossbar`         Crossbar's HTTP bridge, a WAMP component behind it
* `kioskwire-v1`     our hub, the same device as FastAPI's
* `kioskwire-v2`     our hub, the same device in our own dialect
* `fastapi-forward`  the FastAPI hub, and a device without a journal that calls the gateway
* `kioskwire-full`   our hub, our appliance, and the gateway

Every program runs in a process of its own. The measured hub has the first core, everything else the second. Rounds
are interleaved (A B C, A B C), a number is the median of its rounds and a ratio the median of the rounds' ratios,
so that a slow minute of the machine touches all alike. Nothing is asserted; the exit status is 1 only if something
did not run or gave a wrong answer.

    python -m bench.run [--quick] [--json FILE] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.measure import cpu_model, python_mops, read_cpu, read_machine, read_noise, read_usage
from bench.report import IdleMemory, Plan, Report, Sample, print_report, say
from bench.stage import (
    CORES,
    HUB_CORE,
    MANY,
    OTHER_CORE,
    PEERS,
    ROOT,
    NotRun,
    Stage,
    Target,
    environment,
    numbered,
    open_stage,
)
from bench.systems import HUBS, SYSTEMS

CHOICES = ("direct", "fastapi", "crossbar", "kioskwire", "memory")

# Many short rounds rather than a few long ones: the pace of a shared machine changes within seconds.
FULL = Plan(1.5, 6, 5000, 25.0, ((1, 1), (50, 1), (1, MANY), (50, MANY)))
QUICK = Plan(1.0, 2, 1000, 3.0, ((1, 1), (50, 1), (50, MANY)))


def measure_rates(plan: Plan, names: Sequence[str], report: Report) -> None:
    """Start the systems, then load them in turn, round after round."""
    with open_stage() as stage:
        targets: list[Target] = []
        for name in names:
            with _told(name, report):
                say(f"starting {name}")
                started = SYSTEMS[name](stage)
                for target in started:
                    _warm_up(target)
                targets += started
        for number in range(plan.rounds):
            for callers, kiosks in plan.scenarios:
                for target in targets:
                    if kiosks > len(target.kiosks):
                        continue
                    say(f"round {number + 1}/{plan.rounds}: {target.name}, {callers} callers, {kiosks} kiosks")
                    with _told(target.name, report):
                        report.samples.append(_measure(stage, target, callers, kiosks, plan.seconds))
        for target in targets:
            with contextlib.suppress(ProcessLookupError):
                report.resident[f"{target.name}: hub"] = read_usage(target.hub)
                if target.appliance:
                    report.resident[f"{target.name}: appliance"] = read_usage(target.appliance)


def _measure(stage: Stage, target: Target, callers: int, kiosks: int, seconds: float) -> Sample:
    appliance = [target.appliance] if target.appliance else []
    pace = _pace()
    ours_before, machine_before = read_cpu(stage.pids()) + _children_cpu(), read_machine()
    hub_before, appliance_before = read_cpu([target.hub]), read_cpu(appliance)
    load = _run_load(target, target.kiosks[:kiosks], ["--callers", str(callers), "--seconds", str(seconds)])
    hub, appliance_cpu = read_cpu([target.hub]) - hub_before, read_cpu(appliance) - appliance_before
    ours, machine = read_cpu(stage.pids()) + _children_cpu() - ours_before, read_machine()
    stage.check()
    if load["errors"]:
        raise RuntimeError(f"{load['errors']} errors at {callers} callers: {load['error_samples']}")
    foreign = machine.busy - machine_before.busy - ours + machine.steal - machine_before.steal
    noise = max(0.0, foreign / load["seconds"])
    return Sample(target.name, callers, kiosks, load, hub, appliance_cpu, noise, round((pace + _pace()) / 2, 1))


def _pace() -> float:
    os.sched_setaffinity(0, {HUB_CORE})
    try:
        return python_mops(300_000)
    finally:
        os.sched_setaffinity(0, CORES)


def _warm_up(target: Target) -> None:
    """Call until every kiosk answers, so that nothing is measured for the first time."""
    until = time.monotonic() + 30
    while True:
        load = _run_load(target, target.kiosks, ["--callers", "4", "--requests", "400"])
        if not load["errors"]:
            return
        if time.monotonic() > until:
            raise RuntimeError(f"{target.name} does not answer: {load['error_samples']}")
        time.sleep(0.5)


def _run_load(target: Target, kiosks: Sequence[str], argv: Sequence[str]) -> dict[str, Any]:
    """One load in a process of its own; its result as printed."""
    command = [sys.executable, "-m", "bench.load", "--url", target.url, "--body", target.body]
    command += ["--core", str(OTHER_CORE), *argv]
    for header in target.headers:
        command += ["--header", header]
    for kiosk in kiosks:
        command += ["--kiosk", kiosk]
    done = subprocess.run(command, cwd=ROOT, env=environment(None), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the load failed: {done.stderr.strip()[-300:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure_memory(plan: Plan, names: Sequence[str], report: Report) -> None:
    """Open idle kiosks against each hub, freshly started and warmed, and see how much it grows."""
    for name in names:
        with open_stage() as stage, _told(f"memory {name}", report):
            say(f"idle memory: {name}, {plan.idle_kiosks} kiosks")
            hub = HUBS[name](stage)
            hub.connect(["first"])
            _warm_up(hub.target(name, ["first"]))
            before = read_usage(hub.pid)
            took = hub.connect(numbered("idle", plan.idle_kiosks))
            time.sleep(plan.settle_s)
            stage.check()
            after = read_usage(hub.pid)
            pss = None
            if before.pss_bytes is not None and after.pss_bytes is not None:
                pss = (after.pss_bytes - before.pss_bytes) // plan.idle_kiosks
            report.memory.append(
                IdleMemory(
                    system=name,
                    kiosks=plan.idle_kiosks,
                    rss_before=before.rss_bytes,
                    rss_after=after.rss_bytes,
                    rss_per_kiosk=(after.rss_bytes - before.rss_bytes) // plan.idle_kiosks,
                    pss_per_kiosk=pss,
                    connect_seconds=round(took, 2),
                )
            )


@contextlib.contextmanager
def _told(name: str, report: Report) -> Iterator[None]:
    """One system's trouble is told in the report and does not stop the others."""
    try:
        yield
    except NotRun as reason:
        report.not_run[name] = str(reason)
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        report.failed[name] = f"{type(error).__name__}: {error}"
        say(f"{name} FAILED: {error}")


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system + times.user + times.system


def _describe_machine() -> dict[str, Any]:
    PEERS.mkdir(exist_ok=True)
    return {
        "cpu": cpu_model(),
        "cores": len(CORES),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "noise_before": asdict(read_noise(PEERS)),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether everything ran."""
    parser = argparse.ArgumentParser(prog="bench.run", description="Measure beside named peers; asserts nothing.")
    parser.add_argument("--quick", action="store_true", help="short rounds and 1000 idle kiosks: a smoke test")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there too")
    parser.add_argument("--only", nargs="+", choices=CHOICES, metavar="NAME", help=f"some of {', '.join(CHOICES)}")
    options = parser.parse_args(argv)
    plan = QUICK if options.quick else FULL
    chosen = options.only or list(CHOICES)
    systems = [name for name in SYSTEMS if name in chosen]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    report = Report(machine=_describe_machine())
    print(f"{report.machine['cpu']}, {len(CORES)} cores, Python {platform.python_version()}")
    print(f"before: {read_noise(PEERS)}")
    if len(CORES) < 2:
        print("one core only: the hubs share it with their load, and rates do not compare with other machines'")
    if systems:
        measure_rates(plan, systems, report)
    if "memory" in chosen:
        wanted = [name for name in HUBS if not systems or name.partition("-")[0] in systems]
        measure_memory(plan, wanted, report)
    noise = read_noise(PEERS)
    report.machine["noise_after"] = asdict(noise)
    print(f"after:  {noise}")
    print_report(report, plan)
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=2) + "\n")
    return 1 if report.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
