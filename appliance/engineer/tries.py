"""How often a PIN may be tried: waits that grow. Pure: time is an argument.

Who is at the kiosk's own screen has a count of his own, and never waits longer than two minutes: whatever comes over
the network keeps no engineer from his work. From elsewhere every address has a count, and all of them one together,
so that many addresses guess no quicker than one. A wait passes; nobody is locked out for ever.
"""

from collections import OrderedDict

FREE = 3  # wrong ones before the first wait
FIRST_WAIT_S = 5.0  # it doubles with each that follows
HERE_MOST_S = 120.0
ELSEWHERE_MOST_S = 1800.0
ALL_FREE = 10  # of all addresses together
FORGET_S = 24 * 3600.0  # without a wrong one, what was before is forgotten
_ADDRESSES = 64


class Count:
    """The wrong tries of one place."""

    def __init__(self, free: int, most_s: float) -> None:
        self._free = free
        self._most_s = most_s
        self.wrong = 0
        self._until = self._before = float("-inf")
        self._last = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until the next try; 0: now."""
        return max(0.0, self._until - now)

    def failed(self, now: float) -> None:
        """One more."""
        if now - self._last > FORGET_S:
            self.wrong = 0
        self.wrong += 1
        self._last, self._before = now, self._until
        over = self.wrong - self._free
        if over >= 0:
            self._until = now + min(self._most_s, FIRST_WAIT_S * 2.0 ** min(over, 20))

    def undo(self) -> None:
        """The last one could not be looked at."""
        self.wrong = max(0, self.wrong - 1)
        self._until = self._before

    def cleared(self) -> None:
        """The right one was typed."""
        self.wrong, self._until = 0, float("-inf")


class Tries:
    """All places."""

    def __init__(self) -> None:
        self._here = Count(FREE, HERE_MOST_S)
        self._all = Count(ALL_FREE, ELSEWHERE_MOST_S)
        self._each: OrderedDict[str, Count] = OrderedDict()

    def wait(self, address: str, now: float, *, here: bool) -> float:
        """Seconds that this one has to wait; 0: he may try."""
        if here:
            return self._here.wait(now)
        each = self._each.get(address)
        return max(self._all.wait(now), each.wait(now) if each else 0.0)

    def failed(self, address: str, now: float, *, here: bool) -> int:
        """A wrong PIN was typed; how many from there in a row."""
        if here:
            self._here.failed(now)
            return self._here.wrong
        each = self._each.pop(address, None) or Count(FREE, ELSEWHERE_MOST_S)
        self._each[address] = each
        if len(self._each) > _ADDRESSES:
            self._each.popitem(last=False)  # it still counts among all of them
        each.failed(now)
        self._all.failed(now)
        return each.wrong

    def undo(self, address: str, *, here: bool) -> None:
        """What was typed last could not be looked at: it does not count."""
        for count in [self._here] if here else [self._all, *filter(None, [self._each.get(address)])]:
            count.undo()

    def succeeded(self, address: str, *, here: bool) -> None:
        """The right one was typed there. The count of all stands: it may be somebody else's."""
        if here:
            self._here.cleared()
        else:
            self._each.pop(address, None)
            self._all.undo()
