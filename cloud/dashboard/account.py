"""/dashboard/account: one's own password, second factor and sessions."""

import io
from typing import Any

import segno

from cloud.accounts.account import Role
from cloud.accounts.passwords import PASSWORD_MIN, totp_address
from cloud.accounts.sign_in import NotLetIn
from cloud.dashboard.rendering import Html
from cloud.dashboard.sign_in import Door
from cloud.errors import Refused

_HERE = "/dashboard/account"
_DONE = {"password", "totp-on", "own-totp-off", "session", "sessions"}


class AccountPage(Door):
    """GET: all of it."""

    reads = writes = Role.VIEWER
    active = "account"

    async def get(self) -> None:
        """The page."""
        done = self.get_query_argument("done", "")
        await self._page(200, done=self.say(f"accounts.done-{done}") if done in _DONE else "")

    async def _page(self, status: int, **facts: Any) -> None:
        assert self.session is not None
        sessions = await self.rooms.sign_in.sessions.of_account(self.session.account)
        given = {"done": "", "wrong": {}, "offer": None, **facts}
        self.show("account.html", status, sessions=sessions, browser_name=browser_name, least=PASSWORD_MIN, **given)

    async def _refused(self, part: str, refusal: NotLetIn | Refused, **facts: Any) -> None:
        """The page again, with what is wrong beside its form."""
        if isinstance(refusal, Refused):
            await self._page(422, wrong={part: self.why(refusal)}, **facts)
            return
        status, words = self.not_let_in(refusal, "-own")
        await self._page(status, wrong={part: words}, **facts)


class _Form(AccountPage):
    async def get(self) -> None:
        """Who reloads what the form led to."""
        self.redirect(_HERE, status=303)


class ChangePassword(_Form):
    """POST: another password."""

    async def post(self) -> None:
        """Set it; this browser goes on with a new session."""
        assert self.session is not None
        given = self.fields(strip=False)
        new = given.get("new", "")
        if new != given.get("again", ""):
            await self._page(422, wrong={"password": self.say("accounts.password-differs")})
            return
        try:
            self.keep(await self.rooms.own.change_password(self.session, given.get("old", ""), new))
        except (NotLetIn, Refused) as refusal:
            await self._refused("password", refusal)
            return
        self.go(f"{_HERE}?done=password")


class OfferTotp(_Form):
    """POST: a key for an authenticator app, shown once."""

    async def post(self) -> None:
        """Show it."""
        assert self.session is not None
        try:
            secret = await self.rooms.own.offer_totp(self.session, self.fields(strip=False).get("password", ""))
        except NotLetIn as refusal:
            await self._refused("totp", refusal)
            return
        await self._page(200, offer=_Offer(secret, self.account_name))


class ConfirmTotp(_Form):
    """POST: the first code; from here on it is asked for."""

    async def post(self) -> None:
        """Look at it; a wrong one shows the key again."""
        assert self.session is not None
        try:
            self.keep(await self.rooms.own.confirm_totp(self.session, self.fields().get("code", "")))
        except NotLetIn as refusal:
            secret = await self.rooms.own.offered(self.session)
            await self._refused("totp", refusal, offer=_Offer(secret, self.account_name) if secret else None)
            return
        self.go(f"{_HERE}?done=totp-on")


class TotpOff(_Form):
    """POST: a password is enough again."""

    async def post(self) -> None:
        """Turn it off."""
        assert self.session is not None
        try:
            self.keep(await self.rooms.own.totp_off(self.session, self.fields(strip=False).get("password", "")))
        except NotLetIn as refusal:
            await self._refused("totp", refusal)
            return
        self.go(f"{_HERE}?done=own-totp-off")


class EndSessions(_Form):
    """POST: end the session named, or all others."""

    async def post(self) -> None:
        """End them. This very one is ended by signing out."""
        assert self.session is not None
        name, sessions = self.fields().get("session", ""), self.rooms.sign_in.sessions
        if name == "others":
            count = await sessions.end_others(self.session.account, self.session.hash)
            await self.note("account.sessions-end", self.account_name, count=count)
            self.go(f"{_HERE}?done=sessions")
            return
        if name != self.session.hash and await sessions.end(self.session.account, name):
            await self.note("account.session-end", self.account_name)
        self.go(f"{_HERE}?done=session")


class _Offer:
    """A key to be taken into an authenticator app."""

    def __init__(self, secret: str, name: str) -> None:
        self.key = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
        picture = io.BytesIO()
        # Dark on white whatever the scheme is: that is what cameras look for.
        segno.make(totp_address(secret, name, "Kioskwire"), error="m").save(
            picture, kind="svg", xmldecl=False, svgns=True, svgclass="qr", lineclass=None, border=4, light="#fff",
            omitsize=True,
        )  # fmt: skip
        self.picture = Html(picture.getvalue())


def browser_name(agent: str) -> str:
    """What a browser is called by people, and on what it runs; "" where that is not known."""
    kinds = (("Edg", "Edge"), ("OPR/", "Opera"), ("YaBrowser", "Yandex"), ("Firefox/", "Firefox"),
             ("Chrome/", "Chrome"), ("Safari/", "Safari"))  # fmt: skip
    systems = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
               ("Mac OS", "macOS"), ("Linux", "Linux"))  # fmt: skip
    names = [next((name for mark, name in marks if mark in agent), "") for marks in (kinds, systems)]
    return ", ".join(filter(None, names))
