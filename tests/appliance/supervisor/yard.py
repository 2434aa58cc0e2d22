"""Simulated devices on pseudo-terminals, a real journal, and a supervisor over both, in virtual time.

No time passes while the journal's disk or a pseudo-terminal is at work: otherwise the clock goes on to what comes next.
"""

import asyncio
import contextlib
import functools
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from appliance.devices import DeviceEntry, read_devices
from appliance.journal import Journal
from appliance.screen import Screen
from appliance.supervisor import Supervisor
from hardware.events import DeviceState
from hardware.simulation.families import build, find_simulator, read_options
from hardware.simulation.host import DeviceHost
from hardware.simulation.store import Store
from hardware.simulation.wires import PtyWire
from tests.appliance.worlds import RESERVE, SMALL
from tests.chaos.desk_clock import Clock, run
from wire.messages import Event

_clock: ContextVar[Clock] = ContextVar("the clock of the test that runs")

WELL = {DeviceState.DISABLED, DeviceState.READY}


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test in virtual time."""

    @functools.wraps(test)
    def played(*arguments: Any, **fixtures: Any) -> None:
        clock = Clock()
        token = _clock.set(clock)
        try:
            run(test(*arguments, **fixtures), clock)
        finally:
            _clock.reset(token)

    return played


class HeldJournal(Journal):
    """Waits for the disk without virtual time."""

    def __init__(self, directory: Path) -> None:
        self._time = time = _clock.get()
        super().__init__(
            directory, limits=SMALL, clock=lambda: 1_800_000_000.0 + time.now, boot_id="test", reserve_bytes=RESERVE
        )

    async def _ask(self, job: Any) -> Any:
        with self._time.held():
            return await super()._ask(job)


@contextlib.asynccontextmanager
async def journal(directory: Path) -> AsyncIterator[Journal]:
    """An open journal."""
    opened = HeldJournal(directory)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


class Yard:
    """Devices by name, each on a link of its name in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.hosts: dict[str, DeviceHost] = {}

    async def put(self, name: str, family: str, **options: str) -> str:
        """A device with power; returns its port. What it remembered under this name it has again."""
        kind = find_simulator(family)
        store = Store(self.directory / f"{name}.state", family)
        simulator = build(kind, store.memory, store.note, read_options(kind, options))
        host = DeviceHost(simulator, store, PtyWire(self.directory / name, baud=simulator.baud))
        await host.open()
        self.hosts[name] = host
        return host.url

    async def kill(self, name: str) -> None:
        """End the simulator, as a program that is killed."""
        host = self.hosts.pop(name)
        await host.close()
        assert host.store is not None
        host.store.close()

    def do(self, name: str, control: str, **arguments: str) -> Mapping[str, object]:
        """A person's hand."""
        return self.hosts[name].do(control, **arguments)


@contextlib.asynccontextmanager
async def yard(directory: Path) -> AsyncIterator[Yard]:
    """An empty one."""
    there = Yard(directory)
    try:
        yield there
    finally:
        for name in list(there.hosts):
            await there.kill(name)


def entries(**given: dict[str, Any]) -> dict[str, DeviceEntry]:
    """As the routing file gives them."""
    mistakes: list[str] = []
    found = read_devices(given, lambda path, _value, words: mistakes.append(f"{path}: {words}"))
    assert mistakes == []
    return found


@contextlib.asynccontextmanager
async def supervised(
    journal: Journal, devices: Mapping[str, DeviceEntry], screen: Screen | None = None
) -> AsyncIterator[Supervisor]:
    """A supervisor that is open."""
    ticks = itertools.count()
    supervisor = Supervisor(
        journal=journal, screen=screen or Screen(), entries=devices,
        clock=lambda: 1_800_000_000.0 + next(ticks) / 1e6,  # no two moments are the same
    )  # fmt: skip
    await supervisor.open()
    try:
        yield supervisor
    finally:
        await supervisor.close()


async def until(fact: Callable[[], object], timeout: float = 20.0) -> None:
    """Let time pass until the fact holds."""
    async with asyncio.timeout(timeout):
        while not fact():  # noqa: ASYNC110 - anything may change it
            await asyncio.sleep(0.05)


async def well(supervisor: Supervisor, *names: str, timeout: float = 20.0) -> None:
    """Wait until they are."""
    await until(lambda: all(supervisor.find(name).status.state in WELL for name in names), timeout)


async def told(journal: Journal, kind: str, device: str = "") -> list[Event]:
    """Events for the hub."""
    events = await journal.events(1000, 0)
    return [event for event in events if event.kind == kind and device in {"", event.device}]


async def telling(journal: Journal, kind: str, count: int) -> list[Event]:
    """The same, once there are so many."""
    async with asyncio.timeout(10):
        while len(events := await told(journal, kind)) < count:  # noqa: ASYNC110 - the disk sends no events
            await asyncio.sleep(0.05)
    return events
