"""One glance at the hub in words: is all well, and if not, what first. Pure."""

from collections.abc import Callable
from typing import Literal

import msgspec

from cloud.dashboard.glance import Glance

Level = Literal["good", "warn", "bad", "idle"]
Say = Callable[..., str]
_NAMED_MAX = 3
_LEVELS: tuple[Level, ...] = ("idle", "good", "warn", "bad")


class Reason(msgspec.Struct, frozen=True):
    """Why it is so, and where to look; a sentence."""

    level: Level
    words: str
    address: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """The headline, and what it comes from: the worst first."""

    level: Level
    title: str
    reasons: list[Reason]


def judge(seen: Glance, say: Say) -> Verdict:
    """What an operator should know first."""
    reasons = [*_of_hub(seen, say), *_of_kiosks(seen, say), *_of_alerts(seen, say), *_of_operations(seen, say)]
    reasons.sort(key=lambda reason: -_LEVELS.index(reason.level))
    level: Level = reasons[0].level if reasons else "good"
    if not reasons:
        reasons = [Reason("good", say("overview.all-here", here=seen.here, enabled=seen.enabled), "/dashboard/kiosks")]
        if not seen.enabled:
            return Verdict("idle", say("overview.verdict-new"), [])
    return Verdict(level, say(f"overview.verdict-{level}"), reasons)


def _of_hub(seen: Glance, say: Say) -> list[Reason]:
    found = []
    health = seen.health
    if health.get("database") != "connected" or seen.unknown is None:
        found.append(Reason("bad", say("overview.why-database")))
    if health.get("redis") == "unreachable":
        found.append(Reason("warn", say("overview.why-redis-shared" if seen.hubs else "overview.why-redis")))
    found += _of_hubs(seen, say)
    if duplicated := health.get("duplicated_kiosks"):
        found.append(Reason("bad", say("overview.why-duplicated", count=duplicated), "/dashboard/alerts"))
    return found


def _of_hubs(seen: Glance, say: Say) -> list[Reason]:
    """Of the others: this one's own troubles are said already."""
    states = {
        "gone": [hub.name for hub in seen.hubs if hub.state == "gone"],
        "silent": [hub.name for hub in seen.hubs if hub.is_silent],
        "ail": [hub.name for hub in seen.hubs if hub.state == "ails" and not hub.is_this],
    }
    found = []
    for state, names in states.items():
        if names:
            shown = ", ".join(names[:_NAMED_MAX]) + (" …" if len(names) > _NAMED_MAX else "")
            words = say(f"overview.why-hubs-{state}", count=len(names), names=shown)
            found.append(Reason("warn", words, "/dashboard#hubs"))
    return found


def _of_kiosks(seen: Glance, say: Say) -> list[Reason]:
    if not seen.missing:
        return []
    address = "/dashboard/kiosks?state=away"
    if seen.is_coming_back:
        return [Reason("warn", say("overview.why-coming", here=seen.here, enabled=seen.enabled), address)]
    if not seen.here:
        return [Reason("bad", say("overview.why-none-here", count=seen.missing), address)]
    return [Reason("warn", say("overview.why-missing", count=seen.missing), address)]


def _of_alerts(seen: Glance, say: Say) -> list[Reason]:
    found: list[Reason] = []
    address = "/dashboard/alerts"
    critical, warning = seen.alerts["critical"], seen.alerts["warning"]
    if seen.unseen:
        found.append(Reason("bad", say("overview.why-critical", count=seen.unseen), address))
    elif critical:
        found.append(Reason("warn", say("overview.why-acknowledged", count=critical), address))
    if warning:
        found.append(Reason("warn", say("overview.why-warnings", count=warning), address))
    return found


def _of_operations(seen: Glance, say: Say) -> list[Reason]:
    found: list[Reason] = []
    if seen.unknown:
        words = say("overview.why-unknown", count=seen.unknown)
        found.append(Reason("warn", words, "/dashboard/operations?outcome=unknown"))
    lately = seen.lately
    if lately is not None:
        ended = lately.succeeded + lately.failed + lately.not_executed
        bad = lately.failed + lately.not_executed
        if ended >= 10 and bad * 2 >= ended:
            words = say("overview.why-failing", count=bad, ended=ended)
            found.append(Reason("warn", words, "/dashboard/operations?quick=hour"))
        if lately.refused >= 10 and lately.refused >= lately.begun:
            found.append(Reason("warn", say("overview.why-refused", count=lately.refused)))
    return found
