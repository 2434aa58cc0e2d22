"""Alerts as people read them in the chat: which kiosk, what, since when, what to do. Pure; `now` is Unix seconds."""

from collections.abc import Callable

from cloud.alerts.alert import Alert, Notice, Severity, What
from cloud.bot.html import Html, bold, code, cut_plain, escape, length, quote
from cloud.bot.reply import DATA_MAX, Button, Language, Rows
from cloud.bot.texts import TEXTS, Texts
from cloud.bot.texts.times import span
from wire.money import Money

NAMED_MAX = 20  # alerts of one message that are named; of the rest it says how many they are
_ROOM = 3500  # units of a message for them: Telegram takes 4096 in all
_NAME_MAX = 60
_BUTTON_MAX = 24
_WORDS_MAX = 300

_ICONS = {Severity.CRITICAL: "🔴", Severity.WARNING: "🟡", Severity.INFO: "🔵"}
_OVER, _ESCALATED = "✅", "🚨"
_OFFLINE = "kiosk-offline"
_CONTRADICTED = "operation-contradicted"  # its subject is the operation's id
_AT_ONCE = 3  # kiosks that are gone together, and hardly each by itself
_JOURNAL = "kiosk-journal"
_OF_LEVELS = {"cassette-near-full", "cassette-full", "hopper-near-empty", "hopper-empty"}
# What `count` counts, where that is not what lies in a device.
_COUNTED = {
    "operation-unknown": "more_operations",
    "unsettled-growing": "operations",
    "hub-callbacks": "callbacks",
    _JOURNAL: "events",
}
# What others say of it, in their own words.
_SAID = ("code", "words", "reason", "remedy", "error", "detail", "address", "other_address")

NameOf = Callable[[str], str]  # kiosk id → its name, or ""


def icon(severity: Severity) -> str:
    """A mark that is seen at a glance."""
    return _ICONS[severity]


def title(say: Texts, language: Language, kind: str, part: str = "one", **fields: object) -> Html:
    """What a kind is called: `one`, `many`, `over`, `many_over`; `says` and `hint` are empty where it is not known."""
    if f"alerts.{kind}.{part}" in TEXTS[language]:
        return say(language, f"alerts.{kind}.{part}", **fields)
    if part in ("says", "hint"):
        return Html("")
    return say(language, f"alerts.other.{part}", kind=kind, **fields)


def buttons(say: Texts, language: Language, notice: Notice, ask_id: str) -> Rows:
    """What stands under a notice: take note of it, and have it hushed. `ask_id` names its alerts where they are many;
    empty: there is no way to."""
    if notice.what in (What.CLEARED, What.MISSED):
        return ()
    row = []
    one = notice.alerts[0] if len(notice.alerts) == 1 else None
    if any(alert.acknowledged_at is None for alert in notice.alerts) and (one or ask_id):
        key = "ack" if one else "ack_all"
        row.append(Button(say.plain(language, f"alerts.button.{key}"), f"ack:{one.number if one else ask_id}"))
    scope = (one.kiosk_id or one.kind) if one else notice.kind
    data = f"hush:{scope}"
    if one and len(data) > DATA_MAX:
        data = f"hush:#{one.number}"
    row.append(Button(say.plain(language, "alerts.button.mute", scope=cut_plain(scope, _BUTTON_MAX)), data))
    return [row]


