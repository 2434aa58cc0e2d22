"""What goes wrong, and when: a `Plan` draws it from a seed, a `Script` says it outright.

Faults that can happen to a unit (a frame, an HTTP message, a chunk):

| kind | what happens |
| --- | --- |
| `delay` | it and all behind it come `amount` seconds later |
| `trickle` | it comes at `amount` bytes a second |
| `duplicate` | it comes twice in a row |
| `duplicate-late` | it comes again after `amount` seconds, between whatever comes then |
| `reorder` | it comes after the next one; without a next one within a second, by itself |
| `drop` | it does not come |
| `corrupt` | one byte of its text becomes 0x01, which no JSON may hold: the message is no message any more |
| `corrupt-utf8` | one byte of its text becomes 0xFF, which no UTF-8 holds: a WebSocket's reader must close |
| `corrupt-header` | one bit of a frame's first two bytes, or one byte of the version in an HTTP start line, is wrong |
| `corrupt-raw` | one bit of its text is flipped, wherever that is |
| `corrupt-digit` | one digit of its text becomes another |
| `hold` | from here on nothing comes through either way; both ends stay connected until they give up |
| `fin`, `rst` | the connection is closed, or reset, instead |
| `fin-head`, `rst-head` | its head comes, then the connection is closed, or reset |
| `fin-body`, `rst-body` | its head and a part of its body come, then the same |
| `fin-after`, `rst-after` | it comes, then the same |
| `cut-after` | (to a connection) reset after `amount` bytes both ways together |

**What can be noticed.** `corrupt`, `corrupt-utf8`, `corrupt-header` always break something that a reader checks, so
the promise holds under them. `corrupt-raw` may and `corrupt-digit` does make another valid message: another amount,
which nothing but TLS can notice. Those two are outside the promise and belong into no soak that is judged; a plan
refuses them unless it is told `beyond_promise=True`.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Literal, Protocol

import msgspec

from tests.chaos.frames import Unit

Way = Literal["up", "down"]

ENDINGS = frozenset(f"{how}{where}" for how in ("fin", "rst") for where in ("", "-head", "-body", "-after"))
CORRUPTIONS = frozenset({"corrupt", "corrupt-utf8", "corrupt-header", "corrupt-raw", "corrupt-digit"})
BEYOND_PROMISE = frozenset({"corrupt-raw", "corrupt-digit"})
TO_UNITS = (
    frozenset({"delay", "trickle", "duplicate", "duplicate-late", "reorder", "drop", "hold"}) | ENDINGS | CORRUPTIONS
)
TO_CONNECTIONS = frozenset({"cut-after"})
AMOUNTS: dict[str, tuple[float, float]] = {
    "delay": (0.01, 0.5),
    "trickle": (200.0, 20_000.0),
    "duplicate-late": (0.01, 1.0),
    "cut-after": (0.0, 8000.0),
}


class Where(msgspec.Struct, frozen=True):
    """Which unit: the connection's number (from 1), the direction, the unit's index in it (from 0)."""

    connection: int
    way: Way
    index: int


class Fault(msgspec.Struct, frozen=True):
    """One misfortune; `amount` as the table says, `at` (0 up to 1) chooses the place within the unit."""

    kind: str
    amount: float = 0.0
    at: float = 0.5


class Happened(msgspec.Struct, frozen=True):
    """A fault that was really done."""

    fault: Fault
    where: Where
    unit: str  # its kind


class Decider(Protocol):
    """What the proxy asks. Called in its thread."""

    def of_connection(self, connection: int) -> Fault | None:
        """What happens to a new connection."""

    def of_unit(self, where: Where, unit: Unit) -> Fault | None:
        """What happens to a unit."""

    def happened(self, happened: Happened) -> None:
        """It did."""


class _Record:
    """Remembers what was done; may be read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.history: list[Happened] = []
        self.done: Counter[str] = Counter()

    def happened(self, happened: Happened) -> None:
        """Note it."""
        with self._lock:
            self.history.append(happened)
            self.done[happened.fault.kind] += 1


