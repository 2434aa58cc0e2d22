"""Every command: its number, the fields of its request and of its answer, and what it does.

An answer is the command's number, an error code and, when that is 0, the reply's fields. `explain`, the protocol, the
simulator and `decode` read and write from these declarations; a new command is a new entry. The base commands stand
here, the fiscal storage's (FF..) in `storage_commands`.
"""

from collections.abc import Mapping

from hardware.errors import LocalProtocolError
from hardware.shtrih.declaration import CASHIER, FLAGS, PASSWORD_FIELD, PAYMENTS, TAXES, TEXT_40, Command, Values
from hardware.shtrih.fields import (
    DATE,
    MONEY,
    QUANTITY_3,
    TIME,
    U8,
    U16,
    U32,
    VERSION,
    Field,
    flags,
    hexadecimal,
    sint,
    text,
    uint,
)
from hardware.shtrih.storage_commands import STORAGE


def _short_status(values: Values) -> None:
    values["ops"] = _int(values.pop("ops_low", 0)) | _int(values.pop("ops_high", 0)) << 8
    _mode(values)
    for name in ("battery", "supply"):
        values[name] = _int(values.get(name, 0))


def _mode(values: Values) -> None:
    mode = _int(values.get("mode", 0))
    values["mode"], values["mode_kind"] = mode & 0x0F, mode >> 4


def _full_status(values: Values) -> None:
    _mode(values)
    low, high = _int(values.pop("serial_low", 0)), _int(values.pop("serial_high", 0))
    values["serial"] = low | high << 32


def _table_value(values: Values) -> None:
    """A setting is a number or a text by its field; what reads as a text is shown as one."""
    raw = bytes.fromhex(str(values["value"]))
    words = raw.rstrip(b"\0").decode("cp1251", errors="replace")
    values["hex"] = values["value"]
    if len(words) >= TEXT_FROM and all(letter.isprintable() and letter != "\ufffd" for letter in words):
        values["value"] = words


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


SHORT_STATUS = (
    CASHIER,
    Field("flags", flags(2)),
    Field("mode", U8),
    Field("submode", U8),
    Field("ops_low", U8),
    Field("battery", U8),
    Field("supply", U8),
    Field("fm_error", U8, 0),
    Field("ej_error", U8, 0),
    Field("ops_high", U8, 0),
    Field("_reserved", hexadecimal(3), b"\0\0\0"),
    Field("last_print", U8, optional=True),
)

FULL_STATUS = (
    CASHIER,
    Field("version", VERSION),
    Field("build", U16),
    Field("firmware_date", DATE),
    Field("hall", U8, 1),
    Field("document", U16),
    Field("flags", flags(2)),
    Field("mode", U8),
    Field("submode", U8),
    Field("port", U8, 0),
    Field("_fm_version", hexadecimal(7), bytes(7)),
    Field("date", DATE),
    Field("time", TIME),
    Field("fm_flags", U8, 0),
    Field("serial_low", U32),
    Field("last_shift", U16),
    Field("_fm_free", U16, 0),
    Field("reregistrations", U8, 0),
    Field("reregistrations_left", U8, 0),
    Field("inn", uint(6)),
    Field("_reserved", hexadecimal(2), b"\0\0", optional=True),
    Field("serial_high", U16, 0, optional=True),
)

_SALE = (
    PASSWORD_FIELD,
    Field("quantity", QUANTITY_3, 1000),
    Field("price", MONEY),
    Field("department", U8, 0),
    *TAXES,
    TEXT_40,
)
_SALE_REPLY = (CASHIER,)
_DISCOUNT = (PASSWORD_FIELD, Field("sum", MONEY), *TAXES, TEXT_40)
_GRAPHIC_LINES = (Field("first_line", U8), Field("last_line", U8))

TEXT_FROM = 5  # a number has four bytes at most

