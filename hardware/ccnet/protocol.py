"""The conversation with one CCNET bill validator.

It polls, five times a second, and everything follows from what the answers say (`hearing`). Between two polls it asks
what setting up wants (`setup`), tells which types to take, or passes on an order about the note in escrow (`escrow`).
Money is reckoned in `book`; `exchange` is the line; `standing` is how it looks from above. The state that counts is the
device's own, as it was last heard: there is none of ours that could differ from it, but for what is still to be asked
and what is wanted.

A note, and who moves it:

    80 escrow --(owner: stack)--> intent recorded, STACK --> 17 --> 81 --> credit recorded, ACK
              --(owner: give back, or nobody for 10 s, or not wanted)--> 18 --> 82 --> recorded, ACK

What is not confirmed is told again by the device, so a record may take its time: a late ACK makes the device repeat
the event, and the repetition is confirmed at once.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from hardware.bills import AwaitReady, BillProtocol, Disable, Enable, GiveBack, Hold, Stack
from hardware.ccnet import commands
from hardware.ccnet.bill_table import COUNTRIES
from hardware.ccnet.book import Book, Note, recall
from hardware.ccnet.escrow import Escrow
from hardware.ccnet.exchange import End, Ended, Exchange
from hardware.ccnet.frames import Address
from hardware.ccnet.hearing import HELD, Hearing
from hardware.ccnet.setup import Setup, Step
from hardware.ccnet.standing import Standing
from hardware.ccnet.states import POWERED_UP, State, read_poll
from hardware.ccnet.wishes import Wishes
from hardware.errors import DeviceFault, LocalProtocolError, OutcomeUnknown, Refused, TransportError
from hardware.events import DeviceState, Identified
from hardware.protocol import Action, Actions, Memory, Record, Say, SetLine
from hardware.roles import Status
from wire.money import Money

POLL_S = 0.2
SILENT_S = 5.0  # without a word it counts as lost (the document's maximum non-response time)
RESET_AGAIN_S = 10.0  # and RESET is sent that often until it speaks
SEEK_TRIES = 2  # questions at one speed before the other is tried
BUSY_MAX_S = 2.0  # it may ask for 25 s of silence; shorter than what counts as lost
TABLE_SILENCES_MAX = 3  # then a note is valued by the table that was remembered
COUNT_BYTES = 2
NEWS_S = 1.0  # an answer to POLL that is older says nothing of a note any more: another may be there
BAUDS = (9600, 19200)

_MOVING = HELD | {State.STACKING, State.RETURNING, State.BILL_STACKED, State.BILL_RETURNED}  # no mask is told then
_NOTE_COMMANDS = (commands.STACK, commands.RETURN, commands.HOLD)


class CcnetProtocol(BillProtocol):
    """A CCNET bill validator's conversation, or a Bill-to-Bill unit's as an acceptor (`address` 1).

    Args:
        memory: what the last life left.
        currency: of the notes; entries of the bill table that are not of it are refused.
        country: the table's letters for it, where `countries` does not say.
        security: denominations in major units that the device is to check more strictly.
        bauds: speeds that are tried in turn.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        currency: str,
        address: int = Address.BILL_VALIDATOR,
        country: str | None = None,
        countries: Mapping[str, str] = COUNTRIES,
        security: frozenset[Decimal] = frozenset(),
        bauds: Sequence[int] = BAUDS,
    ) -> None:
        self._bauds, self._baud_at = tuple(bauds), 0
        self._exchange = Exchange(address)
        self._book: Book = recall(memory)
        self._book.bills = {number: bill for number, bill in self._book.bills.items() if bill.currency == currency}
        self._setup = Setup(
            currency=currency,
            country=country,
            countries=countries,
            security=security,
            bill_to_bill=address == Address.BILL_TO_BILL,
        )
        self._wishes = Wishes()
        self._hearing = Hearing(self._book, self._setup, self._wishes)
        self._standing = Standing(self._hearing, self._setup, currency)
        self._escrow = Escrow(self._book, self._setup, self._wishes, self._hearing, self._exchange)
        self._open = False  # the port
        self._present = False  # the device
        self._contacted = False  # the device, in this life
        self._closing = False
        self._heard_at = 0.0
        self._polled_at = float("-inf")  # last answer to POLL
        self._table_silences = 0
        # What is wanted: no notes, these, or (None) all that are known; and what it was before somebody still waits
        self._wanted: frozenset[Money] | None = frozenset()
        self._wanted_before: frozenset[Money] | None = frozenset()
        # What is to be said
        self._soon = False  # something may be to be asked before the next poll
        self._wait_for_poll = False  # it did not answer, or not now: only POLL tells more
        self._poll_at = 0.0
        self._seeks = 0
        self._reset_at: dict[int, float] = {}
        self._mask_asked: frozenset[int] = frozenset()
        self._identified: Identified | None = None
        self._nonsense: bytes | None = None

    # What may be looked at

    @property
    def status(self) -> Status:
        """As `Device.status`. A note on its way is BUSY here, and not told as an event."""
        return Status(
            state=self._standing.status.state,
            code=self._standing.status.code,
            words=self._standing.status.words,
            identity=self._setup.identity,
            skipped_bytes=self._exchange.reader.dropped,
            repeats=self._exchange.repeats,
        )

    @property
    def denominations(self) -> tuple[Money, ...]:
        """As `BillValidator.denominations`."""
        if self._setup.table is None:
            return ()
        return tuple(sorted(set(self._setup.known.values()), key=lambda bill: bill.minor))

    @property
    def settled(self) -> bool:
        """No note is inside, and the device takes none."""
        if self._book.note is not None:
            return False
        if not self._open or not self._present:
            return True
        state, mask = self._hearing.state, self._setup.mask
        takes = mask is None and state == State.IDLING
        moving = state in _MOVING or state == State.ACCEPTING
        return not moving and not takes and not self._exchange.asking and not mask

    @property
    def wake_at(self) -> float | None:
        """The answer's deadline, the end of the gap, or the next poll."""
        if not self._open:
            return None
        waiting = self._exchange.wake_at
        if waiting is not None:
            return waiting
        return self._exchange.free_at if self._soon else max(self._exchange.free_at, self._poll_at)

    # Inputs

    def opened(self, now: float) -> Actions:
        """The port is there: the speed that was right last is tried first."""
        self._open = True
        self._heard_at = self._poll_at = now
        self._seeks = 0
        self._reset_at = dict.fromkeys(self._bauds, now + SILENT_S)
        self._exchange.drop()
        return [SetLine(self._bauds[self._baud_at])]

    def lost(self, now: float) -> Actions:
        """The port is gone, and the device out of sight."""
        self._open = False
        self._exchange.drop()
        return self._lose("the port is gone")

    def received(self, data: bytes, now: float) -> Actions:
        """Bytes from the device."""
        if not self._open:
            return ()
        self._exchange.input(now)
        sends, ended = self._exchange.received(data, now)
        return [*sends, *(self._ended(ended, now) if ended else ())]

    def wake(self, now: float) -> Actions:
        """No answer, or time for the next question."""
        if not self._open:
            return ()
        self._exchange.input(now)
        sends, ended = self._exchange.wake(now)
        actions: list[Action] = [*sends, *(self._ended(ended, now) if ended else ())]
        actions += self._escrow.overdue(now)
        if self._exchange.free(now):
            actions += self._ask(now)
        return actions

    def command(self, command: object, ticket: int, now: float) -> Actions:
        """One of those of `hardware.bills`."""
        self._soon = True
        match command:
            case AwaitReady():
                self._wishes.ready.append(ticket)
                return self._wishes.is_ready() if self._ready else ()
            case Enable(accept):
                return self._wish_enabled(accept, ticket)
            case Disable():
                return self._wish_disabled(ticket)
            case Stack(escrow):
                return self._wish_stacked(escrow, ticket)
            case GiveBack(escrow):
                return self._wish_back(escrow, ticket)
            case Hold(escrow, seconds):
                self._note_in_escrow(escrow)
                self._escrow.hold_until = now + seconds
                return self._wishes.finish([ticket])
        raise LocalProtocolError(f"a bill validator knows no {command!r}")

    def abandoned(self, ticket: int, now: float) -> Actions:
        """What was ordered stays ordered."""
        self._wishes.forget(ticket)
        return ()

    def closing(self, now: float) -> Actions:
        """Take none any more; the note in escrow goes back, one that is being stacked is waited for."""
        self._closing = True
        self._soon = True
        self._wanted = frozenset()
        self._send_back()
        return ()

    # Wishes from above

    def _wish_enabled(self, accept: frozenset[Money] | None, ticket: int) -> Actions:
        if not self._present or self._closing:
            raise TransportError(f"the validator cannot be told: {self._standing.status.words}")
        if self._standing.status.state is DeviceState.FAULT:
            raise DeviceFault(self._standing.status.code, self._standing.status.words)
        if self._setup.done:
            self._check(accept)
        if not self._wishes.enable:
            self._wanted_before = self._wanted
        self._wanted = accept
        self._wishes.enable.append(ticket)
        return self._wishes.agreed() if self._mask_agreed else ()

    def _wish_disabled(self, ticket: int) -> Actions:
        self._wanted = self._wanted_before = frozenset()
        self._send_back()
        superseded = self._wishes.not_enabled(Refused("disabled", "it was disabled before it agreed"))
        self._wishes.disable.append(ticket)
        if not self._present or self._standing.status.state is DeviceState.FAULT:
            return [*superseded, *self._wishes.disabled_anyway()]
        return [*superseded, *(self._wishes.agreed() if self._mask_agreed and self._book.note is None else ())]

    def _wish_stacked(self, escrow: int, ticket: int) -> Actions:
        last = self._book.last
        if last is not None and last.number == escrow and last.stacked:
            raise Refused("escrow", f"note {escrow} was kept before, and told then")
        self._not_unclear("stack", escrow)
        note = self._note_in_escrow(escrow)
        if not self._present:
            raise TransportError(f"note {escrow} cannot be stacked: {self._standing.status.words}")
        if note.order == "return":
            raise Refused("return", "the note goes back already")
        note.order = "stack"
        self._wishes.stack.setdefault(escrow, []).append(ticket)
        return ()

    def _wish_back(self, escrow: int, ticket: int) -> Actions:
        last = self._book.last
        if last is not None and last.number == escrow and not last.stacked:
            return self._wishes.finish([ticket])
        self._not_unclear("give back", escrow)
        note = self._note_in_escrow(escrow)
        if not self._present:
            raise TransportError(f"note {escrow} cannot be given back: {self._standing.status.words}")
        if note.order == "stack":
            raise Refused("stack", "the note was ordered into the cassette already")
        note.order = "return"
        self._wishes.give_back.setdefault(escrow, []).append(ticket)
        return ()

    def _not_unclear(self, what: str, escrow: int) -> None:
        if self._book.unclear is not None and self._book.unclear.number == escrow:
            raise OutcomeUnknown(f"{what} note {escrow}", "the device did not tell what became of it")

    def _note_in_escrow(self, escrow: int) -> Note:
        note = self._book.note
        if note is None or note.number != escrow:
            raise Refused("escrow", f"note {escrow} is not in escrow (any more)")
        return note

    def _send_back(self) -> None:
        if self._book.note is not None and not self._book.note.order:
            self._book.note.order = "return"

    def _check(self, accept: frozenset[Money] | None) -> None:
        unknown = sorted(str(bill) for bill in (accept or frozenset()) - set(self._setup.known.values()))
        if unknown:
            raise Refused("type", f"this validator knows no note of {', '.join(unknown)}")

    @property
    def _taking(self) -> frozenset[int]:
        """The bill types that are wanted."""
        wanted = self._wanted
        return frozenset(number for number, bill in self._setup.known.items() if wanted is None or bill in wanted)

    @property
    def _mask_agreed(self) -> bool:
        return self._present and self._setup.done and self._setup.mask == self._taking

    @property
    def _ready(self) -> bool:
        return (
            self._present
            and self._setup.done
            and self._standing.status.state not in (DeviceState.FAULT, DeviceState.STARTING)
        )

    # What is asked next

    def _ask(self, now: float) -> list[Action]:
        """The next question, or none before the next poll."""
        if not self._present:
            return self._seek(now)
        state = self._hearing.state
        if state is not None and not self._wait_for_poll:
            if self._hearing.wants_table:
                return [self._exchange.ask(*self._setup.urgent(Step.TABLE), now)]
            if now - self._polled_at <= NEWS_S and (asked := self._escrow.ask(state, now)):
                return asked
            question = self._setup.question(state, empty=self._book.note is None)
            if question is not None:
                return [self._exchange.ask(*question, now)]
            if self._mask_due(state):
                self._mask_asked = self._taking
                data = self._setup.mask_command(self._mask_asked)
                return [self._exchange.ask(commands.ENABLE_BILL_TYPES, data, now)]
        self._soon = False
        if now < self._poll_at:
            return []
        self._poll_at = now + POLL_S
        return [self._exchange.ask(commands.POLL, commands.POLL.encode(), now)]

    def _mask_due(self, state: int) -> bool:
        return (
            self._setup.table is not None
            and self._setup.done
            and self._setup.mask != self._taking
            and state not in _MOVING
            and state not in POWERED_UP
            and state != State.INITIALIZE
            and self._book.note is None
        )

    def _seek(self, now: float) -> list[Action]:
        """Nobody answers: at one speed, then at the other, with RESET now and then."""
        actions: list[Action] = []
        if self._seeks and self._seeks % SEEK_TRIES == 0 and len(self._bauds) > 1:
            self._baud_at = (self._baud_at + 1) % len(self._bauds)
            actions.append(SetLine(self._bauds[self._baud_at]))
        self._seeks += 1
        baud = self._bauds[self._baud_at]
        command = commands.POLL
        if now >= self._reset_at[baud]:
            self._reset_at[baud] = now + RESET_AGAIN_S
            command = commands.RESET
        self._soon = False
        self._poll_at = now + POLL_S
        return [*actions, self._exchange.ask(command, command.encode(), now, tries=1)]

    # What was answered

    def _ended(self, ended: Ended, now: float) -> list[Action]:
        self._soon = True
        if ended.end is End.SILENT:
            return self._silent(ended, now)
        self._heard_at = now
        command = ended.command
        if command is commands.POLL:
            return self._polled(ended, now)
        if command is commands.ENABLE_BILL_TYPES:
            self._wait_for_poll = True  # what it leads to is seen by POLL
            if ended.end is not End.AGREED:
                return []
            self._setup.mask = self._mask_asked if self._setup.done else frozenset()
            return self._wishes.agreed() if self._mask_agreed else []
        if command in _NOTE_COMMANDS:
            self._wait_for_poll = True
            if ended.end is End.ILLEGAL:
                self._escrow.illegal(command)
            return []
        return self._set_up(ended, now)

    def _silent(self, ended: Ended, now: float) -> list[Action]:
        self._wait_for_poll = True
        self._poll_at = now
        if ended.command is commands.GET_BILL_TABLE and self._hearing.wants_table:
            self._table_silences += 1
            if self._table_silences >= TABLE_SILENCES_MAX:
                self._table_asked()
        if self._present and now - self._heard_at >= SILENT_S:
            self._exchange.drop()
            self._seeks = 0
            self._reset_at = dict.fromkeys(self._bauds, now)
            return self._lose("it does not answer any more")
        return []

    def _set_up(self, ended: Ended, now: float) -> list[Action]:
        """The answer to a question of setting up, confirmed once it is in the book."""
        actions: list[Action] = []
        if ended.command is commands.GET_COUNTER and ended.end is End.ANSWERED and len(ended.data) == COUNT_BYTES:
            actions += self._counted(ended.data)
        elif ended.command is commands.POWER_RECOVERY and ended.end is End.ANSWERED:
            actions += self._hearing.recovered(ended.data)
        remark = self._setup.ended(ended)
        if ended.command is commands.GET_BILL_TABLE:
            self._table_asked()
        elif ended.command is commands.IDENTIFICATION and ended.end is End.ANSWERED and self._setup.identity.serial:
            actions += self._hearing.identified(self._setup.identity.serial)
        if remark:
            actions.append(Say(remark, "warning"))
        if ended.end is End.ANSWERED:
            actions += self._identify()
            actions.append(self._exchange.confirm(now))
        elif ended.command is not commands.RESET:
            self._wait_for_poll = ended.end is End.ILLEGAL
        else:
            self._hearing.answer = None  # whatever it was, it will be INITIALIZE
        self._wait_for_poll = self._wait_for_poll or ended.end is End.ILLEGAL
        return [*actions, *self._stand()]

    def _table_asked(self) -> None:
        """For the sake of a note that was stacked, or not; answered or not."""
        self._hearing.table_refused = self._hearing.wants_table and not self._setup.table_read
        self._hearing.wants_table = False
        self._table_silences = 0

    def _counted(self, data: bytes) -> list[Action]:
        count = int.from_bytes(data, "big")
        if self._book.note is not None:
            return self._escrow.counted(count)
        before = self._book.memory()
        event = self._book.counted(self._setup.identity.serial, count)
        if event is None and self._book.memory() == before:
            return []
        return [Record(event, self._book.memory())]

    def _identify(self) -> list[Action]:
        identity = self._setup.identity
        if self._setup.table is None or not identity.maker:
            return []
        told = Identified(
            maker=identity.maker, model=identity.model, serial=identity.serial, accepts=self.denominations
        )
        if told == self._identified:
            return []
        self._identified = told
        self._book.bills = dict(self._setup.known)
        return [Record(told, self._book.memory())]

    def _polled(self, ended: Ended, now: float) -> list[Action]:
        self._wait_for_poll = False
        answer = read_poll(ended.data) if ended.end is End.ANSWERED else None
        if answer is None:
            confirm = [self._exchange.confirm(now)] if ended.end is End.ANSWERED else []
            said, self._nonsense = self._nonsense, ended.data
            if said == ended.data:
                return [*confirm]
            return [*confirm, Say(f"POLL was answered with {ended.data.hex().upper() or ended.end.name}", "warning")]
        reset = None
        if not self._present:
            self._present = True
            reset, self._contacted = not self._contacted, True
        if answer.state == (State.DISABLED if self._setup.mask else State.IDLING):
            self._setup.mask = None  # it does not stand as it was told: a fault or a cure made it forget
        before = self._book.note
        if before is not None and now - self._polled_at > NEWS_S:
            before.unsure = True  # it was not watched for so long
        self._polled_at = now
        heard = self._hearing.heard(answer, taking=self._taking if self._setup.done else frozenset(), reset=reset)
        if self._book.note is not before or heard.new_note:
            self._escrow.changed(now)
        if not heard.same_note:
            self._escrow.doubt = True
        if answer.state == State.BUSY:
            self._poll_at = max(self._poll_at, now + min((answer.detail or 0) / 10, BUSY_MAX_S))
        confirm = [self._exchange.confirm(now)] if heard.confirm else []
        ended_wishes = self._wishes.agreed() if self._mask_agreed and self._book.note is None else []
        return [*heard.records, *confirm, *heard.then, *ended_wishes, *self._stand()]

    # How it stands

    def _lose(self, why: str) -> list[Action]:
        self._present = False
        self._hearing.lost()
        self._setup.mask = None
        actions = self._escrow.lost()
        if self._wishes.enable:
            self._wanted = self._wanted_before
            actions += self._wishes.not_enabled(TransportError(f"the validator was lost: {why}"))
        actions += self._wishes.disabled_anyway()
        return [*actions, *self._stand(why)]

    def _stand(self, absent: str = "") -> list[Action]:
        """Take notice of how the device stands, and tell it where it is another state."""
        actions: list[Action] = []
        told = self._standing.take(absent if not self._present else None)
        status = self._standing.status
        if status.state is DeviceState.FAULT:
            if self._wishes.enable:
                self._wanted = self._wanted_before
                actions += self._wishes.not_enabled(DeviceFault(status.code, status.words))
            actions += self._wishes.disabled_anyway()
        if self._ready:
            actions += self._wishes.is_ready() + self._check_wanted()
        return [*actions, *told]

    def _check_wanted(self) -> list[Action]:
        """What was wished before its table was known."""
        if not self._wishes.enable:
            return []
        try:
            self._check(self._wanted)
        except Refused as refused:
            self._wanted = self._wanted_before
            return self._wishes.not_enabled(refused)
        return []
