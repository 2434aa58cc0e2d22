"""One customer's payment, from the first note to the last coin of change. Pure: time is an argument, orders are values.

    opening ──► collecting ──► closing ──► paying ──► ending
        └──────────────────────►┘

opening     devices are looked for and enabled; ends with the first that takes money
collecting  notes and coins come in
closing     every device is told to take nothing; the note in escrow goes where it goes, coins inside are counted
paying      change, or all of it back: one hopper, one order at a time
ending      nothing is left to do; anything that still comes leads back to paying

Whatever comes in changes facts; `_step` then looks at the facts and orders what follows from them, so that the order in
which things come does not matter. Money is in no fact but the events' (`takings`), which are on the disk already.
"""

from dataclasses import dataclass, field
from enum import Enum

from appliance.cash.change import Stock, can_pay, next_part
from appliance.cash.devices import AGAIN_S, AWAY, COINS_S, Acceptor, Hopper
from appliance.cash.orders import (
    Command,
    Disable,
    Enable,
    End,
    Ended,
    Find,
    GiveBack,
    How,
    Keep,
    Order,
    PayOut,
    Stack,
    Tell,
)
from appliance.cash.outcome import due, unclear_payouts
from appliance.cash.result import CANCELLED, FAILED, PAID, TIMED_OUT, CashWork, Intent, changed
from appliance.cash.takings import Takings
from appliance.journal import Entry
from hardware import events
from hardware.events import Event
from wire.money import Money

OPENING_S = 20.0  # none takes money by then: it is given up
LOOK_S = 2.0  # that a hopper is barred, or no longer, makes no event
LOST_S = 20.0  # so long nothing can be put in anywhere: it is closed
CLOSING_S = 45.0  # a note takes 30 s at most, and is told then
AWAY_S = 10.0  # a note in a device that is away is no longer waited for
ANSWER_S = 20.0  # a hopper that was lost in the middle may come back so late and tell


class Phase(Enum):
    """See above."""

    OPENING = "opening"
    COLLECTING = "collecting"
    CLOSING = "closing"
    PAYING = "paying"
    ENDING = "ending"


class Note(Enum):
    """What was decided about a note in escrow."""

    UNDECIDED = "undecided"
    STACKING = "stacking"
    RETURNING = "returning"


