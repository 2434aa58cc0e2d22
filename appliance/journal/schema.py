"""The journal's tables, how an older file comes to have them, and how a file is opened.

**A version that is tried must be able to go back.** What it brings up, the version before must go on with, and what
both have written stays: so nothing is copied before, and no outcome is lost on the way back. A step therefore

- only adds: tables, indices, and columns that are NULL or have a DEFAULT; every INSERT here names its columns;
- leaves what is there its meaning. What is to go is first no longer written, and dropped a release later;
- says in `READERS` which schema the oldest program knows that can read and write the file behind it.

The file keeps that number (`meta`, `readable_by`). A program that meets a later file goes on with it where its own
number is no smaller, and leaves its version as it is; otherwise it touches nothing, says that the file is of a later
version, and takes no operations. The test of this module holds every new step to it: `READERS` of the newest step is
the schema before it.
"""

import sqlite3
from pathlib import Path

SCHEMA_VERSION = 2

_OPERATIONS = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE operations (
    n INTEGER PRIMARY KEY AUTOINCREMENT,   -- the order in which they were taken; no clock is trusted for it
    request_id TEXT NOT NULL UNIQUE,
    operation TEXT NOT NULL,
    method TEXT NOT NULL,
    body BLOB,                             -- for the status query; dropped with the outcome
    state TEXT NOT NULL CHECK (state IN ('started', 'done', 'settled')),
    nonce INTEGER NOT NULL,                -- which attempt to write it this is
    started_at REAL NOT NULL,              -- wall clock, for people and for pruning
    settled_at REAL,
    response BLOB CHECK (state = 'started' OR response IS NOT NULL)
);
CREATE INDEX operations_started ON operations (n) WHERE state = 'started';
CREATE INDEX operations_done ON operations (n) WHERE state = 'done';
CREATE INDEX operations_settled ON operations (n) WHERE state = 'settled';
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    device TEXT NOT NULL,
    data BLOB NOT NULL
);
"""
_BOOK = """
ALTER TABLE events ADD COLUMN important INTEGER NOT NULL DEFAULT 0;  -- never folded
CREATE INDEX events_at ON events (at);     -- told once: looked for before it is written again
CREATE TABLE pages (device TEXT PRIMARY KEY, memory BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    nonce INTEGER NOT NULL UNIQUE,
    at REAL NOT NULL,
    device TEXT NOT NULL,                  -- empty: the desk's own record
    work TEXT NOT NULL,                    -- whose money or paper it was; empty: nobody's
    kind TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX entries_work ON entries (work, n) WHERE work <> '';
CREATE INDEX entries_kind ON entries (device, kind, n);
CREATE TABLE works (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    begun_at REAL NOT NULL,
    data BLOB NOT NULL,
    result BLOB                            -- there once it has ended; never changes after that
);
CREATE INDEX works_open ON works (kind, n) WHERE result IS NULL;
CREATE TABLE tallies (
    device TEXT NOT NULL,
    minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (device, minor, currency)
) WITHOUT ROWID;
UPDATE events SET important = 1
    WHERE kind IN ('journal-damaged', 'journal-copied', 'operation-unknown', 'events-dropped');
"""
# A new file is made the way an old one is brought up, so that both are the same.
_STEPS = {0: _OPERATIONS, 1: _BOOK}
# Who can go on with a file that a step has made. The first two were before anybody could go back.
READERS = {1: 1, 2: 2}
READABLE_BY = "readable_by"


def connect(path: Path) -> sqlite3.Connection:
    """Open the file with the settings that durability needs. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect on a new file only
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            # After an error of the disk, or on a file system without shared memory, SQLite says so and goes on. In the
            # old mode a commit is the removal of a file, which a power cut may undo: FULL does not sync the directory.
            raise sqlite3.OperationalError(f"SQLite cannot keep a write-ahead log here (journal_mode is {mode})")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -1024")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def bring_up(connection: sqlite3.Connection, version: int) -> bool:
    """Carry out what a file of this version lacks, within the caller's transaction. False: the version is unknown."""
    if version != SCHEMA_VERSION and version not in _STEPS:
        return False
    for step in range(version, SCHEMA_VERSION):
        for statement in _statements(_STEPS[step]):
            connection.execute(statement)
    connection.execute(
        "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (READABLE_BY, str(READERS[SCHEMA_VERSION]))
    )
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return True


def is_readable(version: int, readable_by: str) -> bool:
    """Whether this program can go on with a file of this version, in which that stands as `READABLE_BY`."""
    return version <= SCHEMA_VERSION or (readable_by.isdecimal() and int(readable_by) <= SCHEMA_VERSION)


def too_new(version: int) -> sqlite3.OperationalError:
    """Said of a file that is left as it is; it is not damaged."""
    return sqlite3.OperationalError(
        f"it was written by a later version of this program (schema {version}, and {SCHEMA_VERSION} is known here)"
    )


def damaged(words: str) -> sqlite3.DatabaseError:
    """What SQLite would raise, of what only we can see."""
    error = sqlite3.DatabaseError(words)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _statements(script: str) -> list[str]:
    """A script in single statements: `executescript` would commit between them."""
    lines = [line.split("--")[0] for line in script.splitlines()]
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]