_BASE = (
    Command(
        0x10, "short_status", "How it stands: mode, submode, paper.", (PASSWORD_FIELD,), SHORT_STATUS,
        finish=_short_status,
    ),
    Command(
        0x11, "full_status", "How it stands, with its clock, its numbers and its firmware.", (PASSWORD_FIELD,),
        FULL_STATUS, finish=_full_status,
    ),
    Command(
        0x12, "print_bold", "Print a line of double width.", (PASSWORD_FIELD, FLAGS, Field("text", text(20), "")),
        (CASHIER,), changes=True, prints=True,
    ),
    Command(0x13, "beep", "Beep.", (PASSWORD_FIELD,), (CASHIER,)),
    Command(
        0x14, "set_link", "Set a port's speed and byte time-out.",
        (PASSWORD_FIELD, Field("port", U8), Field("baud_code", U8), Field("byte_timeout", U8)), (), changes=True,
    ),
    Command(
        0x15, "get_link", "A port's speed and byte time-out.", (PASSWORD_FIELD, Field("port", U8)),
        (Field("baud_code", U8), Field("byte_timeout", U8)),
    ),
    Command(
        0x17, "print_line", "Print a line.", (PASSWORD_FIELD, FLAGS, TEXT_40), (CASHIER,), changes=True, prints=True,
    ),
    Command(
        0x1A, "money_register", "A sum it keeps: 241 is the cash in the drawer.",
        (PASSWORD_FIELD, Field("number", U8)), (CASHIER, Field("value", uint(6))),
    ),
    Command(
        0x1B, "operation_register", "A count it keeps: 148-151 receipts, 152 documents, 155 and 156 cash in and out.",
        (PASSWORD_FIELD, Field("number", U8)), (CASHIER, Field("value", U16)),
    ),
    Command(
        0x1E, "write_table", "Write a setting.",
        (PASSWORD_FIELD, Field("table", U8), Field("row", U16), Field("field", U8), Field("value", hexadecimal(None))),
        (), changes=True,
    ),
    Command(
        0x1F, "read_table", "Read a setting.",
        (PASSWORD_FIELD, Field("table", U8), Field("row", U16), Field("field", U8)),
        (Field("value", hexadecimal(None)),), finish=_table_value,
    ),
    Command(0x21, "set_time", "Set the clock's time.", (PASSWORD_FIELD, Field("time", TIME)), (), changes=True),
    Command(0x22, "set_date", "Set the clock's date.", (PASSWORD_FIELD, Field("date", DATE)), (), changes=True),
    Command(
        0x23, "confirm_date", "Confirm the date that was set.", (PASSWORD_FIELD, Field("date", DATE)), (), changes=True,
    ),
    Command(
        0x25, "cut", "Cut the paper.", (PASSWORD_FIELD, Field("kind", U8, 1)), (CASHIER,), changes=True, prints=True,
    ),
    Command(
        0x26, "font", "How wide a font's letters are.", (PASSWORD_FIELD, Field("font", U8)),
        (Field("width", U16), Field("char_w", U8), Field("char_h", U8), Field("fonts", U8)),
    ),
    Command(
        0x28, "drawer", "Open the cash drawer.", (PASSWORD_FIELD, Field("drawer", U8, 0)), (CASHIER,), changes=True,
    ),
    Command(
        0x29, "feed", "Feed the paper.", (PASSWORD_FIELD, FLAGS, Field("lines", U8)), (CASHIER,), changes=True,
        prints=True,
    ),
    Command(0x2B, "stop_test", "End a test run.", (PASSWORD_FIELD,), (CASHIER,), changes=True),
    Command(
        0x2D, "table_structure", "A table's name and size.", (PASSWORD_FIELD, Field("table", U8)),
        (Field("name", text(40)), Field("rows", U16), Field("fields", U8)),
    ),
    Command(
        0x2E, "field_structure", "A table field's name, kind and limits.",
        (PASSWORD_FIELD, Field("table", U8), Field("field", U8)),
        (
            Field("name", text(40)), Field("type", U8), Field("size", U8), Field("limits", hexadecimal(None), ""),
        ),
    ),
    Command(
        0x2F, "print_font", "Print a line in a font.",
        (PASSWORD_FIELD, FLAGS, Field("font", U8, 1), Field("text", text(None, at_most=100), "")), (CASHIER,),
        changes=True, prints=True,
    ),
    Command(
        0x40, "x_report", "Print the shift's totals.", (PASSWORD_FIELD,), (CASHIER,), limit_s=60.0, changes=True,
        prints=True,
    ),
    Command(
        0x41, "z_report", "Close the shift.", (PASSWORD_FIELD,), (CASHIER,), limit_s=60.0, changes=True, prints=True,
    ),
    Command(
        0x50, "cash_in", "Money is put into the drawer.", (PASSWORD_FIELD, Field("sum", MONEY)),
        (CASHIER, Field("document", U16)), limit_s=30.0, changes=True, prints=True,
    ),
    Command(
        0x51, "cash_out", "Money is taken out of the drawer.", (PASSWORD_FIELD, Field("sum", MONEY)),
        (CASHIER, Field("document", U16)), limit_s=30.0, changes=True, prints=True,
    ),
    Command(0x80, "sale", "A line of a sale.", _SALE, _SALE_REPLY, limit_s=20.0, changes=True, prints=True),
    Command(0x81, "purchase", "A line of a purchase.", _SALE, _SALE_REPLY, limit_s=20.0, changes=True, prints=True),
    Command(0x82, "return_sale", "A line of a returned sale.", _SALE, _SALE_REPLY, limit_s=20.0, changes=True,
            prints=True),
    Command(0x83, "return_purchase", "A line of a returned purchase.", _SALE, _SALE_REPLY, limit_s=20.0, changes=True,
            prints=True),
    Command(0x84, "storno", "Take a line back.", _SALE, _SALE_REPLY, limit_s=20.0, changes=True, prints=True),
    Command(
        0x85, "close", "Close the receipt.",
        (PASSWORD_FIELD, *PAYMENTS[:4], Field("discount", sint(2), 0), *TAXES, TEXT_40),
        (CASHIER, Field("change", MONEY)), limit_s=60.0, changes=True, prints=True,
    ),
    Command(0x86, "discount", "A discount on the receipt.", _DISCOUNT, _SALE_REPLY, changes=True, prints=True),
    Command(0x87, "surcharge", "A surcharge on the receipt.", _DISCOUNT, _SALE_REPLY, changes=True, prints=True),
    Command(
        0x88, "cancel", "Annul the open receipt.", (PASSWORD_FIELD,), (CASHIER,), limit_s=30.0, changes=True,
        prints=True,
    ),
    Command(0x89, "subtotal", "What the open receipt comes to.", (PASSWORD_FIELD,), (CASHIER, Field("sum", MONEY))),
    Command(
        0x8C, "copy", "Print the last document again.", (PASSWORD_FIELD,), (CASHIER,), limit_s=30.0, changes=True,
        prints=True,
    ),
    Command(
        0x8D, "open", "Open a receipt: 0 sale, 1 purchase, 2 return of a sale, 3 return of a purchase.",
        (PASSWORD_FIELD, Field("type", U8)), (CASHIER,), limit_s=20.0, changes=True, prints=True,
    ),
    Command(
        0x8E, "close_extended", "Close the receipt, sixteen ways of payment.",
        (PASSWORD_FIELD, *PAYMENTS, Field("discount", sint(2), 0), *TAXES, TEXT_40),
        (CASHIER, Field("change", MONEY)), limit_s=60.0, changes=True, prints=True,
    ),
    Command(
        0xB0, "continue_print", "Go on printing once there is paper again.", (PASSWORD_FIELD,), (CASHIER,),
        limit_s=30.0,
    ),
    Command(
        0xC0, "load_graphics", "Load a line of dots.",
        (PASSWORD_FIELD, Field("line", U8), Field("dots", hexadecimal(40))), (CASHIER,),
    ),
    Command(
        0xC1, "print_graphics", "Print loaded lines of dots.", (PASSWORD_FIELD, *_GRAPHIC_LINES), (CASHIER,),
        changes=True, prints=True,
    ),
    Command(
        0xC2, "print_ean13", "Print an EAN-13.", (PASSWORD_FIELD, Field("barcode", uint(5))), (CASHIER,),
        changes=True, prints=True,
    ),
    Command(
        0xC3, "print_graphics_extended", "Print loaded lines of dots, numbers of two bytes.",
        (PASSWORD_FIELD, Field("first_line", U16), Field("last_line", U16)), (CASHIER,), changes=True, prints=True,
    ),
    Command(
        0xC4, "load_graphics_extended", "Load a line of dots, numbers of two bytes.",
        (PASSWORD_FIELD, Field("line", U16), Field("dots", hexadecimal(40))), (CASHIER,),
    ),
    Command(
        0xC5, "print_dots", "Print one line of dots, several times.",
        (PASSWORD_FIELD, Field("repeats", U16), Field("dots", hexadecimal(None))), (CASHIER,), changes=True,
        prints=True,
    ),
    Command(
        0xDD, "load_code", "Load a block of 64 bytes of a 2D code.",
        (PASSWORD_FIELD, Field("kind", U8, 0), Field("block", U8), Field("content", hexadecimal(64))), (CASHIER,),
    ),
    Command(
        0xDE, "print_code", "Print a loaded 2D code: 3 or 131 is QR.",
        (
            PASSWORD_FIELD, Field("kind", U8, 3), Field("length", U16), Field("first_block", U8, 0),
            Field("version", U8, 0), Field("mask", U8, 0), Field("dot", U8, 4), Field("parameter4", U8, 0),
            Field("correction", U8, 1), Field("align", U8, 1),
        ),
        (
            CASHIER, *(Field(f"parameter{n}", U8, optional=True) for n in range(1, 6)),
            Field("dots_wide", U16, optional=True), Field("dots_high", U16, optional=True),
        ),
        changes=True, prints=True,
    ),
    Command(
        0xE0, "open_shift", "Open the shift.", (PASSWORD_FIELD,), (CASHIER,), limit_s=60.0, changes=True, prints=True,
    ),
    Command(
        0xF7, "extended", "What the model can do (kind 1), and other extended questions.",
        (Field("kind", U8, 1), Field("parameters", hexadecimal(None), "", optional=True)),
        (Field("capabilities", hexadecimal(None), ""),),
    ),
    Command(
        0xFC, "device_type", "What it is.", (),
        (
            Field("type", U8), Field("subtype", U8), Field("protocol", U8), Field("subprotocol", U8),
            Field("model", U8), Field("language", U8), Field("name", text(None), ""),
        ),
    ),
)  # fmt: skip


ALL: Mapping[int, Command] = {command.code: command for command in (*_BASE, *STORAGE)}
"""By number."""

_BY_NAME = {command.name: command for command in ALL.values()}


def command(name: str) -> Command:
    """Raises `LocalProtocolError`: there is none of this name."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise LocalProtocolError(f"there is no command {name!r}") from None


def find(data: bytes) -> Command | None:
    """The command that a request or an answer begins with."""
    return ALL.get(number_of(data))


def number_of(data: bytes) -> int:
    """The number it begins with, two bytes behind FF; -1 of nothing."""
    if not data:
        return -1
    if data[0] == 0xFF and len(data) > 1:
        return int.from_bytes(data[:2], "big")
    return data[0]
