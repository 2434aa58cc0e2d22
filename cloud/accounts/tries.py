"""How often somebody may try to sign in.

By name: after five wrong tries a wait of 30 s, which doubles with each further one up to 15 minutes: some hundred
guesses a day. A try is counted before it is looked at, so that many at once are not many for free, and is counted
alike for names that there are and for others: neither the wait nor the time it takes tells which is which.

That alone would let a stranger keep a person out by trying wrong passwords for ever. Therefore a browser in which this
person has signed in before keeps a signed note of that, and is counted by itself, neither by name nor by address:
whatever strangers do, be it from the same office or through the same proxy, it may try.
Who comes from a new browser just then waits for at most 15 minutes, is let in by another admin or by
`kioskwire-hub account unlock`, or opens a one-time link.

By address: twenty at once, then one in ten seconds; right ones are given back. Of several hubs each tells the others
what it let through.
"""

import time
from collections.abc import Callable

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.backends.limits import RateLimit, neighbourhood
from cloud.db.dialect import insert_into
from cloud.db.tables import account_tries, accounts
from wire.crashpoint import crash_point

FREE = 5
_WAIT_MIN, _WAIT_MAX = 30.0, 15 * 60.0
_FORGET_AFTER = 24 * 3600.0
_NAMES_MAX = 10_000  # of rows of names that are nobody's
_ADDRESS_PER_S, _ADDRESS_BURST = 0.1, 20
_OWN_PER_S, _OWN_BURST = 1 / 60, 5


def wait_after(failures: int) -> float:
    """Seconds before the next try, after so many wrong ones."""
    if failures < FREE:
        return 0.0
    return float(min(_WAIT_MAX, _WAIT_MIN * 2 ** min(failures - FREE, 16)))


class Tries:
    """Wrong tries by name in rows, by address and by browser in memory."""

    def __init__(
        self, engine: AsyncEngine, clock: Callable[[], float] = time.time, *, kind: type[RateLimit] = RateLimit
    ) -> None:
        """`kind` is of the limits in memory: where hubs keep them together, another one."""
        self._engine = engine
        self.clock = clock
        self._addresses = kind(_ADDRESS_PER_S, burst=_ADDRESS_BURST, names=20_000)
        self._own = kind(_OWN_PER_S, burst=_OWN_BURST, names=20_000)

    @property
    def limits(self) -> dict[str, RateLimit]:
        """Both, by a name that all hubs know."""
        return {"sign-in by address": self._addresses, "sign-in by browser": self._own}

    def take_address(self, address: str) -> float:
        """0 if this address may try, else seconds until it may."""
        return self._addresses.take(neighbourhood(address), self.clock())

    def give_back_address(self, address: str) -> None:
        """It was no guess."""
        self._addresses.give_back(neighbourhood(address))

    def take_own(self, who: str) -> float:
        """The same for a browser that is known, and for who is signed in and proves it again."""
        return self._own.take(who, self.clock())

    def give_back_own(self, who: str) -> None:
        """It was no guess."""
        self._own.give_back(who)

    async def take(self, name: str) -> tuple[float, int]:
        """Count a try at this name: seconds to wait, in which case it was not counted, and how many were wrong."""
        now = self.clock()
        new = insert_into(self._engine, account_tries).values(name=name, failures=0, at=now)
        async with self._engine.begin() as connection:
            # Written first: who tries the same name at the same time waits here.
            await connection.execute(new.on_conflict_do_update(index_elements=["name"], set_={"name": name}))
            its = account_tries.c.name == name
            row = (await connection.execute(select(account_tries).where(its))).one()
            if row.locked_until > now:
                return row.locked_until - now, row.failures
            failures = 1 if now - row.at > _FORGET_AFTER else row.failures + 1
            wait = wait_after(failures)
            values = {"failures": failures, "locked_until": now + wait if wait else 0.0, "at": now}
            await connection.execute(update(account_tries).where(its).values(**values))
            crash_point("hub.accounts.try.before")
        crash_point("hub.accounts.try.after")
        return 0.0, failures

    async def give_back(self, name: str) -> None:
        """The password was right, and the code is still to come: this try was none."""
        statement = update(account_tries).where(account_tries.c.name == name, account_tries.c.failures > 0)
        async with self._engine.begin() as connection:
            await connection.execute(statement.values(failures=account_tries.c.failures - 1, locked_until=0.0))
            crash_point("hub.accounts.try_back.before")
        crash_point("hub.accounts.try_back.after")

    async def forget_old(self) -> None:
        """Of a day ago; and of names that are nobody's all but the latest."""
        nobody = account_tries.c.name.not_in(select(accounts.c.name))
        latest = select(account_tries.c.name).where(nobody).order_by(account_tries.c.at.desc()).limit(_NAMES_MAX)
        async with self._engine.begin() as connection:
            await connection.execute(delete(account_tries).where(account_tries.c.at < self.clock() - _FORGET_AFTER))
            await connection.execute(delete(account_tries).where(nobody, account_tries.c.name.not_in(latest)))
            crash_point("hub.accounts.forget.before")
        crash_point("hub.accounts.forget.after")
