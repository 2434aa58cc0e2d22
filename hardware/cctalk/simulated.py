"""What all pretended devices on the bus share: power, an agenda of what moves inside, who they are, the event buffer.

A handler is a method `on_<header>` that takes the question's data and the time and returns the answer's data, or None
for NAK; a header without one is not answered, as a device does that does not know it.
"""

import heapq
import itertools
from collections.abc import Callable, MutableMapping
from typing import Any

from hardware.cctalk.credit import KEPT, following
from hardware.cctalk.frames import Sum
from hardware.simulation.simulator import Ledger

ACK = b""
Store = MutableMapping[str, Any]


class SimulatedDevice:
    """One pretender. `store` is what it keeps without power."""

    category = ""
    model = ""

    def __init__(self, address: int, kind: Sum, serial: int, store: Store, ledger: Ledger) -> None:
        self.address = address
        self.kind = kind
        self.serial = serial
        self.store = store
        self.ledger = ledger
        self.powered = False
        self.fault = (0,)
        self._agenda: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()

    def power_on(self, now: float) -> None:
        """Power comes."""
        if not self.powered:
            self.powered = True
            self.begin(now)

    def power_off(self, now: float) -> None:
        """Power goes: what moves stops where it is."""
        self.powered = False
        self._agenda.clear()

    def begin(self, now: float) -> None:
        """All that is new after power came or a reset."""

    def later(self, moment: float, what: Callable[[float], None]) -> None:
        """Something inside moves then."""
        heapq.heappush(self._agenda, (moment, next(self._order), what))

    @property
    def wake_at(self) -> float | None:
        """When something inside moves next."""
        return self._agenda[0][0] if self._agenda else None

    def wake(self, now: float) -> None:
        """Let move what is due."""
        while self._agenda and self._agenda[0][0] <= now:
            heapq.heappop(self._agenda)[2](now)

    def answer(self, header: int, data: bytes, now: float) -> tuple[bool, bytes] | None:
        """(refused, data), or None for silence."""
        handler = getattr(self, f"on_{header}", None)
        if handler is None:
            return None
        try:
            found = handler(data, now)
        except (IndexError, ValueError):
            return True, ACK  # too few bytes, or nonsense
        return (True, ACK) if found is None else (False, found)

    def describe(self) -> dict[str, object]:
        """For a person."""
        return {"address": self.address, "sum": self.kind.value, "powered": self.powered}

    # What every device answers

    def on_254(self, data: bytes, now: float) -> bytes:
        return ACK

    def on_246(self, data: bytes, now: float) -> bytes:
        return b"SIM"

    def on_245(self, data: bytes, now: float) -> bytes:
        return self.category.encode()

    def on_244(self, data: bytes, now: float) -> bytes:
        return self.model.encode()

    def on_242(self, data: bytes, now: float) -> bytes:
        return self.serial.to_bytes(3, "little")

    def on_241(self, data: bytes, now: float) -> bytes:
        return b"1.00"

    def on_192(self, data: bytes, now: float) -> bytes:
        return b"1"

    def on_4(self, data: bytes, now: float) -> bytes:
        return bytes((1, 4, 6))

    def on_1(self, data: bytes, now: float) -> bytes:
        self._agenda.clear()
        self.begin(now)
        return ACK

    def on_232(self, data: bytes, now: float) -> bytes:
        return bytes(self.fault)


class Inhibited(SimulatedDevice):
    """A device with the event buffer and inhibits, all of it lost with power."""

    poll = bytes((2, 20))

    def begin(self, now: float) -> None:
        self.counter = 0
        self.events: list[tuple[int, int]] = [(0, 0)] * KEPT
        self.mask = 0
        self.master = 0

    def push(self, a: int, b: int) -> None:
        """An event."""
        self.counter = following(self.counter)
        self.events = [(a, b), *self.events[: KEPT - 1]]

    def takes(self, number: int) -> bool:
        """Whether that coin or note is taken now."""
        return bool(self.master & 1 and self.mask >> number - 1 & 1)

    def buffer(self) -> bytes:
        """The answer to 229 and 159."""
        return bytes((self.counter, *itertools.chain(*self.events)))

    def on_249(self, data: bytes, now: float) -> bytes:
        return self.poll

    def on_231(self, data: bytes, now: float) -> bytes | None:
        self.mask = int.from_bytes(data[:2], "little")
        return ACK if len(data) >= 2 else None

    def on_230(self, data: bytes, now: float) -> bytes:
        return self.mask.to_bytes(2, "little")

    def on_228(self, data: bytes, now: float) -> bytes:
        self.master = data[0] & 1
        return ACK

    def on_227(self, data: bytes, now: float) -> bytes:
        return bytes((self.master,))
