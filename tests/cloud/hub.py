"""A real hub in this process, a backend that calls it, and kiosks that do as the test says."""

import asyncio
import inspect
import json
import os
import sqlite3
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from cloud.app import Hub
from cloud.bus.bus import Bus
from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.errors import Refused
from cloud.settings import Settings, database_url
from wire.environment import Secret

JWT_SECRET = "a-signing-secret-of-more-than-32-characters"
ADMIN_KEY = "an-administrator-key-of-more-than-32-characters"
_RUNNING: set[Path] = set()  # the states of the hubs that run in this process
POSTGRESQL = os.environ.get("KIOSKWIRE_TEST_POSTGRESQL", "")  # a server's address: all these tests run on it
PATIENCE = 60.0  # seconds after which what was expected counts as not coming: a disk may stand still for a while
_DISK = 30.0  # seconds for SQLite's lock: who holds it may be at a flush of a disk that stands still

Json = dict[str, Any]


async def until(check: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """Poll `check`, a function or a coroutine function, until it gives something true; returns that."""
    async with asyncio.timeout(timeout):
        while True:
            value = check()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.02)


def settings(state_dir: Path, **changes: Any) -> Settings:
    """Settings of a hub on a free port with its database in `state_dir`."""
    given = {"jwt_secret": Secret(JWT_SECRET), "admin_key": Secret(ADMIN_KEY), "port": 0, "accept_rate": 0.0}
    return Settings(**{**given, "state_dir": str(state_dir), **changes})


def database_of(state_dir: Path) -> str:
    """The address of the hub's database that belongs to `state_dir`; nothing need be there yet.

    An SQLite file, unless all these tests are run on PostgreSQL: see tests/cloud/test_on_postgresql.py.
    """
    if not POSTGRESQL:
        return f"sqlite+aiosqlite:///{state_dir / 'hub.db'}"
    name = _on_postgresql(state_dir)
    return database_url(Settings(database_url=f"{POSTGRESQL.rpartition('/')[0]}/{name}"))


@cache
def _on_postgresql(state_dir: Path) -> str:
    name = f"test_{uuid.uuid4().hex}"
    _ask(POSTGRESQL, f'CREATE DATABASE "{name}" TEMPLATE "{_template()}"')
    return name


@cache
def _template() -> str:
    """A migrated database without rows, to be copied."""
    name = f"template_{uuid.uuid4().hex}"
    _ask(POSTGRESQL, f'CREATE DATABASE "{name}"')

    async def make() -> None:
        engine = open_engine(database_url(Settings(database_url=f"{POSTGRESQL.rpartition('/')[0]}/{name}")))
        await migrate(engine)
        await engine.dispose()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make()).result()
    return name


def _ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    async def ask() -> list[tuple[Any, ...]]:
        # Whoever asks stops the loop meanwhile, and with it a hub in the middle of a transaction: that must not last.
        limits = {"lock_timeout": "15s", "statement_timeout": "60s"}
        connection = await asyncpg.connect(url.replace("+asyncpg", ""), server_settings=limits)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ask()).result()


@cache
def empty_database() -> bytes:
    """A migrated SQLite file without rows: migrating once is enough for most tests."""

    async def make(path: Path) -> None:
        engine = open_engine(f"sqlite+aiosqlite:///{path}")
        await migrate(engine)
        await engine.dispose()

    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(1) as thread:
        path = Path(directory) / "hub.db"
        thread.submit(asyncio.run, make(path)).result()  # a loop may be running in this thread
        return path.read_bytes()


def _provide_database(state_dir: Path) -> None:
    if POSTGRESQL:
        return
    state_dir.mkdir(parents=True, exist_ok=True)
    if not (state_dir / "hub.db").exists():
        (state_dir / "hub.db").write_bytes(empty_database())


@contextmanager
def broken_table(state_dir: Path, table: str) -> Iterator[None]:
    """The database fails at every statement that touches `table`, until the context ends."""

    def rename(old: str, new: str) -> None:
        if POSTGRESQL:
            _ask(database_of(state_dir), f"ALTER TABLE {old} RENAME TO {new}")
            return
        with closing(sqlite3.connect(state_dir / "hub.db", timeout=_DISK)) as connection:
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")
            connection.commit()

    rename(table, f"{table}_away")
    try:
        yield
    finally:
        rename(f"{table}_away", table)


