"""Between SQLite and its files: the library's own file system with every write, sync and removal shown to a watcher.

A copy of SQLite's default VFS becomes the default one, in the same shared library that Python's `sqlite3` uses, so the
code under test opens its files as ever. Files in other directories than the watcher's pass untouched.
Sources: https://www.sqlite.org/c3ref/vfs.html and https://www.sqlite.org/c3ref/io_methods.html (layout of the structs).
"""

import _sqlite3
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from typing import Any, Protocol

OK = 0


class Watcher(Protocol):
    """Sees what SQLite does to files, before it is done; a returned code (not OK) makes it fail undone."""

    def watches(self, path: str) -> bool:
        """Whether this file is ours."""

    def opened(self, path: str) -> int:
        """A file is open, and made if it was not there; returns a number for it."""

    def write(self, file: int, offset: int, data: bytes) -> int:
        """Bytes are to be written."""

    def truncate(self, file: int, size: int) -> int:
        """The file is to be cut to a size."""

    def sync(self, file: int) -> int:
        """The file is to be synced."""

    def delete(self, path: str) -> int:
        """The file is to be removed."""

    def sync_directory(self, path: str) -> None:
        """The directory is to be synced."""


# The name goes on as the pointer it came as: SQLite keeps it, and reads parameters that follow it.
_XOpen = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_XDelete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_XSetSystemCall = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)
_XGetSystemCall = CFUNCTYPE(c_void_p, c_void_p, c_char_p)
_OpenDirectory = CFUNCTYPE(c_int, c_char_p, c_void_p)
_XClose = CFUNCTYPE(c_int, c_void_p)
_XWrite = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_XTruncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_XSync = CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", c_int), ("file_size", c_int), ("path_max", c_int), ("next", c_void_p), ("name", c_char_p),
        ("app_data", c_void_p), ("open", _XOpen), ("delete", _XDelete), ("access", c_void_p),
        ("full_pathname", c_void_p), ("dl_open", c_void_p), ("dl_error", c_void_p), ("dl_sym", c_void_p),
        ("dl_close", c_void_p), ("randomness", c_void_p), ("sleep", c_void_p), ("current_time", c_void_p),
        ("last_error", c_void_p), ("current_time_64", c_void_p), ("set_system_call", _XSetSystemCall),
        ("get_system_call", _XGetSystemCall), ("next_system_call", c_void_p),
    )  # fmt: skip


class _Methods(ctypes.Structure):
    _fields_ = (
        ("version", c_int), ("close", _XClose), ("read", c_void_p), ("write", _XWrite), ("truncate", _XTruncate),
        ("sync", _XSync), ("size", c_void_p), ("lock", c_void_p), ("unlock", c_void_p), ("check_lock", c_void_p),
        ("control", c_void_p), ("sector_size", c_void_p), ("characteristics", c_void_p), ("shm_map", c_void_p),
        ("shm_lock", c_void_p), ("shm_barrier", c_void_p), ("shm_unmap", c_void_p), ("fetch", c_void_p),
        ("unfetch", c_void_p),
    )  # fmt: skip


class _File(ctypes.Structure):
    _fields_ = (("methods", POINTER(_Methods)),)


