"""Where an SQLite database lies, and whether what lies there still is what the hub opened.

A file that was removed or replaced under a running hub goes on taking writes, which nobody will ever read: what was
told would be lost with the process. And a connection made then would begin an empty database beside a log that is
none of its own. So nothing is opened or told after that, until the file is back or the hub is started anew.
"""

import os
import sqlite3

REPLACED = "the database file was removed or replaced while the hub runs: put it back, or restart the hub"
_REWRITE_BYTES = 1024 * 1024

_Identity = tuple[int, int] | None


class Place:
    """One database file, known by its device and number from the first time it was there."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = _identity(path)

    def check(self) -> None:
        """Raises `sqlite3.OperationalError` when another file, or none, lies there now, or nobody can look."""
        found = _identity(self._path)
        if self._file is None:
            self._file = found
        elif self._file != found:
            raise sqlite3.OperationalError(REPLACED)

    def log(self) -> "Log":
        """What a connection that is open now writes to before the file."""
        return Log(f"{self._path}-wal")


class Log:
    """A database's write-ahead log. It is one file for as long as any connection is open."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: _Identity = None

    def check(self) -> None:
        """Call between transactions. Raises `sqlite3.OperationalError` when another file, or none, lies there now."""
        found = _identity(self._path)
        if self._file is None:
            self._file = found  # made with the first transaction
        elif self._file != found:
            raise sqlite3.OperationalError(f"{REPLACED} ({os.path.basename(self._path)})")

    def rewrite(self) -> None:
        """Write the log once more as it is read, and sync it; call within a transaction that writes. Raises OSError.

        What the kernel could not write is read from memory like what stands on the disk, and no later sync speaks of
        it (https://lwn.net/Articles/752063/): what is appended behind it is lost with it at the next power cut.
        """
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            offset = 0
            while data := os.pread(handle, _REWRITE_BYTES, offset):
                offset += os.pwrite(handle, data, offset)
            os.fsync(handle)
        finally:
            os.close(handle)


def _identity(path: str) -> _Identity:
    try:
        facts = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise sqlite3.OperationalError(f"the database file cannot be looked at: {error.strerror}") from error
    return facts.st_dev, facts.st_ino
