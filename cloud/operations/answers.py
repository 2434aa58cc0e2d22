"""What a caller of `POST /send` gets back, made from the operation alone: a replay is the same to the letter."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from cloud.errors import Refused
from cloud.operations.by_hand import Resolution, person
from cloud.operations.operation import Operation, State
from wire.problems import PROBLEMS, Outcome

JSON = "application/json"
PROBLEM = "application/problem+json"
_WITHOUT_BODY = frozenset({204, 205, 304})


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer without the HTTP: status, body, and the headers that matter."""

    status: int
    body: bytes
    content_type: str = JSON
    request_id: str = ""
    replayed: bool = False
    retry_after: int | None = None
    location: str = ""


def answer_of(operation: Operation, *, replayed: bool = False) -> Answer:
    """The answer to who asked for this operation: the gateway's, or the problem it ended or stands in."""
    if operation.answer is not None and operation.status is not None:
        # A kiosk passes on what its gateway said; HTTP itself still has rules.
        status = operation.status if 200 <= operation.status <= 599 else 502
        body = b"" if status in _WITHOUT_BODY else operation.answer
        return Answer(status, body, JSON, operation.request_id, replayed)
    if operation.state is State.QUEUED or (operation.delivery == "queue" and operation.problem is None):
        body = msgspec.json.encode({"request_id": operation.request_id, "state": operation.state})
        where = f"/operations/{operation.request_id}"
        return Answer(202, body, JSON, operation.request_id, replayed, location=where)
    problem = operation.problem or "timeout"
    return _problem(problem, operation.detail or "", operation.request_id, replayed=replayed)


def refusal(error: Refused, outcome: Outcome | None = None) -> Answer:
    """The answer to a request that did not become an operation, or whose operation was taken back.

    `outcome` where the request was about another operation, of which its refusal says nothing.
    """
    return _problem(error.problem, error.detail, error.request_id, retry_after=error.retry_after, outcome=outcome)


def record(operation: Operation, resolution: Resolution | None = None) -> dict[str, Any]:
    """An operation as `GET /operations/{request_id}` and callbacks tell it. Members without a value are null.

    `resolution` belongs to one that a person settled (`by_hand.is_by_hand`).
    """
    problem = None
    if operation.problem:
        kind = PROBLEMS[operation.problem]
        problem = {"type": operation.problem, "detail": operation.detail, "outcome": kind.outcome}
    answer = None
    if operation.status is not None:
        answer = {"status": operation.status, "body": msgspec.Raw(operation.answer or b"{}")}
    return {
        "request_id": operation.request_id,
        "kiosk": operation.kiosk_id,
        "operation": operation.operation,
        "method": operation.method,
        "delivery": operation.delivery,
        "state": operation.state,
        "final": operation.is_final,
        "executed": operation.executed,
        "idempotency_key": operation.idempotency_key,
        "created_at": _when(operation.created_at),
        "expires_at": _when(operation.start_by),
        "sent_at": _when(operation.sent_at),
        "accepted_at": _when(operation.accepted_at),
        "finished_at": _when(operation.finished_at),
        "kiosk_seconds": operation.elapsed,
        "answer": answer,
        "problem": problem,
        "resolution": None if resolution is None else _show(resolution),
    }


def _show(resolution: Resolution) -> dict[str, Any]:
    return {
        "by": person(resolution.by),
        "at": _when(resolution.at),
        "why": resolution.why,
        "before": resolution.before,
        "told_at": _when(resolution.told_at),
        "told": None if resolution.told is None else msgspec.Raw(resolution.told),
        "contradiction": resolution.contradiction or None,
    }


def _problem(
    name: str,
    detail: str,
    request_id: str,
    *,
    retry_after: int | None = None,
    replayed: bool = False,
    outcome: Outcome | None = None,
) -> Answer:
    kind = PROBLEMS[name]
    body: dict[str, object] = {"type": name, "title": kind.title, "status": kind.status, "detail": detail}
    body["request_id"] = request_id or None
    body["outcome"] = outcome or kind.outcome
    encoded = msgspec.json.encode(body)
    return Answer(kind.status, encoded, PROBLEM, request_id, replayed, retry_after)


def _when(at: float | None) -> str | None:
    """RFC 3339 in UTC, with milliseconds."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
