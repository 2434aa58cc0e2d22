"""A simulated register's fiscal storage, counters and drawer: what it keeps without power, and its rules."""

import datetime
from collections.abc import Mapping, MutableMapping
from typing import Any

from hardware.shtrih.states import Mode
from hardware.simulation.simulator import Ledger
from wire.receipt import QUANTITY_ONE

BEGIN = datetime.datetime(2026, 11, 21, 9, 0)  # noqa: DTZ001 -- a register's clock has no zone
DAY_S = 24 * 3600.0
STORAGE = "9999078902000273"
KINDS = ("sale", "purchase", "sale_return", "purchase_return")  # by the type of 8D
SIGN_OF_TYPE = {0: 1, 1: 3, 2: 2, 3: 4}  # 8D's type to FF46's
TYPE_OF_SIGN = {sign: kind for kind, sign in SIGN_OF_TYPE.items()}
FN_OPEN_SHIFT, FN_RECEIPT, FN_CLOSE_SHIFT, FN_CORRECTION = 0x02, 0x04, 0x08, 0x14


class No(Exception):
    """An error code instead of an answer."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"{code:02X}")


class Storage:
    """Keeps itself in `memory`."""

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger, *, base: bool) -> None:
        self.base = base
        self._ledger = ledger
        self._ahead = 0.0  # seconds that its clock is ahead of what the simulation counts
        self.kept: dict[str, Any] = memory.setdefault(
            "storage",
            {
                "fd": 4, "documents": {}, "shift": 0, "shift_open": False, "shift_at": 0.0, "receipt": 0, "drawer": 0,
                "counts": {}, "open": None, "fn_doc": 0, "unsent": [], "ofd": True, "old_queue": False, "skew": 0.0,
                "own": 10,
            },
        )  # fmt: skip

    # How it stands

    def clock(self, now: float) -> datetime.datetime:
        """What its clock shows."""
        return BEGIN + datetime.timedelta(seconds=self._age(now))

    def show_time(self, wall: datetime.datetime, now: float) -> None:
        """As of its simulator."""
        self._ahead = (wall - BEGIN).total_seconds() - now

    def _age(self, now: float) -> float:
        return now + self._ahead + float(self.kept["skew"])

    def mode(self, now: float) -> int:
        """The mode byte."""
        opened = self.kept["open"]
        if opened is not None:
            return int(Mode.DOCUMENT_OPEN) | int(opened["type"]) << 4
        if not self.kept["shift_open"]:
            return Mode.SHIFT_CLOSED
        return Mode.SHIFT_EXPIRED if self.expired(now) else Mode.SHIFT_OPEN

    def expired(self, now: float) -> bool:
        """More than 24 hours."""
        return bool(self.kept["shift_open"]) and self._age(now) - self.kept["shift_at"] > DAY_S

    def count(self, register: int) -> int:
        """An operation register."""
        if register == 152:
            return int(self.kept["own"]) & 0xFFFF
        return int(self.kept["counts"].get(str(register), 0)) & 0xFFFF

    @property
    def subtotal(self) -> int:
        """Of the open receipt."""
        if self.kept["open"] is None:
            raise No(0x73)
        return sum(self.kept["open"]["lines"])

    # What is done

    def open_receipt(self, kind: int, now: float) -> None:
        """8D."""
        if self.kept["open"] is not None:
            raise No(0x4A)
        if kind not in SIGN_OF_TYPE:
            raise No(0x33)
        self._may_sell(now)
        if self.kept["fn_doc"]:
            raise No(0x02)
        self.kept["open"] = {"type": kind, "lines": []}

    def add_line(self, kind: int, quantity: int, price: int, total: int | None, now: float) -> None:
        """FF46 and 80 to 83; the first opens a receipt."""
        if self.kept["open"] is None:
            self.open_receipt(kind, now)
        self._may_sell(now)
        if self.kept["open"]["type"] != kind:
            raise No(0x49)
        reckoned = (price * quantity * 2 + QUANTITY_ONE) // (2 * QUANTITY_ONE)
        if total is not None and abs(total - reckoned) > 1:
            raise No(0x33)
        self.kept["open"]["lines"].append(reckoned if total is None else total)

    def close_receipt(self, payments: Mapping[int, int], now: float) -> dict[str, object]:
        """FF45 and 8E: it is registered."""
        opened = self.kept["open"]
        if opened is None:
            raise No(0x55)
        self._may_sell(now, registering=True)
        total, kind = self.subtotal, int(opened["type"])
        if not opened["lines"]:
            raise No(0x8E)
        cash = payments.get(1, 0)
        other = sum(payments.values()) - cash
        if other > total or cash + other < total:
            raise No(0x45)
        change = cash + other - total
        inwards = kind in {0, 3}
        if not inwards and cash - change > self.kept["drawer"]:
            raise No(0x46)
        self.kept["drawer"] += (cash - change) if inwards else -(cash - change)
        self.kept["open"] = None
        self._add(144 + kind)
        self._add(148 + kind)
        self.kept["receipt"] += 1
        document = self._store(3, now, kind=KINDS[kind], operation=SIGN_OF_TYPE[kind], total=total)
        return {"change": change, **document}

    def correct(self, sign: int, total: int, now: float) -> dict[str, object]:
        """FF36 and FF4A."""
        if self.kept["fn_doc"] != FN_CORRECTION:
            raise No(0x02)
        self._may_sell(now, registering=True)
        self.kept["fn_doc"] = 0
        self.kept["receipt"] += 1
        kind = "sale_correction" if sign == 1 else "purchase_correction"
        document = self._store(31, now, kind=kind, operation=sign, total=total)
        return {"receipt": self.kept["receipt"], **document}

    def annul(self) -> None:
        """88."""
        if self.kept["open"] is None:
            raise No(0x73)
        self._ledger("document_annulled", {"total": self.subtotal, "lines": len(self.kept["open"]["lines"])})
        self.kept["open"] = None
        self.kept["own"] += 1
        self._add(166)

    def open_shift(self, now: float) -> dict[str, object]:
        """E0 and FF0B."""
        if self.kept["shift_open"]:
            raise No(0x3C)
        if self.kept["fn_doc"] not in {0, FN_OPEN_SHIFT}:
            raise No(0x02)
        self.kept.update(shift_open=True, shift=self.kept["shift"] + 1, shift_at=self._age(now), receipt=0)
        self.kept["fn_doc"] = 0
        return {"shift": self.kept["shift"], **self._store(2, now, kind="open_shift")}

    def close_shift(self, now: float) -> dict[str, object]:
        """41 and FF43."""
        if self.kept["open"] is not None:
            raise No(0x4A)
        if not self.kept["shift_open"]:
            raise No(0x3D)
        if self.kept["fn_doc"] not in {0, FN_CLOSE_SHIFT}:
            raise No(0x02)
        self.kept["fn_doc"] = 0
        self.kept["shift_open"] = False
        for register in (*range(144, 148), 153, 154):
            self.kept["counts"].pop(str(register), None)
        return {"shift": self.kept["shift"], **self._store(5, now, kind="close_shift")}

    def cash(self, kind: str, minor: int, now: float) -> int:
        """50 and 51; the register's own document number."""
        if self.kept["open"] is not None:
            raise No(0x4A)
        if self.expired(now):
            raise No(0x4E)
        if kind == "cash_out" and minor > self.kept["drawer"]:
            raise No(0x46)
        self.kept["drawer"] += minor if kind == "cash_in" else -minor
        for register in (153, 155) if kind == "cash_in" else (154, 156):
            self._add(register)
        self.kept["own"] += 1
        self._ledger("cash_moved", {"kind": kind, "minor": minor, "document": self.kept["own"]})
        return int(self.kept["own"]) & 0xFFFF

    def begin(self, document: int, now: float) -> None:
        """FF35, FF41, FF42."""
        if self.kept["open"] is not None or self.kept["fn_doc"]:
            raise No(0x02)
        if document == FN_OPEN_SHIFT and self.kept["shift_open"]:
            raise No(0x3C)
        if document != FN_OPEN_SHIFT:
            if not self.kept["shift_open"]:
                raise No(0x3D)
            if document == FN_CORRECTION:
                self._may_sell(now)
        self.kept["fn_doc"] = document

    def add_tags(self) -> None:
        """FF0C."""
        if self.kept["open"] is None and not self.kept["fn_doc"]:
            raise No(0x02)

    def cancel(self) -> None:
        """FF08."""
        if not self.kept["fn_doc"]:
            raise No(0x02)
        self.kept["fn_doc"] = 0

    def find(self, number: int) -> Mapping[str, Any]:
        """A document that is kept."""
        document: Mapping[str, Any] | None = self.kept["documents"].get(str(number))
        if document is None:
            raise No(0x08)
        return document

    def report(self) -> None:
        """40: a document number is used, nothing else."""
        self.kept["own"] += 1

    def _may_sell(self, now: float, *, registering: bool = False) -> None:
        if not self.kept["shift_open"]:
            raise No(0x3D)
        if self.expired(now):
            raise No(0x16 if registering else 0x4E)
        if self.kept["old_queue"]:
            raise No(0x15)

    def _add(self, register: int) -> None:
        self.kept["counts"][str(register)] = self.kept["counts"].get(str(register), 0) + 1

    def _store(
        self, kind_number: int, now: float, *, kind: str, operation: int = 0, total: int = 0
    ) -> dict[str, object]:
        self.kept["own"] += 1
        number = self.kept["own"]
        at = self.clock(now).strftime("%Y-%m-%d %H:%M")
        if not self.base:
            number = self.kept["fd"] = self.kept["fd"] + 1
        sign = number * 2654435761 & 0xFFFFFFFF
        self.kept["documents"][str(number)] = {
            "type": kind_number, "fd": number, "sign": sign, "at": at, "operation": operation, "sum": total,
            "shift": self.kept["shift"], "receipt": self.kept["receipt"], "kind": kind,
        }  # fmt: skip
        if not self.kept["ofd"]:
            self.kept["unsent"].append(number)
        self._ledger(
            "document_stored", {"number": number, "document": kind, "total": total, "shift": self.kept["shift"]}
        )
        return {"fd": number, "sign": sign, "datetime": at}
