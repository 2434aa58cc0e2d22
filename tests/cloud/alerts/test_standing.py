"""What kiosks tell of their troubles stands in the hub's database as long as it holds, and no longer."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.alerts.alert import Condition
from cloud.alerts.standing import OPEN_MAX, Standing
from cloud.alerts.told import KINDS
from cloud.db.engine import open_engine
from cloud.db.tables import kiosks
from cloud.db.writer import Writer
from cloud.metrics import Metrics
from tests.cloud.hub import Json, Kiosk, database_of, execute, rows, running
from wire.messages import Event

NOW = 1_800_000_000.0
HOUR, DAY = 3600.0, 86400.0
FAULT = {"state": "fault", "was": "ready", "code": "47", "words": "jammed"}


class Room:
    """The rows, and the writer that writes them; the clock is moved by hand."""

    def __init__(self, engine: AsyncEngine, writer: Writer) -> None:
        self.now = NOW
        self.named: dict[str, list[str]] = {}
        self.engine, self.writer = engine, writer
        self.standing = Standing(engine, lambda: self.named, lambda: self.now)
        self._seqs = count(1)

    async def tell(self, *told: tuple[str, str, Any], kiosk: str = "k1", at: float | None = None) -> None:
        """Events (kind, device, data) that come together."""
        made = []
        for kind, device, data in told:
            raw = data if isinstance(data, bytes) else json.dumps(data).encode()
            event = Event(
                seq=next(self._seqs), at=self.now if at is None else at, kind=kind, device=device, data=msgspec.Raw(raw)
            )
            made += [row for each in self.standing.beside if (row := each(kiosk, event)) is not None]
        if made:
            (first, values), *more = made
            await self.writer.write(first, values, *more)

    async def state(self, device: str, state: str, **more: Any) -> None:
        """A device's state."""
        await self.tell(("state-changed", device, {"state": state, "was": "ready", "code": "", "words": "", **more}))

    async def said(self) -> list[tuple[str, str]]:
        """Kind and subject of what stands."""
        return sorted((each.kind, each.subject) for each in await self.standing.rows())

    async def only(self) -> Condition:
        """The one that stands."""
        (one,) = await self.standing.rows()
        return one


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Room]:
    """On a database without rows."""
    execute(directory)
    engine = open_engine(database_of(directory))
    writer = Writer(engine, Metrics())
    writer.start()
    try:
        yield Room(engine, writer)
    finally:
        await writer.stop()
        await engine.dispose()


async def test_what_holds_is_closed_by_what_ends_it_in_the_order_it_was_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as room:
        ready = {"state": "ready", "was": "fault"}
        await room.tell(("state-changed", "bills", FAULT), ("state-changed", "bills", ready))
        assert await room.said() == []
        await room.tell(*[("state-changed", "bills", each) for each in (FAULT, ready, FAULT, ready, FAULT)])
        assert await room.said() == [("device-fault", "bills")]
        assert (await room.only()).data == {"code": "47", "words": "jammed"}
        await room.tell(("state-changed", "bills", {"state": "absent"}), ("state-changed", "coins", FAULT))
        assert await room.said() == [("device-absent", "bills"), ("device-fault", "coins")]
        await room.state("bills", "starting")
        await room.state("coins", "starting")  # that it is well again is not known yet
        assert await room.said() == [("device-fault", "coins")]
        await room.state("coins", "disabled")
        assert await room.said() == []


async def test_it_began_when_it_was_told_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as room:
        await room.tell(("state-changed", "bills", FAULT), at=NOW - 5)
        room.now += 600
        await room.tell(("state-changed", "bills", {**FAULT, "code": "48"}))
        one = await room.only()
        assert (one.since, one.data["code"]) == (NOW - 5, "48")
        await room.state("bills", "ready")
        await room.tell(("state-changed", "bills", FAULT))
        assert (await room.only()).since == NOW + 600


async def test_no_clock_of_a_kiosk_keeps_open_or_reopens_anything(tmp_path: Path) -> None:
    async with opened(tmp_path) as room:
        await room.tell(("state-changed", "bills", FAULT), at=NOW + 365 * DAY)
        assert (await room.only()).since == NOW
        await room.tell(("state-changed", "bills", {"state": "ready"}), at=0.0)
        assert await room.said() == []
        await room.tell(("state-changed", "bills", FAULT), at=0.0)
        assert (await room.only()).since == NOW
        await room.tell(("state-changed", "coins", FAULT), at=NOW - 3 * DAY)  # it was offline for three days
        assert {each.since for each in await room.standing.rows()} == {NOW, NOW - 3 * DAY}


