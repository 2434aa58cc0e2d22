"""Frames in words: what every family tells of the bytes on its line, for `decode`, `replay` and the trace.

A family's `Explainer` reads both directions of one line. It keeps what it needs to read answers that do not say what
they answer (the last command, the frame's number). It is a reader like any other: cut anywhere, never raising.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Sender = Literal["host", "device"]


@dataclass(frozen=True, slots=True)
class Explained:
    """One frame, or a stretch of bytes that is none.

    `fault` is None for a frame that is good; else the reason why it must be refused, in words. `frame` holds the
    frame's own fields by the protocol note's names in lower case; `decoded` what they mean (numbers, money, texts);
    `checksum` the algorithm, what was sent and what was reckoned, or None where the protocol has none. All of JSON's
    types; bytes are upper-case hex.
    """

    data: bytes
    words: str
    sender: Sender
    fault: str | None = None
    command: str | None = None
    frame: Mapping[str, object] = field(default_factory=dict)
    decoded: Mapping[str, object] = field(default_factory=dict)
    checksum: Mapping[str, object] | None = None


class Explainer(ABC):
    """Reads one line."""

    @abstractmethod
    def feed(self, sender: Sender, data: bytes) -> Sequence[Explained]:
        """What has become whole by these bytes: frames, and what was skipped before them, in the order of the line."""

    @abstractmethod
    def finish(self, sender: Sender) -> Sequence[Explained]:
        """No more will come: what is left over, as a fault."""

    def guess_sender(self, data: bytes) -> Sender:
        """Who sends such a frame, when nobody says; the host unless only a device can."""
        return "host"


def checksum(algorithm: str, sent: int, reckoned: int, *, digits: int = 4) -> dict[str, object]:
    """`Explained.checksum`: both as hex numbers (not in the order of the line), and whether they agree."""
    return {
        "algorithm": algorithm,
        "sent": f"{sent:0{digits}X}",
        "reckoned": f"{reckoned:0{digits}X}",
        "good": sent == reckoned,
    }
