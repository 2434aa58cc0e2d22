"""What a fleet's measurements showed, and how they are told. Pure."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

CROSS_ADDS_MS = 2.0
TWO_CARRY = 1.7
IDLE_KB = 18.0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One load on one system. Latencies in ms, CPU in seconds, all of them while the load lasted.

    `where` says at which process the kiosks are that callers of one process ask: `same`, `cross` (never there);
    `callers` are of all processes together, `is_keyed` with an Idempotency-Key. `foreign` is what other programs took
    of the machine, in cores.
    """

    system: str
    processes: int
    where: str
    is_keyed: bool
    callers: int
    requests: int
    seconds: float
    p50: float
    p99: float
    cpu_hubs: float
    cpu_redis: float
    cpu_database: float
    foreign: float


class Idle(msgspec.Struct, frozen=True, kw_only=True):
    """Silent kiosks. Bytes are the growth of all hubs together, CPU of all hubs for one kiosk."""

    processes: int
    kiosks: int
    bytes_hubs: int
    bytes_kernel: int
    came_s: float
    connect_ms: float
    reconnect_ms: float
    idle_cores: float
    bytes_redis: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The medians of a cell's rounds."""

    name: str
    processes: int
    where: str
    is_keyed: bool
    callers: int
    rate: float
    p50: float
    p99: float
    hub_us: float
    redis_us: float
    database_us: float
    foreign: float
    rounds: int


def merge(loads: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Several loads that ran at the same time as one. Percentiles are means, weighted by requests."""
    requests = sum(load["requests"] for load in loads)

    def weighted(name: str) -> float:
        return float(sum(load[name] * load["requests"] for load in loads) / max(1, requests))

    seconds = max(load["seconds"] for load in loads)
    return {"requests": requests, "seconds": seconds, "p50": weighted("p50_ms"), "p99": weighted("p99_ms")}


def rows(samples: Iterable[Sample]) -> list[Row]:
    """A row for each cell, in the order they were measured first."""
    cells: dict[tuple[Any, ...], list[Sample]] = {}
    for each in samples:
        cells.setdefault((each.system, each.processes, each.where, each.is_keyed, each.callers), []).append(each)
    return [_row(*cell, of=found) for cell, found in cells.items()]


def _row(system: str, processes: int, where: str, is_keyed: bool, callers: int, *, of: list[Sample]) -> Row:
    def median(values: Iterable[float]) -> float:
        return float(statistics.median(values))

    return Row(
        name=system, processes=processes, where=where, is_keyed=is_keyed, callers=callers, rounds=len(of),
        rate=median(each.requests / each.seconds for each in of),
        p50=median(each.p50 for each in of), p99=median(each.p99 for each in of),
        hub_us=median(each.cpu_hubs / max(1, each.requests) * 1e6 for each in of),
        redis_us=median(each.cpu_redis / max(1, each.requests) * 1e6 for each in of),
        database_us=median(each.cpu_database / max(1, each.requests) * 1e6 for each in of),
        foreign=median(each.foreign for each in of),
    )  # fmt: skip


def ratio(samples: Sequence[Sample], processes: int) -> tuple[float, float] | None:
    """How much more so many processes carry than one: kiosks at the caller's process, and anywhere by chance.

    By what an operation costs the hubs, un-keyed, with the most callers: what they would do with a core for each. None
    where one of the two was not measured.
    """
    found = rows(each for each in samples if each.system == "kioskwire" and not each.is_keyed)
    most = max((row.callers for row in found), default=0)
    cost = {(row.processes, row.where): row.hub_us for row in found if row.callers == most}
    try:
        one, same, cross = cost[1, "same"], cost[processes, "same"], cost[processes, "cross"]
    except KeyError:
        return None
    anywhere = same / processes + cross * (processes - 1) / processes
    return processes * one / same, processes * one / anywhere


def cross_adds(samples: Sequence[Sample]) -> dict[tuple[int, bool], float]:
    """What another process adds at p50 in ms, for one caller a time, by processes and whether keyed.

    The median of the rounds' differences: the two were measured one after the other.
    """
    found: dict[tuple[int, bool], float] = {}
    ours = [each for each in samples if each.system == "kioskwire" and each.processes > 1]
    for processes, is_keyed in dict.fromkeys((each.processes, each.is_keyed) for each in ours):
        those = [each for each in ours if (each.processes, each.is_keyed) == (processes, is_keyed)]
        fewest = min(each.callers for each in those)
        same = [each.p50 for each in those if each.where == "same" and each.callers == fewest]
        cross = [each.p50 for each in those if each.where == "cross" and each.callers == fewest]
        if same and cross:
            pairs = zip(same, cross, strict=False)
            found[processes, is_keyed] = statistics.median(there - here for here, there in pairs)
    return found


def tables(samples: Sequence[Sample], idle: Sequence[Idle]) -> list[str]:
    """Lines for a person."""
    lines = []
    if samples:
        lines += [
            f"{'system':<18}{'processes':>10}{'kiosks':>8}{'keyed':>7}{'callers':>9}{'ops/s':>9}"
            f"{'p50 ms':>9}{'p99 ms':>9}{'hub µs':>9}{'redis µs':>10}{'pg µs':>8}{'others':>8}"
        ]
        for row in rows(samples):
            lines.append(
                f"{row.name:<18}{row.processes:>10}{row.where:>8}{'yes' if row.is_keyed else 'no':>7}{row.callers:>9}"
                f"{row.rate:>9.0f}{row.p50:>9.2f}{row.p99:>9.1f}{row.hub_us:>9.0f}{row.redis_us:>10.0f}"
                f"{row.database_us:>8.0f}{row.foreign:>8.2f}"
            )
        lines.append("µs: CPU for one operation; others: what other programs took of the machine meanwhile, in cores")
        for (processes, is_keyed), added in cross_adds(samples).items():
            how = "keyed" if is_keyed else "un-keyed"
            met = "yes" if added < CROSS_ADDS_MS else "NO"
            lines.append(
                f"another process adds {added:.2f} ms at p50 ({processes}, {how}); under {CROSS_ADDS_MS}: {met}"
            )
        for processes in (2, 4):
            if (found := ratio(samples, processes)) is not None:
                same, anywhere = found
                aim = f"; at least {TWO_CARRY}: {'yes' if anywhere >= TWO_CARRY else 'NO'}" if processes == 2 else ""
                lines.append(
                    f"{processes} processes, a core for each, carry {same:.2f} times one by what an operation costs "
                    f"them, {anywhere:.2f} with kiosks anywhere{aim}"
                )
    for each in idle:
        size = each.bytes_hubs / each.kiosks / 1000
        lines += [
            f"{each.kiosks} idle kiosks on {each.processes}: {size:.1f} KB each in the hubs (at most {IDLE_KB:g}: "
            f"{'yes' if size <= IDLE_KB else 'NO'}), {each.bytes_kernel / each.kiosks / 1000:.1f} KB in the kernel "
            f"with the kiosks' ends, Redis {each.bytes_redis / 1e6:.1f} MB more",
            f"  they came in {each.came_s:.0f} s; CPU of the hubs for one: {each.connect_ms:.2f} ms to come first, "
            f"{each.reconnect_ms:.2f} ms to leave and come again; while all are silent {each.idle_cores:.3f} cores",
        ]
    return lines
