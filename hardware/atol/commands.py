"""The task types of driver 10, one declaration each: what it is called, takes, gives, and who says so."""

from dataclasses import dataclass
from enum import Enum


class Evidence(Enum):
    """How well a task type is known."""

    ANSWERED = "a client's recorded requests and answers"
    CALLED = "public programs that call it"
    DESCRIBED = "a public type description of the driver's JSON"


@dataclass(frozen=True, slots=True)
class TaskType:
    """One task. `fields` and `result` name the JSON's members; dotted ones are inside of another."""

    name: str
    summary: str
    fields: tuple[str, ...] = ()
    result: tuple[str, ...] = ()
    fiscal: bool = False  # a document in the fiscal storage comes of it
    evidence: Evidence = Evidence.DESCRIBED

    @property
    def confirmed(self) -> bool:
        """Whether an answer of a real server was seen for it."""
        return self.evidence is Evidence.ANSWERED


_RECEIPT = (
    "operator.name",
    "operator.vatin",
    "taxationType",
    "items",
    "payments",
    "total",
    "electronically",
    "clientInfo.emailOrPhone",
    "ignoreNonFiscalPrintErrors",
    "paymentsPlace",
    "paymentsAddress",
    "machineNumber",
    "preItems",
    "postItems",
)
_CORRECTION = (*_RECEIPT, "correctionType", "correctionBaseDate", "correctionBaseNumber")
_PARAMS = (
    "fiscalParams.fiscalDocumentDateTime",
    "fiscalParams.fiscalDocumentNumber",
    "fiscalParams.fiscalDocumentSign",
    "fiscalParams.fiscalReceiptNumber",
    "fiscalParams.fnNumber",
    "fiscalParams.registrationNumber",
    "fiscalParams.shiftNumber",
    "fiscalParams.total",
    "fiscalParams.fnsUrl",
    "warnings.notPrinted",
)
_FN_WARNINGS = ("memoryOverflow", "needReplacement", "ofdTimeout", "resourceExhausted", "criticalError")

