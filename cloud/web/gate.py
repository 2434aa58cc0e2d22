"""How fast kiosks may come in: a gate for all of them, and a count of bad tokens for each address."""

import asyncio
import math
import random
from collections import Counter

from cloud.backends.limits import RateLimit

_UNPROVED = 8  # connections of one kiosk from one address that have a good token and have proved no key yet
_BAD_TOKENS, _BAD_TOKENS_PER_S = 20, 20 / 60


class Gate:
    """Answers whether a socket may be opened now. Kiosks with a good token are never counted by address: a whole
    fleet may share one."""

    def __init__(self, rate: float) -> None:
        self._all = RateLimit(rate, burst=rate, names=1)
        self._unproved: Counter[tuple[str, str]] = Counter()
        self._bad = RateLimit(_BAD_TOKENS_PER_S, burst=_BAD_TOKENS)

    def wait(self) -> int:
        """0 to come in, else whole seconds for `Retry-After`, spread so that the fleet does not return at once."""
        seconds = self._all.take("", asyncio.get_running_loop().time())
        return math.ceil(seconds + random.uniform(1, 10)) if seconds else 0  # noqa: S311 - no secret

    def too_many_bad_tokens(self, address: str) -> bool:
        """Count a bad token from this address."""
        return self._bad.take(address, asyncio.get_running_loop().time()) > 0

    def may_wait(self, kiosk_id: str, address: str) -> bool:
        """Let a connection wait for the hello that proves its key; False if enough of this kiosk's do.

        Counted by address, so that who has stolen a token does not keep out who has the key. `waits_no_more` follows.
        """
        if self._unproved[kiosk_id, address] >= _UNPROVED:
            return False
        self._unproved[kiosk_id, address] += 1
        return True

    def waits_no_more(self, kiosk_id: str, address: str) -> None:
        """It has said hello, or is gone."""
        self._unproved[kiosk_id, address] -= 1
        if self._unproved[kiosk_id, address] <= 0:
            del self._unproved[kiosk_id, address]
