"""Alerts that a test raises, and a bot that tells of them at an emulated Telegram. No hub."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from cloud.alerts.alert import Condition
from cloud.alerts.book import Seen
from cloud.alerts.kinds import KINDS, Rule
from cloud.alerts.memory import Memory
from cloud.alerts.rules import Rules
from cloud.alerts.service import Alerts
from cloud.bot.asks import Asks
from cloud.bot.line import Line
from cloud.bot.notices import Notices
from cloud.bot.reply import Target
from cloud.bot.texts import Texts
from cloud.bot.users import Users
from cloud.db.engine import open_engine
from cloud.emulator.server import Emulator
from cloud.errors import Refused
from cloud.kiosks.registry import Registry
from tests.cloud.hub import PATIENCE, database_of, execute
from wire.environment import Secret

ANN, BOB, GROUP = 7001, 7002, -100500
NOW = 1_800_000_000.0
DAY = 86400.0
QUICK: dict[str, Any] = {"after": 0.0, "clear_after": 0.0, "gather": 0.0}


def quick(**more: Any) -> dict[str, Rule]:
    """Rules by which everything is raised and cleared at once; `more` holds for all of them."""
    return {kind: msgspec.structs.replace(rule, **{**QUICK, **more}) for kind, rule in KINDS.items()}


class Desk:
    """`holding` is what is wrong; `look` has it seen at once. The alerts' clock is `now`, and moved by hand."""

    def __init__(self, engine: Any, tg: Emulator, line: Line, rules: Rules) -> None:
        self.engine = engine
        self.line = line
        self.tg = tg
        self.rules = rules
        self.topic = 0
        self.now = NOW
        self.monotonic = 1000.0
        self.holding: dict[tuple[str, str, str], Condition] = {}
        self.registry = Registry(engine)
        self.users = Users(engine, admins=[ANN], language="en")
        self.asks = Asks(engine, clock=lambda: self.now)
        self.say = Texts()
        self.memory = Memory(engine)
        self.alerts = Alerts(
            memory=self.memory,
            look=lambda: Seen(list(self.holding.values())),
            rules=lambda: self.rules,
            is_kiosk=lambda kiosk_id: self.registry.get(kiosk_id) is not None,
            channels=["telegram"],
            every=3600.0,
            clock=lambda: self.now,
            monotonic=lambda: self.monotonic,
        )

    async def begin(self, kind: str, *kiosks: str, subject: str = "", **data: Any) -> None:
        """This is wrong from now on, there."""
        for kiosk_id in kiosks or [""]:
            one = Condition(kind=kind, kiosk_id=kiosk_id, subject=subject, since=self.now, data=data)
            self.holding[one.key] = one
        await self.look()

    async def end(self, kind: str, *kiosks: str, after: float = 0.0, subject: str = "") -> None:
        """And no more, `after` seconds later."""
        self.now += after
        for kiosk_id in kiosks or [""]:
            del self.holding[kind, kiosk_id, subject]
        await self.look()

    async def look(self, after: float = 0.0) -> None:
        """A look at what holds, `after` seconds later."""
        self.now += after
        self.monotonic += after
        await self.alerts.look()
        await self.alerts.look()  # what has just gone is cleared by the second look

    async def said(self, count: int, chat: int = ANN) -> list[dict[str, Any]]:
        """All that was told in a chat, once it is so many messages."""
        found: list[dict[str, Any]] = await self.tg.until(
            lambda: len(messages := self.tg.messages(chat)) >= count and messages
        )
        assert len(found) == count, [message["text"] for message in found]
        return found

    async def told(self) -> None:
        """Wait until nothing is owed to Telegram."""

        def is_told() -> bool:
            return not self.alerts._book.due("telegram", self.rules, self.now)

        await self.tg.until(is_told)

    async def written(self) -> None:
        """Wait until what was told stands in the database."""
        assert await self.memory.saved(PATIENCE)


@asynccontextmanager
async def desk(
    tmp_path: Path, *, in_topic: bool = False, rules: Rules | None = None, admins: tuple[int, ...] = (ANN,)
) -> AsyncIterator[Desk]:
    """Alerts, and notices of them to each of the admins, or to a topic of a group."""
    execute(tmp_path)
    engine = open_engine(database_of(tmp_path))
    async with Emulator(port=0) as tg:
        line = Line(token=Secret(tg.token), api_url=tg.url)
        made = Desk(engine, tg, line, rules or Rules(kinds=quick()))
        made.users = Users(engine, admins=admins, language="en")
        for admin in admins:
            tg.user(admin)
        if in_topic:
            tg.group(GROUP, forum=True)
            made.topic = tg.topic(GROUP)
        await made.registry.start(lambda _: None)
        for kiosk_id, name in (("kiosk_001", "Abay 12"), ("kiosk_002", "")):
            with suppress(Refused):
                await made.registry.add(kiosk_id, name)
        notices = Notices(
            alerts=made.alerts,
            talk=line,
            registry=made.registry,
            users=made.users,
            asks=made.asks,
            say=made.say,
            chat=Target(GROUP, made.topic) if in_topic else None,
            pause=0.01,
            clock=lambda: made.now,
        )
        try:
            async with made.alerts, notices:
                await asyncio.sleep(0)
                yield made
        finally:
            await made.registry.stop()
            await line.close()
            await engine.dispose()