@pytest.mark.parametrize(
    ("told", "stands"),
    [
        ([("level-near-full", "bills", {"count": 540, "capacity": 600})], [("cassette-near-full", "bills")]),
        ([("level-near-full", "b", {}), ("level-full", "b", {})], [("cassette-full", "b")]),
        ([("level-full", "b", {}), ("collection", "b", {"by": "cassette"})], []),
        ([("level-full", "b", {}), ("level-normal", "b", {})], []),
        ([("level-near-empty", "h", {}), ("level-empty", "h", {})], [("hopper-empty", "h")]),
        ([("level-empty", "h", {}), ("level-near-empty", "h", {})], [("hopper-near-empty", "h")]),
        ([("level-empty", "h", {}), ("collection", "h", {"by": "action"})], [("hopper-empty", "h")]),
        ([("cassette-removed", "b", {})], [("cassette-removed", "b")]),
        ([("cassette-removed", "b", {}), ("cassette-returned", "b", {})], []),
        ([("cassette-removed", "b", {}), ("collection", "b", {"by": "cassette-unseen"})], []),
        ([("cassette-removed", "b", {}), ("collection", "b", {"by": "action"})], [("cassette-removed", "b")]),
        ([("cassette-full", "b", {}), ("state-changed", "b", FAULT)], [("cassette-full", "b")]),
        ([("cassette-full", "b", {}), ("state-changed", "b", {"state": "ready"})], []),
        ([("level-full", "b", {}), ("state-changed", "b", {"state": "ready"})], [("cassette-full", "b")]),
        ([("cassette-full", "b", {}), ("level-full", "b", {})], [("cassette-full", "b")]),
        ([("state-changed", "b", FAULT), ("cassette-removed", "b", {})], [("cassette-removed", "b")]),
        ([("paper-out", "p", {}), ("state-changed", "p", FAULT)], [("paper-out", "p")]),
        ([("paper-out", "p", {}), ("paper-returned", "p", {}), ("paper-low", "p", {})], [("paper-low", "p")]),
        ([("paper-low", "p", {}), ("paper-out", "p", {})], [("paper-out", "p")]),
        # It was filled while nobody was there to see.
        ([("paper-out", "p", {}), ("started", "", {}), ("state-changed", "p", {"state": "ready"})], []),
        ([("paper-low", "p", {}), ("state-changed", "p", {"state": "ready"})], [("paper-low", "p")]),
        ([("paper-low", "p", {}), ("started", "", {})], []),
        ([("circuit-opened", "b", {"words": "no answer"})], [("device-fault", "b")]),
        ([("circuit-opened", "b", {}), ("circuit-closed", "b", {})], []),
        ([("circuit-opened", "b", {}), ("state-changed", "b", FAULT), ("started", "", {})], [("device-fault", "b")]),
        ([("tampered", "c", {"code": "2", "words": "a coin on a string"})], [("device-fault", "c")]),
        (
            [("document-pending", "r", {"reference": "A/receipt", "reason": "no paper"})],
            [("receipt-pending", "A/receipt")],
        ),
        ([("document-pending", "r", {"reference": "A"}), ("document-registered", "r", {"reference": "A"})], []),
        ([("document-pending", "r", {"reference": "A"}), ("document-refused", "r", {"reference": "A"})], []),
        (
            [("document-pending", "r", {"reference": "A"}), ("document-registered", "r", {"reference": "B"})],
            [("receipt-pending", "A")],
        ),
        (
            [("document-pending", "r", {"reference": "A"}), ("document-unclear", "r", {"reference": "A"})],
            [("receipt-unclear", "A")],
        ),
        ([("document-unclear", "r", {"reference": "A"}), ("document-registered", "r", {"reference": "A"})], []),
        ([("document-unclear", "", {"request_id": "R-1", "words": "lost"})], [("receipt-unclear", "R-1")]),
        (
            [("document-pending", "r", {"reference": "A"}), ("work-interrupted", "", {"id": "A", "kind": "fiscal"})],
            [("receipt-unclear", "A")],
        ),
        ([("work-interrupted", "", {"id": "A", "kind": "cash"})], []),
        ([("cash-owed", "", {"claim": "CD47-KPX3", "owed": 5000, "currency": "KZT"})], [("cash-owed", "CD47-KPX3")]),
        ([("cash-owed", "", {"claim": "C"}), ("claim-settled", "", {"claim": "C"})], []),
        ([("cash-owed", "", {"claim": "C"}), ("cash-cleared", "", {"claim": "C"})], [("cash-owed", "C")]),
        ([("cash-owed", "", {"claim": "C"}), ("cash-cleared", "", {"claim": "C", "stands": False})], []),
        (
            [("claim-settled", "", {"claim": "C"}), ("cash-unclaimed", "", {"claim": "C", "amount": 5})],
            [("cash-owed", "C")],
        ),
        ([("payment-unclear", "", {"request_id": "R-2", "amount": 1000})], [("payment-unclear", "R-2")]),
        ([("reconciliation", "", {"differences": [{"what": "note"}]})], [("reconciliation", "")]),
        ([("reconciliation", "", {"differences": [{}]}), ("reconciliation", "", {"differences": []})], []),
        (
            [("journal-damaged", "", {"reason": "torn"}), ("events-dropped", "", {"count": 7})],
            [("kiosk-journal", "events-dropped"), ("kiosk-journal", "journal-damaged")],
        ),
        ([("disk-low", "", {"free": 20_000_000, "limit": 33_554_432})], [("kiosk-disk", "")]),
        ([("disk-low", "", {}), ("disk-ok", "", {})], []),
        ([("clock-wrong", "", {"offset_s": -86400.5})], [("kiosk-clock", "")]),
        ([("clock-wrong", "", {}), ("clock-right", "", {})], []),
        ([("journal-trouble", "", {"reason": "the disk is nearly full"})], [("kiosk-journal", "")]),
        ([("disk-low", "", {}), ("clock-wrong", "", {}), ("journal-trouble", "", {}), ("started", "", {})], []),
        ([("bill-stacked", "b", {"bill": {}}), ("operation-unknown", "", {}), ("update-failed", "", {})], []),
    ],
)  # fmt: skip
async def test_what_is_told_and_what_stands_then(
    tmp_path: Path, told: list[tuple[str, str, Json]], stands: list[tuple[str, str]]
) -> None:
    async with opened(tmp_path) as room:
        await room.tell(*told)
        assert await room.said() == stands


