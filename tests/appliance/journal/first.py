"""A journal's file as the first version of the program made it."""

import sqlite3
from pathlib import Path

from appliance.journal.schema import connect

_FIRST = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE operations (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL UNIQUE,
    operation TEXT NOT NULL,
    method TEXT NOT NULL,
    body BLOB,
    state TEXT NOT NULL CHECK (state IN ('started', 'done', 'settled')),
    nonce INTEGER NOT NULL,
    started_at REAL NOT NULL,
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
PRAGMA user_version = 1;
"""


def make_version_1(path: Path, id: str = "of-old") -> sqlite3.Connection:
    """Empty, but for its name."""
    connection = connect(path)
    connection.executescript(_FIRST)
    connection.execute("INSERT INTO meta VALUES ('id', ?), ('run', 'clean somebody')", (id,))
    return connection
