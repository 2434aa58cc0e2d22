"""What an appliance asks of a device, whatever its family: small roles, in the appliance's words.

A driver is built closed, with a name, a port's URL, its settings and its page of the journal (`DeviceJournal`), and
opened once. From then on it keeps the line by itself: it reopens a port that went away, sets the device up again and
resolves what was open when it went, telling all of it as events into the journal. Its methods ask for one thing each
and end in one of five ways:

    a result               it happened, and the event that says so is written down
    TransportError         no link now; nothing was begun
    Refused, DeviceFault   the device said no, or is out of service; surely nothing happened
    OutcomeUnknown         it may have happened; an event (`late=True`, or an *Unclear) settles it when it is known

A caller that is cancelled or stops waiting changes nothing: what was begun is told by its event.

`reference` is the caller's own name for an operation, such as a request id. Asked again for one that is known, a
driver does not do it again: it gives the same result, or joins the one that is running. Drivers remember the last
operation of each device; the caller's journal remembers the others.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from hardware.events import DeviceState
from hardware.slip import Slip
from wire.money import Money
from wire.receipt import FiscalDocument, Operator, Receipt


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the device says it is; empty where it does not say."""

    maker: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a device stands now, without asking it."""

    state: DeviceState
    code: str = ""  # the family's own
    words: str = ""  # for an operator
    identity: Identity = Identity()
    skipped_bytes: int = 0  # noise since it was opened
    repeats: int = 0  # frames sent again since it was opened


class Device(ABC):
    """What every driver can do."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the owner calls it: "bills"."""

    @abstractmethod
    async def open(self) -> None:
        """Begin to keep the link. Returns at once; `status` and events tell how it goes. Opened once."""

    @abstractmethod
    async def close(self) -> None:
        """Stop. A note on its way is waited for (30 s at most), a document too; then the port is given back."""

    @property
    @abstractmethod
    def status(self) -> Status:
        """As it was last heard."""

    @property
    def failed(self) -> str:
        """Why this driver does nothing more and must be closed and built anew. Empty: it works."""
        return ""

    @abstractmethod
    async def ready(self, timeout_s: float) -> None:
        """Wait until the device is identified and set up.

        Raises:
            TransportError, DeviceFault: it is not, within the time; says why.
        """


class BillValidator(Device):
    """Takes notes, one at a time. Disabled when opened."""

    @property
    @abstractmethod
    def denominations(self) -> Collection[Money]:
        """The notes it knows; empty until it is ready."""

    @abstractmethod
    async def enable(self, accept: Collection[Money] | None = None) -> None:
        """Take these notes from now on (None: all it knows), each held in escrow until told what to do with it.

        Holds across losses of link and power cuts of the device, until `disable` or `close`.

        Raises:
            Refused: a note it does not know.
        """

    @abstractmethod
    async def disable(self) -> None:
        """Take no more notes. One that is being stacked is stacked; one in escrow goes back."""

    @abstractmethod
    async def stack(self, escrow: int) -> Money:
        """Keep the note that `BillEscrowed` named; returns once `BillStacked` is written down.

        Raises:
            Refused: it is not (or no longer) in escrow: it goes back, or it went either way before and was told then.
                No credit comes of this call.
            OutcomeUnknown: the link was lost after the order; a late event with this `escrow` settles it.
        """

    @abstractmethod
    async def give_back(self, escrow: int) -> None:
        """Give it back; returns once `BillReturned` is written down. Raises as `stack`."""

    @abstractmethod
    async def hold(self, escrow: int, seconds: float) -> None:
        """Keep it in escrow that much longer, where the device would give it back sooner. Raises `Refused`."""


class CoinAcceptor(Device):
    """Takes coins; there is no escrow. Disabled when opened."""

    @property
    @abstractmethod
    def denominations(self) -> Collection[Money]:
        """The coins it knows; empty until it is ready."""

    @abstractmethod
    async def enable(self, accept: Collection[Money] | None = None) -> None:
        """Take these coins (None: all it knows), each told by `CoinAccepted`. As `BillValidator.enable`."""

    @abstractmethod
    async def disable(self) -> None:
        """Take no more coins. Those already inside are still told."""


@dataclass(frozen=True, slots=True)
class Payout:
    """What left a hopper by its own count."""

    asked: int
    paid: int
    words: str = ""  # why it paid less


class CoinHopper(Device):
    """Pays coins of one kind."""

    @property
    @abstractmethod
    def coin(self) -> Money:
        """What it is filled with, by configuration."""

    @abstractmethod
    async def pay_out(self, count: int, reference: str) -> Payout:
        """Pay `count` coins; returns once `PayoutEnded` is written down. Paying less than asked is a result.

        Raises:
            Refused: it did not begin; no coin left.
            OutcomeUnknown: `PayoutUnclear` is written down, or a late `PayoutEnded` will be.
        """


