"""Root's part: a download becomes a version that can be run. `kioskwire-appliance update apply`.

The download lies in a directory of the service's user, who is not trusted: it may be a link, a pipe, or change while it
is read. So it is copied to a place of root's first, and it is the copy that is verified, unpacked and tried. Nothing is
written back there: what came of it stands in `applied.json`, in a directory of root's that all may read.

    KIOSKWIRE_APP/incoming/            the copy
    KIOSKWIRE_APP/versions/.in.<v>     unpacked and not yet tried; removed by the next run, should this one be cut off
    KIOSKWIRE_APP/versions/<v>         a version: whole, verified, and its self-test has passed
"""

import contextlib
import fcntl
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from appliance.updates.download import FILE_MAX_BYTES, chunks
from appliance.updates.files import CURRENT, DIRECTORY, DOWNLOADS, GOOD, READY, put, sync_directory
from appliance.updates.minisign import TEXT_MAX_BYTES, Keys, SignatureError, digest, verify
from appliance.updates.places import APPLIED, PROGRAM, Applied, Places, found, is_newer, newest, this_target, version_of
from appliance.updates.source import SourceError, load_keys
from appliance.updates.unpack import ArchiveError, unpack
from wire.crashpoint import crash_point
from wire.release import SIGNATURE_SUFFIX

SELF_TEST_S = 120.0
_ROOM_BYTES = 64 * 1024 * 1024  # left free beside what is unpacked
_UNPACKED_TIMES = 5  # so many times as large as packed, at most about
_USER = "kioskwire"


class RefusedError(Exception):
    """It does not become a version; in words."""


class NothingReadyError(RefusedError):
    """There is nothing to be done; what came of the last one stays written."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: what STATE_DIR/updates/ready names becomes a version, or a file that a person gives.

    `user` is who the new version proves itself as, if there is one of that name.
    """

    state_dir: Path
    places: Places
    keys_file: Path
    given: Path | None = None
    user: str = _USER


def apply(task: Task) -> Applied:
    """Do it; returns what came of it, which is written to `applied.json` as well. Raises OSError if that cannot be."""
    places = task.places
    for directory, mode in ((places.app, 0o755), (places.versions, 0o755), (places.app / "incoming", 0o700)):
        directory.mkdir(mode=mode, parents=True, exist_ok=True)
    with _alone(places.app):
        tidy(places)
        file = task.given.name if task.given else ""
        try:
            if not file:
                file = _ready(task.state_dir)
            version = _wanted(file, places)
            if version in found(places.versions):
                done = Applied(file=file, version=version, ok=True, words="it was there already")
            else:
                done = _install(task, file, version, load_keys(task.keys_file))
        except NothingReadyError as error:
            return Applied(file="", words=str(error), at=time.time())
        except (RefusedError, SourceError, SignatureError, ArchiveError) as error:
            done = Applied(file=file, words=str(error))
        except OSError as error:
            done = Applied(file=file, words=f"it cannot be written: {error.strerror or error}")
        finally:
            tidy(places)
        done = msgspec.structs.replace(done, at=time.time())
        crash_point("appliance.updates.applied.before")
        put(places.app, APPLIED, msgspec.json.encode(done) + b"\n", mode=0o644)
        crash_point("appliance.updates.applied.after")
        if done.ok:
            prune(task.state_dir, places, done.version)
    return done


def tidy(places: Places) -> None:
    """Remove what a run left that was cut off. Raises OSError."""
    for left in places.versions.glob(".*"):
        shutil.rmtree(left)
    for left in (places.app / "incoming").iterdir():
        left.unlink()


def prune(state_dir: Path, places: Places, latest: str) -> None:
    """Remove versions that nobody goes back to: all but the latest, the current and the last good one."""
    keep = {latest}
    for name in (CURRENT, GOOD):
        with contextlib.suppress(OSError, RefusedError):
            keep.add(_read_small(state_dir, (DIRECTORY, name)).strip())
    for version in list(found(places.versions)):
        if version not in keep:
            leaving = places.versions / f".out.{version}"
            (places.versions / version).rename(leaving)  # half a version is none
            shutil.rmtree(leaving)
    sync_directory(places.versions)


def try_out(program: Path, version: str, *, user: str = "", limit_s: float = SELF_TEST_S) -> None:
    """Have a program prove that it is that version and whole, where nothing is. Raises `RefusedError`, OSError."""
    with tempfile.TemporaryDirectory(prefix="kioskwire-update-") as nowhere:
        as_user = _owner(Path(nowhere), user)
        said = _run(program, ["version"], nowhere, as_user, 30.0)
        if said.split() != [PROGRAM, version]:
            raise RefusedError(f"the program in it says that it is {' '.join(said.split())[:100]}, not {version}")
        _run(program, ["selftest"], nowhere, as_user, limit_s)


