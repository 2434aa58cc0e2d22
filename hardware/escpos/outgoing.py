"""What a conversation answers its pump: actions in their order, the moments it waits for, and how full the line is."""

from hardware.protocol import Action, Send

Timers = dict[str, float]
"""Moments by name, shared by the parts of one conversation; each part writes only those that it says are its own."""


class Outgoing:
    """The actions of one input, collected from all parts.

    Args:
        byte_s: the time of one byte on the line; 0 where it is not known.
    """

    def __init__(self, byte_s: float) -> None:
        self.byte_s = byte_s
        self.free_at = 0.0
        """When the last byte that was sent has left, by reckoning."""
        self._actions: list[Action] = []

    def act(self, action: Action) -> None:
        """One more, behind all before."""
        self._actions.append(action)

    def send(self, data: bytes, now: float) -> None:
        """The same, and the line is busy with it."""
        self.free_at = max(self.free_at, now) + len(data) * self.byte_s
        self.act(Send(data))

    def take(self) -> list[Action]:
        """All of them, once."""
        taken, self._actions = self._actions, []
        return taken