@asynccontextmanager
async def broken(state_dir: Path, *tables: str) -> AsyncIterator[None]:
    """As `broken_table`, while the loop goes on: what holds the database just now may be in it."""
    contexts = [broken_table(state_dir, table) for table in tables]
    for context in contexts:
        await asyncio.to_thread(context.__enter__)
    try:
        yield
    finally:
        for context in contexts:
            await asyncio.to_thread(context.__exit__, None, None, None)


@asynccontextmanager
async def closed_to_writing(state_dir: Path) -> AsyncIterator[None]:
    """Whoever writes operations waits until the context ends: somebody else has begun to.

    The loop goes on until that is so: a hub that runs in it may be in the middle of a transaction.
    """
    if not POSTGRESQL:
        other = sqlite3.connect(state_dir / "hub.db", timeout=_DISK, isolation_level=None, check_same_thread=False)
        with closing(other):
            await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
            yield
        return

    async def lock() -> asyncpg.Connection:
        connection = await asyncpg.connect(database_of(state_dir).replace("+asyncpg", ""))
        await connection.execute("BEGIN; LOCK TABLE operations IN EXCLUSIVE MODE")
        return connection

    with ThreadPoolExecutor(1) as thread, closing(asyncio.new_event_loop()) as loop:
        locked = await asyncio.wrap_future(thread.submit(loop.run_until_complete, lock()))
        try:
            yield
        finally:
            await asyncio.wrap_future(thread.submit(loop.run_until_complete, locked.close()))


def rows(state_dir: Path, statement: str) -> list[tuple[Any, ...]]:
    """What a query finds in the hub's database, asked from outside."""
    if POSTGRESQL:
        return _ask(database_of(state_dir), statement.replace("rowid", "ctid"))
    with closing(sqlite3.connect(state_dir / "hub.db", timeout=_DISK)) as connection:
        return connection.execute(statement).fetchall()


