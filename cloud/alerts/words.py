"""Alerts as one plain English sentence: for the webhook, the log and the admin API. Pure."""

from cloud.alerts.alert import Alert, Notice, What
from cloud.alerts.kinds import KINDS

_NAMED_MAX = 5  # kiosks named in the sentence of many
_SAID_MAX = 200
_SAID = ("error", "words", "reason", "detail")


def say_alert(alert: Alert) -> str:
    """What is wrong, where, and since how long: `kiosk_001, bills: a device reports a fault: E-12 (3 minutes)`."""
    where = ", ".join(part for part in (alert.kiosk_id, alert.subject) if part)
    rule = KINDS.get(alert.kind)
    sentence = rule.words if rule else alert.kind
    if alert.kind == "operation-unknown" and not alert.kiosk_id:
        sentence = f"nobody knows what became of {alert.data.get('count')} more operations"
    if more := alert.data.get("more"):  # of the kind, at this kiosk
        sentence = f"{sentence}, {more} more"
    said = next((str(alert.data[name]) for name in _SAID if alert.data.get(name)), "")
    parts = [f"{where}: {sentence}" if where else sentence]
    if said:
        parts.append(f": {said[:_SAID_MAX]}")
    return "".join(parts)


def say_notice(notice: Notice) -> str:
    """A notice as one sentence."""
    count = len(notice.alerts)
    first = notice.alerts[0]
    if notice.what is What.MISSED:
        return f"{_many(count, 'alert')} came and went meanwhile{_kinds(notice)}"
    if notice.what is What.CLEARED:
        if count == 1:
            return f"{_over(first)} after {span((first.gone_at or first.cleared_at or first.since) - first.since)}"
        return f"{_many(count, 'alert')} {_over_word(first)}: {_named(notice)}"
    head = say_alert(first) if count == 1 else f"{_many(count, 'alert')}, {_kind_words(first)}: {_named(notice)}"
    since = min(alert.since for alert in notice.alerts)
    if notice.what is What.REPEATED:
        return f"{head}; so for {span(notice.at - since)}"
    if notice.what is What.ESCALATED:
        return f"{head}; nobody has acknowledged it for {span(notice.at - min(a.raised_at for a in notice.alerts))}"
    return head


def span(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `3 min`, `2 h 5 min`, `3 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def _over(alert: Alert) -> str:
    if alert.kind == "kiosk-offline":
        return f"{alert.kiosk_id}: connected again"
    return f"{say_alert(alert)}: over"


def _over_word(alert: Alert) -> str:
    return "are over, kiosks connected again" if alert.kind == "kiosk-offline" else f"are over, {_kind_words(alert)}"


def _kind_words(alert: Alert) -> str:
    rule = KINDS.get(alert.kind)
    return rule.words if rule else alert.kind


def _kinds(notice: Notice) -> str:
    kinds = sorted({alert.kind for alert in notice.alerts})
    return f": {', '.join(kinds)}"


def _named(notice: Notice) -> str:
    names = list(dict.fromkeys(alert.kiosk_id or alert.subject or "the hub" for alert in notice.alerts))
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
