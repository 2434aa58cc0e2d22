"""Letters: which code page of a printer has them, and what stands in for those that none has.

Printers agree on nothing here but ASCII. Each model has its own numbers for its own pages (ESC t); the letters of a
page are Python's codec of the same name. A text is cut into runs so that the page changes as seldom as possible.
"""

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

ALIASES = {"pc437": "cp437", "pc850": "cp850", "pc858": "cp858", "pc866": "cp866", "wpc1251": "cp1251",
           "wpc1252": "cp1252", "rk1048": "kz1048", "kz-1048": "kz1048", "wpc1251-kz": "kz1048"}  # fmt: skip

# Kazakh letters on a printer without KZ-1048, by the nearest letter that every Cyrillic page has (і, which CP866
# lacks, and һ by Latin ones that look the same), and signs by those of a typewriter. Our own choice.
STAND_INS = {
    **dict(zip("ӘәҒғҚқҢңӨөҰұҮүҺһІі", "АаГгКкНнОоУуУуhhIi", strict=True)),
    **dict(zip("ЁёЎў", "ЕеУу", strict=True)),
    "«": '"', "»": '"', "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "—": "-", "–": "-", "−": "-", "‑": "-",
    "…": "...", "№": "No", "₸": "тг", "₽": "руб", "€": "EUR", "×": "x", "°": "'", "•": "*", "·": "*", "✓": "v",
    "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u00ad": "", "\ufeff": "", "\u200b": "",
}  # fmt: skip


class MissingLetter(ValueError):
    """No page of this printer has a letter, and nothing stands in for it.

    Attributes:
        letter: which.
    """

    def __init__(self, letter: str) -> None:
        self.letter = letter
        super().__init__(f"the printer has no {letter!r} (U+{ord(letter):04X}) in any of its code pages")


@dataclass(frozen=True, slots=True)
class Run:
    """Letters of one page: its number for ESC t (None: ASCII only, any page will do) and their bytes."""

    page: int | None
    data: bytes


def codec_name(name: str) -> str:
    """Python's name of a code page.

    Raises:
        ValueError: it has none, or it is not of one byte a letter.
    """
    known = ALIASES.get(name.lower(), name.lower())
    try:
        if len("я".encode(known, "replace")) != 1:
            raise ValueError(f"{name!r} is no code page of one byte a letter")
        return codecs.lookup(known).name
    except LookupError:
        raise ValueError(f"there is no code page {name!r}") from None


@cache
def letters(codec: str) -> Mapping[str, int]:
    """What a page has above ASCII. Asked of the codec byte by byte: some have holes."""
    table: dict[str, int] = {}
    for byte in range(0x80, 0x100):
        letter = bytes((byte,)).decode(codec, "replace")
        if letter != "\ufffd" and ord(letter) >= 0xA0:
            table[letter] = byte
    return table


def decode_text(data: bytes, codec: str) -> str:
    """A page's letters of these bytes; a byte that it does not have becomes a replacement mark."""
    return data.decode(codec, "replace")


def stand_in(text: str, pages: Mapping[int, str]) -> str:
    """`text` with stand-ins for the letters that none of `pages` has."""
    has = known_letters(pages.values())
    return "".join(STAND_INS.get(letter, letter) if letter not in has else letter for letter in text)


def known_letters(codecs_: Iterable[str]) -> frozenset[str]:
    """All that can be printed with these pages."""
    ascii_letters = frozenset(map(chr, range(0x20, 0x7F)))
    return ascii_letters.union(*(letters(codec) for codec in codecs_))


def runs(text: str, pages: Mapping[int, str], current: int | None = None) -> list[Run]:
    """`text` in pieces of one page each, with the fewest changes of page.

    Args:
        text: without control characters.
        pages: number for ESC t → codec, in the order in which they are preferred.
        current: the page that the printer is set to.

    Raises:
        MissingLetter: a letter is in none of them.
    """
    result: list[Run] = []
    at = 0
    while at < len(text):
        page, end = _longest(text, at, pages, current)
        if page is None:
            result.append(Run(None, text[at:end].encode("ascii")))
        else:
            table = letters(pages[page])
            result.append(Run(page, bytes(table.get(letter, ord(letter) & 0x7F) for letter in text[at:end])))
            current = page
        at = end
    return result


def _longest(text: str, at: int, pages: Mapping[int, str], current: int | None) -> tuple[int | None, int]:
    """The page that carries on farthest from `at`; the fewest changes come of always going as far as one can."""
    plain = _reach(text, at, {})
    if plain == len(text):
        return None, plain
    order = sorted(pages, key=lambda page: page != current)  # stable: the others keep their order
    best, end = None, at
    for page in order:
        reach = _reach(text, at, letters(pages[page]))
        if reach > end:
            best, end = page, reach
    if best is None or end == plain:
        raise MissingLetter(text[plain])
    return best, end


def _reach(text: str, at: int, table: Mapping[str, int]) -> int:
    while at < len(text) and (" " <= text[at] <= "~" or text[at] in table):
        at += 1
    return at
