"""Every sentence the bot says, in English and Russian.

`en/` and `ru/` have a module for each subject, with the same names and in it `TEXTS`: key → sentence. A sentence is
HTML; `{field}` is filled with an escaped value, or with `Html` as it is. `{count:kiosk|kiosks}` gives the word that
goes with a number: two forms in English, three in Russian (1, 2, 5).
"""

from datetime import UTC, tzinfo
from string import Formatter
from typing import Any

from cloud.bot.html import Html, escape, plain
from cloud.bot.reply import Language
from cloud.bot.texts.en import TEXTS as EN
from cloud.bot.texts.ru import TEXTS as RU
from cloud.bot.texts.times import moment, when
from cloud.plurals import plural

TEXTS: dict[Language, dict[str, str]] = {"en": EN, "ru": RU}
LANGUAGES: tuple[Language, ...] = ("en", "ru")


class _Filler(Formatter):
    """Fills fields, escaping what is not `Html`; a field's forms after a colon are for its number."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if "|" in format_spec:
            return escape(plural(self._language, value, *format_spec.split("|")))
        return escape(format(value, format_spec) if format_spec else value)


class Texts:
    """Sentences by key, and times in the zone of those who read them."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self.zone = zone
        self._fillers = {language: _Filler(language) for language in LANGUAGES}

    def __call__(self, language: Language, key: str, /, **fields: object) -> Html:
        """The sentence as HTML, its fields filled and escaped. Raises `KeyError` for a key or a field there is not."""
        return Html(self._fillers[language].vformat(TEXTS[language][key], (), fields))

    def plain(self, language: Language, key: str, /, **fields: object) -> str:
        """The same as a plain text, for buttons, toasts and the menu."""
        return plain(self(language, key, **fields))

    def when(self, at: float) -> str:
        """A date and time; `at` is Unix seconds."""
        return when(at, self.zone)

    def moment(self, language: Language, at: float, now: float) -> str:
        """The same in few letters; of today, the time alone."""
        return moment(language, at, now, self.zone)
