"""The journal's statements on one SQLite connection. Synchronous; only the writer's thread calls them.

Everything that writes may be carried out a second time after a failed commit: repetition changes nothing.
"""

import secrets
import sqlite3
from collections.abc import Iterable

import msgspec

from appliance.box import Marks, is_other
from appliance.journal.book import Book
from appliance.journal.pruning import DROPPED
from appliance.journal.schema import READABLE_BY, SCHEMA_VERSION, bring_up, damaged, is_readable, too_new
from wire.crashpoint import crash_point
from wire.messages import Error, Event, Executed, Response, encode

# Of the journal's own events, those that a person must learn of even after a long time without a hub.
IMPORTANT = ("journal-damaged", "journal-copied", "operation-unknown", DROPPED)
_STANDSTILL = "standstill"

_response = msgspec.json.Decoder(Response)


class Row(msgspec.Struct, frozen=True):
    """An operation as the journal knows it; `response` is there once it is done."""

    request_id: str
    operation: str
    method: str
    body: bytes
    state: str  # started, done or settled
    response: Response | None = None


class Recent(msgspec.Struct, frozen=True):
    """An operation as a page lists it. `started_at` is Unix seconds."""

    request_id: str
    operation: str
    state: str  # started, done or settled
    started_at: float
    response: Response | None = None


class Begin(msgspec.Struct, frozen=True):
    """An operation about to be started, or one refused for ever (then with its response)."""

    request_id: str
    operation: str
    method: str
    body: bytes
    nonce: int
    at: float
    response: Response | None = None


