"""The event counter and its buffer: what is new since the last look, and what was lost (Part 2, buffered credit).

The counter is 0 only after power came or a reset. Each event adds one, 255 is followed by 1, and the five newest
events stand in the answer, the newest first. So the number of new events is the difference, plus 255 after a wrap;
what exceeds five cannot be read any more. A 0 where there was something else means that the device began anew and
nobody can tell how many events went unread before.

A device may begin anew and count on while nobody listens. That shows when the event that was the newest does not stand
where it should by now; or when the counter seems to have gone far ahead, stands at 1 to 4, and the places behind it
were never filled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

KEPT = 5


@dataclass(frozen=True, slots=True)
class Happening:
    """One event. `counter` is the device's own count of it."""

    counter: int
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class News:
    """What an answer tells beyond what was known.

    Attributes:
        happenings: the oldest first.
        lost: events that came before them and can no longer be read.
        reset: the device began anew since; how many went unread before is unknown.
    """

    happenings: tuple[Happening, ...] = ()
    lost: int = 0
    reset: bool = False


def parse(data: bytes) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Counter and events, the newest first, of an answer to 229 or 159."""
    return data[0], tuple(zip(data[1::2], data[2::2], strict=True))


def back(counter: int, steps: int) -> int:
    """The counter that many events ago: 1 is preceded by 255."""
    return (counter - 1 - steps) % 255 + 1


def following(counter: int) -> int:
    """The counter after one more event."""
    return counter % 255 + 1


def difference(old: int, new: int) -> int | None:
    """How many events came, or None when the device began anew."""
    if new == 0:
        return None if old else 0
    return new - old if new >= old else new - old + 255


def news(old: int, counter: int, events: Sequence[tuple[int, int]], newest: tuple[int, int] | None = None) -> News:
    """What is new in an answer, against the counter that was known, and the event that stood with it."""
    count = difference(old, counter)
    if count is None:
        return News(reset=True)
    moved = newest is not None and old > 0 and count < KEPT and events[count] != newest
    reset = moved or (count > KEPT and counter < KEPT and not any(a or b for a, b in events[counter:]))
    if reset:
        count = counter
    readable = min(count, KEPT)
    return News(
        happenings=tuple(Happening(back(counter, at), *events[at]) for at in reversed(range(readable))),
        lost=count - readable,
        reset=reset,
    )
