"""A release's archive onto the disk: nothing of it lies elsewhere than below the directory, and all of it is synced.

Python's own filters against malicious archives are not in every 3.11, and what is inside is known: one folder, in it
regular files, folders and symbolic links within. Whatever else there is makes the archive none of ours.
"""

import os
import posixpath
import tarfile
from pathlib import Path

TOP = "kioskwire-appliance"
MEMBERS_MAX = 5000
UNPACKED_MAX_BYTES = 1024 * 1024 * 1024
_READ_BYTES = 1024 * 1024


class ArchiveError(Exception):
    """It is no archive of ours, or broken; in words."""


def unpack(archive: Path, target: Path) -> None:
    """What is in the archive's one folder, into `target`, which must not be there yet.

    Raises `ArchiveError`, OSError; then what lies in `target` is worth nothing.
    """
    target.mkdir(mode=0o755)
    left, members = UNPACKED_MAX_BYTES, 0
    links: list[tuple[Path, str]] = []
    try:
        with tarfile.open(archive, "r:xz") as tar:
            for member in tar:
                members += 1
                left -= member.size
                if members > MEMBERS_MAX or left < 0:
                    raise ArchiveError("there is too much in it")
                place = _place(member.name)
                if member.isdir():
                    (target / place).mkdir(mode=0o755, parents=True, exist_ok=True)
                elif member.isreg() and place:
                    _write(tar, member, target / place)
                elif member.issym() and place:
                    links.append((target / place, _link(place, member.linkname)))
                else:
                    raise ArchiveError(f"{member.name[:200]} is neither file nor folder nor link")
        for path, to in links:  # last, so that nothing is written through one
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            if path.parent.resolve() != target.resolve() / path.parent.relative_to(target):
                raise ArchiveError(
                    f"{path.name[:200]} would lie behind another link"
                )  # and lead elsewhere than it says
            os.symlink(to, path)
        _sync_tree(target)
    except (tarfile.TarError, EOFError, ValueError, LookupError) as error:
        raise ArchiveError(f"it is broken: {error}") from None
    except OSError as error:
        if error.errno is None:  # as the packers' own errors are
            raise ArchiveError(f"it is broken: {error}") from None
        if isinstance(error, FileExistsError | NotADirectoryError):
            raise ArchiveError(f"a name comes twice in it: {error.filename}") from None
        raise
    except Exception as error:
        if type(error).__name__ != "LZMAError":  # whose module is loaded by tarfile alone
            raise
        raise ArchiveError(f"it is broken: {error}") from None


def _place(name: str) -> str:
    """A member's path below the archive's one folder; empty for that folder. Raises `ArchiveError`."""
    parts = name.rstrip("/").split("/")
    if parts[0] == ".":
        parts = parts[1:]
    if not parts or parts[0] != TOP or any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise ArchiveError(f"{name[:200]} does not lie in {TOP}/")
    return "/".join(parts[1:])


def _link(place: str, to: str) -> str:
    """A link's end, if that lies below the folder. Raises `ArchiveError`."""
    end = posixpath.normpath(posixpath.join(posixpath.dirname(place), to))
    if to.startswith("/") or end.startswith("..") or "\0" in to:
        raise ArchiveError(f"the link {place[:200]} leads out of it")
    return to


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    mode = 0o755 if member.mode & 0o100 else 0o644
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with open(handle, "wb") as file:
        source = tar.extractfile(member)
        if source is None:
            raise ArchiveError(f"{member.name[:200]} has no content")
        while chunk := source.read(_READ_BYTES):
            file.write(chunk)
        if file.tell() != member.size:
            raise ArchiveError(f"{member.name[:200]} is cut off")
        file.flush()
        os.fchmod(handle, mode)
        os.fsync(handle)


def _sync_tree(target: Path) -> None:
    for directory, _directories, _files in os.walk(target, topdown=False):
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fchmod(handle, 0o755)
            os.fsync(handle)
        finally:
            os.close(handle)
