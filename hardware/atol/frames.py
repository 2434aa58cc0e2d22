"""Tasks and answers of the web server: JSON bytes and frozen structs. Amounts are `Decimal`, written out exactly.

Answers are read kindly: members that are not known are passed over, both forms of errors are understood (`errorCode`
of older drivers, `error{code}` of newer ones), numbers may come as texts. What is no such answer at all is a
`Garbled`, never an exception.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TypeVar

import msgspec

from hardware.atol.states import Code, TaskStatus
from wire.receipt import FiscalDocument

S = TypeVar("S")

_KOPECK = Decimal("0.01")
_BOM = b"\xef\xbb\xbf"
_encoder = msgspec.json.Encoder(decimal_format="number")

Task = Mapping[str, object]
"""One task as it is sent: `type` and its members, by the names of `commands`."""


# What is sent


def encode_request(uuid: str, tasks: Sequence[Task]) -> bytes:
    """The body of a POST."""
    return _encoder.encode({"uuid": uuid, "request": list(tasks)})


def roubles(minor: int) -> Decimal:
    """Kopecks as roubles, always with two digits behind the point: 250 is 2.50."""
    return Decimal(minor).scaleb(-2).quantize(_KOPECK)


def quantity(millionths: int) -> Decimal:
    """Three digits behind the point, up to six where they are needed: 500000 is 0.500."""
    exact = Decimal(millionths).scaleb(-6)
    digits = 3
    while digits < 6 and exact != exact.quantize(Decimal(1).scaleb(-digits)):
        digits += 1
    return exact.quantize(Decimal(1).scaleb(-digits))


def kopecks(amount: Decimal) -> int | None:
    """Roubles as kopecks; None for what is no amount."""
    try:
        return int(amount.quantize(_KOPECK, rounding=ROUND_HALF_UP).scaleb(2))
    except (InvalidOperation, ValueError, OverflowError):
        return None


# What is answered


class _Error(msgspec.Struct):
    code: int = 0
    description: str | None = None


class _Result(msgspec.Struct, rename="camel"):
    status: str = ""
    error: _Error | None = None
    error_code: int | None = None
    error_description: str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(msgspec.Struct, rename="camel"):
    results: list[_Result] | None = None
    error: _Error | None = None
    error_code: int | None = None
    error_description: str | None = None
    uuid: str | None = None
    number: int | None = None
    is_blocked: bool | None = None
    blocked_uuid: str | None = msgspec.field(default=None, name="blockedUUID")
    block_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one task stands. `status` is None for a word that is not known; `result` is JSON."""

    status: TaskStatus | None
    word: str
    code: int = 0
    description: str = ""
    result: bytes = b"null"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A POST was taken into the queue."""

    number: int | None = None
    blocked: bool = False
    blocked_uuid: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """A GET found the uuid; one outcome a task."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class WebError:
    """The server said no. `http` is the status of the answer."""

    http: int
    code: int
    description: str


@dataclass(frozen=True, slots=True)
class Garbled:
    """Something came that is none of these."""

    http: int
    words: str


Answer = Accepted | Results | WebError | Garbled


