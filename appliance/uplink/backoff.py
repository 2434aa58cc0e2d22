"""How long to stay away from the hub after each kind of ending. Pure: time and chance are arguments.

Full jitter from the first try on, so that a fleet that lost its hub at one moment does not return at one moment; the
exponent falls back only after a link has held, so that a hub that accepts and drops is not hammered.

Over how long a large fleet is to spread its return the hub has told: at the welcome, and in the goodbye before its
restart. That is heeded when the hub's end went, and in all tries until it is back. A line that is silent, or an own
network that is gone, is the trouble of this kiosk alone, or noticed by each at another moment: it comes back as soon
as it can. So does one with a customer before it, as there are few such at a time.
"""

from collections.abc import Callable

from wire.problems import CloseCode
from wire.returning import hint_in

FIRST_S = 1.0
MOST_S = 60.0
STABLE_S = 30.0
REFUSED_S = 60.0
_REFUSED_SPREAD = 0.2
RESTART_MOST_S = 5.0
HURRY_MOST_S = 2.0  # of the 5 s that a hub waits, as it comes, for a kiosk that broke off in the middle of an operation
RETRY_AFTER_MOST_S = 600.0
_APART_SPREAD = 0.4
_REFUSED = frozenset({CloseCode.BAD_TOKEN, CloseCode.FORBIDDEN})
# Another box has our identity. Two that came back at once would take the kiosk from each other for ever.
_APART = frozenset({CloseCode.REPLACED, CloseCode.DUPLICATE, CloseCode.CLONED})
_GONE = frozenset({1001, 1011, 1013})  # what proxies, and hubs that fail, say where ours says nothing


class Backoff:
    """Counts failures. `chance` gives a number from 0 to 1."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self.failures = 0
        self._spread = 0.0  # as the hub told it last
        self._within = 0.0  # what it is in the present outage

    def welcomed(self, spread: float) -> None:
        """A hub has welcomed us, and told its spread."""
        self._spread = min(max(spread, 0.0), MOST_S)
        self._within = 0.0

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

    def closed(
        self, code: int, up_for: float, *, words: str = "", hub_gone: bool = False, hurry: bool = False
    ) -> float:
        """A link that was up for so many seconds ended with a close code (0: without one) and its reason.

        `hub_gone`: the hub's end of it was closed, without a word. `hurry`: an operation is under way here.
        """
        if up_for >= STABLE_S:
            self.failures = 0
        if code in _REFUSED:
            return self.refused()
        if code in _APART:
            return REFUSED_S * (1 + _APART_SPREAD * self._chance())
        if code == CloseCode.RESTARTING:
            told = hint_in(words)
            first = self._spread or RESTART_MOST_S if self.failures == 0 else 0.0
            self._within = first if told is None else min(told, MOST_S)
        else:
            self._within = self._spread if hub_gone or code in _GONE else 0.0
        if hurry:
            self._within = min(self._within, HURRY_MOST_S)
        return self._next()

    def _next(self) -> float:
        ceiling = max(self._within, min(MOST_S, FIRST_S * 2.0 ** min(self.failures, 10)))
        self.failures += 1
        return self._chance() * ceiling
