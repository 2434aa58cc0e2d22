"""Times as people say them: how long, and when, in a time zone that is named wherever a date stands. Pure."""

from datetime import datetime, tzinfo

from cloud.bot.reply import Language

_UNITS: dict[Language, tuple[str, str, str, str]] = {"en": ("d", "h", "min", "s"), "ru": ("дн", "ч", "мин", "с")}
_MONTHS: dict[Language, tuple[str, ...]] = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "ru": ("янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"),
}


def span(language: Language, seconds: float) -> str:
    """How long, in its two greatest units: `2 h 5 min`, «3 дн 4 ч»."""
    left = max(0, round(seconds))
    days, hours, minutes = left // 86400, left // 3600 % 24, left // 60 % 60
    parts = [(days, 0), (hours, 1), (minutes, 2), (left % 60, 3)]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    names = _UNITS[language]
    return " ".join(f"{count} {names[unit]}" for count, unit in parts[:2] if count or unit == parts[0][1])


def when(at: float, zone: tzinfo) -> str:
    """Unix seconds as `2026-11-21 23:05 UTC`; a time that no calendar has, which only a kiosk's clock tells, as is."""
    try:
        return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M %Z")
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f}"


def moment(language: Language, at: float, now: float, zone: tzinfo) -> str:
    """When, in few letters: `14:03:05` today, `3 Nov 14:03 UTC` on any other day."""
    try:
        then, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone).date()
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f}"
    if then.date() == today:
        return then.strftime("%H:%M:%S")
    year = f" {then.year}" if abs(now - at) > 300 * 86400 else ""
    return f"{then.day} {_MONTHS[language][then.month - 1]}{year} {then:%H:%M %Z}"
