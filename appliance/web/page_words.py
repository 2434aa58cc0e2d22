"""What the kiosk's page says, in its three languages, and figures as people read them. Pure but for the time zone."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from appliance.web import page_words_en, page_words_kk, page_words_ru
from appliance.web.page import say
from wire.money import Money

WORDS: Mapping[str, Mapping[str, str]] = {
    "kk": page_words_kk.WORDS, "ru": page_words_ru.WORDS, "en": page_words_en.WORDS,
}  # fmt: skip
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MB, _GB = 1000**2, 1000**3
_TIED = "\N{NO-BREAK SPACE}"


class Teller:
    """Says things in one language at one moment (`now`, Unix seconds by this kiosk's clock)."""

    def __init__(self, language: str, now: float) -> None:
        self.language = language
        self._now = now

    def say(self, key: str, **fields: object) -> str:
        """A sentence."""
        return say(WORDS, self.language, key, **fields)

    def has(self, key: str) -> bool:
        """Whether there is such a sentence."""
        return key in WORDS[self.language]

    def moment(self, at: float) -> str:
        """A time where the kiosk stands, with its day unless that is today."""
        try:
            local, today = time.localtime(at), time.localtime(self._now)
            return time.strftime("%H:%M" if local[:3] == today[:3] else "%d.%m.%Y %H:%M", local)
        except (OverflowError, OSError, ValueError):
            return "?"

    def day(self, at: float) -> str:
        """A day where the kiosk stands."""
        return time.strftime("%d.%m.%Y", time.localtime(at))

    def ago(self, at: float) -> str:
        """How long since."""
        passed = max(0, int(self._now - at))
        if passed < _MINUTE:
            return self.say("ago.now")
        for size, most, key in ((_MINUTE, _HOUR, "minutes"), (_HOUR, 2 * _DAY, "hours")):
            if passed < most:
                return self.say(f"ago.{key}", count=passed // size)
        return self.say("ago.days", count=passed // _DAY)

    def when(self, at: float) -> "When":
        """Both, for a page."""
        return When(self.iso(at), self.moment(at), self.ago(at))

    @staticmethod
    def iso(at: float) -> str:
        """For machines."""
        try:
            return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
        except (OverflowError, OSError, ValueError):
            return ""

    def lasting(self, seconds: float) -> str:
        """A length of time, in the two units that matter."""
        whole = int(seconds)
        if whole < _MINUTE:
            return self.say("for.seconds", count=whole)
        if whole < _HOUR:
            return self.say("for.minutes", count=whole // _MINUTE)
        size, small, key = (_HOUR, _MINUTE, "hours") if whole < _DAY else (_DAY, _HOUR, "days")
        rest = whole % size // small
        return self.say(f"for.{key}" if rest else f"for.whole-{key}", count=whole // size, rest=rest)

    def size(self, count: int) -> str:
        """Bytes."""
        if count < _GB:
            return self.say("bytes.mb", count=f"{count / _MB:.0f}")
        return self.say("bytes.gb", count=f"{count / _GB:.1f}")

    def money(self, minor: int, currency: str) -> str:
        """An amount as people write it: 12,500.00 KZT, and in Russian and Kazakh 12 500,00 KZT."""
        try:
            major = Money(minor, currency).major
        except ValueError:
            return f"{minor}"
        text = f"{major:,f} {currency}"
        if self.language != "en":
            text = text.replace(",", " ").replace(".", ",")
        return text.replace(" ", _TIED)


class When:
    """A time for a page: for machines, of the clock, and how long since."""

    def __init__(self, iso: str, moment: str, ago: str) -> None:
        self.iso, self.moment, self.ago = iso, moment, ago
