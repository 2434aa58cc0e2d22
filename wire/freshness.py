"""How old a request is when the kiosk reads it, though no two clocks agree. Pure; time is an argument.

A program that was stopped, or a line that stood still, hands over at once what lay in its buffers, and a request must
not get its time anew because of that: a customer who was told "no answer" half a minute ago is not asked to pay now.
So the hub says with each request, and with each ping, what its steady clock shows. Both clocks run alike, hence the
difference between reading and sending is the same each time, but for the delay on the way: what it is more than at
its least is the age.

The least is found anew when two stamps, sent apart, were read as far apart: then nothing is held up, and it is a
clock that has shifted, as it does by drift or in a machine that was paused.
"""

STEADY_S = 0.25
APART_S = 5.0
_MOST_S = 1e10  # three centuries


class Freshness:
    """Of one connection. Times are seconds of either end's own steady clock."""

    __slots__ = ("_last", "_least")

    def __init__(self) -> None:
        self._least: float | None = None  # kiosk's clock less the hub's, with the least delay seen
        self._last: tuple[float, float] | None = None  # a stamp, and that difference

    def heard(self, clock: float, now: float) -> None:
        """Something that the hub sent at `clock` was read at `now`; 0, and what no clock shows, is no stamp."""
        if not _is_stamp(clock):
            return
        gap = now - clock
        if self._least is None or gap < self._least:
            self._least = gap
        if self._last is None:
            self._last = clock, gap
        elif clock - self._last[0] >= APART_S:
            if abs(gap - self._last[1]) < STEADY_S:
                self._least = min(gap, self._last[1])
            self._last = clock, gap

    def age(self, clock: float, now: float) -> float:
        """Seconds since then, as far as they can be told; never less than 0."""
        if not _is_stamp(clock) or self._least is None:
            return 0.0
        return max(0.0, now - clock - self._least)


def _is_stamp(clock: float) -> bool:
    return 0 < clock < _MOST_S
