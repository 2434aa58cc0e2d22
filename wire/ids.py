"""Names that travel: parsed strictly at every door, so that inside they are known to be harmless.

All of them are plain `str` after parsing. Each `parse_…` returns its argument or raises `ValueError` with a sentence
that says what would be right.
"""

import re

KIOSK_ID = r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}"
OPERATION = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_KIOSK_ID = re.compile(KIOSK_ID)
_OPERATION = re.compile(OPERATION)
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")
_KEY_MAX = 255

METHODS = frozenset({"GET", "POST"})


def parse_kiosk_id(text: str) -> str:
    """A kiosk's id: 1 to 64 letters, digits, `_`, `-`, `.`, `:`, beginning with a letter or digit."""
    if not _KIOSK_ID.fullmatch(text):
        raise ValueError("a kiosk id is 1 to 64 letters, digits, _ - . : and begins with a letter or a digit")
    return text


def parse_operation(text: str) -> str:
    """The name of a route on the kiosk: 1 to 64 letters, digits, `_`, `-`, `.`, beginning with a letter or digit."""
    if not _OPERATION.fullmatch(text):
        raise ValueError("an operation type is 1 to 64 letters, digits, _ - . and begins with a letter or a digit")
    return text


def parse_request_id(text: str) -> str:
    """An operation's id: 8 to 64 letters, digits, `_`, `-`. The hub makes UUIDs; others need not."""
    if not _REQUEST_ID.fullmatch(text):
        raise ValueError("a request id is 8 to 64 letters, digits, _ - and begins with a letter or a digit")
    return text


def parse_method(text: str) -> str:
    """`GET` or `POST`, in any case, as the gateway will be called."""
    method = text.upper()
    if method not in METHODS:
        raise ValueError("the method is GET or POST")
    return method


def parse_idempotency_key(text: str) -> str:
    """1 to 255 printable ASCII characters, as the caller chose them."""
    if not text or len(text) > _KEY_MAX or not text.isascii() or not text.isprintable():
        raise ValueError(f"an Idempotency-Key is 1 to {_KEY_MAX} printable ASCII characters")
    return text
