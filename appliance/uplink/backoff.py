"""How long to stay away from the hub after each kind of ending. Pure: time and chance are arguments.

Full jitter from the first try on, so that a fleet that lost its hub at one moment does not return at one moment; the
exponent falls back only after a link has held, so that a hub that accepts and drops is not hammered.
"""

from collections.abc import Callable

from wire.problems import CloseCode

FIRST_S = 1.0
MOST_S = 60.0
STABLE_S = 30.0
REFUSED_S = 60.0
_REFUSED_SPREAD = 0.2
RESTART_MOST_S = 5.0
RETRY_AFTER_MOST_S = 600.0
_APART_SPREAD = 0.4
_REFUSED = frozenset({CloseCode.BAD_TOKEN, CloseCode.FORBIDDEN})
# Another box has our identity. Two that came back at once would take the kiosk from each other for ever.
_APART = frozenset({CloseCode.REPLACED, CloseCode.DUPLICATE, CloseCode.CLONED})


class Backoff:
    """Counts failures. `chance` gives a number from 0 to 1."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self.failures = 0

    def failed(self) -> float:
        """No connection came about: seconds to wait."""
        return self._next()

    def refused(self) -> float:
        """The hub knows us and does not want us: once a minute, spread."""
        return REFUSED_S * (1 - _REFUSED_SPREAD + 2 * _REFUSED_SPREAD * self._chance())

    def told(self, retry_after: float) -> float:
        """The hub said when to return; obeyed up to ten minutes, and spread so that not all return at once."""
        self.failures += 1
        wanted = min(max(retry_after, FIRST_S), RETRY_AFTER_MOST_S)
        return wanted + self._chance() * max(1.0, wanted * 0.1)

    def closed(self, code: int, up_for: float) -> float:
        """A link that was up for so many seconds ended with a close code (0: without one)."""
        if up_for >= STABLE_S:
            self.failures = 0
        if code in _REFUSED:
            return self.refused()
        if code in _APART:
            return REFUSED_S * (1 + _APART_SPREAD * self._chance())
        if code == CloseCode.RESTARTING and self.failures == 0:
            self.failures += 1
            return self._chance() * RESTART_MOST_S
        return self._next()

    def _next(self) -> float:
        ceiling = min(MOST_S, FIRST_S * 2.0 ** min(self.failures, 10))
        self.failures += 1
        return self._chance() * ceiling
