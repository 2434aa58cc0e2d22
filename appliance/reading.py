"""Reading a YAML document that a person wrote: every mistake at once, named by its path, secrets not shown."""

import difflib
from typing import Any
from urllib.parse import urlsplit

from wire.environment import Mistake
from wire.masking import mask


class Reader:
    """Takes values out of a parsed document and collects what is wrong with them; `origin` names the file."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.mistakes: list[Mistake] = []

    def wrong(self, path: str, value: object, words: str) -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(path, _shown_value(value), f"{words} (from {self.origin})"))

    def url(self, path: str, given: object) -> str:
        """An http or https address; required."""
        right = "right would be http://host:port/path or https://host/path"
        if given is None or given == "":
            self.wrong(path, None, f"is required; {right}")
            return ""
        text = str(given)
        try:
            parts = urlsplit(text)
            host, _port = parts.hostname, parts.port
        except ValueError:
            self.wrong(path, text, f"is not a URL; {right}")
            return ""
        if parts.scheme not in {"http", "https"} or not host:
            self.wrong(path, text, f"is not an http or https URL with a host; {right}")
            return ""
        if not text.isprintable() or " " in text:
            self.wrong(path, text, f"holds blanks or control characters; {right}")
            return ""
        return text

    def number(self, path: str, given: object, default: float, most: float, *, zero: bool = False) -> float:
        """Seconds."""
        if given is None:
            return default
        good = isinstance(given, int | float) and not isinstance(given, bool)
        if good and (0 < given <= most or (zero and given == 0)):  # type: ignore[operator]
            return float(given)  # type: ignore[arg-type]
        self.wrong(path, given, f"right would be a number of seconds above 0 and at most {most:g}")
        return default

    def whole(self, path: str, given: object, default: int, least: int, most: int) -> int:
        """A whole number."""
        if given is None:
            return default
        if type(given) is int and least <= given <= most:
            return given
        self.wrong(path, given, f"right would be a whole number from {least} to {most}")
        return default

    def unknown(self, path: str, fields: dict[Any, Any], known: tuple[str, ...], of: str = "") -> None:
        """Note every key that is no option; `of` says of what, where that is not plain: "a device's route"."""
        for key in fields:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                whose = f" of {of}" if of else ""
                self.wrong(f"{path}.{key}".lstrip("."), None, f"is not an option{whose}; {hint}")

    def word(self, path: str, given: object, default: str, known: tuple[str, ...]) -> str:
        """One of the known words."""
        if given is None:
            return default
        if given in known:
            return str(given)
        right = f"one of {', '.join(known)}" if len(known) > 1 else known[0]
        self.wrong(path, given, f"right would be {right}")
        return default

    def flag(self, path: str, given: object, default: bool) -> bool:
        """True or false."""
        if given is None:
            return default
        if isinstance(given, bool):
            return given
        self.wrong(path, given, "right would be true or false")
        return default

    def text(self, path: str, given: object, default: str = "") -> str:
        """A short text."""
        if given is None:
            return default
        if isinstance(given, str) and given.isprintable() and len(given) <= 200:
            return given
        self.wrong(path, given, "right would be a text of at most 200 characters")
        return default

    def device(self, path: str, given: object) -> str:
        """A device's name; whether there is one is looked at by who knows them all."""
        if isinstance(given, str) and given.isprintable() and 0 < len(given) <= 200:
            return given
        lacks = "is required; " if given in (None, "") else ""
        self.wrong(path, given, f"{lacks}right would be the name of a device")
        return ""


def shown_url(url: str) -> str:
    """A URL as it may be shown: no user, no password, no query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    netloc = parts.netloc.rpartition("@")[2]
    if "@" in parts.path + parts.query + parts.fragment and (not netloc or ":" in netloc):
        # No scheme, or a password with / ? or # in it: then it stands anywhere.
        return f"{parts.scheme}://…" if netloc else "(not a URL)"
    return parts._replace(netloc=netloc, query="", fragment="").geturl()


def _shown_value(value: object) -> str:
    """What stands in the file, as it may be quoted. Written out, aliases of aliases would not fit the memory."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list) and not all(type(item) in {int, float, bool} for item in value):
        return "a list"
    try:
        shown = mask(str(value))
    except ValueError:
        return "a number of too many digits"
    return (shown_url(shown) if "://" in shown or "@" in shown else shown)[:200]