async def test_a_fault_of_before_its_cause_is_told_as_well(tmp_path: Path) -> None:
    async with opened(tmp_path) as room:
        await room.tell(("state-changed", "bills", FAULT))
        room.now += 60
        await room.tell(("cassette-removed", "bills", {}))  # somebody came for the jam
        assert await room.said() == [("cassette-removed", "bills"), ("device-fault", "bills")]


async def test_a_shift_is_old_by_the_hubs_clock(tmp_path: Path) -> None:
    async with opened(tmp_path) as room:
        await room.tell(("shift-opened", "register", {"shift": 7}))
        room.now += 22.9 * HOUR
        assert await room.said() == []
        room.now += 0.2 * HOUR
        assert await room.said() == [("shift-old", "register")]
        assert (await room.only()).since == NOW
        assert await room.standing.rows(shift_old=25 * HOUR) == []
        await room.tell(("shift-opened", "register", {"shift": 7, "found": True}))  # the kiosk was started again
        assert await room.said() == [("shift-old", "register")]
        await room.tell(("shift-opened", "register", {"shift": 8}))  # the one before was closed by hand
        assert await room.said() == []
        await room.tell(("shift-opened", "register", {"shift": 8, "found": True, "state": "expired"}))
        assert await room.said() == [("shift-old", "register")]
        await room.tell(("shift-closed", "register", {"shift": 8}))
        assert await room.said() == []


async def test_what_nobody_will_say_is_over_ends_by_itself(tmp_path: Path) -> None:
    async with opened(tmp_path) as room:
        await room.tell(
            ("tampered", "coins", {}),
            ("journal-damaged", "", {}),
            ("payment-unclear", "", {"request_id": "R"}),
            ("cash-owed", "", {"claim": "C"}),
            ("state-changed", "coins", {"state": "absent"}),
        )
        left = []
        for later in (0.5 * HOUR, HOUR, DAY, 7 * DAY, 30 * DAY):
            room.now += later
            await room.standing.sweep()
            left.append(len(await room.said()))
        assert left == [5, 4, 3, 2, 1]
        assert await room.said() == [("device-absent", "coins")]


async def test_a_device_that_the_kiosk_has_no_more_says_nothing_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as room:
        await room.tell(
            ("state-changed", "old", FAULT), ("state-changed", "bills", FAULT), ("cash-owed", "", {"claim": "C"})
        )
        room.named = {"k1": ["bills"], "k2": []}
        room.now += 60
        await room.standing.sweep()  # it may be new, and not named yet
        assert len(await room.said()) == 3
        room.now += 300
        await room.standing.sweep()
        assert await room.said() == [("cash-owed", "C"), ("device-fault", "bills")]
        room.named = {}  # it is offline: nobody knows
        await room.standing.sweep()
        assert len(await room.said()) == 2


