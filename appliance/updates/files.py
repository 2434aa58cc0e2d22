"""The files by which the appliance, its launcher and root understand each other: STATE_DIR/updates.

    current   the version from updates that is to run          trial      what is on trial, and how often it was started
    good      the last one that has proved itself              bad        VERSION REASON, one a line: never tried again
    floor     no version below it can read the journal         baseline.json   how the kiosk was when all was well
    ready     the name of a download that root may unpack      download/  downloads, and parts of them
    put-off.json  versions that are to be tried again later, since the hub was not reached with them
    restart   somebody wants a restart while nothing moves     now        somebody wants the newest version now
    running.json, status.json   what runs and what it is about: for the commands
    kept.json     what was seen and told: serials of manifests, versions

The first three lines are what `packaging/launch/kioskwire-launch` reads; root writes none of them. Each is replaced as
a whole, and on the disk before the next is written: a power cut leaves the old or the new. One that is not understood
counts as none. Everything here blocks: call it in a thread where that matters.
"""

import contextlib
import os
import secrets
import stat
import threading
from pathlib import Path
from typing import TypeVar

import msgspec

from appliance.updates.putoff import PutOff
from wire.release import version_key

DIRECTORY = "updates"
DOWNLOADS = "download"
CURRENT, GOOD, TRIAL, BAD, FLOOR, BASELINE = "current", "good", "trial", "bad", "floor", "baseline.json"
READY, RESTART, NOW = "ready", "restart", "now"
RUNNING, STATUS, KEPT, PUT_OFF = "running.json", "status.json", "kept.json", "put-off.json"
_MAX_BYTES = 256 * 1024
_BAD_MAX = 200
_PUT_OFF_MAX = 20
_putting = threading.Lock()  # one thread takes another's half for one of a run that was cut off

T = TypeVar("T")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What outlives a run: the highest serial seen of each channel; versions whose news the hub was told."""

    serials: dict[str, int] = {}
    told_available: str = ""
    told_bad: list[str] = []


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """The run that is going on, or was the last."""

    version: str
    boot_id: str
    origin: str = ""  # as the launcher has it: package or update


class UpdateFiles:
    """The directory. Reading never raises; writing raises OSError."""

    def __init__(self, state_dir: Path) -> None:
        self.directory = state_dir / DIRECTORY
        self.downloads = self.directory / DOWNLOADS

    def make(self) -> None:
        """Make what is not there. Raises OSError."""
        self.downloads.mkdir(mode=0o700, parents=True, exist_ok=True)

    # Words

    def word(self, name: str) -> str:
        """The first word of a file's first line, if that ends; else an empty string."""
        line, end, _ = self._read(name).decode("utf-8", "replace").partition("\n")
        return line.split()[0] if end and line.split() else ""

    def version(self, name: str) -> str:
        """The version that stands in a file, or an empty string."""
        text = self.word(name)
        try:
            version_key(text)
        except ValueError:
            return ""
        return text

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.directory / name).exists()

    def write(self, name: str, text: str) -> None:
        """Replace a file by one line. Raises OSError."""
        put(self.directory, name, f"{text}\n".encode())

    def remove(self, name: str) -> None:
        """Have no such file. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            (self.directory / name).unlink()
            sync_directory(self.directory)

    # Structures

    def load(self, name: str, kind: type[T]) -> T | None:
        """What a JSON file says, or None."""
        try:
            return msgspec.json.decode(self._read(name), type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def save(self, name: str, value: object) -> None:
        """Replace it. Raises OSError."""
        put(self.directory, name, msgspec.json.encode(value) + b"\n")

    def kept(self) -> Kept:
        """What was remembered; nothing where that cannot be read."""
        return self.load(KEPT, Kept) or Kept()

    # Versions that failed

    def put_off(self) -> dict[str, PutOff]:
        """Versions that are tried again later."""
        return self.load(PUT_OFF, dict[str, PutOff]) or {}

    def save_put_off(self, version: str, how: PutOff | None) -> None:
        """Keep how it went with one; None: forget it. Raises OSError."""
        found = self.put_off()
        found.pop(version, None)
        if how is not None:
            found[version] = how
        self.save(PUT_OFF, dict(list(found.items())[-_PUT_OFF_MAX:]))

    def bad(self) -> dict[str, str]:
        """Versions that are never tried again, with the reason for people."""
        found = {}
        for line in self._read(BAD).decode("utf-8", "replace").splitlines():
            version, _, reason = line.strip().partition(" ")
            if version:
                found[version] = reason
        return found

    def add_bad(self, version: str, reason: str) -> None:
        """Never try it again. Raises OSError."""
        bad = self.bad()
        bad.setdefault(version, " ".join(reason.split())[:500])
        self._write_bad(dict(list(bad.items())[-_BAD_MAX:]))

    def wish_for_good(self) -> None:
        """The last good version is to run; without one the package's. Raises OSError."""
        if good := self.version(GOOD):
            self.write(CURRENT, good)
        else:
            self.remove(CURRENT)

    def forgive(self, version: str) -> bool:
        """Let it be tried again when its turn comes; whether it was bad or put off. Raises OSError."""
        bad, was_put_off = self.bad(), version in self.put_off()
        if was_put_off:
            self.save_put_off(version, None)
        if version not in bad:
            return was_put_off
        if self.version(CURRENT) == version:
            self.wish_for_good()  # any restart would try it at once, whatever its window and its rollout
        if self.word(TRIAL) == version:
            self.remove(TRIAL)  # its starts are counted anew
        kept = self.kept()
        told = [each for each in kept.told_bad if each != version]
        self.save(KEPT, msgspec.structs.replace(kept, told_bad=told))
        del bad[version]
        self._write_bad(bad)
        return True

    def _write_bad(self, bad: dict[str, str]) -> None:
        text = "".join(f"{version} {reason}\n" for version, reason in bad.items())
        put(self.directory, BAD, text.encode())

    def _read(self, name: str) -> bytes:
        return read_plain(self.directory / name)


def read_plain(path: Path, most: int = _MAX_BYTES) -> bytes:
    """A regular file's bytes, links not followed; empty where there is none such, or a larger one."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        with open(handle, "rb", closefd=False) as file:
            data = file.read(most + 1)
    except OSError:
        return b""
    finally:
        os.close(handle)
    return data if len(data) <= most else b""


def put(directory: Path, name: str, data: bytes, mode: int = 0o600) -> None:
    """Replace a file of a directory, so that there is either the old or the new, whatever happens. Raises OSError.

    Nobody who may write in the directory can have it write elsewhere: links are not followed. The file belongs to whom
    the directory belongs.
    """
    with _putting:
        _put(directory, name, data, mode)


def _put(directory: Path, name: str, data: bytes, mode: int) -> None:
    at = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    new = f".{name}.{secrets.token_hex(4)}"
    try:
        for left in os.listdir(at):
            if left.startswith(f".{name}.") and len(left) == len(new):
                os.unlink(left, dir_fd=at)  # of a run that was cut off
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=at)
        try:
            if os.geteuid() == 0:
                owner = os.fstat(at)
                os.fchown(handle, owner.st_uid, owner.st_gid)
            os.fchmod(handle, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(new, dir_fd=at)
            raise
        finally:
            os.close(handle)
        os.rename(new, name, src_dir_fd=at, dst_dir_fd=at)
        os.fsync(at)
    finally:
        os.close(at)


def sync_directory(directory: Path) -> None:
    """Make the names in it durable. Raises OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
