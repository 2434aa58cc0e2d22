"""How long, as people write it: 30m, 2h, 1d12h, «2 ч», «полчаса». Pure."""

import re

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

_UNITS = {
    MINUTE: ("m", "min", "mins", "minute", "minutes", "м", "мин", "минута", "минуту", "минуты", "минут"),
    HOUR: ("h", "hr", "hrs", "hour", "hours", "ч", "час", "часа", "часов"),
    DAY: ("d", "day", "days", "д", "дн", "день", "дня", "дней", "сут", "сутки", "суток"),
}
_SECONDS = {name: seconds for seconds, names in _UNITS.items() for name in names}
_WHOLE = {"полчаса": HOUR / 2}
_PART = re.compile(r"(\d{1,6}(?:[.,]\d{1,3})?)\s*([^\W\d_]+)\.?\s*")


def seconds_of(text: str) -> float | None:
    """Seconds; None for what is no duration, or none at all."""
    text = text.strip().casefold()
    left, total = text, 0.0
    while left:
        part = _PART.match(left)
        if part is None and left in _WHOLE:
            total, left = total + _WHOLE[left], ""
        elif part is None:
            # One unit alone is one of it: «час».
            return _SECONDS.get(text) or None
        elif part[2] in _SECONDS:
            total += float(part[1].replace(",", ".")) * _SECONDS[part[2]]
            left = left[part.end() :]
        else:
            return None
    return total or None
