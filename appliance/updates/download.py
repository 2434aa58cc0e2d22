"""Fetches a release's file, in as many pieces as the line takes, and keeps what it has over power cuts.

    download/<file>.part    what is there of it; at most so much is lost as the disk had not yet
    download/<file>.etag    which of the server's files it is a part of
    download/<file>         all of it, and it is what the signed manifest says
    download/<file>.minisig its own signature, which root checks again

Whether the pieces belong together is decided by the digest at the end alone; a part that led to another digest is
thrown away, and the whole is fetched once more.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from appliance.updates.files import put, read_plain, sync_directory
from appliance.updates.minisign import TEXT_MAX_BYTES, Keys, SignatureError, digest, verify
from appliance.updates.source import Source, SourceError, refuse_packed, why
from wire.crashpoint import crash_point
from wire.release import SIGNATURE_SUFFIX, Release

FILE_MAX_BYTES = 512 * 1024 * 1024
_SYNC_EVERY_BYTES = 4 * 1024 * 1024
_WRITE_BYTES = 256 * 1024
_READ_BYTES = 1024 * 1024
_STARTS_MAX = 3  # from the beginning, in one go

Progress = Callable[[int, int], None]  # bytes there, bytes in all


async def fetch(
    source: Source, release: Release, directory: Path, keys: Keys, *, min_free_bytes: int,
    progress: Progress = lambda _there, _all: None,
) -> Path:  # fmt: skip
    """Have a release's file in the directory, verified. Raises `SourceError`; what was got stays for the next time."""
    target = directory / release.file
    try:
        if await asyncio.to_thread(_is_whole, target, release):
            return await _signed(source, release, target, keys)
        await asyncio.to_thread(tidy, directory, release.file)
        if release.size > FILE_MAX_BYTES:
            raise SourceError(f"{release.file} is larger than {FILE_MAX_BYTES >> 20} MiB", bad=True)
        part = directory / f"{release.file}.part"
        _make_room(directory, release.size - _size(part), min_free_bytes)
        for _ in range(_STARTS_MAX):
            before = _size(part)
            try:
                await _fetch_rest(source, release, part, progress)
            except SourceError as error:
                error.got_on = _size(part) > before
                raise
            if await asyncio.to_thread(_is_whole, part, release):
                crash_point("appliance.updates.download.before")
                part.rename(target)
                await asyncio.to_thread(sync_directory, directory)
                crash_point("appliance.updates.download.after")
                return await _signed(source, release, target, keys)
            _drop(part)
        raise SourceError(f"{release.file} is not what the manifest says (size or SHA-256)", bad=True)
    except OSError as error:
        raise SourceError(f"{release.file} cannot be written: {error.strerror}") from error


def tidy(directory: Path, keep: str = "") -> None:
    """Remove what is of other files than the one named. Raises OSError."""
    for path in directory.iterdir():
        if not keep or path.name not in {keep, f"{keep}.part", f"{keep}.etag", keep + SIGNATURE_SUFFIX}:
            path.unlink()


def chunks(path: Path) -> Iterator[bytes]:
    """A file in pieces. Raises OSError."""
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            yield chunk


async def _signed(source: Source, release: Release, target: Path, keys: Keys) -> Path:
    """The same, with its own signature beside it."""
    beside = target.with_name(target.name + SIGNATURE_SUFFIX)
    digested = await asyncio.to_thread(lambda: digest(chunks(target)))
    with contextlib.suppress(SignatureError):
        verify(keys, read_plain(beside, TEXT_MAX_BYTES).decode("utf-8", "replace"), digested)
        return target
    text = await source.read(release.file + SIGNATURE_SUFFIX, TEXT_MAX_BYTES)
    try:
        verify(keys, text.decode("utf-8", "replace"), digested)
    except SignatureError as error:
        raise SourceError(f"{release.file} is not taken: {error}", bad=True) from None
    await asyncio.to_thread(put, target.parent, beside.name, text)
    return target


async def _fetch_rest(source: Source, release: Release, part: Path, progress: Progress) -> None:
    """Get what is missing of it. Raises `SourceError`, OSError."""
    mark = part.with_suffix(".etag")
    there = _size(part)
    if there > release.size:
        _drop(part)
        there = 0
    if there == release.size:
        return
    headers = {}
    if there:
        headers["Range"] = f"bytes={there}-"
        if etag := read_plain(mark, 1024).decode("latin-1").strip():
            headers["If-Range"] = etag
    try:
        async with source.client.stream("GET", source.url(release.file), headers=headers) as response:
            if response.status_code == 416:
                _drop(part)
                return
            if response.status_code not in {200, 206}:
                raise SourceError(f"{release.file}: the server answered HTTP {response.status_code}")
            refuse_packed(response, release.file)
            if response.status_code == 200:
                there = 0  # all of it: the server knows no ranges, or it is another file by now
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
                raise SourceError(f"{release.file}: the server sends another piece than it was asked for")
            etag = response.headers.get("ETag", "")
            strong = etag if etag.startswith('"') and etag.isascii() else ""  # no other can be named in If-Range
            await asyncio.to_thread(put, part.parent, mark.name, strong.encode())
            await _receive(response, part, there, release.size, progress)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(f"{release.file}: {why(error)}") from None


async def _receive(response: httpx.Response, part: Path, there: int, size: int, progress: Progress) -> None:
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.ftruncate(handle, there)
        os.lseek(handle, there, os.SEEK_SET)
        synced = there
        gathered = b""
        try:
            # Told a size, it would gather by itself, and forget what it gathered when the line breaks.
            async for piece in response.aiter_raw():
                gathered += piece
                if there + len(gathered) > size:
                    raise SourceError(f"{part.stem} is larger than the manifest says", bad=True)
                if len(gathered) < _WRITE_BYTES:
                    continue
                chunk, gathered = gathered, b""
                await _in_thread(_write_all, handle, chunk)
                there += len(chunk)
                if there - synced >= _SYNC_EVERY_BYTES:
                    await _in_thread(os.fsync, handle)
                    synced = there
                progress(there, size)
        finally:
            _write_all(handle, gathered)
        there += len(gathered)
        progress(there, size)
        await _in_thread(os.fsync, handle)
    except SourceError:
        os.ftruncate(handle, 0)
        raise
    finally:
        os.close(handle)
    if there < size:
        raise SourceError(f"{part.stem}: the line broke at {there} of {size} bytes")


async def _in_thread(call: Callable[..., object], *arguments: object) -> None:
    """A call that blocks. It has ended when this has, be this cancelled: its file is closed then."""
    called = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        await asyncio.shield(called)
    except asyncio.CancelledError:
        await asyncio.wait([called])
        raise


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _make_room(directory: Path, needed: int, min_free_bytes: int) -> None:
    """Refuse what would take the room that the journal needs. Raises `SourceError`, OSError."""
    facts = os.statvfs(directory)
    free = facts.f_bavail * facts.f_frsize
    if free - needed < min_free_bytes:
        words = (
            f"{needed >> 20} MiB are to be fetched, {free >> 20} MiB are free, {min_free_bytes >> 20} MiB must stay so"
        )
        raise SourceError(f"the disk has no room for it: {words}")


def _drop(path: Path) -> None:
    path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _is_whole(path: Path, release: Release) -> bool:
    """Whether it is what the manifest says. Raises OSError."""
    if _size(path) != release.size:
        return False
    found = hashlib.sha256()
    for chunk in chunks(path):
        found.update(chunk)
    return found.hexdigest() == release.sha256
