"""JSON as people may read it in a chat or a report: laid out, and without what must not be read there. Pure; it never
raises.

What is taken away is known by its key (`token`, `cvv`, `пароль`, `phone`, …) or by its shape: cards, phones, e-mail
addresses, JWTs, keys, long random texts; and the same inside texts that hold JSON, a form, headers or XML. Numbers are
never made floats, members that stand twice stay twice, and what is no JSON is masked as the text it is.

A long number alone is no card: it has the length and the beginning of an issuer's, and the check digit. So ids, amounts
and times stay readable, and a card of an issuer not listed shows, unless its key names it.
"""

import json
import re
from base64 import b64decode
from functools import partial
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from wire.masking import mask_secrets
from wire.sensitive import DOTS, Kind, is_card, is_id, kind_of, mask_as, mask_shapes

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_SPACE = r"[ \t\r\n]*+"
_TOKEN = re.compile(
    rf"{_SPACE}(?:({_STRING}){_SPACE}:{_SPACE})?"
    rf"(?:({_STRING})|(-?[0-9][0-9.eE+-]*+)|(true|false|null)|([\[{{])|([\]}}])){_SPACE}(,?){_SPACE}",
    re.S,
)
# A list of a few short numbers is one line.
_FLAT = re.compile(rf"\[([-+0-9eE., \t\r\na-u]{{1,100}})\]{_SPACE}(,?){_SPACE}")
_LINES_MAX = 100_000  # above that nobody reads it: it is not laid out
_DEEPEST = 20  # steps of indentation
_STEP = "  "
# Texts without any of this hold nothing to be masked.
_SUSPICIOUS = re.compile(
    r"[0-9][^A-Za-z]{5,}[0-9]|[@=:<]|%[2-7][0-9A-Fa-f]|[A-Za-z0-9+/_-]{32}|^\s*[{\[]|eyJ|kw_|asic |earer "
)
# Times and UUIDs, of which bodies are full.
_HARMLESS = re.compile(
    r"[12][0-9]{3}-[01][0-9]-[0-3][0-9](?:[T ][0-2][0-9]:[0-5][0-9](?::[0-6][0-9](?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
# What a chat would not show, or show as something else: controls, directions of writing, halves of pairs.
_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_NESTED_MAX = 3  # texts in texts that are JSON

# A quote that is escaped begins nothing: from each of a row of them the whole rest would be read.
_IN_QUOTES = re.compile(rf'((?<!\\){_STRING}\s*+:\s*+")((?:[^"\\]++|\\.)*+)', re.S)
# A name and what joins it to its value; the value is looked at apart, as it may hold names again.
_NAME = re.compile(r"(?<![\w.-])([^\W\d][\w.\[\]-]{1,60}+)(?:%3D|\\{0,7}[\"']?\s{0,3}[:=]\s{0,3}\\{0,7})")
_VALUE = re.compile(r"\"[^\"]*+\"?|'[^']*+'?|[^\s\"'&;,<>{}\[\]]++")
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(\"?\s*[:=]\s*\"?)(?!…)[^\r\n\"]+")
_SCHEME = re.compile(r"(?i)\b(basic|digest|negotiate|apikey)\s+(?=[a-z+/._~-]*[0-9=])[a-z0-9+/._~-]{8,}=*")
_ELEMENT = re.compile(r"<([^\W\d][\w:.-]*)((?:\s[^<>]*)?>)(<!\[CDATA\[[^<>]*+>|[^<>]++)(?=</)")
_PERCENT = re.compile(r"%[2-7][0-9A-Fa-f]")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/]{16,}+={0,2}")


