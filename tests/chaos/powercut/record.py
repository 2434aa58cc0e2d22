"""Notes what a program does to the files under one directory, through SQLite and through `os`, in order.

Only what changes a disk is noted. What the product does by other ways than these functions would be missed; `Recorder.
compare` finds that out, by holding what the record says against the directory itself.
"""

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from tests.chaos.powercut.disk import Disk, Image, Link, Mark, Op, Rename, Sync, Truncate, Unlink, Write
from tests.chaos.powercut.vfs import OK, watched

_INVISIBLE = "-shm"  # shared memory: never synced, never survives

# Asked before each write, truncation or sync with its kind and the file's name; what it returns happens instead: an
# errno, ENOSPC or EIO, or 0 for nothing.
Fault = Callable[[str, str], int]


class Recorder:
    """The record of one directory, which lies there as a program sees `before`. Marks may come from any thread."""

    def __init__(self, root: Path, before: Disk | None = None) -> None:
        self.root = root
        self.log: list[Op] = []
        self.fault: Fault = lambda _kind, _name: 0
        self._lock = threading.RLock()
        before = before or Disk()
        self._names, self._next = before.numbers(), before.next_number()
        lay_out(before.kept(), root)
        self._handles: dict[int, str] = {}
        self._original: dict[str, Any] = {}

    def mark(self, kind: str, about: str = "", value: Any = None) -> None:
        """Note a promise, or an attempt."""
        with self._lock:
            self.log.append(Mark(kind, about, value))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record until the end."""
        with contextlib.ExitStack() as stack:
            for name in ("open", "close", "fsync", "mkdir", "rename", "unlink", "posix_fallocate", "pwrite", "replace"):
                self._original[name] = getattr(os, name)
                stack.enter_context(mock.patch.object(os, name, getattr(self, f"_os_{name}")))
            stack.enter_context(watched(self))
            yield

    def compare(self, before: Disk | None = None) -> None:
        """Hold the record against the directory: nothing was done that is not in it."""
        replayed = before or Disk()
        for op in self.log:
            replayed.apply(op)
        said = replayed.kept()
        for path, content in said.items():
            found = self.root / path
            assert found.is_dir() if content is None else found.read_bytes() == content, f"{path} is not as recorded"
        there = {str(path.relative_to(self.root)) for path in self.root.rglob("*")}
        assert {path for path in there if not path.endswith(_INVISIBLE)} == set(said)

    # What SQLite does: see `vfs.Watcher`.

    def watches(self, path: str) -> bool:
        """Whether this is a file of ours."""
        return path.startswith(f"{self.root}/") and not path.endswith(_INVISIBLE)

    def opened(self, path: str) -> int:
        """Its number, a new one when it was made just now."""
        with self._lock:
            return self._link(self._relative(path))

    def write(self, file: int, offset: int, data: bytes) -> int:
        """Bytes are to be written."""
        with self._lock:
            if code := self._failing("write", file):
                return sqlite3.SQLITE_FULL if code == errno.ENOSPC else _IOERR_WRITE
            self.log.append(Write(file, offset, data))
        return OK

    def truncate(self, file: int, size: int) -> int:
        """The file is to be cut."""
        with self._lock:
            if self._failing("truncate", file):
                return _IOERR_TRUNCATE
            self.log.append(Truncate(file, size))
        return OK

    def sync(self, file: int) -> int:
        """The file is to be synced."""
        with self._lock:
            failed = bool(self._failing("sync", file))
            self.log.append(Sync(file, failed))
        return _IOERR_FSYNC if failed else OK

    def delete(self, path: str) -> int:
        """The file is to be removed."""
        with self._lock:
            self._unlink(self._relative(path))
        return OK

    def sync_directory(self, path: str) -> None:
        """The directory is to be synced."""
        with self._lock:
            self.log.append(Sync(self._names[self._relative(path)]))

    # What the product does by itself.

    def _os_open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        handle: int = self._original["open"](path, flags, mode, **more)
        text = os.fspath(path)
        if isinstance(text, str) and (text == str(self.root) or self.watches(text)):
            with self._lock:
                self._handles[handle] = self._relative(text)
                if flags & os.O_CREAT:
                    self._link(self._relative(text))
                if flags & os.O_TRUNC:
                    self.log.append(Truncate(self._names[self._relative(text)], 0))
        return handle

    def _os_close(self, handle: int) -> None:
        with self._lock:
            self._handles.pop(handle, None)
        self._original["close"](handle)

    def _os_fsync(self, handle: int) -> None:
        with self._lock:
            name = self._handles.get(handle)
            if name is not None and name in self._names:
                is_directory = (self.root / name).is_dir()  # where these fail, the file system as a whole has failed
                code = 0 if is_directory else self._failing("sync", self._names[name])
                self.log.append(Sync(self._names[name], bool(code)))
                if code:
                    raise OSError(code, os.strerror(code))
        self._original["fsync"](handle)

    def _os_posix_fallocate(self, handle: int, offset: int, size: int) -> None:
        with self._lock:
            name = self._handles.get(handle)
            if name is not None:
                if code := self._failing("write", self._names[name]):
                    raise OSError(code, os.strerror(code))
                self.log.append(Truncate(self._names[name], offset + size))
        self._original["posix_fallocate"](handle, offset, size)

    def _os_pwrite(self, handle: int, data: bytes, offset: int) -> int:
        with self._lock:
            name = self._handles.get(handle)
            if name is not None:
                if code := self._failing("write", self._names[name]):
                    raise OSError(code, os.strerror(code))
                self.log.append(Write(self._names[name], offset, bytes(data)))
        written: int = self._original["pwrite"](handle, data, offset)
        assert written == len(data)
        return written

    def _os_mkdir(self, path: Any, *rest: Any, **more: Any) -> None:
        self._original["mkdir"](path, *rest, **more)
        if self.watches(os.fspath(path)):
            with self._lock:
                self._link(self._relative(os.fspath(path)), is_directory=True)

    def _os_rename(self, old: Any, new: Any, **more: Any) -> None:
        self._original["rename"](old, new, **more)
        if self.watches(os.fspath(old)):
            before, after = self._relative(os.fspath(old)), self._relative(os.fspath(new))
            with self._lock:
                self._names[after] = self._names.pop(before)
                directory, name = self._parent(before)
                assert directory == self._parent(after)[0]
                self.log.append(Rename(directory, name, self._parent(after)[1]))

    _os_replace = _os_rename

    def _os_unlink(self, path: Any, **more: Any) -> None:
        self._original["unlink"](path, **more)
        if self.watches(os.fspath(path)):
            with self._lock:
                self._unlink(self._relative(os.fspath(path)))

    def _failing(self, kind: str, file: int) -> int:
        name = next((path for path, number in self._names.items() if number == file), "")
        return self.fault(kind, name.rpartition("/")[2])

    def _relative(self, path: str) -> str:
        return path[len(str(self.root)) + 1 :]

    def _parent(self, name: str) -> tuple[int, str]:
        parent, _, last = name.rpartition("/")
        return self._names[parent], last

    def _link(self, name: str, *, is_directory: bool = False) -> int:
        if name not in self._names:
            self._names[name] = self._next
            self._next += 1
            directory, last = self._parent(name)
            self.log.append(Link(directory, last, self._names[name], is_directory))
        return self._names[name]

    def _unlink(self, name: str) -> None:
        if self._names.pop(name, None) is not None:
            directory, last = self._parent(name)
            self.log.append(Unlink(directory, last))


_IOERR_WRITE = sqlite3.SQLITE_IOERR_WRITE
_IOERR_TRUNCATE = sqlite3.SQLITE_IOERR_TRUNCATE
_IOERR_FSYNC = sqlite3.SQLITE_IOERR_FSYNC


def lay_out(image: Image, root: Path) -> None:
    """Put an image's files under a root."""
    root.mkdir(parents=True, exist_ok=True)
    for path in sorted(image):
        content = image[path]
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content)