@dataclass(slots=True)
class Session:
    """The machine. `work` is kept up with what the disk has of it; `hoppers` as they stand at the beginning."""

    id: str
    work: CashWork
    acceptors: dict[str, Acceptor]
    hoppers: dict[str, Hopper]
    now: float
    phase: Phase = Phase.OPENING
    status: str = PAID
    reason: str = ""
    enabled: bool = False  # something took money at any time
    takings: Takings = field(init=False)
    unanswered: set[str] = field(default_factory=set)  # payouts that ended in nothing
    _notes: dict[tuple[str, int], Note] = field(default_factory=dict)
    _wish: str = ""
    _paying: PayOut | None = None
    _answer_by: float = 0.0
    _idle_at: float = field(init=False)
    _timeout_at: float = field(init=False)
    _opening_until: float = field(init=False)
    _closing_until: float = 0.0
    _lost_since: float | None = None
    _out: list[Order] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.takings = Takings(self.id, self.work.currency)
        self._idle_at = self.now + self.work.idle_timeout
        self._timeout_at = self.now + self.work.timeout
        self._opening_until = self.now + OPENING_S

    # What may be looked at

    @property
    def collected(self) -> int:
        """Minor units."""
        return self.takings.collected

    @property
    def remaining(self) -> int:
        """Still to be put in."""
        return max(0, self.work.amount - self.collected)

    @property
    def open(self) -> bool:
        """Whether it can still be cancelled."""
        return self.phase in {Phase.OPENING, Phase.COLLECTING}

    @property
    def wake_at(self) -> float | None:
        """When `tick` is wanted."""
        times: list[float] = []
        if self.open:
            times = [self._idle_at, self._timeout_at]
            times += [each.again_at for each in self.acceptors.values() if each.busy is None]
            if self.phase is Phase.OPENING:
                times.append(self._opening_until)
            if self._lost_since is not None:
                times.append(self._lost_since + LOST_S)
            if self.hoppers:
                times.append(self.now + LOOK_S)
        elif self.phase is Phase.CLOSING:
            times = [self._closing_until]
            for each in self.acceptors.values():
                times += [each.quiet_at] if each.closed and not each.bills else []
                times += [each.away_since + AWAY_S] if each.away_since is not None else []
        elif self.phase is Phase.PAYING and self._paying is None:
            times = [self._answer_by]
        later = [moment for moment in times if moment > self.now]
        return min(later, default=None)

    @property
    def left_s(self) -> float:
        """Until it ends if nothing comes."""
        return max(0.0, min(self._idle_at, self._timeout_at) - self.now)

    def troubles(self) -> str:
        """Which devices do not take money, and why."""
        told = ((each.name, each.trouble.removeprefix(f"{each.name}: ")) for each in self.acceptors.values())
        return "; ".join(f"{name}: {trouble}" for name, trouble in told if trouble)

    # Inputs: each returns what is to be done, in order

    def barred(self, hopper: str, *, barred: bool) -> None:
        """Whether anything may be begun with a hopper; said before each input, and orders nothing by itself."""
        if hopper in self.hoppers:
            self.hoppers[hopper].barred = barred

    def tick(self, now: float) -> list[Order]:
        """Time has passed; also the first of all inputs."""
        self.now = now
        return self._step()

    def cancel(self, reason: str, now: float) -> list[Order]:
        """Somebody wants it to end. Too late (nothing changes) once it is not `open`."""
        self.now = now
        self._wish = self._wish or reason
        return self._step()

    def heard(self, device: str, event: Event, now: float) -> list[Order]:
        """An event that stands in the book with this session's id."""
        self.now = now
        credited = self.takings.feed(device, event)
        if isinstance(event, events.StateChanged):
            self._changed(device, event)
        elif isinstance(event, events.BillEscrowed):
            self._notes[device, event.escrow] = Note.UNDECIDED
        elif isinstance(event, events.PayoutEnded | events.PayoutUnclear):
            self.unanswered.discard(event.reference)
            foreign = event.reference not in self.takings.payouts
            if foreign and isinstance(event, events.PayoutEnded) and device in self.hoppers:
                self.hoppers[device].told(event)
        if credited is not None:
            self._idle_at = now + self.work.idle_timeout
            if device in self.acceptors:
                self.acceptors[device].quiet_at = now + COINS_S
        return self._step()

    def adopt(self, entries: list[Entry], now: float) -> list[Order]:
        """What the book has of this session, in the place of what was heard of it."""
        self.now = now
        self.takings = Takings(self.id, self.work.currency).feed_entries(entries)
        return self._step()

    def ended(self, command: Command, end: Ended, now: float) -> list[Order]:
        """A command has ended; events of what it did were heard before."""
        self.now = now
        match command:
            case Find() | Enable() | Disable():
                self.enabled |= isinstance(command, Enable) and end.how is not How.REFUSED
                self.acceptors[command.device].told(command, end, self.work.currency, now)
            case Stack() if end.how is How.NOT_NOW:
                self._put_back(command, Note.UNDECIDED)
            case Stack() if end.how is How.REFUSED:
                self._put_back(command, Note.RETURNING)
            case PayOut():
                self._paid(command, end)
        return self._step()

    # Facts

    def _changed(self, device: str, event: events.StateChanged) -> None:
        if device in self.hoppers:
            self.hoppers[device].away = event.state in AWAY
        elif device in self.acceptors:
            self.acceptors[device].changed(event, self.now)

    def _put_back(self, command: Stack, note: Note) -> None:
        place = command.device, command.escrow
        if place in self._notes:
            self._notes[place] = note
            self.acceptors[command.device].again_at = self.now + AGAIN_S / 2

    def _paid(self, command: PayOut, end: Ended) -> None:
        if self._paying is command:
            self._paying = None
        intent = command.intent
        payout = self.takings.payouts.get(intent.reference)
        told = payout is not None and (payout.paid is not None or bool(payout.remedy))
        if end.how in {How.DONE, How.UNKNOWN} and not told:
            self.unanswered.add(intent.reference)
            self._answer_by = self.now + ANSWER_S
        whole = payout is not None and payout.paid == intent.count
        self.hoppers[intent.device].paid(intent.count, whole=whole)

    # What follows

    def _step(self) -> list[Order]:
        self._out = []
        for place in [place for place in self._notes if place not in self.takings.held]:
            del self._notes[place]
        if self.open:
            self._collect()
        if self.phase is Phase.CLOSING:
            self._close()
        if self.phase in {Phase.PAYING, Phase.ENDING}:
            self._pay()
        return [*self._out, Tell()]

    def _collect(self) -> None:
        if self.phase is Phase.OPENING and any(each.takes for each in self.acceptors.values()):
            self.phase = Phase.COLLECTING
            self._idle_at = self.now + self.work.idle_timeout
        takers = [each for each in self.acceptors.values() if each.takes and each.away_since is None]
        if takers or self.phase is Phase.OPENING or self._moving():
            self._lost_since = None
        elif self._lost_since is None:
            self._lost_since = self.now
        if (why := self._why_close()) is not None:
            self._begin_closing(*why)
            return
        self._decide_notes()
        for each in self.acceptors.values():
            self._keep_enabled(each)
        if self.phase is Phase.OPENING and (why := self._why_close()) is not None:
            self._begin_closing(*why)  # the last of them can take nothing of this amount

    def _why_close(self) -> tuple[str, str] | None:
        if self.remaining == 0:
            return PAID, ""
        if self._wish:
            return CANCELLED, self._wish
        if self.now >= self._timeout_at:
            return TIMED_OUT, "timeout"
        if self.now >= self._idle_at:
            return TIMED_OUT, "idle"
        if self._lost_since is not None and self.now >= self._lost_since + LOST_S:
            return FAILED, f"nothing can be put in: {self.troubles() or 'no device takes money'}"
        if self.phase is Phase.OPENING:
            given_up = all(each.tried and each.busy is None for each in self.acceptors.values())
            if given_up or self.now >= self._opening_until:
                return FAILED, f"nothing can be put in: {self.troubles() or 'no device answers'}"
        return None

    def _moving(self) -> bool:
        return any(note is Note.STACKING for note in self._notes.values())

    def _decide_notes(self) -> None:
        for place, note in list(self._notes.items()):
            device, escrow = place
            if note is not Note.UNDECIDED or self.now < self.acceptors[device].again_at:
                continue
            bill = self.takings.held[place]
            moving = sum(self.takings.held[each].minor for each, state in self._notes.items() if state is Note.STACKING)
            rest = self.remaining - moving
            if bill.currency == self.work.currency and (bill.minor <= rest or (not moving and self._fits(bill))):
                self._notes[place] = Note.STACKING
                self._out.append(Stack(device, escrow))
            elif not moving:  # otherwise it waits: the other one may not reach the cassette
                self._notes[place] = Note.RETURNING
                self._out.append(GiveBack(device, escrow))

    def _fits(self, money: Money) -> bool:
        """Whether it may be taken as things stand."""
        above = money.minor - self.remaining
        if above <= 0 or self.work.overpay == "keep":
            return True
        return self.work.overpay == "change" and can_pay(above, self._stocks())

    def _keep_enabled(self, acceptor: Acceptor) -> None:
        if acceptor.busy is not None or self.now < acceptor.again_at or self._moving():
            return
        if acceptor.knows is None:
            acceptor.busy = Find(acceptor.name)
            self._out.append(acceptor.busy)
            return
        accept = frozenset(money for money in acceptor.knows if self._fits(money))
        if accept == acceptor.takes:
            if not accept:
                acceptor.tried = True
                acceptor.trouble = acceptor.trouble or self._why_nothing(acceptor)
            return
        acceptor.touched = acceptor.touched or bool(accept)
        acceptor.busy = Enable(acceptor.name, accept) if accept else Disable(acceptor.name)
        self._out.append(acceptor.busy)

    def _why_nothing(self, acceptor: Acceptor) -> str:
        if not acceptor.knows:
            return f"it knows nothing in {self.work.currency}"
        return "all that it knows is above the amount, and no change can be given"

    # Closing

    def _begin_closing(self, status: str, reason: str) -> None:
        self.phase, self.status, self.reason = Phase.CLOSING, status, reason
        self._closing_until = self.now + CLOSING_S
        if status != PAID:
            self.work = changed(self.work, ending=(status, reason))
            self._out.append(Keep())
        for each in self.acceptors.values():
            if not each.touched:
                each.closed, each.busy = True, None
                continue
            each.closed, each.busy = False, Disable(each.name)
            self._out.append(each.busy)

    def _close(self) -> None:
        for place, note in self._notes.items():
            if note is Note.UNDECIDED and self.acceptors[place[0]].closed:
                self._notes[place] = Note.RETURNING  # drawn in while it was told to take nothing
                self._out.append(GiveBack(*place))
        if self.now < self._closing_until:
            if not all(each.closed for each in self.acceptors.values()):
                return
            if any(each.touched and not each.bills and self.now < each.quiet_at for each in self.acceptors.values()):
                return
            if any(not self.acceptors[device].given_up(self.now, AWAY_S) for device, _ in self.takings.held):
                return
        # From here on what comes late changes what is given back, not whether it is paid: some may be back already.
        self.work = changed(self.work, decided=PAID if self.remaining == 0 else self.status)
        self.phase = Phase.PAYING

    # Paying

    def _stocks(self) -> list[Stock]:
        return [each.stock for each in self.hoppers.values() if each.stock is not None and each.usable]

    def _pay(self) -> None:
        if self._paying is not None:
            self.phase = Phase.PAYING
            return
        back, _ = due(self.work, self.collected)
        unclear = unclear_payouts(self.work, self.takings, self.unanswered)
        left = back - self.takings.paid - sum(each.amount for each in unclear)
        part = next_part(left, self._stocks())
        if part is not None:
            self.phase = Phase.PAYING
            reference = f"{self.id}/change/{len(self.work.payouts) + 1}"
            intent = Intent(reference=reference, device=part.device, minor=part.minor, count=part.count)
            self.work = changed(self.work, payouts=(*self.work.payouts, intent))
            self._paying = PayOut(intent)
            self._out.append(self._paying)
        elif self.unanswered and self.now < self._answer_by:
            self.phase = Phase.PAYING
        else:
            self.phase = Phase.ENDING
            self._out.append(End())
