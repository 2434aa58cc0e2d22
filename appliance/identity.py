"""Who this kiosk is: hub, name, token and key, in one file that only its owner may read.

Lives below everything: whoever dials, enrols or shows the page reads it here. It talks to nobody.
"""

import base64
import binascii
import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from appliance.box import Marks
from wire.enrolment import KEY_TEXT_LENGTH, proof_text
from wire.environment import Secret
from wire.ids import parse_kiosk_id

FILE = "identity.json"
_MAX_BYTES = 64 * 1024
_SEED_BYTES = 32
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

T = TypeVar("T")


class IdentityError(Exception):
    """A file of the identity's cannot be used; the words say which and why, and quote nothing of it."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """This kiosk at its hub. `private_key` is an Ed25519 seed, base64url without padding."""

    hub: str  # wss://…/ws, as `appliance.hub.read_hub` gives it
    kiosk_id: str
    token: Secret
    private_key: Secret
    marks: Marks = {}  # of the machine it was given to
    name: str = ""  # for people
    moved: bool = False  # a person said that its hub has another address than before, and it has not been reached there
    new: bool = False  # it has not come into force yet
    # The hub in WS_SERVER_URL, empty if there was none, when this came into force; None: that was not kept.
    setting: str | None = None
    enrolled_at: str = ""  # the hub's address at the enrolment, where it has moved since

    def prove(self, challenge: str, boot_id: str, journal: str) -> str:
        """The signature for a connection's hello."""
        return sign(self.private_key.reveal(), proof_text(challenge, self.kiosk_id, boot_id, journal))


def named_by(token: str) -> str:
    """The kiosk that a hub's token says it is for; empty where that cannot be told. Nobody has checked it."""
    try:
        payload = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims)
        return parse_kiosk_id(claims.sub)
    except (IndexError, ValueError):
        return ""


def new_key() -> str:
    """A new private key."""
    return _text(secrets.token_bytes(_SEED_BYTES))


def public_key(private_key: str) -> str:
    """What the hub is told of it. Raises `ValueError`."""
    return _text(bytes(_signing(private_key).verify_key))


def sign(private_key: str, message: bytes) -> str:
    """An Ed25519 signature, base64url without padding. Raises `ValueError`."""
    return _text(_signing(private_key).sign(message).signature)


def read(directory: Path) -> Identity | None:
    """The identity in STATE_DIR, None where there is none. Raises `IdentityError`."""
    return read_identity(directory / FILE)


def read_identity(path: Path) -> Identity | None:
    """An identity out of a file of that form. Raises `IdentityError`."""
    found = load(path, Identity)
    if found is None:
        return None
    try:
        parse_kiosk_id(found.kiosk_id)
        public_key(found.private_key.reveal())
    except ValueError:
        raise IdentityError(f"{path.name} is damaged: its kiosk's name or its key cannot be") from None
    if not found.hub or not found.token:
        raise IdentityError(f"{path.name} is damaged: it names no hub or holds no token")
    return found


def load(path: Path, kind: type[T]) -> T | None:
    """A struct out of a private JSON file, None where there is none. Raises `IdentityError`.

    A file that others may read is refused: what is in it may be known to them. So is one that is none of its
    directory's owner's: somebody else put it there.
    """
    data = read_private(path)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=_decoded)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise IdentityError(f"{path.name} is damaged: half written, or changed by hand") from None


def read_private(path: Path) -> bytes | None:
    """A file's content, None where there is none. Raises `IdentityError` as `load` says."""
    try:
        # Not by way of a link, nor waiting for the other end of a pipe: root reads here what another user may place.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        words = "is a link" if error.errno == errno.ELOOP else error.strerror or type(error).__name__
        raise IdentityError(f"{path.name} cannot be read: {words}") from None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise IdentityError(f"{path.name} is no file")
        if facts.st_mode & _OTHERS:
            mode = stat.S_IMODE(facts.st_mode)
            raise IdentityError(f"others may read {path.name} (its mode is {mode:o}); right would be: chmod 600")
        if facts.st_uid not in {os.geteuid(), 0, os.stat(path.parent).st_uid}:
            raise IdentityError(f"{path.name} belongs to another user than its directory")
        data = b""
        while chunk := os.read(handle, _MAX_BYTES):
            data += chunk
            if len(data) > _MAX_BYTES:
                raise IdentityError(f"{path.name} is damaged: larger than it can be")
        return data
    except OSError as error:
        raise IdentityError(f"{path.name} cannot be read: {error.strerror}") from None
    finally:
        os.close(handle)


def save(path: Path, value: msgspec.Struct) -> None:
    """Write a struct as a private JSON file, whole or not at all, and have the disk keep it. Raises OSError.

    Whoever runs this, root included, the file belongs to the owner of the directory.
    """
    data = msgspec.json.format(msgspec.json.encode(value, enc_hook=_encoded), indent=2) + b"\n"
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            give_to_owner(handle, path.parent)
            os.fchmod(handle, 0o600)
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        new.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    sync_directory(path.parent)


def remove(path: Path) -> None:
    """Remove a file for good, if it is there. Raises OSError."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def give_to_owner(handle: int, directory: Path) -> None:
    """Have an open file belong to whom its directory belongs to; only root is not that already. Raises OSError."""
    owner = directory.stat()
    if os.geteuid() == 0:
        os.fchown(handle, owner.st_uid, owner.st_gid)


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable. File systems that cannot are excused; raises OSError when the disk fails."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in {errno.EIO, errno.ENOSPC, errno.EDQUOT}:
            raise
    finally:
        os.close(handle)


class _Claims(msgspec.Struct):
    sub: str


def _signing(private_key: str) -> Any:
    from nacl.signing import SigningKey  # noqa: PLC0415 - a library in C, for those who have a key

    if len(private_key) != KEY_TEXT_LENGTH:
        raise ValueError("no key")
    try:
        seed = base64.urlsafe_b64decode(private_key + "=")
    except (binascii.Error, ValueError):
        raise ValueError("no key") from None
    if len(seed) != _SEED_BYTES:
        raise ValueError("no key")
    return SigningKey(seed)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError("not text")


def _encoded(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError
