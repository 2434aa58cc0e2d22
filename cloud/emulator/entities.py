"""HTML as the Bot API parses it: text, and entities whose offsets count UTF-16 code units.

The parser refuses what Telegram's refuses, in its words, with the same byte offsets (of UTF-8). It is lenient where
Telegram is: an unknown `&name;` is literal text, a `;` may be missing, attributes it does not know are skipped, an end
tag may be `</>`. What Telegram does to the result after that is in `tidy`. Source: the behaviour of Telegram's own Bot
API server, Bot API 10.0.
"""

import re
from typing import Any

import msgspec

Json = dict[str, Any]

_SPACE = frozenset(b" \t\r\n\0\v")
_LETTER = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TOKEN = _LETTER | frozenset(b"0123456789.-")  # what an attribute's value without quotes is made of
_NAME_ENDS = _SPACE | frozenset(b"=>/\"'")
_PLAIN = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler",
}  # fmt: skip
_TAGS = {*_PLAIN, "a", "span", "tg-emoji", "tg-time", "code", "pre", "blockquote"}
# Of those with the same place: quotes are the outermost, code the innermost.
_ORDER = {
    "blockquote": -2, "expandable_blockquote": -2, "text_link": -1, "bold": 1, "italic": 2, "underline": 3,
    "strikethrough": 4, "spoiler": 5, "code": 9, "pre": 9,
}  # fmt: skip
_SURROGATES = (
    "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched surrogate code units"
)
_NAMED = {b"lt": "<", b"gt": ">", b"amp": "&", b"quot": '"'}


class Unparsable(ValueError):
    """Telegram would not parse it; the text is Telegram's, without `Bad Request: can't parse entities: `."""


class Formatted(msgspec.Struct, frozen=True):
    """Text and its entities, as they stand in a Bot API Message."""

    text: str
    entities: list[Json]


class _Open(msgspec.Struct):
    """A tag that waits for its end."""

    tag: str
    argument: str
    unix: int  # of a tg-time
    offset: int
    at: int  # byte where the text inside begins, in the result


