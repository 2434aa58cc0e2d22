"""How long to wait before the next push, and what an answer means. Pure."""

from email.utils import parsedate_to_datetime
from enum import Enum

_FIRST, _LONGEST = 1.0, 60.0
_ASKED_MAX = 600.0  # what is pushed is kept for no longer


class Verdict(Enum):
    """What is to become of what was pushed."""

    TAKEN = "taken"
    AGAIN = "again"  # later, the same
    REFUSED = "refused"  # and would be again: it is dropped


def judge(status: int) -> Verdict:
    """By the status that was answered; 0: none."""
    if 200 <= status < 300:
        return Verdict.TAKEN
    if status in {0, 408, 429} or status >= 500:
        return Verdict.AGAIN
    return Verdict.REFUSED


def pause(attempts: int, retry_after: str = "", now: float = 0.0) -> float:
    """Seconds to wait after this many attempts in a row: 1, 2, 4 … up to a minute, or as the receiver asks.

    `retry_after` is the header of that name: seconds or a date, which `now` (Unix seconds) is held against; at most
    ten minutes are waited.
    """
    own = min(_LONGEST, _FIRST * float(1 << min(max(attempts, 1) - 1, 10)))
    asked = _asked(retry_after.strip(), now)
    return own if asked is None else min(_ASKED_MAX, max(_FIRST, asked))


def _asked(text: str, now: float) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
