"""The bot's core without a hub: a real line to an emulated Telegram, a real database, and commands as the test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.bot.asks import Asks
from cloud.bot.command import Answered, Command, Press
from cloud.bot.doing import Doing
from cloud.bot.hands import Hands
from cloud.bot.incoming import Incoming
from cloud.bot.line import Line
from cloud.bot.polling import Pace, Polling
from cloud.bot.texts import Texts
from cloud.bot.users import Users
from cloud.bus.lease import Lease
from cloud.db.engine import open_engine
from cloud.emulator.server import Emulator
from cloud.metrics import Metrics
from tests.cloud.hub import _provide_database, database_of, until
from wire.environment import Secret

ADMIN, OTHER_ADMIN, STRANGER, GROUP = 7001, 7002, 8001, -1001
QUICK = Pace(
    poll=5, after_conflict=0.1, after_unauthorized=0.1, first_pause=0.02, longest_pause=0.1, look=0.05, healed=60.0
)

Json = dict[str, Any]


class Nobody:
    """Services that know nothing."""

    def get(self, _: str) -> None: ...

    async def find(self, _: str) -> None: ...


class Parts:
    """One life of the bot's core. `now` is what its clock says beyond Telegram's."""

    def __init__(
        self,
        engine: AsyncEngine,
        tg: Emulator,
        *,
        commands: Sequence[Command] = (),
        presses: Mapping[str, Press] | None = None,
        replies: Mapping[str, Answered] | None = None,
        act_within: float = 60.0,
        lease: Lease | None = None,
        webhook: tuple[str, str] | None = None,
        token: str = "",
        pace: Pace = QUICK,
    ) -> None:
        self.tg = tg
        self.engine = engine
        self.ahead = 0.0
        self.metrics = Metrics()
        self.line = Line(token=Secret(token or tg.token), api_url=tg.url, metrics=self.metrics)
        self.asks = Asks(engine, self.clock)
        self.users = Users(engine, admins={ADMIN, OTHER_ADMIN}, language="en")
        nobody: Any = Nobody()
        given = {
            "asks": self.asks,
            "users": self.users,
            "health": dict,
            "public_url": "",
            "clock": self.clock,
            "say": Texts(),
            "commands": commands,
        }
        names = [field.name for field in msgspec.structs.fields(Hands)]
        self.hands = Hands(**{**dict.fromkeys(names, nobody), **given})
        self.doing = Doing(
            hands=self.hands,
            talk=self.line,
            commands=commands,
            presses=presses or {},
            replies=replies or {},
            moved=self.line.moved,
            act_within=act_within,
        )
        self.incoming = Incoming(
            engine, self.doing, is_admin=self.users.is_admin, metrics=self.metrics, clock=self.clock
        )
        self.lease = lease or Lease("", "tests")
        self.polling = Polling(
            line=self.line,
            lease=self.lease,
            incoming=self.incoming,
            metrics=self.metrics,
            webhook=webhook,
            pace=pace,
        )

    def clock(self) -> float:
        return self.tg.now() + self.ahead

    def messages(self, chat: int = ADMIN) -> list[str]:
        """What the bot has said in a chat."""
        return [message["text"] for message in self.tg.messages(chat)]

    async def said(self, count: int, chat: int = ADMIN) -> list[str]:
        """The same once there is so much."""
        return await until(lambda: len(self.messages(chat)) >= count and self.messages(chat))

    async def connected(self) -> None:
        """Wait until it hears Telegram."""
        await until(lambda: self.polling.state == "connected")

    def start(self) -> None:
        """Begin all of it."""
        self.lease.start()
        self.incoming.is_working = self.lease.is_held
        self.incoming.start()
        self.polling.start()

    async def stop(self) -> None:
        """End in order."""
        await self.polling.stop()
        await self.lease.stop()
        await self.incoming.stop()
        await self.line.close()

    async def die(self) -> None:
        """End as by a kill: nothing is finished, noted or given back."""
        tasks = [self.polling._task, self.incoming._task, *self.incoming._chats.values(), self.lease._task]
        self.incoming._task = None
        left = {task for task in tasks if task is not None}
        while left:
            for task in left:
                task.cancel()
            # Again and again: redis.asyncio uses asyncio.wait_for, in which Python 3.11 can lose a cancellation.
            _, left = await asyncio.wait(left, timeout=0.1)
        await self.line.close()


@asynccontextmanager
async def yard(tmp_path: Path) -> AsyncIterator[tuple[Emulator, AsyncEngine, AsyncExitStack]]:
    """A database and an emulator, for several lives of a bot; the stack ends before they do."""
    _provide_database(tmp_path)
    engine = open_engine(database_of(tmp_path))
    async with Emulator(port=0) as tg:
        for user in (ADMIN, OTHER_ADMIN, STRANGER):
            tg.user(user)
        tg.group(GROUP)
        async with AsyncExitStack() as stack:
            yield tg, engine, stack
        await engine.dispose()


@asynccontextmanager
async def parts(tmp_path: Path, *, started: bool = True, **given: Any) -> AsyncIterator[Parts]:
    """One life of the bot's core, that hears Telegram if `started`."""
    async with yard(tmp_path) as (tg, engine, _):
        made = Parts(engine, tg, **given)
        if started:
            made.start()
            await made.connected()
        try:
            yield made
        finally:
            await made.stop()
