"""What a long outage leaves behind: a kiosk's journal full of outcomes and events, and a hub that waits for them.

Both are written through the programs' own code, while the programs do not run.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import msgspec

from appliance.journal import Journal, Limits
from appliance.journal.jobs import Job
from appliance.journal.store import Begin
from appliance.journal.store import Store as JournalStore
from cloud.backends.keys import ApiKeys
from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.db.writer import Writer
from cloud.metrics import Metrics
from cloud.operations.operation import Operation, State
from cloud.operations.store import Store
from wire.messages import Error, Event, Executed, Request, Response

T = TypeVar("T")

OUTAGE_S = 72 * 3600.0
_EVENTS = 0.6  # of the rows; the others are outcomes
_GROUP = 500
_KINDS = ("bill-stacked", "bill-returned", "coin", "door-opened", "door-closed", "paper-low", "temperature", "network")
# Executed, the gateway's status, the problem, the state they make at the hub, how often.
_ENDINGS = (
    (Executed.YES, 200, "", "succeeded", 85),
    (Executed.YES, 402, "", "failed", 5),
    (Executed.NO, 0, "expired", "expired", 4),
    (Executed.NO, 0, "gateway-unreachable", "failed", 3),
    (Executed.UNKNOWN, 0, "interrupted", "unknown", 3),
)
# What the hub knows of an operation: sent, accepted, given up, or nothing at all, as it died before it wrote.
_KNOWN = ((State.SENT, 60), (State.ACCEPTED, 15), (State.UNKNOWN, 15), (None, 10))


class Outcome(msgspec.Struct, frozen=True):
    """An outcome as it stands in the journal, and the state that it must have at the hub in the end."""

    response: Response
    state: str


class Left(msgspec.Struct, frozen=True):
    """What an outage left: everything in the order in which it happened."""

    journal: str
    outcomes: list[Outcome]
    events: list[int]  # the numbers in their data
    cut_off: list[str]  # operations that were begun and not ended
    never_heard: list[str]  # which the hub sent, and the kiosk never got

    @property
    def rows(self) -> int:
        """How many rows have to reach the hub."""
        return len(self.outcomes) + len(self.events)


def leave(
    state_dir: Path, database: Path, kiosk: str, chance: random.Random, *, rows: int, first: int = 0
) -> Left:  # fmt: skip
    """Write an outage of so many rows into a kiosk's journal and a hub's database. `first` is the first number."""
    left, sent = asyncio.run(_fill(state_dir, chance, rows, first))
    asyncio.run(_tell_hub(database, kiosk, left.journal, sent))
    return left


async def _fill(state_dir: Path, chance: random.Random, rows: int, first: int) -> tuple[Left, list[tuple[str, State]]]:
    """The journal; returns as well what the hub knows of it."""
    began = time.time() - OUTAGE_S
    count = int(rows * (1 - _EVENTS))
    outcomes = [_outcome(f"outage-{first + n:07}", chance) for n in range(count)]
    names = [outcome.response.request_id for outcome in outcomes]
    events = list(range(first, first + rows - count))
    cut_off = [f"cut-off-{first + n:07}" for n in range(3)]
    never_heard = [f"never-heard-{first + n:07}" for n in range(max(5, rows // 80))]
    clock = _clock(began, OUTAGE_S / rows)
    journal = Journal(state_dir, limits=Limits(), clock=clock.__next__, boot_id="before")
    await journal.open()
    try:
        left = Left(journal.id, outcomes, events, cut_off, never_heard)
        together = max(1, round(_GROUP * len(outcomes) / rows))
        for some in zip_longest(_cut(outcomes, together), _cut(events, _GROUP - together), fillvalue=()):
            # As one job: a commit for each of them would take minutes.
            await journal._ask(Job(partial(_write, some=some, clock=clock, chance=chance)))
        for name in cut_off:
            await journal.begin(_request(name))
        facts = journal.facts
        if facts.trouble:
            raise RuntimeError(f"the journal took not all: {facts.trouble}")
    finally:
        await journal.close()
    known = [(name, _weighted(_KNOWN, chance)) for name in names]
    sent = [(name, state) for name, state in known if state is not None]
    sent += [(name, State.SENT) for name in (*cut_off, *never_heard)]
    return left, sent


def _write(
    store: JournalStore, *, some: tuple[Sequence[Outcome], Sequence[int]], clock: Iterator[float], chance: random.Random
) -> None:  # fmt: skip
    outcomes, events = some
    for outcome in outcomes:
        request = _request(outcome.response.request_id)
        store.begin(
            Begin(request.request_id, request.operation, request.method, bytes(request.body), 1, next(clock))
        )  # fmt: skip
        store.finish(outcome.response, next(clock))
    for n in events:
        data = msgspec.Raw(msgspec.json.encode(_event(n, chance)))
        store.add_event(Event(seq=0, at=next(clock), kind=chance.choice(_KINDS), data=data))


async def _tell_hub(
    database: Path, kiosk: str, journal: str, sent: Sequence[tuple[str, State]]
) -> None:  # fmt: skip
    began = time.time() - OUTAGE_S
    engine = open_engine(f"sqlite+aiosqlite:///{database}")
    await migrate(engine)
    writer = Writer(engine, Metrics())
    writer.start()
    store = Store(engine, writer, ApiKeys(engine))
    try:
        step = OUTAGE_S / max(1, len(sent))
        for start in range(0, len(sent), 10 * _GROUP):
            writing = []
            for n, (name, state) in enumerate(sent[start : start + 10 * _GROUP], start):
                at = began + n * step
                writing.append(
                    store.put(
                        Operation(
                            request_id=name, kiosk_id=kiosk, operation="fiscal", method="POST", state=state,
                            body=b'{"check_id":"%b"}' % name.encode(), journal=journal, created_at=at, sent_at=at,
                            problem="timeout" if state is State.UNKNOWN else None,
                        )
                    )
                )  # fmt: skip
            await asyncio.gather(*writing)
    finally:
        await writer.stop()
        await engine.dispose()


def _outcome(name: str, chance: random.Random) -> Outcome:
    executed, status, problem, state = _weighted([(ending[:4], ending[4]) for ending in _ENDINGS], chance)
    body = {"check_id": name, "status": "success" if status == 200 else "declined", "note": "x" * chance.randrange(200)}
    response = Response(
        request_id=name, operation="fiscal", executed=executed, status=status, elapsed=round(chance.uniform(0.1, 9), 3),
        body=msgspec.Raw(msgspec.json.encode(body if status else {})),
        error=Error(problem, "told by an outage") if problem else None,
    )  # fmt: skip
    return Outcome(response, state)


def _request(name: str) -> Request:
    body = msgspec.Raw(msgspec.json.encode({"check_id": name, "sum": 100}))
    return Request(request_id=name, operation="fiscal", body=body)


def _event(n: int, chance: random.Random) -> dict[str, object]:
    return {"n": n, "value": chance.randrange(10**6), "note": "x" * chance.randrange(60)}


def _clock(began: float, step: float) -> Iterator[float]:
    at = began
    while True:
        yield at
        at += step / 3  # asked about three times a row


def _cut(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _weighted(weighted: Sequence[tuple[T, int]], chance: random.Random) -> T:
    return chance.choices([item for item, _weight in weighted], [weight for _item, weight in weighted])[0]
