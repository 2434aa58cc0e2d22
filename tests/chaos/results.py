"""What a scenario of the chaos run tells: counts of what was done, figures that were measured, promises that broke."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Result(msgspec.Struct, kw_only=True):
    """One scenario's outcome. It has passed when nothing broke; a figure that missed its aim is a breach too."""

    scenario: str
    seed: int
    operations: int = 0  # operations that backends asked for
    faults: Counter[str] = msgspec.field(default_factory=Counter)  # kind → how often
    figures: dict[str, float] = msgspec.field(default_factory=dict)  # name with unit (`takeover_longest_s`) → value
    aims: dict[str, float] = msgspec.field(default_factory=dict)  # name → what it should be at most
    breaches: list[str] = msgspec.field(default_factory=list)  # each a promise that did not hold, in words
    # Aims in seconds that were missed. Only a run for its own sake judges them: a test must not fail because the
    # machine is busy with something else.
    late: list[str] = msgspec.field(default_factory=list)
    took_s: float = 0.0

    @property
    def broken(self) -> list[str]:
        """Everything that did not hold."""
        return self.breaches + self.late

    def aim(self, name: str, value: float, at_most: float) -> None:
        """Note a figure, and a breach if it is above its aim; `late` where the name ends in `_s`."""
        self.figures[name], self.aims[name] = round(value, 3), at_most
        if value > at_most:
            missed = self.late if name.endswith("_s") else self.breaches
            missed.append(f"{name} is {value:.3f}, the aim is {at_most:g} at most")


@contextmanager
def timed(result: Result) -> Iterator[Result]:
    """Fill in how long it took."""
    began = monotonic()
    try:
        yield result
    finally:
        result.took_s = round(monotonic() - began, 1)


def read(text: bytes, kind: type[T]) -> T:
    """A result, or something made of results, as it was written. Raises msgspec.MsgspecError."""

    def counter(_kind: type, value: Any) -> Any:
        return Counter(value)

    return msgspec.json.decode(text, type=kind, dec_hook=counter)
