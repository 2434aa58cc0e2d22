"""The role: a bill validator that speaks SSP."""

from hardware.bills import BillProtocol, LinkedBillValidator
from hardware.journal import DeviceJournal
from hardware.link import Link
from hardware.ports import LineSettings
from hardware.ssp.protocol import SspProtocol
from hardware.trace import Trace

LINE = LineSettings(baud=9600, parity="N", stop_bits=2)


class SspValidator(LinkedBillValidator):
    """An ITL validator.

    Args:
        name: what the owner calls it.
        url: its port.
        journal: its page.
        address: 0 for a validator, unless it was set otherwise.
        escrow_s: how long a note that nobody decides on is held.
        trace: writes every byte down.
    """

    def __init__(
        self,
        name: str,
        url: str,
        journal: DeviceJournal,
        *,
        address: int = 0,
        escrow_s: float = 30.0,
        trace: Trace | None = None,
    ) -> None:
        link: Link[BillProtocol] = Link(
            name=name,
            url=url,
            line=LINE,
            protocol=lambda memories: SspProtocol(memories[""], address=address, escrow_s=escrow_s),
            journals={"": journal},
            wrap=None if trace is None else trace.wrap,
        )
        super().__init__(name, link)
