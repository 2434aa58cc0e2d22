"""What enrolment keeps in STATE_DIR beside the identity: every step stands there before the next one is taken.

identity.pending.json   a code that is being traded, and the key it is traded with: written before the code leaves
identity.next.json      an identity that waits until what was done under the one before is told
identity.served.json    whom the journal served last: nobody else is told what stands in it
identity.refused.json   codes that the hub refused, as hashes: none is sent again by itself
enroll.env              dropped by a person; enroll.env.refused once the hub did not take it
identity.lock           one process at a time

Blocking, all of it.
"""

import contextlib
import fcntl
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from dotenv.main import DotEnv

from appliance import identity as identities
from appliance.box import Marks
from appliance.hub import read_hub
from appliance.identity import FILE, Identity, IdentityError
from wire.crashpoint import crash_point
from wire.enrolment import EnrolAnswer, parse_code
from wire.environment import Secret

DROPPED, REFUSED_SUFFIX = "enroll.env", ".refused"
_PENDING, _NEXT, _SERVED = "identity.pending.json", "identity.next.json", "identity.served.json"
_REFUSED, _LOCK = "identity.refused.json", "identity.lock"
_DROPPED_MAX = 16 * 1024
_REFUSED_KEPT = 32
_NAME_MAX = 200

Source = Literal["page", "command", "file", "settings"]


