"""Time zones by their IANA names."""

import contextlib
import difflib
import zoneinfo
from datetime import UTC, tzinfo


class NoZone(ValueError):
    """There is no such time zone here; its text says what would be right."""


def zone(name: str) -> tzinfo:
    """The time zone of that name. Raises `NoZone`. UTC needs no database of time zones."""
    right = "right would be a name such as Asia/Almaty, Europe/Moscow or UTC"
    if name == "UTC":
        return UTC
    if not name:
        raise NoZone(right)
    with contextlib.suppress(KeyError, ValueError, OSError):  # OSError: of a directory such as Asia
        return zoneinfo.ZoneInfo(name)
    known = zoneinfo.available_timezones()
    if not known:
        words = "this machine has no time zones; right would be to install them first: the package tzdata"
        raise NoZone(f"{words}, of the system or by pip")
    near = difflib.get_close_matches(name, known, n=1)
    raise NoZone(f"is no time zone; did you mean {near[0]}?" if near else f"is no time zone; {right}")
