"""How often something may be asked for. Pure: time is an argument."""

from collections import deque


class Rate:
    """So many within so many seconds, whoever asks."""

    def __init__(self, most: int, within_s: float) -> None:
        self._within_s = within_s
        self._at: deque[float] = deque(maxlen=most)

    def is_full(self, now: float) -> bool:
        """Whether no more may come now; nothing is counted."""
        return len(self._at) == self._at.maxlen and now - self._at[0] < self._within_s

    def allows(self, now: float) -> bool:
        """Whether one more may come now; if so, it is counted."""
        if self.is_full(now):
            return False
        self._at.append(now)
        return True
