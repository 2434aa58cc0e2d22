"""The fiscal register's role on ATOL's web server."""

import uuid
from typing import Protocol as Shape

from hardware.atol.orders import (
    AwaitReady,
    ChangeShift,
    Find,
    MoveCash,
    Print,
    PrintSlip,
    ReadStatus,
    Register,
)
from hardware.atol.protocol import AtolProtocol
from hardware.atol.steps import Timing
from hardware.atol.web import WebEnd
from hardware.errors import DeviceError, DeviceFault, TransportError
from hardware.events import DeviceState
from hardware.journal import DeviceJournal
from hardware.ports import Port
from hardware.protocol import Memory
from hardware.roles import FiscalRegister, RegisterStatus, Status
from hardware.slip import Slip
from wire.money import Money
from wire.receipt import FiscalDocument, Operator, Receipt

CALL_S = 200.0  # above a command's wait for its turn and its own limits (`Timing.answer_s` twice)


class Wrapping(Shape):
    """Such as a trace."""

    def wrap(self, port: Port) -> Port:
        """The same port, watched."""


class AtolRegister(FiscalRegister):
    """One register behind a web server.

    Args:
        url: the server, `http://host:port` (https too), or `sim://atol` for a simulated one.
        login, password: of HTTP Basic; never in a log, a trace apart.
        api: "v2", or "v1" for drivers that only know `/requests`.
        device: which of the server's registers (`deviceID`), "" for its default one.
        operator: the cashier on documents for which the caller names nobody, and his tax number.
        measure: every line's unit, such as "piece", where the register wants one.

    Raises:
        ValueError: a setting is wrong.
    """

    def __init__(
        self,
        name: str,
        url: str,
        journal: DeviceJournal,
        *,
        login: str = "",
        password: str = "",
        api: str = "v2",
        device: str = "",
        operator: str = "",
        operator_tax_number: str = "",
        measure: str = "",
        timing: Timing | None = None,
        trace: Wrapping | None = None,
    ) -> None:
        if api not in ("v2", "v1"):
            raise ValueError(f"{name}: api: {api!r} is neither v2 nor v1")
        self._name = name
        cashier = Operator(operator, operator_tax_number) if operator else None

        def protocol(memory: Memory) -> AtolProtocol:
            return AtolProtocol(
                name,
                memory,
                nonce=uuid.uuid4().hex,
                api=api,
                device=device,
                cashier=cashier,
                measure=measure,
                timing=timing,
            )

        self._web = WebEnd(
            name=name,
            url=url,
            login=login,
            password=password,
            protocol=protocol,
            journal=journal,
            wrap=None if trace is None else trace.wrap,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name} {self._web.address}>"

    # The role

    @property
    def name(self) -> str:
        return self._name

    @property
    def status(self) -> Status:
        try:
            return self._web.protocol.status
        except TransportError:
            return Status(state=DeviceState.ABSENT, words="not opened")

    async def open(self) -> None:
        await self._web.open()

    async def close(self) -> None:
        await self._web.close()

    async def ready(self, timeout_s: float) -> None:
        try:
            await self._call(AwaitReady(), "wait", timeout_s)
        except DeviceError:
            status = self.status
            if status.state is DeviceState.FAULT:
                raise DeviceFault(status.code, status.words) from None
            raise TransportError(f"{self._name}: {status.words or 'no answer'} ({status.state})") from None

    async def read_status(self) -> RegisterStatus:
        status = await self._call(ReadStatus(), "tell how it stands")
        assert isinstance(status, RegisterStatus)
        return status

    async def open_shift(self, reference: str, operator: Operator | None = None) -> FiscalDocument:
        return _document(await self._call(ChangeShift("openShift", reference, operator), f"open shift {reference!r}"))

    async def close_shift(self, reference: str, operator: Operator | None = None) -> FiscalDocument:
        return _document(await self._call(ChangeShift("closeShift", reference, operator), f"close shift {reference!r}"))

    async def register(self, receipt: Receipt, reference: str) -> FiscalDocument:
        return _document(await self._call(Register(receipt, reference), f"register {reference!r}"))

    async def cash_in(self, amount: Money, reference: str) -> None:
        await self._call(MoveCash("cashIn", amount, reference), f"put in {amount} {reference!r}")

    async def cash_out(self, amount: Money, reference: str) -> None:
        await self._call(MoveCash("cashOut", amount, reference), f"take out {amount} {reference!r}")

    async def x_report(self) -> None:
        await self._call(Print("reportX"), "print the X report")

    async def find(self, number: int) -> FiscalDocument | None:
        found = await self._call(Find(number), f"find document {number}")
        return None if found is None else _document(found)

    async def print_copy(self) -> None:
        await self._call(Print("printLastReceiptCopy"), "print a copy of the last receipt")

    async def print_slip(self, slip: Slip, reference: str) -> None:
        await self._call(PrintSlip(slip, reference), f"print the slip {reference!r}")

    async def _call(self, command: object, what: str, timeout_s: float = CALL_S) -> object:
        return await self._web.call(command, what=f"{self._name}: {what}", timeout_s=timeout_s)


def _document(result: object) -> FiscalDocument:
    if not isinstance(result, FiscalDocument):
        raise TypeError(f"a fiscal document came back as {result!r}")
    return result
