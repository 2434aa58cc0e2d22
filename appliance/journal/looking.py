"""Reading the book from outside: beside a running appliance, or after it. Nothing is written, not even beside the file.

The running appliance's file is read through SQLite's log, one moment of it. Where none runs, a copy is read: SQLite
makes files beside the one it reads, and those of whoever looks (root, mostly) would keep the appliance out.
"""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from appliance.journal.book import Book
from appliance.journal.errors import DamagedError, StorageError, translate
from appliance.journal.files import JOURNAL, LOCK
from appliance.journal.schema import READABLE_BY, SCHEMA_VERSION, is_readable

_ANSWER_WITHIN_S = 5.0
_HINT = "read it as the user that the appliance runs as, or as root"


def is_used(directory: Path) -> bool:
    """Whether an appliance uses the directory now; one that starts meanwhile is not disturbed. Raises OSError."""
    try:
        handle = os.open(directory / LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


class Look:
    """A journal at a moment."""

    def __init__(self, connection: sqlite3.Connection, *, running: bool) -> None:
        self.book = Book(connection, lambda *_args, **_more: None)
        self.running = running  # an appliance uses it now
        self._connection = connection

    def meta(self, name: str) -> str:
        """A value kept about the journal itself, such as its `id`; or an empty string."""
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def count(self, table: str, condition: str) -> int:
        """How many rows there are; for `operations` and `events`."""
        (count,) = self._connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()  # noqa: S608 - our words
        return int(count)


@contextlib.contextmanager
def look_into(directory: Path) -> Iterator[Look]:
    """The journal in a state directory. Raises `StorageError` or `DamagedError`, in words for a person."""
    journal = directory / JOURNAL
    try:
        if not journal.exists():
            raise StorageError(f"there is no journal in {directory.absolute()}; has the appliance run here?")
        with contextlib.ExitStack() as stack:
            running = is_used(directory)
            if not running:
                copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kioskwire-")))
                journal = _copy(journal, copy)
            connection = stack.enter_context(contextlib.closing(_open(journal)))
            yield Look(connection, running=running)
    except OSError as error:
        raise StorageError(f"{journal} cannot be read: {error.strerror}; {_HINT}") from error
    except sqlite3.Error as error:
        told = translate(error)
        if isinstance(told, DamagedError):
            words = f"the journal in {directory.absolute()} is damaged ({error}); the appliance sets it aside when it"
            raise DamagedError(f"{words} starts, and carries over what can be read of it") from error
        raise StorageError(f"the journal in {directory.absolute()} cannot be read: {error}; {_HINT}") from error


def _open(journal: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True, timeout=_ANSWER_WITHIN_S)
    try:
        connection.execute("BEGIN")  # all that is read is of one moment
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < SCHEMA_VERSION:
            raise StorageError("the journal is of an older version; it is brought up when the appliance starts")
        if version > SCHEMA_VERSION and not is_readable(version, _readable_by(connection)):
            raise StorageError("the journal is of a newer version than this program")
    except BaseException:
        connection.close()
        raise
    return connection


def _readable_by(connection: sqlite3.Connection) -> str:
    with contextlib.suppress(sqlite3.OperationalError):  # who knows what that version is like
        row = connection.execute("SELECT value FROM meta WHERE name = ?", (READABLE_BY,)).fetchone()
        return str(row[0]) if row else ""
    return ""


def _copy(journal: Path, directory: Path) -> Path:
    for name in (journal.name, f"{journal.name}-wal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(journal.with_name(name), directory / name)
    return directory / journal.name
