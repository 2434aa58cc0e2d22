"""A channel on the disk, as whoever makes releases puts it there."""

import hashlib
from pathlib import Path

import msgspec

from wire.release import Manifest, Release


def put(directory: Path, channel: str = "stable", **files: bytes) -> Manifest:
    """Write a channel that offers one file for each version, named as `v1_0_1=b"…"` says; unsigned."""
    where = directory / channel
    where.mkdir(parents=True, exist_ok=True)
    releases = []
    for name, content in files.items():
        version = name.removeprefix("v").replace("_", ".")
        file = f"kioskwire-appliance-{version}-linux-x86_64.tar.xz"
        (where / file).write_bytes(content)
        (where / f"{file}.minisig").write_bytes(b"signature of " + file.encode())
        digest = hashlib.sha256(content).hexdigest()
        releases.append(Release(version=version, target="linux-x86_64", file=file, size=len(content), sha256=digest))
    manifest = Manifest(channel=channel, serial=1, releases=releases)
    (where / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    (where / "manifest.json.minisig").write_bytes(b"signature of the manifest")
    return manifest
