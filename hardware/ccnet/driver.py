"""A CCNET bill validator as the appliance's `BillValidator`."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from hardware.bills import BillProtocol, LinkedBillValidator
from hardware.ccnet.bill_table import COUNTRIES
from hardware.ccnet.frames import Address
from hardware.ccnet.protocol import BAUDS, CcnetProtocol
from hardware.journal import DeviceJournal
from hardware.link import Link
from hardware.ports import LineSettings

if TYPE_CHECKING:
    from hardware.trace import Trace

_ADDRESSES = (Address.BILL_VALIDATOR, Address.BILL_TO_BILL)


class CcnetBillValidator(LinkedBillValidator):
    """CashCode SM, MSM, MVU, MFL, FLS, or a Bill-to-Bill unit as an acceptor.

    Args:
        name: what the owner calls it.
        url: its port.
        journal: its page.
        currency: ISO 4217, of the notes it is to take; all other entries of its bill table are refused.
        country: the three letters that stand for this currency in its table, where the map does not know them.
        countries: letters of tables -> currency, in the place of `bill_table.COUNTRIES`.
        baud: 9600 or 19200 as its DIP switch says; None tries both.
        address: 3, or 1 for a Bill-to-Bill unit.
        security: denominations, in major units, that it is to check more strictly (and reject more of).
        trace: where every byte is written, if anywhere.

    Raises:
        ValueError: a setting is wrong; names it.
    """

    def __init__(
        self,
        name: str,
        url: str,
        journal: DeviceJournal,
        *,
        currency: str,
        country: str | None = None,
        countries: Mapping[str, str] = COUNTRIES,
        baud: int | None = None,
        address: int = Address.BILL_VALIDATOR,
        security: Collection[Decimal | int] = (),
        trace: "Trace | None" = None,
    ) -> None:
        if len(currency) != 3 or not currency.isascii() or not currency.isupper():
            raise ValueError(f"{name}.currency: {currency!r} is not an ISO 4217 code such as KZT")
        if country is not None and len(country) != 3:
            raise ValueError(f"{name}.country: {country!r} is not three letters such as KAZ")
        if country is None and currency not in countries.values():
            raise ValueError(f"{name}.country: say which letters stand for {currency} in the device's bill table")
        if baud is not None and baud not in BAUDS:
            raise ValueError(f"{name}.baud: {baud} is not a rate this validator knows; it knows 9600 and 19200")
        if address not in _ADDRESSES:
            raise ValueError(f"{name}.address: is {address}, must be 3 (bill validator) or 1 (Bill-to-Bill)")
        bauds = BAUDS if baud is None else (baud,)
        strict = frozenset(Decimal(value) for value in security)
        link = Link[BillProtocol](
            name=name,
            url=url,
            line=LineSettings(baud=bauds[0]),
            protocol=lambda memories: CcnetProtocol(
                memories[""],
                currency=currency,
                address=address,
                country=country,
                countries=countries,
                security=strict,
                bauds=bauds,
            ),
            journals={"": journal},
            wrap=None if trace is None else trace.wrap,
        )
        super().__init__(name, link)
