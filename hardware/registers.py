"""The fiscal register's role on top of a pump, the same for every family: only the conversation differs.

A family's protocol for one register takes `AwaitReady` and the commands below and reports the events of
`hardware.events`. Its `driver` module builds a `LinkedRegister` with it.
"""

from dataclasses import dataclass

from hardware.calling import AwaitReady, LinkedDevice
from hardware.roles import FiscalRegister, RegisterStatus
from hardware.slip import Slip
from wire.money import Money
from wire.receipt import FiscalDocument, Operator, Receipt

__all__ = [
    "AwaitReady",
    "CashIn",
    "CashOut",
    "CloseShift",
    "Find",
    "LinkedRegister",
    "OpenDrawer",
    "OpenShift",
    "PrintCopy",
    "PrintSlip",
    "ReadStatus",
    "ReadTotals",
    "RegisterReceipt",
    "XReport",
]


@dataclass(frozen=True, slots=True)
class RegisterReceipt:
    """Finished with its `FiscalDocument` once `DocumentRegistered` is recorded."""

    receipt: Receipt
    reference: str


@dataclass(frozen=True, slots=True)
class OpenShift:
    """Finished with its `FiscalDocument`, as a receipt."""

    reference: str
    operator: Operator | None = None


@dataclass(frozen=True, slots=True)
class CloseShift:
    """Finished with its `FiscalDocument`, as a receipt."""

    reference: str
    operator: Operator | None = None


@dataclass(frozen=True, slots=True)
class CashIn:
    """Money put into the drawer. Finished once `CashMoved` is recorded; with what, is the family's own."""

    amount: Money
    reference: str


@dataclass(frozen=True, slots=True)
class CashOut:
    """Money taken out; `amount` is above 0. As `CashIn`."""

    amount: Money
    reference: str


@dataclass(frozen=True, slots=True)
class PrintSlip:
    """Finished with None once `SlipPrinted` is recorded."""

    slip: Slip
    reference: str


@dataclass(frozen=True, slots=True)
class PrintCopy:
    """Of the last document. Finished with None."""


@dataclass(frozen=True, slots=True)
class XReport:
    """Finished with None."""


@dataclass(frozen=True, slots=True)
class Find:
    """Finished with a `FiscalDocument` or None."""

    number: int


@dataclass(frozen=True, slots=True)
class ReadStatus:
    """Finished with a `RegisterStatus`."""


@dataclass(frozen=True, slots=True)
class ReadTotals:
    """Finished with a `RegisterTotals` once `TotalsRead` is recorded. Only for families that count for others."""


@dataclass(frozen=True, slots=True)
class OpenDrawer:
    """The cash drawer that hangs on the register. Finished with None."""


class LinkedRegister(LinkedDevice, FiscalRegister):
    """A register with a pump of its own. Both limits stand above the protocol's own."""

    ask_s = 60.0  # for a question
    document_s = 300.0  # for what is registered or printed

    async def read_status(self) -> RegisterStatus:
        status = await self._call(ReadStatus(), "read the status", self.ask_s)
        if not isinstance(status, RegisterStatus):
            raise TypeError(f"{self.name}: a status came back as {status!r}")
        return status

    async def open_shift(self, reference: str, operator: Operator | None = None) -> FiscalDocument:
        return await self._document(OpenShift(reference, operator), f"open the shift {reference!r}")

    async def close_shift(self, reference: str, operator: Operator | None = None) -> FiscalDocument:
        return await self._document(CloseShift(reference, operator), f"close the shift {reference!r}")

    async def register(self, receipt: Receipt, reference: str) -> FiscalDocument:
        return await self._document(RegisterReceipt(receipt, reference), f"register {reference!r}")

    async def cash_in(self, amount: Money, reference: str) -> None:
        await self._call(CashIn(amount, reference), f"put in {amount} {reference!r}", self.document_s)

    async def cash_out(self, amount: Money, reference: str) -> None:
        await self._call(CashOut(amount, reference), f"take out {amount} {reference!r}", self.document_s)

    async def x_report(self) -> None:
        await self._call(XReport(), "print the X report", self.document_s)

    async def find(self, number: int) -> FiscalDocument | None:
        found = await self._call(Find(number), f"find document {number}", self.ask_s)
        return None if found is None else self._checked(found)

    async def print_copy(self) -> None:
        await self._call(PrintCopy(), "print a copy of the last document", self.document_s)

    async def print_slip(self, slip: Slip, reference: str) -> None:
        await self._call(PrintSlip(slip, reference), f"print the slip {reference!r}", self.document_s)

    async def open_drawer(self) -> None:
        """Open the cash drawer that hangs on the register. Raises `Refused`, `DeviceFault`, `OutcomeUnknown`."""
        await self._call(OpenDrawer(), "open the drawer", self.ask_s)

    async def _document(self, command: object, what: str) -> FiscalDocument:
        return self._checked(await self._call(command, what, self.document_s))

    def _checked(self, document: object) -> FiscalDocument:
        if not isinstance(document, FiscalDocument):
            raise TypeError(f"{self.name}: a document came back as {document!r}")
        return document
