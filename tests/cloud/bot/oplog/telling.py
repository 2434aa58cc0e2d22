"""What the feed tells, made by hand."""

import json
from typing import Any

from cloud.operations.feed import Told

REQUEST_ID = "0195d3c1-5c00-7abc-8def-0123456789ab"


def told(what: str = "begun", request_id: str = REQUEST_ID, **changes: Any) -> Told:
    """A payment that was sent; bodies may be given as what JSON stands for."""
    given: dict[str, Any] = {
        "at": 1_770_000_000.0,
        "kiosk_id": "kiosk_001",
        "operation": "payment",
        "method": "POST",
        "body": b'{"order_id": 12345, "sum": 1000}',
        "state": {"begun": "sent", "ended": "succeeded"}.get(what, ""),
        **changes,
    }
    for name in ("body", "answer"):
        if not isinstance(given.get(name, b""), bytes):
            given[name] = json.dumps(given[name], ensure_ascii=False).encode()
    return Told(what=what, request_id=request_id, **given)  # type: ignore[arg-type]


def done(request_id: str = REQUEST_ID, **changes: Any) -> Told:
    """The same, done in 0.84 s."""
    return told(
        "ended",
        request_id,
        **{
            "executed": "yes",
            "status": 200,
            "answer": b'{"status": "success", "transaction_id": "TXN123"}',
            "seconds": 0.84,
            "kiosk_seconds": 0.79,
            **changes,
        },
    )


def refused(request_id: str = REQUEST_ID, **changes: Any) -> Told:
    """It did not become an operation: its kiosk is away."""
    return told(
        "refused", request_id, **{"problem": "kiosk-offline", "detail": "kiosk kiosk_001 is not connected", **changes}
    )
