"""Who has typed the PIN: in memory, for half an hour without a request. Pure: time is an argument."""

import hashlib
import secrets
from dataclasses import dataclass, field

IDLE_S = 30 * 60.0
SESSIONS_MAX = 8  # the one that was quiet for longest goes
COOKIE = "engineer"


@dataclass(slots=True)
class Session:
    """One engineer. `csrf` stands in every form of his; `address` is where the PIN was typed."""

    address: str
    seen_at: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    used: set[str] = field(default_factory=set)  # forms of things that are done once


class Sessions:
    """All of them, by the digest of what the cookie holds."""

    def __init__(self) -> None:
        self._by_digest: dict[str, Session] = {}

    def begin(self, address: str, now: float) -> tuple[str, Session]:
        """A new one, whatever cookie came along; returns the value of its cookie."""
        self._drop(now)
        while len(self._by_digest) >= SESSIONS_MAX:
            del self._by_digest[min(self._by_digest, key=lambda each: self._by_digest[each].seen_at)]
        token = secrets.token_urlsafe(32)
        session = self._by_digest[_digest(token)] = Session(address, now)
        return token, session

    def find(self, token: str, address: str, now: float, *, touch: bool = True) -> Session | None:
        """Whose cookie this is, None: nobody's (any more). A cookie is of no use from another address.

        `touch` False: something looked by itself, such as a page that is left open.
        """
        self._drop(now)
        session = self._by_digest.get(_digest(token)) if token else None
        if session is None or session.address != address:
            return None
        if touch:
            session.seen_at = now
        return session

    def end(self, token: str) -> None:
        """He goes."""
        self._by_digest.pop(_digest(token), None)

    def end_all(self) -> None:
        """The PIN is another: all have to type it anew."""
        self._by_digest.clear()

    def _drop(self, now: float) -> None:
        for digest in [each for each, session in self._by_digest.items() if now - session.seen_at >= IDLE_S]:
            del self._by_digest[digest]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
