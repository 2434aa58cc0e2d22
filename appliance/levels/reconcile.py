"""Whether all adds up: what moved since the last reconciliation, and every difference in words with its amount."""

from typing import Any

from appliance.journal import Book


def reconcile(book: Book, *, at: float, shift: int | None = None, register: str = "") -> dict[str, Any]:
    """Reckon, write the record `reconciliation`, and tell the hub of it (event `reconciliation`); returns the record.

    To be called within the transaction that writes a shift's closing, or alone. `at`, chosen before the transaction,
    names it: carried out again with the same it changes nothing and returns the same record.
    """
    raise NotImplementedError
