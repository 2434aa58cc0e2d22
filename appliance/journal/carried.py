"""What is carried from a journal that was damaged or lost into the next one.

Of operations those in doubt, outcomes and events that were not told; tombstones stay behind, as nothing that was asked
of the old journal is answered from the new one. Of the book everything that can be read: whose money was on its way,
what is under way, which receipts stand in the register already, what lies where.

A line keeps its number, so that what names it still does. Written again after a failed commit it changes nothing:
lines have their nonce, works their id, and what is added to tallies is added once a `token`.
"""

import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from appliance.journal.book import Entry, Work
from appliance.journal.pruning import forget
from appliance.journal.schema import SCHEMA_VERSION
from appliance.journal.store import Begin, Store
from wire.messages import Error, Event, Executed, Response
from wire.money import Money

_Row = tuple[Any, ...]
_Take = Callable[["Carried", _Row], None]
_response = msgspec.json.Decoder(Response)
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError, AttributeError)


class Carried(msgspec.Struct):
    """It, in memory."""

    token: str = ""
    started: list[Begin] = []
    done: list[Response] = []
    events: list[tuple[Event, bool]] = []  # and whether it is important
    pages: dict[str, bytes] = {}
    entries: list[Entry] = []
    works: list[Work] = []
    tallies: list[tuple[str, Money, int]] = []
    forgotten: int = 0
    unread: list[str] = []  # the tables of which something could not be read

    def __bool__(self) -> bool:
        return bool(self.token)

    def take(self, other: "Carried") -> None:
        """Carry what was read of a later journal too."""
        self.token = self.token or uuid.uuid4().hex
        self.started += other.started
        self.done += other.done
        self.events += other.events
        self.pages |= other.pages
        self.entries += other.entries
        self.works += other.works
        self.tallies += other.tallies
        self.forgotten = max(self.forgotten, other.forgotten)
        self.unread += [name for name in other.unread if name not in self.unread]

    def tell(self, at: float, kind: str, data: dict[str, object]) -> None:
        """An event of the journal's own, told once the next one is there."""
        self.token = self.token or uuid.uuid4().hex
        event = Event(seq=0, at=at, kind=kind, data=msgspec.Raw(msgspec.json.encode(data)))
        self.events.append((event, True))

    def write(self, store: Store, at: float) -> None:
        """All of it, within the caller's transaction."""
        for row in self.started:
            store.begin(row)
        for response in self.done:
            store.finish(response, at)
        for event, important in self.events:
            store.add_event(event, again=True, important=important)
        connection = store.connection
        for device, memory in self.pages.items():
            connection.execute(
                "INSERT INTO pages (device, memory) VALUES (?, ?) ON CONFLICT DO NOTHING", (device, memory)
            )
        for entry in self.entries:
            _enter(store, entry)
        for work in self.works:
            if store.book.begin_work(work).is_open and work.result is not None:
                store.book.end_work(work.id, work.result)
        if store.get_meta("tallies") != self.token:
            store.put_meta("tallies", self.token)
            for device, coin, count in self.tallies:
                store.book.move(device, coin, count)
        lost = max((entry.n for entry in self.entries), default=0) if "entries" in self.unread else 0
        if max(self.forgotten, lost):
            forget(connection, max(self.forgotten, lost))


