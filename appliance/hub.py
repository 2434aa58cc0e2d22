"""A hub's address, as people type it, and the addresses that follow from it. Pure."""

import re
from urllib.parse import SplitResult, urlsplit

_RIGHT = "right would be hub.example.com, or wss://hub.example.com/ws"
_SCHEMES = {"wss": "wss", "https": "wss", "ws": "ws", "http": "ws"}
_HTTP = {"wss": "https", "ws": "http"}
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+")
_PATH = re.compile(r"[A-Za-z0-9._~/-]*")
_ENDINGS = ("/ws", "/enroll", "/updates", "/health", "/docs")
_LONGEST = 300


def read_hub(text: str) -> str:
    """The address for kiosks, such as `wss://hub.example.com/ws`, out of what a person typed.

    `hub.example.com`, `https://hub.example.com/`, an address with a port or a prefix will do. Without encryption only
    who types `http://` or `ws://`. Raises `ValueError` in words that quote nothing of it.
    """
    typed = text.strip()
    if not typed:
        raise ValueError(f"the hub's address is missing; {_RIGHT}")
    if len(typed) > _LONGEST or any(not c.isprintable() or c.isspace() for c in typed):
        raise ValueError(f"a hub's address has no blanks and at most {_LONGEST} characters; {_RIGHT}")
    try:
        parts = urlsplit(typed if "://" in typed else f"wss://{typed}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"this is no address; {_RIGHT}") from None
    _refuse_more(parts)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise ValueError(f"a hub's address begins with wss:// or https://; {_RIGHT}")
    host = _plain(host)
    if not _HOST.fullmatch(host) or ".." in host or port == 0:
        raise ValueError(f"it names no host; {_RIGHT}")
    if not _PATH.fullmatch(parts.path):
        raise ValueError(f"no hub has such a path; {_RIGHT}")
    where = f"[{host}]" if ":" in host else host
    if port is not None and port != {"wss": 443, "ws": 80}[scheme]:
        where += f":{port}"
    return f"{scheme}://{where}{_prefix(parts.path)}/ws"


def enrol_url(hub: str) -> str:
    """Where codes are traded."""
    return _beside(hub, "/enroll")


def updates_url(hub: str) -> str:
    """Where new versions are told of."""
    return _beside(hub, "/updates")


def short_hub(hub: str) -> str:
    """An address as a person would type it: `read_hub` gives the same again."""
    parts = urlsplit(hub)
    short = f"{parts.netloc}{parts.path.removesuffix('/ws')}"
    return short if parts.scheme == "wss" else f"{_HTTP.get(parts.scheme, parts.scheme)}://{short}"


def _refuse_more(parts: SplitResult) -> None:
    if parts.username is not None or parts.password is not None or "@" in parts.path:
        raise ValueError(f"no user or password belongs into a hub's address; {_RIGHT}")
    if parts.query or parts.fragment:
        raise ValueError(f"nothing after ? or # belongs into a hub's address; {_RIGHT}")


def _plain(host: str) -> str:
    """A host's name as names are looked up; an empty one where there can be none."""
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return ""


def _prefix(path: str) -> str:
    path = re.sub("/{2,}", "/", path).rstrip("/")
    for ending in _ENDINGS:
        if path.endswith(ending):
            return path.removesuffix(ending)
    return path


def _beside(hub: str, name: str) -> str:
    parts = urlsplit(hub)
    return f"{_HTTP[parts.scheme]}://{parts.netloc}{_prefix(parts.path)}{name}"
