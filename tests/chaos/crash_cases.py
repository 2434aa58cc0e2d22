"""Which deaths there are: for each crash point at least one case in which a program gets there, and dies.

A case names where each life of a program ends; the life after the last is not cut short. Most points lie on the way
of the operations that every case asks for (`Mix`); what else a point needs is its `setting`. Points of starting up and
of finding out are visited once more in a second life, after a first that left something to find out.
"""

import random
from typing import NamedTuple

from tests.chaos.points import names


class Case(NamedTuple):
    """Where the lives of the appliance and of the hub end, as `KIOSKWIRE_CRASH_AT` says it."""

    appliance: tuple[str, ...] = ()
    hub: tuple[str, ...] = ()
    setting: str = "mix"
    must: bool = True  # get there; a later visit, and the other program's death, may come to nothing

    @property
    def name(self) -> str:
        """For people."""
        return " + ".join([" then ".join(self.appliance), " then ".join(self.hub)]).strip(" +")

    @property
    def last(self) -> str:
        """The point that the case is about, without a count."""
        return (self.hub or self.appliance)[-1].partition(":")[0]


# Where a death costs most: the journal has it and the gateway does not; the gateway has acted and nobody knows.
DANGEROUS = ("appliance.gateway.call.before", "appliance.gateway.call.after")

# The hub knows the request and the kiosk has it or not; the gateway has acted and nobody knows.
_LEFT_OPEN = {"appliance": "appliance.gateway.call.after", "hub": "hub.links.request.after:5"}
# Where something else must be left open for a point to be got to.
_LEFT_OPEN_FOR = {"hub.callbacks.": "hub.callbacks.post.after", "hub.inbox.": "hub.inbox.event.before"}

# What a case needs beyond the mix, by the beginning of the point's name.
SETTINGS = {
    "appliance.journal.carry.": "damaged",
    "appliance.journal.set_aside.": "damaged",
    "appliance.journal.close.": "stopped",
    "appliance.journal.migrate.": "old journal",
    "hub.links.v1_request.": "v1",
    "hub.store.release.": "gone",
    "hub.admin.answer.": "renamed",
    "hub.registry.": "command",
    "hub.enrolment.code.": "command",
    "hub.enrolment.trade.": "enrolled",
    "hub.keys.": "command",
    "hub.database.migrate.": "new database",
    "hub.retention.operations.": "old rows",
    "hub.retention.events.": "old rows",
    "hub.retention.audit.": "old rows",
    "hub.settings.secret.": "demo",
    "hub.accounts.seen.": "mix",
    "hub.accounts.forget.": "mix",
    "hub.accounts.greeting.": "first start",
    "hub.accounts.": "person",
    "hub.callbacks.redeliver.": "sent again",
}
# Only on the way of a life that finds something left open.
_SECOND_ONLY = ("appliance.uplink.responses.", "hub.links.all_settled.", "hub.store.abandon.")
# On the way of any life, and in a second one of what was left open too.
_SECOND_TOO = (
    "appliance.gateway.ask.",
    "appliance.journal.open.",
    "appliance.journal.event.",
    "appliance.journal.finish.",
    "appliance.journal.settle.",
    "appliance.uplink.hello.",
    "appliance.uplink.events.",
    "hub.retention.look.",
    "hub.links.welcome.",
    "hub.links.request.",
    "hub.store.put.",
    "hub.inbox.event.",
    "hub.callbacks.post.",
    "hub.callbacks.result.",
)
# Visited several times by the mix.
_AGAIN = (
    "appliance.gateway.",
    "appliance.journal.begin.",
    "appliance.journal.finish.",
    "appliance.journal.refuse.",
    "appliance.journal.settle.",
    "appliance.uplink.accepted.",
    "appliance.uplink.response.",
    "hub.store.claim.",
    "hub.store.put.",
    "hub.store.call_back.",
    "hub.links.request.",
    "hub.links.settled.",
    "hub.door.",
    "hub.callbacks.",
)
# Points that no case gets to, and why. Each is a breach without standing here.
_TWO_BOXES = "takes two boxes with one identity at a time, which the hub tells apart: see the scenario `identity`"
_OTHER_GATEWAYS = "on the way of Kaspi terminals and ATOL servers alone: see tests/appliance/gateways/"
_DEVICES = "on the way of devices alone: see the scenario `desk_crashes`"
_UPDATES = "on the way of updates alone: see tests/appliance/updates/"
_UPDATES_ROOM = ("appliance.updates.", "appliance.journal.standstill.")
_BY_HAND = "on the way of what people settle alone: see tests/cloud/operations/test_resolving_killed.py"
_BOT = "on the way of the Telegram bot alone: see tests/cloud/bot/test_room.py and test_incoming.py"
_ALERTS = "takes an alert, which takes minutes: see tests/cloud/alerts/test_service.py"
_TESTS_ALONE = "on the way of tests, which open sessions without a password; people sign in: hub.accounts.sign_in"
_REMOVED = "takes a kiosk that is removed: see tests/cloud/alerts/test_presence.py"
_HISTORY = "takes an hour, or thousands of connections: see tests/cloud/kiosks/test_history.py"
_ENROLMENT = "on the way of enrolment alone: see tests/journeys/test_enrolment.py"
_ENGINEER = "behind the PIN of the kiosk's page: see tests/appliance/engineer/test_killed.py"
_SHARED = "where several hubs share a database alone: see test_lives, test_lease, test_callback_rows, test_shared_queue"
DESK_ROOMS = ("cash", "desk", "device", "fiscal", "levels", "printing", "supervisor")
_IMPORT = "on the way of a database that is moved alone: see tests/cloud/db/test_import_sqlite.py"
NOT_VISITED: dict[str, str] = {
    **{point: _DEVICES for point in names("appliance") if point.split(".")[1] in DESK_ROOMS},
    **{point: _ENROLMENT for point in names("appliance") if point.split(".")[1] == "enrolment"},
    **{point: _ENGINEER for point in names("appliance") if point.split(".")[1] == "engineer"},
    **dict.fromkeys(names("hub.resolutions."), _BY_HAND),
    "hub.accounts.session.before": _TESTS_ALONE,
    "hub.accounts.session.after": _TESTS_ALONE,
    **{point: _BOT for point in names("hub") if point.startswith("hub.bot.")},
    "appliance.gateway.fetch.before": _OTHER_GATEWAYS,
    "appliance.gateway.fetch.after": _OTHER_GATEWAYS,
    **{
        f"appliance.{action}.{moment}": _OTHER_GATEWAYS
        for action in (
            *("kaspi.begin", "kaspi.process", "kaspi.end", "kaspi.clear", "kaspi.token"),
            *("atol.begin", "atol.accept", "atol.end", "atol.clear"),
        )
        for moment in ("before", "after")
    },
    **{point: _UPDATES for point in names("appliance") if point.startswith(_UPDATES_ROOM)},
    "appliance.journal.begin_anew.before": _TWO_BOXES,
    "appliance.journal.begin_anew.after": _TWO_BOXES,
    "hub.alerts.write.before": _ALERTS,
    "hub.alerts.write.after": _ALERTS,
    "hub.alerts.presence_forget.before": _REMOVED,
    "hub.alerts.presence_forget.after": _REMOVED,
    "hub.kiosks.history_trim.before": _HISTORY,
    "hub.kiosks.history_trim.after": _HISTORY,
    **dict.fromkeys(names("hub.import."), _IMPORT),
    **{
        point: _SHARED
        for start in (
            *("hub.lives.", "hub.lease.", "hub.callbacks.take.", "hub.callbacks.release.", "hub.alerts.elsewhere."),
            *("hub.queue.take.", "hub.queue.cancel.", "hub.queue.expire.", "hub.queue.give_up."),
        )
        for point in names(start)
    },
    "hub.enrolment.sighted.before": _TWO_BOXES,
    "hub.enrolment.sighted.after": _TWO_BOXES,
}


