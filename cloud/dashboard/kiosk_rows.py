"""The list of kiosks: what stands in a line, which lines are wanted, in which order. Pure; times are Unix seconds."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

PAGE = 50
SORTS = ("id", "name", "state", "since", "version")
FILTERS = ("connected", "away", "never", "disabled", "flapping", "attention")
_TEXT_MAX = 200
_TEXTS_KEPT = 20_000  # ids, names and versions, as they are compared; a fleet's are looked at again and again
_NUMBERS = re.compile(r"(\d+)")
_ORDER = ("away", "connected", "never", "disabled")


class State(StrEnum):
    """How a kiosk stands. A connected one may be flapping as well, or need attention."""

    CONNECTED = "connected"
    AWAY = "away"  # it was here once
    NEVER = "never"
    DISABLED = "disabled"


class Line(msgspec.Struct, kw_only=True):
    """A kiosk in the list. `since` is when its state began, as far as that is known."""

    id: str
    name: str
    state: State
    since: float | None = None
    address: str = ""
    version: str = ""
    ailing: int = 0  # devices in trouble, as it tells
    alerts: int = 0  # that stand for it
    flaps: bool = False
    double: bool = False  # two boxes go by its identity

    @property
    def needs_attention(self) -> bool:
        """Whether a person should look."""
        return bool(self.ailing or self.alerts or self.flaps or self.double)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What an address asks for. What makes no sense in it counts as not said."""

    text: str = ""
    state: str = ""
    version: str = ""
    sort: str = "id"
    is_falling: bool = False
    page: int = 1


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list. `counts` are of all kiosks that the text and version mean, by filter; "" is all of them."""

    lines: list[Line]
    asked: Asked
    total: int
    pages: int
    counts: dict[str, int]
    versions: list[str]

    @property
    def first(self) -> int:
        """The number of its first line, from 1."""
        return (self.asked.page - 1) * PAGE + 1 if self.lines else 0


def read(given: Mapping[str, str]) -> Asked:
    """Out of an address' query."""
    sort = given.get("sort", "")
    page = given.get("page", "")
    state = given.get("state", "")
    return Asked(
        text=" ".join(given.get("q", "")[:_TEXT_MAX].split()),
        state=state if state in FILTERS else "",
        version=given.get("version", "")[:_TEXT_MAX],
        sort=sort.removeprefix("-") if sort.removeprefix("-") in SORTS else "id",
        is_falling=sort.startswith("-"),
        page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 and int(page) else 1,
    )


def find(lines: Sequence[Line], asked: Asked) -> Found:
    """The lines of one page; a page after the last is the last."""
    versions = sorted({line.version for line in lines if line.version}, key=_natural, reverse=True)
    means = [line for line in lines if _is_meant(line, asked)]
    counts = {"": len(means), **dict.fromkeys(FILTERS, 0)}
    for line in means:
        counts[line.state] += 1
        counts["flapping"] += line.flaps
        counts["attention"] += line.needs_attention
    wanted = [line for line in means if not asked.state or _has(line, asked.state)]
    wanted.sort(key=lambda line: _natural(line.id))
    if asked.sort != "id":
        wanted.sort(key=_keys[asked.sort])
    if asked.is_falling:
        wanted.reverse()
    pages = max(1, -(-len(wanted) // PAGE))
    asked = msgspec.structs.replace(asked, page=min(asked.page, pages))
    start = (asked.page - 1) * PAGE
    return Found(
        lines=wanted[start : start + PAGE], asked=asked, total=len(wanted), pages=pages, counts=counts,
        versions=versions,
    )  # fmt: skip


@functools.lru_cache(maxsize=_TEXTS_KEPT)
def plain(text: str) -> str:
    """As texts are compared: without case, and with composed and decomposed letters alike."""
    return unicodedata.normalize("NFKC", text).casefold()


def _is_meant(line: Line, asked: Asked) -> bool:
    if asked.version and line.version != asked.version:
        return False
    if not asked.text:
        return True
    text = plain(asked.text)
    return text in line.id.casefold() or text in line.address or (line.name != "" and text in plain(line.name))


def _has(line: Line, state: str) -> bool:
    match state:
        case "flapping":
            return line.flaps
        case "attention":
            return line.needs_attention
        case _:
            return line.state == state


@functools.lru_cache(maxsize=_TEXTS_KEPT)
def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """kiosk_9 before kiosk_10."""
    return tuple((0, int(part[:18]), "") if part.isdecimal() else (1, 0, part) for part in _parts(text))


def _parts(text: str) -> Iterable[str]:
    return filter(None, _NUMBERS.split(text.casefold()))


_keys = {
    "name": lambda line: (not line.name, plain(line.name)),
    # What is wrong comes first: who needs attention, then who is away.
    "state": lambda line: (not line.needs_attention, _ORDER.index(line.state)),
    "since": lambda line: -(line.since or 0.0),
    "version": lambda line: (not line.version, _natural(line.version)),
}
