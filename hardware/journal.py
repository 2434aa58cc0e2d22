"""Where a driver writes what must outlive a power cut: the owner's book, one page a device.

The owner implements `DeviceJournal`; `FileJournal` is a whole one, for a device without an appliance around it (the
commands `devices` and `devices test`, benches, tests).
"""

import asyncio
import contextlib
import logging
import os
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hardware import events
from hardware.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.protocol import Memory

_log = logging.getLogger(__name__)
_KINDS = {
    kind.__struct_config__.tag: kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}


class DeviceJournal(ABC):
    """One device's page.

    `record` is called by the driver's pump, which does nothing else meanwhile: a device may be waiting ten milliseconds
    for it. It must never wait for the device itself. When it raises, nothing counts as written, the device is told
    nothing, and the same is written again after a while.
    """

    @abstractmethod
    async def recall(self) -> "Memory":
        """What was remembered last; empty for a device that was never seen."""

    @abstractmethod
    async def record(self, event: Event | None, memory: "Memory | None") -> None:
        """Write both or neither; durable when it returns. `memory` replaces what was remembered, None leaves it."""


class _Entry(msgspec.Struct, omit_defaults=True):
    event: dict[str, object] | None = None
    memory: dict[str, object] | None = None


class FileJournal(DeviceJournal):
    """One line of JSON an entry, each on the disk before `record` returns; a torn last line never counted.

    Args:
        path: made when missing; its directory must exist.
        heard: called with every event once it is written. What it raises is logged and changes nothing.
    """

    def __init__(self, path: Path, heard: "Callable[[Event], None] | None" = None) -> None:
        self._path = path
        self._heard = heard
        self._lock = asyncio.Lock()
        self._writing = threading.Lock()  # a record whose caller was cancelled is still being written

    async def recall(self) -> "Memory":
        """Reads the file. Raises `ValueError` when it is damaged otherwise than by a power cut."""
        remembered: dict[str, object] = {}
        for entry in await asyncio.to_thread(self._read):
            if entry.memory is not None:
                remembered = entry.memory
        return remembered

    async def record(self, event: Event | None, memory: "Memory | None") -> None:
        """Appends a line and waits for the disk."""
        entry = _Entry(
            event=None if event is None else msgspec.to_builtins(event),
            memory=None if memory is None else dict(memory),
        )
        async with self._lock:
            await asyncio.to_thread(self._append, msgspec.json.encode(entry) + b"\n")
        if event is not None and self._heard is not None:
            try:
                self._heard(event)
            except Exception:
                # It is written: were this to look like a failure, it would be written again.
                _log.exception("%s: written, but not heard: %s", self._path, event)

    def events(self) -> list[Event]:
        """All that were recorded, the oldest first; kinds of a later version are left out."""
        recorded = [entry.event for entry in self._read() if entry.event is not None]
        return [event for data in recorded if (event := read_event(msgspec.json.encode(data)))]

    def _read(self) -> list[_Entry]:
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        entries = []
        # What stands behind the last line feed was not whole when the power went.
        for number, line in enumerate(lines[:-1], 1):
            try:
                entries.append(msgspec.json.decode(line, type=_Entry))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ValueError(f"{self._path}, line {number}: is no entry of a device's journal: {error}") from error
        return entries

    def _append(self, line: bytes) -> None:
        with self._writing:
            if not self._path.exists():
                self._path.touch(mode=0o600)
                # Its name first: a line in a file that a power cut makes nameless was never written.
                directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(directory)
                finally:
                    os.close(directory)
            self._write(line)

    def _write(self, line: bytes) -> None:
        with self._path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            while end and file.seek(end - 1) == end - 1 and file.read(1) != b"\n":
                end -= 1  # a torn line
            file.truncate(end)
            file.seek(end)
            try:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(end)
                raise


def read_event(data: bytes | msgspec.Raw) -> Event | None:
    """An event from its JSON, or None for a kind that is not known here."""
    kind = msgspec.json.decode(data, type=dict[str, object]).get("kind")
    known = _KINDS.get(str(kind))
    return None if known is None else msgspec.json.decode(data, type=known)
