"""/dashboard/audit: what people did, whichever door they came in by."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from cloud.accounts.account import Act, Role
from cloud.dashboard.screen import Screen
from cloud.dashboard.texts import TEXTS
from cloud.zones import zone

_PAGE = 50
DOORS = ("dashboard", "admin-api", "telegram", "cli")
ROOMS = ("account", "kiosk", "operation", "callback", "key", "alert", "rollout", "telegram")


class AuditPage(Screen):
    """GET: the newest first, filtered and by pages."""

    reads = writes = Role.ADMIN
    active = "audit"

    async def get(self) -> None:
        """One page. A date that is none is told, and not looked for."""
        asked = {name: self.get_query_argument(name, "")[:128] for name in ("subject", "who", "door", "act", "since",
                                                                           "until", "before")}  # fmt: skip
        wrong = []
        moments: dict[str, float | None] = {}
        for name, days in (("since", 0), ("until", 1)):
            try:
                moments[name] = self._day(asked[name], days)
            except ValueError:
                moments[name] = None
                wrong.append(self.say("audit.bad-date", value=asked[name]))
        before = int(asked["before"]) if asked["before"].isascii() and asked["before"].isdigit() else None
        acts = await self.rooms.audit.page(
            subject=asked["subject"],
            who=asked["who"],
            door=asked["door"] if asked["door"] in DOORS else "",
            act=asked["act"],
            since=moments["since"],
            until=moments["until"],
            before=min(before, 2**31 - 1) if before is not None else None,
            limit=_PAGE + 1,
        )
        rows = [self._row(act) for act in acts[:_PAGE]]
        older = acts[_PAGE - 1].number if len(acts) > _PAGE else None
        self.show("audit.html", rows=rows, asked=asked, older=older, wrong=wrong, doors=DOORS, rooms=ROOMS)

    def _day(self, text: str, days: int) -> float | None:
        """The beginning of a day, or of one after it, in the zone of TIMEZONE. Raises ValueError."""
        if not text:
            return None
        try:
            at = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone(self.rooms.settings.timezone))
            return (at + timedelta(days=days)).timestamp()
        except OverflowError as error:
            raise ValueError(text) from error

    def _row(self, act: Act) -> "Row":
        key = f"audit.act-{act.act}"
        subject = act.subject or self.say("audit.of-nothing")
        words = self.say(key if key in TEXTS[self.language] else "audit.act-other", subject=subject, act=act.act)
        door = f"audit.door-{act.door}"
        return Row(
            act=act,
            words=words,
            door=self.say(door) if door in TEXTS[self.language] else act.door,
            facts=[(name, _shown(value)) for name, value in act.data.items()],
        )


class Row(msgspec.Struct, frozen=True):
    """One act, in words."""

    act: Act
    words: str
    door: str
    facts: list[tuple[str, str]]


def _shown(value: Any) -> str:
    """As text; templates escape it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