_DECLARED = (
    TaskType("openShift", "Begins a shift.", ("operator.name", "operator.vatin"), _PARAMS, True, Evidence.ANSWERED),
    TaskType(
        "closeShift",
        "Ends the shift: the Z report.",
        ("operator.name", "operator.vatin"),
        (*_PARAMS, "fiscalParams.receiptsCount"),
        True,
        Evidence.ANSWERED,
    ),
    TaskType(
        "reportX", "Prints the shift's totals; changes nothing.", ("operator.name",), (), False, Evidence.ANSWERED
    ),
    TaskType("sell", "A sale.", _RECEIPT, _PARAMS, True, Evidence.ANSWERED),
    TaskType("sellReturn", "Money back to the customer.", _RECEIPT, _PARAMS, True, Evidence.CALLED),
    TaskType("buy", "Goods bought from the customer.", _RECEIPT, _PARAMS, True, Evidence.CALLED),
    TaskType("buyReturn", "Goods bought are given back.", _RECEIPT, _PARAMS, True, Evidence.CALLED),
    TaskType("sellCorrection", "Sales that have no receipt.", _CORRECTION, _PARAMS, True),
    TaskType("sellReturnCorrection", "Returns that have no receipt.", _CORRECTION, _PARAMS, True),
    TaskType("buyCorrection", "Purchases that have no receipt.", _CORRECTION, _PARAMS, True),
    TaskType("buyReturnCorrection", "Returned purchases that have no receipt.", _CORRECTION, _PARAMS, True),
    TaskType(
        "cashIn",
        "Cash put into the drawer.",
        ("operator.name", "cashSum"),
        ("counters.cashSum",),
        False,
        Evidence.CALLED,
    ),
    TaskType("cashOut", "Cash taken out.", ("operator.name", "cashSum"), ("counters.cashSum",), False, Evidence.CALLED),
    TaskType("nonFiscal", "Prints lines, codes and pictures.", ("items", "printFooter"), (), False, Evidence.CALLED),
    TaskType("continuePrint", "Prints the rest of what was cut short.", evidence=Evidence.CALLED),
    TaskType("printLastReceiptCopy", "Prints the last receipt again, as a copy.", evidence=Evidence.CALLED),
    TaskType("printFnDocument", "Prints a document of the storage.", ("fiscalDocumentNumber",)),
    TaskType("printDocumentsFromJournal", "Prints documents again.", ("filter", "from", "to")),
    TaskType("reportOfdExchangeStatus", "The report on what the data operator has.", (), _PARAMS, True),
    TaskType("openCashDrawer", "A pulse for the drawer."),
    TaskType(
        "getShiftStatus",
        "How the shift stands.",
        (),
        ("shiftStatus.state", "shiftStatus.number", "shiftStatus.expiredTime", "shiftStatus.documentsCount"),
        evidence=Evidence.CALLED,
    ),
    TaskType(
        "getFnStatus",
        "The number of the last document in the storage.",
        (),
        (
            "fnStatus.fiscalDocumentNumber",
            "fnStatus.fiscalReceiptNumber",
            *(f"fnStatus.warnings.{name}" for name in _FN_WARNINGS),
        ),
        evidence=Evidence.CALLED,
    ),
    TaskType(
        "getFnInfo",
        "Which storage it is.",
        (),
        (
            "fnInfo.serial",
            "fnInfo.version",
            "fnInfo.execution",
            "fnInfo.livePhase",
            "fnInfo.validityDate",
            "fnInfo.ffdVersion",
            "fnInfo.fnFfdVersion",
            "fnInfo.numberOfRegistrations",
            "fnInfo.registrationsRemaining",
            *(f"fnInfo.warnings.{name}" for name in _FN_WARNINGS),
        ),
        evidence=Evidence.CALLED,
    ),
    TaskType(
        "getFnDocument",
        "One document of the storage, its tags by number.",
        ("fiscalDocumentNumber", "withRawData"),
        ("documentTLV.fiscalDocumentType", "documentTLV.qr", "documentTLV.short", "rawData"),
        evidence=Evidence.CALLED,
    ),
    TaskType(
        "getDeviceInfo",
        "Model, serial number, firmware.",
        (),
        (
            "deviceInfo.model",
            "deviceInfo.modelName",
            "deviceInfo.serial",
            "deviceInfo.firmwareVersion",
            "deviceInfo.configurationVersion",
            "deviceInfo.receiptLineLength",
            "deviceInfo.receiptLineLengthPix",
            "deviceInfo.ffdVersion",
            "deviceInfo.fnFfdVersion",
        ),
        evidence=Evidence.CALLED,
    ),
    TaskType(
        "getDeviceStatus",
        "Paper, cover, clock, shift.",
        (),
        (
            "deviceStatus.currentDateTime",
            "deviceStatus.shift",
            "deviceStatus.blocked",
            "deviceStatus.coverOpened",
            "deviceStatus.paperPresent",
            "deviceStatus.fiscal",
            "deviceStatus.fnFiscal",
            "deviceStatus.fnPresent",
            "deviceStatus.cashDrawerOpened",
        ),
        evidence=Evidence.CALLED,
    ),
    TaskType(
        "ofdExchangeStatus",
        "What the data operator has not confirmed.",
        (),
        (
            "status.notSentCount",
            "status.notSentFirstDocNumber",
            "status.notSentFirstDocDateTime",
            "errors",
            "warnings",
        ),
    ),
    TaskType("getCashDrawerStatus", "Whether the drawer is open, and what should be in it."),
    TaskType("getShiftTotals", "Sums of the shift."),
    TaskType("getOverallTotals", "Sums that are never set back."),
    TaskType("getRegistrationInfo", "What the register was registered with."),
    TaskType("getDeviceParameters", "Reads settings.", ("keys",), ("deviceParameters",), evidence=Evidence.CALLED),
    TaskType("setDeviceParameters", "Changes settings.", ("deviceParameters",), evidence=Evidence.CALLED),
)

TASKS = {task.name: task for task in _DECLARED}
"""All of them by name."""

PATHS = {"v2": "/api/v2/requests", "v1": "/requests"}
"""Where tasks go: the current API, and that of older drivers."""
