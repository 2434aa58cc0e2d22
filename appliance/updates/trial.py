"""Whether a version has proved itself: is the kiosk as well with it as it was before? Pure; times are steady seconds.

The **baseline** is how the kiosk was when all was well: was the hub there, which devices answered. What has come is
noted as soon as it stays; what is gone only after ten minutes, which is longer than any trial: so a system that has
just been replaced, and lost the hub by it, does not first make that the measure and then pass. The version that steps
aside for another notes everything as it is at that moment: a hub that was away before is no fault of the next.
"""

from collections.abc import Iterable, Mapping

import msgspec

LOOKS = 5  # in a row, for a version to have proved itself
LOOK_EVERY_S = 2.0
GAINED_AFTER_S = 20.0
LOST_AFTER_S = 600.0
HUB_LACKING = "the hub is not reached, and was before"


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """How the kiosk was. `at` is Unix seconds, for people; `up` are names of devices."""

    version: str
    at: float
    connected: bool = False
    up: list[str] = []


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """How it is now. `trouble` is the journal's; `devices` says of each whether it answers and is in order."""

    connected: bool
    devices: Mapping[str, bool]
    trouble: str = ""


def lacking(before: Baseline | None, seen: Seen) -> list[str]:
    """What is not as it was, in words. A device that is no longer in the routing file is not missed."""
    words = []
    if seen.trouble:
        words.append(f"the journal takes nothing: {seen.trouble}")
    if before is not None and before.connected and not seen.connected:
        words.append(HUB_LACKING)
    missed = [name for name in (before.up if before else []) if seen.devices.get(name) is False]
    words += [f"{name} does not work, and did before" for name in sorted(missed)]
    return words


class Trial:
    """A version's trial: so many good looks in a row within its time."""

    def __init__(self, now: float, limit_s: float, looks: int = LOOKS) -> None:
        self._ends = now + limit_s
        self._began = now
        self._looks = looks
        self._good = 0
        self.lacking: list[str] = ["nothing was seen of it yet"]

    def look(self, now: float, lacking: Iterable[str]) -> bool | None:
        """True: it has proved itself. False: it has not, in the time it had. None: not yet."""
        self.lacking = list(lacking)
        self._good = 0 if self.lacking else self._good + 1
        if self._good >= self._looks:
            return True
        return False if now >= self._ends else None

    def took(self, now: float) -> float:
        """Seconds since it began."""
        return now - self._began


class Watching:
    """Keeps a baseline up to date while a version that has proved itself runs."""

    def __init__(self, before: Baseline | None) -> None:
        self.baseline = before
        self._since: dict[str, tuple[bool, float]] = {}

    def look(self, now: float, wall: float, version: str, seen: Seen) -> bool:
        """Whether `baseline` is another one now, and is to be written."""
        before = self.baseline or Baseline(version=version, at=wall)
        known = set(before.up)
        up = [name for name, well in seen.devices.items() if self._stays(f"device {name}", well, name in known, now)]
        connected = self._stays("hub", seen.connected, before.connected, now)
        if self.baseline is not None and (connected, sorted(up)) == (before.connected, sorted(known)):
            return False
        self.baseline = Baseline(version=version, at=wall, connected=connected, up=sorted(up))
        return True

    def _stays(self, what: str, now_up: bool, noted: bool, now: float) -> bool:
        was_up, since = self._since.setdefault(what, (now_up, now))
        if was_up is not now_up:
            since = now
            self._since[what] = (now_up, now)
        if now_up is noted:
            return noted
        return now_up if now - since >= (GAINED_AFTER_S if now_up else LOST_AFTER_S) else noted


def as_it_is(version: str, wall: float, seen: Seen) -> Baseline:
    """Everything as it is at this moment."""
    up = sorted(name for name, well in seen.devices.items() if well)
    return Baseline(version=version, at=wall, connected=seen.connected, up=up)
