"""Who is signed in at which browser. Each session is a row: without it a cookie is worth nothing.

Nothing of it is kept in memory but when it was last used: whoever ends a session, changes a role or disables an
account is obeyed by the very next request, at every hub of this database and by the command line too.
"""

import asyncio
import time
from collections.abc import Callable

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.accounts.account import Account, Role, Session
from cloud.accounts.signing import Signing, name_of, new_secret
from cloud.db.tables import account_sessions, accounts
from wire.crashpoint import crash_point

# Who has no page open for so long is gone; an open one asks by itself and counts as use.
IDLE = 2 * 3600.0
_EACH_MAX = 20  # sessions of one account; the one that was unused for longest goes
_SEEN_MAX = 10_000  # sessions whose use waits to be written; past that, what is new is not noted
_AGENT_MAX = 300
_ADDRESS_MAX = 64


class Sessions:
    """The rows."""

    def __init__(
        self, engine: AsyncEngine, signing: Signing, lasts: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._signing = signing
        self._lasts = lasts
        self._clock = clock
        self._seen: dict[str, float] = {}  # hash → when; written once a minute

    async def of_cookie(self, cookie: str) -> Session | None:
        """Who holds this cookie's value; None: nobody, or not any more. Raises SQLAlchemyError, OSError."""
        secret = self._signing.open("session", cookie)
        if secret is None:
            return None
        name, now = name_of(secret), self._clock()
        statement = (
            select(account_sessions, accounts)
            .join(accounts, accounts.c.id == account_sessions.c.account_id)
            .where(account_sessions.c.hash == name, account_sessions.c.until > now, accounts.c.enabled.is_(True))
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(statement)).first()
        if row is None or now - max(row.seen_at, self._seen.get(name, 0.0)) > IDLE:
            return None
        if name in self._seen or len(self._seen) < _SEEN_MAX:
            self._seen[name] = now
        return self._session(row, account_of(row))

    async def open(self, account: Account, address: str, agent: str, *, until: float | None = None) -> str:
        """A new session; returns the cookie's value, which cannot be had again."""
        async with self._engine.begin() as connection:
            cookie = await self.put(connection, account.id, address, agent, until)
            crash_point("hub.accounts.session.before")
        crash_point("hub.accounts.session.after")
        return cookie

    async def put(
        self, connection: AsyncConnection, account_id: int, address: str, agent: str, until: float | None = None
    ) -> str:
        """The same within a transaction that is under way."""
        secret, now = new_secret(), self._clock()
        await connection.execute(insert(account_sessions).values(
            hash=name_of(secret), account_id=account_id, made_at=now, seen_at=now,
            until=min(until or now + self._lasts, now + self._lasts),
            address=address[:_ADDRESS_MAX], agent=agent.replace("\0", "")[:_AGENT_MAX],
        ))  # fmt: skip
        its = account_sessions.c.account_id == account_id
        latest = select(account_sessions.c.hash).where(its).order_by(account_sessions.c.seen_at.desc())
        await connection.execute(
            delete(account_sessions).where(its, account_sessions.c.hash.not_in(latest.limit(_EACH_MAX)))
        )
        return self._signing.sign("session", secret)

    async def end_all(self, connection: AsyncConnection, account_id: int) -> None:
        """Within a transaction that is under way."""
        await connection.execute(delete(account_sessions).where(account_sessions.c.account_id == account_id))

    async def of_account(self, account: Account) -> list[Session]:
        """Those that are open, the one used last first."""
        now = self._clock()
        statement = (
            select(account_sessions)
            .where(
                account_sessions.c.account_id == account.id,
                account_sessions.c.until > now,
                account_sessions.c.seen_at > now - IDLE,
            )
            .order_by(account_sessions.c.seen_at.desc())
        )
        async with self._engine.connect() as connection:
            return [self._session(row, account) for row in await connection.execute(statement)]

    async def end(self, account: Account, name: str) -> bool:
        """End one session of this account; False: there is none of that name."""
        async with self._engine.begin() as connection:
            result = await connection.execute(
                delete(account_sessions).where(
                    account_sessions.c.hash == name, account_sessions.c.account_id == account.id
                )
            )
            crash_point("hub.accounts.session_end.before")
        crash_point("hub.accounts.session_end.after")
        return bool(result.rowcount)

    async def end_others(self, account: Account, name: str) -> int:
        """End all sessions of this account but one; returns how many that were."""
        async with self._engine.begin() as connection:
            result = await connection.execute(
                delete(account_sessions).where(
                    account_sessions.c.account_id == account.id, account_sessions.c.hash != name
                )
            )
            crash_point("hub.accounts.sessions_end.before")
        crash_point("hub.accounts.sessions_end.after")
        return result.rowcount

    async def write_seen(self) -> None:
        """Write down which sessions were used since the last time, and forget those that are over."""
        seen, self._seen = self._seen, {}
        now = self._clock()
        try:
            async with self._engine.begin() as connection:
                await connection.execute(
                    delete(account_sessions).where(
                        (account_sessions.c.until < now) | (account_sessions.c.seen_at < now - IDLE - 3600.0)
                    )
                )
                for name, at in seen.items():
                    await connection.execute(
                        update(account_sessions).where(account_sessions.c.hash == name).values(seen_at=at)
                    )
                crash_point("hub.accounts.seen.before")
            crash_point("hub.accounts.seen.after")
        except (SQLAlchemyError, OSError, asyncio.CancelledError):
            self._seen = {**seen, **self._seen}
            raise

    def _session(self, row: Row[tuple[object, ...]], account: Account) -> Session:
        csrf = self._signing.mac("form", row.hash)
        seen = max(row.seen_at, self._seen.get(row.hash, 0.0))
        return Session(
            account=account, hash=row.hash, csrf=csrf, made_at=row.made_at, until=row.until, address=row.address,
            agent=row.agent, seen_at=seen,
        )  # fmt: skip


def account_of(row: Row[tuple[object, ...]]) -> Account:
    """The account in a row that has its columns."""
    return Account(
        id=row.id, name=row.name, role=Role(row.role), enabled=row.enabled, has_password=row.password is not None,
        has_totp=row.totp_secret is not None, language=row.language, signed_in_at=row.signed_in_at,
        created_at=row.created_at, changed_at=row.changed_at,
    )  # fmt: skip
