"""The smallest device there is: it counts the bytes it hears, answers each with a frame, and takes notes."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

from hardware.simulation.simulator import Control, ControlError, Ledger, Simulator


class Toy(Simulator):
    """Answers `n` with `<n>`; a note that was put in falls `fall_s` later."""

    family: ClassVar[str] = "toy"
    controls: ClassVar[Mapping[str, Control]] = {
        "insert": Control("put a note in", {"value": "1000"}),
        "jam": Control("jam it"),
        "fail": Control("have a mistake in it"),
    }

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger, *, fall_s: float = 0.01) -> None:
        super().__init__(memory, ledger)
        self.fall_s = fall_s
        self.heard = b""
        self.falls_at: float | None = None
        self.value = 0
        self.powered = False
        self.hang_ups = 0

    def power_on(self, now: float) -> Sequence[bytes]:
        self.powered = True
        self.memory["lives"] = self.memory.get("lives", 0) + 1
        return [b"!"]

    def power_off(self, now: float) -> None:
        self.powered = False
        self.falls_at = None

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        self.heard += data
        return [b"<%c>" % byte for byte in data]

    @property
    def wake_at(self) -> float | None:
        return self.falls_at

    def wake(self, now: float) -> Sequence[bytes]:
        self.falls_at = None
        self.memory["stacked"] = self.memory.get("stacked", 0) + 1
        self.ledger("note_stacked", {"minor": self.value * 100, "currency": "KZT"})
        return [b"S"]

    def hung_up(self, now: float) -> None:
        self.hang_ups += 1

    def do_insert(self, value: str, now: float) -> Mapping[str, object]:
        if not self.powered:
            raise ControlError("it has no power and takes nothing")
        self.value = int(value)
        self.falls_at = now + self.fall_s
        return {"inserted": self.value}

    def do_jam(self, now: float) -> None:
        raise ControlError("it never jams")

    def do_fail(self, now: float) -> None:
        raise ZeroDivisionError("a mistake of its own")

    def describe(self) -> Mapping[str, object]:
        return {"stacked": self.memory.get("stacked", 0)}
