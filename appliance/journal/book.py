"""The desk's part of the journal: what devices remember, what moved, and the work that is under way.

    pages     one a device: what its driver remembers, replaced as a whole; those of rooms have a / in their name
    entries   the book: events of devices and records of the desk, each written once, in the order it happened
    works     what was begun and must be brought to an end whatever happens: a cash session, a document, a slip
    tallies   how many of each denomination lie where, moved only together with the entry that says why

Every function that writes is carried out a second time after a commit that failed and may have been kept: an entry's
`nonce`, chosen before, makes that harmless. Synchronous; only the writer's thread calls it.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from wire.messages import Event
from wire.money import Money


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the book. `n` is its place, 0 before it is written; it grows, and leaves numbers out."""

    nonce: int
    at: float
    kind: str
    data: msgspec.Raw
    device: str = ""
    work: str = ""
    n: int = 0


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Something begun. `id` is the request's, with a suffix where one request has several; `result` ends it."""

    id: str
    kind: str
    begun_at: float
    data: msgspec.Raw
    result: msgspec.Raw | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.result is None


class Book:
    """The tables, on the writer's connection, within its transaction."""

    def __init__(self, connection: sqlite3.Connection, add_event: Callable[..., None]) -> None:
        self._connection = connection
        self._add_event = add_event
        self.told = False  # something was told since this was set to False

    # Pages

    def page(self, device: str) -> dict[str, Any]:
        """What a device's driver remembers; empty for one that was never seen."""
        row = self._connection.execute("SELECT memory FROM pages WHERE device = ?", (device,)).fetchone()
        return {} if row is None else msgspec.json.decode(row[0], type=dict[str, Any])

    def put_page(self, device: str, memory: Mapping[str, object]) -> None:
        """Replace it."""
        self._connection.execute(
            "INSERT INTO pages (device, memory) VALUES (?1, ?2) ON CONFLICT (device) DO UPDATE SET memory = ?2",
            (device, msgspec.json.encode(dict(memory))),
        )

    # Entries

    def enter(self, entry: Entry) -> bool:
        """Write a line. False when it stands there already: then nothing that goes with it is to be done again."""
        return bool(
            self._connection.execute(
                "INSERT INTO entries (nonce, at, device, work, kind, data) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (nonce) DO NOTHING",
                (entry.nonce, entry.at, entry.device, entry.work, entry.kind, bytes(entry.data)),
            ).rowcount
        )

    def entries(
        self,
        *,
        work: str | None = None,
        device: str | None = None,
        kinds: Collection[str] = (),
        after: int = 0,
        limit: int = 10_000,
        newest: bool = False,
    ) -> list[Entry]:
        """Lines in the order they were written; where they are more than `limit` its first, or its `newest`."""
        where, given = ["n > ?"], [after]  # type: tuple[list[str], list[object]]
        if work is not None:
            where.append("work = ? AND work <> ''")
            given.append(work)
        if device is not None:
            where.append("device = ?")
            given.append(device)
        if kinds:
            where.append(f"kind IN ({', '.join('?' * len(kinds))})")
            given += kinds
        rows = self._connection.execute(
            "SELECT n, nonce, at, device, work, kind, data FROM entries"  # noqa: S608 - only our own words
            f" WHERE {' AND '.join(where)} ORDER BY n {'DESC' if newest else ''} LIMIT ?",
            (*given, limit),
        )
        found = [_entry(row) for row in rows]
        return found[::-1] if newest else found

    def last_entry(self, device: str, kind: str) -> Entry | None:
        """The newest line of a kind."""
        row = self._connection.execute(
            "SELECT n, nonce, at, device, work, kind, data FROM entries WHERE device = ? AND kind = ?"
            " ORDER BY n DESC LIMIT 1",
            (device, kind),
        ).fetchone()
        return None if row is None else _entry(row)

    def find_entry(self, nonce: int) -> Entry | None:
        """One that was written."""
        row = self._connection.execute(
            "SELECT n, nonce, at, device, work, kind, data FROM entries WHERE nonce = ?", (nonce,)
        ).fetchone()
        return None if row is None else _entry(row)

    def last_number(self) -> int:
        """Of the newest line; 0 when there is none."""
        (n,) = self._connection.execute("SELECT coalesce(max(n), 0) FROM entries").fetchone()
        return int(n)

    @property
    def forgotten(self) -> int:
        """The highest number of a line that has gone to make room; what counts from before it counts too little."""
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'forgotten'").fetchone()
        return 0 if row is None else int(row[0])

    # Works

    def begin_work(self, work: Work) -> Work:
        """Write that it is begun, unless it is known; returns what stands there now."""
        self._connection.execute(
            "INSERT INTO works (id, kind, begun_at, data, result) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (work.id, work.kind, work.begun_at, bytes(work.data), None if work.result is None else bytes(work.result)),
        )
        found = self.find_work(work.id)
        assert found is not None, "it was written a moment ago"
        return found

    def change_work(self, id: str, data: object) -> None:
        """Replace what is kept of an open one; of one that has ended nothing changes."""
        self._connection.execute(
            "UPDATE works SET data = ? WHERE id = ? AND result IS NULL", (msgspec.json.encode(data), id)
        )

    def end_work(self, id: str, result: object) -> bool:
        """End it. False when it had ended: the first result stands."""
        return bool(
            self._connection.execute(
                "UPDATE works SET result = ? WHERE id = ? AND result IS NULL", (msgspec.json.encode(result), id)
            ).rowcount
        )

    def find_work(self, id: str) -> Work | None:
        """One."""
        row = self._connection.execute(
            "SELECT id, kind, begun_at, data, result FROM works WHERE id = ?", (id,)
        ).fetchone()
        return None if row is None else _work(row)

    def open_works(self, kind: str | None = None) -> list[Work]:
        """Those that have not ended, oldest first."""
        rows = self._connection.execute(
            "SELECT id, kind, begun_at, data, result FROM works WHERE result IS NULL AND (?1 IS NULL OR kind = ?1)"
            " ORDER BY n",
            (kind,),
        )
        return [_work(row) for row in rows]

    # Tallies

    def move(self, device: str, coin: Money, count: int) -> None:
        """So many more of a denomination lie there (below 0: fewer). Call it only where `enter` said True."""
        self._connection.execute(
            "INSERT INTO tallies (device, minor, currency, count) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (device, minor, currency) DO UPDATE SET count = count + ?4",
            (device, coin.minor, coin.currency, count),
        )

    def set_tally(self, device: str, coin: Money, count: int) -> None:
        """So many lie there now."""
        self._connection.execute(
            "INSERT INTO tallies (device, minor, currency, count) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (device, minor, currency) DO UPDATE SET count = ?4",
            (device, coin.minor, coin.currency, count),
        )

    def tallies(self, device: str | None = None) -> dict[str, dict[Money, int]]:
        """What lies where, by device; denominations of which there are none are left out."""
        found: dict[str, dict[Money, int]] = {}
        rows = self._connection.execute(
            "SELECT device, minor, currency, count FROM tallies WHERE count <> 0 AND (?1 IS NULL OR device = ?1)"
            " ORDER BY device, currency, minor",
            (device,),
        )
        for name, minor, currency, count in rows:
            found.setdefault(name, {})[Money(minor, currency)] = count
        return found

    # For the hub

    def tell(self, kind: str, data: object, *, at: float, device: str = "", important: bool = True) -> None:
        """An event for the hub, in the same transaction. Told once however often this is carried out.

        `important`: it waits for the hub as long as it takes; others are counted instead when too many wait.
        """
        event = Event(seq=0, at=at, kind=kind, device=device, data=msgspec.Raw(msgspec.json.encode(data)))
        self._add_event(event, again=True, important=important)
        self.told = True

    # Another machine

    def leave_works(self, at: float, reason: str, nonce: Callable[[], int]) -> None:
        """End what is open: who began it is not here."""
        for work in self.open_works():
            data = {"id": work.id, "kind": work.kind, "reason": reason}
            raw = msgspec.Raw(msgspec.json.encode(data))
            self.end_work(work.id, {"status": "interrupted", "reason": reason})
            self.enter(Entry(nonce=nonce(), at=at, work=work.id, kind="work-interrupted", data=raw))
            self.tell("work-interrupted", data, at=at)

    def leave_devices(self, at: float, reason: str, nonce: Callable[[], int]) -> None:
        """Take the devices for others than those that the book knows.

        Their pages go: what a driver remembers of one device (a note on its way, the last document, a count of coins)
        would be laid to the charge of another. What lay in them is written down once more as `levels-left`, so that
        it can be claimed there, and counts begin at nothing here.
        """
        tallies = self.tallies()
        known = [
            device for (device,) in self._connection.execute("SELECT device FROM pages WHERE NOT instr(device, '/')")
        ]
        for device in sorted({*known, *tallies}):
            lying: dict[str, dict[str, int]] = {}
            for coin, count in tallies.get(device, {}).items():
                lying.setdefault(coin.currency, {})[str(coin.minor)] = count
            for currency, counts in (lying or {"": {}}).items():
                total = sum(int(minor) * count for minor, count in counts.items())
                data = {"device": device, "currency": currency, "total": total, "counts": counts, "reason": reason}
                raw = msgspec.Raw(msgspec.json.encode(data))
                self.enter(Entry(nonce=nonce(), at=at, device=device, kind="levels-left", data=raw))
                if counts:
                    self.tell("levels-left", data, at=at, device=device)
        self._connection.execute("DELETE FROM tallies")
        self._connection.execute("DELETE FROM pages WHERE NOT instr(device, '/')")


def _entry(row: tuple[Any, ...]) -> Entry:
    n, nonce, at, device, work, kind, data = row
    return Entry(n=n, nonce=nonce, at=at, device=device, work=work, kind=kind, data=msgspec.Raw(bytes(data)))


def _work(row: tuple[Any, ...]) -> Work:
    id, kind, begun_at, data, result = row
    return Work(
        id=id, kind=kind, begun_at=begun_at, data=msgspec.Raw(bytes(data)),
        result=None if result is None else msgspec.Raw(bytes(result)),
    )  # fmt: skip
