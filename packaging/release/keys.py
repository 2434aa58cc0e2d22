"""Keys of minisign, as its program writes them: https://jedisct1.github.io/minisign/. Read, made, never shown.

A secret key without a password (`minisign -G -W`) is what a machine signs with; one with a password is read where
`MINISIGN_PASSWORD` holds it, and needs 1 GiB of memory for a moment, as minisign does.
"""

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from nacl.pwhash import scrypt
from nacl.signing import SigningKey

_ED, _NO_KDF, _SCRYPT, _BLAKE2B = b"Ed", b"\0\0", b"Sc", b"B2"
_HEAD_BYTES, _BODY_BYTES = 6 + 32 + 8 + 8, 8 + 64 + 32


class KeyRefused(ValueError):
    """A key that is none, or not readable; its words never quote it."""


@dataclass(frozen=True)
class Key:
    """A secret key. `number` is its id, 8 bytes, which signatures and the public key carry."""

    number: bytes
    secret: SigningKey = field(repr=False)

    def public_text(self) -> str:
        """The public key as one line."""
        return base64.b64encode(_ED + self.number + bytes(self.secret.verify_key)).decode()

    def public_file(self) -> str:
        """The public key as minisign's file."""
        return f"untrusted comment: minisign public key {self.shown()}\n{self.public_text()}\n"

    def secret_file(self) -> str:
        """The secret key as minisign's file, without a password."""
        pair = bytes(self.secret) + bytes(self.secret.verify_key)
        check = _checksum(self.number, pair)
        raw = _ED + _NO_KDF + _BLAKE2B + bytes(48) + self.number + pair + check
        return f"untrusted comment: minisign secret key\n{base64.b64encode(raw).decode()}\n"

    def shown(self) -> str:
        """The id as minisign shows it."""
        return self.number[::-1].hex().upper()


def make() -> Key:
    """A new key."""
    return Key(secrets.token_bytes(8), SigningKey.generate())


def read(text: str, password: str | None = None) -> Key:
    """A secret key from the text of its file, or the line of it that matters. Raises `KeyRefused`."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        raise KeyRefused("the secret key is empty")
    try:
        raw = base64.b64decode(lines[-1], validate=True)
    except binascii.Error:
        raise KeyRefused("this is no secret key of minisign: it is not base64") from None
    if len(raw) != _HEAD_BYTES + _BODY_BYTES or raw[:2] != _ED or raw[4:6] != _BLAKE2B:
        raise KeyRefused("this is no secret key of minisign; right would be a file that minisign -G -W has made")
    kdf, body = raw[2:4], raw[_HEAD_BYTES:]
    if kdf == _SCRYPT:
        body = _opened(raw, body, password)
    elif kdf != _NO_KDF:
        raise KeyRefused("the secret key is protected in a way that is not known")
    number, pair, check = body[:8], body[8:72], body[72:]
    # minisign 0.11 writes no checksum where there is no password: the second half of the pair has to do.
    is_unchecked = kdf == _NO_KDF and check == bytes(32)
    if not is_unchecked and not secrets.compare_digest(check, _checksum(number, pair)):
        raise KeyRefused("the password is wrong" if kdf == _SCRYPT else "the secret key is damaged")
    key = Key(number, SigningKey(pair[:32]))
    if bytes(key.secret.verify_key) != pair[32:]:
        raise KeyRefused("the secret key is damaged")
    return key


def find(file: str | None = None) -> tuple[Key, bool]:
    """The key to sign with, and whether it is the development key of this tree, which nobody may trust.

    `file`, else the file that MINISIGN_KEY names, else the text in RELEASE_KEY, else .state/release.key, made if need
    be. Raises `KeyRefused`.
    """
    password = os.environ.get("MINISIGN_PASSWORD")
    path = file or os.environ.get("MINISIGN_KEY")
    if path:
        try:
            return read(Path(path).read_text("utf-8"), password), False
        except (OSError, UnicodeDecodeError) as error:
            raise KeyRefused(f"{path} cannot be read: {error}") from error
    if text := os.environ.get("RELEASE_KEY", "").strip():
        return read(text, password), False
    own = Path(__file__).parents[2] / ".state" / "release.key"
    if not own.exists():
        own.parent.mkdir(exist_ok=True)
        key = make()
        with open(own, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as written:
            written.write(key.secret_file())
        own.with_suffix(".pub").write_text(key.public_file())
    return read(own.read_text("utf-8")), True


def _opened(raw: bytes, body: bytes, password: str | None) -> bytes:
    if password is None:
        raise KeyRefused("the secret key has a password: set MINISIGN_PASSWORD, or use one made by minisign -G -W")
    salt, operations, memory = raw[6:38], raw[38:46], raw[46:54]
    limits = {"opslimit": int.from_bytes(operations, "little"), "memlimit": int.from_bytes(memory, "little")}
    stream = scrypt.kdf(len(body), password.encode(), salt, **limits)
    return bytes(a ^ b for a, b in zip(body, stream, strict=True))


def _checksum(number: bytes, pair: bytes) -> bytes:
    return hashlib.blake2b(_ED + number + pair, digest_size=32).digest()
