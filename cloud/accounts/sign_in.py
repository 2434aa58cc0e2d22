"""From a name and a password to a session, and from a cookie back to the person.

Whoever is not let in hears the same after the same time, be it that there is no such name, no password yet, a wrong
one, or that the account is disabled. With a second factor a right password opens nothing: it gives a ticket, good for
five minutes, that is traded with a code for a session.
"""

import secrets
import time
from collections.abc import Callable

import msgspec
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.accounts import passwords
from cloud.accounts.account import Account, Act, Role, Session, parse_name
from cloud.accounts.audit import Audit
from cloud.accounts.hashing import Hashing, TooBusy
from cloud.accounts.sessions import Sessions, account_of
from cloud.accounts.signing import Signing, name_of
from cloud.accounts.tries import FREE, Tries
from cloud.backends.limits import neighbourhood
from cloud.db.dialect import one_after_another
from cloud.db.tables import account_links, account_tries, accounts
from cloud.errors import Refused
from wire.crashpoint import crash_point

_TICKET_LASTS = 300.0


class Browser(msgspec.Struct, frozen=True, kw_only=True):
    """Where somebody tries to come in from. `known` is what it keeps of having been let in before."""

    address: str
    agent: str = ""
    known: str = ""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """Let in. Both are for the browser to keep; neither can be had again."""

    account: Account
    cookie: str
    known: str

    def __repr__(self) -> str:
        return "Opened(…)"


class CodeNeeded(msgspec.Struct, frozen=True):
    """The password is right, and the second factor is asked for next."""

    ticket: str

    def __repr__(self) -> str:
        return "CodeNeeded(…)"


