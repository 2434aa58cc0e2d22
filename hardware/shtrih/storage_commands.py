"""The commands of the fiscal storage (FF..), versions 1.16 and 1.17; see `commands`."""

from hardware.shtrih.declaration import PASSWORD_FIELD, PAYMENTS, Command, Values
from hardware.shtrih.fields import (
    ASCII_16,
    FN_DATE,
    FN_DATETIME,
    MONEY,
    MONEY_OR_COMPUTED,
    QUANTITY_3,
    QUANTITY_6,
    TLV,
    U8,
    U16,
    U32,
    Field,
    hexadecimal,
    text,
)

_DOCUMENT = (Field("fd", U32), Field("sign", U32))
_SHIFT_DOCUMENT = (Field("shift", U16), *_DOCUMENT)
_RECEIPT_DOCUMENT = (Field("receipt", U16), *_DOCUMENT)
_TAX_SUMS = tuple(Field(f"tax{group}", MONEY, 0) for group in range(1, 7))
_REGISTRATION = (
    Field("datetime", FN_DATETIME),
    Field("inn", text(12, encoding="latin-1")),
    Field("registration", text(20, encoding="latin-1")),
    Field("tax_systems", U8),
    Field("work_mode", U8),
)
_DISCOUNTED = (
    PASSWORD_FIELD,
    Field("type", U8, 1),
    Field("quantity", QUANTITY_3, 1000),
    Field("price", MONEY),
    Field("discount", MONEY, 0),
    Field("surcharge", MONEY, 0),
)

CALCULATION_SIGNS = {1: "sale", 2: "return of a sale", 3: "purchase", 4: "return of a purchase"}
DOCUMENT_TYPES = {
    1: "registration",
    2: "opening of a shift",
    3: "receipt",
    4: "strict reporting form",
    5: "closing of a shift",
    6: "closing of the storage",
    7: "operator's confirmation",
    11: "change of registration",
    21: "report on settlements",
    31: "correction receipt",
    41: "correction of a strict reporting form",
}


def found_document(kind: int, data: bytes) -> Values:
    """What FF0A tells of a document, by its type; empty for a type whose fields are not known."""
    values: Values = {}
    if len(data) < 13:
        return values
    values["datetime"] = FN_DATETIME.unpack(data[:5])
    values["fd"] = int.from_bytes(data[5:9], "little")
    values["sign"] = int.from_bytes(data[9:13], "little")
    rest = data[13:]
    if kind in {2, 5} and len(rest) >= 2:
        values["shift"] = int.from_bytes(rest[:2], "little")
    elif kind in {3, 4, 31, 41} and len(rest) >= 6:
        values["operation"] = rest[0]
        values["sum"] = int.from_bytes(rest[1:6], "little")
    elif kind in {1, 6, 11} and len(rest) >= 32:
        values["inn"] = rest[:12].decode("latin-1").rstrip(" \0")
        values["registration"] = rest[12:32].decode("latin-1").rstrip(" \0")
    elif kind == 21 and len(rest) >= 7:
        values["unsent"] = int.from_bytes(rest[:4], "little")
        values["unsent_since"] = FN_DATE.unpack(rest[4:7])
    return values


def _find_document(values: Values) -> None:
    kind, content = values.get("type"), values.get("content")
    if isinstance(kind, int) and isinstance(content, str):
        values["type_words"] = DOCUMENT_TYPES.get(kind, "unknown")
        values.update(found_document(kind, bytes.fromhex(content)))


def _simple(code: int, name: str, words: str, *, changes: bool = False, prints: bool = False) -> Command:
    return Command(code, name, words, (PASSWORD_FIELD,), changes=changes, prints=prints)


