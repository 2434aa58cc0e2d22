"""Who may ask: checks of peer, Host and Origin against pages in a browser on the kiosk. Pure.

A page from anywhere can make the kiosk's browser call 127.0.0.1; with a name of its own that resolves there (DNS
rebinding) it could even read the answer. Names we do not go by are therefore refused. An IP address cannot be
rebound, so the address a connection came in on is always good.

The screen's paths are for programs of this machine alone, whatever address the door is bound to, and for the pages
whose origins the owner has named.
"""

import ipaddress
from urllib.parse import urlsplit

_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Guard:
    """The names this door goes by, and the origins of the pages that may show the screen's news."""

    def __init__(self, bound: str, allowed: frozenset[str], origins: frozenset[str] = frozenset()) -> None:
        self._names = _LOOPBACK | allowed | ({bound.lower()} if bound not in _ANY else frozenset())
        self._origins = origins

    def host_allowed(self, header: str, local_address: str) -> bool:
        """Whether a Host header names us. `local_address` is the IP the connection came in on."""
        name = host_name(header)
        if name is None:
            return False
        return name in self._names or (_is_address(name) and name == _plain(local_address))

    def origin_allowed(self, origin: str | None, host: str) -> bool:
        """Whether a request may come from this Origin: none, or our own page."""
        if origin is None:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.strip().lower()

    def page_allowed(self, origin: str | None, host: str) -> bool:
        """The same for the screen's paths: pages that the owner named may come, too."""
        return self.origin_allowed(origin, host) or (origin is not None and origin.lower() in self._origins)


def peer_allowed(address: str) -> bool:
    """Whether who connected is a program of this machine."""
    try:
        return ipaddress.ip_address(_plain(address)).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str | None:
    """The name in a Host header, lower case, without port and brackets; None if it is none."""
    text = header.strip().lower()
    if not text or any(c in text for c in " /@\\?#,"):
        return None
    try:
        parts = urlsplit(f"//{text}")
        _port = parts.port
    except ValueError:
        return None
    return parts.hostname.rstrip(".") if parts.hostname else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _plain(address: str) -> str:
    """An address as it stands in a Host header: without a scope, IPv4 not dressed as IPv6."""
    return address.split("%", maxsplit=1)[0].removeprefix("::ffff:")