def read_answer(http: int, body: bytes) -> Answer:
    """What a response says. Never raises."""
    data = body.removeprefix(_BOM).strip()
    try:
        answer = msgspec.json.decode(data or b"{}", type=_Answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if http >= 400:
            return WebError(http, 0, f"HTTP status {http}")
        return Garbled(http, f"an answer that is not the web server's JSON: {error}")
    code, description = _error_of(answer)
    if code or http >= 400:
        return WebError(http, code, description or f"HTTP status {http}")
    if answer.results is not None:
        return Results(tuple(_outcome(result) for result in answer.results))
    if http in (200, 201, 202, 204):
        return Accepted(answer.number, bool(answer.is_blocked), answer.blocked_uuid or "", answer.block_reason or "")
    return Garbled(http, f"HTTP status {http}")


def _outcome(result: _Result) -> Outcome:
    try:
        status = TaskStatus(result.status)
    except ValueError:
        status = None
    code, description = _error_of(result)
    return Outcome(status, result.status, code, description, bytes(result.result) or b"null")


def _error_of(answer: _Answer | _Result) -> tuple[int, str]:
    if answer.error is not None:
        return answer.error.code, answer.error.description or ""
    return answer.error_code or 0, answer.error_description or ""


# Results of tasks


class _FiscalParams(msgspec.Struct, rename="camel"):
    fiscal_document_number: int
    fiscal_document_sign: str | int = ""
    fiscal_document_date_time: str = ""
    fiscal_receipt_number: int | None = None
    fn_number: str | int = ""
    registration_number: str | int = ""
    shift_number: int | None = None
    receipts_count: int | None = None
    total: Decimal | None = None


class _Warnings(msgspec.Struct, rename="camel"):
    not_printed: bool = False
    non_fiscal: bool = False


class _FiscalResult(msgspec.Struct, rename="camel"):
    fiscal_params: _FiscalParams
    warnings: _Warnings | None = None


class Shift(msgspec.Struct, rename="camel", frozen=True):
    """`shiftStatus`; `state` is a `ShiftWord`."""

    state: str = ""
    number: int | None = None
    expired_time: str = ""
    documents_count: int | None = None


class Storage(msgspec.Struct, rename="camel", frozen=True):
    """`fnStatus`."""

    fiscal_document_number: int
    fiscal_receipt_number: int | None = None


class StorageInfo(msgspec.Struct, rename="camel", frozen=True):
    """`fnInfo`."""

    serial: str = ""
    live_phase: str = ""
    validity_date: str = ""
    ffd_version: str = ""


class Device(msgspec.Struct, rename="camel", frozen=True):
    """`deviceInfo`."""

    model_name: str = ""
    serial: str = ""
    firmware_version: str = ""
    model: int | None = None
    receipt_line_length: int | None = None


class Condition(msgspec.Struct, rename="camel", frozen=True):
    """`deviceStatus`."""

    current_date_time: str = ""
    shift: str = ""
    blocked: bool = False
    cover_opened: bool = False
    paper_present: bool | None = None
    fn_present: bool | None = None
    cash_drawer_opened: bool | None = None


class Exchange(msgspec.Struct, rename="camel", frozen=True):
    """`ofdExchangeStatus.status`."""

    not_sent_count: int | None = None
    not_sent_first_doc_number: int | None = None
    not_sent_first_doc_date_time: str = ""


class Found(msgspec.Struct, frozen=True):
    """A document of the storage, as far as its type and its receipt QR code tell."""

    number: int
    type: str
    operation: int | None = None  # 1 sale, 2 return, 3 purchase, 4 purchase return
    total_minor: int | None = None
    sign: str = ""
    storage: str = ""
    at: str = ""

    def document(self, *, printed: bool | None = None) -> FiscalDocument:
        """As a fiscal document, with what is known of it."""
        return FiscalDocument(
            number=self.number,
            storage=self.storage,
            sign=self.sign,
            at=self.at,
            total_minor=self.total_minor,
            printed=printed,
        )


def read_document(result: bytes) -> FiscalDocument | None:
    """`fiscalParams` of a receipt or shift task; None when it has none that can be read."""
    read = _read(result, _FiscalResult)
    if read is None:
        return None
    params = read.fiscal_params
    return FiscalDocument(
        number=params.fiscal_document_number,
        storage=str(params.fn_number),
        sign=str(params.fiscal_document_sign),
        registration=str(params.registration_number),
        shift=params.shift_number,
        receipt=params.fiscal_receipt_number,
        at=params.fiscal_document_date_time[:16],
        total_minor=None if params.total is None else kopecks(params.total),
        printed=not (read.warnings is not None and read.warnings.not_printed),
    )


class _ShiftResult(msgspec.Struct, rename="camel"):
    shift_status: Shift


class _StorageResult(msgspec.Struct, rename="camel"):
    fn_status: Storage


class _StorageInfoResult(msgspec.Struct, rename="camel"):
    fn_info: StorageInfo


class _DeviceResult(msgspec.Struct, rename="camel"):
    device_info: Device


class _ConditionResult(msgspec.Struct, rename="camel"):
    device_status: Condition


class _ExchangeResult(msgspec.Struct):
    status: Exchange


class _FoundResult(msgspec.Struct):
    tlv: dict[str, msgspec.Raw] = msgspec.field(name="documentTLV")


def read_shift(result: bytes) -> Shift | None:
    """`getShiftStatus`."""
    read = _read(result, _ShiftResult)
    return None if read is None else read.shift_status


def read_storage(result: bytes) -> Storage | None:
    """`getFnStatus`."""
    read = _read(result, _StorageResult)
    return None if read is None else read.fn_status


def read_storage_info(result: bytes) -> StorageInfo | None:
    """`getFnInfo`."""
    read = _read(result, _StorageInfoResult)
    return None if read is None else read.fn_info


def read_device(result: bytes) -> Device | None:
    """`getDeviceInfo`."""
    read = _read(result, _DeviceResult)
    return None if read is None else read.device_info


def read_condition(result: bytes) -> Condition | None:
    """`getDeviceStatus`."""
    read = _read(result, _ConditionResult)
    return None if read is None else read.device_status


def read_exchange(result: bytes) -> Exchange | None:
    """`ofdExchangeStatus`."""
    read = _read(result, _ExchangeResult)
    return None if read is None else read.status


def read_found(number: int, result: bytes) -> Found | None:
    """`getFnDocument`: its type, and what its QR code says (t, s, fn, i, fp, n), which is text and exact."""
    read = _read(result, _FoundResult)
    if read is None:
        return None
    qr = dict(part.partition("=")[::2] for part in _text(read.tlv.get("qr")).split("&"))
    total: int | None = None
    if qr.get("s"):
        try:
            total = kopecks(Decimal(qr["s"]))
        except InvalidOperation:
            return None
    if qr.get("i") and qr["i"].isdigit() and int(qr["i"]) != number:
        return None  # of another document
    return Found(
        number=number,
        type=_text(read.tlv.get("fiscalDocumentType")),
        operation=int(qr["n"]) if qr.get("n", "").isdecimal() else None,
        total_minor=total,
        sign=qr.get("fp", ""),
        storage=qr.get("fn", ""),
        at=_stamp(qr.get("t", "")),
    )


def _stamp(compact: str) -> str:
    """`20261121T1305` as `2026-11-21T13:05`."""
    if len(compact) < 13 or compact[8] != "T" or not (compact[:8] + compact[9:13]).isdigit():
        return ""
    return f"{compact[:4]}-{compact[4:6]}-{compact[6:8]}T{compact[9:11]}:{compact[11:13]}"


def _text(raw: msgspec.Raw | None) -> str:
    if raw is None:
        return ""
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.DecodeError:
        return ""


def _read(result: bytes, kind: type[S]) -> S | None:
    try:
        return msgspec.json.decode(result, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_repeat(error: WebError) -> bool:
    """Whether a POST may have failed because the uuid is there already: 409, or 505 (which says that and more)."""
    return error.http == 409 or error.code == Code.WEB_FAIL


def is_unknown(answer: Answer) -> bool:
    """Whether a GET says that there is no such task: 404, 505, or an answer with nothing in it."""
    if isinstance(answer, Results):
        return not answer.outcomes
    return isinstance(answer, WebError) and (answer.http in (404, 410) or answer.code == Code.WEB_FAIL)
