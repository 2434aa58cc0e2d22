"""Pages about kiosks: all of them, and one. What is done to them is in `kiosk_acts`."""

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from tornado.web import HTTPError

from cloud.accounts.account import Act
from cloud.alerts.alert import Alert
from cloud.alerts.kinds import KINDS
from cloud.dashboard import kiosk_rows
from cloud.dashboard.event_words import Spoken, speak
from cloud.dashboard.kiosk_seen import Seen, lines_of, look
from cloud.dashboard.kiosk_words import DEVICE_STATES, LEVELS, ROLES, STATE_TONES, ended, enrolment, tone_of
from cloud.dashboard.operation_words import TONES, outcome
from cloud.dashboard.screen import Screen
from cloud.dashboard.texts import TEXTS
from cloud.db.engine import explain
from cloud.errors import StorageError
from cloud.kiosks.audit import Line as Tried
from cloud.kiosks.codes import Result
from cloud.kiosks.registry import Kiosk
from cloud.masking import masked_json
from cloud.operations.facts import EventSaid, EventsPage
from wire.ids import parse_kiosk_id

log = logging.getLogger(__name__)

AWAY = (SQLAlchemyError, StorageError, TimeoutError, OSError)
_PATIENCE = 3.0
_SAID_MAX = 4000
_DONE = ("added", "renamed", "enabled", "disabled", "removed")


class KioskScreen(Screen):
    """What all pages about kiosks share."""

    active = "kiosks"

    def kiosk(self, kiosk_id: str) -> Kiosk:
        """The kiosk that the address names. Raises 404 in words, and for one that was removed as well."""
        try:
            found = self.rooms.registry.get(parse_kiosk_id(kiosk_id))
        except ValueError:
            found = None
        if found is None:
            raise HTTPError(404, self.say("kiosks.none").replace("%", "%%"))
        return found

    def spoken(self, event: EventSaid) -> Spoken:
        """What a kiosk told, in words."""
        return speak(self.language, event.kind, event.data)

    @property
    def done(self) -> str:
        """What a form has just done, as the address says."""
        done = self.get_query_argument("done", "")
        return done if done in _DONE else ""


class KiosksPage(KioskScreen):
    """/dashboard/kiosks"""

    async def get(self) -> None:
        """A page of the list; its lines alone for who asks again."""
        names = ("q", "state", "version", "sort", "page")
        asked = kiosk_rows.read({name: self.get_query_argument(name, "") for name in names})
        lines = await lines_of(self.rooms)
        # Of 10,000 kiosks it takes a tenth of a second to look through all names: kiosks do not wait for that.
        found = await asyncio.to_thread(kiosk_rows.find, lines, asked)
        unknown: dict[str, int] | None = None
        try:
            async with asyncio.timeout(_PATIENCE):
                unknown = await self.rooms.facts.unknown_of([line.id for line in found.lines])
        except AWAY as error:
            log.warning("operations cannot be counted", extra={"error": explain(error)})
        self.show(
            "_kiosks.html" if self.is_fragment else "kiosks.html",
            found=found, asked=found.asked, unknown=unknown, has_any=len(self.rooms.registry) > 0,
            state_tones=STATE_TONES, filters=("", *kiosk_rows.FILTERS), done=self.done, page_size=kiosk_rows.PAGE,
            removed=self._removed(),
        )  # fmt: skip

    def _removed(self) -> str:
        """The kiosk that was removed just now, if that is true."""
        try:
            kiosk_id = parse_kiosk_id(self.get_query_argument("which", ""))
        except ValueError:
            return ""
        return kiosk_id if self.done == "removed" and self.rooms.registry.get(kiosk_id) is None else ""


class KioskPage(KioskScreen):
    """/dashboard/kiosks/{id}"""

    async def get(self, kiosk_id: str) -> None:
        """Everything about one."""
        kiosk = self.kiosk(kiosk_id)
        seen = await look(self.rooms, kiosk)
        self.show(
            "_kiosk.html" if self.is_fragment else "kiosk.html",
            kiosk=kiosk, seen=seen, done=self.done, spoken=self.spoken, told=await all_told(seen.events),
            **_shown(seen),
        )  # fmt: skip


class KioskEventsPage(KioskScreen):
    """/dashboard/kiosks/{id}/events"""

    async def get(self, kiosk_id: str) -> None:
        """What it told, the newest first."""
        kiosk = self.kiosk(kiosk_id)
        page = await self.rooms.facts.events(kiosk.id, cursor=self.get_query_argument("before", ""))
        self.show(
            "kiosk_events.html", kiosk=kiosk, events=page.events, before=page.cursor, told=await all_told(page),
            spoken=self.spoken,
        )  # fmt: skip


class KioskConnectionsPage(KioskScreen):
    """/dashboard/kiosks/{id}/connections"""

    async def get(self, kiosk_id: str) -> None:
        """When it came and went, the newest first."""
        kiosk = self.kiosk(kiosk_id)
        text = self.get_query_argument("before", "")
        before = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        rows = await self.rooms.history.page(kiosk.id, before=before, limit=51)
        more = rows[49].number if len(rows) > 50 else None
        self.show(
            "kiosk_connections.html", kiosk=kiosk, rows=rows[:50], hubs=await self.rooms.history.hubs_of(rows[:50]),
            before=more, ended=ended, tone_of=tone_of,
        )  # fmt: skip


async def all_told(page: EventsPage) -> Callable[[bytes], str]:
    """What each of them holds. A kiosk may send what takes long to mask: it is done beside the loop."""
    found = await asyncio.to_thread(lambda: {event.data: told(event.data) for event in page.events})
    return found.__getitem__


def told(data: bytes) -> str:
    """What an event holds, masked and laid out."""
    text = masked_json(data)
    return text if len(text) <= _SAID_MAX else text[: _SAID_MAX - 1] + "…"


def alert_words(alert: Alert, tell: Callable[..., str]) -> str:
    """What is wrong, in the reader's language where that is known."""
    key = f"alerts.kind-{alert.kind}"
    return tell(key) if key in TEXTS["en"] else KINDS[alert.kind].words if alert.kind in KINDS else alert.kind


def act_words(act: Act, tell: Callable[..., str]) -> str:
    """What a person did."""
    key = f"audit.act-{act.act}"
    return tell(key if key in TEXTS["en"] else "audit.act-other", subject=act.subject, act=act.act)


def reason_words(tried: Tried, tell: Callable[..., str]) -> str:
    """Why what was tried at the enrolment came to what it came to."""
    if tried.result == Result.MADE:
        return tell("kiosks.reason-by", who=tried.reason)
    key = f"kiosks.reason-{tried.reason}"
    return tell(key) if key in TEXTS["en"] else tried.reason


def _shown(seen: Seen) -> dict[str, object]:
    """What its templates call."""
    return {
        "line": seen.line, "device_states": DEVICE_STATES, "levels": LEVELS, "roles": ROLES, "ended": ended,
        "tone_of": tone_of, "enrolment": enrolment, "outcome": outcome, "outcome_tones": TONES,
        "state_tones": STATE_TONES, "alert_words": alert_words, "act_words": act_words, "reason_words": reason_words,
    }  # fmt: skip
