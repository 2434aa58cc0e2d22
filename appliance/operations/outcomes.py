"""Responses made of what is known, and what the kiosk's own screen shows of them. Pure."""

from typing import Any

from appliance.targets import Answered
from wire.messages import Error, Executed, Response

_SHOWN_BYTES_MAX = 8 * 1024


def answered(request_id: str, operation: str, answer: Answered, elapsed: float) -> Response:
    """The gateway's answer is the outcome."""
    return Response(
        request_id=request_id, operation=operation, executed=Executed.YES, status=answer.status, body=answer.body,
        elapsed=round(elapsed, 4),
    )  # fmt: skip


def refused(request_id: str, operation: str, problem: str, detail: str, elapsed: float) -> Response:
    """It never reached the gateway, and never will."""
    return Response(
        request_id=request_id, operation=operation, executed=Executed.NO, error=Error(problem, detail),
        elapsed=round(elapsed, 4),
    )  # fmt: skip


def unknown(request_id: str, operation: str, problem: str, detail: str, elapsed: float) -> Response:
    """The gateway may have acted."""
    return Response(
        request_id=request_id, operation=operation, executed=Executed.UNKNOWN, error=Error(problem, detail),
        elapsed=round(elapsed, 4),
    )  # fmt: skip


def shown(response: Response) -> dict[str, Any]:
    """The end of an operation for the screen: `result` is the answer's body, unless it is too long to be shown."""
    fields: dict[str, Any] = {"executed": response.executed.value}
    if response.error is not None:
        fields |= {"problem": response.error.type, "detail": response.error.detail}
    else:
        fields["status"] = response.status
        if 0 < len(bytes(response.body)) <= _SHOWN_BYTES_MAX:
            fields["result"] = response.body
    return fields
