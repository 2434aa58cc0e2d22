"""Stand-ins for the rooms below the desk, each with a ledger of what it really did."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from appliance.fiscal.reading import check_receipt
from appliance.targets import Answered, Ask, NeverGot, NoAnswer, NotUnderstood, Result, Target, answer


class Till(Target):
    """Takes money once for each request id; its answers are set beforehand."""

    def __init__(self, result: Result | None = None, *, found: Answered | NeverGot | None = None) -> None:
        self.result = result or paid()
        self.found = found
        self.taken: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.cancelled: list[tuple[str, str]] = []
        self.mistakes = ""
        self.hold: asyncio.Event | None = None

    def check(self, ask: Ask) -> None:
        if self.mistakes:
            raise NotUnderstood(self.mistakes)

    async def run(self, ask: Ask) -> Result:
        self.bodies.append(msgspec.json.decode(ask.body))
        self.taken.append(ask.request_id)
        ask.tell({"stage": "collecting", "collected": 150000})
        if self.hold is not None:
            await self.hold.wait()
        return self.result

    def can_tell(self, ask: Ask) -> bool:
        return self.found is not None

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        return self.found

    def cancel(self, request_id: str, reason: str) -> bool:
        self.cancelled.append((request_id, reason))
        return True


def paid(**fields: Any) -> Answered:
    """The answer of a session that was paid with two notes."""
    return answer({
        "status": "paid", "amount": 135000, "currency": "KZT", "collected": 150000, "change_paid": 15000,
        "change_owed": 0, **fields,
    })  # fmt: skip


class Register:
    """Registers receipts, each reference once. It may not be `ready`, or say something else than `registered`."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, float]] = []
        self.unready = ""
        self.objections: list[str] = []
        self.instead: dict[str, Any] | None = None
        self.hold: asyncio.Event | None = None

    def check_receipt(self, body: object, where: str, register: str) -> list[str]:
        return check_receipt(body, where) or [f"{where}.{words}" for words in self.objections]

    def ready_for_receipts(self, register: str) -> str:
        return self.unready

    async def receipt(self, *, reference: str, register: str, body: dict[str, Any], within_s: float) -> dict[str, Any]:
        self.asked.append((reference, register, within_s))
        if self.hold is not None:
            await self.hold.wait()
        if self.instead is not None:
            return self.instead
        self.documents.setdefault(reference, body)
        return {"status": "registered", "number": list(self.documents).index(reference) + 1}


class Screen:
    """What was told of progress."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def __call__(self, progress: dict[str, Any]) -> None:
        self.told.append(progress)


def ask(body: dict[str, Any], *, request_id: str = "r1", tell: Callable[[dict[str, Any]], None] | None = None) -> Ask:
    """A request as `operations` would give it."""
    return Ask(
        request_id=request_id, operation="cash", method="POST", body=msgspec.json.encode(body), route=lambda: None,
        tell=tell or (lambda _progress: None),
    )  # fmt: skip


def body_of(result: object) -> dict[str, Any]:
    """What an answer says."""
    assert isinstance(result, Answered), result
    found: dict[str, Any] = msgspec.json.decode(result.body)
    return found


__all__ = ["Answered", "NeverGot", "NoAnswer", "Register", "Screen", "Till", "ask", "body_of", "paid"]
