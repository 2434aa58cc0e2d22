"""What all pages of the dashboard share: who is there, what they may, how a page is filled and refused."""

import hmac
import logging
import re
import time
from typing import Any
from urllib.parse import parse_qs, quote

from sqlalchemy.exc import SQLAlchemyError
from tornado.web import HTTPError, RequestHandler

from cloud.accounts.account import Doer, Role, Session
from cloud.dashboard import cookies, rendering
from cloud.dashboard.menu import entries
from cloud.dashboard.rooms import Rooms
from cloud.dashboard.texts import LANGUAGES, TEXTS, Language, choose, say
from cloud.db.engine import explain
from cloud.errors import Refused, StorageError
from cloud.zones import zone

log = logging.getLogger(__name__)

COOKIE = cookies.SESSION
LANGUAGE_COOKIE = "kioskwire_language"
_SECRET_PATH = re.compile(r"(/dashboard/welcome/).*")
_FIELDS_MAX, _BODY_MAX = 64, 64 * 1024
# No `unsafe-inline`, and nothing from elsewhere. Forms stay here, and so does who follows what is typed into them.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Screen(RequestHandler):
    """The base of all pages. A subclass names who may read it and who may send its forms."""

    rooms: Rooms
    session: Session | None = None
    reads: Role | None = Role.VIEWER  # None: also who has not signed in
    writes: Role | None = Role.OPERATOR
    active: str = ""  # the entry of the menu that this page belongs to

    def initialize(self, rooms: Rooms) -> None:
        """Called by Tornado with what the route table names."""
        self.rooms = rooms

    def set_default_headers(self) -> None:
        """Nothing here is to be cached, framed, sniffed or told about."""
        self.clear_header("Server")
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")

    async def prepare(self) -> None:
        """Find out who is there; send away who has not signed in, refuse who may not."""
        is_reading = self.request.method in {"GET", "HEAD"}
        needed = self.reads if is_reading else self.writes
        if not is_reading and cookies.is_foreign(self.request.headers, self.request.host, self.rooms.settings):
            raise HTTPError(403, self.say("accounts.foreign"))
        if cookie := self.get_cookie(self.cookie_name(COOKIE)):
            self.session = await self.rooms.sign_in.session(cookie)
        if needed is None:
            return
        if self.session is None:
            self._send_to_sign_in()
            return
        if not self.session.account.role.may(needed):
            raise NotYours(needed)
        if not is_reading and not self._brings_csrf():
            raise HTTPError(403, self.say("shell.old-form"))

    # What a handler reads.

    @property
    def account_name(self) -> str:
        """Who is signed in. Raises `AssertionError` on a page that needs nobody to be."""
        assert self.session is not None
        return self.session.account.name

    @property
    def doer(self) -> Doer:
        """The same, for what writes the audit itself."""
        return Doer(who=self.account_name, door="dashboard", address=str(self.request.remote_ip))

    @property
    def is_secure(self) -> bool:
        """Whether people reach this hub by https."""
        return cookies.is_secure(self.rooms.settings, self.request.protocol)

    def cookie_name(self, name: str) -> str:
        """The name of a cookie that proves something, as it is just here."""
        return cookies.cookie_name(name, self.is_secure)

    def fields(self, *, strip: bool = True) -> dict[str, str]:
        """The form's fields, the last of each name; without blanks around, unless they are to stay."""
        if len(self.request.body) > _BODY_MAX:
            raise HTTPError(413, "this form is too long")
        try:
            found = parse_qs(self.request.body.decode("utf-8"), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
        except ValueError as error:
            raise HTTPError(400, "this is no form") from error
        return {name: values[-1].strip() if strip else values[-1] for name, values in found.items()}

    @property
    def is_fragment(self) -> bool:
        """Whether a part of a page asks to be fetched again, rather than a page to be opened."""
        return self.request.headers.get("HX-Request") == "true"

    @property
    def language(self) -> Language:
        """Of who reads."""
        wanted = self.session.account.language if self.session else ""
        return choose(wanted or self.get_cookie(LANGUAGE_COOKIE) or "", self.request.headers.get("Accept-Language", ""))

    def say(self, key: str, /, **fields: object) -> str:
        """A sentence in the reader's language; plain text."""
        return say(self.language, key, **fields)

    # What a handler answers with.

    def show(self, page: str, status: int = 200, /, **facts: Any) -> None:
        """Fill a template. It finds what `rendering.fill` gives, what is below, and `facts`."""
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Vary", "Accept-Language, Cookie, HX-Request")
        ours = {
            "session": self.session, "languages": LANGUAGES, "active": self.active, "may": self._may, "Role": Role,
            "menu": entries(self.session, self.active), "back": self._back(),
        }  # fmt: skip
        self.finish(rendering.fill(
            page, language=self.language, zone=zone(self.rooms.settings.timezone),
            zone_name=self.rooms.settings.timezone, now=time.time(), path=self.request.path, query=self.request.query,
            facts={**ours, **facts},
        ))  # fmt: skip

    def when(self, at: float | None) -> str:
        """A moment for a person, in the zone of TIMEZONE."""
        return rendering.when(at, zone(self.rooms.settings.timezone), self.language)

    def go(self, path: str) -> None:
        """After a form: to a page of ours, as a new question. `path` is never what a request brought."""
        if self.is_fragment:
            self.set_header("HX-Redirect", path)
            self.set_status(204)
            self.finish()
        else:
            self.redirect(path, status=303)

    async def note(self, act: str, subject: str, **data: object) -> None:
        """Write down what this person has done."""
        await self.rooms.audit.note_done(self.doer.act(act, subject, **data))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error is a page in words; tracebacks stay here."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        match error:
            case NotYours(needed=needed):
                role = self.say(f"shell.role-{self.session.account.role if self.session else Role.VIEWER}")
                status_code, words = (
                    403,
                    self.say("shell.not-yours", role=role, needed=self.say(f"shell.role-{needed}")),
                )
            case Refused():
                status_code, words = error.kind.status, self.why(error)
            case StorageError() | SQLAlchemyError() | OSError():
                status_code, words = 503, self.say("shell.storage")
            case HTTPError(log_message=str(message)) if message:
                words = message
            case _:
                words = self.say("shell.failed", why=self._reason)
        if self.is_fragment:  # for the script, which tells it on the page that asked
            self.set_status(status_code)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(words)
            return
        self.show("error.html", status_code, words=words, status=status_code)

    def why(self, error: Refused) -> str:
        """What was refused, in the reader's language where there are words for it: `refused.<fact>`."""
        key = f"refused.{error.fact}"
        return self.say(key, **error.fields) if error.fact and key in TEXTS[self.language] else error.detail

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Refusals are no news; a failure is, without the query. Of the database it is one line."""
        if isinstance(value, Refused | HTTPError):
            return
        if isinstance(value, StorageError | SQLAlchemyError | ConnectionError | TimeoutError):
            told = {"path": self._path_for_log(), "error": explain(value.__cause__ or value)}
            log.warning("a page could not be filled from the database", extra=told)
        else:
            log.error("a page failed", exc_info=(typ, value, tb), extra={"path": self._path_for_log()})

    # Ours.

    def _path_for_log(self) -> str:
        """A one-time link is good still when its page failed."""
        return _SECRET_PATH.sub(r"\1…", self.request.path)

    def _back(self) -> str:
        """Where the page is found again; what answers a form is not."""
        return self.request.uri or "" if self.request.method == "GET" else "/dashboard"

    def _may(self, role: Role) -> bool:
        return self.session is not None and self.session.account.role.may(role)

    def _brings_csrf(self) -> bool:
        assert self.session is not None
        given = self.request.headers.get("X-CSRF") or self.fields().get("csrf", "")
        return hmac.compare_digest(given.encode(), self.session.csrf.encode())

    def _send_to_sign_in(self) -> None:
        path = "/dashboard/sign-in"
        if self.request.method == "GET" and not self.is_fragment:
            path += "?next=" + quote(self.request.uri or "", safe="")
        self.go(path)


class NotYours(HTTPError):
    """A person without the rights that are needed."""

    def __init__(self, needed: Role) -> None:
        super().__init__(403)
        self.needed = needed


class NothingHere(Screen):
    """Every address under /dashboard that is not in the route table."""

    async def prepare(self) -> None:
        """As of any page, and then 404."""
        await super().prepare()
        if not self._finished:
            raise HTTPError(404, self.say("shell.not-found"))
