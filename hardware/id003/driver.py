"""The role: a bill validator that speaks ID-003."""

from collections.abc import Mapping
from typing import Literal

from hardware.bills import BillProtocol, LinkedBillValidator
from hardware.id003.commands import STACK_1, STACK_2
from hardware.id003.protocol import Id003Protocol
from hardware.journal import DeviceJournal
from hardware.link import Link
from hardware.ports import LineSettings
from hardware.trace import Trace

LINE = LineSettings(baud=9600, parity="E", stop_bits=1)


class Id003Validator(LinkedBillValidator):
    """A JCM validator.

    Args:
        name: what the owner calls it.
        url: its port.
        journal: its page.
        baud: 9600; newer units can be set to 19200.
        credit: when the device tells of a note: "gate" (STACK-1: it is past the point of no return) or "stacker"
            (STACK-2: it lies in the stacker).
        currency: what notes of a country not known here are in, such as "KGS".
        countries: currencies by the device's country numbers.
        escrow_s: how long a note that nobody decides on is kept.
        trace: writes every byte down.
    """

    def __init__(
        self,
        name: str,
        url: str,
        journal: DeviceJournal,
        *,
        baud: int = 9600,
        credit: Literal["gate", "stacker"] = "gate",
        currency: str | None = None,
        countries: Mapping[int, str] | None = None,
        escrow_s: float = 30.0,
        trace: Trace | None = None,
    ) -> None:
        link: Link[BillProtocol] = Link(
            name=name,
            url=url,
            line=LineSettings(baud=baud, parity=LINE.parity, stop_bits=LINE.stop_bits),
            protocol=lambda memories: Id003Protocol(
                memories[""],
                stack=STACK_1 if credit == "gate" else STACK_2,
                currency=currency,
                countries=countries,
                escrow_s=escrow_s,
            ),
            journals={"": journal},
            wrap=None if trace is None else trace.wrap,
        )
        super().__init__(name, link)
