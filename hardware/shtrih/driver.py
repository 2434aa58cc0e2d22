"""The role `FiscalRegister` for Shtrih-M registers."""

from collections.abc import Callable, Mapping
from typing import Protocol as Duck

from hardware.errors import DeviceFault, Refused, TransportError
from hardware.events import DeviceState
from hardware.journal import DeviceJournal
from hardware.link import Link
from hardware.ports import LineSettings, Port
from hardware.roles import FiscalRegister, RegisterStatus, Status
from hardware.shtrih.line import BYTE_SERIAL_S, BYTE_TCP_S
from hardware.shtrih.plan import TAXES, Settings
from hardware.shtrih.protocol import LINKS, ShtrihProtocol
from hardware.shtrih.requests import (
    AwaitReady,
    Cash,
    CloseShift,
    Find,
    OpenDrawer,
    OpenShift,
    PrintCopy,
    PrintSlip,
    ReadStatus,
    RegisterReceipt,
    XReport,
)
from hardware.slip import Slip
from wire.money import Money
from wire.receipt import FiscalDocument, Operator, Receipt, Tax, TaxSystem

ASK_S = 60.0
DOCUMENT_S = 300.0  # above the protocol's own limits: three attempts, each asked after, and what is printed
CLOSE_S = 60.0
FISCAL = ("fn", "base")


class Tracing(Duck):
    """What writes every byte down."""

    def wrap(self, port: Port) -> Port:
        """Put itself around a port."""


class ShtrihRegister(FiscalRegister):
    """A register by URL, as `/dev/serial/by-id/…` or `tcp://192.168.137.111:7778`.

    Args:
        name: what the owner calls it.
        url: see `ports.open_port`.
        journal: its page.
        baud: 115200 or 4800 by model; a TCP or USB line ignores it.
        link: "auto", "v1" or "v2", the link layer.
        fiscal: "fn", or "base" for a register without fiscal storage commands (not confirmed by any source).
        currency: of all sums.
        password, admin_password: of the cashier and of the system administrator; the factory sets 30 for the latter.
        taxes: the register's tax group for each rate, as its own tables have them.
        tax_system: the seller's, for receipts that name none.
        poll_s: how often it is looked at.
        trace: writes every byte down.

    Raises:
        ValueError: `link` or `fiscal` is none of the above.
    """

    def __init__(
        self,
        name: str,
        url: str,
        journal: DeviceJournal,
        *,
        baud: int = 115200,
        link: str = "auto",
        fiscal: str = "fn",
        currency: str = "RUB",
        password: int = 30,
        admin_password: int = 30,
        taxes: Mapping[Tax, int] = TAXES,
        tax_system: TaxSystem | None = None,
        poll_s: float = 2.0,
        trace: Tracing | None = None,
    ) -> None:
        if link not in LINKS:
            raise ValueError(f"link: {link!r} is none of {', '.join(LINKS)}")
        if fiscal not in FISCAL:
            raise ValueError(f"fiscal: {fiscal!r} is none of {', '.join(FISCAL)}")
        self._name = name
        self._currency = currency
        settings = Settings(
            currency=currency,
            password=password,
            admin_password=admin_password,
            fiscal=fiscal,
            taxes=taxes,
            tax_system=tax_system,
            poll_s=poll_s,
        )
        byte_s = BYTE_TCP_S if url.startswith("tcp:") else BYTE_SERIAL_S
        wrap: Callable[[Port], Port] | None = None if trace is None else trace.wrap
        self._link: Link[ShtrihProtocol] = Link(
            name=name,
            url=url,
            line=LineSettings(baud=baud),
            protocol=lambda memories: ShtrihProtocol(memories.get("", {}), settings, link=link, byte_s=byte_s),
            journals={"": journal},
            wrap=wrap,
        )

    @property
    def name(self) -> str:
        return self._name

    async def open(self) -> None:
        await self._link.open()

    async def close(self) -> None:
        await self._link.close(CLOSE_S)

    @property
    def status(self) -> Status:
        try:
            return self._link.protocol.status
        except TransportError:
            return Status(state=DeviceState.ABSENT, words="not opened")

    async def ready(self, timeout_s: float) -> None:
        try:
            await self._call(AwaitReady(), "wait", timeout_s)
        except DeviceFault:
            raise
        except Exception:
            status = self.status
            if status.state is DeviceState.FAULT:
                raise DeviceFault(status.code, status.words) from None
            raise TransportError(f"{self._name}: {status.words or 'no answer'} ({status.state})") from None

    async def read_status(self) -> RegisterStatus:
        status = await self._call(ReadStatus(), "read the status", ASK_S)
        if not isinstance(status, RegisterStatus):
            raise TypeError(f"{self._name}: a status came back as {status!r}")
        return status

    async def open_shift(self, reference: str, operator: Operator | None = None) -> FiscalDocument:
        return await self._document(OpenShift(reference, operator), "open the shift")

    async def close_shift(self, reference: str, operator: Operator | None = None) -> FiscalDocument:
        return await self._document(CloseShift(reference, operator), "close the shift")

    async def register(self, receipt: Receipt, reference: str) -> FiscalDocument:
        """As `FiscalRegister.register`. A register that prints, prints: `Receipt.paper` is not heeded."""
        return await self._document(RegisterReceipt(receipt, reference), f"register {reference}")

    async def cash_in(self, amount: Money, reference: str) -> None:
        await self._cash("cash_in", amount, reference)

    async def cash_out(self, amount: Money, reference: str) -> None:
        await self._cash("cash_out", amount, reference)

    async def x_report(self) -> None:
        await self._call(XReport(), "print the X report", DOCUMENT_S)

    async def find(self, number: int) -> FiscalDocument | None:
        found = await self._call(Find(number), f"find document {number}", ASK_S)
        if found is not None and not isinstance(found, FiscalDocument):
            raise TypeError(f"{self._name}: a document came back as {found!r}")
        return found

    async def print_copy(self) -> None:
        await self._call(PrintCopy(), "print a copy", DOCUMENT_S)

    async def print_slip(self, slip: Slip, reference: str) -> None:
        await self._call(PrintSlip(slip, reference), f"print slip {reference}", DOCUMENT_S)

    async def open_drawer(self) -> None:
        """Open the cash drawer that hangs on the register. Raises `Refused`, `DeviceFault`, `OutcomeUnknown`."""
        await self._call(OpenDrawer(), "open the drawer", ASK_S)

    async def _cash(self, kind: str, amount: Money, reference: str) -> None:
        if amount.currency != self._currency or amount.minor <= 0:
            raise Refused("amount", f"{amount} cannot be put into or taken out of a drawer of {self._currency}")
        await self._call(Cash(kind, amount.minor, reference), f"{kind} {amount}", DOCUMENT_S)

    async def _document(self, command: object, what: str) -> FiscalDocument:
        document = await self._call(command, what, DOCUMENT_S)
        if not isinstance(document, FiscalDocument):
            raise TypeError(f"{self._name}: a document came back as {document!r}")
        return document

    async def _call(self, command: object, what: str, timeout_s: float) -> object:
        return await self._link.call(command, what=f"{self._name}: {what}", timeout_s=timeout_s)
