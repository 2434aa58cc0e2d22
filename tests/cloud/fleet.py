"""Several real hubs in this process, on one PostgreSQL database and one Redis, both real and private.

    async with fleet(tmp_path, hubs=2) as (one, two):
        async with two.kiosk() as kiosk: ...

The servers are started once in a run of tests and end with it; each fleet has a database of its own in them. A test
that does Redis harm brings one of its own: `with running_redis() as redis: async with fleet(tmp_path, redis=redis)`.
One that wants messages lost, late or in a certain order brings a `LocalNet` instead: `fleet(tmp_path, net=LocalNet())`.
"""

import asyncio
import atexit
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.settings import Settings, database_url
from tests import postgresql, redis_server
from tests.cloud.hub import Running, running, until
from tests.cloud.local_bus import LocalNet

_stack = ExitStack()
atexit.register(_stack.close)
# What hubs that meet in a LocalNet have as REDIS_URL: nobody listens there.
_NOWHERE = "redis://127.0.0.1:1/0"


@cache
def database_server() -> postgresql.Server:
    """The PostgreSQL of this run. Skips the test where there is none."""
    try:
        server = postgresql.running_server(within=postgresql.in_memory(), max_connections="300", fsync="on")
        return _stack.enter_context(server)
    except postgresql.MissingError as missing:
        pytest.skip(str(missing))


@cache
def shared_redis() -> redis_server.Server:
    """The Redis of this run. Skips the test where there is none."""
    try:
        return _stack.enter_context(redis_server.running_redis())
    except redis_server.MissingError as missing:
        pytest.skip(str(missing))


def new_database() -> str:
    """The address of a migrated database without rows, as a hub's setting."""
    server, name = database_server(), f"fleet_{uuid.uuid4().hex}"
    server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{_template()}"')
    return server.url(name)


@cache
def _template() -> str:
    server, name = database_server(), f"template_{uuid.uuid4().hex}"
    server.execute(f'CREATE DATABASE "{name}"')

    async def make(_connection: object) -> None:
        engine = open_engine(database_url(Settings(database_url=server.url(name))))
        await migrate(engine)
        await engine.dispose()

    server.run(make)
    return name


@asynccontextmanager
async def fleet(
    directory: Path,
    hubs: int = 2,
    *,
    net: LocalNet | None = None,
    redis: redis_server.Server | None = None,
    database: str = "",
    kiosks: tuple[str, ...] = ("kiosk_001",),
    **changes: Any,
) -> AsyncIterator[tuple[Running, ...]]:
    """Hubs that know each other and these kiosks; one backend's key is good at all of them."""
    async with AsyncExitStack() as stack:
        url = database or await asyncio.to_thread(new_database)
        runs = [
            await stack.enter_async_context(
                one_more(directory, f"hub{number}", url, net=net, redis=redis, kiosks=kiosks, **changes)
            )
            for number in range(hubs)
        ]
        for run in runs:
            run.key = runs[0].key
            await run.services.keys._changes.now()
            await run.services.registry.refresh()
        await acquainted(runs)
        yield tuple(runs)


@asynccontextmanager
async def one_more(
    directory: Path,
    name: str,
    database: str,
    *,
    net: LocalNet | None = None,
    redis: redis_server.Server | None = None,
    kiosks: tuple[str, ...] = (),
    **changes: Any,
) -> AsyncIterator[Running]:
    """A hub by itself that joins those on this database; its key is its own. `name` is of its directory."""
    if net is not None:
        changes = {"redis_url": _NOWHERE, **changes}
    else:
        server = redis or await asyncio.to_thread(shared_redis)
        changes = {"redis_url": server.url, **changes}
    bus = net.bus(name) if net is not None else None
    async with running(directory / name, kiosks=kiosks, database_url=database, bus=bus, **changes) as run:
        yield run


async def acquainted(runs: Iterable[Running]) -> None:
    """Wait until each of these hubs knows of all the others."""
    buses = [run.hub.bus for run in runs]
    await until(lambda: all(bus.lives(other.me) for bus in buses for other in buses))
