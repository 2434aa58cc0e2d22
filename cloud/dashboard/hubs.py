"""The hubs of one fleet, as the overview shows them: those that say how they are, those that are silent, those that
died. Pure; times are Unix seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from cloud.db.hubs_seen import HubSeen, missed

State = Literal["works", "ails", "stopping", "unheard", "gone"]
LEVELS: dict[State, str] = {"works": "good", "ails": "warn", "stopping": "idle", "unheard": "warn", "gone": "bad"}
AILS = ("database", "redis", "clock")  # of what others tell by other names nobody knows the words here
_SILENT_AFTER = 6.0  # each writes to the database every two seconds
_GONE_MAX = 8


class HubRow(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. What is not known is None; `ails` are sentences by their names, `seen_at` its last sign of life."""

    name: str
    state: State
    is_this: bool = False
    ails: Mapping[str, str] = {}
    kiosks: int | None = None
    running: int | None = None
    version: str = ""
    since: float | None = None
    seen_at: float | None = None
    is_silent: bool = False  # for longer than a moment

    @property
    def level(self) -> str:
        """Of its badge."""
        return "bad" if "database" in self.ails else LEVELS[self.state]


def hub_rows(health: Mapping[str, Any], seen: Sequence[HubSeen], now: float) -> list[HubRow]:
    """This one first, then the others by name, then who is gone. Empty where there can be no others.

    `health` is this hub's; `seen` what the database has of them, nothing where that does not answer. While Redis is
    away the others are known from the database alone.
    """
    if "hubs" not in health:
        return []
    is_deaf = health.get("redis") == "unreachable"
    living = {each.life: each for each in seen if each.ended_at is None}
    found, told = [], set()
    for each in health["hubs"]:
        life = next((life for life in living if life.startswith(each["id"])), "")
        told.add(life)
        row = living.get(life)
        if not is_deaf or each["is_this"]:
            found.append(_told(each, row))
        elif row is not None or not seen:
            found.append(_silent(each["name"], each["version"], row, now))
    found += [_silent(each.name, each.version, each, now) for each in living.values() if each.life not in told]
    found.sort(key=lambda row: (not row.is_this, row.name))
    return [*found, *_gone(missed(seen, now)[:_GONE_MAX])]


def _told(each: Mapping[str, Any], row: HubSeen | None) -> HubRow:
    ails: Mapping[str, str] = each["troubles"]
    state: State = "works" if not ails else "stopping" if "stopping" in ails else "ails"
    return HubRow(
        name=each["name"], state=state, is_this=each["is_this"], ails=ails, kiosks=each["kiosks"],
        running=each["operations_running"], version=each["version"], since=None if row is None else row.began_at,
    )  # fmt: skip


def _silent(name: str, version: str, row: HubSeen | None, now: float) -> HubRow:
    seen_at = None if row is None else row.seen_at
    return HubRow(
        name=name, state="unheard", version=version, since=None if row is None else row.began_at, seen_at=seen_at,
        is_silent=seen_at is not None and now - seen_at > _SILENT_AFTER,
    )  # fmt: skip


def _gone(dead: Iterable[HubSeen]) -> list[HubRow]:
    return [HubRow(name=each.name, state="gone", version=each.version, seen_at=each.seen_at) for each in dead]
