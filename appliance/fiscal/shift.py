"""What comes before a document: a shift is opened when none is open, and one older than a day is closed first.

The law gives a shift 24 hours; behind them a register registers nothing but the shift's end. A kiosk has nobody who
would open and close it, so this rule does, whenever a document asks for it: close, then open, then the document. Pure.
"""

import datetime

import msgspec

from hardware.roles import RegisterStatus

RECEIPT, OPEN, CLOSE, CASH_IN, CASH_OUT = "receipt", "open-shift", "close-shift", "cash-in", "cash-out"
KINDS = (RECEIPT, OPEN, CLOSE, CASH_IN, CASH_OUT)

UNSENT_MAX = datetime.timedelta(days=30)
"""How old a document that the data operator has not confirmed may grow before a register sells nothing more (54-FZ)."""


class Go(msgspec.Struct, frozen=True):
    """The document may be registered now."""


class First(msgspec.Struct, frozen=True):
    """Another one comes first: `OPEN` or `CLOSE`."""

    kind: str


class Wait(msgspec.Struct, frozen=True):
    """Not now: somebody has to do something about it."""

    words: str


class No(msgspec.Struct, frozen=True):
    """Not at all."""

    words: str


Step = Go | First | Wait | No


def before(kind: str, status: RegisterStatus, *, due: bool, paper: bool = True) -> Step:
    """What to do next for a document of this kind, given how the register stands.

    Args:
        due: money was taken for it, so that it waits for what else would be a reason to refuse it.
        paper: whether it is wanted on paper.
    """
    state, number = status.shift.state, status.shift.number
    if kind == OPEN and state != "closed":
        return No(f"shift {number or ''} is open already".replace("  ", " "))
    if kind == CLOSE and state == "closed":
        return No("no shift is open")
    if paper and status.paper is False:
        return Wait(status.words or "the register has no paper")
    if kind in (OPEN, CLOSE):
        return Go()
    if state == "expired":
        return First(CLOSE)
    if kind == RECEIPT and (words := _too_late(status)):
        return Wait(words) if due else No(words)
    return First(OPEN) if state == "closed" else Go()


def _too_late(status: RegisterStatus) -> str:
    """Why the register sells nothing for the documents it could not send; empty when that is not so."""
    since, now = _moment(status.unsent_since), _moment(status.clock)
    if not status.unsent or since is None or now is None or now - since <= UNSENT_MAX:
        return ""
    return (
        f"{status.unsent} documents have waited for the data operator since {status.unsent_since}: "
        "the register sells nothing until they are sent; check its network"
    )


def _moment(text: str) -> datetime.datetime | None:
    """A register's clock without its zone; None for what is none."""
    try:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None
