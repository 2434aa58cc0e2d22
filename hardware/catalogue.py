"""What there is, by the names that owners and engineers use: drivers, protocols to decode, simulators, probes.

Nothing is imported before it is asked for, and each entry is one line; a new family is added here and in `setup.cfg`.
"""

import difflib
import importlib
import inspect
from abc import ABCMeta
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from hardware.explain import Explained, Explainer
from hardware.probe import Probe
from hardware.roles import BillValidator, CoinAcceptor, CoinHopper, Device, FiscalRegister, ReceiptPrinter
from hardware.simulation.families import FAMILIES as SIMULATORS
from hardware.simulation.families import find_simulator

__all__ = [
    "DRIVERS", "PROBED", "PROTOCOLS", "SIMULATORS", "DriverEntry", "NotInCatalogue", "bare", "explainer", "find_driver",
    "find_simulator", "probes",
]  # fmt: skip


_NOT_SET_BY_OWNERS = ("trace", "timing")


class NotInCatalogue(ValueError):
    """There is none by that name; `str()` says what there is."""


@dataclass(frozen=True, slots=True)
class DriverEntry:
    """One driver.

    `role` is a kind of `roles.Device`; `protocol` what `decode` calls its line ("" where it speaks HTTP). `asked` are
    settings that an owner alone can know, though they have a default because they may be said in another way.
    """

    name: str
    family: str
    role: ABCMeta
    protocol: str
    words: str
    asked: tuple[str, ...] = ()

    def load(self) -> type[Device]:
        """Its class: built as `cls(name, url, journal, **settings)`; on a bus a `Bus` may stand in the URL's place."""
        module = importlib.import_module(f"hardware.{self.family}.driver")
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, self.role) and found.__module__ == module.__name__:
                return cast("type[Device]", found)
        raise LookupError(f"{module.__name__} has no {self.role.__name__}")

    def settings(self) -> Mapping[str, inspect.Parameter]:
        """What an owner may set: its constructor's keywords with types and defaults, but for what tests move."""
        parameters = inspect.signature(self.load()).parameters.values()
        named = {each.name: each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}
        for name in _NOT_SET_BY_OWNERS:
            named.pop(name, None)
        return MappingProxyType(named)


DRIVERS: Mapping[str, DriverEntry] = MappingProxyType({
    entry.name: entry
    for entry in (
        DriverEntry("ccnet", "ccnet", BillValidator, "ccnet", "CashCode bill validator (CCNET)"),
        DriverEntry("id003", "id003", BillValidator, "id003", "JCM bill validator (ID-003)"),
        DriverEntry("ssp", "ssp", BillValidator, "itl-ssp", "ITL bill validator (SSP)"),
        DriverEntry("cctalk-bill", "cctalk", BillValidator, "cctalk-crc16", "bill validator on a ccTalk bus"),
        DriverEntry("cctalk", "cctalk", CoinAcceptor, "cctalk", "coin acceptor on a ccTalk bus"),
        DriverEntry(
            "cctalk-hopper", "cctalk", CoinHopper, "cctalk", "coin hopper on a ccTalk bus", asked=("denomination",)
        ),
        DriverEntry("shtrih", "shtrih", FiscalRegister, "shtrih-v2", "Shtrih-M fiscal register"),
        DriverEntry("atol", "atol", FiscalRegister, "", "ATOL fiscal register by its web server"),
        DriverEntry("escpos", "escpos", ReceiptPrinter, "escpos", "ESC/POS receipt printer"),
    )
})  # fmt: skip
"""By the name in an owner's settings."""

PROTOCOLS: Mapping[str, str] = MappingProxyType({
    "ccnet": "ccnet", "cctalk": "cctalk", "cctalk-crc16": "cctalk", "shtrih-v1": "shtrih", "shtrih-v2": "shtrih",
    "escpos": "escpos", "id003": "id003", "itl-ssp": "ssp",
})  # fmt: skip
"""What frames can be read of, and the family that reads them."""

PROBED = ("ccnet", "cctalk", "shtrih", "escpos", "id003", "ssp", "atol")
"""The families that can be asked for on a port; ATOL's on TCP alone, as a serial printer would print the question."""


def find_driver(name: str) -> DriverEntry:
    """Raises `NotInCatalogue`."""
    return DRIVERS[_known(name, DRIVERS, "driver")]


def explainer(protocol: str) -> Explainer:
    """A fresh reader of one line. Raises `NotInCatalogue`."""
    module = _explain(protocol)
    return cast("Explainer", module.explainer(protocol))


def bare(protocol: str, data: bytes) -> Explained | None:
    """Bytes without their frame, as logs have them, where the family can read such. Raises as `explainer`."""
    reader = getattr(_explain(protocol), "bare", None)
    return None if reader is None else cast("Explained | None", reader(data))


def probes(families: Iterable[str] = PROBED) -> tuple[Probe, ...]:
    """How these families ask whether one of their devices hangs on a port."""
    return tuple(
        probe for family in families for probe in importlib.import_module(f"hardware.{family}.probe").PROBES
    )  # fmt: skip


def _explain(protocol: str) -> Any:
    return importlib.import_module(f"hardware.{PROTOCOLS[_known(protocol, PROTOCOLS, 'protocol')]}.explain")


def _known(name: str, known: Iterable[str], what: str) -> str:
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise NotInCatalogue(f"there is no {what} {name!r}; {hint}")
