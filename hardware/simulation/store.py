"""What a simulated device keeps over its own restarts, and the ledger of what physically happened.

In a directory lie `memory.json`, replaced as a whole, and the ledger, one JSON object a line. `memory.json` is where a
change becomes true: it carries the ledger's lines that came with it, and whoever finds the ledger without them (the
simulator was killed in between) writes them after. Both are on the disk before a byte that tells of them leaves the
device, so memory, ledger and what the host was told agree at whatever moment the simulator is killed.
"""

import fcntl
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

MEMORY_FILE = "memory.json"
LEDGER_FILE = "ledger.jsonl"

Line = dict[str, Any]
"""One line of the ledger: `seq`, `at` (seconds since 1970), `happened`, and the figures of what happened."""


class StoreError(Exception):
    """A directory or ledger that cannot be used; `str()` says why."""


class _Kept(msgspec.Struct):
    family: str
    memory: dict[str, Any]
    seq: int = 0  # the ledger's last line
    lines: list[Line] = []  # those that came with this memory


class Store:
    """A memory and a ledger; kept in `directory`, or in this process alone.

    Args:
        directory: made when missing; taken by one simulator at a time.
        family: whose memory it is; that of another family is refused.
        ledger: the ledger's file, when it shall be another than in the directory.

    Raises:
        StoreError: it is taken, of another family, damaged, or cannot be written.
    """

    def __init__(self, directory: Path | None = None, family: str = "", ledger: Path | None = None) -> None:
        self.memory: dict[str, Any] = {}
        self.lines: list[Line] = []
        self.watchers: list[Callable[[Line], None]] = []
        """Called with each line once it is written."""
        self._family = family
        self._new: list[Line] = []
        self._directory: Path | None = None
        self._lock = self._file = -1
        try:
            self._open(directory, ledger)
        except OSError as error:
            self.close()
            raise StoreError(f"{error.filename or directory or ledger}: {error.strerror or error}") from error
        except StoreError:
            self.close()
            raise
        self._saved = self._memory_now()

    def note(self, happened: str, figures: Mapping[str, object]) -> None:
        """Something physically happened. It is `simulator.Ledger`; on the disk with the next `commit`."""
        line: Line = {"seq": len(self.lines) + 1, "at": round(time.time(), 6), "happened": happened, **figures}
        self.lines.append(line)
        self._new.append(line)

    def commit(self) -> None:
        """Put on the disk what changed, if anything did. Raises `OSError`."""
        now = self._memory_now()
        if now == self._saved and not self._new:
            return
        new, self._new = self._new, []
        self._keep(new)
        self._append(new)
        self._saved = now
        for line in new:
            for watcher in self.watchers:
                watcher(line)

    def close(self) -> None:
        """Let go of the files; what was not committed is lost, as the simulator's death would lose it."""
        for fd in (self._file, self._lock):
            if fd >= 0:
                os.close(fd)
        self._file = self._lock = -1

    def _open(self, directory: Path | None, ledger: Path | None) -> None:
        kept = None
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(f"{directory}: another simulator has its memory here") from None
            self._directory = directory
            kept = self._recall(directory / MEMORY_FILE)
            ledger = ledger or directory / LEDGER_FILE
        if ledger is not None:
            self.lines = _read_ledger(ledger)
            if kept is not None and len(self.lines) < kept.seq - len(kept.lines):
                raise StoreError(
                    f"{ledger}: has {len(self.lines)} lines, and {directory}/{MEMORY_FILE} knows of {kept.seq}: it is "
                    "another ledger; right would be the one from before, or a memory that begins anew"
                )
            self._file = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_DSYNC | os.O_CLOEXEC, 0o600)
        if kept is not None:
            self.memory.update(kept.memory)
            missing = [line for line in kept.lines if line["seq"] > len(self.lines)]
            self._append(missing)
            self.lines += missing

    def _recall(self, path: Path) -> _Kept | None:
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise StoreError(f"{path}: is no simulator's memory: {error}") from error
        if kept.family != self._family:
            raise StoreError(f"{path}: is the memory of a simulated {kept.family}, not of {self._family}")
        return kept

    def _memory_now(self) -> bytes:
        return msgspec.json.encode(self.memory)

    def _keep(self, new: list[Line]) -> None:
        if self._directory is None:
            return
        kept = _Kept(family=self._family, memory=self.memory, seq=len(self.lines), lines=new)
        path = self._directory / MEMORY_FILE
        half = path.with_suffix(".new")
        with half.open("wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _append(self, lines: list[Line]) -> None:
        if self._file >= 0 and lines:
            text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
            if os.write(self._file, text) != len(text):
                raise OSError("the ledger took only a part of a line")


def _read_ledger(path: Path) -> list[Line]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = text.rfind(b"\n") + 1
    try:
        lines = [msgspec.json.decode(line, type=Line) for line in text[:whole].splitlines() if line.strip()]
        if [line["seq"] for line in lines] != list(range(1, len(lines) + 1)):
            raise StoreError(f"{path}: is no simulator's ledger: its lines are not numbered from 1 on")
    except (msgspec.DecodeError, KeyError) as error:
        raise StoreError(f"{path}: is no simulator's ledger: {error}") from error
    if whole < len(text):
        os.truncate(path, whole)  # a line that was not whole when the simulator was killed
    return lines
