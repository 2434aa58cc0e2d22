"""A kiosk with one fiscal register, real but for the clock: journal, supervisor, driver, simulator and fiscal desk.

A life ends by `close`, or as if the process were killed: at a point of the journal, or wherever it is. What the
simulator's ledger and the journal hold goes on into the next life.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
import pytest

from appliance.devices import DeviceEntry
from appliance.fiscal.service import FiscalDesk
from appliance.fiscal.target import FiscalTarget
from appliance.journal import Book, Journal, StorageError
from appliance.kinds import DeviceRoute
from appliance.routes import Route
from appliance.screen import Screen
from appliance.supervisor import Supervisor
from appliance.targets import Answered, Ask, NeverGot, NoAnswer
from hardware.simulation import local
from hardware.simulation.local import running
from hardware.simulation.simulator import ControlError
from hardware.simulation.store import LEDGER_FILE
from tests.appliance.worlds import RESERVE, SMALL
from tests.chaos.desk_clock import Clock
from tests.chaos.desk_clock import run as run_virtual
from tests.hardware.contracts.implementations import FISCAL_REGISTERS, Registers
from wire.messages import Event

T = TypeVar("T")

REGISTERS = FISCAL_REGISTERS
WALL = 1_790_000_000.0  # when the virtual time begins, for people
BEGIN_S = 1_000_000.0


class HeldJournal(Journal):
    """Waits for the disk without virtual time, and dies where it is told to: nothing it does after that returns."""

    def __init__(self, directory: Path, time_: Clock, die_at: str = "") -> None:
        self._time = time_
        point, _, count = die_at.partition(":")
        self._die_at, self._visits = point, itertools.count(1)
        self._die_count = int(count or 1)
        self.unreadable = 0
        self.failing: dict[str, int] = {}  # by point, how many writes the disk does not take
        self.dead = asyncio.Event()
        self.visited: list[str] = []
        super().__init__(
            directory, limits=SMALL, clock=lambda: WALL + time_.now - BEGIN_S, boot_id="test", reserve_bytes=RESERVE
        )

    async def write(self, call: Callable[[Book], T], *, point: str = "", **more: Any) -> T:
        await self._visit(f"{point}.before")
        if self.failing.get(point):
            self.failing[point] -= 1
            raise StorageError("the disk is full", certain=True)
        found = await super().write(call, point=point, **more)
        await self._visit(f"{point}.after")
        return found

    async def read(self, call: Callable[[Book], T]) -> T:
        if self.unreadable:
            self.unreadable -= 1
            raise StorageError("the disk does not say")
        return await super().read(call)

    async def _visit(self, point: str) -> None:
        self.visited.append(point)
        if point == self._die_at and next(self._visits) == self._die_count:
            self.dead.set()
        if self.dead.is_set():
            await asyncio.Event().wait()

    async def _ask(self, job: Any) -> Any:
        with self._time.held():
            return await super()._ask(job)


class Life:
    """One life of the kiosk."""

    def __init__(self, world: "World", journal: HeldJournal) -> None:
        self.world = world
        self.journal = journal
        entry = DeviceEntry(
            name="register", driver=world.registers.driver, port=world.url, settings=dict(world.registers.settings)
        )
        clock = lambda: WALL + world.time.now - BEGIN_S  # noqa: E731 - as the journal's
        self.supervisor = Supervisor(
            journal=journal, screen=Screen(), clock=clock, entries={"register": entry}
        )  # fmt: skip
        self.desk = FiscalDesk(journal=journal, supervisor=self.supervisor, clock=clock)
        self.told: list[dict[str, Any]] = []

    @property
    def target(self) -> FiscalTarget:
        return self.desk.target(self.route())

    @staticmethod
    def route(timeout: float = 120.0) -> Route:
        return Route(name="fiscal", url="", timeout=timeout, kind=DeviceRoute("register"))

    def ask(self, request_id: str, body: Mapping[str, Any]) -> Ask:
        return Ask(
            request_id=request_id, operation="fiscal", method="POST", body=msgspec.json.encode(body),
            route=self.route, tell=self.told.append,
        )  # fmt: skip

    async def run(self, request_id: str, body: Mapping[str, Any], timeout: float = 120.0) -> dict[str, Any]:
        """An operation from its check to its answer, as fields; problems stand under "problem"."""
        target, ask = self.desk.target(self.route(timeout)), self.ask(request_id, body)
        target.check(ask)
        return shown(await target.run(ask))

    async def find_out(self, request_id: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the next life says of an operation that was cut off."""
        target, ask = self.target, self.ask(request_id, body)
        assert target.can_tell(ask)
        found = await target.find_out(ask)
        return None if found is None else shown(found)

    async def events(self, *kinds: str) -> list[Event]:
        """For the hub."""
        found = await self.journal.events(10_000, 0)
        return [event for event in found if not kinds or event.kind in kinds]

    def do(self, control: str, **arguments: str) -> Mapping[str, object]:
        """A person's hand on the register."""
        return running(self.world.url).do(control, **arguments)

    async def present(self) -> None:
        """Wait until a driver has it open."""
        await until(lambda: self.world.url in local._running)

    async def lose(self, how: str, seconds: float = 8.0) -> None:
        """Take the register's power ("power") or its cable ("unplug") for a while."""
        await self.present()
        if how == "unplug":
            self.do("unplug")
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(ControlError):  # opening its port gives a simulated device power
            self.do("power_off")
        await asyncio.sleep(seconds)
        await self.present()
        with contextlib.suppress(ControlError):
            self.do("power_on")

    async def settled(self, reference: str) -> dict[str, Any]:
        """How a document ended, once it has."""
        while True:
            answer = await self.run("find", {"action": "find", "reference": reference})
            if answer["status"] != "pending":
                return answer
            await asyncio.sleep(1.0)

    async def ready(self) -> None:
        """Wait until the register is set up."""
        await self.supervisor.find("register").device.ready(90)


