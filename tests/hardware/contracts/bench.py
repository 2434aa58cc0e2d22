"""One device at the bench: a driver, its simulator behind `sim://`, a journal that outlives both."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from hardware.events import Event
from hardware.journal import DeviceJournal
from hardware.protocol import Memory
from hardware.roles import Device
from hardware.simulation import local
from hardware.simulation.local import running
from hardware.simulation.simulator import ControlError
from hardware.simulation.store import LEDGER_FILE

D = TypeVar("D", bound=Device)
E = TypeVar("E", bound=Event)

WITHIN_S = 90.0  # of the device's time; above the longest that a device or driver takes by itself


class MemoryJournal(DeviceJournal):
    """A page that is never lost, and has no thread of its own."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.memory: Memory = {}

    async def recall(self) -> Memory:
        return self.memory

    async def record(self, event: Event | None, memory: Memory | None) -> None:
        if memory is not None:
            self.memory = json.loads(json.dumps(memory))  # of JSON's types, or it is no memory
        if event is not None:
            self.events.append(event)


class Bench(Generic[D]):
    """Args: `build(name, url, journal)` makes the driver; `state` is the simulator's directory."""

    def __init__(
        self,
        build: Callable[[str, str, DeviceJournal], D],
        family: str,
        options: Mapping[str, str],
        state: Path,
    ) -> None:
        self._build = build
        self._family, self._options, self._state = family, dict(options), state
        self._lives = 0
        self.journal = MemoryJournal()

    @property
    def url(self) -> str:
        """The device's; written another way in each life, for a new process knows nothing of the one before."""
        directory = f"{self._state}{'/.' * self._lives}"
        return f"sim://{self._family}?{urlencode({**self._options, 'state': directory})}"

    @contextlib.asynccontextmanager
    async def opened(self, *, ready: bool = True) -> AsyncIterator[D]:
        """A driver with its device, closed at the end."""
        driver = self._build("device", self.url, self.journal)
        await driver.open()
        try:
            if ready:
                await driver.ready(WITHIN_S)
            yield driver
        finally:
            await driver.close()

    @contextlib.asynccontextmanager
    async def killed(self, *, ready: bool = True) -> AsyncIterator[D]:
        """A driver that is killed at the end: nothing is closed, whatever was running is no more."""
        before = asyncio.all_tasks()
        driver = self._build("device", self.url, self.journal)
        await driver.open()
        if ready:
            await driver.ready(WITHIN_S)
        yield driver
        tasks = asyncio.all_tasks() - before
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The kernel closes what the dead held, and the device notices.
        if (host := local._running.pop(self.url, None)) is not None:
            host.stop()
            assert host.store is not None
            host.store.close()
        self._lives += 1

    def do(self, control: str, **arguments: str) -> Mapping[str, object]:
        """A person's hand."""
        return running(self.url).do(control, **arguments)

    async def lose(self, how: str, seconds: float = 8.0) -> None:
        """Take its power ("power") or its cable ("unplug") for a while. A simulated cable carries the power as well."""
        await self.present()
        if how == "unplug":
            self.do("unplug")
            await self.quiet(seconds)
            return
        with contextlib.suppress(ControlError):  # opening its port gives a simulated device power
            self.do("power_off")
        await self.quiet(seconds)
        await self.present()
        with contextlib.suppress(ControlError):
            self.do("power_on")

    async def present(self) -> None:
        """Wait until a driver has it open."""
        await self.until(lambda: self.url in local._running)

    async def until(self, so: Callable[[], object], within_s: float = WITHIN_S) -> None:
        """Let the device's time pass."""
        async with asyncio.timeout(within_s):
            while not so():  # noqa: ASYNC110 - anything may change it
                await asyncio.sleep(0.05)

    async def event(self, kind: type[E], count: int = 1) -> E:
        """The latest of that kind, once there are so many."""
        try:
            await self.until(lambda: len(self.told(kind)) >= count)
        except TimeoutError:
            raise AssertionError(f"{kind.__name__} did not come: {self.journal.events[-6:]}") from None
        return self.told(kind)[-1]

    async def quiet(self, seconds: float = 20.0) -> None:
        """Let that time pass."""
        await asyncio.sleep(seconds)

    def told(self, kind: type[E]) -> list[E]:
        """Those in the journal."""
        return [event for event in self.journal.events if isinstance(event, kind)]

    def ledger(self, *kinds: str) -> list[dict[str, Any]]:
        """What physically happened."""
        try:
            lines = (self._state / LEDGER_FILE).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line for line in map(json.loads, lines) if not kinds or line["happened"] in kinds]
