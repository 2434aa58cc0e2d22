"""/kiosk: everything about one of them, as one message. Pure; times are Unix seconds."""

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from cloud.alerts.alert import Alert, Condition
from cloud.bot.alert_words import icon, title
from cloud.bot.html import TEXT_MAX, Html, bold, code, cut, cut_plain, escape, length
from cloud.bot.reply import Language
from cloud.bot.shown_stand import DOUBLE_ICON, ICONS, Stand, State, line
from cloud.bot.shown_stand import title as titled
from cloud.bot.shown_times import ago
from cloud.bot.texts import Texts
from cloud.kiosks.absence import Ended
from cloud.kiosks.doubles import Double
from cloud.kiosks.proof import fingerprint
from cloud.operations.facts import Collected, LevelSaid, Told, Updated
from cloud.operations.operation import Operation
from cloud.operations.operation import State as OpState
from wire.messages import Device
from wire.money import Money

T = TypeVar("T")
_LINES_MAX = 12  # of each section
_TEXT_MAX, _REASON_MAX, _HUB_MAX = 40, 150, 80
OP_ICONS = {
    OpState.QUEUED: "⏳",
    OpState.SENT: "📤",
    OpState.ACCEPTED: "⚙️",
    OpState.SUCCEEDED: "✅",
    OpState.FAILED: "❌",
    OpState.EXPIRED: "⌛",
    OpState.UNKNOWN: "❓",
}
OP_WORDS = {
    OpState.QUEUED: "kiosks.op_queued",
    OpState.SENT: "kiosks.op_sent",
    OpState.ACCEPTED: "kiosks.op_accepted",
    OpState.SUCCEEDED: "kiosks.op_succeeded",
    OpState.FAILED: "kiosks.op_failed",
    OpState.EXPIRED: "kiosks.op_expired",
    OpState.UNKNOWN: "kiosks.op_unknown",
}
_WELL = "✅"
# Alerts about what a device's state says as well.
_OF_STATES = ("device-fault", "device-absent")
_DEVICES = {
    "absent": ("❌", "kiosks.device_absent"),
    "starting": ("⏳", "kiosks.device_starting"),
    "disabled": (_WELL, "kiosks.device_disabled"),  # well, and told to take nothing: so a validator waits for a payment
    "ready": (_WELL, "kiosks.device_ready"),
    "busy": ("⚙️", "kiosks.device_busy"),
    "fault": ("❌", "kiosks.device_fault"),
}
_ROLES = {
    "bill validator": "kiosks.role_bills",
    "coin acceptor": "kiosks.role_coins",
    "coin hopper": "kiosks.role_hopper",
    "fiscal register": "kiosks.role_register",
    "receipt printer": "kiosks.role_printer",
}
_LEVELS = {
    "level-normal": "kiosks.level_normal",
    "level-near-full": "kiosks.level_near_full",
    "level-full": "kiosks.level_full",
    "level-near-empty": "kiosks.level_near_empty",
    "level-empty": "kiosks.level_empty",
    "level-set": "kiosks.level_set",
    "level-refilled": "kiosks.level_refilled",
}
# How a connection ended on which the kiosk was welcome; see `cloud.kiosks.absence`.
_LEFT = {
    "1000": "kiosks.left_bye",
    "1001": "kiosks.left_going",
    "1006": "kiosks.left_lost",
    "lost": "kiosks.left_lost",
    "silent": "kiosks.left_silent",
    "1009": "kiosks.left_large",
    "1012": "kiosks.left_restart",
    "4400": "kiosks.left_hello",
    "4401": "kiosks.left_token",
    "4403": "kiosks.left_forbidden",
    "replaced": "kiosks.left_replaced",
    "4409": "kiosks.left_replaced",
}
_REFUSED = {
    "4400": "kiosks.no_hello",
    "4401": "kiosks.no_token",
    "4403": "kiosks.no_disabled",
    "4409": "kiosks.no_replaced",
    "4410": "kiosks.no_double",
    "4411": "kiosks.no_cloned",
    "4429": "kiosks.no_often",
}
_UPDATES = {
    "installed": "kiosks.update_installed",
    "confirmed": "kiosks.update_confirmed",
    "failed": "kiosks.update_failed",
}


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a kiosk just now. What only the database has is None where that does not answer."""

    stand: Stand
    now: float
    up: float  # seconds the hub has been running
    address: str = ""
    dialect: str = ""
    version: str = ""
    hub: str = ""  # that holds it, of several
    unsettled: int = 0
    devices: Sequence[Device] = ()
    left: Ended | None = None
    refused: Ended | None = None
    double: Double | None = None
    running: int = 0
    queued: int = 0
    updated: Updated | None = None
    told: Told | None = None
    code_until: float | None = None
    operations: Sequence[Operation] | None = None
    alerts: Sequence[Alert] = ()
    conditions: Sequence[Condition] = ()
    is_away: bool = False  # the database


def shown(say: Texts, language: Language, it: Looked) -> Html:
    """The message. What a kiosk tells of itself is bounded line by line, and of many lines fewer are shown where the
    whole would be more than Telegram takes."""
    html = Html("")
    for most in (_LINES_MAX, 4, 2):
        html = _shown(_Parts(say, language, it, most))
        if length(html) <= TEXT_MAX:
            return html
    return cut(html)


def _shown(parts: "_Parts") -> Html:
    sections = [
        parts.head(),
        parts.section("kiosks.one_wrong", parts.wrong()),
        parts.devices(),
        parts.section("kiosks.one_levels", parts.levels()),
        parts.section("kiosks.one_version_head", parts.versions()),
        parts.section("kiosks.one_enrolment", parts.enrolment()),
        parts.section("kiosks.one_operations", parts.operations()),
        parts.missing(),
    ]
    return Html("\n\n".join("\n".join(lines) for lines in sections if lines))


class _Parts:
    """The message's sections, each as lines."""

    def __init__(self, say: Texts, language: Language, it: Looked, most: int) -> None:
        """`most` lines of a section are shown."""
        self._say = say
        self._language = language
        self._it = it
        self._most = most

    def missing(self) -> list[Html]:
        """What the database would have."""
        return [self._text("kiosks.one_away")] if self._it.is_away else []

    def section(self, key: str, lines: list[Html]) -> list[Html]:
        """Lines under their heading; nothing without lines."""
        return [bold(self._text(key)), *lines] if lines else []

    def head(self) -> list[Html]:
        """Who, how it stands, and why it is not here."""
        it, state = self._it, self._it.stand.state
        lines = [
            Html(f"{ICONS[state]} {titled(it.stand.kiosk, 200)}"),
            line(self._say, self._language, it.stand, now=it.now, up=it.up),
        ]
        if state is State.ONLINE:
            known = [self._text("kiosks.one_address", address=_short(it.address))] if it.address else []
            known += [escape(it.dialect)]
            known += [self._text("kiosks.one_version", version=_short(it.version))] if it.version else []
            known += [self._text("kiosks.one_hub", hub=cut_plain(it.hub, _HUB_MAX))] if it.hub else []
            lines.append(Html(", ".join(known)))
            if it.unsettled:
                lines.append(self._text("kiosks.one_unsettled", count=it.unsettled))
        elif it.left is not None:
            why = self._text(_LEFT.get(it.left.why, "kiosks.left_other"))
            if it.left.code is not None:
                why = Html(f"{why} ({self._text('kiosks.one_code', code=it.left.code)})")
            lines.append(self._text("kiosks.one_why", why=why))
        if it.refused is not None and state is not State.ONLINE:
            refused = self._text(
                "kiosks.one_refused",
                why=self._text(_REFUSED.get(it.refused.why, "kiosks.no_other")),
                code=it.refused.why,
                ago=self._ago(it.refused.at),
                address=_short(it.refused.address),
            )
            lines.append(Html(f"{DOUBLE_ICON} {refused}"))
        if state is State.DISABLED:
            lines.append(self._text("kiosks.one_disabled"))
        if state is not State.ONLINE and it.told is not None and it.told.heard_at is not None:
            lines.append(
                self._text("kiosks.one_heard", ago=self._ago(it.told.heard_at), when=self._say.when(it.told.heard_at))
            )
        if it.double is not None:
            lines += self._double(it.double)
        if it.running or it.queued:
            lines.append(self._text("kiosks.one_load", running=it.running, queued=it.queued))
        return lines

    def wrong(self) -> list[Html]:
        """Alerts that stand, then what is wrong and has not become one."""
        known = {alert.key for alert in self._it.alerts}
        found: list[tuple[str, Alert | Condition]] = [
            ("☑️" if self._is_over(alert) else icon(alert.severity), alert) for alert in self._it.alerts
        ]
        found += [("▫️", each) for each in self._it.conditions if each.key not in known]
        return self._some(found, lambda each: self._one_wrong(*each))

    def devices(self) -> list[Html]:
        """Each with its state; of a kiosk that is not here, as it was told of last."""
        it, lines = self._it, self._some(self._it.devices, self._device)
        if it.stand.state is State.ONLINE or not lines:
            return self.section("kiosks.one_devices", lines)
        heard = it.stand.since
        if heard is None and it.told is not None:
            heard = it.told.heard_at
        if heard is None:
            return self.section("kiosks.one_devices_before", lines)
        return [bold(self._text("kiosks.one_devices_told", ago=self._ago(heard))), *lines]

    def levels(self) -> list[Html]:
        """What was told of each device last, and its last collection."""
        told = self._it.told
        if told is None:
            return []
        emptied = {each.device: each.at for each in told.collections}
        found: list[LevelSaid | Collected] = [
            each for each in told.levels if each.at >= emptied.get(each.device, each.at)
        ]
        return self._some(
            [*found, *told.collections],
            lambda each: self._collected(each) if isinstance(each, Collected) else self._level(each),
        )

    def versions(self) -> list[Html]:
        """What it ran when it was last here, and what came of its last update."""
        told = self._it.updated
        if told is None:
            return []
        lines = []
        if told.running:
            key = "kiosks.runs" if self._it.stand.state is State.ONLINE else "kiosks.ran"
            lines.append(self._text(key, version=_short(told.running)))
        if told.tried and told.at is not None and (key := _UPDATES.get(told.result, "")):
            reason = {"reason": cut_plain(told.reason, _REASON_MAX) or "?"} if told.result == "failed" else {}
            lines.append(self._text(key, version=_short(told.tried), ago=self._ago(told.at), **reason))
        return lines

    def enrolment(self) -> list[Html]:
        """Its key, and a code that is open."""
        kiosk, until = self._it.stand.kiosk, self._it.code_until
        if kiosk.public_key:
            key, at = fingerprint(kiosk.public_key), self._say.when(kiosk.enrolled_at or 0.0)
            lines = [self._text("kiosks.enrolled", when=at, address=kiosk.enrolled_from or "?", key=code(key))]
        else:
            lines = [self._text("kiosks.not_enrolled")]
        return lines + ([self._text("kiosks.code_open", when=self._say.when(until))] if until is not None else [])

    def operations(self) -> list[Html]:
        """The last ones, the newest first."""
        if self._it.operations is None:
            return []
        return [self._operation(each) for each in self._it.operations] or [self._text("kiosks.one_no_operations")]

    def _operation(self, it: Operation) -> Html:
        words = [self._text(OP_WORDS[it.state])]
        if it.problem:
            words = [Html(f"{words[0]}: {escape(it.problem)}")]
        elif it.status is not None and it.state is OpState.FAILED:
            words = [Html(f"{words[0]}: HTTP {it.status}")]
        words.append(self._ago(it.created_at))
        return Html(f"{OP_ICONS[it.state]} {escape(_short(it.operation))}, {', '.join(words)}\n{code(it.request_id)}")

    def _one_wrong(self, mark: str, it: Alert | Condition) -> Html:
        name = title(self._say, self._language, it.kind)
        subject = f" {code(_short(it.subject))}" if it.subject else ""
        over = f", {self._text('kiosks.wrong_over')}" if isinstance(it, Alert) and self._is_over(it) else ""
        return Html(f"{mark} {name}{subject}, {self._ago(it.since)}{over}")

    def _is_over(self, it: Alert) -> bool:
        """It stands until it has been over for a while. What a device's state says is known at once."""
        if it.kind in _OF_STATES and not self._it.is_away:
            return it.key not in {each.key for each in self._it.conditions}
        return it.gone_at is not None

    @functools.cached_property
    def _ailing(self) -> set[str]:
        """Devices with something that stands, whatever state they are in."""
        standing: list[Alert | Condition] = [each for each in self._it.alerts if not self._is_over(each)]
        standing += self._it.conditions
        return {each.subject for each in standing if each.kind in _OF_STATES}

    def _double(self, it: Double) -> list[Html]:
        told = self._text(
            "kiosks.one_double",
            address=_short(it.address),
            other=_short(it.other),
            count=it.count,
            ago=self._ago(it.last_at),
        )
        lines = [Html(f"{DOUBLE_ICON} {told}")]
        return [*lines, self._text("kiosks.one_double_journal")] if it.is_same_journal else lines

    def _device(self, it: Device) -> Html:
        mark, key = _DEVICES.get(it.state, ("▫️", ""))
        but = ""
        if it.name in self._ailing and mark == _WELL:
            mark, but = DOUBLE_ICON, f", {self._text('kiosks.device_but')}"
        state = self._text(key) if key else escape(_short(it.state) or "?")
        role = self._say.plain(self._language, _ROLES[it.role]) if it.role in _ROLES else _short(it.role)
        kind = ", ".join(each for each in (role, _short(it.driver)) if each)
        return Html(f"{mark} {escape(_short(it.name))}{escape(f' ({kind})' if kind else '')}: {state}{but}")

    def _level(self, it: LevelSaid) -> Html:
        told = {"device": _short(it.device), "state": self._text(_LEVELS[it.kind]), "ago": self._ago(it.at)}
        if it.count is None:
            return self._text("kiosks.level_line", **told)
        if not it.capacity:
            return self._text("kiosks.level_count", **told, count=it.count)
        return self._text("kiosks.level_fill", **told, count=it.count, capacity=it.capacity)

    def _collected(self, it: Collected) -> Html:
        return self._text(
            "kiosks.collected",
            device=_short(it.device),
            ago=self._ago(it.at),
            amount=amount(it.total, it.currency),
            pieces=it.pieces,
        )

    def _some(self, found: Sequence[T], line_of: Callable[[T], Html]) -> list[Html]:
        """A line for each, as far as there is room for lines; a kiosk may announce a thousand devices."""
        if len(found) <= self._most:
            return [line_of(each) for each in found]
        shown = self._most - 1
        lines = [line_of(each) for each in found[:shown]]
        return [*lines, self._text("kiosks.one_more", count=len(found) - shown)]

    def _ago(self, at: float) -> Html:
        return ago(self._say, self._language, at, self._it.now)

    @property
    def _text(self) -> Callable[..., Html]:
        def text(key: str, /, **fields: object) -> Html:
            return self._say(self._language, key, **fields)

        return text


def amount(minor: int, currency: str) -> str:
    """Money as people read it, `154 000.00 KZT`; as it came where that is no currency."""
    try:
        money = Money(minor, currency)
    except ValueError:
        return str(minor)
    return f"{money.major:,f} {money.currency}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _short(text: str) -> str:
    return cut_plain(" ".join(text.split()), _TEXT_MAX)
