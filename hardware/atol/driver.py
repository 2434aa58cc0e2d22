"""The fiscal register's role on ATOL's web server."""

import uuid

from hardware.atol.protocol import AtolProtocol
from hardware.atol.receipts import receipt_task
from hardware.atol.steps import Timing
from hardware.atol.web import WebEnd
from hardware.errors import Refused
from hardware.journal import DeviceJournal
from hardware.protocol import Memory
from hardware.registers import LinkedRegister
from hardware.trace import Trace
from wire.receipt import Operator, Receipt


class AtolRegister(LinkedRegister):
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

    ask_s = document_s = 200.0  # above a command's wait for its turn and its own limits (`Timing.answer_s` twice)

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
        trace: Trace | None = None,
    ) -> None:
        if api not in ("v2", "v1"):
            raise ValueError(f"{name}: api: {api!r} is neither v2 nor v1")
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

        web = WebEnd(
            name=name,
            url=url,
            login=login,
            password=password,
            protocol=protocol,
            journal=journal,
            wrap=None if trace is None else trace.wrap,
        )
        super().__init__(name, web)
        self._cashier, self._measure = cashier, measure
        self._address = web.address

    def objections(self, receipt: Receipt) -> list[str]:
        try:
            receipt_task(receipt, self._cashier, measure=self._measure)
        except Refused as error:
            return [error.words]
        return []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self._address}>"