class Plan(_Record):
    """Draws faults: `rates` gives each kind's chance for a unit (for `cut-after`: for a connection).

    The same seed gives the same decisions for the same unit of the same connection (by their order here), whatever
    happens on the others. `amounts` gives a kind's range; `match` (with the direction and the unit) chooses the units
    that may suffer. Raises ValueError of a kind that is none, or chances that are none together.
    """

    def __init__(
        self,
        seed: int | str,
        rates: Mapping[str, float],
        *,
        amounts: Mapping[str, tuple[float, float]] | None = None,
        match: Callable[[Way, Unit], bool] | None = None,
        beyond_promise: bool = False,
    ) -> None:
        super().__init__()
        unknown = set(rates) - TO_UNITS - TO_CONNECTIONS
        if unknown or (not beyond_promise and BEYOND_PROMISE & set(rates)):
            raise ValueError(f"no faults for a plan: {sorted(unknown or BEYOND_PROMISE & set(rates))}")
        units = {kind: rate for kind, rate in rates.items() if kind in TO_UNITS}
        if min(rates.values(), default=0.0) < 0 or sum(units.values()) > 1:
            raise ValueError("the chances are below 0, or above 1 together")
        self.seed = seed
        self.rates = dict(rates)
        self._amounts = {**AMOUNTS, **(amounts or {})}
        self._match = match
        self._units = sorted(units.items())
        self._numbers: dict[int, int] = {}

    def of_connection(self, connection: int) -> Fault | None:
        """See `Decider`."""
        chance, _place, amount = self._draw(connection, "open", 0)
        return self._fault("cut-after", 0.5, amount) if chance < self.rates.get("cut-after", 0.0) else None

    def of_unit(self, where: Where, unit: Unit) -> Fault | None:
        """See `Decider`."""
        chance, place, amount = self._draw(where.connection, where.way, where.index)
        if self._match is not None and not self._match(where.way, unit):
            return None
        for kind, rate in self._units:
            chance -= rate
            if chance < 0:
                return self._fault(kind, place, amount)
        return None

    def _fault(self, kind: str, place: float, amount: float) -> Fault:
        least, most = self._amounts.get(kind, (0.0, 0.0))
        return Fault(kind, least + (most - least) * amount, place)

    def _draw(self, connection: int, name: str, index: int) -> tuple[float, float, float]:
        """Three numbers from 0 up to 1, the same for the same seed and place, whatever was drawn before."""
        with self._lock:
            number = self._numbers.setdefault(connection, len(self._numbers) + 1)
        drawn = blake2b(f"{self.seed} {number} {name} {index}".encode(), digest_size=18).digest()
        return _share(drawn[:6]), _share(drawn[6:12]), _share(drawn[12:])


def _share(drawn: bytes) -> float:
    return int.from_bytes(drawn, "big") / 2**48


class Step(msgspec.Struct, frozen=True):
    """One line of a script: from the `nth` matching unit (from 1) on, `times` of them suffer `fault`.

    `kind` is a unit's kind or group (`response`, `text`, `ping`); empty: any. `contains` must stand in its text.
    """

    fault: str
    way: Way | None = None
    kind: str = ""
    nth: int = 1
    times: int = 1
    amount: float = 0.0
    at: float = 0.5
    contains: bytes = b""
    connection: int | None = None

    def __post_init__(self) -> None:
        if self.fault not in TO_UNITS:
            raise ValueError(f"there is no fault {self.fault!r}")

    def matches(self, where: Where, unit: Unit) -> bool:
        """Whether it counts."""
        return (
            self.way in {None, where.way}
            and self.connection in {None, where.connection}
            and self.kind in {"", unit.kind, unit.group}
            and (not self.contains or self.contains in unit.text)
        )


class Script(_Record):
    """Does what its steps say. A unit counts for every step; the first that is due happens."""

    def __init__(self, steps: Sequence[Step] | Iterable[Step]) -> None:
        super().__init__()
        self._steps = list(steps)
        self._seen = [0] * len(self._steps)

    def of_connection(self, connection: int) -> Fault | None:
        """See `Decider`."""
        return None

    def of_unit(self, where: Where, unit: Unit) -> Fault | None:
        """See `Decider`."""
        found: Fault | None = None
        with self._lock:
            for number, step in enumerate(self._steps):
                if step.matches(where, unit):
                    self._seen[number] += 1
                    if found is None and step.nth <= self._seen[number] < step.nth + step.times:
                        found = Fault(step.fault, step.amount, step.at)
        return found
