"""When an alert is raised and cleared, and what each way of telling is to be told. Pure: time is an argument.

What holds is a condition, and becomes an alert once it has held for its kind's `after`. One that is gone may come back
within `clear_after` and is the same alert: what flaps is told once. Both are counted in steps between looks, each step
bounded, so that neither a clock that is set nor a machine that slept raises or clears anything.

What a way of telling owes its readers is not a queue but follows from what stands and what it has told of it:

    not told yet, and it stands             RAISED
    told, it stands, nobody acknowledged    ESCALATED once, REPEATED every so often
    told, and it is cleared                 CLEARED
    not told, and it is cleared             MISSED, all of them together

So one that was shut for a day tells what stands now. What is muted, or waits for the end of quiet hours, stays owed if
it still stands then; what has come and gone meanwhile is owed to nobody (`hushed`).
"""

from collections.abc import Iterable, Mapping, Set
from fnmatch import fnmatchcase

import msgspec

from cloud.alerts.alert import Alert, Condition, Mute, Notice, Severity, What
from cloud.alerts.kinds import KINDS, Rule
from cloud.alerts.quiet import Quiet

Key = tuple[str, str, str]

# Seconds that a step between two looks counts at most: a hub that stood still has seen nothing meanwhile.
STEP_MAX = 15.0
# A time so far ahead was noted by a clock that has been set back since.
AHEAD_MAX = 60.0
# Due so soon that it may be told with what is due: a part of the pause.
_SOON = 0.9
_WAIT_MORE = 2.0  # times `gather`, beyond it
AGAIN = 0.0  # `repeated_at` of what is to be told again, as a mute of it has ended
_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
_ORDER = {What.ESCALATED: 0, What.RAISED: 1, What.REPEATED: 2, What.CLEARED: 3, What.MISSED: 4}


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """All rules in force."""

    kinds: dict[str, Rule] = msgspec.field(default_factory=lambda: dict(KINDS))
    quiet: Quiet | None = None
    escalate_to: tuple[int | str, ...] = ()  # chats that are told what nobody acknowledges


class Telling(msgspec.Struct, kw_only=True):
    """What one way of telling has told of one alert, and when."""

    raised_at: float | None = None
    repeated_at: float | None = None
    escalated_at: float | None = None
    cleared_at: float | None = None


class Changes(msgspec.Struct, kw_only=True):
    """What a look comes to. `spans` are seconds for which what is not raised has held, or what stands is gone."""

    raised: list[Condition]
    changed: list[Alert]  # as they are now; with `cleared_at` they stand no more
    spans: dict[Key, float]
    left_out: int  # conditions that ought to be raised, and would be too many


def advance(
    alerts: Mapping[Key, Alert],
    conditions: Iterable[Condition],
    spans: Mapping[Key, float],
    *,
    now: float,
    step: float,
    rules: Rules,
    blind: Set[str] = frozenset(),
    most: int = 10_000,
) -> Changes:
    """One look: `alerts` stand, `conditions` hold, `step` seconds have passed since the look before.

    Of `blind` kinds nothing is known just now: what stands is left as it is. No more than `most` alerts of kiosks are
    to stand; the hub's own are raised always.
    """
    step = min(max(step, 0.0), STEP_MAX)
    found = Changes(raised=[], changed=[], spans={}, left_out=0)
    holding: set[Key] = set()
    room = most - len(alerts)
    for condition in conditions:
        key = condition.key
        rule = rules.kinds.get(condition.kind)
        if rule is None or not concerns(rule, condition.kiosk_id) or key in holding:
            continue
        holding.add(key)
        alert = alerts.get(key)
        if alert is not None:
            if (there := _there(alert, condition, rule)) is not None:
                found.changed.append(there)
            continue
        span = spans[key] + step if key in spans else 0.0
        if span < rule.after:
            found.spans[key] = span
        elif condition.kiosk_id and room <= 0:
            found.spans[key] = span
            found.left_out += 1
        else:
            room -= 1
            found.raised.append(condition)
    for key, alert in alerts.items():
        if key in holding:
            continue
        rule = rules.kinds.get(alert.kind)
        if rule is None or not concerns(rule, alert.kiosk_id):
            found.changed.append(msgspec.structs.replace(alert, gone_at=alert.gone_at or now, cleared_at=now))
        elif alert.kind not in blind:
            span = spans[key] + step if alert.gone_at is not None and key in spans else 0.0
            _gone(alert, rule, span, now, found)
        elif key in spans:
            found.spans[key] = spans[key]
    return found


