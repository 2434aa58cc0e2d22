"""What Telegram does to a text and its entities after parsing: cleans, nests, trims, and finds commands and addresses.

Code may hold nothing and be held by quotes only; styles (bold …) are cut where code is; quotes hold no quotes; links
and the like do not hold each other; styles of one kind that touch become one.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from cloud.emulator.entities import Formatted, place, units

Json = dict[str, Any]

_STYLES = {"bold", "italic", "underline", "strikethrough", "spoiler"}
_QUOTES = {"blockquote", "expandable_blockquote"}
_GONE = frozenset("\r\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u0333\u033f\u030a")
_FOUND = re.compile(
    r"(?P<url>https?://[^\s<>\"'«»]*[^\s<>\"'«».,:;!?)\]}])"
    r"|(?<![\w/@<>])(?P<bot_command>/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?)(?![\w/<>])"
    r"|(?<![\w@/])(?P<mention>@[A-Za-z][A-Za-z0-9_]{3,31})(?!\w)"
)


def tidy(what: Formatted) -> Formatted:
    """A text as a message has it; it may turn out empty."""
    cleaned = _clean(what)
    nested = _nest(cleaned.entities)
    trimmed = _trim(Formatted(cleaned.text, nested))
    found = _find(trimmed)
    return Formatted(trimmed.text, sorted([*trimmed.entities, *found], key=place))


def _clean(what: Formatted) -> Formatted:
    """Control characters become spaces, tabs as well; some signs go altogether."""
    kept: list[str] = []
    moved: list[int] = []  # where each UTF-16 unit of the old text stands in the new one
    now = 0
    for character in what.text:
        size = 1 + (character > "\uffff")
        if character in _GONE:
            moved += [now] * size
            continue
        moved += [now + unit for unit in range(size)]
        kept.append(" " if character < " " and character != "\n" else character)
        now += size
    moved.append(now)
    entities = []
    for entity in what.entities:
        first, last = moved[entity["offset"]], moved[entity["offset"] + entity["length"]]
        if last > first:
            entities.append({**entity, "offset": first, "length": last - first})
    return Formatted("".join(kept), entities)


def _nest(entities: Iterable[Json]) -> list[Json]:
    """Only what may stand in each other."""
    ordered = sorted(entities, key=place)
    quotes = _apart(entity for entity in ordered if entity["type"] in _QUOTES)
    single = _apart(entity for entity in ordered if entity["type"] not in _STYLES | _QUOTES)
    single = [entity for entity in single if not any(_cross(entity, quote) for quote in quotes)]
    codes = [entity for entity in single if entity["type"] in {"code", "pre"}]
    styles: list[Json] = []
    for kind in _STYLES:
        pieces = [(entity["offset"], _end(entity)) for entity in ordered if entity["type"] == kind]
        for code in codes:
            pieces = [piece for each in pieces for piece in _without(each, code)]
        styles += [{"offset": first, "length": last - first, "type": kind} for first, last in _joined(pieces)]
    return sorted([*quotes, *single, *styles], key=place)


def _apart(entities: Iterable[Json]) -> list[Json]:
    """Those that do not begin within one before."""
    kept: list[Json] = []
    for entity in entities:
        if not kept or entity["offset"] >= _end(kept[-1]):
            kept.append(entity)
    return kept


def _cross(entity: Json, quote: Json) -> bool:
    """Whether it sticks out of a quote that it touches."""
    first, last = quote["offset"], _end(quote)
    return entity["offset"] < last and _end(entity) > first and not (entity["offset"] >= first and _end(entity) <= last)


def _without(piece: tuple[int, int], hole: Json) -> list[tuple[int, int]]:
    first, last = piece
    begin, end = hole["offset"], _end(hole)
    if end <= first or begin >= last:
        return [piece]
    return [(one, other) for one, other in ((first, begin), (end, last)) if one < other]


def _joined(pieces: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(pieces):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return joined


def _trim(what: Formatted) -> Formatted:
    """Without spaces at both ends, and without entities of spaces alone."""
    kept = what.text.rstrip()
    start = len(kept) - len(kept.lstrip())
    first, last = units(kept[:start]), units(kept)
    raw = kept.encode("utf-16-le", "surrogatepass")
    entities = []
    for entity in what.entities:
        begin, end = max(entity["offset"], first), min(_end(entity), last)
        if end > begin and raw[2 * begin : 2 * end].decode("utf-16-le", "replace").strip():
            entities.append({**entity, "offset": begin - first, "length": end - begin})
    return Formatted(kept[start:], entities)


def _find(what: Formatted) -> list[Json]:
    """Commands, addresses and mentions that stand outside of code and links."""
    taken = [entity for entity in what.entities if entity["type"] not in _STYLES | _QUOTES]
    found = []
    for match in _FOUND.finditer(what.text):
        entity: Json = {
            "offset": units(what.text[: match.start()]),
            "length": units(match.group()),
            "type": match.lastgroup,
        }
        if all(_end(entity) <= other["offset"] or entity["offset"] >= _end(other) for other in taken):
            found.append(entity)
    return found


def _end(entity: Json) -> int:
    return int(entity["offset"] + entity["length"])
