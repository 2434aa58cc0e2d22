"""Setting a device up: what it is asked before it may take notes, in which order, and what it said.

The document's order is: poll until it answers, RESET, poll until DISABLED, then status, table, identification,
security. Some of it is done earlier where the device allows it, because money may depend on it: behind a power cut
table and identification are read before RESET, so that a note that BILL STACKED tells of is known; a Bill-to-Bill unit
is asked what the power cut interrupted (POWER RECOVERY) before RESET makes it forget.

Source: CCNET, Document 1, rev. 2.6.0, power-up and command table.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum, auto

from hardware.ccnet import commands
from hardware.ccnet.bill_table import ENTRY_BYTES, TYPES_WIDE, BillType, money_of
from hardware.ccnet.commands import Command
from hardware.ccnet.exchange import End, Ended
from hardware.ccnet.states import FAULTS, POWERED_UP, State
from hardware.roles import Identity
from wire.money import Money

REFUSALS_MAX = 5  # how often a question may be answered 30 before it is left out


class Step(Enum):
    """One question of setting up."""

    TABLE = auto()
    IDENTIFICATION = auto()
    RECOVERY = auto()
    RESET = auto()
    STATUS = auto()
    SECURITY = auto()
    COUNTER = auto()


_QUESTION: Mapping[Step, Command] = {
    Step.TABLE: commands.GET_BILL_TABLE,
    Step.IDENTIFICATION: commands.IDENTIFICATION,
    Step.RECOVERY: commands.POWER_RECOVERY,
    Step.RESET: commands.RESET,
    Step.STATUS: commands.GET_STATUS,
    Step.SECURITY: commands.SET_SECURITY,
    Step.COUNTER: commands.GET_COUNTER,
}
_RESETTABLE = (POWERED_UP | FAULTS | {State.IDLING, State.DISABLED}) - {State.CASSETTE_OUT}
_READABLE = POWERED_UP | FAULTS | {State.DISABLED}
_CALM = frozenset({State.IDLING, State.DISABLED})
_COUNTABLE = _CALM | FAULTS | {State.ESCROW, State.HOLDING}


class Setup:
    """What is still to be asked, and what was answered."""

    def __init__(
        self,
        *,
        currency: str,
        country: str | None,
        countries: Mapping[str, str],
        security: frozenset[Decimal],
        bill_to_bill: bool,
    ) -> None:
        self._currency, self._country, self._countries = currency, country, countries
        self._security = security
        self._bill_to_bill = bill_to_bill
        self._refusals: dict[Step, int] = {}
        self.todo: list[Step] = []
        self.powered_up = False  # it was switched on, and is not reset since
        self.identity = Identity()
        self.table: dict[int, BillType] | None = None
        self.table_read = False  # and since the device was last out of sight: it may be another one now
        self.known: dict[int, Money] = {}
        self.wide = False
        self.has_counter = True
        self.mask: frozenset[int] | None = None  # what the device was told; None: it may not know any more

    @property
    def done(self) -> bool:
        """Whether the device may be used. Its counter may still be looked at."""
        return self.table is not None and all(step is Step.COUNTER for step in self.todo)

    @property
    def mask_bytes(self) -> int:
        """How long a mask of bill types is."""
        return 6 if self.wide else 3

    def begin(self, *, powered_up: bool, reset: bool) -> None:
        """All anew: it was switched on, or was out of reach."""
        read = [Step.TABLE, Step.IDENTIFICATION]
        recovery = [Step.RECOVERY] if self._bill_to_bill else []
        if powered_up:
            first = [*read, *recovery, Step.RESET, Step.STATUS]
        else:
            first = [*([Step.RESET] if reset else []), Step.STATUS, *read]
        self.todo = [*first, Step.SECURITY, Step.COUNTER]
        self.powered_up = powered_up
        self.table_read = False
        self.mask = None
        self._refusals.clear()

    def initialising(self) -> None:
        """It initialises by itself, as when the cassette comes back: masks are to be told again."""
        self.mask = None
        for step in (Step.SECURITY, Step.COUNTER):
            if step not in self.todo:
                self.todo.append(step)

    def look_at_counter(self) -> None:
        """Soon."""
        if self.has_counter and Step.COUNTER not in self.todo:
            self.todo.append(Step.COUNTER)

    def question(self, state: int, *, empty: bool) -> tuple[Command, bytes] | None:
        """What to ask now, if the state allows it. `empty`: no note is inside by our knowledge."""
        while self.todo and self.todo[0] is Step.RECOVERY and state not in POWERED_UP:
            self.todo.pop(0)
        if not self.todo:
            return None
        step = self.todo[0]
        match step:
            case Step.RESET:
                allowed = state in _RESETTABLE and (empty or state in POWERED_UP)
            case Step.TABLE | Step.IDENTIFICATION:
                if state == State.IDLING:
                    return commands.ENABLE_BILL_TYPES, self.mask_command(frozenset())
                allowed = state in _READABLE
            case Step.RECOVERY:
                allowed = True
            case Step.COUNTER:
                allowed = state in _COUNTABLE
            case _:
                allowed = state in _CALM
        if not allowed:
            return None
        command = _QUESTION[step]
        fields = {"security": (self._strict(), self.mask_bytes)} if step is Step.SECURITY else {}
        return command, command.encode(fields)

    def mask_command(self, types: frozenset[int]) -> bytes:
        """ENABLE BILL TYPES, all of them held in escrow."""
        masked = (frozenset(number for number in types if number < 8 * self.mask_bytes), self.mask_bytes)
        return commands.ENABLE_BILL_TYPES.encode({"enable": masked, "escrow": masked})

    def urgent(self, step: Step) -> tuple[Command, bytes]:
        """That question, whatever the state."""
        return _QUESTION[step], _QUESTION[step].encode()

    def ended(self, ended: Ended) -> str | None:
        """A question of setting up is over; words for the log where something is odd."""
        step = next((step for step, command in _QUESTION.items() if command is ended.command), None)
        if step is None:
            return None
        match ended.end:
            case End.SILENT:
                return None
            case End.ILLEGAL:
                return self._refused(step)
            case End.AGREED:
                self._tick(step)
                return None
            case End.ANSWERED:
                try:
                    self._read(step, commands.read_fields(ended.command.reply, ended.data), len(ended.data))
                except ValueError as error:
                    self._refused(step, nonsense=True)
                    return f"{ended.command.name} was answered against the protocol: {error}"
                self._tick(step)
                return None

    def _read(self, step: Step, fields: Mapping[str, object], size: int) -> None:
        match step, fields:
            case Step.STATUS, _:
                self.wide = self.wide if self.table_read else size == 12
            case Step.TABLE, {"bills": dict() as table}:
                self.table, self.table_read = table, True
                self.wide = size == ENTRY_BYTES * TYPES_WIDE
                self.known = money_of(table, self._currency, self._country, self._countries)
            case Step.IDENTIFICATION, {"part": str() as part, "serial": str() as serial}:
                if serial != self.identity.serial:
                    self.has_counter = True  # until it says otherwise
                self.identity = Identity(maker="CashCode", model=part, serial=serial)

    def _tick(self, step: Step) -> None:
        self._refusals.pop(step, None)
        if step in self.todo:
            self.todo.remove(step)
        if step is Step.RESET:
            self.powered_up = False

    def _refused(self, step: Step, *, nonsense: bool = False) -> str | None:
        """30, or nonsense: later, or never."""
        self._refusals[step] = self._refusals.get(step, 0) + 1
        name = _QUESTION[step].name
        if step is Step.COUNTER and nonsense and self._refusals[step] < REFUSALS_MAX:
            return None
        if step is Step.COUNTER:
            had, self.has_counter = self.has_counter, False
            self._tick(step)
            return "it has no counter of stacked notes" if had else None
        if step in (Step.TABLE, Step.IDENTIFICATION) and Step.RESET in self.todo and step in self.todo:
            self.todo.remove(step)  # not in this state: when it is set up
            self.todo.insert(self.todo.index(Step.SECURITY) if Step.SECURITY in self.todo else len(self.todo), step)
            return None
        if self._refusals[step] < REFUSALS_MAX or step is Step.TABLE:
            return None
        self._tick(step)
        return f"{name} is not answered; it is left out"

    def _strict(self) -> frozenset[int]:
        """The types to be checked more strictly."""
        fit = 8 * self.mask_bytes
        return frozenset(number for number, bill in self.known.items() if number < fit and bill.major in self._security)
