"""A circuit before one device: after some failures in a row nobody is let wait for it, until a probe went well. Pure.

    closed ──failures──► open ──pause──► probing ──well──► closed
                          ▲                 │
                          └──── failed ─────┘   the pause doubles, up to a minute

A device that fails makes a customer wait for each of its timeouts; with the circuit open he hears at once that it is
out of order. What a device tells by itself is heard in any state.
"""

from enum import StrEnum

import msgspec

FAILURES = 3  # in a row; the second may be the tail of the first
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0


class State(StrEnum):
    """Whether calls are let through."""

    CLOSED = "closed"  # they are
    OPEN = "open"  # they are not
    PROBING = "probing"  # they are not, and one of ours looks whether they could be


class Circuit(msgspec.Struct):
    """One device's. `now` is seconds of a monotonic clock.

    `words` say what failed last, `since` when it opened; both hold while it is not closed.
    """

    state: State = State.CLOSED
    failures: int = 0  # in a row
    words: str = ""
    since: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    probe_at: float = 0.0
    hopeful: bool = False  # the device told that it is well while it was probed

    @property
    def admits(self) -> bool:
        """Whether a call may go through."""
        return self.state is State.CLOSED

    def failed(self, words: str, now: float) -> bool:
        """A call, or the probe, failed. True when it opens by this."""
        self.words = words
        self.failures += 1
        if self.state is State.PROBING:
            self.state = State.OPEN
            self.pause_s = min(self.pause_s * 2, LONGEST_PAUSE_S)
            self.probe_at = now if self.hopeful else now + self.pause_s
            return False
        if self.state is State.CLOSED and self.failures >= FAILURES:
            self.state, self.since = State.OPEN, now
            self.pause_s = FIRST_PAUSE_S
            self.probe_at = now + self.pause_s
            return True
        return False  # a call from before it opened

    def succeeded(self) -> bool:
        """A call, or the probe, went well. True when it closes by this."""
        opened = self.state is not State.CLOSED
        self.state, self.failures, self.words, self.pause_s = State.CLOSED, 0, "", FIRST_PAUSE_S
        return opened

    def hope(self, now: float) -> None:
        """The device told that it is well: probe at once."""
        self.hopeful = self.state is State.PROBING
        if self.state is State.OPEN:
            self.probe_at = min(self.probe_at, now)

    def due(self, now: float) -> bool:
        """Whether a probe is to begin now; then it has begun."""
        if self.state is not State.OPEN or now < self.probe_at:
            return False
        self.state, self.hopeful = State.PROBING, False
        return True
