"""/dashboard/accounts: everybody's accounts, for admins."""

from typing import Any
from urllib.parse import urlencode

from cloud.accounts.account import Role, parse_role
from cloud.accounts.room import welcome_address
from cloud.dashboard.screen import Screen
from cloud.errors import Refused

_HERE = "/dashboard/accounts"
_DONE = {"role", "enable", "disable", "unlock", "totp-off", "remove"}
_ASKED = {"role", "disable", "totp-off", "remove"}  # by the script; where there is none, by a page of their own


class _Accounts(Screen):
    reads = writes = Role.ADMIN
    active = "accounts"

    async def _page(self, status: int, **facts: Any) -> None:
        given = {"done": "", "wrong": "", "name": "", **facts}
        self.show("accounts.html", status, accounts=await self.rooms.accounts.read_all(), roles=list(Role), **given)

    def _show_link(self, name: str, secret: str, until: float) -> None:
        """Once, in the answer to the form alone."""
        address = welcome_address(self.rooms.settings, secret)
        if not self.rooms.settings.public_url:  # then as this admin's browser reaches the hub
            address = f"{self.request.protocol}://{self.request.host}/dashboard/welcome/{secret}"
        crumbs = [(self.say("accounts.title"), _HERE)]
        self.show("account_link.html", name=name, address=address, until=until, crumbs=crumbs)


class AccountsPage(_Accounts):
    """GET: all accounts, and a form for another one."""

    async def get(self) -> None:
        """The list."""
        done, name = self.get_query_argument("done", ""), self.get_query_argument("name", "")[:64]
        await self._page(200, done=self.say(f"accounts.done-{done}", name=name) if done in _DONE else "")


class AddAccount(_Accounts):
    """POST: an account, and the link with which its owner sets a password."""

    async def get(self) -> None:
        """Who reloads what the form led to."""
        self.redirect(_HERE, status=303)

    async def post(self) -> None:
        """Make both."""
        given = self.fields()
        try:
            role = parse_role(given.get("role", ""))
            account = await self.rooms.accounts.add(given.get("name", ""), role, by=self.doer)
        except Refused as refused:
            await self._page(422, wrong=self.why(refused), name=given.get("name", "")[:64])
            return
        secret, until = await self.rooms.accounts.make_link(account.name, by=self.doer)
        self._show_link(account.name, secret, until)


class ChangeAccount(_Accounts):
    """POST: what is done with one account; the last part of the address says what."""

    async def get(self, name: str, act: str) -> None:
        """The question, where there is one."""
        if act in _ASKED and act != "role":
            await self._ask(name, act)
        else:  # who reloads what the form led to
            self.redirect(_HERE, status=303)

    async def post(self, name: str, act: str) -> None:
        """Do it, then tell so."""
        accounts, by = self.rooms.accounts, self.doer
        if act in _ASKED and self.fields().get("sure") != "yes":
            await self._ask(name, act)
            return
        try:
            match act:
                case "role":
                    await accounts.set_role(name, parse_role(self.fields().get("role", "")), by=by)
                case "enable" | "disable":
                    await accounts.enable(name, act == "enable", by=by)
                case "unlock":
                    await accounts.unlock(name, by=by)
                case "totp-off":
                    await accounts.totp_off(name, by=by)
                case "remove":
                    await accounts.remove(name, by=by)
                case _:
                    secret, until = await accounts.make_link(name, by=by)
                    self._show_link(name, secret, until)
                    return
        except Refused as refused:
            await self._page(refused.kind.status, wrong=self.why(refused))
            return
        self.go(f"{_HERE}?{urlencode({'done': act, 'name': name})}")

    async def _ask(self, name: str, act: str) -> None:
        account = await self.rooms.accounts.get(name)
        crumbs = [(self.say("accounts.title"), _HERE)]
        self.show("account_act.html", name=account.name, act=act, role=self.fields().get("role", ""), crumbs=crumbs)
