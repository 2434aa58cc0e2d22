"""How often a wrong code may be tried: by one address, and by all together. Pure; time is an argument.

There are 30⁸, some 6.6·10¹¹ codes. However many addresses guess, at however many hubs, these look at `_ALL_PER_S` wrong
ones a second, which are 43,260 in the 24 h of a code: with one code open they hit it once in 15 million days, with a
thousand open once in 40 years. Hubs that do not hear each other look at as many each. Right codes cost nothing, so that
a fleet behind one address comes in as fast as it asks.
"""

from cloud.backends.limits import RateLimit, neighbourhood

_ONE_PER_S, _ONE_BURST = 1 / 60, 10
_ALL_PER_S, _ALL_BURST = 0.5, 60
_ALL = "all"


class Guesses:
    """Counts wrong codes. A guess is taken before it is looked at, and given back when it was right."""

    def __init__(self, kind: type[RateLimit] = RateLimit) -> None:
        """`kind` is of the limits: where hubs keep them together, another one."""
        self._one = kind(_ONE_PER_S, burst=_ONE_BURST)
        self._all = kind(_ALL_PER_S, burst=_ALL_BURST, names=1)

    @property
    def limits(self) -> dict[str, RateLimit]:
        """Both, by a name that all hubs know."""
        return {"codes by address": self._one, "codes": self._all}

    def take(self, address: str, now: float) -> float:
        """0 if a code may be looked at, else seconds until one may."""
        nearby = neighbourhood(address)
        if wait := self._one.take(nearby, now):
            return wait
        if wait := self._all.take(_ALL, now):
            self._one.give_back(nearby)
            return wait
        return 0.0

    def give_back(self, address: str) -> None:
        """It was no guess."""
        self._one.give_back(neighbourhood(address))
        self._all.give_back(_ALL)
