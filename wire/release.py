"""What is said of new versions: a manifest for each channel, signed by who makes releases, and a rollout, by the hub.

The manifest says what may be installed, and is as good as its signature; the rollout says who should install it now
and when, and can only hold back. Every kiosk works out for itself whether it is among the first ten percent: by its
name and the version, so that no version always meets the same kiosks first. Pure.

Under an address such as `https://hub.example.com/updates` lie, for each channel, `<channel>/manifest.json`,
`<channel>/manifest.json.minisig`, `<channel>/rollout.json` and the files that the manifest names.
"""

import hashlib
import re
from typing import Annotated, TypeVar

import msgspec

MANIFEST, SIGNATURE_SUFFIX, ROLLOUT = "manifest.json", ".minisig", "rollout.json"
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})(?:rc([1-9][0-9]{0,3}))?")
_CHANNEL = re.compile(r"[a-z][a-z0-9-]{0,31}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
_MAX = 2**53

T = TypeVar("T")


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one version. `target` is such as `linux-x86_64`; `size` is in bytes, `sha256` in hex digits."""

    version: str
    target: str
    file: str
    size: Annotated[int, msgspec.Meta(ge=1, le=_MAX)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    notes: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel offers. `serial` grows with each: a kiosk that saw 7 does not take 6 any more."""

    channel: str
    serial: Annotated[int, msgspec.Meta(ge=1, le=_MAX)]
    releases: Annotated[list[Release], msgspec.Meta(max_length=100)]


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """How far a channel's newest version has got. `window` is the kiosk's local time, `HH:MM-HH:MM`; empty: its own."""

    version: str
    percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 100
    window: str = ""
    paused: bool = False


def version_key(text: str) -> tuple[int, int, int, float]:
    """What versions are ordered by; a release candidate comes before its version. Raises `ValueError`."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError("a version is MAJOR.MINOR.PATCH, such as 1.4.0 or 1.4.0rc1")
    major, minor, patch, candidate = match.groups()
    return int(major), int(minor), int(patch), float(candidate) if candidate else float("inf")


def parse_channel(text: str) -> str:
    """A channel's name. Raises `ValueError`."""
    if not _CHANNEL.fullmatch(text):
        raise ValueError("a channel is 1 to 32 lower case letters, digits and hyphens, such as stable")
    return text


def parse_window(text: str) -> tuple[int, int]:
    """Minutes after midnight at which a window opens and closes; it may lie over midnight. Raises `ValueError`."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError("a window is HH:MM-HH:MM, such as 02:00-05:00")
    h1, m1, h2, m2 = map(int, match.groups())
    return h1 * 60 + m1, h2 * 60 + m2


def is_open(window: tuple[int, int], minute: int) -> bool:
    """Whether a window is open at that minute of the day; one that opens as it closes is always open."""
    opens, closes = window
    if opens < closes:
        return opens <= minute < closes
    return minute >= opens or minute < closes


def is_among(percent: int, kiosk_id: str, version: str) -> bool:
    """Whether a kiosk belongs to the first so many percent that get a version. Who is in at 10 is in at 50."""
    digest = hashlib.sha256(f"{version}\n{kiosk_id}".encode()).digest()
    return int.from_bytes(digest[:4]) % 10_000 < percent * 100


def read_manifest(data: bytes) -> Manifest:
    """A manifest, whose signature somebody has checked. Raises `ValueError` with what is wrong."""
    manifest = _read(data, Manifest)
    parse_channel(manifest.channel)
    for release in manifest.releases:
        version_key(release.version)
        if not _FILE.fullmatch(release.file):
            raise ValueError("a release's file is a plain name of letters, digits, . _ + -")
    return manifest


def read_rollout(data: bytes) -> Rollout:
    """A rollout. Raises `ValueError` with what is wrong."""
    rollout = _read(data, Rollout)
    version_key(rollout.version)
    if rollout.window:
        parse_window(rollout.window)
    return rollout


def _read(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"this is no {kind.__name__.lower()}: {error}") from None
