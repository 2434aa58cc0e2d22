"""Good conversations, one message of each kind, from either end: what is spoiled."""

import random
from typing import Any

Message = dict[str, Any]
_ID = "01997f3a-5f10-7c3e-9d1b-6a2f4c8e0b1"


def hello(journal: str = "fuzz") -> Message:
    """A kiosk's first message."""
    return {
        "type": "hello", "version": "0.1.0", "boot_id": "7f0c", "started_at": 1769860790.5, "unsettled": 0,
        "journal": journal, "batch": 256,
        "routes": ["payment", "default"],
        "devices": [{"name": "bills", "role": "bill-validator", "driver": "ccnet", "state": "ready"}],
    }  # fmt: skip


def from_kiosk(rng: random.Random) -> Message:
    """Anything a kiosk may say in `kiosk.v2`, about operations that are not."""
    request_id = _ID + str(rng.randrange(10))
    return rng.choice([
        hello(),
        {"type": "accepted", "request_id": request_id},
        {"type": "progress", "request_id": request_id, "data": {"inserted": 50000}},
        {"type": "response", "request_id": request_id, "operation": "payment", "executed": "yes", "status": 200,
         "body": {"status": "success"}, "elapsed": 3.2711},
        {"type": "response", "request_id": request_id, "operation": "payment", "executed": "unknown",
         "error": {"type": "interrupted", "detail": "the kiosk was cut off while it ran"}, "elapsed": 0.2},
        {"type": "response", "request_id": request_id, "operation": "payment", "executed": "no",
         "error": {"type": "expired", "detail": "late"}},
        {"type": "responses", "more": False, "responses": [
            {"request_id": request_id, "operation": "payment", "executed": "yes", "status": 200},
            {"request_id": request_id + "x", "operation": "payment", "executed": "no", "error": {"type": "expired"}},
        ]},
        {"type": "events", "after": rng.randrange(50), "events": [
            {"seq": 42, "at": 1769860804.2, "kind": "jam"}, {"seq": 43, "at": 1769860809.9, "kind": "jam-cleared"}]},
        {"type": "event", "seq": rng.randrange(1, 50), "at": 1769860803.1, "kind": "jam", "device": "bills",
        "data": {"n": 1}},
    ])  # fmt: skip


def from_v1(rng: random.Random) -> Message:
    """A v1 client's answer."""
    return {
        "request_id": _ID + str(rng.randrange(10)),
        "status": "success",
        "transaction_id": "T-17",
        "items": [1, {"a": None}],
    }


def from_hub(rng: random.Random, number: int) -> Message:
    """Anything a hub may say; a request is to pay the order `hub-<number>`."""
    request_id = f"fuzz-request-{number:06}"
    request = {
        "type": "request", "request_id": request_id, "operation": "payment", "method": "POST",
        "headers": {"header-kiosk-id": "kiosk_002", "header-operation-type": "payment", "header-http-method": "POST"},
        "body": {"order_id": f"hub-{number}", "sum": 150000}, "start_within": 44.0,
    }  # fmt: skip
    return rng.choice([
        {"type": "welcome", "hub": "hub-1/4711", "time": 1769860800.25, "ping_interval": 20.0, "batch": 256},
        request, request, request,
        {"type": "settled", "request_id": request_id}, {"type": "all_settled", "request_ids": [request_id] * 3},
        {"type": "event_ack", "seq": rng.randrange(100)},
        {"type": "cancel", "request_id": request_id},
    ])  # fmt: skip
