"""What leaves the kiosk for a developer's eyes, without what nobody but its owner may read. Pure.

Three sieves, one behind the other: secrets that are known here, letter by letter (settings, identity, routing file);
what `wire.bodies` knows by its name or its shape; and what only this program has: codes of enrolment and claims,
private keys, PINs in words. One that takes too much costs a question; one that takes too little costs a kiosk.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from appliance.reading import shown_url
from wire.bodies import masked_json, masked_text
from wire.masking import mask
from wire.sensitive import Kind, kind_of

HIDDEN = "<hidden>"
_PART_LEAST = 6  # letters of a part of one: shorter ones are words
_KNOWN_LEAST = 4  # letters: a register's password of two digits would take every other number with it
# To its end; of one that has none, as far as it looks like one. Not over another's beginning: many would take long.
_KEY = re.compile(
    r"-----BEGIN[ A-Z0-9]*PRIVATE KEY-----"
    r"(?:(?:(?!-----BEGIN).){0,20000}?-----END[ A-Z0-9]*PRIVATE KEY-----|(?:\\[nr]|[\sA-Za-z0-9+/=])*)",
    re.S,
)
_PIECE = "[2-9A-HJKMNP-Z]{4}"  # of the letters codes are made of
_CODE = re.compile(rf"(?<![A-Za-z0-9-]){_PIECE}-{_PIECE}(?![A-Za-z0-9-])", re.I)
_CODE_RUN = re.compile(r"(?<![A-Za-z0-9-])(?=[A-Z]*[2-9])(?=[2-9]*[A-Z])[2-9A-HJKMNP-Z]{8}(?![A-Za-z0-9-])")
_DATE = re.compile(r"(?:19|20)[0-9]{2}-?[0-9]{4}")
_PIN = re.compile(r"(?i)(\b(?:pin|пин|кода?|код[а-я]*|code)\b(?:[- ]?(?:code|код))?[\s:=\"'№#]{1,4})[0-9]{4,12}\b")
_URL = re.compile(r"(?i)^[a-z][a-z0-9+.-]*://\S+$")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")
_ENCODED_MAX = 8192  # letters of one run that are looked into
_IN_PATH = re.compile(r"(?=[^/]*[0-9])(?=[^/]*[A-Za-z])[A-Za-z0-9_-]{16,}")  # as hooks have them instead of a password
_DEEPEST = 30
_NESTED_MAX = 3  # texts in texts that are JSON


class Redactor:
    """Takes out what is known here and what looks like it.

    Args:
        known: secrets as they are held; what is shorter than four letters is not looked for.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in known:
            for form in _forms(secret):
                if len(form.strip()) >= _KNOWN_LEAST:
                    forms.add(form.strip())
        found = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, found)), re.I) if found else None

    def text(self, text: str) -> str:
        """Any text, several lines too."""
        return self._ours("\n".join(masked_text(line) for line in self._first(text).split("\n")))

    def line(self, line: str) -> str:
        """A line of the log: JSON mostly."""
        line = self._first(line)
        masked = masked_json(line.encode(), pretty=False) if line[:1] == "{" else masked_text(line)
        return self._ours(masked)

    def lines(self, lines: Iterable[str]) -> list[str]:
        """Lines of the log; also what stands over several of them, as a key does."""
        return [self.line(line) for line in _KEY.sub(HIDDEN, "\n".join(lines)).split("\n")]

    def json(self, value: object) -> str:
        """A value as JSON, laid out."""
        raw = msgspec.json.encode(value, enc_hook=str)
        return self._ours(masked_json(self._first(raw.decode()).encode()))

    def tree(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """A document of mappings and lists, such as a routing file's: hidden by name, URLs without what they carry."""
        if depth > _DEEPEST:
            return HIDDEN
        if name and kind_of(name) is Kind.NOTHING and not isinstance(value, Mapping | list):
            return HIDDEN
        if isinstance(value, Mapping):
            inner = Kind.NOTHING is kind_of(name) if name else False
            return {str(key): HIDDEN if inner else self.tree(each, str(key), depth + 1) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(each, name, depth + 1) for each in value]
        if isinstance(value, str):
            return self.text(shown_url(value) if _URL.match(value) else value)
        return value

    def _first(self, text: str) -> str:
        text = _KEY.sub(HIDDEN, text)
        if self._known is None:
            return text
        return _ENCODED.sub(self._encoded, self._known.sub(HIDDEN, text))

    def _encoded(self, match: re.Match[str]) -> str:
        """A run of Base64 or hexadecimal digits that holds what is known, as `user:password` in a header does."""
        assert self._known is not None
        return HIDDEN if any(self._known.search(plain) for plain in _decoded(match[0])) else match[0]

    def _ours(self, text: str) -> str:
        text = mask(self._first(text))  # JSON is in other letters behind the second sieve
        text = _CODE.sub(_code, text)
        text = _CODE_RUN.sub(HIDDEN, text)
        return _PIN.sub(rf"\1{HIDDEN}", text)


def _forms(secret: str) -> set[str]:
    """As it is written in addresses, in JSON, in JSON within JSON, and as Python shows it."""
    found = {secret, quote(secret, safe=""), unquote(secret)}
    for ascii_only in (True, False):
        nested = [secret, repr(secret)[1:-1]]
        for _ in range(_NESTED_MAX):
            nested += [json.dumps(text, ensure_ascii=ascii_only)[1:-1] for text in nested[-2:]]
        found.update(nested)
    return found


def _decoded(run: str) -> Iterable[str]:
    """What a run may stand for, at whatever place of it the Base64 begins."""
    run = run[:_ENCODED_MAX].rstrip("=")
    plain = run.translate(_URL_SAFE)
    for cut in (plain[: len(plain) - len(plain) % 4], plain + "=" * (-len(plain) % 4)):
        try:
            yield base64.b64decode(cut, validate=True).decode("utf-8", "ignore")
        except binascii.Error:
            continue
    try:
        yield bytes.fromhex(run).decode("utf-8", "ignore")
    except ValueError:
        return


_URL_SAFE = str.maketrans("-_", "+/")


def secrets_of_url(url: str) -> list[str]:
    """The password that stands in a URL, or the user where there is none; its query's values; long keys in its path."""
    try:
        parts = urlsplit(url)
        values = [part.partition("=")[2] for part in parts.query.split("&")]
        values += [part for part in parts.path.split("/") if _IN_PATH.fullmatch(part)]
        return [each for each in (parts.password or parts.username or "", *values) if each]
    except ValueError:
        return [url]


def secrets_of_tree(value: Any, name: str = "", depth: int = 0) -> list[str]:
    """What stands under names of secrets in a document, and in the URLs of it."""
    if depth > _DEEPEST:
        return []
    if isinstance(value, Mapping):
        return [each for key, inner in value.items() for each in secrets_of_tree(inner, f"{key}", depth + 1)]
    if isinstance(value, list | tuple):
        return [each for inner in value for each in secrets_of_tree(inner, name, depth + 1)]
    text = str(value)
    if isinstance(value, str) and _URL.match(value):
        return secrets_of_url(text)
    return _parts(text) if name and kind_of(name) is Kind.NOTHING and not isinstance(value, bool) else []


def _parts(secret: str) -> list[str]:
    """A header's value with what stands behind its scheme, and each cookie's; the same decoded for Basic."""
    found = [secret]
    scheme, _, rest = secret.partition(" ")
    if rest and scheme.isalpha():
        found.append(rest)
        if scheme.lower() == "basic":
            found += [plain.partition(":")[2] or plain for plain in _decoded(rest)]
    if "=" in secret:
        found += [
            value.strip(' "') for _, is_pair, value in (part.partition("=") for part in secret.split(";")) if is_pair
        ]
    return [each for each in found if len(each.strip()) >= _PART_LEAST or each is secret]


def _code(match: re.Match[str]) -> str:
    """A date or a UUID's part is none: 2026-1122 has digits alone."""
    found = match[0]
    return found if found.replace("-", "").isdigit() and _DATE.fullmatch(found) else HIDDEN
