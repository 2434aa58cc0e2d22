"""The directory of channels: what of it may be given away, and whether it is what its manifest says.

    UPDATES_DIR/<channel>/manifest.json, manifest.json.minisig, the files that it names, and their .minisig

Nothing else is reachable: a name is looked up among those, never joined to a path before. Symbolic links below the
directory are not followed. A file is given away only once its SHA-256 is what the manifest says: one that is still
being copied there is not there yet. Everything here blocks; call it in a thread.
"""

import errno
import hashlib
import logging
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from cloud.errors import Refused
from wire.release import (
    MANIFEST,
    SIGNATURE_SUFFIX,
    Manifest,
    Release,
    parse_channel,
    read_manifest,
    version_key,
)

_MANIFEST_MAX_BYTES = 1024 * 1024
_SIGNATURE_MAX_BYTES = 16 * 1024
_READ_BYTES = 1024 * 1024
_DIGESTS_MAX = 1000
_CHANNELS_MAX = 100

_log = logging.getLogger(__name__)

_Identity = tuple[int, int, int, int]  # device, number, time of change, size


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is open for reading. Who asked for it closes `handle`."""

    handle: int
    size: int
    sha256: str
    modified: float  # Unix seconds
    kind: str  # its media type
    lasts: bool  # the same name never means other bytes


class Channels:
    """All channels below one directory, which need not be there; empty: none is served."""

    def __init__(self, directory: str) -> None:
        self.are_served = bool(directory)
        self._directory = directory
        self._digests: dict[_Identity, str] = {}
        self._manifests: dict[_Identity, Manifest] = {}
        self._told: dict[
            tuple[str, str], None
        ] = {}  # files that are others than their manifests say, with their digests
        self._hashing = threading.Lock()  # hundreds of kiosks come for a new file at once: it is read through once

    def open(self, channel: str, name: str) -> File:
        """A file of a channel. Raises `Refused` with why there is none."""
        with self._opened(channel) as directory:
            if name == MANIFEST:
                return self._open(directory, name, _MANIFEST_MAX_BYTES, "application/json")
            if name == MANIFEST + SIGNATURE_SUFFIX:
                return self._open(directory, name, _SIGNATURE_MAX_BYTES, "text/plain")
            releases = {release.file: release for release in self._manifest(directory, channel).releases}
            if name in releases:
                return self._open_release(directory, releases[name])
            if name.removesuffix(SIGNATURE_SUFFIX) in releases:
                return self._open(directory, name, _SIGNATURE_MAX_BYTES, "text/plain")
        raise Refused("not-found", f"the manifest of channel {channel} names no such file")

    def manifest(self, channel: str) -> Manifest:
        """What a channel offers. Raises `Refused`."""
        with self._opened(channel) as directory:
            return self._manifest(directory, channel)

    def offered(self, channel: str) -> list[str]:
        """The versions a channel offers, oldest first; none if it cannot be read."""
        try:
            releases = self.manifest(channel).releases
        except Refused:
            return []
        return sorted({release.version for release in releases}, key=version_key)

    def names(self) -> list[str]:
        """The channels there are."""
        found = []
        try:
            with os.scandir(self._directory or os.devnull) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False) and _is_channel(entry.name):
                        found.append(entry.name)
        except OSError:
            return []
        return sorted(found)[:_CHANNELS_MAX]

    @contextmanager
    def _opened(self, channel: str) -> Iterator[int]:
        if not self._directory:
            raise Refused("not-found", "this hub serves no updates: UPDATES_DIR is not set")
        try:
            parse_channel(channel)
        except ValueError as error:
            raise Refused("not-found", str(error)) from error
        try:
            above = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Refused("not-found", f"UPDATES_DIR cannot be read: {error.strerror}") from error
        try:
            handle = os.open(channel, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        except OSError as error:
            raise Refused("not-found", f"there is no channel {channel}") from error
        finally:
            os.close(above)
        try:
            yield handle
        finally:
            os.close(handle)

    def _manifest(self, directory: int, channel: str) -> Manifest:
        file = self._open(directory, MANIFEST, _MANIFEST_MAX_BYTES, "application/json")
        try:
            key = _identity(os.fstat(file.handle))
            known = self._manifests.get(key)
            if known is None:
                known = read_manifest(os.pread(file.handle, _MANIFEST_MAX_BYTES, 0))
                self._manifests[key] = known
                _bound(self._manifests, _CHANNELS_MAX)
        except ValueError as error:
            raise Refused("not-found", f"the manifest of channel {channel} is none: {error}") from error
        finally:
            os.close(file.handle)
        if known.channel != channel:
            raise Refused("not-found", f"the manifest in channel {channel} is of channel {known.channel}")
        return known

    def _open_release(self, directory: int, release: Release) -> File:
        file = self._open(directory, release.file, None, "application/octet-stream", release.size, lasts=True)
        if file.sha256 != release.sha256:
            os.close(file.handle)
            # Kiosks ask for it again and again; who put it there is told once.
            if (release.file, file.sha256) not in self._told:
                self._told[(release.file, file.sha256)] = None
                _bound(self._told, _DIGESTS_MAX)
                _log.warning(
                    "a file of a channel is not what its manifest says, and is not given away",
                    extra={"file": release.file, "sha256": file.sha256, "manifest": release.sha256},
                )
            raise Refused("not-found", f"{release.file} is not what the manifest says: it may still be copied here")
        return file

    def _open(
        self, directory: int, name: str, most: int | None, kind: str, size: int | None = None, *, lasts: bool = False
    ) -> File:
        # Not blocking: what was put there may be a pipe.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            handle = os.open(name, flags, dir_fd=directory)
        except OSError as error:
            words = "it is a symbolic link" if error.errno == errno.ELOOP else os.strerror(error.errno or 0)
            raise Refused("not-found", f"{name} cannot be read: {words}") from error
        try:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                raise Refused("not-found", f"{name} is no file")
            if (most is not None and facts.st_size > most) or (size is not None and facts.st_size != size):
                raise Refused("not-found", f"{name} has not the size it should have: it may still be copied here")
            return File(
                handle=handle,
                size=facts.st_size,
                sha256=self._digest(handle, facts, name),
                modified=facts.st_mtime,
                kind=kind,
                lasts=lasts,
            )
        except BaseException:
            os.close(handle)
            raise

    def _digest(self, handle: int, facts: os.stat_result, name: str) -> str:
        key = _identity(facts)
        with self._hashing:
            known = self._digests.get(key)
            if known is None:
                digest, offset = hashlib.sha256(), 0
                try:
                    while data := os.pread(handle, _READ_BYTES, offset):
                        digest.update(data)
                        offset += len(data)
                except OSError as error:
                    raise Refused("not-found", f"{name} cannot be read: {error.strerror}") from error
                if _identity(os.fstat(handle)) != key or offset != facts.st_size:
                    raise Refused("not-found", f"{name} is being changed")
                known = self._digests[key] = digest.hexdigest()
                _bound(self._digests, _DIGESTS_MAX)
        return known


def _is_channel(name: str) -> bool:
    try:
        return bool(parse_channel(name))
    except ValueError:
        return False


def _identity(facts: os.stat_result) -> _Identity:
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size


def _bound(kept: dict[Any, Any], most: int) -> None:
    """Forget the oldest."""
    while len(kept) > most:
        kept.pop(next(iter(kept)))