def _there(alert: Alert, condition: Condition, rule: Rule) -> Alert | None:
    """The alert as it is now that its condition holds; None where that is no change."""
    if alert.gone_at is None and alert.data == condition.data and alert.severity is rule.severity:
        return None
    return msgspec.structs.replace(alert, gone_at=None, data=condition.data, severity=rule.severity)


def _gone(alert: Alert, rule: Rule, span: float, now: float, found: Changes) -> None:
    """What stands has not held for `span` seconds."""
    if span >= rule.clear_after:
        found.changed.append(msgspec.structs.replace(alert, gone_at=alert.gone_at or now, cleared_at=now))
        return
    found.spans[alert.key] = span
    if alert.gone_at is None:
        found.changed.append(msgspec.structs.replace(alert, gone_at=now))


def concerns(rule: Rule, kiosk_id: str) -> bool:
    """Whether the rule is for this kiosk, or for the hub (no id)."""
    if not rule.enabled:
        return False
    if not kiosk_id:
        return True
    if rule.only_kiosks and not any(fnmatchcase(kiosk_id, pattern) for pattern in rule.only_kiosks):
        return False
    return not any(fnmatchcase(kiosk_id, pattern) for pattern in rule.except_kiosks)


def notices(
    alerts: Iterable[Alert],
    tellings: Mapping[int, Telling],
    mutes: Mapping[str, Mute],
    *,
    rules: Rules,
    channel: str,
    now: float,
) -> list[Notice]:
    """What a way of telling is to tell just now, the worst first.

    `alerts` stand, or are cleared and owed; `tellings` is what this way has told, by number: one without is not for it.
    """
    is_quiet = rules.quiet is not None and rules.quiet.holds(now)
    due: dict[tuple[What, str], list[Alert]] = {}
    soon: dict[tuple[What, str], list[Alert]] = {}
    long_due: set[tuple[What, str]] = set()
    for alert in alerts:
        telling = tellings.get(alert.number)
        rule = rules.kinds.get(alert.kind)
        if telling is None or rule is None or channel in rule.not_to:
            continue
        if _is_kept_back(alert, mutes, is_quiet, now):
            continue
        what, wait = _owed(alert, telling, rule, now)
        if what is None:
            continue
        group = (what, "" if what is What.MISSED else alert.kind)
        (due if wait <= 0 else soon).setdefault(group, []).append(alert)
        # While more of the kind come, all wait for them, but not for ever.
        if what in (What.RAISED, What.CLEARED) and wait <= -_WAIT_MORE * rule.gather:
            long_due.add(group)
    return [
        _notice(what, [*found, *soon.get((what, kind), ())], now)
        for (what, kind), found in sorted(due.items(), key=lambda item: _place(*item[0]))
        if what not in (What.RAISED, What.CLEARED) or (what, kind) not in soon or (what, kind) in long_due
    ]


def _owed(alert: Alert, telling: Telling, rule: Rule, now: float) -> tuple[What | None, float]:
    """What is to be told of an alert, and in how many seconds; what is due may take it along before."""
    if alert.cleared_at is not None:
        if telling.cleared_at is not None:
            return None, 0.0
        if telling.raised_at is None:
            return What.MISSED, 0.0
        return What.CLEARED, rule.gather - (now - alert.cleared_at)
    if alert.gone_at is not None:  # it may come back, and if not it is told as cleared
        return None, 0.0
    if telling.raised_at is None:
        return What.RAISED, rule.gather - (now - alert.raised_at)
    if alert.acknowledged_at is not None:
        return None, 0.0
    if rule.escalate and alert.severity is Severity.CRITICAL and telling.escalated_at is None:
        age = now - telling.raised_at
        if age >= rule.escalate * _SOON:
            return What.ESCALATED, rule.escalate - age
    if telling.repeated_at == AGAIN:
        return What.REPEATED, 0.0
    age = now - max(telling.raised_at, telling.repeated_at or 0.0, telling.escalated_at or 0.0)
    if rule.repeat and age >= rule.repeat * _SOON:
        return What.REPEATED, rule.repeat - age
    return None, 0.0