class Words:
    """Alerts in one language at one moment."""

    def __init__(self, say: Texts, language: Language, name_of: NameOf, now: float) -> None:
        self._say = say
        self._language = language
        self._name_of = name_of
        self.now = now

    def message(self, notice: Notice) -> Html:
        """A notice as one message, with who has acknowledged what it tells of."""
        lines = [self._head(notice)]
        if notice.what is What.ESCALATED:
            waited = self._span(max(notice.at - alert.raised_at for alert in notice.alerts))
            lines.append(bold(self._text("nobody", count=len(notice.alerts), span=waited)))
        if notice.what is What.MISSED:
            lines.append(self._text("missed"))
        one = len(notice.alerts) == 1
        lines += self._one(notice, notice.alerts[0]) if one else self._many(notice)
        if notice.what in (What.RAISED, What.REPEATED, What.ESCALATED):
            if hint := self._hint(notice):
                lines.append(Html(f"→ <i>{hint}</i>"))
            lines.append(self._acknowledged(notice.alerts))
        return Html("\n".join(line for line in lines if line))

    def place(self, alert: Alert) -> Html:
        """Where it is: the kiosk's id and name, or the hub."""
        if not alert.kiosk_id:
            return self._text("hub")
        name = cut_plain(self._name_of(alert.kiosk_id), _NAME_MAX)
        return Html(f"{code(alert.kiosk_id)} {escape(name)}" if name else code(alert.kiosk_id))

    def line(self, alert: Alert, *, kind: bool = False, until: float | None = None) -> Html:
        """An alert in one line; with its kind where others stand beside it; how long until `until`, else until now."""
        parts = [title(self._say, self._language, alert.kind)] if kind else []
        if alert.subject:
            parts.append(code(cut_plain(alert.subject, _NAME_MAX)))
        parts += self._figures(alert)[:1]
        parts.append(self._span((self.now if until is None else until) - alert.since))
        return Html(f"{self.place(alert)} — {', '.join(parts)}")

    def acknowledged(self, alert: Alert) -> Html:
        """Who has seen it, and when; empty where nobody has."""
        if alert.acknowledged_at is None:
            return Html("")
        return self._text("acknowledged", who=alert.acknowledged_by, when=self._moment(alert.acknowledged_at))

    def _head(self, notice: Notice) -> Html:
        over = notice.what in (What.CLEARED, What.MISSED)
        count = len(notice.alerts) if over else _stand_for(notice.alerts)
        if len(notice.alerts) == 1:
            name = title(self._say, self._language, notice.alerts[0].kind, "over" if over else "one")
        elif notice.kind:
            name = title(self._say, self._language, notice.kind, "many_over" if over else "many", count=count)
        else:
            name = self._text("heading_over" if over else "heading", count=count)
        mark = _OVER if over else _ESCALATED if notice.what is What.ESCALATED else icon(notice.severity)
        still = f" — {self._text('still')}" if notice.what is What.REPEATED else ""
        return Html(f"{mark} {bold(name)}{still}")

    def _hint(self, notice: Notice) -> Html:
        if notice.kind == _OFFLINE and len(notice.alerts) >= _AT_ONCE:
            return self._text("offline_many")
        if notice.kind == _CONTRADICTED and len(notice.alerts) == 1 and notice.alerts[0].subject:
            return self._text("contradicted_one", operation=code(f"/operation {notice.alerts[0].subject}"))
        return title(self._say, self._language, notice.kind, "hint")

    def _one(self, notice: Notice, alert: Alert) -> list[Html]:
        where = self.place(alert)
        if alert.subject:
            where = Html(f"{where} · {code(cut_plain(alert.subject, _NAME_MAX))}")
        if notice.what in (What.CLEARED, What.MISSED):
            return [where, self._lasted(alert)]
        since, ago = self._moment(alert.since), self._span(self.now - alert.since)
        return [
            where,
            self._says(alert),
            Html(" · ".join(self._figures(alert))),
            self._words(alert),
            self._text("since", when=since, ago=ago),
        ]

    def _lasted(self, alert: Alert) -> Html:
        over = _over(alert)
        key = "offline_lasted" if alert.kind == _OFFLINE else "lasted"
        lasted = self._span(over - alert.since)
        return self._text(key, span=lasted, when=self._moment(alert.since), until=self._moment(over))

    def _many(self, notice: Notice) -> list[Html]:
        lines: list[Html] = []
        over = notice.what in (What.CLEARED, What.MISSED)
        room = _ROOM
        for alert in notice.alerts[:NAMED_MAX]:
            line = self.line(alert, kind=not notice.kind, until=_over(alert) if over else None)
            room -= length(line) + 3
            if room < 0:
                break
            lines.append(Html(f"• {line}"))
        if left := notice.alerts[len(lines) :]:
            lines.append(self._text("more", count=len(left) if over else _stand_for(left)))
        return lines

    def _acknowledged(self, alerts: list[Alert]) -> Html:
        """At the end of a message."""
        known = [alert for alert in alerts if alert.acknowledged_at is not None]
        if not known:
            return Html("")
        latest = max(known, key=lambda alert: alert.acknowledged_at or 0.0)
        if len(known) == len(alerts):
            return Html(f"✓ {self.acknowledged(latest)}")
        return Html(f"✓ {self._text('acknowledged_some', known=len(known), count=len(alerts))}")

    def _figures(self, alert: Alert) -> list[Html]:
        """What is known of it in numbers and names, the most telling first."""
        data, found = alert.data, []
        count, capacity = _number(data.get("count")), _number(data.get("capacity"))
        if count is not None and capacity and alert.kind in _OF_LEVELS:
            percent = round(100 * count / capacity)
            found.append(self._text("detail.fill", count=count, capacity=capacity, percent=percent))
        elif count is not None:
            found.append(self._text(f"detail.{_COUNTED.get(alert.kind, 'count')}", count=count))
        if (more := _number(data.get("more"))) is not None:
            found.append(self._text("detail.more", count=more))
        for name, key in (("owed", "owed"), ("amount", "amount"), ("unclear", "unclear")):
            if amount := _money(data.get(name), data.get("currency")):
                found.append(self._text(f"detail.{key}", amount=amount))
        if (offset := _number(data.get("offset"))) is not None:
            found.append(self._text("detail.drift", span=self._span(abs(offset))))
        if (free := _number(data.get("free"))) is not None:
            found.append(self._text("detail.free", free=_size(free)))
        if (differences := _number(data.get("differences"))) is not None:
            found.append(self._text("detail.differences", count=differences))
        for name in ("shift", "register", "version", "operation", "device", "document"):
            if value := data.get(name):
                found.append(self._text(f"detail.{name}", value=cut_plain(str(value), _NAME_MAX)))
        return found

    def _words(self, alert: Alert) -> Html:
        """What the device, or the database, says in its own words."""
        said = [str(value) for name in _SAID if (value := alert.data.get(name))]
        return quote(cut_plain(" · ".join(said), _WORDS_MAX)) if said else Html("")

    def _says(self, alert: Alert) -> Html:
        """What it means."""
        if alert.kind == _JOURNAL and f"alerts.incident.{alert.subject}" in TEXTS[self._language]:
            return self._text(f"incident.{alert.subject}")
        return title(self._say, self._language, alert.kind, "says")

    def _text(self, key: str, **fields: object) -> Html:
        return self._say(self._language, f"alerts.{key}", **fields)

    def _span(self, seconds: float) -> Html:
        return Html(span(self._language, seconds))

    def _moment(self, at: float) -> Html:
        return Html(self._say.moment(self._language, at, self.now))


def _stand_for(alerts: list[Alert]) -> int:
    """How many things that are wrong: beyond so many unknown operations, or so many of a kind at one kiosk, one alert
    says how many more there are."""
    more = [alert.data.get("count") for alert in alerts if alert.kind == "operation-unknown" and not alert.kiosk_id]
    more += [alert.data["more"] for alert in alerts if "more" in alert.data]
    return len(alerts) - len(more) + sum(count for count in more if isinstance(count, int))


def _over(alert: Alert) -> float:
    """When it was over."""
    return alert.gone_at or alert.cleared_at or alert.since


def _number(value: object) -> int | float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value) if value == int(value) else value


def _money(minor: object, currency: object) -> str:
    """`1 350.00 KZT`; empty where it is none."""
    amount = _number(minor)
    if not isinstance(amount, int) or not amount or not isinstance(currency, str):
        return ""
    try:
        money = Money(amount, currency)
    except ValueError:
        return ""
    return f"{money.major:,f} {currency}".replace(",", " ")


def _size(count: float) -> str:
    """Bytes as people say them."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1e3:.0f} kB"
