"""What a run of the scenarios looks like: a line for each while it goes on, then the table."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from tests.chaos.results import Result


class Run(msgspec.Struct, kw_only=True):
    """Everything one run told; the file that `JSON=` names."""

    seed: int
    operations: int  # the soak's number that was asked for
    took_s: float
    results: list[Result]

    @property
    def faults(self) -> Counter[str]:
        """Faults of all scenarios."""
        return sum((result.faults for result in self.results), Counter())


# What the table begins with: words, scenario, its figure, what is wanted.
_HEAD = (
    ("faulted operations", "soak", "faulted_operations", ""),
    ("double effects", "soak", "double_effects", "0"),
    ("false outcomes", "soak", "false_outcomes", "0"),
    ("lost outcomes", "soak", "lost_outcomes", "0"),
    ("told unknown", "soak", "told_unknown", ""),
    ("  and settled later", "soak", "unknown_settled", ""),
    ("  open for good: gateway cannot be asked, each alerted", "soak", "unknown_for_good", ""),
    ("longest time to settle, s", "soak", "settle_longest_s", ""),
)


def line(result: Result) -> str:
    """One scenario, in a line."""
    verdict = "ok" if not result.broken else f"{len(result.broken)} BROKEN"
    faults = sum(result.faults.values())
    counts = f"{result.operations:>7,} operations {faults:>7,} faults"
    return f"  {result.scenario:<12} {counts} {_duration(result.took_s):>7}  {verdict}"


def text(run: Run) -> str:
    """The table, for a person."""
    return "\n".join(_lines(run))


def _lines(run: Run) -> Iterator[str]:
    by_name = {result.scenario: result for result in run.results}
    yield ""
    yield f"{'':<58}{'seen':>12}  {'aim':<8}"
    yield _row("operations", sum(result.operations for result in run.results))
    yield _row("faults", run.faults.total())
    for words, scenario, figure, aim in _HEAD:
        if scenario in by_name and figure in by_name[scenario].figures:
            yield _row(words, by_name[scenario].figures[figure], aim)
    shown = {figure for _, _, figure, _ in _HEAD}
    for result in run.results:
        rest = {name: value for name, value in result.figures.items() if name not in shown}
        if rest:
            yield ""
            yield f"{result.scenario}"
            for name, value in rest.items():
                yield _row(f"  {name.replace('_', ' ')}", value, result.aims.get(name, ""))
    yield ""
    yield "faults, by scenario; of the soak by kind"
    for result in run.results:
        if result.scenario == "soak":
            for kind, count in sorted(result.faults.items()):
                yield _row(f"  {kind}", count)
        elif result.faults:
            yield _row(f"  {result.scenario}, of {len(result.faults)} kinds", result.faults.total())
    broken = [(result.scenario, breach) for result in run.results for breach in result.broken]
    yield ""
    yield f"{len(broken)} promises broken" if broken else "no promise broken"
    for scenario, breach in broken:
        yield f"  {scenario}: {breach}"
    yield f"seed {run.seed}, {_duration(run.took_s)}"


def _row(words: str, value: float, aim: object = "") -> str:
    wanted = f"{aim:g}" if isinstance(aim, float) else aim
    return f"{words:<58}{_number(value):>12}  {wanted!s:<8}".rstrip()


def _number(value: float) -> str:
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
