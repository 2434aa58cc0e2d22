"""What boards are made of: panels of a kind, each with a title, a sentence, a unit, expressions with legends."""

from dataclasses import dataclass, field
from typing import Any

HUB = 'job="kioskwire-hub",instance=~"$instance"'
KIOSK = 'job="kioskwire-appliance",kiosk="$kiosk"'
KIOSKS = 'job="kioskwire-appliance"'
OVER = "$__rate_interval"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24

GREEN, YELLOW, RED = "green", "orange", "red"
Steps = list[dict[str, Any]]


def above(*limits: float) -> Steps:
    """Good below the first limit; then a warning, where there are two; then bad."""
    colours = [GREEN, RED] if len(limits) == 1 else [GREEN, YELLOW, RED]
    return [{"color": c, "value": v} for c, v in zip(colours, [None, *limits], strict=True)]


def below(limit: float) -> Steps:
    """Bad below the limit."""
    return [{"color": RED, "value": None}, {"color": GREEN, "value": limit}]


PLAIN: Steps = [{"color": "blue", "value": None}]
YES_NO = [{"type": "value", "options": {"1": {"text": "yes", "index": 0}, "0": {"text": "no", "index": 1}}}]


@dataclass
class Panel:
    """`queries` are expressions with their legends; `more` overrides what Grafana is told."""

    kind: str
    title: str
    words: str
    unit: str
    queries: list[tuple[str, str]]
    width: int = 12
    height: int = 8
    steps: Steps = field(default_factory=lambda: PLAIN)
    options: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)

    def drawn(self, number: int, x: int, y: int) -> dict[str, Any]:
        """As Grafana has it."""
        instant = self.kind in {"stat", "table", "bargauge"}
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.words,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [
                {
                    "refId": chr(ord("A") + position),
                    "datasource": SOURCE,
                    "expr": expression,
                    "legendFormat": legend,
                    "editorMode": "code",
                    "instant": instant,
                    "range": not instant,
                    **({"format": "table"} if self.kind == "table" else {}),
                }
                for position, (expression, legend) in enumerate(self.queries)
            ],
            "fieldConfig": {
                "defaults": {
                    "unit": self.unit,
                    "thresholds": {"mode": "absolute", "steps": self.steps},
                    "custom": self.custom,
                    **self.defaults,
                },
                "overrides": [],
            },
            "options": self.options,
        }


def stat(title: str, words: str, expression: str, unit: str = "short", steps: Steps = PLAIN, **more: Any) -> Panel:
    """One number, read at a glance."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value" if steps is PLAIN else "background",
        "graphMode": "none",
        "textMode": "value",
        "justifyMode": "auto",
        "orientation": "auto",
    }
    given: dict[str, Any] = {"width": 4, "height": 4, "steps": steps, "options": options, "custom": {}, **more}
    return Panel(
        "stat", title, words, unit, [(expression, "")], defaults={"noValue": "–", **given.pop("defaults", {})}, **given
    )


def lines(
    title: str,
    words: str,
    unit: str,
    *queries: tuple[str, str],
    stacked: bool = False,
    signed: bool = False,
    **more: Any,
) -> Panel:
    """What changes with time."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1 if stacked else 2,
        "fillOpacity": 40 if stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "axisSoftMin": 0,
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return Panel(
        "timeseries",
        title,
        words,
        unit,
        list(queries),
        custom=custom,
        options=options,
        defaults={"color": {"mode": "palette-classic"}, **({} if signed else {"min": 0})},
        **more,
    )


def table(title: str, words: str, unit: str, *queries: tuple[str, str], **more: Any) -> Panel:
    """What stands now, by label."""
    options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}
    return Panel("table", title, words, unit, list(queries), options=options, custom={"align": "auto"}, **more)


def bars(title: str, words: str, unit: str, expression: str, legend: str, **more: Any) -> Panel:
    """How much of each there is now."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "horizontal",
        "displayMode": "gradient",
        "showUnfilled": True,
    }
    given: dict[str, Any] = {"defaults": {"min": 0}, **more}
    return Panel("bargauge", title, words, unit, [(expression, legend)], options=options, **given)


def timeline(title: str, words: str, expression: str, legend: str, **more: Any) -> Panel:
    """When something held and when not: 1 and 0."""
    options = {
        "mergeValues": True,
        "showValue": "never",
        "rowHeight": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    given: dict[str, Any] = {"width": WIDTH, "custom": {"fillOpacity": 80, "lineWidth": 0}, **more}
    return Panel(
        "state-timeline",
        title,
        words,
        "bool_yes_no",
        [(expression, legend)],
        options=options,
        steps=below(1),
        defaults={"mappings": YES_NO, "color": {"mode": "thresholds"}},
        **given,
    )


def rate(series: str, labels: str, by: str = "", over: str = OVER) -> str:
    """Per second, summed by these labels."""
    return f"sum{f' by ({by})' if by else ''} (rate({series}{{{labels}}}[{over}]))"


def quantile(q: float, series: str, labels: str, by: str = "", over: str = OVER) -> str:
    """Of a histogram."""
    buckets = rate(f"{series}_bucket", labels, f"le, {by}" if by else "le", over)
    return f"histogram_quantile({q}, {buckets})"
