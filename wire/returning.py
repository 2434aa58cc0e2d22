"""How a fleet comes back to its hubs without a stampede: what a hub works out, and the words in which it says so.

A hub tells each kiosk in `welcome.spread` over how many seconds to spread its return, should the connection break
without a word; and in the reason of a 1012 within how many it is to come back from a restart. Pure.
"""

import math
import re

SPREAD_MOST_S = 20.0  # all are to be back within 30 s, those too that are turned away once
SPREAD_LEAST_S = 1.0  # below that it is not told: a kiosk waits up to a second anyway
HINT_MOST_S = 300.0
# Of what hubs let in, the part that first tries take; the rest is for who comes again, and for what hubs do besides.
_SHARE = 0.5
_ASSUMED_RATE = 500.0  # sockets a second that a hub without a limit greets, so that others are served meanwhile
_HINT = re.compile(r"; come back within ([0-9]{1,3}(?:\.[0-9])?) s$", re.ASCII)


def spread_of(*, fleet: int, here: int, hubs: int, rate: float) -> float:
    """Seconds over which the kiosks of one hub of `hubs` spread their return when it dies; 0: nothing to be told.

    `fleet` is how many kiosks there are, `here` how many this hub holds, `rate` how many sockets a second each hub lets
    in (0: no limit). The hubs that live on greet them; where there is no other, this one does once it is back.
    """
    lost = max(here, math.ceil(fleet / max(1, hubs)))
    seconds = lost / (max(1, hubs - 1) * (rate or _ASSUMED_RATE) * _SHARE)
    return 0.0 if seconds < SPREAD_LEAST_S else min(SPREAD_MOST_S, round(seconds, 1))


def with_hint(words: str, within: float) -> str:
    """The reason of a 1012: `words`, and within how many seconds to come back; 0: the kiosk decides by itself.

    With words of up to 80 bytes it fits into a close frame.
    """
    return f"{words}; come back within {min(within, HINT_MOST_S):.3g} s" if within > 0 else words


def hint_in(reason: str) -> float | None:
    """Within how many seconds the reason of a close says to come back; None where it does not."""
    found = _HINT.search(reason)
    return min(float(found[1]), HINT_MOST_S) if found else None
