"""Gathers what the page tells: most of it is in memory, the rest is read from the journal, and at most once in 2 s.

What the disk does not give at the moment is left as it was, and said so by the advice (the journal's trouble).
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from appliance.enrolment.standing import Standing
from appliance.health.advice import Advice, DeviceFacts, Facts, advise
from appliance.health.machine import Machine, read_machine
from appliance.health.state import Clock, Link
from appliance.journal import Book, Journal, Recent, StorageError
from appliance.levels.collections import levels
from appliance.levels.marks import Level
from appliance.network.service import Network
from appliance.network.steps import Walk
from appliance.supervisor import Supervisor, standing, trouble
from appliance.supervisor.watched import Watched
from hardware.events import DeviceState

READ_EVERY_S = 2.0
OPERATIONS = 8
# The kinds of events worth showing as a device's last one; states are shown by themselves.
_EVENTS = {
    "bill validator": (
        "bill-stacked", "bill-returned", "bill-rejected", "bill-held-back", "bill-unclear", "cassette-removed",
        "cassette-returned", "cassette-full", "jammed", "tampered",
    ),
    "coin acceptor": ("coin-accepted", "coin-rejected", "credits-lost", "jammed", "tampered"),
    "coin hopper": ("payout-ended", "payout-unclear", "jammed"),
    "fiscal register": (
        "document-registered", "document-unclear", "cash-moved", "slip-printed", "paper-out", "paper-returned",
        "cover-opened", "cover-closed",
    ),
    "receipt printer": (
        "slip-printed", "slip-unclear", "paper-low", "paper-out", "paper-returned", "cover-opened", "cover-closed",
    ),
}  # fmt: skip
_MARKED = ("bill validator", "coin acceptor", "coin hopper")
_PAPER = ("paper-low", "paper-out", "paper-returned")


class LastEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What a device told last. `at` is Unix seconds."""

    kind: str
    at: float
    data: dict[str, Any] = {}


class DeviceView(msgspec.Struct, frozen=True, kw_only=True):
    """One device: `standing` as on the health page, `lying` as `levels` has it (None: it holds nothing that counts)."""

    name: str
    standing: dict[str, Any]
    facts: DeviceFacts
    lying: dict[str, Any] | None = None
    capacity: int = 0
    last: LastEvent | None = None


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The whole page at one moment. `health` is the body of /health."""

    now: float
    advice: list[Advice]
    health: dict[str, Any]
    devices: list[DeviceView]
    operations: list[Recent]
    machine: Machine
    walk: Walk | None
    walking: bool
    down_since: float | None
    takes_codes: bool
    kiosk_id: str = ""
    dropped_at: float | None = None  # when the link was lost last, and why
    dropped_why: str = ""


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was read last of what a device left in the book."""

    last: LastEvent | None = None
    lying: dict[str, Any] | None = None
    paper_low: bool = False


