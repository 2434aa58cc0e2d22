"""A JSON body as a URL query, for gateways that are asked by GET. Pure.

Scalars stand as in the JSON text (no number is rounded), `true` and `false` in lower case, `null` is left out, lists
are repeated keys, objects are JSON text.
"""

from urllib.parse import quote_plus, urlsplit, urlunsplit

import msgspec

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
URL_MAX = 32 * 1024
_TOO_LONG = f"the query is longer than {URL_MAX} characters"


def query_pairs(body: bytes) -> list[tuple[str, str]]:
    """The pairs of a query. Raises ValueError when the body is no JSON object, or of more pairs than a URL holds."""
    pairs = []
    try:
        for name, raw in _fields.decode(body).items():
            value = bytes(raw)
            for item in map(bytes, _items.decode(value)) if value.startswith(b"[") else (value,):
                if item != b"null":
                    pairs.append((name, _plain(item)))
                    if len(pairs) > URL_MAX // 2:  # each is two characters at least; 400,000 would hold up the program
                        raise ValueError(_TOO_LONG)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError("a GET takes its query from a JSON object") from error
    return pairs


def with_query(url: str, pairs: list[tuple[str, str]]) -> str:
    """The URL with the pairs after the query it has. Raises ValueError when it grows too long for a gateway."""
    if not pairs:
        return url
    parts = urlsplit(url)
    added = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
    query = f"{parts.query}&{added}" if parts.query else added
    longer = urlunsplit(parts._replace(query=query, fragment=""))
    if len(longer) > URL_MAX:
        raise ValueError(_TOO_LONG)
    return longer


def find_field(body: bytes, path: str) -> str | None:
    """A scalar of a JSON object as plain text; dots lead into nested objects. None if it is not there."""
    value = body
    try:
        for name in path.split("."):
            found = _fields.decode(value).get(name)
            if found is None:
                return None
            value = bytes(found)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if value.startswith((b"{", b"[")) or value == b"null":
        return None
    return _plain(value)


def _plain(value: bytes) -> str:
    """A JSON text's value as it stands in a query."""
    return _text.decode(value) if value.startswith(b'"') else value.decode()