STORAGE = (
    Command(
        0xFF01, "fn_status", "The storage: its phase, the open document, the last document's number.",
        (PASSWORD_FIELD,),
        (
            Field("phase", U8), Field("doc", U8), Field("docdata", U8), Field("shift_open", U8), Field("warn", U8),
            Field("datetime", FN_DATETIME), Field("fn", ASCII_16), Field("last_fd", U32),
        ),
    ),
    Command(0xFF02, "fn_number", "The storage's serial number.", (PASSWORD_FIELD,), (Field("fn", ASCII_16),)),
    Command(
        0xFF03, "fn_expiry", "How long the storage may be used.", (PASSWORD_FIELD,),
        (Field("expires", FN_DATE), Field("registrations_left", U8, 0, optional=True),
         Field("registrations", U8, 0, optional=True)),
    ),
    Command(
        0xFF04, "fn_version", "The storage's program.", (PASSWORD_FIELD,),
        (Field("version", ASCII_16), Field("serial_made", U8)),
    ),
    Command(
        0xFF05, "fn_begin_registration", "Begin a registration report.", (PASSWORD_FIELD, Field("type", U8)),
        changes=True,
    ),
    Command(
        0xFF06, "fn_registration", "Make the registration report.",
        (
            PASSWORD_FIELD, Field("inn", text(12, encoding="latin-1")),
            Field("registration", text(20, encoding="latin-1")), Field("tax_systems", U8), Field("work_mode", U8),
        ),
        _DOCUMENT, limit_s=60.0, changes=True, prints=True,
    ),
    Command(
        0xFF07, "fn_reset", "Reset the storage (debugging models).", (PASSWORD_FIELD, Field("code", U8)), changes=True,
    ),
    _simple(0xFF08, "fn_cancel", "Cancel the document that is open in the storage.", changes=True),
    Command(
        0xFF09, "fn_last_registration", "The last registration.", (PASSWORD_FIELD,),
        (*_REGISTRATION, Field("reason", U8, 0), *_DOCUMENT),
    ),
    Command(
        0xFF0A, "fn_find", "A document by its number.", (PASSWORD_FIELD, Field("fd", U32)),
        (Field("type", U8), Field("ofd_receipt", U8), Field("content", hexadecimal(None), "")), finish=_find_document,
    ),
    Command(
        0xFF0B, "fn_open_shift", "Open the shift in the storage.", (PASSWORD_FIELD,), _SHIFT_DOCUMENT, limit_s=60.0,
        changes=True, prints=True,
    ),
    Command(0xFF0C, "fn_tlv", "Add tags to the document.", (PASSWORD_FIELD, Field("tlv", TLV)), changes=True),
    Command(
        0xFF0D, "operation_discounted", "A line with discount and surcharge.",
        (*_DISCOUNTED, Field("department", U8, 0), Field("tax", U8, 0), Field("barcode", MONEY, 0),
         Field("text", text(None, at_most=220), "")),
        changes=True, prints=True,
    ),
    Command(
        0xFF0E, "fn_registration_tag", "One tag of a registration (FFFF: all, read by FF3B).",
        (PASSWORD_FIELD, Field("registration", U8), Field("tag", U16)), (Field("tlv", TLV),),
    ),
    Command(
        0xFF30, "buffer_status", "How much lies in the buffer.", (PASSWORD_FIELD,),
        (Field("size", U16), Field("block", U8)),
    ),
    Command(
        0xFF31, "buffer_read", "Read of the buffer.", (PASSWORD_FIELD, Field("offset", U16), Field("size", U8)),
        (Field("content", hexadecimal(None), ""),),
    ),
    Command(
        0xFF32, "buffer_begin", "Begin to write into the buffer.", (PASSWORD_FIELD, Field("size", U16)),
        (Field("block", U8),), changes=True,
    ),
    Command(
        0xFF33, "buffer_write", "Write into the buffer.",
        (PASSWORD_FIELD, Field("offset", U16), Field("size", U8), Field("content", hexadecimal(None))), changes=True,
    ),
    Command(
        0xFF34, "fn_reregistration", "Make the report on a change of registration.",
        (PASSWORD_FIELD, Field("reason", U8)), _DOCUMENT, limit_s=60.0, changes=True, prints=True,
    ),
    _simple(0xFF35, "correction_begin", "Begin a correction receipt.", changes=True),
    Command(
        0xFF36, "correction", "Make a correction receipt.",
        (PASSWORD_FIELD, Field("sum", MONEY), Field("type", U8)), _RECEIPT_DOCUMENT, limit_s=60.0, changes=True,
        prints=True,
    ),
    _simple(0xFF37, "settlements_begin", "Begin a report on settlements.", changes=True),
    Command(
        0xFF38, "settlements", "Make a report on settlements.", (PASSWORD_FIELD,),
        (*_DOCUMENT, Field("unsent", U32), Field("unsent_since", FN_DATE)), limit_s=60.0, changes=True, prints=True,
    ),
    Command(
        0xFF39, "ofd_status", "What the data operator has not got yet.", (PASSWORD_FIELD,),
        (
            Field("exchange", U8), Field("reading", U8), Field("unsent", U16), Field("first_fd", U32),
            Field("datetime", FN_DATETIME),
        ),
    ),
    Command(
        0xFF3A, "fn_document", "Begin to read a document as TLV.", (PASSWORD_FIELD, Field("fd", U32)),
        (Field("type", U16), Field("length", U16)),
    ),
    Command(
        0xFF3B, "fn_document_block", "The next block of the document that is read.", (PASSWORD_FIELD,),
        (Field("tlv", TLV),),
    ),
    Command(
        0xFF3C, "ofd_receipt", "The data operator's receipt for a document.", (PASSWORD_FIELD, Field("fd", U32)),
        (Field("content", hexadecimal(None), ""),),
    ),
    _simple(0xFF3D, "fn_begin_close", "Begin to close the storage.", changes=True),
    Command(
        0xFF3E, "fn_close", "Close the storage for good.", (PASSWORD_FIELD,), _DOCUMENT, limit_s=60.0, changes=True,
        prints=True,
    ),
    Command(
        0xFF3F, "unconfirmed", "How many documents the data operator has not confirmed.", (PASSWORD_FIELD,),
        (Field("unsent", U16),),
    ),
    Command(
        0xFF40, "shift_status", "The shift: 0 closed, 1 open; its number, its last receipt's.", (PASSWORD_FIELD,),
        (Field("state", U8), Field("shift", U16), Field("receipt", U16)),
    ),
    _simple(0xFF41, "shift_begin_open", "Begin to open the shift, for tags that go into its document.", changes=True),
    _simple(0xFF42, "shift_begin_close", "Begin to close the shift, for tags that go into its document.", changes=True),
    Command(
        0xFF43, "fn_close_shift", "Close the shift in the storage.", (PASSWORD_FIELD,), _SHIFT_DOCUMENT, limit_s=60.0,
        changes=True, prints=True,
    ),
    Command(
        0xFF44, "operation_taxed", "A line with discount, surcharge and tax.",
        (*_DISCOUNTED, Field("tax_sum", MONEY, 0), Field("department", U8, 0), Field("tax", U8, 0),
         Field("barcode", MONEY, 0), Field("text", text(None, at_most=215), "")),
        changes=True, prints=True,
    ),
    Command(
        0xFF45, "close_v2", "Close the receipt; it is registered by this.",
        (
            PASSWORD_FIELD, *PAYMENTS, Field("rounding", U8, 0), *_TAX_SUMS, Field("tax_system", U8, 0),
            Field("text", text(None, at_most=64), ""),
        ),
        (Field("change", MONEY), Field("fd", U32), Field("sign", U32), Field("datetime", FN_DATETIME, optional=True)),
        limit_s=60.0, changes=True, prints=True,
    ),
    Command(
        0xFF46, "operation_v2", "A line: 1 sale, 2 return of a sale, 3 purchase, 4 return of a purchase.",
        (
            PASSWORD_FIELD, Field("type", U8), Field("quantity", QUANTITY_6, 1_000_000), Field("price", MONEY),
            Field("sum", MONEY_OR_COMPUTED), Field("tax_sum", MONEY_OR_COMPUTED), Field("tax", U8),
            Field("department", U8, 1), Field("method", U8, 4), Field("object", U8, 1),
            Field("name", text(None, at_most=128), ""),
        ),
        limit_s=20.0, changes=True, prints=True,
    ),
    Command(
        0xFF4A, "correction_v2", "Make a correction receipt, with payments and taxes.",
        (
            PASSWORD_FIELD, Field("correction_type", U8, 0), Field("type", U8), Field("sum", MONEY),
            Field("cash", MONEY, 0), Field("electronic", MONEY, 0), Field("prepaid", MONEY, 0),
            Field("credit", MONEY, 0), Field("other", MONEY, 0), *_TAX_SUMS, Field("tax_system", U8, 0),
        ),
        _RECEIPT_DOCUMENT, limit_s=60.0, changes=True, prints=True,
    ),
    Command(
        0xFF4B, "receipt_discount", "A discount or surcharge on the receipt.",
        (PASSWORD_FIELD, Field("discount", MONEY, 0), Field("surcharge", MONEY, 0), Field("tax", U8, 0),
         Field("text", text(None, at_most=128), "")),
        changes=True, prints=True,
    ),
    Command(
        0xFF4C, "fn_registration_result", "A registration by its number.", (PASSWORD_FIELD, Field("registration", U8)),
        (*_REGISTRATION, Field("rest", hexadecimal(None), "")),
    ),
    Command(0xFF4D, "operation_tlv", "Add tags to the last line.", (PASSWORD_FIELD, Field("tlv", TLV)), changes=True),
    Command(
        0xFF60, "marking_60", "Marking codes (format 1.2); the fields are not known.",
        (PASSWORD_FIELD, Field("content", hexadecimal(None), "", optional=True)),
        (Field("content", hexadecimal(None), "", optional=True),), changes=True,
    ),
    Command(
        0xFF61, "marking_check", "Check a marking code. The layout is a trace's of 2024; version 1.16 says another.",
        (
            PASSWORD_FIELD, Field("planned_status", U8), Field("mode", U8, 0), Field("code_len", U8),
            Field("tlv_len", U8, 0), Field("code", hexadecimal(None), ""),
        ),
        (
            Field("local_result", U8, 0), Field("local_error", U8, 0, optional=True),
            Field("symbology", U8, 0, optional=True), Field("content", hexadecimal(None), "", optional=True),
        ),
        limit_s=60.0, changes=True,
    ),
    Command(
        0xFF64, "fn_tlv_buffer", "Add the tags that lie in the buffer to the document.", (PASSWORD_FIELD,),
        changes=True,
    ),
    Command(
        0xFF65, "random", "A random sequence, for signing in.", (PASSWORD_FIELD,), (Field("content", hexadecimal(16)),),
    ),
    Command(
        0xFF66, "authorize", "Sign in.", (PASSWORD_FIELD, Field("content", hexadecimal(16))), changes=True,
    ),
    Command(
        0xFF67, "marking_bind", "Bind a marking code to the line.",
        (PASSWORD_FIELD, Field("code_len", U8), Field("code", hexadecimal(None), "")),
        (Field("item_code", U16, 0, optional=True), Field("code_type", U8, 0, optional=True),
         Field("content", hexadecimal(None), "", optional=True)),
        changes=True,
    ),
    Command(
        0xFF68, "marking_status", "The exchange with the marking servers.", (PASSWORD_FIELD,),
        (
            Field("exchange", U8), Field("reading", U8), Field("unsent", U16), Field("first", U32),
            Field("datetime", FN_DATETIME), Field("free_kb", U32),
        ),
    ),
    Command(
        0xFF69, "marking_accept", "Take (1) or refuse (0) the code that was checked.",
        (PASSWORD_FIELD, Field("accept", U8)), changes=True,
    ),
)  # fmt: skip
