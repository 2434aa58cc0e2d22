"""Where versions lie, and which there are: the package's and those from updates. Only root writes there."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from wire.release import version_key

PROGRAM = "kioskwire-appliance"
ARCHIVE_ENDING = ".tar.xz"
APPLIED = "applied.json"
ORIGIN = "KIOSKWIRE_ORIGIN"  # set by the launcher: package or update
FROM_UPDATE = "update"


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """The two directories, as launcher and appliance are told of them."""

    lib: Path = Path("/usr/lib/kioskwire")
    app: Path = Path("/var/lib/kioskwire-app")

    @property
    def packaged(self) -> Path:
        """Of the package or the image, by version."""
        return self.lib / "appliance"

    @property
    def versions(self) -> Path:
        """From updates, by version."""
        return self.app / "versions"


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What root did last with a download: `words` say what was wrong, unless it is `ok`."""

    file: str
    sha256: str = ""
    version: str = ""
    ok: bool = False
    words: str = ""
    at: float = 0.0


def read_places(environ: Mapping[str, str] = os.environ) -> Places:
    """`KIOSKWIRE_LIB` and `KIOSKWIRE_APP`, which tests set."""
    known = Places()
    return Places(
        lib=Path(environ.get("KIOSKWIRE_LIB") or known.lib), app=Path(environ.get("KIOSKWIRE_APP") or known.app)
    )


def this_target() -> str:
    """What this machine runs, as manifests say it: `linux-x86_64`."""
    return f"{sys.platform}-{platform.machine()}"


def archive_name(version: str, target: str) -> str:
    """The file that a version comes in."""
    return f"{PROGRAM}-{version}-{target}{ARCHIVE_ENDING}"


def version_of(file: str) -> str:
    """The version in an archive's name. Raises `ValueError`."""
    middle = file.removeprefix(f"{PROGRAM}-").removesuffix(ARCHIVE_ENDING)
    version, _, target = middle.partition("-")
    if not target or file != archive_name(version, target):
        raise ValueError(f"right would be {PROGRAM}-VERSION-TARGET{ARCHIVE_ENDING}")
    version_key(version)
    return version


def found(directory: Path) -> Iterator[str]:
    """The versions in a directory that could be run."""
    try:
        names = sorted(entry.name for entry in directory.iterdir())
    except OSError:
        return
    for name in names:
        try:
            version_key(name)
        except ValueError:
            continue
        if os.access(directory / name / PROGRAM, os.X_OK) and (directory / name / PROGRAM).is_file():
            yield name


def newest(directory: Path) -> str:
    """The newest of them, or an empty string."""
    return max(found(directory), key=version_key, default="")


def is_newer(version: str, than: str) -> bool:
    """Whether it comes after; every version comes after none. Both are versions, or empty."""
    if not version or not than:
        return bool(version)
    return version_key(version) > version_key(than)
