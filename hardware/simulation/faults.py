"""What a bad line does to bytes on their way, chosen by a seed: nothing here knows what the bytes mean.

A transmission is what one end hands to the line at once: a frame, or a control byte. It arrives as some pieces, each
after a delay, or not at all.
"""

import random
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each fault befalls a transmission, 0 to 1. They may fall together."""

    lost: float = 0.0  # nothing of it arrives
    half: float = 0.0  # it ends somewhere in the middle
    flipped: float = 0.0  # one of its bytes is another
    noise_before: float = 0.0  # some bytes that nobody sent stand in front of it
    noise_after: float = 0.0
    late: float = 0.0  # it takes up to `late_s` longer
    repeated: float = 0.0  # it arrives twice
    cut: float = 0.0  # it arrives in pieces, with pauses up to `pause_s`
    late_s: float = 1.0
    pause_s: float = 0.02

    NONE: ClassVar["Rates"]


Rates.NONE = Rates()


class Line:
    """One direction of a line."""

    def __init__(self, rng: random.Random, rates: Rates = Rates.NONE) -> None:
        self._rng = rng
        self.rates = rates
        self.once: list[str] = []  # faults for the next transmissions, by the names of `Rates`
        self.faults = 0

    def carry(self, data: bytes) -> list[tuple[float, bytes]]:
        """What arrives of a transmission: (seconds after it would have, bytes), in order."""
        if not data:
            return []
        if self._befalls("lost"):
            return []
        if self._befalls("half") and len(data) > 1:
            data = data[: self._rng.randrange(1, len(data))]
        if self._befalls("flipped"):
            at = self._rng.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ self._rng.randrange(1, 256)]) + data[at + 1 :]
        if self._befalls("noise_before"):
            data = self._noise() + data
        if self._befalls("noise_after"):
            data += self._noise()
        delay = self._rng.uniform(0, self.rates.late_s) if self._befalls("late") else 0.0
        pieces = self._cut(data, delay)
        if self._befalls("repeated"):
            again = pieces[-1][0] + self._rng.uniform(0, self.rates.late_s)
            pieces.append((again, data))
        return pieces

    def _cut(self, data: bytes, delay: float) -> list[tuple[float, bytes]]:
        if len(data) < 2 or not self._befalls("cut"):
            return [(delay, data)]
        at = sorted(self._rng.sample(range(1, len(data)), self._rng.randrange(1, min(4, len(data)))))
        pieces = []
        for start, end in zip([0, *at], [*at, len(data)], strict=True):
            pieces.append((delay, data[start:end]))
            delay += self._rng.uniform(0, self.rates.pause_s)
        return pieces

    def _befalls(self, fault: str) -> bool:
        rate: float = getattr(self.rates, fault)
        if fault in self.once:
            self.once.remove(fault)
        elif not rate or self._rng.random() >= rate:
            return False
        self.faults += 1
        return True

    def _noise(self) -> bytes:
        return self._rng.randbytes(self._rng.randrange(1, 9))
