"""How many operations were begun in each minute, what came of them, how long that took. Pure; times are Unix seconds.

A minute is counted from its rows and can be counted again: an outcome that comes hours later moves its operation from
`unknown` to what it was. What did not become an operation left no row, and stands in `refused` alone.

How long it took is kept in steps, each a quarter longer than the one before, from 1 ms to about a quarter of an hour.
A percentile is the middle of its step, so that it is wrong by 12 % at most; of what was longer it says only that.
"""

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from cloud.operations.operation import State

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 7 * 86400
OUTCOMES = ("succeeded", "failed", "not_executed", "unknown", "running")  # every operation is one of these
COUNTED = (*OUTCOMES, "refused")
OPEN = ("unknown", "running")  # these can still become another
_GROWTH = 1.25
STEPS: tuple[float, ...] = tuple(0.001 * _GROWTH**number for number in range(62))  # seconds, where each step ends
LONGEST = STEPS[-1]


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the operations that were begun in one span of time.

    `failed` were executed, and the gateway said no; `not_executed` surely were not. `took` counts those of `succeeded`
    and `failed` for which somebody waited, by step: as long as the last step that is not 0.
    """

    succeeded: int = 0
    failed: int = 0
    not_executed: int = 0
    unknown: int = 0
    running: int = 0
    refused: int = 0  # never became operations
    took: tuple[int, ...] = ()

    @property
    def begun(self) -> int:
        """All that became operations."""
        return self.succeeded + self.failed + self.not_executed + self.unknown + self.running


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """How things stood: at one moment, or at the worst of a span of time."""

    here: int  # kiosks that are let in and connected
    enabled: int
    unknown: int  # operations of unknown outcome, however old
    alerts: int  # that stand

    def worst(self, other: "Fleet") -> "Fleet":
        """Of two moments."""
        return Fleet(
            here=min(self.here, other.here),
            enabled=max(self.enabled, other.enabled),
            unknown=max(self.unknown, other.unknown),
            alerts=max(self.alerts, other.alerts),
        )


def outcome_of(state: str, executed: str | None) -> str:
    """Which of `OUTCOMES` an operation's row is."""
    match state:
        case State.SUCCEEDED:
            return "succeeded"
        case State.EXPIRED:
            return "not_executed"
        case State.FAILED:
            return "not_executed" if executed == "no" else "failed"
        case State.UNKNOWN:
            return "unknown"
    return "running"


def step_of(seconds: float) -> int:
    """The step so many seconds fall into. A clock that was set back makes less than nothing: that is the first."""
    return bisect.bisect_left(STEPS, seconds)


def count(groups: Iterable[tuple[str, str | None, int | None, int]]) -> Count:
    """A span of time, from groups of its rows: state, executed, step or None, how many."""
    found, took = dict.fromkeys(OUTCOMES, 0), [0] * (len(STEPS) + 1)
    for state, executed, step, many in groups:
        outcome = outcome_of(state, executed)
        found[outcome] += many
        if step is not None and outcome in ("succeeded", "failed"):
            took[step] += many
    return Count(**found, took=trimmed(took))


def total(counts: Iterable[Count]) -> Count:
    """Several spans of time as one."""
    found, took = dict.fromkeys(COUNTED, 0), [0] * (len(STEPS) + 1)
    for one in counts:
        for name in COUNTED:
            found[name] += getattr(one, name)
        for step, many in enumerate(one.took[: len(took)]):
            took[step] += many
    return Count(**found, took=trimmed(took))


def counted_again(before: Count, now: Count) -> Count:
    """What stands, once a span of time is counted anew.

    Where operations are fewer than they were, old ones were deleted: those had ended, and are not forgotten here. What
    was refused left no rows.
    """
    if now.begun >= before.begun:
        return msgspec.structs.replace(now, refused=before.refused)
    ended = {name: max(getattr(before, name), getattr(now, name)) for name in OUTCOMES if name not in OPEN}
    took = now.took if sum(now.took) >= sum(before.took) else before.took
    return msgspec.structs.replace(now, **ended, took=took, refused=before.refused)


def percentile(took: Sequence[int], share: float) -> float | None:
    """Seconds within which `share` (0 to 1) of them ended; infinite beyond `LONGEST`. None where there are none."""
    many = sum(took)
    if not many:
        return None
    rank, seen = max(1, math.ceil(share * many)), 0
    for step, here in enumerate(took):
        seen += here
        if seen >= rank:
            return math.inf if step >= len(STEPS) else STEPS[step] / math.sqrt(_GROWTH)
    raise AssertionError("a rank beyond all")


class Span(msgspec.Struct, frozen=True):
    """What a chart shows: so many seconds, in bars of `step` each, drawn from figures of `width`."""

    seconds: int
    step: int
    width: int


SPANS: Mapping[str, Span] = {
    "hour": Span(HOUR, MINUTE, MINUTE),
    "day": Span(DAY, 15 * MINUTE, MINUTE),
    "week": Span(WEEK, HOUR, HOUR),
}


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """A chart's figures. None where the hub was down and nothing is known."""

    begin: int
    step: int
    counts: list[Count | None]
    fleet: list[Fleet | None]

    @property
    def at(self) -> list[int]:
        """When each bar begins."""
        return [self.begin + number * self.step for number in range(len(self.counts))]

    @property
    def total(self) -> Count:
        """All of it."""
        return total(one for one in self.counts if one is not None)


def bars(span: Span, counts: Mapping[int, Count], fleet: Mapping[int, Fleet], now: float) -> Bars:
    """The bars of the last `span`; the last one is not over yet. `counts` and `fleet` are by when they begin."""
    last = int(now // span.step) * span.step
    begin = last - span.seconds + span.step
    made: list[list[Count]] = [[] for _ in range(span.seconds // span.step)]
    stood: list[Fleet | None] = [None] * len(made)
    for at, one in counts.items():
        if begin <= at < last + span.step:
            made[(at - begin) // span.step].append(one)
    for at, there in fleet.items():
        if begin <= at < last + span.step:
            number = (at - begin) // span.step
            known = stood[number]
            stood[number] = there if known is None else known.worst(there)
    return Bars(
        begin=begin,
        step=span.step,
        # A hub that ran and was asked nothing is a bar of 0; where none ran there is no bar.
        counts=[total(some) if some or stood[number] else None for number, some in enumerate(made)],
        fleet=stood,
    )


def trimmed(took: list[int]) -> tuple[int, ...]:
    """Without the zeros at the end."""
    while took and not took[-1]:
        took.pop()
    return tuple(took)


def floor(at: float, width: int) -> int:
    """When the span of `width` seconds begins that a moment lies in."""
    return int(at // width) * width
