"""What people change about their own accounts: the password and the second factor.

Each asks for the password again, since a browser that is left open is not its owner; each ends every session of the
account and opens a new one for this browser, so that what somebody else may have got hold of is worth nothing.
"""

import time
from collections.abc import Callable

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.accounts import passwords
from cloud.accounts.account import Act, Session
from cloud.accounts.audit import Audit
from cloud.accounts.hashing import Hashing, TooBusy
from cloud.accounts.sessions import Sessions
from cloud.accounts.sign_in import NotLetIn, SignIn
from cloud.accounts.tries import Tries
from cloud.db.tables import accounts
from wire.crashpoint import crash_point


class Own:
    """Refusals are `NotLetIn`, and `Refused` for a password that will not do. Returned are cookies for this browser."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        sign_in: SignIn,
        sessions: Sessions,
        hashing: Hashing,
        tries: Tries,
        audit: Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._sign_in = sign_in
        self._sessions = sessions
        self._hashing = hashing
        self._tries = tries
        self._audit = audit
        self._clock = clock

    async def change_password(self, session: Session, old: str, new: str) -> str:
        """Set another password."""
        passwords.check_password(session.account.name, new)
        await self._sign_in.proves(session.account, old)
        try:
            hashed = await self._hashing.hash(new)
        except TooBusy:
            raise NotLetIn("busy", 2.0) from None
        return await self._change(session, "account.password", password=hashed)

    async def offer_totp(self, session: Session, password: str) -> str:
        """A secret for an authenticator app. It is in force once a code of it has come."""
        await self._sign_in.proves(session.account, password)
        secret = passwords.new_totp_secret()
        await self._write(session, totp_offered=secret)
        return secret

    async def offered(self, session: Session) -> str | None:
        """The secret that was offered last, while no code of it has come."""
        statement = select(accounts.c.totp_offered).where(accounts.c.id == session.account.id)
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalar_one_or_none()

    async def confirm_totp(self, session: Session, code: str) -> str:
        """Put what was offered in force: whoever signs in from now on needs a code too."""
        secret = await self.offered(session)
        if secret is None:
            raise NotLetIn("too-late")
        own = f"account {session.account.id}"
        if wait := self._tries.take_own(own):
            raise NotLetIn("locked", wait)
        step = passwords.totp_step(secret, code, self._clock(), None)
        if step is None:
            raise NotLetIn("wrong-code")
        self._tries.give_back_own(own)
        return await self._change(session, "account.totp-on", totp_secret=secret, totp_offered=None, totp_used=step)

    async def totp_off(self, session: Session, password: str) -> str:
        """A password is enough again."""
        await self._sign_in.proves(session.account, password)
        return await self._change(session, "account.totp-off", totp_secret=None, totp_offered=None, totp_used=None)

    async def _change(self, session: Session, act: str, **values: object) -> str:
        account = session.account
        noted = Act(who=account.name, door="dashboard", act=act, subject=account.name, address=session.address)
        # As it was when this request came: an admin may have taken the account away while the password was compared.
        same = accounts.c.id == account.id, accounts.c.enabled.is_(True), accounts.c.changed_at == account.changed_at
        this = update(accounts).where(*same)
        async with self._engine.begin() as connection:
            if not (await connection.execute(this.values(changed_at=self._clock(), **values))).rowcount:
                raise NotLetIn("wrong")
            await self._sessions.end_all(connection, account.id)
            cookie = await self._sessions.put(connection, account.id, session.address, session.agent, session.until)
            await self._audit.put(connection, noted)
            crash_point("hub.accounts.own.before")
        crash_point("hub.accounts.own.after")
        return cookie

    async def _write(self, session: Session, **values: object) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(update(accounts).where(accounts.c.id == session.account.id).values(**values))
            crash_point("hub.accounts.offer.before")
        crash_point("hub.accounts.offer.after")