def _install(task: Task, file: str, version: str, keys: Keys) -> Applied:
    places = task.places
    copy = places.app / "incoming" / file
    if task.given:
        _copy_given(task.given, copy)
    else:
        _copy(task.state_dir, (DIRECTORY, DOWNLOADS, file), copy, FILE_MAX_BYTES)
        beside = file + SIGNATURE_SUFFIX
        _copy(task.state_dir, (DIRECTORY, DOWNLOADS, beside), copy.with_name(beside), TEXT_MAX_BYTES)
    signature = copy.with_name(file + SIGNATURE_SUFFIX).read_bytes().decode("utf-8", "replace")
    verify(keys, signature, digest(chunks(copy)))
    _make_room(places, copy.stat().st_size)
    target = places.versions / version
    incoming = places.versions / f".in.{version}"
    crash_point("appliance.updates.unpack.before")
    unpack(copy, incoming)
    crash_point("appliance.updates.unpack.after")
    try_out(incoming / PROGRAM, version, user=task.user)
    if target.exists():  # it cannot be run, or it would have been found
        target.rename(places.versions / f".out.{version}")
    crash_point("appliance.updates.install.before")
    incoming.rename(target)
    sync_directory(places.versions)
    crash_point("appliance.updates.install.after")
    return Applied(file=file, version=version, ok=True)


def _ready(state_dir: Path) -> str:
    try:
        return _read_small(state_dir, (DIRECTORY, READY)).strip()
    except FileNotFoundError:
        raise NothingReadyError("no download waits to become a version") from None
    except OSError as error:
        raise RefusedError(f"what waits to become a version cannot be read: {error.strerror}") from None


def _wanted(file: str, places: Places) -> str:
    """The version of a file's name, if that is one to be had. Raises `RefusedError`."""
    try:
        version = version_of(file)
    except ValueError as error:
        raise RefusedError(f"{file[:200]!r} is not a release's name: {error}") from None
    if not file.endswith(f"-{this_target()}.tar.xz"):
        raise RefusedError(f"{file} is not for this machine, which is {this_target()}")
    packaged = newest(places.packaged)
    if not is_newer(version, packaged):
        raise RefusedError(f"{version} is not newer than the package's {packaged}")
    return version


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One at a time. Raises OSError."""
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# Reading what another user may change at any time


@contextlib.contextmanager
def _opened(state_dir: Path, path: Sequence[str]) -> Iterator[int]:
    """A regular file, by a way on which nothing is a link. Raises `RefusedError`, OSError."""
    *directories, name = path
    with contextlib.ExitStack() as stack:
        at = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, at)
        for directory in directories:
            at = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            stack.callback(os.close, at)
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
        stack.callback(os.close, handle)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise RefusedError(f"{'/'.join(path)} is not a file")
        yield handle


def _read_small(state_dir: Path, path: Sequence[str]) -> str:
    with _opened(state_dir, path) as handle:
        return os.read(handle, 300).decode("utf-8", "replace")


def _copy(state_dir: Path, path: Sequence[str], target: Path, most: int) -> None:
    try:
        with _opened(state_dir, path) as handle:
            _pour(handle, target, most)
    except OSError as error:
        raise RefusedError(f"{'/'.join(path)} cannot be read: {error.strerror}") from None


def _copy_given(given: Path, target: Path) -> None:
    """What a person brought, on a stick perhaps, with its signature."""
    for source, to, most in (
        (given, target, FILE_MAX_BYTES),
        (given.with_name(given.name + SIGNATURE_SUFFIX), target.with_name(target.name + SIGNATURE_SUFFIX), 16 * 1024),
    ):
        try:
            handle = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise RefusedError(f"{source} cannot be read: {error.strerror}") from None
        try:
            _pour(handle, to, most)
        finally:
            os.close(handle)


def _pour(handle: int, target: Path, most: int) -> None:
    left = most
    crash_point("appliance.updates.incoming.before")
    with target.open("xb") as file:
        while chunk := os.read(handle, 1024 * 1024):
            left -= len(chunk)
            if left < 0:
                raise RefusedError(f"{target.name} is larger than {most} bytes")
            file.write(chunk)
    crash_point("appliance.updates.incoming.after")


def _make_room(places: Places, packed: int) -> None:
    facts = os.statvfs(places.versions)
    free = facts.f_bavail * facts.f_frsize
    if free < packed * _UNPACKED_TIMES + _ROOM_BYTES:
        raise RefusedError(f"the disk has no room to unpack it: {free >> 20} MiB are free")


# Trying it


def _owner(directory: Path, user: str) -> tuple[int, int] | None:
    """Whom to run as, who gets the directory; None: who we are. Only root can be somebody else."""
    if os.geteuid() != 0 or not user:
        return None
    try:
        known = pwd.getpwnam(user)
    except KeyError:
        return None
    os.chown(directory, known.pw_uid, known.pw_gid)
    return known.pw_uid, known.pw_gid


def _run(program: Path, arguments: list[str], nowhere: str, user: tuple[int, int] | None, limit_s: float) -> str:
    what = f"{PROGRAM} {arguments[0]}"
    try:
        done = subprocess.run(  # noqa: S603 - what is run was signed
            [program, *arguments], cwd=nowhere, env={"HOME": nowhere, "TMPDIR": nowhere, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit_s, check=False,
            user=user[0] if user else None, group=user[1] if user else None, extra_groups=[] if user else None,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RefusedError(f"`{what}` of the new version did not end within {limit_s:g} s") from None
    except OSError as error:
        raise RefusedError(f"the new version cannot be run: {error.strerror}") from None
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        last = " / ".join(line.strip() for line in said.strip().splitlines()[-3:])[:500]
        raise RefusedError(f"`{what}` of the new version failed ({done.returncode}): {last}")
    return said