class Paper(msgspec.Struct, frozen=True):
    """What goes into a line, for whoever lays out a slip. Of a device that does not tell, a guess on the safe side."""

    columns: int = 32  # letters of the usual size
    stand_ins: Mapping[str, str] = {}  # letters that come out as others, of which there may be more or fewer

    def letters(self, text: str) -> int:
        """How many columns a text takes."""
        return len(text) + sum(len(self.stand_ins[letter]) - 1 for letter in text if letter in self.stand_ins)


class ShiftState(msgspec.Struct, frozen=True, kw_only=True):
    """A register's shift: "closed", "open", or "expired" (open for more than 24 hours)."""

    state: str
    number: int | None = None


class RegisterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a register says when it is asked."""

    shift: ShiftState
    last_document: int | None = None  # number of the last fiscal document
    document_open: bool = False
    paper: bool | None = None
    unsent: int | None = None  # documents the data operator has not confirmed
    unsent_since: str = ""
    storage: str = ""  # serial number of its fiscal storage
    clock: str = ""
    words: str = ""  # what hinders it now, for an operator


class RegisterTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What a register has counted by itself over all its shifts; None where it does not say."""

    drawer: Money | None = None  # cash in its drawer
    receipts: int | None = None  # receipts it closed, of every kind but corrections
    receipts_wrap: int | None = None  # behind one less than this that count begins again at 0


class FiscalRegister(Device):
    """Registers documents and prints them, each once."""

    @abstractmethod
    async def read_status(self) -> RegisterStatus:
        """Ask the device. Raises `TransportError`."""

    async def read_totals(self) -> RegisterTotals:
        """Ask for its own counts; returns once `TotalsRead` is written down. Raises as `read_status`.

        Of a family that has no words for it nothing is asked, nothing is written, and all of it is None.
        """
        return RegisterTotals()

    @abstractmethod
    async def open_shift(self, reference: str, operator: Operator | None = None) -> FiscalDocument:
        """Raises `Refused` when one is open; otherwise as `register`."""

    @abstractmethod
    async def close_shift(self, reference: str, operator: Operator | None = None) -> FiscalDocument:
        """The Z report. Raises `Refused` when none is open; otherwise as `register`."""

    @abstractmethod
    async def register(self, receipt: Receipt, reference: str) -> FiscalDocument:
        """Register and print a receipt; returns once `DocumentRegistered` is written down.

        Opens no shift and closes none: that is the owner's rule. `Receipt.paper` False is a wish: a register that
        cannot do without paper prints all the same. `FiscalDocument.printed` tells of the paper.

        Raises:
            Refused, DeviceFault: surely not registered; a begun receipt was cancelled.
            OutcomeUnknown: a late `DocumentRegistered`, `DocumentAbsent` or `DocumentUnclear` settles it.
        """

    def objections(self, receipt: Receipt) -> list[str]:
        """What it would refuse in a receipt by its own settings, in words; told without asking it, so never all."""
        return []

    @abstractmethod
    async def cash_in(self, amount: Money, reference: str) -> None:
        """Money put into the drawer without a sale; returns once `CashMoved` is written down. Raises as `register`."""

    @abstractmethod
    async def cash_out(self, amount: Money, reference: str) -> None:
        """Money taken out; `amount` is above 0, that of `CashMoved` below. As `cash_in`."""

    @abstractmethod
    async def x_report(self) -> None:
        """Print the shift's totals; changes nothing. Raises `OutcomeUnknown` when it may be on paper."""

    @abstractmethod
    async def find(self, number: int) -> FiscalDocument | None:
        """A document by its number, or None when the storage has none such."""

    @abstractmethod
    async def print_copy(self) -> None:
        """Print the last document again, marked as a copy by the register."""

    @property
    def paper(self) -> Paper:
        """As `ReceiptPrinter.paper`."""
        return Paper()

    @abstractmethod
    async def print_slip(self, slip: Slip, reference: str) -> None:
        """Print what is no fiscal document. Raises as `ReceiptPrinter.print_slip`."""


class PrinterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a printer says of itself; None where it does not say."""

    online: bool
    paper: bool | None = None
    paper_low: bool | None = None
    cover_open: bool | None = None
    words: str = ""  # what hinders it, for an operator


class ReceiptPrinter(Device):
    """Prints slips that are no fiscal documents."""

    @property
    def paper(self) -> Paper:
        """What goes into a line of it, by its settings."""
        return Paper()

    @abstractmethod
    async def read_status(self) -> PrinterStatus:
        """Ask the device. Raises `TransportError`."""

    @abstractmethod
    async def print_slip(self, slip: Slip, reference: str, *, copy: bool = False) -> None:
        """Print it; returns once the printer confirmed that it is on paper and `SlipPrinted` is written down.

        Args:
            copy: print a line that says so above it.

        Raises:
            Refused: it holds what this printer cannot print; nothing was sent.
            DeviceFault, TransportError: nothing was printed.
            OutcomeUnknown: it may be on paper; `SlipUnclear` is written down. Only a marked copy may follow.
        """
