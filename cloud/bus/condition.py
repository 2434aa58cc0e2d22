"""How the bus does, in words for people. Pure; times are arguments, monotonic."""

from typing import Literal

State = Literal["connected", "slow", "unreachable"]

_SLOW = 0.5  # seconds from a heartbeat to hearing it, the middle of the last three
_LATELY = 10.0
_VANISHED_LATELY = 60.0
_CLOCK_OFF = 5.0


class Condition:
    """What went wrong lately. `why` the bus is down is set by who connects."""

    def __init__(self) -> None:
        self.why = "not connected yet"
        self._delays: list[float] = []  # of the last heartbeats that came back
        self._refused_at = float("-inf")
        self._strange_at = float("-inf")
        self._vanished: dict[str, tuple[str, float]] = {}  # life → (name, when)

    def heard_ourselves(self, delay: float, now: float) -> None:
        """A heartbeat came back after this many seconds."""
        self._delays = [*self._delays[-2:], delay]
        self._vanished = {life: found for life, found in self._vanished.items() if now - found[1] < _VANISHED_LATELY}

    def down(self, why: str) -> None:
        """Nothing gets through."""
        self.why = why
        self._delays.clear()

    def refused(self, now: float) -> None:
        """Too much waits to be sent."""
        self._refused_at = now

    def strange(self, now: float) -> None:
        """A hub of another protocol spoke."""
        self._strange_at = now

    def vanished(self, life: str, name: str, now: float) -> None:
        """A hub is gone without a goodbye."""
        self._vanished[life] = (name, now)

    def came(self, life: str) -> None:
        """A hub is there."""
        self._vanished.pop(life, None)

    @property
    def delay(self) -> float:
        """Seconds that Redis takes."""
        lately = sorted(self._delays)
        return lately[len(lately) // 2] if lately else 0.0

    def state(self, *, is_up: bool) -> State:
        """In a word."""
        if not is_up:
            return "unreachable"
        return "slow" if self.delay > _SLOW else "connected"

    def trouble(self, now: float, *, is_up: bool) -> str:
        """The worst of it; empty while all is well."""
        if not is_up:
            return f"Redis is not reached: {self.why}"
        if self.delay > _SLOW:
            return f"Redis takes {self.delay:.1f} s"
        if now - self._refused_at < _LATELY:
            return "so many messages to other hubs wait that more are refused"
        if now - self._strange_at < _LATELY:
            return "a hub of a release too far from this one's is there: the two do not understand each other"
        return ""

    def reasons(self, now: float, *, is_up: bool, clock_ahead: float) -> list[str]:
        """All of it, each in a sentence. `clock_ahead`: seconds that this machine's clock is ahead of Redis's."""
        trouble = self.trouble(now, is_up=is_up)
        found = [trouble] if trouble else []
        found += [f"another hub is gone: {name}" for name, at in self._vanished.values() if now - at < _VANISHED_LATELY]
        if clock := self.clock(is_up=is_up, ahead=clock_ahead):
            found.append(clock)
        return found

    def clock(self, *, is_up: bool, ahead: float) -> str:
        """What is wrong with this machine's clock, which is so many seconds ahead of Redis's; empty: nothing."""
        if not is_up or abs(ahead) <= _CLOCK_OFF:
            return ""
        return f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} Redis's"
