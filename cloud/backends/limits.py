"""How fast somebody may ask: a token bucket for each name. Pure; time is an argument."""

import ipaddress


class RateLimit:
    """Buckets that hold `burst` tokens and regain `rate` a second. A rate of 0 lets everything through.

    At most `names` buckets are kept; when more come, the full ones, which limit nobody, are forgotten first.
    """

    __slots__ = ("_buckets", "_burst", "_names", "_rate")

    def __init__(self, rate: float, burst: float, names: int = 100_000) -> None:
        self._rate = rate
        self._burst = max(1.0, burst)
        self._names = names
        self._buckets: dict[str, tuple[float, float]] = {}  # name → (tokens, when)

    def take(self, name: str, now: float, count: int = 1) -> float:
        """Take a token, or `count` of them. 0 if there were as many, else the seconds until there are."""
        if not self._rate:
            return 0.0
        tokens, at = self._buckets.get(name, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - at) * self._rate)
        if tokens < count:
            self._buckets[name] = (tokens, now)
            return (count - tokens) / self._rate
        if name not in self._buckets and len(self._buckets) >= self._names:
            self._forget(now)
        self._buckets[name] = (tokens - count, now)
        return 0.0

    def give_back(self, name: str) -> None:
        """A token that was taken is not to count."""
        if found := self._buckets.get(name):
            tokens, at = found
            self._buckets[name] = (min(self._burst, tokens + 1), at)

    def _forget(self, now: float) -> None:
        refill = self._burst / self._rate
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if now - bucket[1] < refill}
        while len(self._buckets) >= self._names:
            self._buckets.pop(next(iter(self._buckets)))


def neighbourhood(address: str) -> str:
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
