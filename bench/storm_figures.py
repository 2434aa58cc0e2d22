"""What a storm showed, and how it is told. Pure."""

import os
import statistics
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

SAMPLE_S = 0.5
AIMS = {"back_s": 30.0, "peak_to_mean": 3.0, "p99_ms": 1000.0, "pegged_s": 30.0}
_PEGGED = 0.95

Samples = dict[str, list[tuple[float, float]]]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Times are of one steady clock. `probes` are when one was sent, seconds it took, status (0: none).

    `up` says since when the kiosks are there that are; `downs` and `ups` who went and came, and when. The CPU is a
    share of one core every `SAMPLE_S`.
    """

    kiosks: int
    hubs: int
    calm_at: float
    killed_at: float
    over_at: float
    up: dict[str, float]
    downs: list[tuple[str, float]]
    ups: list[tuple[str, float]]
    turned_away: list[float]
    failed: int
    probes: list[tuple[float, float, int]]
    hub_cpu: Samples
    core_cpu: Samples
    bytes_held: int


def figures(seen: Seen) -> dict[str, Any]:
    """What is printed and written."""
    lost = {kiosk for kiosk, at in seen.downs if at >= seen.killed_at}
    back = {kiosk: at for kiosk, at in seen.ups if at > seen.killed_at and kiosk in lost}
    last = max(back.values(), default=seen.over_at)
    peak, mean = evenness([at for kiosk, at in seen.ups if at > seen.killed_at], seen.killed_at)
    calm = [
        took * 1000
        for at, took, status in seen.probes
        if seen.calm_at <= at and at + took < seen.killed_at and status == 200
    ]
    meanwhile = [(took * 1000, status) for at, took, status in seen.probes if seen.killed_at + 1 <= at <= last]
    return {
        "kiosks": seen.kiosks,
        "hubs": seen.hubs,
        "lost": len(lost),
        "back": len([kiosk for kiosk in lost if kiosk in seen.up]),
        "back_s": round(last - seen.killed_at, 2),
        "half_back_s": round(percentile([at - seen.killed_at for at in back.values()], 0.5), 2),
        "peak_per_s": peak,
        "mean_per_s": round(mean, 1),
        "peak_to_mean": round(peak / mean, 2) if mean else 0.0,
        "per_second": _per_second([at - seen.killed_at for _, at in seen.ups if at > seen.killed_at]),
        "turned_away": len([at for at in seen.turned_away if at > seen.killed_at]),
        "failed_dials": seen.failed,
        "calm_p50_ms": round(percentile(calm, 0.5), 1),
        "calm_p99_ms": round(percentile(calm, 0.99), 1),
        "probes": len(meanwhile),
        "statuses": dict(Counter(str(status) for _, status in meanwhile)),
        "p50_ms": round(percentile([took for took, status in meanwhile if status == 200], 0.5), 1),
        "p99_ms": round(percentile([took for took, status in meanwhile if status == 200], 0.99), 1),
        "cpu": {
            name: _shares(samples, seen.killed_at, last) for name, samples in {**seen.hub_cpu, **seen.core_cpu}.items()
        },
        "pegged_s": max(
            (round(longest_pegged(samples, seen.killed_at, last), 1) for samples in seen.core_cpu.values()), default=0.0
        ),
        "kb_per_idle_kiosk": round(seen.bytes_held / seen.kiosks / 1000, 1),
        "load_average": [round(each, 2) for each in os.getloadavg()],
    }


def _shares(samples: list[tuple[float, float]], begin: float, end: float) -> dict[str, float]:
    shares = [share for at, share in samples if begin <= at <= end + SAMPLE_S] or [0.0]
    return {
        "mean": round(statistics.fmean(shares), 2),
        "most": round(max(shares), 2),
        "pegged_s": round(longest_pegged(samples, begin, end), 1),
    }


def _per_second(times: list[float]) -> list[int]:
    counts = Counter(int(at) for at in times)
    return [counts[second] for second in range(max(counts, default=-1) + 1)]


def longest_pegged(samples: list[tuple[float, float]], begin: float, end: float) -> float:
    """Seconds for which a share was at the top without a break."""
    longest, since = 0.0, None
    for at, share in samples:
        if not begin <= at <= end + SAMPLE_S or share < _PEGGED:
            since = None
            continue
        since = at - SAMPLE_S if since is None else since
        longest = max(longest, at - since)
    return longest


def evenness(times: list[float], begin: float) -> tuple[float, float]:
    """The most that came within any second, and how many came in a second on average, from `begin` to the last."""
    times = sorted(times)
    if not times:
        return 0.0, 0.0
    first, most = 0, 0
    for number, at in enumerate(times):
        while times[first] <= at - 1.0:
            first += 1
        most = max(most, number - first + 1)
    return float(most), len(times) / max(1.0, times[-1] - begin)


def percentile(values: list[float], part: float) -> float:
    """0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def table(found: dict[str, Any]) -> Iterator[str]:
    """The figures, for a person."""
    rows = [
        ("all of the killed hub's kiosks back", f"{found['back']} of {found['lost']} in {found['back_s']} s", "back_s"),
        ("half of them", f"{found['half_back_s']} s", ""),
        ("let in, most in one second / mean", f"{found['peak_per_s']:.0f} / {found['mean_per_s']}", ""),
        ("peak / mean", f"{found['peak_to_mean']}", "peak_to_mean"),
        ("turned away by the gate", f"{found['turned_away']}", ""),
        ("POST /send before, p50 / p99", f"{found['calm_p50_ms']} / {found['calm_p99_ms']} ms", ""),
        ("POST /send to those back, p50", f"{found['p50_ms']} ms, {found['statuses']}", ""),
        ("POST /send to those back, p99", f"{found['p99_ms']} ms", "p99_ms"),
        ("a core pegged for", f"{found['pegged_s']} s", "pegged_s"),
        ("memory of an idle kiosk at its hub", f"{found['kb_per_idle_kiosk']} kB", ""),
    ]
    yield f"{found['kiosks']} kiosks on {found['hubs']} hub(s), one killed with -9"
    for words, value, aim in rows:
        told = f"under {AIMS[aim]:g}: {'yes' if is_met(found, aim) else 'NO'}" if aim else ""
        yield f"{words:<38} {value:<34} {told}".rstrip()
    for name, shares in found["cpu"].items():
        yield f"{'CPU of ' + name:<38} mean {shares['mean']:.2f}, most {shares['most']:.2f}"
    yield f"let in second by second: {' '.join(map(str, found['per_second']))}"
    yield f"load average {' '.join(map(str, found['load_average']))}"


def is_met(found: dict[str, Any], aim: str) -> bool:
    """Whether one of `AIMS` was."""
    return bool(found[aim] < AIMS[aim] and (aim != "back_s" or found["back"] == found["lost"] > 0))
