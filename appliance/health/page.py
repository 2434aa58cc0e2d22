"""The health page: facts → HTTP status and body. Pure; whoever has the facts gathers them."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from appliance.health.state import Link, Reload
from appliance.health.verdict import Facts, Status, Verdict, judge
from appliance.journal.jobs import Facts as JournalFacts
from appliance.routes import Route
from wire.version import VERSION


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """How far the kiosk is with its enrolment, in what others call it."""

    has_address: bool  # there is a hub to be connected to
    reasons: tuple[str, ...]
    hub: str  # without credentials
    told: dict[str, Any]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What operations do; the mappings are by route."""

    waiting: Mapping[str, int]
    running_at: Mapping[str, int]
    running: int
    in_doubt: int


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    """What devices do."""

    standing: Mapping[str, dict[str, Any]]
    troubles: tuple[str, ...]
    waiting: tuple[str, ...]  # what the routing file says of them and is not in force


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page tells, at one moment. Times are Unix seconds, durations seconds."""

    boot_id: str
    uptime: float
    link: Link
    reload: Reload | None
    lag: float
    clock_now: float
    clock_offset: float | None
    enrolled: Enrolled
    updates: dict[str, Any]
    journal: JournalFacts
    journal_max_bytes: int
    work: Work
    routes: Iterable[Route]
    devices: Devices


def describe(condition: Condition) -> tuple[int, dict[str, Any]]:
    """HTTP status and body."""
    verdict = _judge(condition)
    return (503 if verdict.status is Status.UNHEALTHY else 200), _body(condition, verdict)


def _judge(condition: Condition) -> Verdict:
    link, journal, devices = condition.link, condition.journal, condition.devices
    return judge(Facts(
        connected=link.connected,
        enrolled=condition.enrolled.has_address,
        enrolment=condition.enrolled.reasons,
        link_trouble=link.trouble,
        journal_trouble=journal.trouble,
        journal_notices=journal.notices,
        clock_offset=condition.clock_offset,
        routes_mistakes=condition.reload.mistakes if condition.reload else (),
        in_doubt=condition.work.in_doubt,
        loop_lag=condition.lag,
        devices=devices.troubles,
        devices_waiting=devices.waiting,
    ))  # fmt: skip


def _body(condition: Condition, verdict: Verdict) -> dict[str, Any]:
    link, journal, work, offset = condition.link, condition.journal, condition.work, condition.clock_offset
    return {
        "status": verdict.status.value,
        "reasons": verdict.reasons,
        "version": VERSION,
        "boot_id": condition.boot_id,
        "uptime": round(condition.uptime, 1),
        "ws_connected": link.connected,
        "since": link.since,
        "hub": condition.enrolled.hub,
        "enrolment": condition.enrolled.told,
        "updates": condition.updates,
        "last_error": {"message": link.last_error, "at": link.last_error_at} if link.last_error else None,
        "unsettled": journal.unsettled,
        "queue": {"waiting": sum(work.waiting.values()), "running": work.running, "in_doubt": work.in_doubt},
        "routes": {
            route.name: {
                "url": route.shown_url,
                "timeout": route.timeout,
                "concurrency": route.concurrency,
                "waiting": work.waiting.get(route.name, 0),
                "running": work.running_at.get(route.name, 0),
            }
            for route in condition.routes
        },
        "devices": dict(condition.devices.standing),
        "clock": {"now": condition.clock_now, "offset": None if offset is None else round(offset, 3)},
        "journal": {
            "id": journal.id,
            "bytes": journal.used_bytes,
            "max_bytes": condition.journal_max_bytes,
            "events": journal.events,
            "trouble": journal.trouble or None,
            "previous_run": journal.previous,
        },
    }
