"""When something that goes wrong and well again is told: once each way, and never in swarms. Pure.

It is told as wrong once it has been so for a while, and as well once it has been well for as long. What is neither
(between two limits) leaves it as it is. A value that hovers about its limit, or a clock that jumps, is told so many
times an hour and no more; then it is told how it stands when the hour is over.
"""

from collections import deque

TOLD_MAX = 6  # both ways together
WINDOW_S = 3600.0


class Crossing:
    """One thing's. `now` is seconds of a monotonic clock.

    Attributes:
        told: that it is wrong, and not since that it is well.
    """

    def __init__(self, *, after_s: float) -> None:
        self.told = False
        self._after_s = after_s
        self._since: float | None = None  # it has been otherwise than told
        self._told_at: deque[float] = deque(maxlen=TOLD_MAX)

    def look(self, now: float, wrong: bool | None) -> bool:
        """Whether it is to be told now how it is; then `told` says how. `wrong` None: neither, or not known."""
        if wrong is None or wrong == self.told:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        if now - self._since < self._after_s:
            return False
        if len(self._told_at) == TOLD_MAX and now - self._told_at[0] < WINDOW_S:
            return False
        self.told, self._since = wrong, None
        self._told_at.append(now)
        return True