def salvage(path: Path) -> Carried:
    """What can still be read of a journal's file. Never raises."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
    except sqlite3.Error:
        return Carried(unread=["all"])
    with closing(connection):
        return read(connection)


def read(connection: sqlite3.Connection) -> Carried:
    """What can still be read through a connection. Never raises."""
    before, connection.text_factory = connection.text_factory, bytes
    try:
        found = Carried(token=uuid.uuid4().hex)
        reader = _Reader(connection, found)
        reader.each("operations", "request_id, operation, method, body, state, started_at, response", _operation)
        if reader.version() == 1:  # it is of before there was a book
            reader.each("events", "at, kind, device, data, 0", _event, key="seq")
            return found
        reader.each("events", "at, kind, device, data, important", _event, key="seq")
        reader.each("pages", "device, memory", _page, key="device")
        reader.each("entries", "n, nonce, at, device, work, kind, data", _line)
        reader.each("works", "id, kind, begun_at, data, result", _work)
        reader.each("tallies", "device, minor, currency, count", _tally, key="device")
        reader.each("meta", "value, name", _meta, key="name")
        return found
    finally:
        connection.text_factory = before


class _Reader:
    """Reads tables from either end, up to the broken page."""

    def __init__(self, connection: sqlite3.Connection, found: Carried) -> None:
        self._connection = connection
        self._found = found

    def version(self) -> int:
        """Of the schema; that of today where it cannot be read."""
        try:
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error:
            return SCHEMA_VERSION
        return int(version)

    def each(self, table: str, columns: str, take: _Take, *, key: str = "n") -> None:
        """Give what can be read of a table to `take`, each row once; note it where that is not all."""
        seen: set[object] = set()
        for order in ("", " DESC"):
            whole = True
            try:
                rows = f"SELECT {key}, {columns} FROM {table} NOT INDEXED ORDER BY {key}{order}"  # noqa: S608 - our words
                for row in self._connection.execute(rows):
                    again = row if table == "tallies" else row[0]
                    if again not in seen:
                        seen.add(again)
                        whole = self._take(take, row[1:]) and whole
            except sqlite3.Error:
                whole = False
            if whole:
                return
            if table not in self._found.unread:
                self._found.unread.append(table)

    def _take(self, take: _Take, row: _Row) -> bool:
        try:
            take(self._found, row)
        except _BROKEN:
            return False
        return True


def _operation(found: Carried, row: _Row) -> None:
    request_id, operation, method, body, state, at, response = row
    if state == b"started":
        found.started.append(
            Begin(request_id.decode(), operation.decode(), method.decode(), body or b"", 0, float(at))
        )  # fmt: skip
    elif state == b"done":
        found.done.append(_read_response(request_id.decode(), operation.decode(), response))


def _read_response(request_id: str, operation: str, text: object) -> Response:
    """An outcome; one that cannot be read is told as what it now is, unknown."""
    try:
        if isinstance(text, bytes):
            return _response.decode(text)
    except (msgspec.MsgspecError, UnicodeError):
        pass
    error = Error("interrupted", "its outcome was written, and cannot be read any more")
    return Response(request_id=request_id, operation=operation, executed=Executed.UNKNOWN, error=error)


def _event(found: Carried, row: _Row) -> None:
    at, kind, device, data, important = row
    event = Event(seq=0, at=float(at), kind=kind.decode(), device=device.decode(), data=_json(data))
    found.events.append((event, bool(important)))


def _page(found: Carried, row: _Row) -> None:
    device, memory = row
    msgspec.json.decode(memory, type=dict[str, Any])
    found.pages[device.decode()] = memory


def _line(found: Carried, row: _Row) -> None:
    n, nonce, at, device, work, kind, data = row
    found.entries.append(
        Entry(
            n=n, nonce=nonce, at=float(at), device=device.decode(), work=work.decode(), kind=kind.decode(),
            data=_json(data),
        )
    )  # fmt: skip


def _work(found: Carried, row: _Row) -> None:
    id, kind, at, data, result = row
    found.works.append(
        Work(
            id=id.decode(), kind=kind.decode(), begun_at=float(at), data=_json(data),
            result=None if result is None else _json(result),
        )
    )  # fmt: skip


def _tally(found: Carried, row: _Row) -> None:
    device, minor, currency, count = row
    found.tallies.append((device.decode(), Money(int(minor), currency.decode()), int(count)))


def _meta(found: Carried, row: _Row) -> None:
    value, name = row
    if name == b"forgotten":
        found.forgotten = int(value)


def _json(data: bytes) -> msgspec.Raw:
    msgspec.json.decode(data)
    return msgspec.Raw(data)


def _enter(store: Store, entry: Entry) -> None:
    """A line under its own number, or another where that is taken by now."""
    values = (entry.nonce, entry.at, entry.device, entry.work, entry.kind, bytes(entry.data))
    if store.book.find_entry(entry.nonce) is None:
        taken = store.connection.execute("SELECT 1 FROM entries WHERE n = ?", (entry.n,)).fetchone()
        store.connection.execute(
            "INSERT INTO entries (n, nonce, at, device, work, kind, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (None if taken or not entry.n else entry.n, *values),
        )
