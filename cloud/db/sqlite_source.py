"""An embedded hub's file as it is moved elsewhere: nobody writes to it meanwhile, and no byte of it is changed.

The locks are SQLite's own (https://www.sqlite.org/lockingv3.html): whoever has the database open in WAL mode has a
range of the file locked for reading, for as long as it is open. With that range locked for writing nobody has it open,
and nobody can open it. SQLite itself would write the log into the file as it lets go, so the locks are asked of the
system, and what is read is a copy.
"""

import errno
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

_PENDING, _ALL = 0x40000000, 512  # the pending byte, the reserved one, and 510 that readers share
_MAGIC = b"SQLite format 3\0"
_CHUNK = 4 * 1024 * 1024
_BESIDE = ("-wal", "-journal")


class CannotMoveError(Exception):
    """What stands against moving a database, and what would be right. Nothing was changed."""


@contextmanager
def copied(source: Path) -> Iterator[Path]:
    """A copy of a hub's database that may be changed; the file itself stays locked until the context ends.

    Raises `CannotMoveError` where a hub has it open, where it is no hub's or is damaged, or the copy has no room.
    """
    with ExitStack() as stack:
        try:
            handle, may_lock = _open(source)
            stack.callback(os.close, handle)  # and with it the lock goes, as with any other handle on this file
            _lock(handle, source, may_lock)
            if os.pread(handle, len(_MAGIC), 0) != _MAGIC:
                raise CannotMoveError(f"{source} is no SQLite database; right would be: the hub.db of an embedded hub")
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kioskwire-import-")))
            copy = directory / "hub.db"
            _check_room(source, directory)
            _copy(handle, copy)
            for end in _BESIDE:
                beside = Path(f"{source}{end}")
                if beside.exists():
                    shutil.copyfile(beside, f"{copy}{end}")
        except FileNotFoundError as error:
            raise CannotMoveError(f"there is no file {error.filename}") from error
        except OSError as error:
            raise CannotMoveError(f"{source} cannot be read: {error.strerror or error}") from error
        _check(copy, source)
        yield copy


def _open(source: Path) -> tuple[int, bool]:
    try:
        return os.open(source, os.O_RDWR | os.O_CLOEXEC), True
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise
    # A backup, say, on a disk that nobody can write to: no hub can, either, if it has no other rights.
    return os.open(source, os.O_RDONLY | os.O_CLOEXEC), False


def _lock(handle: int, source: Path, may_lock: bool) -> None:
    how = fcntl.LOCK_EX if may_lock else fcntl.LOCK_SH
    try:
        fcntl.lockf(handle, how | fcntl.LOCK_NB, _ALL, _PENDING)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EAGAIN}:
            raise
        words = f"{source} is open in another program, such as a hub that runs"
        raise CannotMoveError(f"{words}; stop that first, for what it wrote later would be lost") from error


def _check_room(source: Path, directory: Path) -> None:
    needed = sum(path.stat().st_size for end in ("", *_BESIDE) if (path := Path(f"{source}{end}")).exists())
    free = shutil.disk_usage(directory).free
    if free < needed * 1.1:
        mib = 1024 * 1024
        raise CannotMoveError(
            f"the copy takes {needed * 1.1 / mib:.0f} MiB, and {directory.parent} has {free / mib:.0f} free;"
            " right would be: TMPDIR=<a directory with room>"
        )


def _copy(handle: int, copy: Path) -> None:
    """Through the handle that has the lock: closing another one on the same file would give the lock back."""
    offset = 0
    with copy.open("xb") as file:
        while data := os.pread(handle, _CHUNK, offset):
            file.write(data)
            offset += len(data)


def _check(copy: Path, source: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
            if found != ["ok"]:
                raise CannotMoveError(f"{source} is damaged: {'; '.join(found)[:300]}")
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
                raise CannotMoveError(f"{source} is no hub's database; right would be: the hub.db of an embedded hub")
    except sqlite3.DatabaseError as error:
        raise CannotMoveError(f"{source} is damaged: {error}") from error