def hushed(
    ended: Iterable[Alert],
    tellings: Mapping[int, Telling],
    mutes: Mapping[str, Mute],
    *,
    rules: Rules,
    channel: str,
    now: float,
) -> list[int]:
    """Of cleared alerts those that this way need never tell: they came and went while they were not to be told."""
    is_quiet = rules.quiet is not None and rules.quiet.holds(now)
    found = []
    for alert in ended:
        telling = tellings.get(alert.number)
        rule = rules.kinds.get(alert.kind)
        if telling is None or telling.cleared_at is not None:
            continue
        for_nobody = rule is None or not concerns(rule, alert.kiosk_id) or channel in rule.not_to
        if for_nobody or (telling.raised_at is None and _is_kept_back(alert, mutes, is_quiet, now)):
            found.append(alert.number)
    return found


def _is_kept_back(alert: Alert, mutes: Mapping[str, Mute], is_quiet: bool, now: float) -> bool:
    """Whether it is muted, or waits for the end of quiet hours."""
    if mutes and any(
        (mute := mutes.get(scope)) is not None and mute.until > now for scope in (alert.kiosk_id, alert.kind)
    ):
        return True
    return is_quiet and alert.severity is not Severity.CRITICAL


def mark(telling: Telling, what: What, now: float) -> Telling:
    """After it was told."""
    if what is What.RAISED:
        return msgspec.structs.replace(telling, raised_at=now)
    if what is What.REPEATED:
        return msgspec.structs.replace(telling, repeated_at=now)
    if what is What.ESCALATED:
        repeated = None if telling.repeated_at == AGAIN else telling.repeated_at
        return msgspec.structs.replace(telling, escalated_at=now, repeated_at=repeated)
    return msgspec.structs.replace(telling, cleared_at=now)


def is_ahead(at: float | None, now: float) -> bool:
    """Whether that was noted by a clock that has been set back since."""
    return at is not None and at > now + AHEAD_MAX


def redated(alert: Alert, now: float) -> Alert | None:
    """The alert with no time after now; None where none was."""
    ahead = {
        name: now
        for name in ("since", "raised_at", "gone_at", "cleared_at", "escalated_at", "acknowledged_at")
        if is_ahead(getattr(alert, name), now)
    }
    return msgspec.structs.replace(alert, **ahead) if ahead else None


def redated_telling(telling: Telling, now: float) -> Telling | None:
    """The same of what was told."""
    ahead = {name: now for name in telling.__struct_fields__ if is_ahead(getattr(telling, name), now)}
    return msgspec.structs.replace(telling, **ahead) if ahead else None


def redated_mute(mute: Mute, now: float) -> Mute | None:
    """A mute lasts as long as it was given, and no longer."""
    if not is_ahead(mute.at, now):
        return None
    return msgspec.structs.replace(mute, at=now, until=now + (mute.until - mute.at))


def _notice(what: What, alerts: list[Alert], now: float) -> Notice:
    severity = min((alert.severity for alert in alerts), key=_RANK.__getitem__)
    kinds = {alert.kind for alert in alerts}
    return Notice(what=what, kind=kinds.pop() if len(kinds) == 1 else "", severity=severity, alerts=alerts, at=now)


def _place(what: What, kind: str) -> tuple[int, int, str]:
    rule = KINDS.get(kind)
    return _ORDER[what], _RANK[rule.severity] if rule else 9, kind
