"""What a hub carries for others: operations of other hubs on the sockets here. Pure; time is an argument.

    ON_SOCKET ── the kiosk answers ──► TOLD ── owner settles ──────────────► gone
        │                               │
        │                               └─ owner silent, gone ──► STORING ──► gone
        └─ connection lost, owner drops it, its time long over ──► gone

What is gone from here is not forgotten: see `Lately`.
"""

from collections.abc import Iterable, Iterator
from enum import Enum, auto

from cloud.operations.operation import Operation
from wire.messages import Response

TELL_AGAIN = 2.0  # seconds after which an outcome that was not settled is told the owner once more
TELLS = 2  # times it is told; then it is stored here
LINGER = 5.0  # seconds past the owner's patience for which the kiosk is still asked here
_LATELY = 10.0


class Next(Enum):
    """What is to be done about one of them."""

    WAIT = auto()
    TELL = auto()
    STORE = auto()
    FORGET = auto()


class Record:
    """One operation carried. Times are seconds of the loop's clock."""

    __slots__ = ("epoch", "give_up_at", "is_storing", "operation", "owner", "response", "tells", "told_at")

    def __init__(self, operation: Operation, owner: str, epoch: int, give_up_at: float) -> None:
        self.operation = operation
        self.owner = owner
        self.epoch = epoch  # of the connection it was put on
        self.give_up_at = give_up_at  # the owner's caller waits no longer
        self.response: Response | None = None  # the kiosk's
        self.told_at = 0.0
        self.tells = 0
        self.is_storing = False

    def due(self, now: float, *, owner_lives: bool) -> Next:
        """What the time that has passed calls for."""
        if self.is_storing:
            return Next.WAIT
        if self.response is None:
            return Next.FORGET if now >= self.give_up_at + LINGER else Next.WAIT
        if not owner_lives:
            return Next.STORE
        if now < self.told_at + TELL_AGAIN:
            return Next.WAIT
        return Next.TELL if self.tells < TELLS else Next.STORE


class Ledger:
    """All of them."""

    def __init__(self) -> None:
        self._by_id: dict[str, Record] = {}
        self._by_kiosk: dict[str, dict[str, Record]] = {}
        self.told: dict[str, Record] = {}  # those of which the kiosk has told the outcome

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._by_id.values()))

    def get(self, request_id: str) -> Record | None:
        """By request id."""
        return self._by_id.get(request_id)

    def at(self, kiosk_id: str) -> list[Record]:
        """Of one kiosk."""
        return list(self._by_kiosk.get(kiosk_id, {}).values())

    def ids_at(self, kiosk_id: str) -> Iterable[str]:
        """Their ids."""
        return self._by_kiosk.get(kiosk_id, {}).keys()

    def count_at(self, kiosk_id: str) -> int:
        """How many of one kiosk."""
        return len(self._by_kiosk.get(kiosk_id, ()))

    def add(self, record: Record) -> None:
        """It is carried from now on."""
        self._by_id[record.operation.request_id] = record
        self._by_kiosk.setdefault(record.operation.kiosk_id, {})[record.operation.request_id] = record

    def answered(self, record: Record, response: Response) -> None:
        """Its kiosk told the outcome."""
        record.response = response
        self.told[record.operation.request_id] = record

    def remove(self, record: Record) -> None:
        """It is not any more."""
        request_id, kiosk_id = record.operation.request_id, record.operation.kiosk_id
        self._by_id.pop(request_id, None)
        self.told.pop(request_id, None)
        if (siblings := self._by_kiosk.get(kiosk_id)) is not None:
            siblings.pop(request_id, None)
            if not siblings:
                del self._by_kiosk[kiosk_id]


class Lately:
    """Outcomes that kiosks were told here that they may forget, for as long as a `Carry` of before can be on its way.

    Each is remembered for ten seconds at least, and not for thirty.
    """

    def __init__(self) -> None:
        self._new: set[str] = set()
        self._old: set[str] = set()
        self._turn_at = 0.0

    def add(self, request_id: str, now: float) -> None:
        """This one was."""
        self._turn(now)
        self._new.add(request_id)

    def has(self, request_id: str, now: float) -> bool:
        """Whether it was, just now."""
        self._turn(now)
        return request_id in self._new or request_id in self._old

    def _turn(self, now: float) -> None:
        if now >= self._turn_at:
            is_long_ago = now >= self._turn_at + _LATELY
            self._old, self._new = (set() if is_long_ago else self._new), set()
            self._turn_at = now + _LATELY
