"""What a simulated register does for each command; fields as `commands` declares them."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

from hardware.shtrih import commands
from hardware.shtrih.declaration import Command, Values
from hardware.shtrih.fields import FN_DATETIME
from hardware.shtrih.fiscal import (
    FN_CLOSE_SHIFT,
    FN_CORRECTION,
    FN_OPEN_SHIFT,
    FN_RECEIPT,
    STORAGE,
    TYPE_OF_SIGN,
    No,
    Storage,
)
from hardware.shtrih.paper import document_text
from hardware.shtrih.printing import Printer
from hardware.shtrih.states import NO_PAPER_ERRORS, Mode, Submode
from hardware.shtrih.tags import split, tlv
from hardware.simulation.simulator import Ledger

MODEL = "SIMULATED-FR"
CASHIER = 30
SERIAL = 1
REGISTRATION = "0000000001012345"
PASSWORDS = range(1, 31)
DOCUMENT_LINES = 5
_REFUSED_BY_PAPER = {
    Submode.NO_PAPER: min(NO_PAPER_ERRORS),
    Submode.PAPER_RAN_OUT: min(NO_PAPER_ERRORS),
    Submode.CONTINUE_AWAITED: 0x58,
    Submode.PRINTING: 0x50,
    Submode.PRINTING_REPORT: 0x50,
}


class Handlers:
    """A register without its line."""

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger, *, base: bool, line_by_line: bool) -> None:
        self.printer = Printer(memory, ledger)
        self.storage = Storage(memory, ledger, base=base)
        self.failures: list[int] = []
        self._ledger = ledger
        self._base = base
        self._line_by_line = line_by_line
        self._tables: dict[str, str] = memory.setdefault("tables", {})
        self._code = bytearray()
        self._reading = b""

    def power_on(self) -> None:
        """What was in its working memory is gone."""
        self.printer.power_on()
        self.failures = []
        self._code = bytearray()
        self._reading = b""

    def describe(self) -> Mapping[str, object]:
        """For a person at the bench."""
        kept = self.storage.kept
        return {
            "submode": int(self.printer.submode), "last_document": kept["fd"], "shift": kept["shift"],
            "shift_open": kept["shift_open"], "drawer": kept["drawer"], "receipt_open": kept["open"] is not None,
            "unsent": len(kept["unsent"]),
        }  # fmt: skip

    def carry_out(self, data: bytes, now: float) -> bytes:
        """A command's answer."""
        command = commands.find(data)
        if command is None or (self._base and command.code > 0xFF):
            number = commands.number_of(data)
            return number.to_bytes(2 if number > 0xFF else 1, "big") + b"\x37"
        values = command.read_request(data)
        if values is None:
            return command.answer(0x33)
        if "password" in values and values["password"] not in PASSWORDS:
            return command.answer(0x4F)
        if command.name in {"short_status", "full_status"}:
            return self._status(command, now)
        try:
            return command.answer(0, self._do(command, values, now))
        except No as error:
            return command.answer(error.code)

    def _do(self, command: Command, values: Values, now: float) -> Values:
        handler: Callable[[Values, float], Values | None] | None = getattr(self, f"_{command.name}", None)
        if handler is None:
            raise No(0x37)
        if self.failures and command.changes:
            raise No(self.failures.pop(0))
        if command.prints and (refused := _REFUSED_BY_PAPER.get(self.printer.submode)):
            raise No(refused)
        answer = handler(values, now) or {}
        names = {field.name for field in command.reply}
        if "cashier" in names:
            answer.setdefault("cashier", CASHIER)
        return {name: value for name, value in answer.items() if name in names}

    # How it stands

    def _status(self, command: Command, now: float) -> bytes:
        # A trace shows a closed receipt as open (mode 8, submode 5) until it is printed.
        mode = self.storage.mode(now) if self.printer.mode is None else self.printer.mode
        if self._reading:
            mode = Mode.DUMP
        submode = int(self.printer.submode)
        opened = self.storage.kept["open"]
        clock = self.storage.clock(now)
        if command.name == "short_status":
            ops = len(opened["lines"]) if opened else 0
            printing = {Submode.PRINTING: 5, Submode.READY: 0}.get(self.printer.submode, 1)
            return command.answer(
                0,
                {
                    "cashier": CASHIER, "flags": 0x0292, "mode": mode, "submode": submode, "ops_low": ops & 0xFF,
                    "battery": 0x9F, "supply": 0xE5, "ops_high": ops >> 8, "last_print": printing,
                },
            )  # fmt: skip
        kept = self.storage.kept
        return command.answer(
            0,
            {
                "cashier": CASHIER, "version": "C1", "build": 32920, "firmware_date": "28.02.20",
                "document": kept["own"] & 0xFFFF, "flags": 0x0292, "mode": mode, "submode": submode,
                "date": clock.strftime("%d.%m.%y"), "time": clock.strftime("%H:%M:%S"), "serial_low": SERIAL,
                "last_shift": kept["shift"] - bool(kept["shift_open"]), "inn": 7701000001,
            },
        )  # fmt: skip

    def _fn_status(self, _: Values, now: float) -> Values:
        kept = self.storage.kept
        opened = kept["open"] is not None
        return {
            "phase": 3, "doc": FN_RECEIPT if opened else kept["fn_doc"], "docdata": int(opened),
            "shift_open": int(kept["shift_open"]), "warn": 0, "datetime": self._now(now), "fn": STORAGE,
            "last_fd": kept["fd"],
        }  # fmt: skip

    def _shift_status(self, _: Values, now: float) -> Values:
        kept = self.storage.kept
        return {"state": int(kept["shift_open"]), "shift": kept["shift"], "receipt": kept["receipt"]}

    def _ofd_status(self, _: Values, now: float) -> Values:
        unsent = self.storage.kept["unsent"]
        at = str(self.storage.find(unsent[0])["at"]) if unsent else "2000-00-00 00:00"
        return {"exchange": 1, "reading": 0, "unsent": len(unsent), "first_fd": unsent[0] if unsent else 0,
                "datetime": at}  # fmt: skip

    def _unconfirmed(self, _: Values, now: float) -> Values:
        return {"unsent": len(self.storage.kept["unsent"])}

    def _fn_number(self, _: Values, now: float) -> Values:
        return {"fn": STORAGE}

    def _fn_expiry(self, _: Values, now: float) -> Values:
        return {"expires": "2028-12-31", "registrations_left": 11, "registrations": 1}

    def _fn_version(self, _: Values, now: float) -> Values:
        return {"version": "fn_v_1_0 sim", "serial_made": 1}

    def _device_type(self, _: Values, now: float) -> Values:
        return {"type": 0, "subtype": 0, "protocol": 1, "subprotocol": 16, "model": 252, "language": 0, "name": MODEL}

    def _font(self, values: Values, now: float) -> Values:
        return {"width": 576, "char_w": 12, "char_h": 24, "fonts": 8}

    def _money_register(self, values: Values, now: float) -> Values:
        return {"value": self.storage.kept["drawer"] if values["number"] == 241 else 0}

    def _operation_register(self, values: Values, now: float) -> Values:
        return {"value": self.storage.count(_int(values["number"]))}

    def _read_table(self, values: Values, now: float) -> Values:
        return {"value": self._tables.get(_cell(values), "00")}

    def _write_table(self, values: Values, now: float) -> None:
        self._tables[_cell(values)] = str(values["value"])

    def _get_link(self, values: Values, now: float) -> Values:
        return {"baud_code": 6, "byte_timeout": 50}

    def _beep(self, values: Values, now: float) -> None:
        return None

    def _continue_print(self, _: Values, now: float) -> None:
        if not self.printer.carry_on(now):
            raise No(0x6B)

    # Documents

    def _open(self, values: Values, now: float) -> None:
        self.storage.open_receipt(_int(values["type"]), now)
        self._line(now)

    def _operation_v2(self, values: Values, now: float) -> None:
        kind = TYPE_OF_SIGN.get(_int(values["type"]))
        if kind is None:
            raise No(0x33)
        total = values["sum"]
        self.storage.add_line(
            kind, _int(values["quantity"]), _int(values["price"]), total if isinstance(total, int) else None, now
        )
        self._item(values.get("name"), _int(values["quantity"]), _int(values["price"]))
        self._line(now, 2)

    def _base_line(self, kind: int, values: Values, now: float) -> None:
        self.storage.add_line(kind, _int(values["quantity"]) * 1000, _int(values["price"]), None, now)
        self._item(values.get("text"), _int(values["quantity"]) * 1000, _int(values["price"]))
        self._line(now, 2)

    def _sale(self, values: Values, now: float) -> None:
        self._base_line(0, values, now)

    def _purchase(self, values: Values, now: float) -> None:
        self._base_line(1, values, now)

    def _return_sale(self, values: Values, now: float) -> None:
        self._base_line(2, values, now)

    def _return_purchase(self, values: Values, now: float) -> None:
        self._base_line(3, values, now)

    def _subtotal(self, _: Values, now: float) -> Values:
        return {"sum": self.storage.subtotal}

    def _cancel(self, _: Values, now: float) -> None:
        self.storage.annul()
        self.printer.add("annulment_printed", 2, now)

    def _close_v2(self, values: Values, now: float) -> Values:
        return self._close_receipt(values, now)

    def _close_extended(self, values: Values, now: float) -> Values:
        return self._close_receipt(values, now)

    def _close(self, values: Values, now: float) -> Values:
        return self._close_receipt(values, now)

    def _close_receipt(self, values: Values, now: float) -> Values:
        mode = self.storage.mode(now)
        opened = self.storage.kept["open"] or {}
        items = [(name, quantity, price, total) for (name, quantity, price), total in zip(
            opened.get("items", ()), opened.get("lines", ()), strict=False
        )]  # fmt: skip
        payments = _payments(values)
        document = self.storage.close_receipt(payments, now)
        text = self._text(document, items=items, payments=payments, change=_int(document["change"]))
        return self._closed(document, now, mode, text)

    def _correction_begin(self, _: Values, now: float) -> None:
        self.storage.begin(FN_CORRECTION, now)

    def _correction_v2(self, values: Values, now: float) -> Values:
        return self._closed(self.storage.correct(_int(values["type"]), _int(values["sum"]), now), now)

    def _shift_begin_open(self, _: Values, now: float) -> None:
        self.storage.begin(FN_OPEN_SHIFT, now)

    def _shift_begin_close(self, _: Values, now: float) -> None:
        self.storage.begin(FN_CLOSE_SHIFT, now)

    def _fn_tlv(self, _: Values, now: float) -> None:
        self.storage.add_tags()

    def _fn_cancel(self, _: Values, now: float) -> None:
        self.storage.cancel()

    def _open_shift(self, _: Values, now: float) -> Values:
        return self._closed(self.storage.open_shift(now), now)

    def _fn_open_shift(self, _: Values, now: float) -> Values:
        return self._closed(self.storage.open_shift(now), now)

    def _z_report(self, _: Values, now: float) -> Values:
        return self._closed(self.storage.close_shift(now), now)

    def _fn_close_shift(self, _: Values, now: float) -> Values:
        return self._closed(self.storage.close_shift(now), now)

    def _x_report(self, _: Values, now: float) -> None:
        self.storage.report()
        self.printer.add("report_printed", DOCUMENT_LINES, now)

    def _cash_in(self, values: Values, now: float) -> Values:
        return self._cash("cash_in", values, now)

    def _cash_out(self, values: Values, now: float) -> Values:
        return self._cash("cash_out", values, now)

    def _cash(self, kind: str, values: Values, now: float) -> Values:
        own = self.storage.cash(kind, _int(values["sum"]), now)
        self.printer.add("cash_printed", DOCUMENT_LINES, now, {"document": own})
        return {"document": own}

    def _fn_find(self, values: Values, now: float) -> Values:
        document = self.storage.find(_int(values["fd"]))
        head = FN_DATETIME.pack(document["at"]) + int(document["fd"]).to_bytes(4, "little")
        head += int(document["sign"]).to_bytes(4, "little")
        if document["type"] in {2, 5}:
            head += int(document["shift"]).to_bytes(2, "little")
        else:
            head += bytes([document["operation"]]) + int(document["sum"]).to_bytes(5, "little")
        sent = _int(values["fd"]) not in self.storage.kept["unsent"]
        return {"type": document["type"], "ofd_receipt": int(sent), "content": head}

    def _fn_document(self, values: Values, now: float) -> Values:
        document = self.storage.find(_int(values["fd"]))
        self._reading = (
            tlv(1040, int(document["fd"]).to_bytes(4, "little"))
            + tlv(1038, int(document["shift"]).to_bytes(4, "little"))
            + tlv(1042, int(document["receipt"]).to_bytes(4, "little"))
            + tlv(1054, bytes([document["operation"]]))
            + tlv(1020, int(document["sum"]).to_bytes(6, "little"))
            + tlv(1041, STORAGE.encode())
            + tlv(1037, REGISTRATION.ljust(20).encode())
        )
        return {"type": document["type"], "length": len(self._reading)}

    def _fn_document_block(self, _: Values, now: float) -> Values:
        if not self._reading:
            raise No(0x08)
        size = 4 + len(next(split(self._reading))[1])
        block, self._reading = self._reading[:size], self._reading[size:]
        return {"tlv": block}

    # What is no document

    def _print_line(self, values: Values, now: float) -> None:
        self.printer.add("line_printed", 1, now, {"text": values.get("text", "")})

    _print_bold = _print_font = _print_line

    def _copy(self, _: Values, now: float) -> None:
        self.printer.add("copy_printed", DOCUMENT_LINES, now)

    def _cut(self, _: Values, now: float) -> None:
        self._ledger("paper_cut", {})

    def _feed(self, values: Values, now: float) -> None:
        self.printer.add("paper_fed", 1, now, {"lines": values["lines"]})

    def _drawer(self, values: Values, now: float) -> None:
        self._ledger("drawer_opened", {"drawer": values["drawer"]})

    def _load_code(self, values: Values, now: float) -> None:
        at = _int(values["block"]) * 64
        self._code[at : at + 64] = bytes.fromhex(str(values["content"]))

    def _print_code(self, values: Values, now: float) -> None:
        content = bytes(self._code[: _int(values["length"])])
        self.printer.add("code_printed", 4, now, {"content": content.decode(errors="replace")})

    def _print_ean13(self, values: Values, now: float) -> None:
        self.printer.add("code_printed", 2, now, {"content": str(values["barcode"])})

    def _line(self, now: float, lines: int = 1) -> None:
        if self._line_by_line:
            self.printer.add("receipt_line_printed", lines, now)

    def _item(self, name: object, quantity: int, price: int) -> None:
        self.storage.kept["open"].setdefault("items", []).append([str(name or ""), quantity, price])

    def _text(self, document: Values, **more: Any) -> list[str]:
        kept = self.storage.find(_int(document["fd"]))
        return document_text(kept, head=[MODEL, f"РН {REGISTRATION}", f"ФН {STORAGE}"], **more)

    def _closed(
        self, document: dict[str, object], now: float, mode: int | None = None, text: Sequence[str] = ()
    ) -> Values:
        text = text or self._text(document)
        self.printer.add("document_printed", DOCUMENT_LINES, now, {"number": document["fd"]}, mode=mode, text=text)
        return document

    def _now(self, now: float) -> str:
        return self.storage.clock(now).strftime("%Y-%m-%d %H:%M")


def _payments(values: Values) -> dict[int, int]:
    return {kind: _int(values[name]) for kind in range(1, 17) if (name := f"sum{kind}") in values}


def _cell(values: Values) -> str:
    return f"{values['table']}.{values['row']}.{values['field']}"


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
