"""Sign files in minisign's format, prehashed: `FILE.minisig` beside each. The real `minisign -V` accepts them.

sign.py FILE...                    with the key found (see keys.py)
sign.py --make KEY                 make a key pair without a password: KEY and KEY's .pub
sign.py --public                   print the public key, one line, as /etc/kioskwire/release.pub has it
"""

import argparse
import base64
import hashlib
import os
import sys
import time
from pathlib import Path

import keys

SUMS = "SHA256SUMS"
_READ_BYTES = 1024 * 1024
_LOUD = """\
*** Signed with the DEVELOPMENT key of this tree (.state/release.key). No kiosk in the field trusts it, and none may.
*** For a release set MINISIGN_KEY to the file of the release key, or RELEASE_KEY to its text: docs/releases.md."""


def signature(key: keys.Key, digest: bytes, trusted: str) -> str:
    """The text of a signature file. `digest` is BLAKE2b-512 of what is signed; `trusted` is one line, signed too."""
    if not trusted.isprintable() and not trusted.replace("\t", "").isprintable():
        raise ValueError("a trusted comment is one line")
    signed = key.secret.sign(digest).signature
    of_all = key.secret.sign(signed + trusted.encode()).signature
    raw = base64.b64encode(b"ED" + key.number + signed).decode()
    return (
        f"untrusted comment: signature of key {key.shown()}\n{raw}\n"
        f"trusted comment: {trusted}\n{base64.b64encode(of_all).decode()}\n"
    )


def sign_file(key: keys.Key, path: Path, now: int) -> Path:
    """Sign a file; returns where the signature is. It is there whole or not at all."""
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
    text = signature(key, digest.digest(), f"timestamp:{now}\tfile:{path.name}\thashed")
    beside = path.with_name(path.name + ".minisig")
    write_whole(beside, text.encode())
    return beside


def summed(directory: Path) -> list[Path]:
    """The files that SHA256SUMS names. Raises `ValueError` unless they are what it says, and all there is."""
    told = {}
    for line in (directory / SUMS).read_text("utf-8").splitlines():
        digest, _, name = line.partition("  ")
        told[name] = digest
    for name, digest in told.items():
        with (directory / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise ValueError(f"{name} is not what {SUMS} says: collect anew")
    ours = {SUMS, "release.pub"}
    others = {path.name for path in directory.iterdir() if path.suffix != ".minisig"} - told.keys() - ours
    if others:
        raise ValueError(f"{SUMS} does not name {', '.join(sorted(others))}: collect anew")
    return [directory / name for name in told]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that who reads it finds the old or the new one, after a power cut too."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def now() -> int:
    """Unix seconds, or those of SOURCE_DATE_EPOCH: two signings of one release are alike."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())


def warn(is_development: bool) -> None:
    """Say loudly that nobody trusts this."""
    if is_development:
        print(_LOUD, file=sys.stderr)


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--key", help="file of the secret key")
    parser.add_argument("--make", type=Path, metavar="KEY")
    parser.add_argument("--release", type=Path, metavar="DIR")
    parser.add_argument("--public", action="store_true")
    given = parser.parse_args()
    try:
        if given.make:
            return _make(given.make)
        key, is_development = keys.find(given.key)
        if given.public:
            print(key.public_text())
            return 0
        files = given.files
        if given.release:
            files = [*summed(given.release), given.release / SUMS]
            write_whole(given.release / "release.pub", key.public_file().encode())
        if not files:
            parser.error("name the files to sign")
        for path in files:
            print(sign_file(key, path, now()))
    except (ValueError, OSError) as error:
        print(f"sign: {error}", file=sys.stderr)
        return 1
    warn(is_development)
    return 0


def _make(path: Path) -> int:
    key = keys.make()
    with open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(key.secret_file())
    public = path.with_suffix(".pub")
    public.write_text(key.public_file())
    print(
        f"secret key {path}: keep it off every machine that is on the network\npublic key {public}: {key.public_text()}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
