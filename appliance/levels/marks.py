"""When a device is near full or near empty. Pure; counts are of notes or coins.

A level changes once a crossing: to come back it must be a tenth of the mark on the other side, at least one note or
coin, so that a hopper that hovers about its mark is not told with every coin.
"""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How full it is, by what its owner set; the hub is told `level-near-full` and so on."""

    NORMAL = "normal"
    NEAR_FULL = "near-full"
    FULL = "full"
    NEAR_EMPTY = "near-empty"
    EMPTY = "empty"


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """As the device's entry in the routing file has them; 0: not set."""

    capacity: int = 0  # so many fit
    near_full: int = 0  # from so many on it is to be emptied
    near_empty: int = 0  # from so few on it is to be filled


_FILLING = (Level.NORMAL, Level.NEAR_FULL, Level.FULL)
_DRAINING = (Level.NORMAL, Level.NEAR_EMPTY, Level.EMPTY)


def next_level(now: Level, count: int, marks: Marks) -> Level:
    """The level at this count, of a device whose level was `now`."""
    found = _level(count, marks)
    for side in (_FILLING, _DRAINING):
        if now in side and found in side and side.index(found) < side.index(now):
            # On the way back: a mark counts as left only well behind it.
            held = _level(count, marks, eased=True)
            return now if held in side and side.index(held) >= side.index(now) else found
    return found


def _level(count: int, marks: Marks, *, eased: bool = False) -> Level:
    def ease(mark: int) -> int:
        return max(1, mark // 10) if eased else 0

    if marks.capacity and count >= marks.capacity - ease(marks.capacity):
        return Level.FULL
    if marks.near_full and count >= marks.near_full - ease(marks.near_full):
        return Level.NEAR_FULL
    if marks.near_empty and count <= ease(marks.near_empty):
        return Level.EMPTY
    if marks.near_empty and count <= marks.near_empty + ease(marks.near_empty):
        return Level.NEAR_EMPTY
    return Level.NORMAL
