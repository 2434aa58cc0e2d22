"""The role `FiscalRegister` for Shtrih-M registers."""

from collections.abc import Mapping

from hardware.errors import Refused
from hardware.journal import DeviceJournal
from hardware.link import Link
from hardware.ports import LineSettings
from hardware.registers import LinkedRegister, ReadTotals
from hardware.roles import RegisterTotals
from hardware.shtrih.line import BYTE_SERIAL_S, BYTE_TCP_S
from hardware.shtrih.plan import TAXES, Settings, plan
from hardware.shtrih.protocol import LINKS, ShtrihProtocol
from hardware.trace import Trace
from wire.receipt import Receipt, Tax, TaxSystem

FISCAL = ("fn", "base")


class ShtrihRegister(LinkedRegister):
    """A register by URL, as `/dev/serial/by-id/…` or `tcp://192.168.137.111:7778`.

    It always prints: no command that is known here registers a receipt without paper, so that `Receipt.paper` False
    changes nothing, and a register without paper refuses such a receipt as well.

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
        ValueError: `link` or `fiscal` is none of the above, or a password is no number of 4 bytes.
    """

    close_s = 60.0

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
        trace: Trace | None = None,
    ) -> None:
        if link not in LINKS:
            raise ValueError(f"link: {link!r} is none of {', '.join(LINKS)}")
        if fiscal not in FISCAL:
            raise ValueError(f"fiscal: {fiscal!r} is none of {', '.join(FISCAL)}")
        for setting, number in (("password", password), ("admin_password", admin_password)):
            if not 0 <= number < 1 << 32:
                raise ValueError(f"{setting}: is a number of 4 bytes, from 0 to 4294967295")  # and is told nowhere
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
        pump = Link(
            name=name,
            url=url,
            line=LineSettings(baud=baud),
            protocol=lambda memories: ShtrihProtocol(memories.get("", {}), settings, link=link, byte_s=byte_s),
            journals={"": journal},
            wrap=None if trace is None else trace.wrap,
        )
        super().__init__(name, pump)
        self._settings = settings

    async def read_totals(self) -> RegisterTotals:
        totals = await self._call(ReadTotals(), "read the totals", self.ask_s)
        if not isinstance(totals, RegisterTotals):
            raise TypeError(f"{self.name}: totals came back as {totals!r}")
        return totals

    def objections(self, receipt: Receipt) -> list[str]:
        try:
            plan(receipt, self._settings)
        except Refused as error:
            return [error.words]
        return []
