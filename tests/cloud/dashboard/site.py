"""The dashboard of a real hub, and people of every role who are signed in at it.

    async with dashboard(tmp_path, role="admin") as site:
        answer = await site.get("/dashboard/kiosks")
        answer = await site.post("/dashboard/kiosks/add", name="…")     # brings what a form must; follows nothing
        await site.as_role("viewer").get("/dashboard/keys")             # another browser, of another person
        await site.anonymous.get("/dashboard")

`site.hub` is the `Hub`, `site.at` what `tests.cloud.hub.running` gives: kiosks and a backend.
"""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from cloud.accounts.account import Account, Doer, Role, Session
from cloud.accounts.signing import Signing, name_of, new_secret
from cloud.dashboard import cookies
from cloud.dashboard.rooms import Rooms
from tests.cloud.hub import JWT_SECRET, POSTGRESQL, Running, execute, running

TESTS = Doer(who="tests", door="cli")
PATIENCE = 60.0  # seconds for an answer, of a machine that is busy with something else


class Browser:
    """One browser, with its cookies. `account` is None where nobody is signed in."""

    def __init__(self, http: httpx.AsyncClient, session: Session | None = None) -> None:
        self.http = http
        self.session = session

    @property
    def account(self) -> Account | None:
        """Who is signed in."""
        return self.session.account if self.session else None

    async def get(self, path: str, /, *, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
        """A page; redirects are not followed."""
        return await self.http.get(path, params=query or None, headers=headers)

    async def post(self, path: str, /, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        """Send a form with the session's CSRF field, unless `csrf` says another; redirects are not followed."""
        if self.session is not None:
            fields = {"csrf": self.session.csrf, **fields}
        return await self.http.post(path, data=fields, headers=headers)


class Site(Browser):
    """The browser of the role that was asked for, and the others."""

    def __init__(self, at: Running, browsers: dict[str, Browser], role: str) -> None:
        super().__init__(browsers[role].http, browsers[role].session)
        self.at = at
        self._browsers = browsers

    @property
    def hub(self) -> Any:
        """The running hub."""
        return self.at.hub

    @property
    def rooms(self) -> Rooms:
        """What its pages call."""
        return self.at.hub.rooms

    @property
    def anonymous(self) -> Browser:
        """Where nobody is signed in."""
        return self._browsers[""]

    def as_role(self, role: str) -> Browser:
        """Another person's browser: viewer, operator, admin. Their names are `a-viewer` and so on."""
        return self._browsers[role]


@asynccontextmanager
async def dashboard(
    state_dir: Path, *, role: str = "admin", accounts: bool = True, **changes: Any
) -> AsyncIterator[Site]:
    """A hub with an account of each role, all signed in; `role` is whose browser the site itself is.

    Without `accounts` there are none, as at a hub's first start, and the site's own browser is nobody's.
    """
    is_new = not (POSTGRESQL or (state_dir / "hub.db").exists() or changes.keys() & {"database_url", "jwt_secret"})
    cookie_of = _people(state_dir) if accounts and is_new else {}
    async with running(state_dir, **changes) as at, AsyncExitStack() as stack:
        rooms = at.hub.rooms
        browsers = {}
        for name in ("", *Role):
            http = httpx.AsyncClient(base_url=at.url, timeout=PATIENCE, trust_env=False)
            browsers[str(name)] = Browser(await stack.enter_async_context(http))
        for name in Role if accounts else ():
            cookie = cookie_of.get(name) or await signed_in(rooms, f"a-{name}", name)
            secure = cookies.is_secure(rooms.settings, "http")
            browsers[name].http.cookies.set(cookies.cookie_name(cookies.SESSION, secure), cookie)
            browsers[name].session = await rooms.sign_in.session(cookie)
        yield Site(at, browsers, role if accounts else "")


def _people(state_dir: Path) -> dict[Role, str]:
    """An account of each role in a new database, and a session's cookie: a dozen statements take a hub 0.1 s."""
    now, cookies_of = time.time(), {}
    for number, role in enumerate(Role, 1):
        secret = new_secret()
        execute(
            state_dir,
            "INSERT INTO accounts (id, name, role, enabled, created_at, changed_at) "
            f"VALUES ({number}, 'a-{role}', '{role}', 1, {now}, {now})",
            "INSERT INTO account_sessions (hash, account_id, made_at, seen_at, until, address, agent) "
            f"VALUES ('{name_of(secret)}', {number}, {now}, {now}, {now + 12 * 3600}, '127.0.0.1', 'tests')",
        )
        cookies_of[role] = Signing(JWT_SECRET).sign("session", secret)
    return cookies_of


async def signed_in(rooms: Rooms, name: str, role: Role) -> str:
    """The cookie of a new session of this account, which is made where there is none."""
    account = await rooms.accounts.find(name) or await rooms.accounts.add(name, role, by=TESTS)
    return await rooms.sign_in.sessions.open(account, "127.0.0.1", "tests")


def stop_the_clock(site: Site) -> None:
    """However long the test takes, nobody who tries to sign in regains a try, and no lock ends."""
    now = time.time() + 3600.0  # locks are shown as such to whoever looks by the true time
    site.rooms.sign_in._tries.clock = lambda: now


async def settle_audit(site: Site) -> None:
    """Wait until what was noted beside an answer is written."""
    await site.rooms.audit.write_alike()