def masked_json(raw: bytes, *, pretty: bool = True) -> str:
    """`raw` as it may be shown. With `pretty` each member has a line; else it stands on one."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    return _shown(raw.decode("utf-8", "replace"), raw, pretty, 0)


def masked_text(text: str) -> str:
    """A text that is no JSON as it may be shown."""
    return _masked(text, 0, is_named_id=False)


def _shown(text: str, raw: bytes, pretty: bool, nested: int) -> str:
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
        many = pretty and text.count(",") + text.count("{") + text.count("[") > _LINES_MAX
        return _Layout(pretty and not many, nested).of(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, _NotReadError):
        return _UNSEEN.sub(_escaped, _masked(text, nested, is_named_id=False))


class _NotReadError(Exception):
    """Valid JSON that was not understood here: it is masked as a text."""


class _Member(NamedTuple):
    """A member's key, looked at once for all members of that key."""

    shown: str  # with its colon
    kind: Kind
    name: str
    is_id: bool
    names: bool  # its value may name what its neighbour `value` is
    is_value: bool


_NO_KEY = _Member("", Kind.PLAIN, "", False, False, False)


class _Layout:
    """One pass over valid JSON: a match for each member, bracket or item."""

    def __init__(self, pretty: bool, nested: int) -> None:
        self._pretty = pretty
        self._nested = nested
        self._breaks = ["\n" + _STEP * depth if pretty else "" for depth in range(_DEEPEST + 1)]
        self._members: dict[str, _Member] = {}
        # Of the containers around: what their members inherit, and what a `name` among the members said of a `value`.
        self._around: list[tuple[Kind, Kind]] = []
        self._inherited = self._named = Kind.PLAIN

    def of(self, text: str) -> str:
        """The text, laid out and masked. Raises `_NotReadError`."""
        parts: list[str] = []
        put, match, breaks, around = parts.append, _TOKEN.match, self._breaks, self._around
        at, end, is_first = 0, len(text), True
        while at < end:
            found = match(text, at)
            if found is None:
                raise _NotReadError
            at = found.end()
            key, string, number, word, opening, closing, comma = found.groups()
            if closing:
                if not around:
                    raise _NotReadError
                self._inherited, self._named = around.pop()
                put("" if is_first else breaks[min(len(around), _DEEPEST)])
                put(closing + comma)
                is_first = False
                continue
            if around:
                put(breaks[min(len(around), _DEEPEST)])
            member, kind = _NO_KEY, self._inherited
            if key:
                member = self._members.get(key) or self._look_at(key)
                kind = kind_of(member.name, self._inherited) if self._inherited else member.kind
                if self._named and member.is_value and not kind:
                    kind = self._named
                put(member.shown)
            is_first = bool(opening)
            if opening:
                flat = self._pretty and not kind and opening == "[" and _flat(text, found.start(5))
                if flat:
                    put(flat[0])
                    at, is_first = flat[1], False
                    continue
                put(opening)
                around.append((self._inherited, self._named))
                self._inherited, self._named = kind, Kind.PLAIN
                continue
            if string:
                put(self._string(string, kind, member))
            else:
                put(_number(number, kind) if number else word)
            put(comma)
        return "".join(parts)

    def _look_at(self, key: str) -> _Member:
        name = _unquoted(key)
        folded = name.casefold()
        shown = _masked(name, _NESTED_MAX, is_named_id=False) if _SUSPICIOUS.search(name) else name
        colon = ": " if self._pretty else ":"
        member = _Member(_quoted(shown) + colon, kind_of(name), name, is_id(name), folded in _NAMES, folded in _VALUES)
        self._members[key] = member
        return member

    def _string(self, token: str, kind: Kind, member: _Member) -> str:
        value = token[1:-1]
        if not kind and not member.names and (value.isalpha() or (len(value) < 7 and value.isalnum())):
            return token
        value = _unquoted(token)
        if member.names:
            self._named = kind_of(value) if len(value) < 64 else Kind.PLAIN
        masked = mask_as(kind, value) if kind else value
        if masked == value and _SUSPICIOUS.search(value) and not _HARMLESS.fullmatch(value):
            masked = _masked(value, self._nested, is_named_id=member.is_id)
        return _quoted(masked)


def _flat(text: str, at: int) -> tuple[str, int] | None:
    """The list that begins at `at` on one line, with the comma after it, and where it ends; None: it wants more."""
    found = _FLAT.match(text, at)
    if found is None:
        return None
    items = found[1].split(",")
    if any(len(item) >= 13 for item in items):
        return None
    return "[" + ", ".join(item.strip() for item in items) + "]" + found[2], found.end()