class World:
    """One register, and the directories of both sides."""

    def __init__(
        self, registers: Registers, path: Path, time_: Clock, *, journal: "World | None" = None
    ) -> None:  # fmt: skip
        self.registers = registers
        self.time = time_
        self._state, self._journal = path / "simulator", path / "journal" if journal is None else journal._journal
        self.lives = 0

    @property
    def url(self) -> str:
        """Written another way in each life, for a new process knows nothing of the one before."""
        options = {**self.registers.options, "state": f"{self._state}{'/.' * self.lives}"}
        return f"sim://{self.registers.family}?{urlencode(options)}"

    @contextlib.asynccontextmanager
    async def life(
        self, *, die_at: str = "", killed: bool = False, ready: bool = True, unreadable: int = 0
    ) -> AsyncIterator[Life]:
        """A kiosk from start to stop; with `killed` or `die_at` nothing is stopped, it is no more.

        `unreadable`: so many looks into the journal fail at first.
        """
        before = asyncio.all_tasks()
        journal = HeldJournal(self._journal, self.time, die_at)
        await journal.open()
        life = Life(self, journal)
        journal.unreadable = unreadable
        await life.desk.recover()
        await life.supervisor.open()
        life.desk.start()
        try:
            if ready:
                await life.ready()
            yield life
        finally:
            if killed or die_at:
                await self._kill(life, before)
            else:
                await life.desk.close()
                await life.supervisor.close()
                await journal.close()

    async def _kill(self, life: Life, before: set["asyncio.Task[Any]"]) -> None:
        tasks = asyncio.all_tasks() - before - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The kernel closes what the dead held, and the device notices.
        if (host := local._running.pop(self.url, None)) is not None:
            host.stop()
            assert host.store is not None
            host.store.close()
        self.lives += 1
        await asyncio.to_thread(life.journal._writer.stop)

    def ledger(self, *kinds: str) -> list[dict[str, Any]]:
        """What physically happened."""
        try:
            lines = (self._state / LEDGER_FILE).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line for line in map(json.loads, lines) if not kinds or line["happened"] in kinds]

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What the fiscal storage holds: number and total of each (a shift's is 0)."""
        kind, number, total = self.registers.stored
        return [{"number": line[number], "total": line[total]} for line in self.ledger(kind)]

    @property
    def totals(self) -> list[int]:
        """Of the receipts."""
        return [document["total"] for document in self.documents if document["total"]]


Play = Callable[[Callable[[World], Coroutine[Any, Any, None]]], World]
"""Plays a script, and gives the world as it is then."""


def only(registers: Registers, *families: str) -> None:
    """Skip what is the same for the others, or what only these know."""
    if registers.name not in {*families, *(f"{family}-v2" for family in families)}:
        pytest.skip(f"for {', '.join(families)}")


def shown(result: Answered | NeverGot | NoAnswer) -> dict[str, Any]:
    """A result as a test compares it."""
    if isinstance(result, Answered):
        return {"http": result.status, **msgspec.json.decode(result.body)}
    problem = result.problem if isinstance(result, NeverGot) else "unknown"
    return {"problem": problem, "detail": result.detail}


def sale(minor: int = 12_345, **changes: Any) -> dict[str, Any]:
    """A receipt of one line, paid exactly in cash."""
    return {
        "lines": [{"name": "Кофе", "price": minor}], "currency": "RUB",
        "settlements": [{"tender": "cash", "amount": minor}], **changes,
    }  # fmt: skip


async def until(fact: Callable[[], object], within_s: float = 300.0) -> None:
    """Let the device's time pass."""
    async with asyncio.timeout(within_s):
        while not fact():  # noqa: ASYNC110 - anything may change it
            await asyncio.sleep(0.05)


def run(world: "Callable[[Clock], World]", script: Callable[[World], Coroutine[Any, Any, T]]) -> T:
    """A script in virtual time."""
    clock = Clock()
    return run_virtual(script(world(clock)), clock)
