"""Who above waits for what: tickets, and with what they are finished."""

from dataclasses import dataclass, field

from hardware.errors import DeviceError, OutcomeUnknown, TransportError
from hardware.protocol import Action, Finish
from wire.money import Money

_LATE = "a late event with its number settles it"


@dataclass(slots=True)
class Wishes:
    """Tickets by what they wait for. Those of notes by the note's number."""

    ready: list[int] = field(default_factory=list)
    enable: list[int] = field(default_factory=list)
    disable: list[int] = field(default_factory=list)
    stack: dict[int, list[int]] = field(default_factory=dict)
    give_back: dict[int, list[int]] = field(default_factory=dict)

    def agreed(self) -> list[Action]:
        """The device has the mask that is wanted."""
        return self.finish(self.enable) + self.finish(self.disable)

    def is_ready(self) -> list[Action]:
        """The device is set up."""
        return self.finish(self.ready)

    def disabled_anyway(self) -> list[Action]:
        """There is no link, and it is not forgotten."""
        return self.finish(self.disable)

    def not_enabled(self, error: DeviceError) -> list[Action]:
        """It cannot be had now."""
        return self.finish(self.enable, error=error)

    def stacked(self, number: int | None, bill: Money) -> list[Action]:
        """BILL STACKED is recorded."""
        if number is None:
            return []
        wrong = OutcomeUnknown(f"give note {number} back", "it was stacked instead, and credited")
        return self.finish(self.stack.pop(number, []), bill) + self.finish(self.give_back.pop(number, []), error=wrong)

    def returned(self, number: int | None, refusal: DeviceError) -> list[Action]:
        """BILL RETURNED is recorded."""
        if number is None:
            return []
        return self.finish(self.give_back.pop(number, [])) + self.finish(self.stack.pop(number, []), error=refusal)

    def unknown(self, number: int | None, why: str) -> list[Action]:
        """What became of the note is not known, or not yet."""
        if number is None:
            return []
        finished = self.finish(self.stack.pop(number, []), error=OutcomeUnknown(f"stack note {number}", why))
        back = OutcomeUnknown(f"give note {number} back", why)
        return finished + self.finish(self.give_back.pop(number, []), error=back)

    def cut_off(self, number: int | None, *, began: bool) -> list[Action]:
        """The link is lost with an order open; `began`: it may have reached the device."""
        if number is None:
            return []
        if began:
            return self.unknown(number, f"the link was lost; {_LATE}")
        error = TransportError(f"the link was lost before note {number} was ordered to go anywhere")
        waiting = self.stack.pop(number, []) + self.give_back.pop(number, [])
        return self.finish(waiting, error=error)

    def wants_stack(self, number: int | None) -> bool:
        """Whether somebody still waits for it to be stacked."""
        return number is not None and bool(self.stack.get(number))

    def forget(self, ticket: int) -> None:
        """Its caller no longer waits."""
        for tickets in (self.ready, self.enable, self.disable, *self.stack.values(), *self.give_back.values()):
            if ticket in tickets:
                tickets.remove(ticket)

    @staticmethod
    def finish(tickets: list[int], result: object = None, error: DeviceError | None = None) -> list[Action]:
        finished: list[Action] = [Finish(ticket, result, error) for ticket in tickets]
        tickets.clear()
        return finished