async def test_no_kiosk_fills_the_database(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path) as room:
        await room.tell(("state-changed", "bills", FAULT), kiosk="k2")
        for n in range(1000):
            await room.tell(("state-changed", f"d{n}", FAULT))
        assert rows(tmp_path, "SELECT count(*) FROM standing") == [(2 * OPEN_MAX + 1,)]
        room.now += 1
        await room.standing.sweep()
        assert rows(tmp_path, "SELECT count(*) FROM standing WHERE kiosk_id = 'k1'") == [(OPEN_MAX,)]
        await room.tell(("state-changed", "new", FAULT))
        await room.standing.sweep()
        assert ("device-fault", "new") in await room.said()
        for n in range(OPEN_MAX + 50):  # closed ones are as many at most
            await room.tell(("state-changed", f"e{n}", FAULT), ("state-changed", f"e{n}", {"state": "ready"}))
        await room.standing.sweep()
        assert rows(tmp_path, "SELECT count(*) FROM standing WHERE kiosk_id = 'k1' AND NOT open") == [(OPEN_MAX,)]
        assert ("device-fault", "bills") in await room.said()
    assert [record.message for record in caplog.records].count("a kiosk tells of more troubles than are kept") == 1


async def test_what_is_over_is_forgotten_after_a_day_and_a_removed_kiosk_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as room:
        async with room.engine.begin() as connection:
            new = {"name": "", "enabled": False, "generation": 0, "created_at": NOW, "revision": 1}
            for kiosk, removed in (("k1", False), ("k2", True)):
                await connection.execute(insert(kiosks).values(id=kiosk, removed=removed, **new))
        await room.tell(("state-changed", "bills", FAULT), ("state-changed", "coins", FAULT))
        await room.tell(("state-changed", "bills", FAULT), kiosk="k2")
        await room.state("bills", "ready")
        assert await room.said() == [("device-fault", "coins")]
        await room.standing.sweep()
        assert rows(tmp_path, "SELECT kiosk_id, subject FROM standing ORDER BY subject") == [
            ("k1", "bills"),
            ("k1", "coins"),
        ]
        room.now += 25 * HOUR
        await room.standing.sweep()
        assert rows(tmp_path, "SELECT kiosk_id, subject FROM standing") == [("k1", "coins")]


BAD: list[Any] = [
    b"null", b"[]", b'"text"', b"7", b"{}", b'{"state": null}', b'{"state": ["fault"]}',
    b'{"state": "fault", "words": 1e999}',
    b'{"state": "fault", "words": "a\\u0000b\\ud800", "code": {}}', b'{"reference": {}, "claim": [], "request_id": 1}',
    b'{"differences": {"0": 1}, "shift": true}', b'{"differences": [' + b"0," * 100_000 + b"0]}",
    b'{"reference": "' + b"r" * 300 + b'", "claim": "' + b"c" * 300 + b'", "state": "absent"}',
    b'{"free": 1' + b"0" * 400 + b', "offset": 1' + b"0" * 400 + b"}",
    b'{"state": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", b'{"offset": -1e308, "free": 123456789012345678901234567890}',
]  # fmt: skip


async def test_whatever_a_kiosk_says_is_stored_or_passed_over(tmp_path: Path) -> None:
    """Of each kind there is, and written, whatever the database: a row it refuses would be told again for ever."""
    async with opened(tmp_path) as room:
        for kind in sorted(KINDS):
            for data in BAD:
                for device in ("bills", "d" * 300, "a\0b", "\u202e"):
                    await room.tell((kind, device, data))
            await room.standing.sweep()
        assert all(len(subject) <= 64 and "\0" not in subject for _, subject in await room.said())
        for (data,) in rows(tmp_path, "SELECT data FROM standing"):
            assert len(data) < 2000
            assert all(isinstance(value, str | int | float | None) for value in json.loads(data).values())


async def tell(kiosk: Kiosk, seq: int, kind: str, device: str, **data: Any) -> None:
    await kiosk.say("event", seq=seq, at=NOW, kind=kind, device=device, data=data)
    while (await kiosk.hear("event_ack"))["seq"] != seq:
        pass


async def test_it_is_written_with_the_event(tmp_path: Path) -> None:
    def open_rows() -> list[tuple[Any, ...]]:
        return rows(tmp_path, "SELECT kiosk_id, kind, subject FROM standing WHERE open")

    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        await tell(kiosk, 1, "started", "")
        await tell(kiosk, 2, "paper-out", "printer")
        assert open_rows() == [("kiosk_001", "paper-out", "printer")]
        await tell(kiosk, 3, "paper-returned", "printer")
        assert open_rows() == []
        assert rows(tmp_path, "SELECT count(*) FROM events") == [(3,)]
