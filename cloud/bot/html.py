"""What Telegram takes as HTML: escaped, measured as Telegram measures it, and cut where it must be. Pure.

Telegram counts what is left after tags and entities are taken away, in UTF-16 units. It knows four named entities
(`&lt; &gt; &amp; &quot;`) and refuses a text with a tag that is not closed.
"""

import re
from html import unescape

TEXT_MAX = 4096  # of a message
CAPTION_MAX = 1024  # of a file
TOAST_MAX = 200  # of the answer to a button
_PIECE = re.compile(
    r"<(?P<close>/?)(?P<name>[a-z][a-z-]*)[^<>]*>|&(?:lt|gt|amp|quot|#[0-9]{1,7}|#x[0-9a-f]{1,6});|.", re.S
)
_DOTS = "…"


class Html(str):
    """A text that is HTML already: it is not escaped again."""

    __slots__ = ()


def escape(text: object) -> Html:
    """Anything as a text inside HTML; `Html` stays as it is."""
    if isinstance(text, Html):
        return text
    # What Telegram does not show, or refuses: control characters but line breaks, and halves of surrogate pairs.
    clean = "".join(c for c in str(text) if c in "\n\t" or (ord(c) >= 32 and not 0xD800 <= ord(c) <= 0xDFFF))
    return Html(clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;"))


def bold(text: object) -> Html:
    """Escaped, and bold."""
    return Html(f"<b>{escape(text)}</b>")


def code(text: object) -> Html:
    """Escaped, in monospace; a tap copies it."""
    return Html(f"<code>{escape(text)}</code>")


def spoiler(text: object) -> Html:
    """Escaped, and hidden until somebody taps on it."""
    return Html(f"<tg-spoiler>{escape(text)}</tg-spoiler>")


def pre(text: object, language: str = "") -> Html:
    """Escaped, as a block of monospace; `language` colours it: json, ini."""
    inside = f'<code class="language-{escape(language)}">{escape(text)}</code>' if language else escape(text)
    return Html(f"<pre>{inside}</pre>")


def quote(text: object, *, expandable: bool = False) -> Html:
    """Escaped, as a quotation; an expandable one shows three lines until somebody taps on it."""
    return Html(f"<blockquote{' expandable' if expandable else ''}>{escape(text)}</blockquote>")


def units(text: str) -> int:
    """The length of a plain text as Telegram counts: UTF-16 units."""
    return len(text) + sum(ord(c) > 0xFFFF for c in text)


def length(html: str) -> int:
    """The length of HTML as Telegram counts it."""
    return units(plain(html))


def plain(html: str) -> str:
    """What one reads: without tags, entities as what they stand for."""
    return "".join(unescape(piece.group()) for piece in _PIECE.finditer(html) if not piece["name"])


def cut(html: str, most: int = TEXT_MAX) -> Html:
    """The beginning of HTML that has at most `most` units, tags closed; what is cut ends in `…`."""
    if length(html) <= most:
        return Html(html)
    kept: list[str] = []
    open_tags: list[str] = []
    room = most - len(_DOTS)
    for piece in _PIECE.finditer(html):
        if piece["name"]:
            if piece["close"]:
                if piece["name"] in open_tags:
                    open_tags.remove(piece["name"])
            else:
                open_tags.append(piece["name"])
        else:
            room -= units(unescape(piece.group()))
            if room < 0:
                break
        kept.append(piece.group())
    kept.append(_DOTS)
    kept.extend(f"</{name}>" for name in reversed(open_tags))
    return Html("".join(kept))


def cut_plain(text: str, most: int) -> str:
    """The beginning of a plain text that has at most `most` units."""
    if units(text) <= most:
        return text
    kept, room = [], most - len(_DOTS)
    for c in text:
        room -= units(c)
        if room < 0:
            break
        kept.append(c)
    return "".join(kept) + _DOTS
