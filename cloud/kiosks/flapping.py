"""When a connection counts as flapping: it ends again and again by itself. Pure; times are Unix seconds.

What the hub or a person ended says nothing of the line: a restart of the hub, a new token, a kiosk that was disabled.
"""

from collections.abc import Iterable

ENDS, WITHIN = 4, 600.0  # so many ends within so many seconds
# A kiosk that says goodbye and is back at once does so because its program ends again and again.
_BY_ITSELF = frozenset({"lost", "silent", "replaced", "1000", "1001", "1006", "1009", "4409"})


def breaks_off(why: str) -> bool:
    """Whether an end of this kind is one that nobody wanted."""
    return why in _BY_ITSELF


def count(ends: Iterable[float], now: float) -> int:
    """How many of these moments lie within the last minutes. A clock that was put back makes none of them count."""
    return sum(now - WITHIN < at <= now for at in ends)


def is_flapping(ends: Iterable[float], now: float) -> bool:
    """Whether there were too many."""
    return count(ends, now) >= ENDS