def execute(state_dir: Path, *statements: str) -> None:
    """Change the hub's database from outside; on an empty one it is made first.

    A hub that runs in this loop may hold the writer's lock until the loop goes on: `change` is for that.
    """
    assert state_dir not in _RUNNING or not _in_a_loop(), "a hub runs in this loop: await change(...)"
    _provide_database(state_dir)
    if POSTGRESQL:
        for statement in statements:
            _ask(database_of(state_dir), statement)
        return
    with closing(sqlite3.connect(state_dir / "hub.db", timeout=_DISK)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def change(state_dir: Path, *statements: str) -> None:
    """As `execute`, while the loop goes on: a hub that runs in it may be in the middle of a transaction."""
    await asyncio.to_thread(execute, state_dir, *statements)


class Kiosk:
    """The kiosk's end of one socket. Nothing is said that a test does not say."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, kind: str, /, **fields: Any) -> None:
        """Send one message of v2."""
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def say_raw(self, text: str | bytes) -> None:
        """Send a text as it is."""
        await self.socket.send(text if isinstance(text, str) else text.decode())

    async def hear(self, kind: str | None = None) -> Json:
        """The next message; of type `kind` where that is said."""
        async with asyncio.timeout(PATIENCE):
            message: Json = json.loads(await self.socket.recv())
        assert kind is None or message.get("type") == kind, message
        return message

    async def heard(self) -> list[Json]:
        """Whatever the hub has sent up to now and nobody read."""
        found: list[Json] = []
        async with asyncio.timeout(PATIENCE):
            pong = await self.socket.ping()
            while not pong.done():  # it does not come behind more messages than the client keeps unread
                came = asyncio.ensure_future(self.socket.recv())
                try:
                    await asyncio.wait({pong, came}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    came.cancel()
                    await asyncio.wait({came})
                if not came.cancelled():
                    found.append(json.loads(came.result()))
            await pong
        while True:
            try:
                async with asyncio.timeout(0.02):  # what came before the pong is read without waiting
                    found.append(json.loads(await self.socket.recv()))
            except TimeoutError:
                return found

    async def hello(self, journal: str = "journal-1", routes: tuple[str, ...] = ("default",), **more: Any) -> Json:
        """Say hello; returns the welcome."""
        given = {"version": "1.2.3", "boot_id": "boot-1", "journal": journal, "routes": list(routes)}
        await self.say("hello", **{**given, **more})
        return await self.hear("welcome")

    async def request(self) -> Json:
        """The next message, which is a request."""
        return await self.hear("request")

    async def answer(self, request: Json, body: Json | None = None, status: int = 200, **more: Any) -> None:
        """Tell that the gateway answered."""
        given = {"executed": "yes", "status": status, "body": body or {}, "elapsed": 0.01}
        await self.respond(request, **{**given, **more})

    async def refuse(self, request: Json, kind: str, executed: str = "no", detail: str = "because") -> None:
        """Tell that there is no gateway's answer."""
        await self.respond(request, executed=executed, error={"type": kind, "detail": detail})

    async def respond(self, request: Json, **fields: Any) -> None:
        """Send a response."""
        operation = request.get("operation", "payment")
        await self.say("response", **{"request_id": request["request_id"], "operation": operation, **fields})

    async def cut(self) -> None:
        """Break the connection without a goodbye."""
        self.socket.transport.abort()
        await self.close_code()

    async def close_code(self) -> int | None:
        """Wait until the socket is closed, reading on; returns the code the hub gave."""
        async with asyncio.timeout(PATIENCE):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed:
                return self.socket.close_code

    @asynccontextmanager
    async def serving(self, reply: Callable[[Json], Any] | None = None) -> AsyncIterator[list[Json]]:
        """Answer every request with `reply(request)` as body, in the background; gives the requests executed."""
        executed: list[Json] = []

        async def serve() -> None:
            async for text in self.socket:
                message = json.loads(text)
                if message["type"] == "request":
                    executed.append(message)
                    body = reply(message) if reply else {"echo": message["body"]}
                    await self.answer(message, body)

        task = asyncio.create_task(serve())
        try:
            yield executed
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Running:
    """A hub that runs, and a backend with an API key of it."""

    def __init__(self, hub: Hub, http: httpx.AsyncClient, key: str) -> None:
        self.hub = hub
        self.services = hub.services
        self.http = http
        self.key = key

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.hub.port}"

    def backend(self, key: str | None = None) -> dict[str, str]:
        """A backend's headers."""
        return {"Authorization": f"Bearer {key or self.key}"}

    @property
    def admin(self) -> dict[str, str]:
        """An administrator's headers."""
        return {"Authorization": f"Bearer {ADMIN_KEY}"}

    async def send(
        self,
        body: Any = None,
        *,
        kiosk: str = "kiosk_001",
        operation: str = "payment",
        key: str | None = None,
        api_key: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        """POST /send. `header_timeout="2"` becomes `Header-Timeout: 2`; `key` is the Idempotency-Key."""
        given = {
            **self.backend(api_key),
            "Header-Kiosk-Id": kiosk,
            "Header-Operation-Type": operation,
            **({"Idempotency-Key": key} if key is not None else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
        return await self.http.post("/send", content=content, headers=given)

    def sending(self, *args: Any, **kwargs: Any) -> "asyncio.Task[httpx.Response]":
        """The same as a task, so that the kiosk can be played meanwhile."""
        return asyncio.create_task(self.send(*args, **kwargs))

    async def operation(self, request_id: str) -> Json:
        """GET /operations/{request_id}."""
        response = await self.http.get(f"/operations/{request_id}", headers=self.backend())
        assert response.status_code == 200, response.text
        return response.json()

    async def operation_in(self, request_id: str, state: str) -> Json:
        """The operation, once the store has it in this state."""

        async def look() -> Json | None:
            response = await self.http.get(f"/operations/{request_id}", headers=self.backend())
            return response.json() if response.is_success and response.json()["state"] == state else None

        return await until(look)

    async def operations(self, **query: Any) -> list[Json]:
        """GET /operations."""
        response = await self.http.get("/operations", params=query, headers=self.backend())
        assert response.status_code == 200, response.text
        return response.json()["operations"]

    async def idle(self) -> None:
        """Wait until no operation is under way and all outcomes are stored."""
        await until(lambda: self.services.operations.running == 0)

    def out_of_time(self, request_id: str) -> None:
        """Its caller's time is over now, if it was not answered: nobody waits for that, and nothing had to be quick."""
        operations = self.services.operations
        if (running := operations._books.get(request_id)) is not None:
            operations._ending.deadline(running)

    async def metric(self, line: str) -> float:
        """The value of one series, named as /metrics shows it; 0 where it is not there yet."""
        for text in (await self.http.get("/metrics")).text.splitlines():
            name, _, value = text.rpartition(" ")
            if name == line:
                return float(value)
        return 0.0

    def token(self, kiosk: str = "kiosk_001") -> str:
        """The token in force."""
        found = self.services.registry.get(kiosk)
        assert found is not None
        return self.services.tokens.issue(kiosk, found.generation)

    @asynccontextmanager
    async def socket(
        self, token: str | None = None, *, v2: bool = True, in_query: bool = False, path: str = "/ws", **more: Any
    ) -> AsyncIterator[Kiosk]:
        """An open socket on which nothing was said."""
        url = f"ws://127.0.0.1:{self.hub.port}{path}"
        token = self.token() if token is None else token
        headers = {} if in_query else {"Authorization": f"Bearer {token}"}
        protocols: Any = {"subprotocols": ["kiosk.v2"]} if v2 else {}
        address = f"{url}?token={token}" if in_query else url
        async with connect(
            address,
            additional_headers=headers,
            proxy=None,
            open_timeout=PATIENCE,
            close_timeout=1,
            max_size=None,
            **protocols,
            **more,
        ) as connection:
            yield Kiosk(connection)

    @asynccontextmanager
    async def kiosk(self, kiosk: str = "kiosk_001", **hello: Any) -> AsyncIterator[Kiosk]:
        """A kiosk that has said hello and is welcome."""
        async with self.socket(self.token(kiosk)) as client:
            await client.hello(**hello)
            yield client

    @asynccontextmanager
    async def v1_kiosk(self, kiosk: str = "kiosk_001") -> AsyncIterator[Kiosk]:
        """A client of the first dialect, taken in by the hub."""
        async with self.socket(self.token(kiosk), v2=False, in_query=True) as client:
            await until(lambda: (link := self.services.links.get(kiosk)) is not None and link.ready)
            yield client

    async def gone(self, kiosk: str = "kiosk_001") -> None:
        """Wait until the hub has noticed that the kiosk is not there."""
        await until(lambda: (link := self.services.links.get(kiosk)) is None or link.socket is None)


@asynccontextmanager
async def running(
    state_dir: Path, *, kiosks: tuple[str, ...] = ("kiosk_001",), bus: Bus | None = None, **changes: Any
) -> AsyncIterator[Running]:
    """A hub with these kiosks registered, on a new database or on the one left in `state_dir`.

    `bus` is instead of the one that its settings name.
    """
    if "database_url" not in changes:
        _provide_database(state_dir)
        if POSTGRESQL:
            changes["database_url"] = database_of(state_dir)
    limits = httpx.Limits(max_connections=None)
    # The client outlives the hub, so that callers hear what a stopping hub tells them.
    async with (
        httpx.AsyncClient(timeout=60, trust_env=False, limits=limits) as http,
        Hub(settings(state_dir, **changes), bus=bus) as hub,
    ):
        for kiosk in kiosks:
            try:
                await hub.services.registry.add(kiosk, "")
            except Refused:  # known from the hub's earlier life
                continue
        _, key = await hub.services.keys.add("tests")
        http.base_url = httpx.URL(f"http://127.0.0.1:{hub.port}")
        _RUNNING.add(state_dir)
        try:
            yield Running(hub, http, key)
        finally:
            _RUNNING.discard(state_dir)
