"""Finds a secret wherever it may have got to, whole or in good part, as it is or in the usual disguises. Pure."""

import base64
import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote

_WINDOW = 12  # so many characters of a secret in a row are too many
_STEP = 4


def disguises(secret: str) -> set[bytes]:
    """What to look for: pieces of the secret as it is, in base64, in hex, and escaped as in URLs and in JSON."""
    raw = secret.encode()
    forms = {
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
    }
    forms |= {b"".join(b"%%%02X" % byte for byte in raw), b"".join(b"\\u%04x" % byte for byte in raw)}
    for shift in range(3):  # where it begins within the bytes that were encoded
        encoded = base64.b64encode(bytes(shift) + raw)
        # The characters that hold bits of what stands before or behind it may be any.
        inner = encoded[4 if shift else 0 :].rstrip(b"=")[:-2]
        forms |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    found = set()
    for form in forms:
        window = _WINDOW * max(1, len(form) // len(raw))
        found |= {form[at : at + window] for at in range(0, max(1, len(form) - window + 1), _STEP)}
    return {piece for piece in found if len(piece) >= min(_WINDOW, len(raw))}


class Search:
    """Looks for named secrets in named places. A place may hold some of them by contract."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._pieces = {name: disguises(secret) for name, secret in secrets.items()}
        self.places = 0
        self.bytes = 0
        self.found: list[str] = []
        self.seen: set[tuple[str, str]] = set()  # secret and place, allowed or not

    def look(self, place: str, content: bytes, allowed: Iterable[str] = ()) -> None:
        """Note every secret that stands there and may not."""
        self.places += 1
        self.bytes += len(content)
        for name, pieces in self._pieces.items():
            hit = next((piece for piece in pieces if piece in content), None)
            if hit is None:
                continue
            self.seen.add((name, place))
            if name not in allowed:
                at = content.index(hit)
                self.found.append(f"{name} stands in {place}: …{content[max(0, at - 120) : at + 160]!r}…")