def first_visits() -> list[Case]:
    """One case for each point."""
    return [_case(point) for point in names() if point not in NOT_VISITED]


def recoveries() -> list[Case]:
    """Deaths while finding out what an earlier death left open."""
    return [_second(point) for point in names() if point.startswith(_SECOND_TOO)]


def later_visits(chance: random.Random, count: int) -> list[Case]:
    """Deaths at the second and third visit of a point, drawn without repetition."""
    all_of_them = [
        Case(*_lives(f"{point}:{visit}"), must=False)
        for point in names()
        if point.startswith(_AGAIN)
        for visit in (2, 3)
    ]
    return chance.sample(all_of_them, min(count, len(all_of_them)))


def pairs(chance: random.Random, count: int) -> list[Case]:
    """Both programs dying in one go."""
    of = {program: [point for point in names(program) if point.startswith(_AGAIN)] for program in ("appliance", "hub")}
    return [
        Case((f"{chance.choice(of['appliance'])}:{chance.randint(1, 2)}",), (chance.choice(of["hub"]),), must=False)
        for _ in range(count)
    ]


def _case(point: str) -> Case:
    if point.startswith(_SECOND_ONLY):
        return _second(point)
    setting = next((setting for start, setting in SETTINGS.items() if point.startswith(start)), "mix")
    # Before a journal is damaged there must be something in it: an outcome that was not told yet.
    first = ("appliance.journal.finish.after",) if setting == "damaged" else ()
    # Every start gets there once, by looking for the first account.
    visit = ":2" if point.startswith("hub.accounts.change.") else ""
    return Case(*_lives(*first, point + visit), setting=setting)


def _second(point: str) -> Case:
    others = [first for start, first in _LEFT_OPEN_FOR.items() if point.startswith(start)]
    return Case(*_lives(others[0] if others else _LEFT_OPEN[point.partition(".")[0]], point))


def _lives(*points: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return ((), points) if points[-1].startswith("hub.") else (points, ())
