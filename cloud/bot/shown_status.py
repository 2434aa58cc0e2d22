"""/status: the hub and the fleet at a glance. Pure; times are Unix seconds."""

from collections.abc import Mapping, Sequence

import msgspec

from cloud.alerts.alert import Mute
from cloud.bot.html import Html, code, cut_plain, escape
from cloud.bot.reply import Language
from cloud.bot.shown_kiosk import OP_ICONS
from cloud.bot.texts import Texts
from cloud.bot.texts.times import span
from cloud.operations.operation import State

_MUTES_SHOWN = 5
_HUBS_SHOWN, _NAME_MAX = 10, 60
_HUB_ICONS = {"healthy": "🟢", "degraded": "🟡", "unknown": "⚪"}
_PARTS = {
    "connected": "kiosks.part_connected",
    "unreachable": "kiosks.part_unreachable",
    "slow": "kiosks.part_slow",
    "disabled": "kiosks.part_disabled",
    "connecting": "kiosks.part_connecting",
    "standby": "kiosks.part_standby",
    "conflict": "kiosks.part_conflict",
    "unauthorized": "kiosks.part_unauthorized",
}
# How the hub's health begins its sentences. What begins otherwise is shown as it is.
_REASONS = {
    "the database does not work: ": "kiosks.reason_database",
    "Redis is not reached": "kiosks.reason_redis",
    "the hub is stopping": "kiosks.reason_stopping",
    "two boxes were seen": "kiosks.reason_double",
}
# As they matter.
_WORDS = {  # of many, where `OP_WORDS` are of one
    State.QUEUED: "kiosks.hour_queued",
    State.SENT: "kiosks.hour_sent",
    State.ACCEPTED: "kiosks.hour_accepted",
    State.SUCCEEDED: "kiosks.hour_succeeded",
    State.FAILED: "kiosks.hour_failed",
    State.EXPIRED: "kiosks.hour_expired",
    State.UNKNOWN: "kiosks.hour_unknown",
}
_ORDER = (
    State.SUCCEEDED, State.FAILED, State.UNKNOWN, State.EXPIRED, State.QUEUED, State.SENT, State.ACCEPTED,
)  # fmt: skip


