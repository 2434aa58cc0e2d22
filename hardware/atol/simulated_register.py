"""The register behind the simulated web server: fiscal storage, shift, clock. Its memory is the simulator's."""

from collections.abc import Mapping, MutableMapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from hardware.atol.receipts import OPERATIONS
from hardware.simulation.simulator import Ledger

TODAY = datetime(2026, 11, 21, 10, 0)  # noqa: DTZ001 - a register's clock has no zone
SHIFT_MAX_S = 24 * 3600.0
DOCUMENT_TYPES = {"openShift": "openShift", "closeShift": "closeShift", "reportOfdExchangeStatus": "ofdExchangeStatus"}
FISCAL = (*OPERATIONS, *DOCUMENT_TYPES)


class TaskError(Exception):
    """The register says no."""

    def __init__(self, code: int, description: str) -> None:
        self.code, self.description = code, description
        super().__init__(description)


class SimulatedRegister:
    """One register. `reads_documents`: whether it gives documents out of its storage."""

    def __init__(
        self, memory: MutableMapping[str, Any], ledger: Ledger, *, storage: str, serial: str, reads_documents: bool
    ) -> None:
        self._memory, self._ledger = memory, ledger
        self._serial, self._reads_documents = serial, reads_documents
        self._ahead = 0.0  # seconds that its clock is ahead of what the simulation counts
        memory.setdefault("storage", storage)
        memory.setdefault("documents", [])
        memory.setdefault("shift", {"state": "closed", "number": 0, "since": 0.0, "receipts": 0})
        memory.setdefault("cash", 0)
        memory.setdefault("paper", True)
        memory.setdefault("cover", False)
        memory.setdefault("unprinted", False)

    def show_time(self, wall: datetime, now: float) -> None:
        """As of its simulator."""
        self._ahead = (wall - TODAY).total_seconds() - now

    def power_on(self, now: float) -> None:
        """No shift began later than its clock stands."""
        shift = self._memory["shift"]
        shift["since"] = min(shift["since"], now + self._ahead)

    def may(self, kind: str) -> None:
        """Raise `TaskError` when the shift is against it."""
        state = self._memory["shift"]["state"]
        if kind == "openShift":
            if state != "closed":
                raise TaskError(83, "Смена открыта - операция невозможна")
        elif state == "closed":
            raise TaskError(73, "Смена закрыта - операция невозможна")
        elif state == "expired" and kind != "closeShift":
            raise TaskError(68, "Смена превысила 24 часа")

    def register(self, task: Mapping[str, Any], uuid: str, now: float) -> dict[str, Any]:
        """The moment a document comes to be."""
        kind, shift = task["type"], self._memory["shift"]
        if kind == "openShift":
            shift.update(state="opened", number=shift["number"] + 1, since=now + self._ahead, receipts=0)
        number = self.last_number + 1
        total = sum(minor_of(item["amount"]) for item in task.get("items", ()) if item["type"] == "position")
        if kind in OPERATIONS:
            shift["receipts"] += 1
            cash = sum(minor_of(part["sum"]) for part in task["payments"] if str(part["type"]) in ("0", "cash"))
            paid = sum(minor_of(part["sum"]) for part in task["payments"])
            self._memory["cash"] += (cash - (paid - total)) * (1 if kind in ("sell", "buyReturn") else -1)
        correction = kind.endswith("Correction")
        document = {
            "number": number,
            "type": DOCUMENT_TYPES.get(kind) or ("receiptCorrection" if correction else "receipt"),
            "operation": OPERATIONS.get(kind, 0),
            "total": total,
            "sign": str(1494325660 + number * 7919),
            "at": self._clock(now).strftime("%Y-%m-%dT%H:%M:%S"),
            "shift": shift["number"],
            "receipt": shift["receipts"] if kind in OPERATIONS else None,
            "uuid": uuid,
        }
        self.documents.append(document)
        names = [item.get("name", "") for item in task.get("items", ())]
        told = {name: document[name] for name in ("number", "type", "operation", "total", "shift", "receipt")}
        self._ledger("document", {**told, "task": uuid, "text": names[0] if names else ""})
        if kind == "closeShift":
            shift.update(state="closed")
        return document

    def fiscal(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What a task that made it answers."""
        params = {
            "fiscalDocumentDateTime": document["at"] + "+03:00",
            "fiscalDocumentNumber": document["number"],
            "fiscalDocumentSign": document["sign"],
            "fnNumber": self._memory["storage"],
            "registrationNumber": "0000000001002292",
            "shiftNumber": document["shift"],
            "fnsUrl": "www.nalog.gov.ru",
        }
        if document["operation"]:
            params |= {"fiscalReceiptNumber": document["receipt"], "total": major_of(document["total"])}
        elif document["type"] == "closeShift":
            params["receiptsCount"] = self._memory["shift"]["receipts"]
        return {"fiscalParams": params, "warnings": {"notPrinted": bool(self._memory["unprinted"])}}

    def question(self, task: Mapping[str, Any], now: float) -> object:
        """The answer to one that only asks."""
        self.age(now)
        shift, clock = self._memory["shift"], self._clock(now)
        match task["type"]:
            case "getShiftStatus":
                expires = (TODAY + timedelta(seconds=shift["since"] + SHIFT_MAX_S)).isoformat()
                status = {"state": shift["state"], "number": shift["number"], "expiredTime": expires}
                return {"shiftStatus": status | {"documentsCount": shift["receipts"]}}
            case "getFnStatus":
                return {"fnStatus": {"fiscalDocumentNumber": self.last_number, "warnings": {"ofdTimeout": False}}}
            case "getFnInfo":
                return {"fnInfo": {"serial": self._memory["storage"], "livePhase": "fiscalMode", "warnings": {}}}
            case "getDeviceInfo":
                info = {"model": 69, "modelName": "АТОЛ 77Ф", "serial": self._serial, "firmwareVersion": "5.8.100"}
                return {"deviceInfo": info}
            case "getDeviceStatus":
                status = {"currentDateTime": clock.isoformat(), "shift": shift["state"], "blocked": False}
                status |= {"coverOpened": self._memory["cover"], "paperPresent": self._memory["paper"]}
                return {"deviceStatus": status | {"fiscal": True, "fnFiscal": True, "fnPresent": True}}
            case "ofdExchangeStatus":
                return {"status": {"notSentCount": 0, "notSentFirstDocNumber": 0}, "errors": {}, "warnings": {}}
            case "getFnDocument" if self._reads_documents:
                return {"documentTLV": self._tlv(int(task["fiscalDocumentNumber"]))}
            case "openCashDrawer":
                self._ledger("drawer", {})
                return None
            case kind:
                raise TaskError(11, f"Не поддерживается: {kind}")

    def _tlv(self, number: int) -> dict[str, Any]:
        document = next((one for one in self.documents if one["number"] == number), None)
        if document is None:
            raise TaskError(123, "Запрошенные данные отсутствуют в архиве ФН")
        tlv: dict[str, Any] = {"1040": number, "1012": document["at"], "1038": document["shift"]}
        tlv |= {"fiscalDocumentType": document["type"], "short": False, "qr": ""}
        if document["operation"]:
            stamp = document["at"].replace("-", "").replace(":", "")[:13]
            tlv["1020"] = major_of(document["total"])
            tlv["qr"] = (
                f"t={stamp}&s={major_of(document['total'])}&fn={self._memory['storage']}"
                f"&i={number}&fp={document['sign']}&n={document['operation']}"
            )
        return tlv

    def _clock(self, now: float) -> datetime:
        return TODAY + timedelta(seconds=now + self._ahead)

    def age(self, now: float) -> None:
        """A shift does not stay good for ever."""
        shift = self._memory["shift"]
        if shift["state"] == "opened" and now + self._ahead - shift["since"] >= SHIFT_MAX_S:
            shift["state"] = "expired"

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What the storage holds."""
        documents: list[dict[str, Any]] = self._memory["documents"]
        return documents

    @property
    def last_number(self) -> int:
        """Of the last document, 0 before the first."""
        documents = self.documents
        return int(documents[-1]["number"]) if documents else 0


def check(task: Mapping[str, Any]) -> None:
    """Raise `TaskError` for a receipt that does not add up."""
    try:
        total = Decimal(0)
        for item in task["items"]:
            if item["type"] != "position":
                continue
            amount = Decimal(item["amount"])
            exact = (Decimal(item["price"]) * Decimal(item["quantity"])).quantize(Decimal("0.01"), ROUND_HALF_UP)
            if amount > exact:
                raise TaskError(227, "Сумма позиции не равна цене, умноженной на количество")
            total += amount
        paid = sum((Decimal(part["sum"]) for part in task["payments"]), Decimal(0))
        cash = sum(
            (Decimal(part["sum"]) for part in task["payments"] if str(part["type"]) in ("0", "cash")), Decimal(0)
        )
        if "total" in task and Decimal(task["total"]) != total:
            raise TaskError(227, "Неверная сумма чека")
    except (KeyError, TypeError, ArithmeticError) as error:
        raise TaskError(501, f"Ошибка парсинга запроса: {error}") from None
    if paid < total:
        raise TaskError(66, "Чек оплачен не полностью")
    if paid - cash > total:
        raise TaskError(52, "Сумма не наличных платежей превышает сумму чека")


def minor_of(amount: Any) -> int:
    """Roubles as kopecks."""
    return int((Decimal(amount) * 100).to_integral_value(ROUND_HALF_UP))


def major_of(minor: int) -> str:
    """As the server writes amounts; `_dump` takes the quotes away."""
    return f"{minor // 100}.{minor % 100:02}"
