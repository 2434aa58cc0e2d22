"""A clock that all hubs share: Redis's, by an offset that is measured. Pure; times are arguments.

Whoever asks Redis for its time knows it to within half of how long the answer took. Of the last few answers the one
that was quickest counts; it is forgotten when a later one cannot be true beside it, because a clock was set.
"""

from collections import deque

_SAMPLES = 8


class SharedClock:
    """`offset` is what must be added to this machine's monotonic clock. Before the first answer it is a guess."""

    def __init__(self, guess: float) -> None:
        self.offset = guess
        self.error = float("inf")  # seconds by which it may be wrong at most
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)  # (error, offset)

    def sample(self, asked: float, answered: float, theirs: float) -> None:
        """Redis said `theirs`, Unix seconds, between these two readings of the monotonic clock."""
        error, offset = (answered - asked) / 2, theirs - (asked + answered) / 2
        if any(abs(offset - other) > error + more + 0.001 for more, other in self._samples):
            self._samples.clear()
        self._samples.append((error, offset))
        self.error, self.offset = min(self._samples)

    def anew(self) -> None:
        """The next answer is another server's: it has a clock of its own."""
        self._samples.clear()

    def now(self, monotonic: float) -> float:
        """Unix seconds by the shared clock."""
        return monotonic + self.offset
