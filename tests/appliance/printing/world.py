"""A kiosk with one device that prints, real but for the clock: journal, supervisor, driver, simulator, print desk.

A life ends by `close`, or as if the process were killed: at a point of the journal, or wherever it is. What the
simulator's ledger and the journal hold goes on into the next life.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from appliance.devices import DeviceEntry
from appliance.kinds import DeviceRoute
from appliance.printing.service import PrintDesk
from appliance.routes import Route
from appliance.screen import Screen
from appliance.supervisor import Supervisor
from appliance.targets import Answered, Ask, NeverGot
from hardware.simulation import local
from hardware.simulation.local import running
from hardware.simulation.store import LEDGER_FILE
from tests.appliance.fiscal.world import BEGIN_S, WALL, HeldJournal
from tests.chaos.desk_clock import Clock
from tests.chaos.desk_clock import run as run_virtual

T = TypeVar("T")


class Maker(msgspec.Struct, frozen=True):
    """A device that prints, how hands are put on it, and what its ledger says of a line on paper."""

    family: str
    driver: str
    hands: dict[str, str]
    line: tuple[str, str]  # the ledger's word, and the figure with the text; an ATOL's are those of a whole slip
    options: dict[str, str] = {}


PRINTER = Maker(
    "escpos", "escpos",
    {"no paper": "paper_out", "paper": "load_paper", "open": "open_cover", "close": "close_cover"},
    ("line_printed", "text"),
)  # fmt: skip
SHTRIH = Maker("shtrih", "shtrih", {"no paper": "paper_out", "paper": "paper_in"}, ("line_printed", "text"))
ATOL = Maker("atol", "atol", {"no paper": "paper_out", "paper": "paper_in"}, ("printed", "text"))


class Life:
    """One life of the kiosk."""

    def __init__(self, world: "World", journal: HeldJournal) -> None:
        self.world = world
        self.journal = journal
        maker = world.maker
        entry = DeviceEntry(name="printer", driver=maker.driver, port=world.url, settings=world.settings)
        entries = {"printer": entry, **world.others}
        clock = lambda: WALL + world.time.now - BEGIN_S  # noqa: E731 - as the journal's
        self.supervisor = Supervisor(journal=journal, screen=Screen(), clock=clock, entries=entries)
        self.desk = PrintDesk(journal=journal, supervisor=self.supervisor, clock=clock)
        self.told: list[dict[str, Any]] = []

    def route(self, timeout: float = 60.0, device: str = "printer") -> Route:
        return Route(name="print", url="", timeout=timeout, kind=DeviceRoute(device))

    def ask(self, request_id: str, body: Mapping[str, Any]) -> Ask:
        return Ask(
            request_id=request_id, operation="print", method="POST", body=msgspec.json.encode(body),
            route=self.route, tell=self.told.append,
        )  # fmt: skip

    async def run(
        self, request_id: str, body: Mapping[str, Any], timeout: float = 60.0, device: str = "printer"
    ) -> dict[str, Any]:
        """An operation from its check to its answer, as fields; problems stand under "problem"."""
        target, ask = self.desk.target(self.route(timeout, device)), self.ask(request_id, body)
        target.check(ask)
        return shown(await target.run(ask))

    async def find_out(self, request_id: str) -> dict[str, Any]:
        """What the next life says of an operation that was cut off; its route may be gone."""
        target, ask = self.desk.target(None), self.ask(request_id, {})
        assert target.can_tell(ask)
        found = await target.find_out(ask)
        assert found is not None
        return shown(found)

    def hand(self, word: str) -> None:
        """A person's hand on the device."""
        running(self.world.url).do(self.world.maker.hands[word])

    def do(self, control: str, **arguments: str) -> Mapping[str, object]:
        return running(self.world.url).do(control, **arguments)

    async def ready(self) -> None:
        """Wait until it is set up."""
        await self.supervisor.find("printer").device.ready(90)

    async def open_works(self) -> int:
        return len(await self.journal.read(lambda book: book.open_works("print")))


class World:
    """One device, and the directories of both sides."""

    def __init__(self, maker: Maker, path: Path, time_: Clock, **settings: Any) -> None:
        self.maker = maker
        self.time = time_
        self.settings = settings
        self.others: dict[str, DeviceEntry] = {}
        self._state, self._journal = path / "simulator", path / "journal"
        self.lives = 0

    @property
    def url(self) -> str:
        """Written another way in each life, for a new process knows nothing of the one before."""
        options = {**self.maker.options, "state": f"{self._state}{'/.' * self.lives}"}
        return f"sim://{self.maker.family}?{urlencode(options)}"

    @contextlib.asynccontextmanager
    async def life(self, *, die_at: str = "", killed: bool = False, ready: bool = True) -> AsyncIterator[Life]:
        """A kiosk from start to stop; with `killed` or `die_at` nothing is stopped, it is no more."""
        before = asyncio.all_tasks()
        journal = HeldJournal(self._journal, self.time, die_at)
        await journal.open()
        life = Life(self, journal)
        await life.desk.recover()
        await life.supervisor.open()
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
    def paper(self) -> list[str]:
        """The lines that are on paper, without empty ones."""
        kind, text = self.maker.line
        lines = [part.strip() for line in self.ledger(kind) for part in line[text].split(" | ")]
        return [line for line in lines if line]


def shown(result: Answered | NeverGot) -> dict[str, Any]:
    """A result as a test compares it."""
    if isinstance(result, Answered):
        return {"http": result.status, **msgspec.json.decode(result.body)}
    return {"problem": result.problem, "detail": result.detail}


async def until(fact: Callable[[], object], within_s: float = 300.0) -> None:
    """Let the device's time pass."""
    async with asyncio.timeout(within_s):
        while not fact():  # noqa: ASYNC110 - anything may change it
            await asyncio.sleep(0.05)


def run(world: Callable[[Clock], World], script: Callable[[World], Coroutine[Any, Any, T]]) -> T:
    """A script in virtual time."""
    clock = Clock()
    return run_virtual(script(world(clock)), clock)
