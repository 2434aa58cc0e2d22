"""The rows of accounts. Whatever changes what somebody may do ends their sessions in the same transaction.

And who did it stands in the audit by the same transaction: no right is given or taken away without a row there.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.accounts.account import Account, Doer, Role, parse_name
from cloud.accounts.audit import Audit
from cloud.accounts.sessions import account_of
from cloud.accounts.signing import name_of, new_secret
from cloud.db.dialect import one_after_another
from cloud.db.tables import account_links, account_sessions, account_tries, accounts
from cloud.errors import Refused
from wire.crashpoint import crash_point

LINK_LASTS = 24 * 3600.0
_ACCOUNTS_MAX = 1000


class Accounts:
    """All accounts, and the one-time links with which passwords are set."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self._audit = Audit(engine, clock)

    async def read_all(self) -> list[Account]:
        """By name."""
        statement = (
            select(accounts, account_tries.c.locked_until)
            .outerjoin(account_tries, account_tries.c.name == accounts.c.name)
            .order_by(accounts.c.name)
        )
        async with self._engine.connect() as connection:
            return [_locked(account_of(row), row.locked_until) for row in await connection.execute(statement)]

    async def find(self, name: str) -> Account | None:
        """The account of this name, in whatever case."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(accounts).where(accounts.c.name == name.strip().lower()))).first()
        return None if row is None else account_of(row)

    async def get(self, name: str) -> Account:
        """The same. Raises `Refused` (not-found)."""
        account = await self.find(name)
        if account is None:
            raise _nobody(name)
        return account

    async def is_empty(self) -> bool:
        """Whether there is no account at all."""
        async with self._engine.connect() as connection:
            return (await connection.execute(select(accounts.c.id).limit(1))).first() is None

    async def add(self, name: str, role: Role, *, by: Doer) -> Account:
        """An account that has no password yet. Raises `Refused` (bad-request, conflict)."""
        name, now = parse_name(name), self._clock()
        try:
            async with self._changing() as connection:
                if (await connection.execute(select(func.count()).select_from(accounts))).scalar_one() >= _ACCOUNTS_MAX:
                    raise Refused("conflict", f"there are {_ACCOUNTS_MAX} accounts already: remove some first")
                values = {"name": name, "role": str(role), "enabled": True, "created_at": now, "changed_at": now}
                await connection.execute(insert(accounts).values(**values))
                await connection.execute(delete(account_links).where(account_links.c.account_id.is_(None)))
                await connection.execute(delete(account_tries).where(account_tries.c.name == name))
                await self._audit.put(connection, by.act("account.add", name, role=str(role)))
        except IntegrityError as error:
            raise Refused(
                "conflict", f"there is an account {name} already", fact="account-exists", name=name
            ) from error
        return await self.get(name)

    async def set_role(self, name: str, role: Role, *, by: Doer) -> Account:
        """Give another role; who holds the account must sign in anew. Raises `Refused` (not-found, conflict)."""
        async with self._changing() as connection:
            account = await self._row(connection, name)
            if account.role is Role.ADMIN and role is not Role.ADMIN:
                await self._keep_an_admin(connection, account)
            await self._update(connection, account, role=str(role))
            if role is not account.role:
                await _end_sessions(connection, account)
            noted = by.act("account.role", account.name, role=str(role), was=str(account.role))
            await self._audit.put(connection, noted)
        return await self.get(name)

    async def enable(self, name: str, enabled: bool, *, by: Doer) -> Account:
        """Let somebody in again, or keep them out at once. Raises `Refused` (not-found, conflict)."""
        async with self._changing() as connection:
            account = await self._row(connection, name)
            if not enabled:
                await self._keep_an_admin(connection, account)
                await _end_sessions(connection, account)
                await connection.execute(delete(account_links).where(account_links.c.account_id == account.id))
            await self._update(connection, account, enabled=enabled)
            await self._audit.put(connection, by.act(f"account.{'enable' if enabled else 'disable'}", account.name))
        return await self.get(name)

    async def remove(self, name: str, *, by: Doer) -> None:
        """For good; what they did stays in the audit. Raises `Refused` (not-found, conflict)."""
        async with self._changing() as connection:
            account = await self._row(connection, name)
            await self._keep_an_admin(connection, account)
            # SQLite forgets what belongs to the row by itself only where foreign keys are on; so does nobody's guess.
            await _end_sessions(connection, account)
            await connection.execute(delete(account_links).where(account_links.c.account_id == account.id))
            await connection.execute(delete(accounts).where(accounts.c.id == account.id))
            await connection.execute(delete(account_tries).where(account_tries.c.name == account.name))
            await self._audit.put(connection, by.act("account.remove", account.name, role=str(account.role)))

    async def unlock(self, name: str, *, by: Doer) -> None:
        """Forget wrong tries. Raises `Refused` (not-found)."""
        async with self._changing() as connection:
            account = await self._row(connection, name)
            await connection.execute(delete(account_tries).where(account_tries.c.name == account.name))
            await self._audit.put(connection, by.act("account.unlock", account.name))

    async def totp_off(self, name: str, *, by: Doer) -> None:
        """A password is enough again. Raises `Refused` (not-found)."""
        async with self._changing() as connection:
            account = await self._row(connection, name)
            await self._update(connection, account, totp_secret=None, totp_offered=None, totp_used=None)
            await self._audit.put(connection, by.act("account.totp-reset", account.name))

    async def set_language(self, account: Account, language: str) -> None:
        """In which this person reads pages; "": as the browser wishes."""
        async with self._changing() as connection:
            await connection.execute(update(accounts).where(accounts.c.id == account.id).values(language=language))

    # One-time links.

    async def make_link(self, name: str, *, by: Doer) -> tuple[str, float]:
        """A link's secret and until when it is good; the one before is dead. Raises `Refused` (not-found, conflict)."""
        async with self._changing() as connection:
            account = await self._row(connection, name)
            if not account.enabled:
                raise Refused(
                    "conflict", f"the account {account.name} is disabled", fact="account-disabled", name=account.name
                )
            await connection.execute(delete(account_links).where(account_links.c.account_id == account.id))
            await self._audit.put(connection, by.act("account.link", account.name))
            return await self._put_link(connection, account.id)

    async def make_first_link(self, *, by: Doer | None = None, keep: bool = False) -> tuple[str, float] | None:
        """A link that makes the first admin, while there is no account; None: there are some.

        `by` nobody: the hub itself, at its start. `keep`: one that is good already stays, and the secret is empty.
        """
        async with self._changing() as connection:
            if (await connection.execute(select(accounts.c.id).limit(1))).first() is not None:
                return None
            good = select(account_links.c.until).where(
                account_links.c.account_id.is_(None), account_links.c.until > self._clock()
            )
            if keep and (until := (await connection.execute(good.limit(1))).scalar()) is not None:
                return "", until
            await connection.execute(delete(account_links).where(account_links.c.account_id.is_(None)))
            if by is not None:
                await self._audit.put(connection, by.act("account.link-first", ""))
            return await self._put_link(connection, None)

    async def _put_link(self, connection: AsyncConnection, account_id: int | None) -> tuple[str, float]:
        secret, now = new_secret(), self._clock()
        values = {"hash": name_of(secret), "account_id": account_id, "made_at": now, "until": now + LINK_LASTS}
        await connection.execute(insert(account_links).values(**values))
        return secret, now + LINK_LASTS

    # Ours.

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction beside which no other changes accounts."""
        async with self._engine.begin() as connection:
            await one_after_another(connection)
            if connection.dialect.name == "sqlite":  # written first: what is read next stays as it is
                await connection.execute(delete(account_links).where(account_links.c.until < self._clock()))
            yield connection
            crash_point("hub.accounts.change.before")
        crash_point("hub.accounts.change.after")

    async def _row(self, connection: AsyncConnection, name: str) -> Account:
        row = (await connection.execute(select(accounts).where(accounts.c.name == name.strip().lower()))).first()
        if row is None:
            raise _nobody(name)
        return account_of(row)

    async def _update(self, connection: AsyncConnection, account: Account, **values: object) -> None:
        statement = update(accounts).where(accounts.c.id == account.id)
        await connection.execute(statement.values(changed_at=self._clock(), **values))

    async def _keep_an_admin(self, connection: AsyncConnection, account: Account) -> None:
        """Without anybody who can sign in and give rights, only the command line could help."""
        if account.role is not Role.ADMIN or not account.enabled:
            return
        others = select(accounts.c.id).where(
            accounts.c.role == str(Role.ADMIN), accounts.c.enabled.is_(True), accounts.c.id != account.id
        )
        if account.has_password:
            others = others.where(accounts.c.password.is_not(None))
        if (await connection.execute(others.limit(1))).first() is None:
            raise Refused(
                "conflict",
                f"{account.name} is the last admin who can sign in: make another one first",
                fact="account-last-admin",
                name=account.name,
            )


async def _end_sessions(connection: AsyncConnection, account: Account) -> None:
    await connection.execute(delete(account_sessions).where(account_sessions.c.account_id == account.id))


def _locked(account: Account, until: float | None) -> Account:
    return msgspec.structs.replace(account, locked_until=until) if until else account


def _nobody(name: str) -> Refused:
    return Refused("not-found", f"there is no account {name.strip()[:64]}", fact="account-unknown", name=name[:64])
