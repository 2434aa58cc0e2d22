"""Kiosks' keys: Ed25519, of which the hub has the public half. Pure."""

import base64
import binascii
import hashlib

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from wire.enrolment import KEY_TEXT_LENGTH, proof_text
from wire.messages import Hello

_SIGNATURE_TEXT_LENGTH = 86  # of 64 bytes


def parse_public_key(text: str) -> str:
    """A public key as it came. Raises `ValueError` for what is none, or one under which anything would be signed."""
    raw = _decoded(text, KEY_TEXT_LENGTH)
    if raw is None or not crypto_core_ed25519_is_valid_point(raw):
        raise ValueError(
            f"a public key is raw Ed25519, 32 bytes in base64url without padding: {KEY_TEXT_LENGTH} characters"
        )
    return text


def fingerprint(public_key: str) -> str:
    """A key for people to compare: four groups of four."""
    digest = hashlib.sha256(_decoded(public_key, KEY_TEXT_LENGTH) or b"").hexdigest()
    return ":".join(digest[at : at + 4] for at in range(0, 16, 4))


def proves(public_key: str, hello: Hello, challenge: str, kiosk_id: str) -> bool:
    """Whether this hello was signed with the key, for this connection's challenge. Some 60 µs."""
    key, signature = _decoded(public_key, KEY_TEXT_LENGTH), _decoded(hello.proof, _SIGNATURE_TEXT_LENGTH)
    if key is None or signature is None:
        return False
    try:
        VerifyKey(key).verify(proof_text(challenge, kiosk_id, hello.boot_id, hello.journal), signature)
    except (CryptoError, ValueError):
        return False
    return True


def _decoded(text: str, length: int) -> bytes | None:
    """Bytes of base64url without padding; None for a text that is none, or another spelling of one."""
    if len(text) != length or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text + "=" * (-length % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=") == text.encode() else None
