"""What was seen, and how it is told."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.measure import Usage


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    seconds: float
    rounds: int
    idle_kiosks: int
    settle_s: float
    scenarios: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Sample:
    """One load on one target.

    `hub_cpu` and `appliance_cpu` are seconds; `foreign_cpu` is what others took of the machine meanwhile, in cores;
    `pace` is how fast plain Python ran on the hub's core just before and after, in millions of loops a second.
    """

    target: str
    callers: int
    kiosks: int
    load: dict[str, Any]
    hub_cpu: float
    appliance_cpu: float
    foreign_cpu: float
    pace: float

    @property
    def cpu_us(self) -> float:
        """CPU of the hub for a request, in microseconds."""
        return self.hub_cpu / max(1, int(self.load["requests"])) * 1e6

    @property
    def per_core_s(self) -> float:
        """Requests for a second of the hub's CPU."""
        return float(self.load["requests"]) / self.hub_cpu if self.hub_cpu else 0.0


@dataclass(frozen=True)
class IdleMemory:
    """What a connected and silent kiosk costs a hub, in bytes."""

    system: str
    kiosks: int
    rss_before: int
    rss_after: int
    rss_per_kiosk: int
    pss_per_kiosk: int | None
    connect_seconds: float


@dataclass
class Report:
    """All that was seen, in the order it was seen; `--json` writes it as it is."""

    machine: dict[str, Any]
    samples: list[Sample] = field(default_factory=list)
    memory: list[IdleMemory] = field(default_factory=list)
    resident: dict[str, Usage] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def print_report(report: Report, plan: Plan) -> None:
    """The tables, for a person."""
    if report.samples:
        _print_rates(report)
    _print_appliance(report)
    if report.memory:
        print(f"\nIdle memory: {plan.idle_kiosks} connected, silent kiosks, no compression, by growth of the hub")
        print(f"{'system':<18}{'RSS before':>12}{'RSS after':>12}{'RSS/kiosk':>12}{'PSS/kiosk':>12}{'connected':>12}")
        for each in report.memory:
            pss = "-" if each.pss_per_kiosk is None else f"{each.pss_per_kiosk / 1024:.1f} KB"
            print(
                f"{each.system:<18}{each.rss_before / 2**20:>9.1f} MB{each.rss_after / 2**20:>9.1f} MB"
                f"{each.rss_per_kiosk / 1024:>9.1f} KB{pss:>12}{each.connect_seconds:>10.1f} s"
            )
    if report.resident:
        print("\nResident after the load")
        for name, usage in report.resident.items():
            pss = "" if usage.pss_bytes is None else f", PSS {usage.pss_bytes / 2**20:.1f} MB"
            print(f"{name:<28} RSS {usage.rss_bytes / 2**20:.1f} MB{pss}")
    print()
    for name, reason in report.not_run.items():
        print(f"{name}: not run: {reason}")
    for name, reason in report.failed.items():
        print(f"{name}: FAILED: {reason}")


def _print_rates(report: Report) -> None:
    print("\nHTTP request -> hub -> device on its socket -> answer; ratios (x) are to the system named at the end")
    print(
        f"{'system':<16}{'callers':>8}{'kiosks':>7}{'req/s':>9}{'CPU us':>8}{'req/core-s':>11}{'core':>6}"
        f"{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}{'noise':>7}{'pace':>6}  x req/core-s  x CPU/req  of"
    )
    groups = dict.fromkeys((each.callers, each.kiosks, each.target) for each in report.samples)
    for callers, kiosks, name in groups:
        rows = _rows(report, name, callers, kiosks)
        beside = "fastapi-forward" if name in ("kioskwire-full", "fastapi-forward") else "fastapi"
        others = _rows(report, beside, callers, kiosks)
        ratio = f"{'-':>14}{'-':>11}"
        pairs = [(a, b) for a, b in zip(rows, others, strict=False) if a.hub_cpu and b.hub_cpu]
        if pairs:
            rate = statistics.median(a.per_core_s / b.per_core_s for a, b in pairs)
            cost = statistics.median(a.cpu_us / b.cpu_us for a, b in pairs)
            ratio = f"{rate:>14.2f}{cost:>11.2f}  {beside}"
        print(
            f"{name:<16}{callers:>8}{kiosks:>7}{_median(rows, 'rps'):>9.0f}"
            f"{statistics.median(each.cpu_us for each in rows):>8.0f}"
            f"{statistics.median(each.per_core_s for each in rows):>11.0f}"
            f"{statistics.median(each.hub_cpu / each.load['seconds'] for each in rows):>6.0%}"
            f"{_median(rows, 'p50_ms'):>8.2f}{_median(rows, 'p99_ms'):>8.2f}"
            f"{max(each.load['max_ms'] for each in rows):>8.1f}"
            f"{max(each.foreign_cpu for each in rows):>7.0%}"
            f"{statistics.median(each.pace for each in rows):>6.0f}{ratio}"
        )
    print(
        "core: how busy the hub's core was; noise: what others took of the machine meanwhile, in cores, worst round;\n"
        "pace: plain Python on the hub's core, M loops/s (CPU us compare only between rows of like pace)"
    )


def _print_appliance(report: Report) -> None:
    """What the real appliance adds to the hub with a device that answers at once."""
    full, echo = _rows(report, "kioskwire-full", 1, 1), _rows(report, "kioskwire-v2", 1, 1)
    floor = _rows(report, "direct", 1, 1)
    if not full or not echo:
        return
    print("\nThe appliance, one caller")
    print(f"hub + appliance + gateway   p50 {_median(full, 'p50_ms'):.2f} ms, p99 {_median(full, 'p99_ms'):.2f} ms")
    print(f"hub + instant device        p50 {_median(echo, 'p50_ms'):.2f} ms, p99 {_median(echo, 'p99_ms'):.2f} ms")
    added = _median(full, "p50_ms") - _median(echo, "p50_ms")
    text = f"added by it                 p50 {added:.2f} ms"
    if floor:
        call = _median(floor, "p50_ms")
        text += f", of which a direct call of the gateway is {call:.2f} ms and its own {added - call:.2f} ms"
    print(text)
    cost = statistics.median(each.appliance_cpu / max(1, each.load["requests"]) * 1e6 for each in full)
    print(f"its CPU                     {cost:.0f} us a request")


def _rows(report: Report, name: str, callers: int, kiosks: int) -> list[Sample]:
    return [each for each in report.samples if (each.target, each.callers, each.kiosks) == (name, callers, kiosks)]


def _median(rows: Sequence[Sample], key: str) -> float:
    return statistics.median(float(each.load[key]) for each in rows)


def say(text: str) -> None:
    """Progress, beside the report."""
    print(f"  {text}", file=sys.stderr, flush=True)
