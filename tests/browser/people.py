"""Who sits before the browser: accounts of a real hub, already signed in where a test is not about that.

sign_in(page, hub, "operator")
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import Page

from bench.stack import Hub
from cloud.accounts.account import Doer, Role
from cloud.accounts.accounts import Accounts
from cloud.accounts.sessions import Sessions
from cloud.accounts.signing import Signing
from cloud.dashboard.screen import COOKIE
from cloud.db.engine import open_engine

HOURS = 3600.0
TESTS = Doer(who="tests", door="cli")


def cookie(hub: Hub, role: str, name: str = "") -> str:
    """The value of a new session's cookie: of the account `an-<role>`, which is made where there is none."""

    async def make() -> str:
        engine = open_engine(hub.environment()["DATABASE_URL"])
        try:
            accounts = Accounts(engine)
            wanted = name or f"an-{role}"
            account = await accounts.find(wanted) or await accounts.add(wanted, Role(role), by=TESTS)
            return await Sessions(engine, Signing(hub.jwt_secret), 12 * HOURS).open(account, "127.0.0.1", "tests")
        finally:
            await engine.dispose()

    with ThreadPoolExecutor(1) as thread:  # this one has Playwright's loop
        return thread.submit(asyncio.run, make()).result()


def sign_in(page: Page, hub: Hub, role: str, name: str = "") -> None:
    """Whoever uses this page's browser holds an account of that role from now on."""
    page.context.add_cookies([{"name": COOKIE, "value": cookie(hub, role, name), "url": hub.url}])
