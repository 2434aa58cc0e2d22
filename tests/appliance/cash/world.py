"""A cash desk with simulated devices and a real journal, in virtual time: hours of a kiosk in moments.

While the journal's thread is at work no time passes; otherwise the clock jumps to whatever comes next. A life of the
appliance can be killed at any moment, as by a power cut: nothing is closed, and the next one finds what is on the disk.
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

from appliance.cash.service import CashDesk
from appliance.cash.target import CashTarget
from appliance.devices import read_devices
from appliance.journal import Book, Entry, Journal, Limits, StorageError, Work
from appliance.kinds import CashRoute
from appliance.levels.collections import set_level
from appliance.routes import Route
from appliance.screen import Screen
from appliance.supervisor import Supervisor
from appliance.targets import Answered, Ask, Result
from hardware.events import DeviceState
from hardware.simulation import local
from hardware.simulation.local import running
from tests.chaos.desk_clock import Clock, run
from wire.messages import Event
from wire.money import Money

T = TypeVar("T")
Json = dict[str, Any]

WITHIN_S = 120.0  # of the kiosk's time
_UP = {DeviceState.DISABLED, DeviceState.READY}


def play(script: Callable[["World"], Coroutine[Any, Any, T]], directory: Path, **options: Any) -> T:
    """Run a script with a world of its own."""
    clock = Clock()

    async def played() -> T:
        world = World(directory, clock, **options)
        try:
            return await script(world)
        finally:
            await world.kill()

    return run(played(), clock)


class WarpedJournal(Journal):
    """A journal that no time passes for, and that can be cut off or fail at any of its writes."""

    def __init__(self, clock: Clock, directory: Path) -> None:
        self.clock = clock
        self.points: list[str] = []  # writes so far
        self.kill_at: tuple[int, str] | None = None  # number of the write from 1, and before or after
        self.killed = asyncio.Event()
        self.failing = False
        self.lost_at: set[int] = set()  # writes that are on the disk, and nobody is told
        self.lost_of: dict[str, int] = {}  # how many more of a point are so
        super().__init__(
            directory, limits=Limits(min_free_bytes=0), clock=lambda: 1.8e9 + clock.now, boot_id="test",
            reserve_bytes=64 * 1024,
        )  # fmt: skip

    async def write(self, call: Callable[[Book], T], *, point: str = "", **more: Any) -> T:
        if self.failing:
            await asyncio.sleep(0.01)
            raise StorageError("the disk is full", certain=True)
        self.points.append(point)
        number = len(self.points)
        await self._perhaps_die(number, "before")
        found = await super().write(call, point=point, **more)
        await self._perhaps_die(number, "after")
        if self.lost_of.get(point, 0):
            self.lost_of[point] -= 1
            raise StorageError("the disk did not answer within 30 s")
        if number in self.lost_at:
            raise StorageError("the disk did not answer within 30 s")
        return found

    async def _perhaps_die(self, number: int, moment: str) -> None:
        if self.kill_at == (number, moment) or self.killed.is_set():
            self.killed.set()
            await asyncio.get_running_loop().create_future()  # nothing happens any more

    async def _ask(self, job: Any) -> Any:
        with self.clock.held():
            return await super()._ask(job)


class Kiosk:
    """One life of the appliance."""

    def __init__(self, world: "World", journal: WarpedJournal, supervisor: Supervisor, desk: CashDesk) -> None:
        self.world = world
        self.journal = journal
        self.supervisor = supervisor
        self.desk = desk
        self.told: list[Json] = []

    def target(self, **kind: Any) -> CashTarget:
        """The cash route's."""
        devices = kind.pop("devices", tuple(self.world.devices))
        return self.desk.target(
            Route(name="cash", url="", timeout=kind.pop("timeout", 180.0), kind=CashRoute(devices=devices, **kind))
        )

    def ask(self, id: str = "r1", **body: Any) -> Ask:
        """What the hub asks for."""
        fields = {"amount": 150000, "currency": "KZT", **body}
        return Ask(
            request_id=id, operation="cash", method="POST", body=json.dumps(fields).encode(), route=lambda: None,
            tell=self.told.append,
        )  # fmt: skip

    def pay(self, id: str = "r1", *, target: CashTarget | None = None, **body: Any) -> "asyncio.Task[Result]":
        """Begin a session."""
        return asyncio.ensure_future((target or self.target()).run(self.ask(id, **body)))

    def stages(self) -> list[str]:
        """Those it went through."""
        return [stage for stage, _ in itertools.groupby(news["stage"] for news in self.told)]

    async def until(self, so: Callable[[], object], within_s: float = WITHIN_S) -> None:
        """Let time pass."""
        async with asyncio.timeout(within_s):
            while not so():  # noqa: ASYNC110 - anything may change it
                await asyncio.sleep(0.05)

    async def stage(self, stage: str, **facts: Any) -> Json:
        """Wait until that is told."""

        def there() -> bool:
            now = self.told[-1] if self.told else {}
            return now.get("stage") == stage and all(now.get(name) == value for name, value in facts.items())

        try:
            await self.until(there)
        except TimeoutError:
            raise AssertionError(f"{stage} {facts} did not come; last: {self.told[-3:]}") from None
        return self.told[-1]

    async def well(self) -> None:
        """Wait until all devices are."""
        await self.until(lambda: all(each.status.state in _UP for each in self.supervisor.all()))

    async def set_level(self, device: str, minor: int, count: int) -> None:
        """As somebody who filled a hopper says."""
        coin, at = Money(minor, "KZT"), 1.8e9 + self.world.clock.now
        await self.journal.write(lambda book: set_level(book, device, coin, count, at=at))

    async def tallies(self) -> Json:
        """What lies where."""
        found = await self.journal.read(lambda book: book.tallies())
        return {name: {coin.minor: count for coin, count in coins.items()} for name, coins in found.items()}

    async def work(self, id: str = "r1") -> Work | None:
        return await self.journal.read(lambda book: book.find_work(id))

    async def entries(self, *kinds: str, **where: Any) -> list[Entry]:
        return await self.journal.read(lambda book: book.entries(kinds=kinds, **where))

    async def events(self, *kinds: str) -> list[Event]:
        """For the hub."""
        return [event for event in await self.journal.events(1000, 0) if event.kind in kinds]