class Gatherer:
    """Everything the page is made of. Belongs to one event loop."""

    def __init__(
        self, *, describe: Callable[[], tuple[int, dict[str, Any]]], journal: Journal, supervisor: Supervisor,
        link: Link, clock: Clock, network: Network, enrolment: Callable[[], Standing],
        mistakes: Callable[[], tuple[str, ...]], kiosk_id: Callable[[], str], lag: Callable[[], float],
        state_dir: Path, min_free_bytes: int,
    ) -> None:  # fmt: skip
        """`enrolment` gives its `Standing`, `mistakes` those of the routing file, `lag` seconds."""
        self._describe = describe
        self._journal = journal
        self._supervisor = supervisor
        self._link = link
        self._clock = clock
        self.network = network
        self._enrolment = enrolment
        self._mistakes = mistakes
        self._lag = lag
        self._kiosk_id = kiosk_id
        self._state_dir = state_dir
        self._min_free = min_free_bytes
        self._read_at: float | None = None  # monotonic
        self._reading: asyncio.Task[None] | None = None
        self._kept: dict[str, _Kept] = {}
        self._operations: list[Recent] = []
        self._machine = Machine()

    @property
    def takes_codes(self) -> bool:
        """Whether the kiosk is to be set up before anything else."""
        return self._enrolment().takes_codes

    async def view(self) -> View:
        """How things stand."""
        await self._read()
        _, health = self._describe()
        devices = [self._device(watched) for watched in self._supervisor.all()]
        facts = self._facts(health, devices)
        return View(
            now=time.time(), advice=advise(facts), health=health, devices=devices, operations=self._operations,
            machine=self._machine, walk=self.network.last, walking=self.network.running,
            down_since=None if self._link.connected else self._link.since, takes_codes=self.takes_codes,
            kiosk_id=self._kiosk_id(), dropped_at=self._link.dropped_at, dropped_why=self._link.dropped_why,
        )  # fmt: skip

    async def close(self) -> None:
        """Nobody looks any more: leave the journal alone."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _facts(self, health: dict[str, Any], devices: list[DeviceView]) -> Facts:
        link, standing, walk = self._link, self._enrolment(), self.network.last
        now = time.time()
        down_for = health["uptime"] if link.since is None else max(0.0, now - link.since)
        free = self._machine.disk_free
        journal = self._journal.facts
        return Facts(
            uptime=health["uptime"], enrolment=standing.state, stuck=standing.is_stuck, connected=link.connected,
            down_for=down_for, link_trouble=link.trouble, failed=walk.first_failed if walk else None,
            walked=walk is not None and (link.since is None or walk.at >= link.since),
            clock_offset=self._clock.offset, journal_trouble=journal.trouble,
            disk_low=free is not None and free < 2 * self._min_free, in_doubt=health["queue"]["in_doubt"],
            unsettled=health["unsettled"], routes=len(health["routes"]), routes_mistakes=self._mistakes(),
            changes_wait=tuple(self._supervisor.waiting), loop_lag=self._lag(),
            devices=[each.facts for each in devices],
        )  # fmt: skip

    def _device(self, watched: Watched) -> DeviceView:
        kept = self._kept.get(watched.name, _Kept())
        status, order = watched.status, watched.order
        level = Level(kept.lying["state"]) if kept.lying and kept.lying.get("state") else Level.NORMAL
        worried = bool(trouble(watched, self._clock.now()))
        return DeviceView(
            name=watched.name, standing=standing(watched), lying=kept.lying, last=kept.last,
            capacity=watched.entry.owned.capacity,
            facts=DeviceFacts(
                name=watched.name, role=watched.role, state=status.state, words=status.words, code=status.code,
                late=worried or status.state is not DeviceState.ABSENT, in_service=order.in_service,
                order=order.reason, hindrance=watched.hindrance if order.in_service else "",
                circuit_open=not watched.circuit.admits, level=level, paper_low=kept.paper_low,
            ),
        )  # fmt: skip

    async def _read(self) -> None:
        """See to it that nothing is older than `READ_EVERY_S`; one reading at a time, whoever waits for it."""
        now = time.monotonic()
        if self._reading is None:
            if self._read_at is not None and now - self._read_at < READ_EVERY_S:
                return
            self._reading = asyncio.create_task(self._read_all(), name="page-facts")
            self._reading.add_done_callback(self._has_read)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_EVERY_S):  # a page says what it knows rather than nothing
                await asyncio.shield(self._reading)

    def _has_read(self, task: asyncio.Task[None]) -> None:
        self._reading, self._read_at = None, time.monotonic()
        if not task.cancelled():
            task.exception()

    async def _read_all(self) -> None:
        roles = [(each.name, each.role) for each in self._supervisor.all()]
        self._machine = await asyncio.to_thread(read_machine, self._state_dir)
        with contextlib.suppress(StorageError):
            self._operations = await self._journal.recent(OPERATIONS)
            self._kept = await self._journal.read(lambda book: {name: _look(book, name, role) for name, role in roles})


def _look(book: Book, name: str, role: str) -> _Kept:
    newest = None
    for kind in _EVENTS.get(role, ()):
        entry = book.last_entry(name, kind)
        if entry is not None and (newest is None or entry.n > newest.n):
            newest = entry
    last = None
    if newest is not None:
        last = LastEvent(kind=newest.kind, at=newest.at, data=msgspec.json.decode(newest.data, type=dict[str, Any]))
    paper = {kind: entry.n for kind in _PAPER if (entry := book.last_entry(name, kind)) is not None}
    low = bool(paper) and max(paper, key=lambda kind: paper[kind]) == "paper-low"
    return _Kept(last=last, lying=levels(book, name) if role in _MARKED else None, paper_low=low)
