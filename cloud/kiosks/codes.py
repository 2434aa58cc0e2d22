"""What a one-time code is good for. Pure; times are Unix seconds of the hub's clock, and arguments.

A code is good for `CODE_GOOD_FOR` from its making. No clock is trusted with that alone: its age is what the wall clock
says or what hubs have run since, by a clock that nobody sets, whichever is more. So a clock that was put back makes no
code last; one that was put ahead ends codes early, and a person makes new ones. What has ended stays ended.

For all that time a code that was used answers the key it was used with, and no other: see `wire.enrolment`. A kiosk
has one code: a newer one ends the older. So does a token made by hand, and the kiosk's removal.
"""

import hashlib
import hmac
import secrets
from enum import StrEnum

import msgspec

from wire.enrolment import ALPHABET, CODE_GOOD_FOR, CODE_LENGTH

_PURPOSE = b"kioskwire enrolment codes 1"  # the same secret signs tokens: neither can pass for the other


class Result(StrEnum):
    """What a line of the audit tells."""

    MADE = "made"  # a code, by whom `reason` says
    ENROLLED = "enrolled"
    REPEATED = "repeated"  # the same box asked again, its answer was lost
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"  # code and key, if there were any: by `token`, one made by hand, or the kiosk's `removal`
    CLONED = "cloned"  # two boxes hold one key, or one journal
    DUPLICATED = "duplicated"  # two boxes hold one token


class Reason(StrEnum):
    """Why a code is refused. Told to operators; whoever asks hears one wording for all of them."""

    UNKNOWN = "unknown"
    USED = "used"  # with another key
    EXPIRED = "expired"
    REPLACED = "replaced"  # by a newer code
    WITHDRAWN = "withdrawn"
    DISABLED = "kiosk-disabled"
    REMOVED = "kiosk-removed"


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A code as kept, which is without its text. `lived` is seconds of hubs' running since it was made."""

    kiosk_id: str
    made_at: float
    lived: float = 0.0
    used_at: float | None = None
    public_key: str = ""  # it was used with
    ended: str = ""  # a `Reason`; empty: it may be good


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The kiosk that a code is for."""

    enabled: bool
    removed: bool
    public_key: str = ""  # bound to it now


def new_code() -> str:
    """A code nobody can guess: one of 30⁸, some 39 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def code_hash(secret: str, code: str) -> str:
    """How a code is kept. Without the hub's secret nobody finds it by trying all there are."""
    key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
    return hmac.new(key, code.encode(), hashlib.sha256).hexdigest()


def age(code: Code, now: float) -> float:
    """Seconds for which a code has been good, at least."""
    return max(0.0, now - code.made_at, code.lived)


def good_until(code: Code, now: float) -> float:
    """Until when it is good, as far as can be said now."""
    return now + CODE_GOOD_FOR - age(code, now)


def is_over(code: Code, now: float) -> bool:
    """Whether its time has passed."""
    return age(code, now) >= CODE_GOOD_FOR


def judge(code: Code | None, kiosk: Holder | None, public_key: str, now: float) -> tuple[Result, Reason | None]:
    """What comes of trading a code for this key: `ENROLLED`, `REPEATED`, or `REFUSED` and why."""
    if code is None:
        return Result.REFUSED, Reason.UNKNOWN
    if code.ended:
        return Result.REFUSED, Reason(code.ended)
    if is_over(code, now):
        return Result.REFUSED, Reason.EXPIRED
    if kiosk is None or kiosk.removed:
        return Result.REFUSED, Reason.REMOVED
    if not kiosk.enabled:
        return Result.REFUSED, Reason.DISABLED
    if code.used_at is None:
        return Result.ENROLLED, None
    if public_key == code.public_key == kiosk.public_key:
        return Result.REPEATED, None
    return Result.REFUSED, Reason.USED