class World:
    """The devices, which outlive the appliance. `devices`: as the routing file has them, `port` a family's options."""

    def __init__(self, directory: Path, clock: Clock, devices: Mapping[str, Json] | None = None) -> None:
        self.directory = directory
        self.clock = clock
        self.devices = devices or DEVICES
        self.life = 0
        self._before: set[asyncio.Task[Any]] = set()
        self.kiosk: Kiosk | None = None
        self.shift_s = 0.0  # by which the wall clock is wrong

    def url(self, name: str) -> str:
        """Of its line, in this life: a new process knows nothing of the one before."""
        family, options, state = self.devices[name]["port"]
        directory = f"{self.directory / state}{'/.' * self.life}"
        return f"sim://{family}?{urlencode({**options, 'state': directory})}"

    @contextlib.asynccontextmanager
    async def opened(self, *, well: bool = True, kill_at: tuple[int, str] | None = None) -> AsyncIterator[Kiosk]:
        """A life that ends as it should, or is killed if `kill` was called."""
        kiosk = await self.start(well=well, kill_at=kill_at)
        try:
            yield kiosk
        finally:
            if self.kiosk is kiosk:
                await self.stop()

    async def start(self, *, well: bool = True, kill_at: tuple[int, str] | None = None) -> Kiosk:
        """As app does."""
        self._before = asyncio.all_tasks()
        given = {name: {**fields, "port": self.url(name)} for name, fields in self.devices.items()}
        mistakes: list[str] = []
        entries = read_devices(given, lambda path, _value, words: mistakes.append(f"{path}: {words}"))
        assert mistakes == []
        journal = WarpedJournal(self.clock, self.directory / "journal")
        await journal.open()
        clock = lambda: 1.8e9 + self.clock.now + self.shift_s  # noqa: E731
        supervisor = Supervisor(journal=journal, screen=Screen(), clock=clock, entries=entries)
        desk = CashDesk(journal=journal, supervisor=supervisor, clock=clock)
        self.kiosk = Kiosk(self, journal, supervisor, desk)
        await desk.recover()
        await supervisor.open()
        if well:
            await self.kiosk.well()
        journal.points.clear()
        journal.kill_at = kill_at
        return self.kiosk

    async def stop(self) -> None:
        """As SIGTERM does, after operations have stopped."""
        kiosk, self.kiosk = self.kiosk, None
        assert kiosk is not None
        await kiosk.desk.close()
        await kiosk.supervisor.close()
        await kiosk.journal.close()
        self.life += 1

    async def kill(self) -> None:
        """As a power cut does: nothing is closed but by the kernel."""
        kiosk, self.kiosk = self.kiosk, None
        if kiosk is None:
            return
        tasks = asyncio.all_tasks() - self._before - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name in self.devices:
            if (host := local._running.pop(self.url(name), None)) is not None:
                host.stop()
                assert host.store is not None
                host.store.close()
        kiosk.journal.killed.clear()
        kiosk.journal.kill_at = None
        await kiosk.journal.close()
        self.life += 1

    def do(self, name: str, control: str, **arguments: str) -> Mapping[str, object]:
        """A person's hand."""
        return running(self.url(name)).do(control, **arguments)

    async def insert(self, minor: int, name: str = "bills") -> None:
        """A note, pushed in until it is taken or surely is not."""
        for _ in range(20):
            if self.do(name, "insert", minor=str(minor)).get("taken"):
                return
            await asyncio.sleep(0.25)

    def ledger(self, state: str, *kinds: str) -> list[Json]:
        """What physically happened."""
        path = self.directory / state / "ledger.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in map(json.loads, lines) if not kinds or line["happened"] in kinds]

    def physical(self) -> tuple[int, int]:
        """Minor units that went in to stay, and that left the hoppers."""
        kinds = ("bill_stacked", "coin_accepted")
        came = sum(line["minor"] for state in STATES for line in self.ledger(state, *kinds))
        coins = {state: COINS[state] for state in COINS}
        left = sum(coins[state] * line["coins"] for state in coins for line in self.ledger(state, "coin_paid"))
        return came, left


BUS = ("cctalk", {"devices": "coins,hopper"}, "bus")
SECOND = ("cctalk", {"devices": "hopper"}, "second")
STATES = ("bills", "bus")
COINS = {"bus": 10000, "second": 5000}
DEVICES: Mapping[str, Json] = {
    "bills": {"driver": "ccnet", "port": ("ccnet", {"pace": "4"}, "bills"), "currency": "KZT"},
    "coins": {"driver": "cctalk", "port": BUS, "address": 2},
    "hopper": {"driver": "cctalk-hopper", "port": BUS, "address": 3, "coin": "100 KZT"},
    "small": {"driver": "cctalk-hopper", "port": SECOND, "address": 3, "coin": "50 KZT"},
}


def body(result: Result) -> Json:
    """What was answered."""
    assert isinstance(result, Answered), result
    assert result.status == 200
    found: Json = msgspec.json.decode(result.body)
    price = found["amount"] if found["status"] == "paid" else 0
    parts = ("kept", "change_paid", "change_owed", "change_unclear")
    assert found["collected"] == price + sum(found.get(part, 0) for part in parts), found
    assert ("claim" in found) == bool(found["change_owed"] or found.get("unclear")), found
    return found
