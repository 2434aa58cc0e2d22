"""Where an operation was given to be put on a socket, and of which attempts nobody knows what came. Pure."""

from typing import NamedTuple

FIRST_WAIT, LONGEST_WAIT = 0.5, 5.0  # seconds for `Carried`; each time twice as long


class Place(NamedTuple):
    """A kiosk's connection: the hub that has it, its number, and what is known of the kiosk on it."""

    hub: str
    epoch: int
    journal: str
    is_v1: bool

    def is_same(self, other: "Place | None") -> bool:
        """Whether it is that connection."""
        return other is not None and (self.hub, self.epoch) == (other.hub, other.epoch)


class Attempts:
    """Those of one operation."""

    __slots__ = ("_put", "count", "doubts", "is_put", "is_resuming", "place", "refusals")

    def __init__(self) -> None:
        self.count = 0
        self.doubts: dict[int, str] = {}  # by number, the hub: sent there, and neither carried nor refused
        self.is_put = False  # it was put on a socket
        self._put = 0  # the last attempt of which that is known
        self.is_resuming = False  # somebody sees to it
        self.place: Place | None = None  # where it was given last
        self.refusals = 0  # of messages that were too late

    @property
    def may_be_put(self) -> bool:
        """Whether "not executed" is the kiosk's to say."""
        return self.is_put or bool(self.doubts)

    def begin(self, place: Place) -> int:
        """It is given there. Returns the attempt's number."""
        self.count += 1
        self.place = place
        self.doubts[self.count] = place.hub
        return self.count

    def unsent(self, attempt: int) -> None:
        """That message surely was not sent."""
        self.doubts.pop(attempt, None)

    @property
    def is_there(self) -> bool:
        """Whether it was put on the connection it was given to last."""
        return self.count > 0 and self._put == self.count

    def carried(self, attempt: int) -> None:
        """That one was put on a socket."""
        self.doubts.pop(attempt, None)
        self.is_put = True
        self._put = max(self._put, attempt)

    def heard(self, hub: str) -> None:
        """That hub's kiosk says something of it."""
        self.is_put = True
        for attempt in [number for number, where in self.doubts.items() if where == hub]:
            self.carried(attempt)

    def refused(self, attempt: int) -> bool:
        """That one was not, and will not be. False if this was known, or nothing was sent under this number."""
        return self.doubts.pop(attempt, None) is not None

    def wait(self) -> float:
        """Seconds for which `Carried` is waited for after the last attempt."""
        return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(10, self.count - 1))