_NAMES = frozenset({"name", "key", "field", "param", "parameter", "header", "имя"})
_VALUES = frozenset({"value", "val", "data", "content", "text", "значение"})


def _number(digits: str, kind: Kind) -> str:
    """A number as it stands, or a text in its place."""
    if kind:
        masked = mask_as(kind, _whole(digits) or digits)
        return f'"{masked}"' if masked.startswith(DOTS) else digits
    if len(digits) >= 13 and is_card(whole := _whole(digits)):
        return f'"{DOTS}{whole[-4:]}"'
    return digits


def _whole(number: str) -> str:
    """The digits of a number that is whole, however it is written: `4.1E3`, `4100.0`. Empty if it is none."""
    mantissa, _, exponent = number.lower().partition("e")
    whole, _, part = mantissa.lstrip("-").partition(".")
    try:
        places = int(exponent or "0")
    except ValueError:
        return ""
    digits, point = whole + part, len(whole) + places
    if not 13 <= point <= 19 or digits[point:].strip("0"):
        return ""
    return digits[:point].ljust(point, "0")


def _unquoted(token: str) -> str:
    """What a JSON string stands for."""
    if "\\" not in token:
        return token[1:-1]
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token[1:-1]


def _quoted(text: str) -> str:
    """A JSON string, letters of all languages as they are."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return _UNSEEN.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _masked(text: str, nested: int, *, is_named_id: bool) -> str:
    """A text without secrets, cards, phones and addresses, be it JSON, a form, headers or XML itself."""
    if nested < _NESTED_MAX and text.lstrip()[:1] in {"{", "["}:
        return _shown(text, text.encode("utf-8", "replace"), False, nested + 1)
    if nested < _NESTED_MAX:
        if _PERCENT.search(text) and (found := _decoded(text, nested, is_named_id=is_named_id)):
            return found
        text = _BASE64.sub(partial(_base64, nested), text)
    if " " in text:
        text = _SCHEME.sub(rf"\1 {DOTS}", text)
    text = mask_secrets(text)
    if ":" in text or "=" in text or "%3D" in text:
        text = _HEADER.sub(rf"\1\2{DOTS}", text)
        if '"' in text:
            text = _IN_QUOTES.sub(_in_quotes, text)
        text = _pairs(text)
    if "</" in text:
        text = _ELEMENT.sub(_element, text)
    return mask_shapes(text, is_named_id=is_named_id)


def _in_quotes(match: re.Match[str]) -> str:
    name = _unquoted(match[1][: match[1].rindex(":")].rstrip())
    return match[1] + mask_as(kind_of(name), match[2])


def _pairs(text: str) -> str:
    """What names say, of values in a form, in headers, in attributes, in a log's line."""
    parts, at = [], 0
    for match in _NAME.finditer(text):
        if match.start() < at or not (kind := kind_of(match[1])):
            continue
        value = _VALUE.match(text, match.end())
        if value is None:
            continue
        quote = value[0][0] if value[0][0] in "\"'" else ""
        parts.append(text[at : match.end()] + quote + mask_as(kind, value[0].strip(quote)) + quote)
        at = value.end()
    return "".join(parts) + text[at:]


def _decoded(text: str, nested: int, *, is_named_id: bool) -> str:
    """What a text of an address stands for, masked, if there is something to be masked in it; else nothing."""
    plain = unquote(text)
    masked = _masked(plain, nested + 1, is_named_id=is_named_id)
    return masked if masked != plain else ""


def _base64(nested: int, match: re.Match[str]) -> str:
    """A text in Base64 that holds what must not be read is not shown at all."""
    try:
        plain = b64decode(match[0], validate=True).decode("ascii")
    except ValueError:
        return match[0]
    return DOTS if plain.isprintable() and _masked(plain, nested + 1, is_named_id=False) != plain else match[0]


def _element(match: re.Match[str]) -> str:
    return f"<{match[1]}{match[2]}{mask_as(kind_of(match[1].rpartition(':')[2]), match[3])}"
