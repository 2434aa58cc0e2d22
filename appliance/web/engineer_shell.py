"""What the pages of the engineer's part share: who may ask, whose session it is, whether a form is ours."""

import hmac
from typing import Any, ClassVar

from appliance.engineer.sessions import COOKIE, Session
from appliance.web.engineer_room import Room
from appliance.web.engineer_words import WORDS
from appliance.web.guard import Guard, peer_allowed
from appliance.web.page import WebPage
from appliance.web.setup import _fields, is_private

PATH = "/engineer"


class EngineerPage(WebPage):
    """What all of them do: look at who asks, find his session, refuse forms of other pages."""

    methods = "GET, HEAD, POST"
    words = WORDS
    needs_session: ClassVar[bool] = True
    quiet: ClassVar[bool] = False  # asked for by an open page: no sign that somebody is there

    def initialize(self, guard: Guard, room: Room) -> None:  # type: ignore[override]
        """Dependencies come through the route."""
        super().initialize(guard)
        self.room = room
        self.engineer = room.engineer

    def prepare(self) -> None:
        """Who connected, by what name, with what form."""
        self.address = str(self.request.remote_ip)
        self.is_here = peer_allowed(self.address)
        self.session: Session | None = None
        if not self.is_here and not (self.room.lan and is_private(self.address)):
            self.show("engineer_no.html", 403, key="not-from-here")
            return
        super().prepare()
        if self._finished:
            return
        self.session = self.engineer.find(self.get_cookie(COOKIE, "") or "", self.address, touch=not self.quiet)
        self.form = _fields(self.request.body) if self.request.method == "POST" else {}
        if self.request.method == "POST" and not self._is_ours():
            self.show("engineer_no.html", 403, key="old-page")
        elif self.needs_session and self.session is None:
            self._send_away()

    @property
    def who(self) -> Session:
        """Whose request this is; only where a session is needed."""
        assert self.session is not None, "prepare has looked"
        return self.session

    def show(self, template: str, status: int = 200, **facts: Any) -> None:
        """The page with what all of them are given."""
        running = self.engineer.work.running if self.session is not None else None
        facts.setdefault("csrf", self.session.csrf if self.session is not None else self.engineer.form)
        live = facts.pop("live", "")  # a socket's request need not say which language its page has
        facts["live"] = f"{live}{'&' if '?' in live else '?'}lang={self.language}" if live else ""
        facts.setdefault("active", "")
        super().show(template, status, session=self.session, running=running, kiosk=self.room.kiosk(), **facts)

    def go(self, path: str) -> None:
        """After a form."""
        self.redirect(path, status=303)

    def one(self, name: str, most: int = 200) -> str:
        """A field of the form."""
        return self.form.get(name, "").strip()[:most]

    def _send_away(self) -> None:
        if self.request.method in {"GET", "HEAD"}:
            self.go(PATH)
        else:
            self.show("engineer_no.html", 403, key="signed-out")

    def _is_ours(self) -> bool:
        if self.request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return False
        right = self.session.csrf if self.session is not None and self.needs_session else self.engineer.form
        return (self.session is None and self.needs_session) or _same(self.form.get("csrf", ""), right)


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())
