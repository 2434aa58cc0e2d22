"""What is asked of the protocol from above: one request a method of the role, each finished as it says."""

from dataclasses import dataclass

from hardware.slip import Slip
from wire.receipt import Operator, Receipt


@dataclass(frozen=True, slots=True)
class RegisterReceipt:
    """Finished with its `FiscalDocument`."""

    receipt: Receipt
    reference: str


@dataclass(frozen=True, slots=True)
class OpenShift:
    """Finished with its `FiscalDocument`."""

    reference: str
    operator: Operator | None = None


@dataclass(frozen=True, slots=True)
class CloseShift:
    """Finished with its `FiscalDocument`."""

    reference: str
    operator: Operator | None = None


@dataclass(frozen=True, slots=True)
class Cash:
    """`kind` is "cash_in" or "cash_out". Finished with the register's own document."""

    kind: str
    minor: int
    reference: str


@dataclass(frozen=True, slots=True)
class PrintSlip:
    """Finished with None once it is on paper."""

    slip: Slip
    reference: str


@dataclass(frozen=True, slots=True)
class Find:
    """Finished with a `FiscalDocument` or None."""

    number: int


@dataclass(frozen=True, slots=True)
class XReport:
    """Finished with None."""


@dataclass(frozen=True, slots=True)
class PrintCopy:
    """Finished with None."""


@dataclass(frozen=True, slots=True)
class OpenDrawer:
    """Finished with None."""


@dataclass(frozen=True, slots=True)
class ReadStatus:
    """Finished with a `RegisterStatus`."""


@dataclass(frozen=True, slots=True)
class AwaitReady:
    """Finished with None once the register is set up; `DeviceFault` when it is out of service."""