def units(text: str) -> int:
    """How long Telegram counts a text: UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def parse_html(html: str) -> Formatted:
    """Text and entities, in the order of their offsets, the outer before the inner. Raises `Unparsable`."""
    return _Parser(html).parse()


class _Parser:
    def __init__(self, html: str) -> None:
        if "\0" in html:
            raise Unparsable("Text must not contain null bytes")
        self._data = html.encode("utf-8", "surrogatepass") + b"\0"
        self._end = len(self._data) - 1
        self._text = bytearray()
        self._offset = 0
        self._open: list[_Open] = []
        self._entities: list[Json] = []

    def parse(self) -> Formatted:
        at = 0
        while at < self._end:
            byte = self._data[at]
            if byte == ord("&"):
                character, after = decode(self._data, at)
                if character:
                    self._text += character.encode("utf-8", "surrogatepass")
                    self._offset += units(character)
                    at = after
                    continue
            if byte != ord("<"):
                if byte & 0xC0 != 0x80:
                    self._offset += 1 + (byte >= 0xF0)
                self._text.append(byte)
                at += 1
            elif self._data[at + 1] == ord("/"):
                at = self._end_tag(at)
            else:
                at = self._start_tag(at)
        if self._open:
            raise Unparsable(f'Can\'t find end tag corresponding to start tag "{self._open[-1].tag}"')
        for entity in self._entities:
            if entity["type"] == "code":
                entity.pop("language", None)
        try:
            text = self._text.decode()
        except UnicodeDecodeError:
            raise Unparsable(_SURROGATES) from None
        return Formatted(text, sorted(self._entities, key=place))

    def _start_tag(self, begin: int) -> int:
        data, at = self._data, begin + 1
        while data[at] not in _SPACE and data[at] != ord(">"):
            at += 1
        if data[at] == 0:
            raise Unparsable(f"Unclosed start tag at byte offset {begin}")
        tag = data[begin + 1 : at].decode("utf-8", "replace").lower()
        if tag not in _TAGS:
            raise Unparsable(f'Unsupported start tag "{tag}" at byte offset {begin}')
        argument, unix = "", 0
        while data[at] != ord(">"):
            at = _skip(data, at)
            if data[at] == ord(">"):
                break
            name, value, at = self._attribute(at, tag, begin)
            match tag, name:
                case ("a", "href") | ("tg-emoji", "emoji-id") | ("tg-time", "format"):
                    argument = value
                case ("code", "class") if value.startswith("language-"):
                    argument = value.removeprefix("language-")
                case ("span", "class") if value.startswith("tg-"):
                    argument = value.removeprefix("tg-")
                case ("blockquote", "expandable"):
                    argument = "1"
                case ("tg-time", "unix"):
                    unix = int(value) if value.isascii() and value.isdigit() else 0
        if tag == "span" and argument != "spoiler":
            raise Unparsable(f'Tag "span" must have class "tg-spoiler" at byte offset {begin}')
        self._open.append(_Open(tag, argument, unix, self._offset, len(self._text)))
        return at + 1

    def _attribute(self, at: int, tag: str, begin: int) -> tuple[str, str, int]:
        """Name, value, and where it goes on; the value is empty where there is none."""
        data, start = self._data, at
        while data[at] not in _NAME_ENDS:
            at += 1
        name = data[start:at].decode("utf-8", "replace")
        if not name:
            raise Unparsable(f'Empty attribute name in the tag "{tag}" at byte offset {begin}')
        at = _skip(data, at)
        value = ""
        if data[at] == ord("="):
            at = _skip(data, at + 1)
            if data[at]:
                value, at = self._value(at)
                if data[at] == 0:
                    raise Unparsable(f"Unclosed start tag at byte offset {begin}")
        if data[at] == 0:
            raise Unparsable(f'Unclosed start tag "{tag}" at byte offset {begin}')
        return name, value, at

    def _value(self, at: int) -> tuple[str, int]:
        data, start = self._data, at
        if data[at] not in b"'\"":
            while data[at] in _TOKEN:
                at += 1
            if data[at] not in _SPACE and data[at] != ord(">"):
                raise Unparsable(f"Unexpected end of name token at byte offset {start}")
            return data[start:at].decode().lower(), at
        quote, at, value = data[at], at + 1, bytearray()
        while data[at] != quote and data[at] != 0:
            character, after = decode(data, at) if data[at] == ord("&") else ("", at)
            if character:
                value += character.encode("utf-8", "surrogatepass")
                at = after
            else:
                value.append(data[at])
                at += 1
        return value.decode("utf-8", "replace"), at + (data[at] == quote)

    def _end_tag(self, begin: int) -> int:
        data, at = self._data, begin + 2
        if not self._open:
            raise Unparsable(f"Unexpected end tag at byte offset {begin}")
        while data[at] not in _SPACE and data[at] != ord(">"):
            at += 1
        name = data[begin + 2 : at].decode("utf-8", "replace").lower()
        at = _skip(data, at)
        if data[at] != ord(">"):
            raise Unparsable(f"Unclosed end tag at byte offset {begin}")
        opened = self._open.pop()
        if name and name != opened.tag:
            raise Unparsable(f'Unmatched end tag at byte offset {begin}, expected "</{opened.tag}>", found "</{name}>"')
        self._close(opened)
        return at + 1

    def _close(self, opened: _Open) -> None:
        length = self._offset - opened.offset
        if not length:
            return
        entity: Json = {"offset": opened.offset, "length": length}
        tag, argument = opened.tag, opened.argument
        if tag in _PLAIN:
            entity["type"] = _PLAIN[tag]
        elif tag == "span":
            entity["type"] = "spoiler"
        elif tag == "blockquote":
            entity["type"] = "expandable_blockquote" if argument else "blockquote"
        elif tag == "a":
            link = link_of(argument or self._text[opened.at :].decode("utf-8", "replace"))
            if not link:
                return
            entity |= link
        elif tag == "tg-emoji":
            if not (argument.isascii() and argument.isdigit() and int(argument)):
                raise Unparsable("Invalid custom emoji identifier specified")
            entity |= {"type": "custom_emoji", "custom_emoji_id": argument}
        elif tag == "tg-time":
            if not opened.unix:
                return
            entity |= {"type": "date_time", "unix_time": opened.unix, "date_time_format": argument}
        else:
            last = self._entities[-1] if self._entities else {}
            same = (last.get("offset"), last.get("length")) == (opened.offset, length)
            # A language is told by a `code` right within a `pre`, or the other way round.
            if tag == "pre" and same and last["type"] == "code" and "language" in last:
                last["type"] = "pre"
                return
            if tag == "code" and same and last["type"] == "pre" and argument:
                last["language"] = argument
                return
            entity["type"] = tag
            if tag == "code" and argument:
                entity["language"] = argument
        self._entities.append(entity)


def decode(data: bytes, at: int) -> tuple[str, int]:
    """What the reference at `data[at]`, a `&`, stands for, and the place after it; empty when it is literal text."""
    end = at + 1
    if data[end] == ord("#"):
        end += 1
        base = 10
        if data[end] == ord("x"):
            base, end = 16, end + 1
        digits = b"0123456789" if base == 10 else b"0123456789abcdefABCDEF"
        start = end
        while data[end] in digits:
            end += 1
        number = int(data[start:end] or b"0", base)
        if not 0 < number < 0x10FFFF or end - at >= 10:
            return "", at
        character = chr(number)
    else:
        while data[end] in _LETTER:
            end += 1
        character = _NAMED.get(bytes(data[at + 1 : end]), "")
        if not character:
            return "", at
    return character, end + (data[end] == ord(";"))


def link_of(url: str) -> Json:
    """What a link's address makes of its text: a link, a mention of a person; nothing if it is no address."""
    user = re.fullmatch(r"tg://user\?id=([0-9]{1,19})", url)
    if user:
        return {"type": "text_mention", "user": {"id": int(user[1]), "is_bot": False, "first_name": "Person"}}
    if re.match(r"(tg|ton|tonsite)://", url):
        return {"type": "text_link", "url": url}
    address = re.fullmatch(
        r"(?:(https?)://)?([^\s/?#]+\.[^\s/?#.]{2,}|localhost)((?::[0-9]+)?(?:[/?#]\S*)?)", url, re.I
    )
    if not address:
        return {}
    scheme, host, rest = address.groups()
    return {"type": "text_link", "url": f"{(scheme or 'http').lower()}://{host.lower()}{rest or '/'}"}


def place(entity: Json) -> tuple[int, int, int]:
    """Where an entity stands among others: the outer before the inner."""
    return entity["offset"], -entity["length"], _ORDER.get(entity["type"], 0)


def _skip(data: bytes, at: int) -> int:
    """Past spaces, and not past the end."""
    while data[at] != 0 and data[at] in _SPACE:
        at += 1
    return at
