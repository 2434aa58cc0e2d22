"""How a page is filled: what every template finds, and times, numbers and addresses as people read them.

`{{ … }}` escapes whatever it is given, but for `Html`: bytes that were made here, of parts that are escaped already.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tornado.escape import xhtml_escape
from tornado.template import Loader

from cloud.dashboard.static import asset, shelf
from cloud.dashboard.texts import Language, say
from wire.money import Money
from wire.version import VERSION

_FORMATS: dict[Language, str] = {
    "en": "%Y-%m-%d %H:%M:%S",
    "ru": "%d.%m.%Y %H:%M:%S",
    "kk": "%d.%m.%Y %H:%M:%S",
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_NONE = "—"


class Html(bytes):
    """A piece of a page that is put in as it is."""


def escape(value: str | bytes) -> str | bytes:
    """As templates escape."""
    return value if isinstance(value, Html) else xhtml_escape(value)


templates = Loader(str(Path(__file__).with_name("pages")), namespace={"xhtml_escape": escape})


def when(at: float | None, zone: tzinfo, language: Language) -> str:
    """A moment to the second, in a zone; a dash for none. `at` in Unix seconds."""
    return _NONE if at is None else datetime.fromtimestamp(at, zone).strftime(_FORMATS[language])


def moment(at: float | None, zone: tzinfo, language: Language) -> Html:
    """The same as an element that programs can read."""
    return Html(_NONE.encode()) if at is None else _time(at, zone, when(at, zone, language), "")


def ago(at: float | None, now: float, zone: tzinfo, language: Language) -> Html:
    """How long since, roughly, as an element that tells the moment to who asks; a dash for none."""
    if at is None:
        return Html(_NONE.encode())
    past = now - at
    key = "shell.ago" if past >= 0 else "shell.in"
    words = say(language, "shell.now") if abs(past) < 1 else say(language, key, span=span(abs(past), language))
    return _time(at, zone, words, when(at, zone, language))


def span(seconds: float | None, language: Language) -> str:
    """A length of time in one or two units: 340 ms, 1.2 s, 5 min, 3 h 20 min, 12 d; a dash for none."""
    if seconds is None:
        return _NONE
    if seconds < 1:
        return _unit(language, "ms", round(seconds * 1000))
    if seconds < 10 and round(seconds, 1) != round(seconds):
        return _unit(language, "s", number(round(seconds, 1), language))
    whole = round(seconds)
    if whole < _MINUTE:
        return _unit(language, "s", whole)
    if whole < _HOUR:
        return _unit(language, "min", whole // _MINUTE)
    if whole < 2 * _DAY:
        parts = [_unit(language, "h", whole // _HOUR)]
        if whole < 6 * _HOUR and (rest := whole % _HOUR // _MINUTE):
            parts.append(_unit(language, "min", rest))
        return " ".join(parts)
    return _unit(language, "d", number(whole // _DAY, language))


def number(value: float | Decimal | None, language: Language) -> str:
    """With groups of three, and the decimal sign of the language; a dash for none."""
    if value is None:
        return _NONE
    text = f"{value:,}"
    return text if language == "en" else text.replace(",", "\N{NARROW NO-BREAK SPACE}").replace(".", ",")


def money(minor: int, currency: str, language: Language) -> str:
    """An amount in the unit that people name, with its currency; empty for no currency that there is."""
    try:
        return f"{number(Money(minor, currency).major, language)}\N{NO-BREAK SPACE}{currency}"
    except ValueError:
        return ""


def changed(path: str, query: str, changes: Mapping[str, object]) -> str:
    """An address with its query changed: None and empty take a field out. All others stay, in order."""
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=False) if name not in changes]
    put = [(name, str(value)) for name, value in changes.items() if value is not None and value != ""]
    return f"{path}?{urlencode(kept + put)}" if kept or put else path


def fill(
    page: str,
    *,
    language: Language,
    zone: tzinfo,
    zone_name: str,
    now: float,
    path: str,
    query: str,
    facts: Mapping[str, Any],
) -> bytes:
    """A template with what all of them find, and with `facts`, which win."""

    def ours(key: str, /, **fields: object) -> str:
        return say(language, key, **fields)

    # Where the reader is, from the outermost: (words, address) each. Before `facts`, which may tell more.
    crumbs: Sequence[tuple[str, str]] = ()
    given: dict[str, Callable[..., Any] | Any] = {
        "say": ours,
        "language": language,
        "path": path,
        "zone": zone_name,
        "crumbs": crumbs,
        "version": VERSION,
        "libraries": shelf().libraries,
        "asset": asset,
        "now": now,
        "when": lambda at: when(at, zone, language),
        "moment": lambda at: moment(at, zone, language),
        "ago": lambda at: ago(at, now, zone, language),
        "span": lambda seconds: span(seconds, language),
        "number": lambda value: number(value, language),
        "money": lambda minor, currency: money(minor, currency, language),
        "qs": lambda **changes: changed(path, query, changes),
    }
    return templates.load(page).generate(**{**given, **facts})


def _unit(language: Language, unit: str, value: object) -> str:
    return say(language, f"shell.unit-{unit}", count=value)


def _time(at: float, zone: tzinfo, words: str, title: str) -> Html:
    exact = datetime.fromtimestamp(at, UTC if zone is None else zone).isoformat(timespec="seconds")
    told = f' title="{xhtml_escape(title)}"' if title else ""
    return Html(f'<time datetime="{xhtml_escape(exact)}"{told}>{xhtml_escape(words)}</time>'.encode())
