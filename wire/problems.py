"""Every way an operation can end without its gateway's answer, and what that means for trying again.

A caller of `POST /send` acts on `outcome` alone: `not_executed` may be tried again safely, `unknown` may not before
`GET /operations/{request_id}` has told more, `executed` never. The table is the only place where a problem's status
and outcome stand.
"""

from enum import IntEnum, StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """What is known of the effect, in a problem's `outcome` member."""

    NOT_EXECUTED = "not_executed"  # surely no effect, now and later
    UNKNOWN = "unknown"  # it may have happened
    EXECUTED = "executed"  # it has happened, and there is no gateway's answer to show for it


class Kind(NamedTuple):
    """One problem type: its HTTP status, its outcome, and its title for a person."""

    status: int
    outcome: Outcome
    title: str


_NO, _UNKNOWN = Outcome.NOT_EXECUTED, Outcome.UNKNOWN

PROBLEMS: dict[str, Kind] = {
    "bad-request": Kind(400, _NO, "The request is malformed"),
    "unauthorized": Kind(401, _NO, "The API key is missing or wrong"),
    "code-refused": Kind(403, _NO, "The code is not known, was used or is too old"),
    "kiosk-disabled": Kind(403, _NO, "The kiosk is disabled"),
    "unknown-kiosk": Kind(404, _NO, "There is no such kiosk"),
    "unknown-operation": Kind(404, _NO, "The kiosk has no such route and no default"),
    "not-found": Kind(404, _NO, "There is nothing here"),
    "method-not-allowed": Kind(405, _NO, "This address does not take that method"),
    "cancelled": Kind(409, _NO, "Cancelled before it was started"),
    "idempotency-conflict": Kind(409, _NO, "The Idempotency-Key was used for another request"),
    "conflict": Kind(409, _NO, "The request does not fit the present state"),
    "confirmed-not-executed": Kind(409, _NO, "A person found out that it was not executed, and never will be"),
    "too-large": Kind(413, _NO, "The request is too large"),
    "rate-limited": Kind(429, _NO, "Too many requests"),
    "internal": Kind(500, _UNKNOWN, "The hub failed"),
    "gateway-unreachable": Kind(502, _NO, "The kiosk could not reach its gateway"),
    "device-fault": Kind(502, _NO, "The device at the kiosk refused, or is out of service"),
    "hub-stopping": Kind(503, _NO, "The hub is restarting"),
    "hub-storage": Kind(503, _NO, "The hub cannot write to its database"),
    "key-unchecked": Kind(503, _UNKNOWN, "The hub cannot look the Idempotency-Key up"),
    "kiosk-offline": Kind(503, _NO, "The kiosk is not connected"),
    "kiosk-busy": Kind(503, _NO, "Too many operations wait at the kiosk"),
    "kiosk-storage": Kind(503, _NO, "The kiosk cannot write its journal and takes no new operations"),
    # Not one of 4xx: whoever goes by the status alone takes those for "nothing happened".
    "confirmed-executed": Kind(504, Outcome.EXECUTED, "A person found out that it was executed; its answer is lost"),
    "expired": Kind(504, _NO, "The kiosk did not start it before its deadline, and never will"),
    "timeout": Kind(504, _UNKNOWN, "No answer in time"),
    "kiosk-lost": Kind(504, _UNKNOWN, "The kiosk's connection broke and it did not come back in time"),
    "interrupted": Kind(504, _UNKNOWN, "The kiosk was cut off in the middle and cannot know what its gateway did"),
}


class CloseCode(IntEnum):
    """Why the hub closes a kiosk's socket. The kiosk chooses by it how soon to return."""

    RESTARTING = 1012
    NO_HELLO = 4400
    BAD_TOKEN = 4401
    FORBIDDEN = 4403  # disabled or removed
    REPLACED = 4409  # by a newer connection of the same kiosk
    DUPLICATE = 4410  # another box with this kiosk's identity is there
    CLONED = 4411  # and it has the same journal: this one must begin another
    TOO_MANY_ATTEMPTS = 4429
