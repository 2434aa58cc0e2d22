"""Put a release into a channel: the file, its signature, and the channel's manifest with the next serial, signed.

    manifest.py DIR --channel stable --add FILE [--version V --target T] [--notes TEXT] [--older]
    manifest.py DIR --channel stable --withdraw VERSION

DIR is the channel's directory, as the hub (UPDATES_DIR/<channel>) or any web server shows it. A version that is there
with other bytes is refused, and so is one that is older than the newest. Whatever goes wrong, the manifest that was
there stays.
"""

import argparse
import hashlib
import re
import shutil
import sys
from pathlib import Path

import keys
import msgspec
from sign import now, sign_file, warn, write_whole

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from wire.release import (  # noqa: E402 - the tree need not be installed
    MANIFEST,
    SIGNATURE_SUFFIX,
    Manifest,
    Release,
    parse_channel,
    read_manifest,
    version_key,
)

_NAME = re.compile(r"kioskwire-appliance-(?P<version>[0-9rc.]+)-(?P<target>[a-z0-9_-]+)\.tar\.xz")
_KEEP = 50  # a manifest has at most 100


class ManifestError(ValueError):
    """What cannot be put into a channel, and why."""


def read_channel(directory: Path, channel: str) -> Manifest | None:
    """The manifest that is there; None for a new channel. Raises `ManifestError`."""
    path = directory / MANIFEST
    if not path.exists():
        return None
    try:
        found = read_manifest(path.read_bytes())
    except ValueError as error:
        raise ManifestError(f"{path}: {error}") from error
    if found.channel != channel:
        raise ManifestError(f"{path} is of channel {found.channel}, not {channel}")
    return found


def added(old: Manifest | None, channel: str, release: Release, *, older: bool = False) -> Manifest | None:
    """The next manifest; None where the release is in it already. Raises `ManifestError`."""
    releases = old.releases if old else []
    for known in releases:
        if (known.version, known.target) == (release.version, release.target):
            if known.sha256 == release.sha256:
                return None
            raise ManifestError(
                f"{release.version} for {release.target} is in {channel} already, with other bytes: "
                "what was released stays as it is; make another version"
            )
        if known.file == release.file:
            raise ManifestError(f"{release.file} is in {channel} already, as {known.version}")
    newest = max((one.version for one in releases if one.target == release.target), key=version_key, default=None)
    if newest and version_key(release.version) < version_key(newest) and not older:
        raise ManifestError(f"{release.version} is older than {newest}, which {channel} has; --older if it is meant")
    ordered = sorted([*releases, release], key=lambda one: (version_key(one.version), one.target))
    return Manifest(channel=channel, serial=(old.serial if old else 0) + 1, releases=ordered[-_KEEP:])


def withdrawn(old: Manifest | None, version: str) -> Manifest:
    """The next manifest, without a version. Raises `ManifestError`."""
    left = [release for release in old.releases if release.version != version] if old else []
    if old is None or len(left) == len(old.releases):
        raise ManifestError(f"{version} is not there")
    return Manifest(channel=old.channel, serial=old.serial + 1, releases=left)


def describe(path: Path, version: str | None, target: str | None, notes: str) -> Release:
    """A file as a manifest tells it. Raises `ManifestError`."""
    match = _NAME.fullmatch(path.name)
    version, target = version or (match and match["version"]), target or (match and match["target"])
    if not version or not target:
        raise ManifestError(f"{path.name} says neither version nor target: --version and --target")
    try:
        version_key(version)
    except ValueError as error:
        raise ManifestError(f"--version {version}: {error}") from error
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(1024 * 1024):
            digest.update(data)
    return Release(
        version=version,
        target=target,
        file=path.name,
        size=path.stat().st_size,
        sha256=digest.hexdigest(),
        notes=notes,
    )


def write(directory: Path, manifest: Manifest, key: keys.Key) -> None:
    """Write and sign a manifest: the signature comes first, so that the window in which they differ is one rename."""
    data = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    read_manifest(data)
    new = directory / f".{MANIFEST}.signed"
    new.mkdir(exist_ok=True)
    try:
        write_whole(new / MANIFEST, data)
        signature = sign_file(key, new / MANIFEST, now())
        signature.replace(directory / (MANIFEST + SIGNATURE_SUFFIX))
        (new / MANIFEST).replace(directory / MANIFEST)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def place(path: Path, directory: Path, key: keys.Key) -> None:
    """Copy a file and its signature there: whole, before any manifest names it."""
    there = directory / path.name
    if path.resolve() != there.resolve():
        new = directory / f".{path.name}.new"
        shutil.copyfile(path, new)
        new.replace(there)
    sign_file(key, there, now())


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--channel", required=True)
    act = parser.add_mutually_exclusive_group(required=True)
    act.add_argument("--add", type=Path, metavar="FILE")
    act.add_argument("--withdraw", metavar="VERSION")
    parser.add_argument("--version")
    parser.add_argument("--target", help="such as linux-x86_64")
    parser.add_argument("--notes", default="")
    parser.add_argument("--older", action="store_true", help="take a version older than the newest")
    parser.add_argument("--key", help="file of the secret key")
    given = parser.parse_args()
    try:
        channel = parse_channel(given.channel)
        key, is_development = keys.find(given.key)
        given.directory.mkdir(parents=True, exist_ok=True)
        old = read_channel(given.directory, channel)
        if given.withdraw:
            new: Manifest | None = withdrawn(old, given.withdraw)
        else:
            release = describe(given.add, given.version, given.target, given.notes)
            new = added(old, channel, release, older=given.older)
            place(given.add, given.directory, key)
        if new is None:
            print(f"{given.add.name} is in {channel} already")
        else:
            write(given.directory, new, key)
            offered = ", ".join(dict.fromkeys(release.version for release in new.releases)) or "nothing"
            print(f"{channel}: serial {new.serial}, offers {offered}")
    except (ValueError, OSError) as error:
        print(f"manifest: {error}", file=sys.stderr)
        return 1
    warn(is_development)
    return 0


if __name__ == "__main__":
    sys.exit(main())
