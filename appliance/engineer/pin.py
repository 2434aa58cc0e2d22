"""The PIN as it stands in STATE_DIR, or as the settings give it; and whether what was typed is it.

engineer.json   scrypt of the PIN, its salt and cost: 0600, whole or not at all, on the disk before it counts

A PIN out of the settings (ENGINEER_PIN, ENGINEER_PIN_FILE) beats the file, as WS_TOKEN beats an identity: a fleet that
has one for all its kiosks changes it in one place. Where there is neither, nobody is let in.

`Lock.check` takes scrypt into a thread, one at a time; a few wait, the others are told to come again.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path

import msgspec

from appliance import identity as identities
from appliance.identity import IdentityError
from wire.crashpoint import crash_point
from wire.environment import Secret
from wire.pin import parse_pin

FILE = "engineer.json"
# 16 MiB and some 50 ms of a small board's time for each try.
_N, _R, _P = 2**14, 8, 1
_N_MOST, _R_MOST, _P_MOST = 2**17, 16, 4  # a file that asks for more was not written by us
_SALT_BYTES, _KEY_BYTES = 16, 32
_WAITING_MAX = 4  # of those whose PIN is looked at; above that: come again
_FILE_MAX = 256
_NONE = Secret()


class BusyError(Exception):
    """Too many PINs are being looked at."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds. `salt` and `key` are base64."""

    n: int
    r: int
    p: int
    salt: str
    key: Secret
    at: float = 0.0  # when it was set, Unix seconds

    def matches(self, pin: str) -> bool:
        """Whether this is the PIN; takes its time. Raises `ValueError` where the file cannot be."""
        if not (1 < self.n <= _N_MOST and 0 < self.r <= _R_MOST and 0 < self.p <= _P_MOST):
            raise ValueError(f"{FILE} is damaged")
        try:
            salt, key = base64.b64decode(self.salt, validate=True), base64.b64decode(self.key.reveal(), validate=True)
        except binascii.Error:
            raise ValueError(f"{FILE} is damaged") from None
        return hmac.compare_digest(_derive(pin, salt, self.n, self.r, self.p), key)


def make(pin: str, at: float) -> Kept:
    """What is kept of a PIN; takes its time."""
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _derive(pin, salt, _N, _R, _P)
    return Kept(
        n=_N, r=_R, p=_P, salt=base64.b64encode(salt).decode(), key=Secret(base64.b64encode(key).decode()), at=at
    )


def save(directory: Path, pin: str, at: float) -> None:
    """Set it, or another in its place. Raises `ValueError` (no PIN) and OSError. Blocking."""
    kept = make(parse_pin(pin), at)
    crash_point("appliance.engineer.pin.before")
    identities.save(directory / FILE, kept)
    crash_point("appliance.engineer.pin.after")


def load(directory: Path) -> Kept | None:
    """As it stands there, None: nobody has set one. Raises `IdentityError`: then nobody is let in."""
    return identities.load(directory / FILE, Kept)


def read_file(name: str) -> str:
    """The PIN in ENGINEER_PIN_FILE. Raises `ValueError` in words that do not hold it."""
    try:
        with open(name, "rb") as file:
            data = file.read(_FILE_MAX + 1)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return parse_pin(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("is not text") from None


class Lock:
    """Whether there is a PIN, and whether what was typed is it.

    Args:
        directory: STATE_DIR.
        given: ENGINEER_PIN; beats the file.
        given_file: ENGINEER_PIN_FILE, read anew at each try.
    """

    def __init__(self, directory: Path, given: Secret = _NONE, given_file: str = "") -> None:
        self._directory = directory
        self._given = given
        self._given_file = given_file
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def by_settings(self) -> bool:
        """Whether the settings say what the PIN is, so that setting one here would change nothing."""
        return bool(self._given or self._given_file)

    @property
    def is_set(self) -> bool:
        """Whether there is one. A file that cannot be read counts: it is not for the page to write another over it."""
        return self.by_settings or os.path.lexists(self._directory / FILE)

    async def set(self, pin: str, at: float) -> None:
        """See `save`."""
        await asyncio.to_thread(save, self._directory, pin, at)

    async def check(self, typed: str) -> bool:
        """Whether this is the PIN. Raises `BusyError`, and `ValueError` in words where there is none that can be."""
        if self._waiting >= _WAITING_MAX:
            raise BusyError
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self._check, typed)
        finally:
            self._waiting -= 1

    def _check(self, typed: str) -> bool:
        pin = "".join(typed.split()).replace("-", "")[:64]
        if self._given:
            return _same(pin, parse_pin(self._given.reveal()))
        if self._given_file:
            return _same(pin, read_file(self._given_file))
        try:
            kept = load(self._directory)
        except IdentityError as error:
            raise ValueError(f"{error}; set the PIN anew: kioskwire-appliance pin") from error
        if kept is None:
            raise ValueError("no PIN is set")
        return kept.matches(pin)


def _same(typed: str, right: str) -> bool:
    """By their digests, so that not even the length shows."""
    return hmac.compare_digest(hashlib.sha256(typed.encode()).digest(), hashlib.sha256(right.encode()).digest())


def _derive(pin: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=n, r=r, p=p, maxmem=64 * 1024 + 256 * n * r * p, dklen=_KEY_BYTES)
