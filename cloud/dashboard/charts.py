"""Charts: as JSON for the script that draws them, and as a picture and words for who has no script. Pure."""

import math
from collections.abc import Callable
from typing import Any

import msgspec

from cloud.dashboard.rendering import Html
from cloud.operations.figures import COUNTED, LONGEST, Bars, Count, percentile

SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
# The kind of drawing, the unit, and the series from the bottom up.
CHARTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "operations": ("bars", "count", COUNTED),
    "latency": ("lines", "seconds", tuple(SHARES)),
    "fleet": ("lines", "count", ("here", "enabled")),
    "troubles": ("lines", "count", ("unknown", "alerts")),
}
_WIDTH, _HEIGHT = 600, 120
_ROWS_MAX = 24  # of the table: of more bars several are one row

Values = list[float | None]


class Series(msgspec.Struct, frozen=True):
    """One line, or one colour of the bars. None where nothing is known."""

    key: str
    label: str
    values: Values


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What the script is sent. Times are Unix seconds."""

    begin: int = msgspec.field(name="from")
    step: int
    at: list[int]
    series: list[Series]
    unit: str


def chart(name: str, bars: Bars, label: Callable[[str], str]) -> Chart:
    """The chart of that name."""
    _, unit, keys = CHARTS[name]
    series = [
        Series(key, label(key), [_value(name, key, bars, number) for number in range(len(bars.at))]) for key in keys
    ]
    return Chart(begin=bars.begin, step=bars.step, at=bars.at, series=series, unit=unit)


def picture(name: str, drawn: Chart, title: str) -> Html:
    """The chart as SVG, without numbers: `title` says what it shows. Colours are classes."""
    parts = _bars(drawn) if CHARTS[name][0] == "bars" else _lines(drawn)
    head = f'<svg class="spark" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="'
    return Html(f'{head}{_escape(title)}">{"".join(parts)}</svg>'.encode())


def table(drawn: Chart) -> list[tuple[int, list[float | None]]]:
    """The chart as a table, the newest first: when it begins, a value for each series. Counts are sums."""
    together = max(1, math.ceil(len(drawn.at) / _ROWS_MAX))
    rows = []
    for begin in range(0, len(drawn.at), together):
        values: Values = []
        for series in drawn.series:
            some = [value for value in series.values[begin : begin + together] if value is not None]
            values.append(None if not some else max(some) if drawn.unit == "seconds" else sum(some))
        rows.append((drawn.at[begin], values))
    return rows[::-1]


def _value(name: str, key: str, bars: Bars, number: int) -> float | None:
    count, stood = bars.counts[number], bars.fleet[number]
    match name:
        case "operations":
            return None if count is None else getattr(count, key)
        case "latency":
            return _took(count, SHARES[key])
    return None if stood is None else getattr(stood, key)


def _took(count: Count | None, share: float) -> float | None:
    found = None if count is None else percentile(count.took, share)
    return None if found is None else round(min(found, LONGEST), 4)


def _bars(drawn: Chart) -> list[str]:
    sums = [sum(series.values[number] or 0 for series in drawn.series) for number in range(len(drawn.at))]
    highest, wide = max(sums, default=0) or 1, _WIDTH / max(1, len(drawn.at))
    parts = []
    for number in range(len(drawn.at)):
        top = float(_HEIGHT)
        for series in drawn.series:
            value = series.values[number] or 0
            if not value:
                continue
            tall = value / highest * _HEIGHT
            top -= tall
            parts.append(
                f'<rect class="of-{series.key}" x="{number * wide:.1f}" y="{top:.1f}" width="{wide * 0.85:.1f}"'
                f' height="{tall:.1f}"/>'
            )
    return parts


def _lines(drawn: Chart) -> list[str]:
    known: list[Any] = [value for series in drawn.series for value in series.values if value is not None]
    highest, wide = max(known, default=0) or 1, _WIDTH / max(1, len(drawn.at) - 1)
    parts = []
    for series in drawn.series:
        pen, path = "M", ""
        for number, value in enumerate(series.values):
            if value is None:
                pen = "M"
                continue
            path += f"{pen}{number * wide:.1f} {_HEIGHT - 2 - value / highest * (_HEIGHT - 6):.1f}"
            pen = "L"
        if path:
            parts.append(f'<path class="line of-{series.key}" d="{path}"/>')
    return parts


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def to_json(drawn: Chart) -> bytes:
    """As the script reads it."""
    return msgspec.json.encode(drawn)
