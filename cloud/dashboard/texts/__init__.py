"""Every sentence of the dashboard, in English, Russian and Kazakh.

Each language has a module for each subject, with the same names and in it `TEXTS`: key → sentence. A sentence is plain
text, and escaped by the template that shows it. `{count:kiosk|kiosks}` gives the word that goes with a number: two
forms in English, three in Russian (1, 2, 5), one in Kazakh, where a noun after a number does not change.
"""

from string import Formatter
from typing import Any, Literal

from cloud.dashboard.texts import en, kk, ru
from cloud.plurals import plural

Language = Literal["en", "ru", "kk"]
LANGUAGES: dict[Language, str] = {"en": "English", "ru": "Русский", "kk": "Қазақша"}
TEXTS: dict[Language, dict[str, str]] = {"en": en.TEXTS, "ru": ru.TEXTS, "kk": kk.TEXTS}


def choose(wanted: str, accepted: str) -> Language:
    """The language for a page: the one `wanted` if we have it, else the first of an Accept-Language that we have."""
    offers = [(wanted, 1.0)]
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        try:
            offers.append((name.strip()[:2].lower(), float(weight.strip().removeprefix("q=") or 1)))
        except ValueError:
            continue
    offers[1:] = sorted(offers[1:], key=lambda offer: -offer[1])
    for language, preference in offers:
        if preference > 0 and language in LANGUAGES:
            return language
    return "en"


class _Filler(Formatter):
    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if "|" in format_spec or (format_spec and format_spec[0].isalpha() and not isinstance(value, str)):
            return plural(self._language, value, *format_spec.split("|"))
        return str(format(value, format_spec))


_FILLERS: dict[Language, _Filler] = {language: _Filler(language) for language in LANGUAGES}


def say(language: Language, key: str, /, **fields: object) -> str:
    """The sentence as plain text, its fields filled. Raises `KeyError` for a key or a field there is not."""
    return _FILLERS[language].vformat(TEXTS[language][key], (), fields)
