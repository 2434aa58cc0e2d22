"""Responses made of what is known. Pure."""

from appliance.targets import Answered
from wire.messages import Error, Executed, Response


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
