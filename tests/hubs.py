"""Several hubs as one: N processes on a private PostgreSQL and Redis, behind one port that picks one at random.

It stands where a `bench.stack.Hub` does, so that what is tried with one hub can be tried with several: `HUBS=2`.
"""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from bench.stack import Hub
from tests import postgresql, redis_server
from tests.spreader import Spreader

DATABASE = "fleet"


def wanted() -> int:
    """How many hubs the journeys and the chaos are to be lived through with: `HUBS`, one unless it says more."""
    return int(os.environ.get("HUBS") or 1)


class Member(Hub):
    """One of them."""

    name = "hub"

    def __init__(self, directory: Path, fleet: "Hubs", number: int) -> None:
        super().__init__(
            directory / f"hub-{number}", settings=fleet.settings, jwt_secret=fleet.jwt_secret, admin_key=fleet.admin_key
        )
        self._fleet = fleet

    def environment(self) -> dict[str, str]:
        shared = {
            "DATABASE_URL": self._fleet.database.url(DATABASE),
            "REDIS_URL": self._fleet.redis.url,
            "PUBLIC_URL": self._fleet.url,
        }
        return super().environment() | shared


class Hubs(Hub):
    """All of them. What a `Hub` does to itself is done to each of its members, with or without a moment between."""

    def __init__(self, directory: Path, count: int, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(directory, settings=settings)
        self._stack = ExitStack()
        memory = postgresql.in_memory()
        self.database = self._stack.enter_context(postgresql.running_server(within=memory, max_connections="200"))
        self.database.execute(f"CREATE DATABASE {DATABASE}")
        self.redis = self._stack.enter_context(redis_server.running_redis())
        self.members = [Member(directory, self, number) for number in range(1, count + 1)]
        self.spreader = Spreader(self.port, [member.port for member in self.members], str(directory))
        self._stack.callback(self.spreader.close)
        self.log = self.members[0].log

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a query finds in the database, asked from outside; `rowid` is where a row lies."""

        async def ask(connection: Any) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(statement.replace("rowid", "ctid"))]

        found: list[tuple[Any, ...]] = self.database.run(ask, DATABASE)
        return found

    def end_sessions(self) -> None:
        """Break every connection to the database, at its end."""
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'"
        self.database.execute(ended)

    # What a program does.

    def start(self, *, wait: bool = True) -> Self:
        """Start those that do not run, and let the others go on."""
        for member in self.members:
            if member.alive:
                member.thaw()
            else:
                member.start(wait=False)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Until each serves."""
        for member in self.members:
            member.wait_ready(timeout)

    def is_ready(self) -> bool:
        return all(member.is_ready() for member in self.members)

    def check(self) -> None:
        """Raise `StackError` if one has ended."""
        for member in self.members:
            member.check()

    @property
    def alive(self) -> bool:
        """Whether all run."""
        return all(member.alive for member in self.members)

    @property
    def pid(self) -> int:
        """Of the first."""
        return self.members[0].pid

    def ask_to_stop(self) -> None:
        for member in self.members:
            member.ask_to_stop()

    def stop(self, timeout: float = 40.0) -> int | None:
        """As `Program.stop`; the worst of their exit statuses."""
        self.ask_to_stop()
        found = [member.stop(timeout) or 0 for member in self.members]
        self.http.close()
        self.http = self._new_http()
        return max(found, key=abs)

    def kill(self) -> int | None:
        """All at once."""
        for member in self.members:
            if member.alive:
                os.killpg(member.pid, signal.SIGKILL)
        found = [member.kill() for member in self.members]
        self.http.close()
        self.http = self._new_http()
        return found[0]

    def freeze(self) -> None:
        for member in self.members:
            member.freeze()

    def thaw(self) -> None:
        for member in self.members:
            if member.alive:
                member.thaw()

    def tail(self, lines: int = 12) -> str:
        return "\n".join(member.tail(lines) for member in self.members)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `kioskwire-hub` command on the settings of the first."""
        return self.members[0].cli(*arguments)

    def sign_up(self, name: str, password: str) -> bool:
        """See `Hub`: whichever made the link."""
        return any(member.sign_up(name, password) for member in self.members)

    def __exit__(self, *exc_info: Any) -> None:
        self.kill()
        for member in self.members:
            member.http.close()
        self.http.close()
        self._stack.close()
