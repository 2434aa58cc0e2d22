"""The same for the hub's database: what a key stands for and what `settled` let a kiosk forget survives a cut."""

import errno
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from tests.chaos.powercut.check import Checker, Depth, Tally
from tests.chaos.powercut.disk import Disk, Image, Mark, Op
from tests.chaos.powercut.record import Recorder, lay_out
from tests.cloud.hub import Json, Kiosk, empty_database, running

_DATABASE = "hub.db"


class Promises(msgspec.Struct):
    """What the hub said so far."""

    reserved: dict[str, str] = {}  # key → the operation that was sent for it
    settled: dict[str, bytes] = {}  # operation → its answer
    events: set[int] = set()  # acknowledged

    def hear(self, mark: Mark) -> None:
        """One thing more."""
        if mark.kind == "reserved":
            self.reserved[mark.about] = mark.value
        elif mark.kind == "settled":
            self.settled[mark.about] = mark.value
        else:
            self.events.add(mark.value)

    def count(self) -> int:
        """How many promises that is."""
        return len(self.reserved) + len(self.settled) + len(self.events)


class _Found(msgspec.Struct, frozen=True):
    """What is in the database after a cut."""

    verdict: str
    operations: dict[str, tuple[str | None, str, bytes | None]]  # key, state, answer
    events: frozenset[int]


async def work(recorder: Recorder, operations: int, first: int = 0) -> None:
    """A hub that sends operations with keys, stores their outcomes and a kiosk's events; then stops."""
    with recorder.recording():
        async with running(recorder.root) as hub, hub.kiosk() as kiosk:
            for number in range(first, first + operations):
                key = f"key-{number}"
                asked = hub.sending({"n": number}, key=key)
                while (request := await _hear(kiosk, "request"))["body"] != {"n": number}:
                    await kiosk.refuse(request, "expired")  # what an earlier life never came to send
                recorder.mark("reserved", key, request["request_id"])
                await kiosk.say("accepted", request_id=request["request_id"])
                await kiosk.answer(request, {"n": number})
                while (await _hear(kiosk, "settled"))["request_id"] != request["request_id"]:
                    pass
                recorder.mark("settled", request["request_id"], json.dumps({"n": number}).encode())
                await asked
                seq = number - first + 1
                await kiosk.say("event", seq=seq, at=1.0, kind="door", data={"n": number})
                while (await _hear(kiosk, "event_ack"))["seq"] < seq:
                    pass
                recorder.mark("events", value=seq)


async def _hear(kiosk: Kiosk, kind: str) -> Json:
    """The next message of that kind."""
    while (message := await kiosk.hear())["type"] != kind:
        pass
    return message


async def work_on_a_failing_disk(recorder: Recorder) -> None:
    """A hub whose disk fails from some moment on, until it is stopped."""
    with recorder.recording():
        async with running(recorder.root) as hub, hub.kiosk():
            recorder.fault = lambda kind, _name: errno.EIO if kind == "sync" else 0
            answer = await hub.send({"n": "lost"}, key="lost")
            assert (answer.status_code, answer.json()["outcome"]) == (503, "not_executed"), answer.text
    recorder.fault = lambda _kind, _name: 0


def recorder(root: Path) -> Recorder:
    """A recorder of a hub's directory with a migrated database in it."""
    return Recorder(root, Disk.holding({_DATABASE: empty_database()}))


def cut_everywhere(
    place: Path, record: Iterable[Op], checker: Checker, depth: Depth, disk: Disk | None = None
) -> Image:
    """Cut after each operation of a record. Returns one of the last states, with everything promised in it.

    `disk` is what it began on, a new database if not given.
    """
    tally, promises = checker.tally, Promises()
    disk = disk or Disk.holding({_DATABASE: empty_database()})
    known: dict[bytes, _Found] = {}
    image: Image = {}
    for position, op in enumerate(record):
        if isinstance(op, Mark):
            promises.hear(op)
        else:
            disk.apply(op)
        if not isinstance(op, depth.at):
            continue
        tally.prefixes += 1
        states = disk.states(checker.rng, singles=depth.singles, randoms=depth.randoms)
        for number, image in enumerate(states):
            digest = hashlib.blake2b(repr(sorted(image.items())).encode()).digest()
            if digest not in known:
                known[digest] = _read(place, image)
                tally.opened += 1
            tally.states += 1
            tally.facts += promises.count()
            for words in _judge(known[digest], promises):
                tally.breach(f"the hub, cut after {position}, state {number}: {words}")
    return image


async def replay(place: Path, image: Image, recorder: Recorder, tally: Tally) -> None:
    """Start the real hub on what is left, and repeat every key: each gives the answer it gave."""
    lay_out(image, place)
    promises = Promises()
    for op in recorder.log:
        if isinstance(op, Mark):
            promises.hear(op)
    async with running(place) as hub:
        for key, request_id in promises.reserved.items():
            answer = await hub.send({"n": int(key.partition("-")[2])}, key=key)
            if (answer.content, answer.headers.get("idempotent-replayed")) != (promises.settled[request_id], "true"):
                tally.breach(f"the hub, started after a cut, answers {key} with {answer.status_code} {answer.text}")
    shutil.rmtree(place)


def _read(place: Path, image: Image) -> _Found:
    lay_out(image, place)
    try:
        with closing(sqlite3.connect(place / _DATABASE)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            rows = connection.execute("SELECT request_id, idempotency_key, state, answer FROM operations")
            operations = {row[0]: (row[1], row[2], row[3]) for row in rows}
            return _Found(
                verdict, operations, frozenset(seq for (seq,) in connection.execute("SELECT seq FROM events"))
            )
    except sqlite3.Error as error:
        return _Found(str(error), {}, frozenset())
    finally:
        shutil.rmtree(place)


def _judge(found: _Found, promises: Promises) -> Iterator[str]:
    if found.verdict != "ok":
        yield f"the database is broken: {found.verdict}"
    for key, request_id in promises.reserved.items():
        if request_id not in found.operations:
            yield f"{key} was sent as {request_id}, and is free again"
        elif found.operations[request_id][0] != key:
            yield f"{request_id} has lost its key {key}"
    for request_id, told in promises.settled.items():
        _key, state, answer = found.operations.get(request_id, (None, "", None))
        if (state, answer) != ("succeeded", told):
            yield f"{request_id} was settled, and is {state!r} with {answer!r}"
    if lost := promises.events - found.events:
        yield f"events were acknowledged and are lost: {sorted(lost)}"
