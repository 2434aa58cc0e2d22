"""How long a process that died is left dead. Pure."""

import random

_FIRST, _MOST = 0.5, 30.0
_LIVED = 20.0  # seconds after which a death is no sign of more to come


class Backoff:
    """Of one process. `jitter` gives 0 to 1: several that die of one cause need not come back at one moment."""

    def __init__(self, jitter: "random.Random | None" = None) -> None:
        self._random = jitter or random.Random()  # noqa: S311 - no secret
        self._next = 0.0

    def pause(self, lived: float) -> float:
        """Seconds to wait after one that served for `lived` seconds (0: it never did)."""
        if lived >= _LIVED:
            self._next = 0.0
        pause, self._next = self._next, min(_MOST, max(_FIRST, 2 * self._next))
        return pause * (1 + 0.2 * self._random.random())
