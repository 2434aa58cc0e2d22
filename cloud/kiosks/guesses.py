"""How often a wrong code may be tried: by one address, and at the whole hub. Pure; time is an argument.

There are 30⁸, some 6.6·10¹¹ codes. However many addresses guess, the hub looks at `_ALL_PER_S` wrong ones a second,
which are 43,260 in the 24 h of a code: with one code open they hit it once in 15 million days, with a thousand open
once in 40 years. Right codes cost nothing, so that a fleet behind one address comes in as fast as it asks.
"""

import ipaddress

from cloud.backends.limits import RateLimit

_ONE_PER_S, _ONE_BURST = 1 / 60, 10
_ALL_PER_S, _ALL_BURST = 0.5, 60
_ALL = "all"


class Guesses:
    """Counts wrong codes. A guess is taken before it is looked at, and given back when it was right."""

    def __init__(self) -> None:
        self._one = RateLimit(_ONE_PER_S, burst=_ONE_BURST)
        self._all = RateLimit(_ALL_PER_S, burst=_ALL_BURST, names=1)

    def take(self, address: str, now: float) -> float:
        """0 if a code may be looked at, else seconds until one may."""
        neighbourhood = _neighbourhood(address)
        if wait := self._one.take(neighbourhood, now):
            return wait
        if wait := self._all.take(_ALL, now):
            self._one.give_back(neighbourhood)
            return wait
        return 0.0

    def give_back(self, address: str) -> None:
        """It was no guess."""
        self._one.give_back(_neighbourhood(address))
        self._all.give_back(_ALL)


def _neighbourhood(address: str) -> str:
    """Who counts as one: an IPv4 address; a whole /64 of IPv6, since that is what one customer has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
