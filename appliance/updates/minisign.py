"""Signatures in minisign's format, and the keys they are checked with. Pure.

https://jedisct1.github.io/minisign/#signature-format, as of minisign 0.11. Taken are prehashed ones alone (`ED`:
Ed25519 of the BLAKE2b-512 of the file), which `minisign -S` makes since 0.10: of the older kind (`Ed`) the whole file
would have to lie in memory. The trusted comment is signed too, together with the signature.

A file of keys has one or more, for the time in which one follows another: lines as in `minisign.pub`, whose comments,
like empty lines and those that begin with #, say nothing.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

_UNTRUSTED, _TRUSTED = "untrusted comment: ", "trusted comment: "
_KEY, _PREHASHED, _LEGACY = b"Ed", b"ED", b"Ed"
_KEY_BYTES, _SIGNATURE_BYTES, _ID_BYTES = 42, 74, 8
_KEYS_MAX = 16
TEXT_MAX_BYTES = 16 * 1024  # of a file of keys, or a signature

Keys = dict[bytes, bytes]  # id → Ed25519 public key


class SignatureError(Exception):
    """It is not signed by one of the keys; the words say what is wrong."""


class Signature(msgspec.Struct, frozen=True):
    """A signature as it was read, not yet checked."""

    key_id: bytes
    signature: bytes
    comment: str  # the trusted one
    whole: bytes  # the signature of signature and comment


def read_keys(text: str) -> Keys:
    """The keys in a file. Raises `SignatureError`: a line is none, or there is no key."""
    keys: Keys = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith((_UNTRUSTED, "#")):
            continue
        data = _decode(line.strip())
        if len(data) != _KEY_BYTES or not data.startswith(_KEY):
            raise SignatureError(f"line {number} of the keys is no minisign public key")
        keys[data[2 : 2 + _ID_BYTES]] = data[2 + _ID_BYTES :]
    if not 0 < len(keys) <= _KEYS_MAX:
        words = "there is no key yet: the public key whose releases are to be taken belongs there, one a line"
        raise SignatureError(words if not keys else f"there are more than {_KEYS_MAX} keys")
    return keys


def read_signature(text: str) -> Signature:
    """The content of a `.minisig` file. Raises `SignatureError`."""
    lines = text.splitlines()
    if len(lines) != 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise SignatureError("this is no minisign signature")
    data, whole = _decode(lines[1]), _decode(lines[3])
    if len(data) != _SIGNATURE_BYTES or len(whole) != 64 or data[:2] not in {_PREHASHED, _LEGACY}:
        raise SignatureError("this is no minisign signature")
    if data[:2] == _LEGACY:
        raise SignatureError("the signature is of the older kind, without a hash; sign with minisign 0.10 or later")
    return Signature(data[2 : 2 + _ID_BYTES], data[2 + _ID_BYTES :], lines[2][len(_TRUSTED) :], whole)


def digest(chunks: Iterable[bytes]) -> bytes:
    """What is signed of a file."""
    found = hashlib.blake2b(digest_size=64)
    for chunk in chunks:
        found.update(chunk)
    return found.digest()


def verify(keys: Keys, text: str, digested: bytes) -> str:
    """Check a signature against a file's `digest`; returns the trusted comment. Raises `SignatureError`."""
    signature = read_signature(text)
    key = keys.get(signature.key_id)
    if key is None:
        known = ", ".join(map(shown_id, keys))
        raise SignatureError(f"it is signed with the key {shown_id(signature.key_id)}, and trusted is {known}")
    try:
        VerifyKey(key).verify(digested, signature.signature)
        VerifyKey(key).verify(signature.signature + signature.comment.encode(), signature.whole)
    except (BadSignatureError, ValueError):
        raise SignatureError("the signature does not fit: it was changed, or signed is another file") from None
    return signature.comment


def shown_id(key_id: bytes) -> str:
    """A key's id as minisign shows it."""
    return key_id[::-1].hex().upper()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