class NotLetIn(Exception):
    """`why` is wrong, wrong-code, too-late (the ticket, the link), locked, limited or busy; `wait` is seconds."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.wait = wait


class SignIn:
    """The ways in. Needs a migrated database; every refusal is `NotLetIn`, every failure SQLAlchemyError or OSError."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        signing: Signing,
        sessions: Sessions,
        tries: Tries,
        hashing: Hashing,
        audit: Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.sessions = sessions
        self._engine = engine
        self._signing = signing
        self._tries = tries
        self._hashing = hashing
        self._audit = audit
        self._clock = clock

    async def session(self, cookie: str) -> Session | None:
        """Who holds this cookie's value; None: nobody, or not any more. Raises SQLAlchemyError, OSError."""
        return await self.sessions.of_cookie(cookie)

    async def by_password(self, name: str, password: str, browser: Browser) -> Opened | CodeNeeded:
        """The first step, and the only one where no second factor is on."""
        try:
            name = parse_name(name)
        except Refused:
            name = ""
        row = await self._row(accounts.c.name == name)
        account = account_of(row) if row else None
        lane = self._lane(account, browser)
        await self._take(name, account, lane, browser)
        hashed = row.password if row is not None and row.enabled else None
        is_right = await self._check(hashed, password)
        if row is None or account is None or not is_right:
            self._failed(account, browser, "password")
            raise NotLetIn("wrong")
        await self._rehash(row, password)
        if row.totp_secret is not None:
            await self._give_back(name, lane, browser)
            until = self._clock() + _TICKET_LASTS
            return CodeNeeded(self._signing.sign("ticket", f"{account.id} {account.changed_at!r} {until!r}"))
        return await self._open(account, lane, browser)

    async def by_code(self, ticket: str, code: str, browser: Browser) -> Opened:
        """The second step."""
        value = self._signing.open("ticket", ticket)
        if value is None:
            raise NotLetIn("too-late")
        its_id, changed_at, until = value.split(" ")
        row = await self._row(accounts.c.id == int(its_id))
        if (
            row is None or not row.enabled or row.totp_secret is None or row.changed_at != float(changed_at)
            or self._clock() > float(until)
        ):  # fmt: skip
            raise NotLetIn("too-late")
        account = account_of(row)
        lane = self._lane(account, browser)
        await self._take(account.name, account, lane, browser)
        if not await self._use_code(row, code):
            self._failed(account, browser, "code")
            raise NotLetIn("wrong-code")
        return await self._open(account, lane, browser)

    # One-time links.

    async def whose_link(self, secret: str) -> Account | None:
        """The account that a link sets a password of; None: it makes the first one. `NotLetIn`: it is used or old."""
        async with self._engine.connect() as connection:
            row = await self._link(connection, secret)
            if row.account_id is None:
                return None
            found = (await connection.execute(select(accounts).where(accounts.c.id == row.account_id))).first()
        if found is None or not found.enabled:
            raise NotLetIn("too-late")
        return account_of(found)

    async def by_link(self, secret: str, name: str, password: str, browser: Browser) -> Opened | CodeNeeded:
        """Set the password and sign in; `name` is for the first account alone.

        All other sessions of the account end. Raises `Refused` (bad-request) where the password or the name will not
        do: then the link is good still.
        """
        account = await self.whose_link(secret)  # of 256 bits: nobody guesses one, and whoever has one need not wait
        name = account.name if account else parse_name(name)
        passwords.check_password(name, password)
        hashed = await self._hash(password)
        async with self._engine.begin() as connection:
            await one_after_another(connection)
            # Deleted first: of two that open the same link at once, one finds it.
            used = await connection.execute(
                delete(account_links).where(
                    account_links.c.hash == name_of(secret), account_links.c.until > self._clock()
                )
            )
            if not used.rowcount:
                raise NotLetIn("too-late")
            if account is None:
                account = await self._make_first(connection, name, hashed)
                await self._put_act(connection, account, "account.first", browser)
            else:
                values = {"password": hashed, "changed_at": self._clock()}
                await connection.execute(update(accounts).where(accounts.c.id == account.id).values(**values))
                await self._put_act(connection, account, "account.link-used", browser)
            await connection.execute(delete(account_tries).where(account_tries.c.name == name))
            await self.sessions.end_all(connection, account.id)
            crash_point("hub.accounts.link.before")
        crash_point("hub.accounts.link.after")
        row = await self._row(accounts.c.id == account.id)
        if row is None:
            raise NotLetIn("too-late")
        account = account_of(row)
        if account.has_totp:
            until = self._clock() + _TICKET_LASTS
            return CodeNeeded(self._signing.sign("ticket", f"{account.id} {account.changed_at!r} {until!r}"))
        return await self._open(account, None, browser)

    # What is shared with the changes that people make to their own accounts.

    async def end(self, session: Session, browser: Browser) -> None:
        """Sign out: the cookie is worth nothing from here on."""
        await self.sessions.end(session.account, session.hash)
        await self._note(session.account, "account.sign-out", browser)

    async def proves(self, account: Account, password: str) -> None:
        """Who is signed in shows again who they are, before what matters. Raises `NotLetIn`."""
        own = f"account {account.id}"
        if wait := self._tries.take_own(own):
            raise NotLetIn("locked", wait)
        row = await self._row(accounts.c.id == account.id)
        if not await self._check(row.password if row else None, password):
            raise NotLetIn("wrong")
        self._tries.give_back_own(own)

    # Ours.

    def _lane(self, account: Account | None, browser: Browser) -> str | None:
        """By which browser, known to be this person's, a try is counted; None: by address and name, as of anybody."""
        known = self._signing.open("known", browser.known) or ""
        return known if account is not None and known.startswith(_known(account)) else None

    async def _take(self, name: str, account: Account | None, lane: str | None, browser: Browser) -> None:
        """Count a try. Others at the same address, be it an office's or a proxy's, use up no try of a known browser."""
        if lane is not None:
            if wait := self._tries.take_own(lane):
                raise NotLetIn("locked", wait)
            return
        if wait := self._tries.take_address(browser.address):
            raise NotLetIn("limited", wait)
        if not name:
            return
        wait, failures = await self._tries.take(name)
        if wait:
            raise NotLetIn("locked", wait)
        if failures == FREE and account is not None:
            self._note_alike(account, "account.locked", browser, {"failures": failures})

    async def _give_back(self, name: str, lane: str | None, browser: Browser) -> None:
        if lane is None:
            await self._tries.give_back(name)
            self._tries.give_back_address(browser.address)
        else:
            self._tries.give_back_own(lane)

    def _failed(self, account: Account | None, browser: Browser, what: str) -> None:
        """A name there is not is not written down: often enough it is a password in the wrong field."""
        self._note_alike(account, "account.sign-in-failed", browser, {"wrong": what})

    async def _open(self, account: Account, lane: str | None, browser: Browser) -> Opened:
        """A session, unless the account was changed since it was looked at: while a password was being compared it may
        have got another one, or have been disabled, and its sessions ended."""
        same = accounts.c.id == account.id, accounts.c.enabled.is_(True), accounts.c.changed_at == account.changed_at
        async with self._engine.begin() as connection:
            # Written first: whoever changes this account at the same time waits, or is waited for.
            this = update(accounts).where(*same).values(signed_in_at=self._clock())
            if not (await connection.execute(this)).rowcount:
                raise NotLetIn("wrong")
            cookie = await self.sessions.put(connection, account.id, browser.address, browser.agent)
            if lane is None:
                await connection.execute(delete(account_tries).where(account_tries.c.name == account.name))
            await self._put_act(connection, account, "account.sign-in", browser)
            crash_point("hub.accounts.sign_in.before")
        crash_point("hub.accounts.sign_in.after")
        if lane is None:
            self._tries.give_back_address(browser.address)
        else:
            self._tries.give_back_own(lane)
        known = self._signing.sign("known", lane or _known(account) + secrets.token_hex(8))
        return Opened(account=account, cookie=cookie, known=known)

    async def _use_code(self, row: Row[tuple[object, ...]], code: str) -> bool:
        """Whether the code is right; it is not again."""
        step = passwords.totp_step(row.totp_secret, code, self._clock(), row.totp_used)
        if step is None:
            return False
        unused = accounts.c.totp_used.is_(None) | (accounts.c.totp_used < step)
        this = update(accounts).where(accounts.c.id == row.id, unused)
        async with self._engine.begin() as connection:
            result = await connection.execute(this.values(totp_used=step))
            crash_point("hub.accounts.code.before")
        crash_point("hub.accounts.code.after")
        return bool(result.rowcount)

    async def _rehash(self, row: Row[tuple[object, ...]], password: str) -> None:
        if not passwords.is_outdated(row.password):
            return
        hashed = await self._hash(password)
        this = update(accounts).where(accounts.c.id == row.id, accounts.c.password == row.password)
        async with self._engine.begin() as connection:
            await connection.execute(this.values(password=hashed))
            crash_point("hub.accounts.rehash.before")
        crash_point("hub.accounts.rehash.after")

    async def _make_first(self, connection: AsyncConnection, name: str, hashed: str) -> Account:
        if (await connection.execute(select(accounts.c.id).limit(1))).first() is not None:
            raise NotLetIn("too-late")
        now = self._clock()
        await connection.execute(insert(accounts).values(
            name=name, role=str(Role.ADMIN), enabled=True, password=hashed, created_at=now, changed_at=now,
        ))  # fmt: skip
        row = (await connection.execute(select(accounts).where(accounts.c.name == name))).one()
        return account_of(row)

    async def _link(self, connection: AsyncConnection, secret: str) -> Row[tuple[object, ...]]:
        its = account_links.c.hash == name_of(secret), account_links.c.until > self._clock()
        row = (await connection.execute(select(account_links).where(*its))).first()
        if row is None:
            raise NotLetIn("too-late")
        return row

    async def _row(self, which: object) -> Row[tuple[object, ...]] | None:
        async with self._engine.connect() as connection:
            return (await connection.execute(select(accounts).where(which))).first()  # type: ignore[arg-type]

    async def _check(self, hashed: str | None, password: str) -> bool:
        try:
            return await self._hashing.check(hashed, password[: passwords.PASSWORD_MAX + 1])
        except TooBusy:
            raise NotLetIn("busy", 2.0) from None

    async def _hash(self, password: str) -> str:
        try:
            return await self._hashing.hash(password)
        except TooBusy:
            raise NotLetIn("busy", 2.0) from None

    def _act(self, account: Account | None, act: str, browser: Browser, data: dict[str, object] | None = None) -> Act:
        name = account.name if account else ""
        return Act(who=name, door="dashboard", act=act, subject=name, address=browser.address, data=data or {})

    async def _put_act(self, connection: AsyncConnection, account: Account, act: str, browser: Browser) -> None:
        await self._audit.put(connection, self._act(account, act, browser))

    async def _note(self, account: Account, act: str, browser: Browser) -> None:
        await self._audit.note(self._act(account, act, browser))

    def _note_alike(self, account: Account | None, act: str, browser: Browser, data: dict[str, object]) -> None:
        noted = self._act(account, act, browser, data)  # of the account, and done by nobody knows whom
        self._audit.note_alike(msgspec.structs.replace(noted, who=""), neighbourhood(browser.address))


def _known(account: Account) -> str:
    """What the note of a browser that is known begins with. A number is given again when its account was removed."""
    return f"{account.id}-{account.created_at!r}-"
