"""The first page: how everything stands, in one glance and in charts."""

from typing import Any

from tornado.web import HTTPError

from cloud.dashboard.alert_words import titles
from cloud.dashboard.charts import CHARTS, SHARES, chart, picture, table, to_json
from cloud.dashboard.event_words import STATES, Spoken, speak
from cloud.dashboard.glance import LATELY, Glance
from cloud.dashboard.hubs import AILS
from cloud.dashboard.rendering import span
from cloud.dashboard.screen import Screen
from cloud.dashboard.verdict import judge
from cloud.kiosks.noteworthy import Noted
from cloud.operations.figures import COUNTED, LONGEST, SPANS, Bars, percentile

DEFAULT = "hour"
_STATES = {
    "connected": "good",
    "slow": "warn",
    "unreachable": "bad",
    "disabled": "idle",
    "connecting": "idle",
    "standby": "idle",
}


class _Charts(Screen):
    """What page and figures share."""

    def range(self) -> str:
        """Of the charts; an unknown one is as none."""
        given = self.get_query_argument("range", DEFAULT)
        return given if given in SPANS else DEFAULT

    def label(self, key: str) -> str:
        """What a series is called."""
        return self.say(f"overview.series-{key}")


class Overview(_Charts):
    """`GET /dashboard`. As fragments it is the parts that are fetched again every few seconds."""

    active = "overview"

    async def get(self) -> None:
        seen = await self.rooms.glances.look()
        facts = {
            "seen": seen, "verdict": judge(seen, self.say), "lately": self._lately(seen), "LATELY": LATELY,
            "hub": self._hub(seen), "alert_title": titles(self.language), "spoken": self._spoken,
            "AILS": AILS,
        }  # fmt: skip
        if self.is_fragment:
            self.show("_overview_rest.html" if self.get_query_argument("part", "") else "_overview.html", **facts)
            return
        self.show("overview.html", **facts, range=self.range(), spans=list(SPANS), charts=await self._drawn(seen))

    def _lately(self, seen: Glance) -> dict[str, Any]:
        """Numbers of the last minutes: outcomes with their counts, percentiles as words."""
        if seen.lately is None:
            return {}
        took = {name: _bounded(seen.took(share)) for name, share in SHARES.items()}
        return {
            "begun": seen.lately.begun,
            "a_minute": round(seen.lately.begun / seen.minutes, 1),
            "outcomes": [(name, getattr(seen.lately, name)) for name in COUNTED],
            "took": took,
        }

    def _spoken(self, event: Noted) -> Spoken:
        # Of a device's state the kind is the state.
        return speak(self.language, "state-changed" if event.kind in STATES else event.kind, event.data)

    def _hub(self, seen: Glance) -> list[tuple[str, str, str]]:
        """The hub's own state: a name, a badge's level or nothing, words."""
        rows = []
        for name in ("database", "redis", "telegram"):
            state = str(seen.health.get(name, "disabled"))
            level = _STATES.get(state, "bad")
            rows.append((name, level, self.say(f"overview.state-{state}") if state in _STATES else state))
        uptime = span(float(seen.health.get("uptime", 0.0)), self.language)
        return [*rows, ("version", "", str(seen.health.get("version", ""))), ("uptime", "", uptime)]

    async def _drawn(self, seen: Glance) -> list[dict[str, Any]]:
        """Each chart for who has no script; none on a hub with nothing in it, or without its database."""
        if seen.unknown is None or (seen.is_new and not seen.enabled):
            return []
        bars = await self.rooms.tally.read(SPANS[self.range()])
        found = []
        for name, (kind, unit, _) in CHARTS.items():
            drawn = chart(name, bars, self.label)
            words = self._words(name, bars, seen)
            found.append({
                "name": name, "kind": kind, "unit": unit, "words": words, "drawn": drawn,
                "picture": picture(name, drawn, words), "table": table(drawn),
            })  # fmt: skip
        return found

    def _words(self, name: str, bars: Bars, seen: Glance) -> str:
        """The chart in a sentence."""
        match name:
            case "operations":
                whole = bars.total
                counts = {key: getattr(whole, key) for key in COUNTED}
                return self.say("overview.words-operations", begun=whole.begun, **counts)
            case "latency":
                all_took = bars.total.took
                took = {
                    key: span(_bounded(percentile(all_took, share)), self.language) for key, share in SHARES.items()
                }
                return self.say("overview.words-latency", **took)
            case "fleet":
                stood = [there for there in bars.fleet if there is not None]
                least = min((there.here for there in stood), default=seen.here)
                return self.say("overview.words-fleet", least=least, here=seen.here, enabled=seen.enabled)
        stood = [there for there in bars.fleet if there is not None]
        unknown = max((there.unknown for there in stood), default=0)
        alerts = max((there.alerts for there in stood), default=0)
        return self.say("overview.words-troubles", unknown=unknown, alerts=alerts)


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None else min(seconds, LONGEST)


class Figures(_Charts):
    """`GET /dashboard/figures.json?range=hour|day|week&chart=operations|latency|fleet|troubles`."""

    active = "overview"

    async def get(self) -> None:
        name = self.get_query_argument("chart", "operations")
        if name not in CHARTS or self.get_query_argument("range", DEFAULT) not in SPANS:
            raise HTTPError(404, self.say("shell.not-found"))
        bars = await self.rooms.tally.read(SPANS[self.range()])
        self.set_header("Content-Type", "application/json")
        self.finish(to_json(chart(name, bars, self.label)))