class HubLine(msgspec.Struct, frozen=True, kw_only=True):
    """One of several hubs, as it says of itself; `status` as `/health` has it."""

    name: str
    is_this: bool
    kiosks: int
    status: str
    troubles: Sequence[str] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to be told. What only the database has is None where that does not answer."""

    version: str
    up: float  # seconds
    url: str
    reasons: Sequence[str]  # why the hub is not well; none: it is
    database: str
    redis: str
    bot: str
    online: int  # of those enabled
    enabled: int
    disabled: int
    doubles: int
    running: int
    queued: int
    hour: Mapping[str, int] | None  # operations begun in it, by state
    unknown: int | None  # operations, however old
    callbacks: int | None
    alerts: int | None  # standing; None: there is no service of alerts
    mutes: Sequence[Mute] = ()
    hubs: Sequence[HubLine] = ()  # where there can be several


def shown(say: Texts, language: Language, it: Status) -> Html:
    """The message."""

    def text(key: str, /, **fields: object) -> Html:
        return say(language, key, **fields)

    def part(state: str) -> Html:
        return text(_PARTS[state]) if state in _PARTS else escape(state)

    hub = [text("kiosks.hub_degraded" if it.reasons else "kiosks.hub_well")]
    hub += [Html(f"• {_reason(say, language, reason, it)}") for reason in it.reasons]
    hub.append(text("kiosks.hub_line", version=it.version, span=span(language, it.up)))
    hub.append(escape(it.url) if it.url else text("kiosks.hub_no_url"))
    hub.append(text("kiosks.hub_parts", database=part(it.database), redis=part(it.redis), bot=part(it.bot)))
    sections = [
        hub,
        _hubs(say, language, it),
        [_fleet(say, language, it)],
        _operations(say, language, it),
        _alerts(say, language, it),
    ]
    return Html("\n\n".join("\n".join(lines) for lines in sections if lines))


def _reason(say: Texts, language: Language, reason: str, it: Status) -> Html:
    for begin, key in _REASONS.items():
        if reason.startswith(begin):
            fields: dict[str, object] = {"count": it.doubles} if key == "kiosks.reason_double" else {}
            if key == "kiosks.reason_database":
                fields["why"] = reason.removeprefix(begin)
            return say(language, key, **fields)
    return escape(reason)


def _hubs(say: Texts, language: Language, it: Status) -> list[Html]:
    """How each of them is, those with troubles first."""
    if not it.hubs:
        return []
    lines = [say(language, "kiosks.hubs", count=len(it.hubs))]
    order = sorted(it.hubs, key=lambda each: (each.status == "healthy", not each.is_this, each.name))
    for each in order[:_HUBS_SHOWN]:
        parts = [code(cut_plain(each.name, _NAME_MAX))]
        parts += [say(language, "kiosks.hubs_this")] if each.is_this else []
        known = each.status != "unknown"
        parts.append(say(language, "kiosks.hubs_kiosks" if known else "kiosks.hubs_unheard", count=each.kiosks))
        lines.append(Html(f"{_HUB_ICONS.get(each.status, '')} {' · '.join(parts)}"))
        # Its own stand above.
        lines += [] if each.is_this else [Html(f"   {_reason(say, language, words, it)}") for words in each.troubles]
    if len(order) > _HUBS_SHOWN:
        lines.append(Html("…"))
    return lines


def _fleet(say: Texts, language: Language, it: Status) -> Html:
    if not it.enabled and not it.disabled:
        return say(language, "kiosks.fleet_none")
    percent = f" ({100 * it.online // it.enabled} %)" if it.enabled else ""
    fleet = [say(language, "kiosks.fleet", online=it.online, enabled=it.enabled, percent=percent)]
    if it.disabled:
        fleet.append(say(language, "kiosks.fleet_disabled", count=it.disabled))
    if it.doubles:
        fleet.append(Html(f"⚠️ {say(language, 'kiosks.fleet_double', count=it.doubles)}"))
    return Html(", ".join(fleet))


def _operations(say: Texts, language: Language, it: Status) -> list[Html]:
    if it.hour is None:
        lines = [say(language, "kiosks.hour_away")]
    elif not (count := sum(it.hour.values())):
        lines = [say(language, "kiosks.hour_none")]
    else:
        lines = [say(language, "kiosks.hour", count=count)]
        known = [(state, it.hour[state]) for state in _ORDER if it.hour.get(state)]
        told = [f"{OP_ICONS[s]} {say(language, _WORDS[s])}: {count}" for s, count in known]
        lines.append(Html(" · ".join(told)))
    lines.append(say(language, "kiosks.load", running=it.running, queued=it.queued))
    if it.unknown is not None:
        more = say(language, "kiosks.see_unknown") if it.unknown else ""
        lines.append(say(language, "kiosks.unsettled", count=it.unknown, more=more))
    if it.callbacks:
        lines.append(say(language, "kiosks.callbacks", count=it.callbacks))
    return lines


def _alerts(say: Texts, language: Language, it: Status) -> list[Html]:
    if it.alerts is None:
        return []
    more = say(language, "kiosks.see_alerts")
    count = it.alerts
    lines = [say(language, "kiosks.alerts", count=count, more=more) if count else say(language, "kiosks.alerts_none")]
    if it.mutes:
        told = [say(language, "kiosks.muted_one", scope=code(m.scope), when=say.when(m.until)) for m in it.mutes]
        shown = told[:_MUTES_SHOWN] + (["…"] if len(told) > _MUTES_SHOWN else [])
        lines.append(say(language, "kiosks.muted", scopes=Html(", ".join(shown))))
    return lines
