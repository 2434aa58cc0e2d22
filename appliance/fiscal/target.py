"""What a backend asks of a register: documents, and questions that change nothing.

    {"lines": […], …} or {"action": "receipt", …}      a receipt or a correction      registered, pending, unclear
    {"action": "open-shift" | "close-shift"}           close-shift is the Z report    registered, pending, unclear
                                                       ("z-report" is the same)
    {"action": "cash-in" | "cash-out", "amount", "currency"}                          moved, pending, unclear
    {"action": "x-report"}, {"action": "copy"}         print only                     printed
    {"action": "register-status"}                      asks the register              read
    {"action": "find", "number": 5}                    asks the register              found, absent (404)
    {"action": "find", "reference": "…"}               asks the kiosk's book          as `result` says, absent (404)
    {"action": "pending"}                              what waits                     read

The words on the right are the answer's `status`. What the register refused, and what it cannot do now and is not kept
for later, are the problem `device-fault`; no link to it is `gateway-unreachable`.
"""

from abc import ABC, abstractmethod
from typing import Any

import msgspec

from appliance.fiscal.reading import Asked, Mistakes, read_asked
from appliance.fiscal.records import Document
from appliance.fiscal.result import Pending, Result, answered
from appliance.fiscal.shift import KINDS
from appliance.journal import StorageError
from appliance.supervisor import NoSuchDevice, Unavailable
from appliance.targets import Answered, Ask, NeverGot, NoAnswer, NotUnderstood, Target, answer
from hardware.errors import DeviceError, OutcomeUnknown, TransportError
from hardware.roles import FiscalRegister
from wire.receipt import FiscalDocument

_PRINTS = ("x-report", "copy")


class Desk(ABC):
    """What the target needs of the fiscal desk."""

    @abstractmethod
    def register(self, name: str) -> FiscalRegister:
        """Raises `NoSuchDevice`."""

    @abstractmethod
    def refuses(self, register: str) -> str:
        """Why no more documents are let in now; empty when they are."""

    @abstractmethod
    async def enter(self, reference: str, document: Document, within_s: float) -> Result:
        """Have it carried out. Raises `StorageError`."""

    @abstractmethod
    async def resume(self, reference: str, within_s: float) -> Result | None:
        """What becomes of a document of the run before; None for one that was never begun. Raises `StorageError`."""

    @abstractmethod
    async def standing(self, reference: str) -> Result | None:
        """How a document stands now; None for one that never was. Raises `StorageError`."""

    @abstractmethod
    def let_go(self, reference: str) -> bool:
        """Wait no longer for a document that surely cannot be registered now. False: there is none such."""

    @abstractmethod
    def pending(self, register: str) -> list[Pending]:
        """What has not ended, in order."""


class FiscalTarget(Target):
    """One register's operations.

    Args:
        device: its name.
        within_s: an operation is answered by then, if only with `pending`.
    """

    def __init__(self, desk: Desk, device: str, within_s: float) -> None:
        self._desk = desk
        self._device = device
        self._within_s = within_s

    def check(self, ask: Ask) -> None:
        try:
            asked = read_asked(ask.body)
            register = self._desk.register(self._device)
        except Unavailable:
            return  # it has no driver at this moment, and may have one by then
        except (Mistakes, NoSuchDevice) as error:
            raise NotUnderstood(str(error)) from error
        if asked.receipt is not None and (objections := register.objections(asked.receipt)):
            raise NotUnderstood("; ".join(objections))

    async def run(self, ask: Ask) -> Answered | NeverGot | NoAnswer:
        try:
            asked = read_asked(ask.body)
        except Mistakes as error:  # `check` said so before, by another version of the program
            return NeverGot(str(error), "bad-request")
        if asked.action not in KINDS:
            return await self._question(asked)
        if words := self._desk.refuses(self._device):
            return NeverGot(words, "device-fault")
        ask.tell({"document": asked.action, "status": "registering"})
        document = Document(
            device=self._device, kind=asked.action, receipt=asked.receipt, amount=asked.amount, operator=asked.operator
        )
        try:
            return answered(await self._desk.enter(ask.request_id, document, self._within_s))
        except StorageError as error:
            if error.certain:
                return NeverGot(f"it could not be written down: {error}", "kiosk-storage")
            return NoAnswer(f"it is not known whether it was written down: {error}")

    def can_tell(self, ask: Ask) -> bool:
        """All but what is only printed."""
        try:
            return read_asked(ask.body).action not in _PRINTS
        except Mistakes:
            return True

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        try:
            asked = read_asked(ask.body)
            if asked.action not in KINDS:
                result = await self._question(asked)  # it changes nothing: asked again
                return None if isinstance(result, NoAnswer) else result
            found = await self._desk.resume(ask.request_id, self._within_s)
        except (Mistakes, StorageError):
            return None
        if found is None:
            return NeverGot("the kiosk was cut off before the document was begun", "device-fault")
        return answered(found)

    def cancel(self, request_id: str, reason: str) -> bool:
        """A document is not taken back; but whoever waits for one that cannot be registered now is answered so."""
        return self._desk.let_go(request_id)

    async def _question(self, asked: Asked) -> Answered | NeverGot | NoAnswer:
        try:
            return await self._ask(asked)
        except (TransportError, NoSuchDevice) as error:
            return NeverGot(str(error))
        except OutcomeUnknown as error:
            return NoAnswer(str(error))
        except StorageError as error:
            return NeverGot(str(error), "kiosk-storage")
        except DeviceError as error:
            return NeverGot(str(error), "device-fault")

    async def _ask(self, asked: Asked) -> Answered:
        match asked.action:
            case "pending":
                return answer({"status": "read", "documents": self._desk.pending(self._device)})
            case "find" if asked.reference:
                found = await self._desk.standing(asked.reference)
                return _absent(reference=asked.reference) if found is None else answer(found)
            case "find" if asked.number is not None:
                document = await self._desk.register(self._device).find(asked.number)
                return _absent(number=asked.number) if document is None else answer(_found(document))
            case "register-status":
                status = await self._desk.register(self._device).read_status()
                return answer({"status": "read", **as_json(status), "waiting": len(self._desk.pending(self._device))})
            case "x-report":
                await self._desk.register(self._device).x_report()
            case "copy":
                await self._desk.register(self._device).print_copy()
        return answer({"status": "printed"})


def _absent(**what: object) -> Answered:
    return answer({"status": "absent", **what}, 404)


def _found(document: FiscalDocument) -> dict[str, Any]:
    """With the names that a registered document has."""
    told = as_json(document)
    total, change = told.pop("total_minor"), told.pop("change_minor")
    return {"status": "found", **told, "total": total, "change": change}


def as_json(value: object) -> dict[str, Any]:
    """A struct as an answer has it."""
    made: dict[str, Any] = msgspec.to_builtins(value)
    return made
