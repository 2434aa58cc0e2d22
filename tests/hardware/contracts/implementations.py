"""Every implementation of every role, and how a person's hands are put on its simulator.

A new family is one entry here; the suites next to this file are the same for all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hardware.catalogue import find_driver
from wire.money import Money

Hand = tuple[str, Mapping[str, str]]
"""A control of the simulator, and its arguments."""


@dataclass(frozen=True)
class Implementation:
    """One driver.

    Args:
        name: in the tests' names.
        family: of its simulator.
        driver: its name in the catalogue.
        settings: for its constructor.
        options: for the simulator.
        hands: what the role's suite wants done, by the suite's own word.
        kinds: what the ledger calls things and their figures, by the suite's own word.
        elsewhere: tests that make no sense over `sim://` for it, and where they are instead.
        known: tests that fail now, each with the reason; one that passes again must be taken out here.
    """

    name: str
    family: str
    driver: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    hands: Mapping[str, Hand] = field(default_factory=dict)
    kinds: Mapping[str, Sequence[str]] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def build(self, name: str, url: str, journal: Any) -> Any:
        """The driver, closed."""
        cls: Callable[..., Any] = find_driver(self.driver).load()
        return cls(name, url, journal, **self.settings)


@dataclass(frozen=True)
class Bills(Implementation):
    """A bill validator. `insert` gives the hand for a note."""

    currency: str = "KZT"
    insert: Callable[[Money], Hand] = lambda note: ("insert", {"minor": str(note.minor)})


BILL_VALIDATORS = (
    Bills(
        "ccnet",
        "ccnet",
        "ccnet",
        settings={"currency": "KZT"},
    ),
    Bills("id003-gate", "id003", "id003"),
    Bills("id003-stacker", "id003", "id003", settings={"credit": "stacker"}),
    Bills("ssp", "ssp", "ssp"),
    Bills(
        "cctalk-bill",
        "cctalk",
        "cctalk-bill",
        options={"devices": "bills"},
        insert=lambda note: ("insert_note", {"minor": str(note.minor)}),
    ),
)

COIN_ACCEPTORS = (
    Implementation(
        "cctalk",
        "cctalk",
        "cctalk",
        options={"devices": "coins"},
        hands={"insert": ("insert_coin", {}), "slug": ("insert_slug", {})},
        kinds={"taken": ("coin_accepted", "minor")},
    ),
)

COIN_HOPPERS = (
    Implementation(
        "cctalk-hopper",
        "cctalk",
        "cctalk-hopper",
        settings={"coin": Money(10_000, "KZT")},
        options={"devices": "hopper"},
        hands={"fill": ("fill_hopper", {"coins": "50"}), "empty": ("empty_hopper", {})},
        kinds={"paid": ("coin_paid", "coins")},
    ),
)


@dataclass(frozen=True)
class Registers(Implementation):
    """A fiscal register. `stored`, `cash` are the ledger's words, and the figures' names in them."""

    stored: tuple[str, str, str] = ("document", "number", "total")
    cash: tuple[str, str] = ("cash", "minor")


_ON_A_SOCKET = {
    "test_a_silent_register_begins_nothing": "HTTP opens a new connection, which is power for a simulated device; "
    "tests/hardware/atol/test_driver.py has it on a real socket"
}

FISCAL_REGISTERS = (
    Registers("atol", "atol", "atol", elsewhere=_ON_A_SOCKET),
    Registers(
        "atol-blocks",
        "atol",
        "atol",
        settings={"api": "v1"},
        options={"on_paper": "block", "on_cut": "blocked", "unblock": "continue"},
        elsewhere=_ON_A_SOCKET,
    ),
    Registers(
        "shtrih-v2",
        "shtrih",
        "shtrih",
        options={"link": "v2"},
        stored=("document_stored", "number", "total"),
        cash=("cash_moved", "minor"),
    ),
    Registers(
        "shtrih-v1",
        "shtrih",
        "shtrih",
        options={"link": "v1"},
        stored=("document_stored", "number", "total"),
        cash=("cash_moved", "minor"),
    ),
)


RECEIPT_PRINTERS = (
    Implementation(
        "escpos",
        "escpos",
        "escpos",
        hands={
            "paper_out": ("paper_out", {}),
            "paper_in": ("load_paper", {}),
            "open": ("open_cover", {}),
            "close": ("close_cover", {}),
        },
        kinds={"line": ("line_printed", "text")},
    ),
)
