"""What the driver must find again after a restart: the slip it had begun, and how the last one ended."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hardware.events import Event, SlipUnclear
from hardware.protocol import Action, Memory, Record

VERSION = 1
PRINTED, UNCLEAR = "printed", "unclear"
LOOK = "look at the paper; print it again only as a marked copy"


@dataclass(frozen=True, slots=True)
class Remembered:
    """The page of the journal.

    `begun` is written before the first byte of a slip and taken away with its outcome: found at a start, the slip may
    be on paper, in part or whole. `remains`: bytes of a slip cut short may wait inside the printer, which must be
    cleaned before the next.
    """

    begun: str | None = None
    copy: bool = False
    last: str | None = None
    outcome: str = ""
    remains: bool = False

    @classmethod
    def of(cls, memory: Memory) -> "Remembered":
        """From the journal, whatever stands there; what cannot be read counts as a printer that must be cleaned."""
        if not memory:
            return cls()
        if memory.get("version") != VERSION:
            return cls(remains=True)
        begun, last, outcome = memory.get("begun"), memory.get("last"), memory.get("outcome")
        known = isinstance(last, str) and outcome in (PRINTED, UNCLEAR)
        return cls(
            begun=begun if isinstance(begun, str) else None,
            copy=memory.get("copy") is True,
            last=last if known and isinstance(last, str) else None,
            outcome=str(outcome) if known else "",
            remains=memory.get("remains") is not False,
        )

    @property
    def memory(self) -> Memory:
        """For the journal."""
        return {
            "version": VERSION,
            "begun": self.begun,
            "copy": self.copy,
            "last": self.last,
            "outcome": self.outcome,
            "remains": self.remains,
        }

    def beginning(self, reference: str, *, copy: bool) -> "Remembered":
        """The intent."""
        return replace(self, begun=reference, copy=copy)

    def ended(self, outcome: str, *, remains: bool = False) -> "Remembered":
        """The outcome of what was begun. A copy that is unclear takes nothing from an original that was printed."""
        if self.copy and outcome == UNCLEAR and self.outcome_of(self.begun or "") == PRINTED:
            outcome = PRINTED
        return replace(self, begun=None, copy=False, last=self.begun, outcome=outcome, remains=self.remains or remains)

    def undone(self) -> "Remembered":
        """Nothing of what was begun was sent."""
        return replace(self, begun=None, copy=False)

    def cleaned(self) -> "Remembered":
        """Nothing waits inside the printer."""
        return replace(self, remains=False)

    def outcome_of(self, reference: str) -> str:
        """PRINTED, UNCLEAR, or "" for a slip that is not remembered."""
        return self.outcome if self.last == reference else ""


class Page:
    """The page of the journal as it stands now; `act` takes the record of each change."""

    def __init__(self, memory: Memory, act: Callable[[Action], None]) -> None:
        self.now = Remembered.of(memory)
        self._act = act

    def write(self, remembered: Remembered, event: Event | None = None) -> None:
        """In the place of what stood there, together with the event that tells of it."""
        self.now = remembered
        self._act(Record(event, remembered.memory))

    def unclear(self, words: str, *, remains: bool = True) -> None:
        """The outcome of what was begun, when nobody can say more. Something must have been."""
        reference = self.now.begun
        assert reference is not None
        words = f"the copy: {words}" if self.now.copy else words
        event = SlipUnclear(reference=reference, words=f"{words}; {LOOK}")
        self.write(self.now.ended(UNCLEAR, remains=remains), event)
