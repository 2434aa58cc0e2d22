"""How often something may be asked for. Pure: time is an argument."""

from collections import deque


class Rate:
    """So many within so many seconds, whoever asks."""

    def __init__(self, most: int, within_s: float) -> None:
        self._within_s = within_s
        self._at: deque[float] = deque(maxlen=most)

    def allows(self, now: float) -> bool:
        """Whether one more may come now; if so, it is counted."""
        if len(self._at) == self._at.maxlen and now - self._at[0] < self._within_s:
            return False
        self._at.append(now)
        return True
