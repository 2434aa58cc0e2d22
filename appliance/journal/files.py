"""The journal's directory: one user at a time, a reserve for bad days, damaged files set aside."""

import contextlib
import errno
import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

from appliance.journal.errors import JournalInUseError, StorageError
from wire.crashpoint import crash_point

JOURNAL = "journal.db"
LOCK = "journal.lock"
RESERVE_BYTES = 2 * 1024 * 1024
SET_ASIDE_KEPT = 3
_SUFFIXES = ("", "-wal", "-shm")
_REWRITE_BYTES = 1024 * 1024
_DISK_FAILS = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT})


class Files:
    """What lies beside the journal. Blocking; the writer's thread calls it."""

    def __init__(self, directory: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        self.directory = directory
        self.journal = directory / JOURNAL
        self._reserve = directory / "journal.reserve"
        self._reserve_bytes = reserve_bytes
        self._lock: int | None = None

    def lock(self) -> None:
        """Make the directory and take it. Raises `JournalInUseError`, `StorageError`."""
        try:
            self.make_directory()
            handle = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"cannot use {self.directory}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise JournalInUseError(f"another process uses the journal in {self.directory}") from error
        self._lock = handle

    def make_directory(self) -> None:
        """Make the directory if it is not there, so that its name survives a power cut as well. Raises OSError."""
        made = [path for path in (self.directory, *self.directory.parents) if not path.exists()]
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in made or [self.directory]:  # whoever made it may have been killed before it synced the name
            _sync(path.parent)

    def unlock(self) -> None:
        """Let the next process have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def free_bytes(self) -> int:
        """Bytes the disk still has for us. Raises OSError when that cannot be told."""
        facts = os.statvfs(self.directory)
        return facts.f_bavail * facts.f_frsize

    def has_reserve(self) -> bool:
        """Whether the reserve lies there in full."""
        try:
            return self._reserve.stat().st_size >= self._reserve_bytes
        except OSError:
            return False

    def make_reserve(self) -> str:
        """Take room away from everybody, to be given up when an outcome finds none. Why not; empty: it is there."""
        if self.has_reserve():
            return ""
        try:
            handle = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            return error.strerror or type(error).__name__
        try:
            crash_point("appliance.journal.reserve.before")
            os.posix_fallocate(handle, 0, self._reserve_bytes)
            os.fsync(handle)
            crash_point("appliance.journal.reserve.after")
        except OSError as error:
            with contextlib.suppress(OSError):
                self._reserve.unlink()
            return error.strerror or type(error).__name__
        finally:
            os.close(handle)
        return ""

    def release_reserve(self) -> bool:
        """Give the reserve up; whether there was one."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def identity(self) -> tuple[int, int] | None:
        """Which file lies under the journal's name now; None if there is none. Raises OSError when nobody can look."""
        return _identity(self.journal)

    def log_identity(self) -> tuple[int, int] | None:
        """The same of its write-ahead log, which is one file for as long as the journal is open."""
        return _identity(self.journal.with_name(f"{JOURNAL}-wal"))

    def set_aside(self) -> Path | None:
        """Move the journal out of the way, its log with it; the oldest of earlier ones go. None if there is nothing.

        Raises OSError when it cannot be moved.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        target = self.directory / f"journal.damaged-{stamp}"
        number = 1
        while target.exists():
            number += 1
            target = self.directory / f"journal.damaged-{stamp}-{number}"
        moved = self.journal.exists()
        if moved:
            crash_point("appliance.journal.set_aside.before")
            self.journal.rename(target)
            crash_point("appliance.journal.set_aside.after")
        self._move_log(target)
        self._forget_oldest(target)
        return target if moved else None

    def finish_setting_aside(self) -> None:
        """Give a log without its journal to the journal that a run was just setting aside when it was cut off.

        Raises OSError.
        """
        if not self.journal.exists() and (found := self._all_set_aside()):
            newest = max(found, key=lambda path: path.stat().st_mtime)
            if not newest.with_name(f"{newest.name}-wal").exists():
                self._move_log(newest)

    def not_carried_over(self) -> list[Path]:
        """Journals that were set aside and of which nothing here says that they were carried over, oldest first."""
        return sorted(path for path in self._all_set_aside() if not _mark(path).exists())

    def mark_carried_over(self, aside: Path) -> None:
        """Note that what can be read of it stands in the journal."""
        with contextlib.suppress(OSError):  # the journal says so as well
            _mark(aside).touch(0o600)
            _sync(self.directory)

    def _move_log(self, target: Path) -> None:
        for suffix in _SUFFIXES[1:]:
            source = self.journal.with_name(self.journal.name + suffix)
            if source.exists():
                source.rename(target.with_name(target.name + suffix))

    def _all_set_aside(self) -> list[Path]:
        return [path for path in self.directory.glob("journal.damaged-*") if not path.name.endswith(_SUFFIXES[1:])]

    def rewrite_log(self) -> None:
        """Write SQLite's log once more as it is read, and sync it. Raises OSError.

        What the kernel could not write is read from memory like what stands on the disk, and no later sync speaks of
        it (https://lwn.net/Articles/752063/). A log with such a place in it would be appended to and synced, and all
        that is would be lost with the place at the next power cut. So nothing in it is believed before this, whether
        the sync failed here or in a program that is dead by now.
        """
        try:
            handle = os.open(self.journal.with_name(self.journal.name + "-wal"), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            offset = 0
            while data := os.pread(handle, _REWRITE_BYTES, offset):
                offset += os.pwrite(handle, data, offset)
            if offset:
                os.fsync(handle)
        finally:
            os.close(handle)

    def sync_directory(self) -> None:
        """Make names in the directory durable. Raises OSError."""
        _sync(self.directory)

    def _forget_oldest(self, newest: Path) -> None:
        """By modification order of names; a wrong clock may misjudge age, never remove the newest."""
        others = [path for path in self._all_set_aside() if path != newest]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for old in others[SET_ASIDE_KEPT - 1 :]:
            _mark(old).unlink(missing_ok=True)
            for suffix in _SUFFIXES:
                with contextlib.suppress(OSError):
                    old.with_name(old.name + suffix).unlink()


def _mark(aside: Path) -> Path:
    return aside.with_name(aside.name.replace("damaged", "carried", 1))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return facts.st_dev, facts.st_ino


def _sync(directory: Path) -> None:
    """Raises OSError when the disk fails; file systems that cannot sync a directory, or do not let us, are excused."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno in _DISK_FAILS:
            raise
