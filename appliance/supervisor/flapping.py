"""Changes of state for the hub: each is told, but of a device on a noisy line only so many a minute. Pure.

What went untold is summed up in one when the minute is over. Being busy is no state the hub is told of: a device is
busy with every note.
"""

from collections import deque

from hardware.events import DeviceState, StateChanged

TOLD_MAX = 12  # within `WINDOW_S`; a cash session needs two or three
WINDOW_S = 60.0


class Flapping:
    """One device's. `now` is seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._told_at: deque[float] = deque(maxlen=TOLD_MAX)
        self._told: tuple[DeviceState, str, str] | None = None
        self._last: StateChanged | None = None
        self.untold = 0

    def tells(self, event: StateChanged, now: float) -> bool:
        """Whether the hub is to be told of this change."""
        if event.state is DeviceState.BUSY or _how(event) == self._told:
            return False
        return len(self._told_at) < TOLD_MAX or now - self._told_at[0] >= WINDOW_S

    def written(self, event: StateChanged, now: float, *, told: bool) -> None:
        """It stands in the journal."""
        if told:
            self._note(event, now)
        elif event.state is not DeviceState.BUSY and (self.untold or _how(event) != self._told):
            self.untold += 1
            self._last = event

    def sum_up(self, now: float) -> tuple[StateChanged, int] | None:
        """The last of those that were not told, for all of them, and how many; None: nothing is due.

        Counts as told: what follows is told or kept for itself. See `not_told`.
        """
        if not self.untold or self._last is None or now - self._told_at[0] < WINDOW_S:
            return None
        found = self._last, self.untold
        self._note(self._last, now)
        return found

    def not_told(self, event: StateChanged, count: int) -> None:
        """That could not be written: it is due again, unless the hub was told of a later one meanwhile."""
        if self._last is not None or self._told == _how(event):
            self.untold += count
            self._last = self._last or event

    def _note(self, event: StateChanged, now: float) -> None:
        self._told_at.append(now)
        self._told = _how(event)
        self.untold, self._last = 0, None


def _how(event: StateChanged) -> tuple[DeviceState, str, str]:
    return event.state, event.code, event.words
