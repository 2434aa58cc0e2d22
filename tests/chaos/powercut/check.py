"""Opens what a cut left with the real journal, and holds it against what was promised."""

import hashlib
import random
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from appliance.journal import Journal
from appliance.journal.jobs import Job
from appliance.journal.store import Store
from tests.chaos.powercut.disk import Disk, Image, Mark, Op, Sync
from tests.chaos.powercut.facts import Facts, Kept, Remains
from tests.chaos.powercut.record import lay_out
from tests.chaos.powercut.story import DIRECTORY, LIMITS, RESERVE_BYTES


class Tally(msgspec.Struct):
    """What was checked, and what was found."""

    prefixes: int = 0
    states: int = 0  # rebuilt and held against the promises
    opened: int = 0  # of these, all different: opened with the journal
    facts: int = 0
    breaches: list[str] = msgspec.field(default_factory=list)

    def breach(self, words: str) -> None:
        """Note what is broken; the first few tell enough."""
        if len(self.breaches) < 50:
            self.breaches.append(words)


class Checker:
    """Opens states, each different one once. `place` is where their files are laid out."""

    def __init__(self, place: Path, tally: Tally, rng: random.Random) -> None:
        self._place = place
        self.tally = tally
        self.rng = rng
        self._known: dict[bytes, Remains] = {}

    async def check(self, image: Image, facts: Facts, where: str) -> None:
        """Hold one state against the promises made until then."""
        remains = await self.remains(image)
        self.tally.states += 1
        self.tally.facts += facts.count()
        for words in facts.judge(remains):
            self.tally.breach(f"{where}: {words}")

    async def remains(self, image: Image) -> Remains:
        """What the real journal makes of it."""
        digest = _digest(image)
        if digest not in self._known:
            self._known[digest] = await self._open(image)
            self.tally.opened += 1
        return self._known[digest]

    async def _open(self, image: Image) -> Remains:
        place = self._place / f"state-{self.tally.opened}"
        lay_out(image, place)
        try:
            return await read(place)
        finally:
            shutil.rmtree(place)


async def read(place: Path) -> Remains:
    """Open the journal under this root, ask it everything, close it."""
    journal = Journal(
        place / DIRECTORY, limits=LIMITS, clock=time.time, boot_id="after", reserve_bytes=RESERVE_BYTES
    )  # fmt: skip
    await journal.open()
    try:
        trouble = journal.facts.trouble
        if trouble:
            return Remains(journal.id, journal.facts.notices, trouble, (), frozenset(), (), (), {})
        return Remains(
            journal.id, journal.facts.notices, trouble,
            tuple(sorted(path.name for path in (place / DIRECTORY).glob("journal.damaged-*"))),
            frozenset(row.request_id for row in await journal.in_doubt()),
            tuple(await journal.unsettled(100_000, frozenset())),
            tuple(await journal.events(100_000, 0)),
            await journal._ask(Job(_rows, writes=False)),
        )  # fmt: skip
    finally:
        await journal.close()


def _rows(store: Store) -> dict[str, Kept]:
    found: Iterable[Any] = store.connection.execute(
        "SELECT request_id, operation, method, body, state, response FROM operations"
    )
    return {row[0]: Kept(row[1], row[2], bytes(row[3] or b""), row[4], row[5]) for row in found}


def _digest(image: Image) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for path, content in sorted(image.items()):
        digest.update(repr((path, None if content is None else len(content))).encode())
        digest.update(content or b"")
    return digest.digest()


class Depth(msgspec.Struct, frozen=True):
    """How many states are tried at each cut besides nothing kept and everything kept. See `Disk.states`."""

    singles: int
    randoms: int
    at: Any = object  # cut only after these: `Mark` is where promises are made


class Moment:
    """The disk, and what was promised until now."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.facts = Facts()

    def pass_by(self, op: Op) -> None:
        """One thing happens."""
        if isinstance(op, Mark):
            self.facts.hear(op)
        else:
            self.disk.apply(op)
            self.facts.disk_failed = self.facts.disk_failed or (isinstance(op, Sync) and op.failed)


async def cut_everywhere(moment: Moment, log: Iterable[Op], checker: Checker, depth: Depth, name: str) -> None:
    """Cut after each operation of a record, and check each state the disk may be left in.

    `moment` is moved on to the record's end. `name` says in breaches which record it was.
    """
    for position, op in enumerate(log):
        moment.pass_by(op)
        if not isinstance(op, depth.at):
            continue
        checker.tally.prefixes += 1
        states = moment.disk.states(checker.rng, singles=depth.singles, randoms=depth.randoms)
        for number, image in enumerate(states):
            await checker.check(image, moment.facts, f"{name}, cut after {position}, state {number}")
