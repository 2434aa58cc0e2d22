"""How a family asks, without harm, whether it is one of its devices that hangs on a port.

A probe is a generator: it yields what to send and how long to listen, and gets what came. It must do nothing to the
device but ask, move no money, print nothing, and leave it as it was, whatever family the device really is of.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from hardware.ports import LineSettings
from hardware.roles import Identity


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this and listen for `seconds`, or until the answer is `enough` (given all that came since)."""

    data: bytes
    seconds: float = 0.3
    enough: Callable[[bytes], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class Found:
    """A device answered."""

    driver: str  # the catalogue's name of the driver for it
    identity: Identity
    words: str  # how it stands, for an engineer
    address: int | None = None  # on a bus


Probing = Generator[Ask, bytes, list[Found]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One way to ask: at this speed, in these steps."""

    family: str
    line: LineSettings
    ask: Callable[[], Probing]
