"""All of this room, as the entrance starts and stops it."""

import asyncio
import contextlib
import logging
import os
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.accounts.accounts import Accounts
from cloud.accounts.audit import Audit
from cloud.accounts.hashing import Hashing
from cloud.accounts.own import Own
from cloud.accounts.sessions import Sessions
from cloud.accounts.sign_in import SignIn
from cloud.accounts.signing import Signing
from cloud.accounts.tries import Tries
from cloud.backends.limits import RateLimit
from cloud.backends.shared_limits import SharedRateLimit
from cloud.cancelled import cancelled
from cloud.db.engine import explain
from cloud.settings import Settings, is_shared, signing_secret
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

_EVERY = 60.0
_STOP_WITHIN = 3.0
_LINK_FILE = "first-admin-link"


class AccountsRoom:
    """`async with` starts it."""

    def __init__(self, settings: Settings, *, engine: AsyncEngine) -> None:
        signing = Signing(signing_secret(settings))
        self._settings = settings
        self._hashing = Hashing()
        self.tries = Tries(engine, kind=SharedRateLimit if is_shared(settings) else RateLimit)
        self._sessions = Sessions(engine, signing, settings.dashboard_session * 3600)
        self.accounts = Accounts(engine)
        self.audit = Audit(engine)
        self.sign_in = SignIn(
            engine=engine,
            signing=signing,
            sessions=self._sessions,
            tries=self.tries,
            hashing=self._hashing,
            audit=self.audit,
        )
        self.own = Own(
            engine=engine,
            sign_in=self.sign_in,
            sessions=self._sessions,
            hashing=self._hashing,
            tries=self.tries,
            audit=self.audit,
        )
        self.first_link = ""  # what makes the first admin, while there is none; for a terminal, never for a log
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "AccountsRoom":
        self._task = asyncio.create_task(self._run(), name="accounts")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await cancelled(self._task)
        try:
            async with asyncio.timeout(_STOP_WITHIN):
                await self.audit.write_alike()
                await self._sessions.write_seen()
        except (SQLAlchemyError, OSError) as error:  # a TimeoutError among them
            log.warning("the last tries and sessions are not written down", extra={"error": explain(error)})
        await asyncio.to_thread(self._hashing.stop)

    async def greet(self, port: int) -> None:
        """While there is no account, leave a link for the first admin in a file that only this system's user reads.

        Not in the log, which goes to more people than that. Any link of an earlier start is dead; but where there are
        several hubs, the first one's stays.
        """
        path = Path(self._settings.state_dir) / _LINK_FILE
        made = await self.accounts.make_first_link(keep=is_shared(self._settings))
        if made is None:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            return
        if not made[0]:
            return
        self.first_link = welcome_address(self._settings, made[0], port)
        try:
            await asyncio.to_thread(_write, path, self.first_link)
        except OSError as error:
            log.warning(
                "the dashboard has no account yet, and no file can be written with the link that makes the first "
                "admin: have one made by `kioskwire-hub account link`",
                extra={"file": str(path), "error": explain(error)},
            )
            return
        log.info(  # no fault: a hub may do without people who look at it
            "the dashboard has no account yet: open the link in this file, good for 24 h, to make the first "
            "admin; or have one made by `kioskwire-hub account link`",
            extra={"file": str(path)},
        )

    async def forget_greeting(self) -> None:
        """The first admin is made."""
        self.first_link = ""
        with contextlib.suppress(OSError):
            await asyncio.to_thread((Path(self._settings.state_dir) / _LINK_FILE).unlink, missing_ok=True)

    async def _run(self) -> None:
        """What was noted is written at once, the rest once a minute."""
        loop = asyncio.get_running_loop()
        due, failed = loop.time(), False
        while True:
            try:
                await self.audit.write_alike()
                if loop.time() >= due:
                    due = loop.time() + _EVERY
                    await self._sessions.write_seen()
                    await self.tries.forget_old()
                failed = False
            except (SQLAlchemyError, OSError) as error:
                if not failed:
                    log.warning("sessions and tries cannot be written down", extra={"error": explain(error)})
                failed = True
                await asyncio.sleep(1.0)
            except Exception:  # the task must outlive any mistake of ours: it is the audit of who tries to come in
                if not failed:
                    log.exception("sessions and tries cannot be written down")
                failed = True
                await asyncio.sleep(1.0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.01, due - loop.time())):
                    await self.audit.wake.wait()


def welcome_address(settings: Settings, secret: str, port: int | None = None) -> str:
    """Where a one-time link leads, by PUBLIC_URL or else on this machine."""
    base = settings.public_url.rstrip("/")
    if not base:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - not bound here
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        base = f"http://{host}:{port or settings.port}"
    return f"{base}/dashboard/welcome/{secret}"


def _write(path: Path, text: str) -> None:
    """Under its name only once it is whole, and never readable by others."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with open(new, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(f"{text}\n")
    crash_point("hub.accounts.greeting.before")
    new.replace(path)
    crash_point("hub.accounts.greeting.after")