class Store:
    """All reading and writing of rows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.book = Book(connection, self.add_event)
        self.id = ""

    def prepare(self, new_id: str) -> str:
        """Check the file, make the tables in a new one, and return the journal's id. Raises sqlite3.Error.

        A file with anything wrong raises `sqlite3.DatabaseError`, whether SQLite or its check found it. The check is
        the whole one (0.3 s for 50 MB): the quick one does not see an index that lost an operation, which would then
        be executed again.
        """
        (verdict,) = self.connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise damaged(f"integrity_check: {verdict}")
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self.connection.execute("BEGIN IMMEDIATE")
            bring_up(self.connection, 0)
            self.connection.execute("INSERT INTO meta (name, value) VALUES ('id', ?)", (new_id,))
            crash_point("appliance.journal.create.before")
            self.connection.execute("COMMIT")
            crash_point("appliance.journal.create.after")
        elif version < SCHEMA_VERSION:
            self._migrate(version)
        elif not is_readable(version, self.get_meta(READABLE_BY)):
            raise too_new(version)
        found = self.get_meta("id")
        if not found:
            raise damaged("the journal has no id")
        self.id = found
        return found

    def _migrate(self, version: int) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        if not bring_up(self.connection, version):
            self.connection.execute("ROLLBACK")
            raise damaged(f"schema version {version} is not known")
        crash_point("appliance.journal.migrate.before")
        self.connection.execute("COMMIT")
        crash_point("appliance.journal.migrate.after")

    def settle_in(self, marks: Marks, new_id: str, at: float) -> bool:
        """Note which machine this is. True if it is another than before, and the journal was begun anew for it.

        The file is a copy then, or its disk was moved, and the machine before may still go on with its own: the
        journal takes another name, so that nothing asked of that one is answered here. What was under way is unknown,
        as no gateway of this machine can tell; the devices here are taken for others (`Book.leave_devices`).
        """
        try:
            before = msgspec.json.decode(self.get_meta("box") or b"{}", type=Marks)
        except msgspec.MsgspecError as error:
            raise damaged(f"the machine's marks cannot be read: {error}") from error
        other = is_other(before, marks)
        new = marks if other else {**before, **marks}
        if new == before:
            return False
        self.connection.execute("BEGIN IMMEDIATE")
        self.put_meta("box", msgspec.json.encode(new).decode())
        if other:
            why = Error("interrupted", "the kiosk's disk came into another machine while it ran")
            for row in self.in_doubt():
                unknown = Executed.UNKNOWN
                self.finish(
                    Response(request_id=row.request_id, operation=row.operation, executed=unknown, error=why), at
                )
            self.book.leave_works(at, why.detail, _nonce)
            self.book.leave_devices(at, why.detail, _nonce)
            self.begin_anew(new_id, "the machine is another", at)
        crash_point("appliance.journal.settle_in.before")
        self.connection.execute("COMMIT")
        crash_point("appliance.journal.settle_in.after")
        return other

    def begin_anew(self, new_id: str, reason: str, at: float) -> None:
        """Take another name: some of what was asked of this journal, another machine may have done."""
        data = msgspec.json.encode({"reason": reason, "before": self.id, "now": new_id})
        self.add_event(Event(seq=0, at=at, kind="journal-copied", data=msgspec.Raw(data)))
        self.put_meta("id", new_id)
        self.id = new_id

    def get_meta(self, name: str) -> str:
        """A value kept about the journal itself, or an empty string."""
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def put_meta(self, name: str, value: str) -> None:
        """Keep a value about the journal itself."""
        self.connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))

    def stand_still(self, run: str, until: float) -> list[str]:
        """Have nothing new begun in this run until then (`time.monotonic`), if nothing is under way; else what is."""
        (started,) = self.connection.execute("SELECT count(*) FROM operations WHERE state = 'started'").fetchone()
        under_way = [f"{started} operations are under way or in doubt"] if started else []
        for kind, count in self.connection.execute(
            "SELECT kind, count(*) FROM works WHERE result IS NULL GROUP BY kind ORDER BY kind"
        ):
            under_way.append(f"{count} of the works called {kind} have not ended")
        if not under_way:
            self.put_meta(_STANDSTILL, f"{run} {until!r}")
        return under_way

    def go_on(self) -> None:
        """End the standstill."""
        self.connection.execute("DELETE FROM meta WHERE name = ?", (_STANDSTILL,))

    def stands_still(self, run: str, now: float) -> bool:
        """Whether nothing new is to be begun in this run now. That of a run before counts no more."""
        of, _, until = self.get_meta(_STANDSTILL).partition(" ")
        return of == run and now < float(until)

    def begin(self, new: Begin) -> Row | None:
        """Write an operation unless it is known; returns the row known before, or None."""
        state = "started" if new.response is None else "done"
        self.connection.execute(
            "INSERT INTO operations (request_id, operation, method, body, state, nonce, started_at, response)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (request_id) DO NOTHING",
            (
                new.request_id, new.operation, new.method, new.body if new.response is None else None, state,
                new.nonce, new.at, None if new.response is None else encode(new.response),
            ),
        )  # fmt: skip
        return self.find_before(new)

    def find_before(self, new: Begin) -> Row | None:
        """What was known of an operation before this attempt to begin it, whether that was written or not."""
        nonce, row = self._find(new.request_id)
        return None if nonce == new.nonce else row

    def find(self, request_id: str) -> Row | None:
        """What is known of an operation."""
        return self._find(request_id)[1]

    def finish(self, response: Response, at: float, settled: bool = False) -> None:
        """Write an outcome; one written before stays, as an operation has only one."""
        state = "settled" if settled else "done"
        self.connection.execute(
            "INSERT INTO operations (request_id, operation, method, state, nonce, started_at, settled_at, response)"
            " VALUES (?1, ?2, '', ?3, 0, ?4, ?5, ?6) ON CONFLICT (request_id) DO UPDATE"
            " SET state = ?3, response = ?6, body = NULL, settled_at = ?5 WHERE state = 'started'",
            (response.request_id, response.operation, state, at, at if settled else None, encode(response)),
        )

    def settle(self, request_ids: Iterable[str], at: float) -> None:
        """The hub has them: they turn into tombstones."""
        self.connection.executemany(
            "UPDATE operations SET state = 'settled', settled_at = ? WHERE request_id = ? AND state = 'done'",
            [(at, request_id) for request_id in request_ids],
        )

    def unsettled(self, count: int, leaving_out: frozenset[str], most_bytes: int) -> list[Response]:
        """The oldest outcomes to tell; at least one if there is any, then within `most_bytes`."""
        found: list[Response] = []
        size = 0
        rows = self.connection.execute(
            "SELECT n, request_id FROM operations WHERE state = 'done' ORDER BY n"
        )  # a cursor: rows are read as they are wanted, and the outcomes of those left out not at all
        for n, request_id in rows:
            if request_id in leaving_out:
                continue
            if len(found) >= count:
                break
            (response,) = self.connection.execute("SELECT response FROM operations WHERE n = ?", (n,)).fetchone()
            size += len(response)
            if found and size > most_bytes:
                break
            found.append(_read_response(response))
        return found

    def in_doubt(self) -> list[Row]:
        """Operations that were started and have no outcome, oldest first."""
        rows = self.connection.execute(
            "SELECT request_id, operation, method, body, state FROM operations WHERE state = 'started' ORDER BY n"
        )
        return [Row(row[0], row[1], row[2], bytes(row[3] or b""), row[4]) for row in rows]

    def recent(self, count: int) -> list[Recent]:
        """The newest operations, the newest first."""
        rows = self.connection.execute(
            "SELECT request_id, operation, state, started_at, response FROM operations ORDER BY n DESC LIMIT ?",
            (count,),
        )
        return [
            Recent(request_id, operation, state, at, None if response is None else _read_response(response))
            for request_id, operation, state, at, response in rows
        ]

    def add_event(self, event: Event, *, again: bool = False, important: bool = False) -> None:
        """Number an event and keep it. `again`: unless it is there, as a commit may have failed and been kept."""
        same = (event.at, event.kind, event.device, bytes(event.data))
        if (
            again
            and self.connection.execute(
                "SELECT 1 FROM events WHERE at = ? AND kind = ? AND device = ? AND data = ?", same
            ).fetchone()
        ):
            return
        self.connection.execute(
            "INSERT INTO events (at, kind, device, data, important) VALUES (?, ?, ?, ?, ?)",
            (*same, int(important or event.kind in IMPORTANT)),
        )

    def events(self, count: int, after: int) -> list[Event]:
        """Up to `count` events after number `after`, oldest first."""
        rows = self.connection.execute(
            "SELECT seq, at, kind, device, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, count)
        )
        return [
            Event(seq=seq, at=at, kind=kind, device=device, data=msgspec.Raw(bytes(data)))
            for seq, at, kind, device, data in rows
        ]

    def acknowledge(self, seq: int) -> None:
        """The hub has all events up to this number."""
        self.connection.execute("DELETE FROM events WHERE seq <= ?", (seq,))

    def counts(self) -> tuple[int, int]:
        """Outcomes not settled, events not acknowledged."""
        (done,) = self.connection.execute("SELECT count(*) FROM operations WHERE state = 'done'").fetchone()
        (events,) = self.connection.execute("SELECT count(*) FROM events").fetchone()
        return done, events

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        read = self.connection.execute
        (pages,), (free,) = read("PRAGMA page_count").fetchone(), read("PRAGMA freelist_count").fetchone()
        (size,) = read("PRAGMA page_size").fetchone()
        return int((pages - free) * size)

    def _find(self, request_id: str) -> tuple[int, Row | None]:
        row = self.connection.execute(
            "SELECT nonce, request_id, operation, method, body, state, response FROM operations WHERE request_id = ?",
            (request_id,),
        ).fetchone()
        if row is None:
            return 0, None
        response = None if row[6] is None else _read_response(row[6])
        return row[0], Row(row[1], row[2], row[3], bytes(row[4] or b""), row[5], response)


def _nonce() -> int:
    return secrets.randbits(62) + 1


def _read_response(text: bytes) -> Response:
    """An outcome as it was written. SQLite checks the structure of its file, not what stands in it."""
    try:
        return _response.decode(text)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise damaged(f"an outcome cannot be read: {error}") from error
