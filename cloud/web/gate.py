"""How fast kiosks may come in: a gate for all of them, and a count of bad tokens for each address."""

import math
import random
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from cloud.backends.limits import RateLimit

_UNPROVED = 8  # connections of one kiosk from one address that have a good token and have proved no key yet
_BAD_TOKENS, _BAD_TOKENS_PER_S = 20, 20 / 60
_PROMISED = 0.8  # of the rate; the rest is for who comes for the first time
_LONGEST = 60.0  # seconds a kiosk is sent away for, and for which its place is kept after that
_JITTER = 2.0
_AT_STOP = 3.0


class Gate:
    """Answers whether a socket may be opened now. Kiosks with a good token are never counted by address: a whole
    fleet may share one.

    Who is sent away has a place in a line, and is told when its turn comes; whoever comes in its turn is let in before
    those who never waited. So a thousand that come at once come in at an even rate, and none is sent away for ever.
    """

    def __init__(
        self, rate: float, chance: Callable[[], float] = random.random, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._chance = chance
        self._clock = clock
        self._tokens = self._burst = max(1.0, rate)
        self._at = clock()
        self._turns: OrderedDict[str, float] = OrderedDict()  # of kiosks, soonest first
        self._last_turn = 0.0
        self._unproved: Counter[tuple[str, str]] = Counter()
        self._bad = RateLimit(_BAD_TOKENS_PER_S, burst=_BAD_TOKENS)

    def wait(self, kiosk_id: str) -> int:
        """0 to come in, else whole seconds for `Retry-After`."""
        if not self._rate:
            return 0
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        while self._turns and (first := next(iter(self._turns.items())))[1] < now - _LONGEST:
            del self._turns[first[0]]
        turn = self._turns.get(kiosk_id)
        if turn is not None and now < turn:  # it did not wait
            return math.ceil(turn - now)
        # Who has waited may overdraw: those who come for the first time wait for that.
        if self._tokens >= (1.0 if turn is None else 1.0 - self._burst):
            self._tokens -= 1.0
            self._turns.pop(kiosk_id, None)
            return 0
        self._last_turn = max(self._last_turn, now) + 1 / (_PROMISED * self._rate)
        after = self._last_turn - now
        if after > _LONGEST:  # so many come again and again that no more turns are given out
            self._last_turn = now + _LONGEST
            return math.ceil(_LONGEST * (0.5 + 0.5 * self._chance()))
        self._turns.pop(kiosk_id, None)
        self._turns[kiosk_id] = self._last_turn
        return math.ceil(after + _JITTER * self._chance())

    @property
    def waiting(self) -> int:
        """How many have a turn and did not come yet."""
        return len(self._turns)

    def wait_for_another(self) -> int:
        """The same of a hub that is stopping: another one, or its next life, is there soon."""
        return math.ceil(_AT_STOP * self._chance()) or 1

    def too_many_bad_tokens(self, address: str) -> bool:
        """Count a bad token from this address."""
        return self._bad.take(address, self._clock()) > 0

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