class BusyError(Exception):
    """Another process of this machine enrols it just now."""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A code that is being traded. It goes with this key and no other, however often it is sent."""

    hub: str
    code: Secret
    private_key: Secret
    source: Source
    forced: bool = False  # a person said so of a kiosk that is enrolled already


class Served(msgspec.Struct, frozen=True):
    """Who the journal speaks for."""

    kiosk_id: str
    hub: str


class _Refused(msgspec.Struct, frozen=True):
    codes: list[str] = []


class Dropped(msgspec.Struct, frozen=True):
    """What somebody left in `enroll.env`; `wrong`: why it cannot be used, in words."""

    hub: str = ""
    code: Secret = Secret()
    wrong: str = ""


class Papers:
    """The files. Raises OSError where the disk refuses, `IdentityError` where a file cannot be believed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only one. Raises `BusyError`."""
        handle = os.open(self.directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            identities.give_to_owner(handle, self.directory)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise BusyError("this kiosk is being enrolled by another command at this moment") from error
            yield
        finally:
            os.close(handle)

    def seen(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Changes when one of the files does that others may write."""
        return tuple(_seen(self.directory / name) for name in (FILE, _NEXT, _PENDING))

    def read_identity(self) -> Identity | None:
        """The identity in force."""
        return identities.read(self.directory)

    def read_next(self) -> Identity | None:
        """The one that waits."""
        return identities.read_identity(self.directory / _NEXT)

    def read_pending(self) -> Pending | None:
        """The code that is being traded. One that has been, and whose answer stands already, is none any more."""
        found = identities.load(self.directory / _PENDING, Pending)
        if found is not None:
            for read in (self.read_identity, self.read_next):
                with contextlib.suppress(IdentityError):
                    had = read()
                    if had is not None and had.private_key == found.private_key:
                        self.drop_pending(found)
                        return None
        return found

    def begin(self, hub: str, code: str, source: Source, *, forced: bool = False) -> Pending:
        """Make a key for a code, unless the code has one: then its answer was lost, and is asked for again."""
        pending: Pending | None = None
        with contextlib.suppress(IdentityError):
            pending = self.read_pending()
        if pending is not None and (pending.hub, pending.code.reveal(), pending.forced) == (hub, code, forced):
            return pending
        key = identities.new_key()
        if pending is not None and (pending.hub, pending.code.reveal()) == (hub, code):
            key = pending.private_key.reveal()
        pending = Pending(hub=hub, code=Secret(code), private_key=Secret(key), source=source, forced=forced)
        crash_point("appliance.enrolment.pending.before")
        identities.save(self.directory / _PENDING, pending)
        crash_point("appliance.enrolment.pending.after")
        return pending

    def finish(self, pending: Pending, answer: EnrolAnswer, marks: Marks) -> Identity:
        """Keep what a code was traded for. Where the journal has served another, it waits."""
        identity = Identity(
            hub=pending.hub, kiosk_id=answer.kiosk_id, token=Secret(answer.token), private_key=pending.private_key,
            marks=marks, name=answer.name[:_NAME_MAX], moved=pending.forced, new=True,
        )  # fmt: skip
        served = self.read_served()
        crash_point("appliance.enrolment.identity.before")
        now = served is None or serves(served, identity)
        identities.save(self.directory / (FILE if now else _NEXT), identity)
        crash_point("appliance.enrolment.identity.after")
        if now:
            identities.remove(self.directory / _NEXT)
        self.drop_pending(pending)
        return identity

    def refuse(self, pending: Pending) -> None:
        """The hub does not take the code: it is not sent again by itself, and its key is of no use."""
        self.note_refused(pending.hub, pending.code.reveal())
        if pending.source == "file":
            self.refuse_dropped()
        self.drop_pending()

    def promote(self, identity: Identity) -> None:
        """What was done under the identity before is told: have this one take its place."""
        crash_point("appliance.enrolment.promote.before")
        identities.save(self.directory / FILE, identity)
        crash_point("appliance.enrolment.promote.after")
        self.write_served(Served(identity.kiosk_id, identity.hub))
        identities.remove(self.directory / _NEXT)

    def rewrite(self, old: Identity, new: Identity) -> bool:
        """Write anew what is known of the same identity. False if that cannot be at this moment."""
        try:
            with self.lock():
                if self.read_identity() != old:
                    raise IdentityError(f"{FILE} was written by somebody else")
                identities.save(self.directory / FILE, new)
        except BusyError:
            return False
        return True

    def drop_pending(self, pending: Pending | None = None) -> None:
        """The code was traded, or refused. What it came from goes first."""
        if pending is not None and pending.source == "file":
            self.remove_dropped()
        crash_point("appliance.enrolment.clear.before")
        identities.remove(self.directory / _PENDING)
        crash_point("appliance.enrolment.clear.after")

    def read_served(self) -> Served | None:
        """Whom the journal served last; None if nobody, or if that cannot be read."""
        try:
            return identities.load(self.directory / _SERVED, Served)
        except IdentityError:
            return None

    def write_served(self, served: Served) -> None:
        """From now on the journal serves this one."""
        if self.read_served() != served:
            identities.save(self.directory / _SERVED, served)

    def was_refused(self, hub: str, code: str) -> bool:
        """Whether that hub has refused that code."""
        return _hash(hub, code) in self._refused()

    def note_refused(self, hub: str, code: str) -> None:
        """It did."""
        codes = [each for each in self._refused() if each != _hash(hub, code)]
        identities.save(self.directory / _REFUSED, _Refused([*codes, _hash(hub, code)][-_REFUSED_KEPT:]))

    def read_dropped(self) -> Dropped | None:
        """What lies in `enroll.env`, None if nothing does. Whoever could put it there may have it read."""
        try:
            handle = os.open(self.directory / DROPPED, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Dropped(wrong=f"{DROPPED} cannot be read: {error.strerror}")
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return Dropped(wrong=f"{DROPPED} is no file")
            data = os.read(handle, _DROPPED_MAX + 1)
            text = data.decode("utf-8-sig")
        except OSError as error:
            return Dropped(wrong=f"{DROPPED} cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            return Dropped(wrong=f"{DROPPED} is not UTF-8 text")
        finally:
            os.close(handle)
        if len(data) > _DROPPED_MAX:
            return Dropped(wrong=f"{DROPPED} is too long")
        return read_drop(text)

    def remove_dropped(self) -> None:
        """It has served. One that cannot be removed is no reason to stop: its code is of no use any more."""
        with contextlib.suppress(OSError):
            identities.remove(self.directory / DROPPED)

    def refuse_dropped(self) -> None:
        """Put it where it is not looked for again."""
        with contextlib.suppress(FileNotFoundError):
            (self.directory / DROPPED).rename(self.directory / f"{DROPPED}{REFUSED_SUFFIX}")
            identities.sync_directory(self.directory)

    def _refused(self) -> list[str]:
        try:
            found = identities.load(self.directory / _REFUSED, _Refused)
        except IdentityError:
            return []
        return found.codes if found else []


def read_drop(text: str) -> Dropped:
    """The words of an `enroll.env`. Pure."""
    values = DotEnv(None, stream=io.StringIO(text), interpolate=False, verbose=False).dict()
    hub, code = (str(values.get(name) or "").strip() for name in ("WS_SERVER_URL", "ENROLL_CODE"))
    mistakes = []
    try:
        hub = read_hub(hub)
    except ValueError as error:
        mistakes.append(f"WS_SERVER_URL: {error}")
    try:
        code = parse_code(code)
    except ValueError as error:
        mistakes.append(f"ENROLL_CODE: {error}")
    return Dropped(wrong=f"{DROPPED}: {'; '.join(mistakes)}") if mistakes else Dropped(hub, Secret(code))


def serves(served: Served, identity: Identity) -> bool:
    """Whether what was done for one is to be told as the other: the same kiosk, of the same hub.

    A hub at another address is another hub, unless a person has said that it moved.
    """
    return served.kiosk_id == identity.kiosk_id and (served.hub == identity.hub or identity.moved)


def _hash(hub: str, code: str) -> str:
    return hashlib.sha256(f"{hub}\n{code}".encode()).hexdigest()


def _seen(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.lstat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_mode
