"""Who above waits for what, while a bill validator decides: for a family whose protocol keeps its callers by kind."""

from collections.abc import Callable

from hardware.errors import DeviceError, OutcomeUnknown
from hardware.protocol import Action, Finish

NOTE = ("stack", "return")


class Waiting:
    """Tickets by what they wait for: ready, enable, disable, stack, return. `act` takes the `Finish` of each."""

    def __init__(self, act: Callable[[Action], None]) -> None:
        self._act = act
        self._tickets: dict[str, list[int]] = {"ready": [], "enable": [], "disable": [], "stack": [], "return": []}

    def add(self, kind: str, ticket: int) -> None:
        """One more."""
        self._tickets[kind].append(ticket)

    def any(self, kind: str) -> bool:
        """Whether somebody does."""
        return bool(self._tickets[kind])

    def finish(self, kind: str, *, result: object = None, error: DeviceError | None = None) -> None:
        """All that wait for it."""
        for ticket in self._tickets[kind]:
            self._act(Finish(ticket, result, error))
        self._tickets[kind] = []

    def end_note(self, error: DeviceError) -> None:
        """Whoever waits for a note, either way."""
        for kind in NOTE:
            self.finish(kind, error=error)

    def unknown(self, why: str) -> None:
        """The same: nobody can say what became of it, or not yet."""
        for kind in NOTE:
            self.finish(kind, error=OutcomeUnknown(f"{kind} a note", why))

    def forget(self, ticket: int) -> None:
        """Its caller no longer waits."""
        for tickets in self._tickets.values():
            if ticket in tickets:
                tickets.remove(ticket)
