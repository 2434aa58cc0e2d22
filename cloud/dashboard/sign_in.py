"""/dashboard/sign-in, /dashboard/sign-out and /dashboard/welcome/<token>: the ways in and out."""

import math
from typing import Any

from cloud.accounts.account import Account, Role
from cloud.accounts.passwords import PASSWORD_MIN
from cloud.accounts.sign_in import Browser, CodeNeeded, NotLetIn, Opened
from cloud.dashboard import cookies, rendering
from cloud.dashboard.language import inside
from cloud.dashboard.screen import COOKIE, Screen
from cloud.errors import Refused

_STATUS = {"locked": 429, "limited": 429, "busy": 503}  # all else is 403
_OVERVIEW = "/dashboard"


class Door(Screen):
    """What the pages share that somebody comes in by."""

    reads: Role | None = None
    writes: Role | None = None

    @property
    def browser(self) -> Browser:
        """Where somebody comes from."""
        return Browser(
            address=str(self.request.remote_ip),
            agent=self.request.headers.get("User-Agent", ""),
            known=self.get_cookie(self.cookie_name(cookies.KNOWN)) or "",
        )

    def keep(self, cookie: str) -> None:
        """Give the browser its session."""
        hours = self.rooms.settings.dashboard_session
        self.set_cookie(
            self.cookie_name(COOKIE), cookie, max_age=math.ceil(hours * 3600), **cookies.flags(self.is_secure)
        )

    async def let_in(self, opened: Opened) -> None:
        """A new session, whatever the browser had before; that one is over."""
        if self.session is not None:
            await self.rooms.sign_in.sessions.end(self.session.account, self.session.hash)
        self.keep(opened.cookie)
        self.set_cookie(
            self.cookie_name(cookies.KNOWN),
            opened.known,
            max_age=cookies.KNOWN_DAYS * 86400,
            **cookies.flags(self.is_secure),
        )

    def not_let_in(self, refusal: NotLetIn, suffix: str = "") -> tuple[int, str]:
        """The status and the words for it; `suffix` for who is signed in already."""
        key = f"accounts.{refusal.why}{suffix if refusal.why in {'wrong', 'locked'} else ''}"
        if refusal.wait:
            self.set_header("Retry-After", str(math.ceil(refusal.wait)))
        return _STATUS.get(refusal.why, 403), self.say(key, wait=rendering.span(math.ceil(refusal.wait), self.language))

    def _show_sign_in(self, status: int, words: str, next_page: str, **facts: Any) -> None:
        """The form for a name and a password, or for a code."""
        given = {"name": "", "ticket": "", "is_empty": False, **facts}
        self.show("sign_in.html", status, words=words, next_page=next_page, **given)


class SignInPage(Door):
    """A name and a password, and then a code where a second factor is on."""

    async def get(self) -> None:
        """The form; who is signed in is led on."""
        next_page = inside(self.get_query_argument("next", _OVERVIEW))
        if self.session is not None:
            self.redirect(next_page, status=303)
            return
        self._show_sign_in(200, "", next_page, is_empty=await self.rooms.accounts.is_empty())

    async def post(self) -> None:
        """Look at what was typed."""
        given = self.fields(strip=False)
        next_page = inside(given.get("next", ""))
        if cookies.cannot_keep(self.request.headers, self.request.host, self.is_secure):
            words = self.say("accounts.use-https", address=self.rooms.settings.public_url)
            self._show_sign_in(403, words, next_page)
            return
        ticket = given.get("ticket", "")
        try:
            if ticket:
                found: Opened | CodeNeeded = await self.rooms.sign_in.by_code(
                    ticket, given.get("code", ""), self.browser
                )
            else:
                found = await self.rooms.sign_in.by_password(
                    given.get("name", ""), given.get("password", ""), self.browser
                )
        except NotLetIn as refusal:
            status, words = self.not_let_in(refusal)
            kept = "" if refusal.why == "too-late" else ticket
            self._show_sign_in(status, words, next_page, name=given.get("name", "")[:64], ticket=kept)
            return
        if isinstance(found, CodeNeeded):
            self._show_sign_in(200, "", next_page, ticket=found.ticket)
            return
        await self.let_in(found)
        self.go(next_page)


class SignOut(Door):
    """POST: the session is over."""

    reads = None
    writes = Role.VIEWER

    async def get(self) -> None:
        """Who reloads what the form led to."""
        self.redirect(_OVERVIEW, status=303)

    async def post(self) -> None:
        """End the row; the cookie goes with it."""
        assert self.session is not None
        await self.rooms.sign_in.end(self.session, self.browser)
        self.clear_cookie(self.cookie_name(COOKIE), **cookies.flags(self.is_secure))
        self.go("/dashboard/sign-in")


class Welcome(Door):
    """A one-time link: whoever opens it sets a password. Looking at it does not use it up: programs that show what a
    link leads to do that.
    """

    def set_default_headers(self) -> None:
        """What this page loads is not told its address: proxies write that into their logs."""
        super().set_default_headers()
        self.set_header("Referrer-Policy", "strict-origin")

    async def get(self, token: str) -> None:
        """The form, or that the link is dead."""
        try:
            account = await self.rooms.sign_in.whose_link(token)
        except NotLetIn:
            self.show("welcome_dead.html", 410)
            return
        self._form(200, "", account, "")

    async def post(self, token: str) -> None:
        """Set the password, and sign in."""
        given = self.fields(strip=False)
        name, password = given.get("name", ""), given.get("password", "")
        account: Account | None = None
        try:
            account = await self.rooms.sign_in.whose_link(token)
            if cookies.cannot_keep(self.request.headers, self.request.host, self.is_secure):
                self._form(403, self.say("accounts.use-https", address=self.rooms.settings.public_url), account, name)
                return
            if password != given.get("again", ""):
                self._form(422, self.say("accounts.password-differs"), account, name)
                return
            found = await self.rooms.sign_in.by_link(token, name, password, self.browser)
        except NotLetIn as refusal:
            if refusal.why == "too-late":
                self.show("welcome_dead.html", 410)
                return
            status, words = self.not_let_in(refusal)
            self._form(status, words, account, name)
            return
        except Refused as refused:
            self._form(422, self.why(refused), account, name)
            return
        if account is None:
            await self.rooms.greeted()
        if isinstance(found, CodeNeeded):
            self._show_sign_in(200, "", _OVERVIEW, ticket=found.ticket)
            return
        await self.let_in(found)
        self.go(_OVERVIEW)

    def _form(self, status: int, words: str, account: Account | None, name: str) -> None:
        self.show("welcome.html", status, words=words, account=account, name=name[:64], least=PASSWORD_MIN)
