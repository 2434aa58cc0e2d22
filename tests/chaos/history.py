"""What happened in a run, as everybody outside the system saw it: callers, gateways, callback addresses, and at the
end the hub asked about everything.

Times are Unix seconds of one machine. Nothing here is the system's own word about itself, save `Operation` and
`EventRow`: what the hub tells when all is over.
"""

import time
from enum import StrEnum
from typing import Any

import httpx
import msgspec

Json = dict[str, Any]


class Ask(StrEnum):
    """What kind of a request an order is."""

    PAYMENT = "payment"  # its gateway can be asked what became of it
    BLIND = "blind"  # a payment whose gateway cannot be asked
    FISCAL = "fiscal"  # a fiscal document; its register cannot be asked
    LOOKUP = "lookup"  # a GET: without effect, and a lost answer is not asked for again


class Told(msgspec.Struct, kw_only=True):
    """One attempt of a caller, and the answer to it. `status` 0: no answer came."""

    asked_at: float
    told_at: float
    status: int
    content: bytes = b""
    request_id: str = ""
    problem: str = ""  # the problem's type; empty: the gateway's answer, 202, or none
    outcome: str = ""  # of a problem: `not_executed` or `unknown`
    replayed: bool = False

    @classmethod
    def of(cls, answer: httpx.Response, asked_at: float) -> "Told":
        """What the hub answered just now."""
        told = cls(
            asked_at=asked_at,
            told_at=time.time(),
            status=answer.status_code,
            content=answer.content,
            request_id=answer.headers.get("x-request-id", ""),
            replayed="idempotent-replayed" in answer.headers,
        )
        if answer.headers.get("content-type") == "application/problem+json":
            problem = answer.json()
            told.problem, told.outcome = problem["type"], problem["outcome"]
        return told

    @property
    def is_answer(self) -> bool:
        """Whether this is the gateway's own answer."""
        return self.status not in {0, 202} and not self.problem


class Order(msgspec.Struct, kw_only=True):
    """One thing a backend wants done: its identity at the gateway, the key it goes by, everything told about it."""

    id: str
    kiosk: str
    ask: Ask
    key: str | None
    amount: int
    fault: str = ""  # what the gateway was asked to do wrong
    queued: bool = False
    told: list[Told] = []
    seen: list[Json] = []  # the operation as `GET /operations/{request_id}` showed it, in order


class Effect(msgspec.Struct, kw_only=True):
    """One line of a gateway's ledger, written before anybody was told."""

    effect: str  # payment, declined, fiscal
    identity: str
    at: float
    amount: int | None = None
    transaction: str | None = None


class Operation(msgspec.Struct, kw_only=True):
    """What the hub tells of an operation when all is over."""

    request_id: str
    order: str | None  # by the body that was sent, or else by the gateway's answer
    kiosk: str
    state: str
    final: bool
    executed: str | None
    key: str | None
    created_at: float
    finished_at: float | None = None
    status: int | None = None  # of the gateway's answer
    body: Any = None
    problem: str | None = None


class Callback(msgspec.Struct, kw_only=True):
    """One delivery at a callback address that answered 2xx."""

    request_id: str
    webhook_id: str
    state: str
    executed: str | None
    body: Any = None


class EventRow(msgspec.Struct, kw_only=True):
    """One stored event, in the order the hub stored them."""

    kiosk: str
    journal: str
    seq: int
    kind: str
    data: Json


class Teller(msgspec.Struct, kw_only=True):
    """What a scripted kiosk told: its events by number, `forgotten` those that the hub acknowledged."""

    kiosk: str
    journal: str
    events: list[Json]
    acknowledged: int = 0


class History(msgspec.Struct, kw_only=True):
    """Everything a checker needs. `ended_at` is when the last look was taken, long after everything was put right."""

    orders: list[Order]
    effects: list[Effect]
    operations: list[Operation]
    callbacks: list[Callback] = []
    events: list[EventRow] = []
    tellers: list[Teller] = []
    called_back: frozenset[str] = frozenset()  # request ids whose final state is owed to a callback address
    ended_at: float = 0.0
