"""What the driver must find again after a restart: the slip it had begun, and how the last one ended."""

from dataclasses import dataclass, replace

from hardware.protocol import Memory

VERSION = 1
PRINTED, UNCLEAR = "printed", "unclear"


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
