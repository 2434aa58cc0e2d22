"""What is wrong: the alerts that stand, who took note of them, what is muted, and what is over."""

from collections import Counter
from typing import Any
from urllib.parse import urlencode

from cloud.accounts.account import Role
from cloud.alerts.alert import Alert, Severity
from cloud.dashboard.alert_words import LEVELS, measures, remedy, said, titles
from cloud.dashboard.screen import Screen
from cloud.errors import Refused
from wire.ids import parse_kiosk_id

PAGE = 50
SHOWN_MAX = 200  # standing ones on one page; there may be ten thousand
DURATIONS = {"1h": 3600.0, "8h": 8 * 3600.0, "1d": 86400.0, "3d": 3 * 86400.0, "7d": 7 * 86400.0, "30d": 30 * 86400.0}
_ORDER = list(Severity)
_SCOPE_MAX = 64


class AlertsPage(Screen):
    """`GET /dashboard/alerts`: all of it. As a fragment it is the standing ones."""

    active = "alerts"

    async def get(self) -> None:
        severity = self.get_query_argument("severity", "")
        facts = self.standing(
            severity if severity in list(Severity) else "", _kiosk(self.get_query_argument("kiosk", ""))
        )
        if self.is_fragment:
            self.show("_alerts.html", **facts)
            return
        await self.whole(facts)

    def standing(self, severity: str = "", kiosk: str = "") -> dict[str, Any]:
        """What stands, the worst first, and among those what nobody has acknowledged; of one kiosk, if it is named."""
        alerts = [alert for alert in self.rooms.alerts.standing() if not kiosk or alert.kiosk_id == kiosk]
        counts = Counter(str(alert.severity) for alert in alerts)
        chosen = [alert for alert in alerts if not severity or alert.severity == severity]
        chosen.sort(key=lambda one: (_ORDER.index(one.severity), one.acknowledged_at is not None, -one.since))
        language = self.language
        return {
            "alerts": chosen[:SHOWN_MAX],
            "left": max(0, len(chosen) - SHOWN_MAX),
            "to_acknowledge": [one.number for one in chosen[:SHOWN_MAX] if one.acknowledged_at is None],
            "counts": [("", len(alerts)), *((str(one), counts[str(one)]) for one in Severity)],
            "severity": severity,
            "kiosk": kiosk,
            "at": lambda **asked: _address({"kiosk": kiosk, **asked}),
            "names": self._names(chosen[:SHOWN_MAX]),
            "muted": {mute.scope for mute in self.rooms.alerts.mutes()},
            "alert_title": titles(language),
            "remedy": lambda alert: remedy(language, alert.kind),
            "measures": lambda alert: measures(language, alert),
            "said": said,
            "levels": LEVELS,
        }

    def _names(self, alerts: list[Alert]) -> dict[str, str]:
        """Of the kiosks that these are of, by id."""
        kiosks = (self.rooms.registry.get(alert.kiosk_id) for alert in alerts if alert.kiosk_id)
        return {kiosk.id: kiosk.name for kiosk in kiosks if kiosk is not None}

    async def whole(
        self, facts: dict[str, Any], status: int = 200, *, told: tuple[str, str] | None = None, scope: str = ""
    ) -> None:
        """The page. `told` is a level and a sentence on top; `scope` stands in the form."""
        before = self.get_query_argument("before", "")
        past: list[Alert] = await self.rooms.past_alerts.page(
            kiosk_id=facts["kiosk"],
            before=int(before) if before.isascii() and before.isdigit() and len(before) < 10 else None,
            limit=PAGE + 1,
        )
        self.show(
            "alerts.html",
            status,
            **facts,
            told=told,
            mutes=self.rooms.alerts.mutes(),
            durations=list(DURATIONS.items()),
            scope=scope,
            kinds=self.rooms.alerts.kinds(),
            past=past[:PAGE],
            older=past[PAGE - 1].number if len(past) > PAGE else None,
            before=before,
        )


def _kiosk(text: str) -> str:
    try:
        return parse_kiosk_id(text)
    except ValueError:
        return ""


def _address(asked: dict[str, object]) -> str:
    query = urlencode({name: value for name, value in asked.items() if value})
    return "/dashboard/alerts" + (f"?{query}" if query else "")


class _Act(AlertsPage):
    """A form's end: the page again, with a sentence of what came of it. Nothing is to be read at its address."""

    writes = Role.OPERATOR

    async def get(self) -> None:
        self.go("/dashboard/alerts")

    async def tell(self, level: str, words: str, status: int = 200, scope: str = "") -> None:
        """Answer."""
        await self.whole(self.standing(), status, told=(level, words), scope=scope)


class Acknowledge(_Act):
    """`POST /dashboard/alerts/acknowledge`: `numbers`, with blanks between."""

    async def post(self) -> None:
        numbers = [int(text) for text in self.fields().get("numbers", "").split() if text.isdigit() and len(text) < 10]
        known = {alert.number: alert for alert in self.rooms.alerts.standing()}
        numbers = [number for number in numbers[:SHOWN_MAX] if number in known]
        count = await self.rooms.alerts.acknowledge(numbers, self.account_name)
        if not count:
            await self.tell("warn", self.say("alerts.acknowledged-before"))
            return
        subject = str(numbers[0]) if len(numbers) == 1 else ""
        kinds = sorted({known[number].kind for number in numbers})
        kiosks = sorted({known[number].kiosk_id for number in numbers if known[number].kiosk_id})[:20]
        await self.note("alert.acknowledge", subject, count=count, numbers=numbers[:50], kinds=kinds, kiosks=kiosks)
        await self.tell("good", self.say("alerts.acknowledged-now", count=count))


class Mute(_Act):
    """`POST /dashboard/alerts/mute`: `scope` and `for`."""

    async def post(self) -> None:
        fields = self.fields()
        scope = fields.get("scope", "")[:_SCOPE_MAX]
        seconds = DURATIONS.get(fields.get("for", ""))
        if seconds is None:
            await self.tell("bad", self.say("alerts.wrong-duration"), 422, scope)
            return
        try:
            await self.rooms.alerts.mute(scope, seconds, self.account_name)
        except Refused:
            await self.tell("bad", self.say("alerts.wrong-scope", scope=scope), 422, scope)
            return
        await self.note("alert.mute", scope, seconds=seconds)
        await self.tell("good", self.say("alerts.muted", scope=scope))


class Unmute(_Act):
    """`POST /dashboard/alerts/unmute`: `scope`."""

    async def post(self) -> None:
        scope = self.fields().get("scope", "")[:_SCOPE_MAX]
        if not await self.rooms.alerts.unmute(scope, self.account_name):
            await self.tell("warn", self.say("alerts.not-muted"))
            return
        await self.note("alert.unmute", scope)
        await self.tell("good", self.say("alerts.unmuted", scope=scope))
