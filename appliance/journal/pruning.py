"""What the journal forgets when it is old or in the way, and in which order. Synchronous; the writer's thread calls.

Never forgotten are outcomes that are not settled, works that are open and the lines that belong to them, and of every
device the newest line of each kind: the last collection, the last level that was set. What a line moved stands in the
tallies all the same.
"""

import sqlite3
from collections.abc import Callable, Iterator

import msgspec

from wire.crashpoint import crash_point

EVENTS_MAX = 100_000
_EVENTS_FOLDED = 1_000
# Earlier than this the clock has lost its battery: the year this program was written.
PLAUSIBLE_FROM = 1_735_689_600.0
DROPPED = "events-dropped"
_BATCH = 1_000
_PRUNE_BATCH = 200
_FOLD_BATCH = 1_000
_FULL = 0.9  # of what is allowed: there is room again for a while
# So many of the oldest lines are looked at for their age; those among them that stay are far fewer.
_OLDEST_LINES = 5_000

_ENDED = (
    "SELECT n FROM works WHERE result IS NOT NULL"
    # Of `request/receipt` it is the request that is asked about.
    " AND NOT EXISTS (SELECT 1 FROM operations WHERE request_id = substr(id, 1, instr(id || '/', '/') - 1))"
)
_FREE = (
    "SELECT n FROM entries AS old WHERE NOT EXISTS (SELECT 1 FROM works WHERE works.id = old.work)"
    " AND n <> (SELECT max(n) FROM entries AS same WHERE same.device = old.device AND same.kind = old.kind)"
)


def prune(
    connection: sqlite3.Connection, used_bytes: Callable[[], int], *, now: float, keep_s: float, max_bytes: int
) -> Iterator[int]:
    """Forget what is old and, of a journal that is too large, what is in the way; in transactions of its own.

    Gives the bytes used, after each of them.
    """
    connection.execute("BEGIN IMMEDIATE")
    fold_events(connection)
    prune_aged(connection, now, keep_s)
    crash_point("appliance.journal.prune.before")
    connection.execute("COMMIT")
    crash_point("appliance.journal.prune.after")
    yield (used := used_bytes())
    for forget, count in ((prune_oldest, _PRUNE_BATCH), (fold_events, _FOLD_BATCH)):
        gone = 1
        while gone and used > max_bytes * _FULL:
            connection.execute("BEGIN IMMEDIATE")
            gone = forget(connection, count)
            connection.execute("COMMIT")
            yield (used := used_bytes())
    connection.execute("PRAGMA incremental_vacuum(256)").fetchall()


def prune_aged(connection: sqlite3.Connection, now: float, keep_s: float) -> int:
    """Forget what ended longer than `keep_s` ago; returns how many rows. Does nothing while the clock is implausible.

    Age counts to the newest operation at most: a clock that is years ahead until the hub tells the time must not
    take all tombstones with it.
    """
    newest = connection.execute("SELECT started_at FROM operations ORDER BY n DESC LIMIT 1").fetchone()
    if now < PLAUSIBLE_FROM or newest is None:
        return 0
    before = min(now, newest[0]) - keep_s
    aged = (before, PLAUSIBLE_FROM)
    gone: int = connection.execute(
        "DELETE FROM operations WHERE n IN (SELECT n FROM operations WHERE state = 'settled'"
        " AND settled_at < ? AND settled_at >= ? ORDER BY n LIMIT 1000)",
        aged,
    ).rowcount
    gone += _delete_works(connection, " AND begun_at < ? AND begun_at >= ?", aged)
    last = connection.execute("SELECT n FROM entries ORDER BY n LIMIT 1 OFFSET ?", (_OLDEST_LINES,)).fetchone()
    looked_at = (*aged, last[0] if last else float("inf"))
    return gone + _delete_entries(connection, " AND at < ? AND at >= ? AND n <= ?", looked_at)


def prune_oldest(connection: sqlite3.Connection, count: int) -> int:
    """Forget the oldest tombstones, and of the book what is as old as they; returns how many rows there were."""
    rows = connection.execute(
        "SELECT n, started_at FROM operations WHERE state = 'settled' ORDER BY n LIMIT ?", (count,)
    ).fetchall()
    connection.executemany("DELETE FROM operations WHERE n = ?", [(n,) for n, _ in rows])
    until = (max(at for _, at in rows),) if rows else (float("inf"),)
    gone = _delete_works(connection, " AND begun_at <= ?", until)
    return len(rows) + gone + _delete_entries(connection, " AND at <= ?", until)


def fold_events(connection: sqlite3.Connection, at_least: int = 0) -> int:
    """Replace the oldest informational events by one that counts them; returns how many rows are gone.

    So many that no more than `EVENTS_MAX` wait, and `at_least` so many as far as there are any.
    """
    (waiting,) = connection.execute("SELECT count(*) FROM events").fetchone()
    over = waiting - EVENTS_MAX + _EVENTS_FOLDED if waiting > EVENTS_MAX else 0
    oldest = connection.execute(
        "SELECT seq FROM events WHERE NOT important ORDER BY seq LIMIT ?", (max(over, at_least),)
    ).fetchall()
    if len(oldest) < 2:
        return 0
    count = len(oldest)
    last = oldest[-1][0]
    for seq, data in connection.execute("SELECT seq, data FROM events WHERE kind = ?", (DROPPED,)).fetchall():
        if seq < last:
            count += int(msgspec.json.decode(data)["count"])
            connection.execute("DELETE FROM events WHERE seq = ?", (seq,))
    connection.executemany("DELETE FROM events WHERE seq = ?", oldest[:-1])
    connection.execute(
        "UPDATE events SET kind = ?, device = '', data = ?, important = 1 WHERE seq = ?",
        (DROPPED, msgspec.json.encode({"count": count}), last),
    )
    return len(oldest) - 1


def _delete_works(connection: sqlite3.Connection, condition: str, given: tuple[float, ...]) -> int:
    gone = connection.execute(
        f"DELETE FROM works WHERE n IN ({_ENDED}{condition} ORDER BY n LIMIT {_BATCH})",  # noqa: S608 - our own words
        given,
    )
    return gone.rowcount


def _delete_entries(connection: sqlite3.Connection, condition: str, given: tuple[float, ...]) -> int:
    rows = connection.execute(f"{_FREE}{condition} ORDER BY n LIMIT {_BATCH}", given).fetchall()
    if rows:
        connection.executemany("DELETE FROM entries WHERE n = ?", rows)
        forget(connection, max(n for (n,) in rows))
    return len(rows)


def forget(connection: sqlite3.Connection, n: int) -> None:
    """Note that lines up to this number may have gone (`Book.forgotten`)."""
    connection.execute(
        "INSERT INTO meta (name, value) VALUES ('forgotten', CAST(?1 AS TEXT)) ON CONFLICT (name) DO UPDATE"
        " SET value = CAST(max(CAST(value AS INTEGER), ?1) AS TEXT)",
        (n,),
    )