class _Shim:
    """The callbacks, and what must outlive them: SQLite keeps bare pointers."""

    def __init__(self, library: Any) -> None:
        find = library.sqlite3_vfs_find
        find.restype, find.argtypes = POINTER(_Vfs), (c_char_p,)
        self._library = library
        self._below = find(None)
        self._calls = self._below.contents
        self.watcher: Watcher | None = None
        self._files: dict[int, tuple[int, _Methods]] = {}  # address → the watcher's number, the methods below
        self._wrapped: dict[int, _Methods] = {}
        self.vfs = _Vfs()
        ctypes.pointer(self.vfs)[0] = self._calls
        self.vfs.name = b"watched"
        self.vfs.open = _XOpen(self._open)
        self.vfs.delete = _XDelete(self._delete)
        self._close = _XClose(self._on_close)
        self._write = _XWrite(self._on_write)
        self._truncate = _XTruncate(self._on_truncate)
        self._sync = _XSync(self._on_sync)
        below = self._calls.get_system_call(self._below_address, b"openDirectory")
        self._open_directory = _OpenDirectory(below)
        self._opening_directory = _OpenDirectory(self._on_open_directory)

    @property
    def _below_address(self) -> int:
        return ctypes.addressof(self._calls)

    def register(self) -> None:
        assert self._library.sqlite3_vfs_register(ctypes.byref(self.vfs), 1) == OK
        self._calls.set_system_call(
            self._below_address, b"openDirectory", ctypes.cast(self._opening_directory, c_void_p)
        )  # fmt: skip

    def unregister(self) -> None:
        self._calls.set_system_call(self._below_address, b"openDirectory", None)
        assert self._library.sqlite3_vfs_unregister(ctypes.byref(self.vfs)) == OK
        assert self._library.sqlite3_vfs_register(self._below, 1) == OK

    def _open(self, _vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        code = int(self._calls.open(self._below_address, name, file, flags, out))
        watcher, path = self.watcher, ctypes.string_at(name).decode() if name else ""
        if code == OK and name and watcher is not None and watcher.watches(path):
            handle = ctypes.cast(file, POINTER(_File)).contents
            below = handle.methods
            self._files[file] = watcher.opened(path), below.contents
            handle.methods = ctypes.pointer(self._wrap(below))
        return code

    def _wrap(self, below: Any) -> _Methods:
        address = ctypes.addressof(below.contents)
        if address not in self._wrapped:
            methods = _Methods()
            # An older library's struct may be shorter; what is not there is not called either, by `version`.
            ctypes.pointer(methods)[0] = below.contents
            methods.close, methods.write, methods.truncate = self._close, self._write, self._truncate
            methods.sync = self._sync
            self._wrapped[address] = methods
        return self._wrapped[address]

    def _delete(self, _vfs: int, name: bytes, sync_directory: int) -> int:
        watcher, path = self.watcher, name.decode()
        if watcher is not None and watcher.watches(path):
            code = watcher.delete(path)
            if code != OK:
                return code
        return int(self._calls.delete(self._below_address, name, sync_directory))

    def _on_open_directory(self, path: bytes, out: int | None) -> int:
        """SQLite names the file whose directory it is about to sync."""
        if self.watcher is not None and self.watcher.watches(path.decode()):
            self.watcher.sync_directory(path.decode().rpartition("/")[0])
        return int(self._open_directory(path, out))

    def _on_close(self, file: int) -> int:
        _number, below = self._files.pop(file)
        return int(below.close(file))

    def _on_write(self, file: int, data: int, size: int, offset: int) -> int:
        number, below = self._files[file]
        code = OK if self.watcher is None else self.watcher.write(number, offset, ctypes.string_at(data, size))
        return int(below.write(file, data, size, offset)) if code == OK else code

    def _on_truncate(self, file: int, size: int) -> int:
        number, below = self._files[file]
        code = OK if self.watcher is None else self.watcher.truncate(number, size)
        return int(below.truncate(file, size)) if code == OK else code

    def _on_sync(self, file: int, flags: int) -> int:
        number, below = self._files[file]
        code = OK if self.watcher is None else self.watcher.sync(number)
        return int(below.sync(file, flags)) if code == OK else code


_shims: list[_Shim] = []


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Show the watcher everything SQLite does to its files, until the end; all files must be closed by then."""
    if not _shims:
        _shims.append(_Shim(ctypes.CDLL(getattr(_sqlite3, "__file__", None))))
    (shim,) = _shims
    assert shim.watcher is None, "one watcher at a time"
    shim.watcher = watcher
    shim.register()
    try:
        yield
    finally:
        shim.unregister()
        shim.watcher = None
