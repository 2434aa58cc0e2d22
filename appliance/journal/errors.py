"""What can go wrong with the journal, sorted by what to do about it.

JournalError
├── JournalInUseError   another process has it: do not start
├── StorageError        the disk does not take it: refuse new work, try again later
│   └── StandstillError the appliance is about to end: refuse new work, the next run takes it
├── DamagedError        the file is not a journal any more: set it aside, begin anew
└── UnknowableError     what became of a request before cannot be looked up: say nothing of it
"""

import sqlite3

# https://www.sqlite.org/rescode.html, primary codes.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class JournalError(Exception):
    """The base of this family."""


class JournalInUseError(JournalError):
    """Another process uses the state directory."""


class StorageError(JournalError):
    """The disk does not take a write; the words say why. `certain`: surely nothing of it was or will be written."""

    def __init__(self, words: str, *, certain: bool = False) -> None:
        super().__init__(words)
        self.certain = certain


class StandstillError(StorageError):
    """Nothing new is begun now, as the appliance is about to end. Nothing was written."""

    def __init__(self) -> None:
        super().__init__("the appliance is about to be started anew", certain=True)


class DamagedError(JournalError):
    """The file's content is broken."""


class UnknowableError(JournalError):
    """Whether a request came before cannot be looked up, now or ever: neither start it nor say that it never was."""


def translate(error: sqlite3.Error) -> JournalError:
    """Our word for what SQLite says."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _DAMAGED:
        return DamagedError(str(error))
    if code == sqlite3.SQLITE_ERROR and str(error).startswith(("no such table", "no such column")):
        return DamagedError(str(error))
    return StorageError(str(error))
