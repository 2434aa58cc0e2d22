"""What a backend wants, and the operation it becomes. Pure but for the clock that dates it."""

import hashlib
import time

import msgspec

from cloud.operations.operation import Operation, State


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend wants, checked in form. `timeout` and `expires` are seconds; `body` is a JSON object."""

    request_id: str
    kiosk_id: str
    operation: str
    method: str
    body: bytes
    api_key_id: str | None
    idempotency_key: str | None = None
    timeout: float
    expires: float | None = None  # set: keep it for the kiosk that long
    over_limit: float = 0.0  # seconds until its API key may ask for something new


def operation_of(order: Order, now: float | None = None, hub: str | None = None) -> Operation:
    """A new operation, not yet anywhere, of the hub with this life. `now` is Unix seconds; None: of this clock."""
    now = time.time() if now is None else now
    return Operation(
        request_id=order.request_id,
        kiosk_id=order.kiosk_id,
        operation=order.operation,
        method=order.method,
        created_at=now,
        state=State.QUEUED,
        delivery="now" if order.expires is None else "queue",
        body=order.body,
        api_key_id=order.api_key_id,
        idempotency_key=order.idempotency_key,
        fingerprint=None if order.idempotency_key is None else _fingerprint(order),
        start_by=None if order.expires is None else now + order.expires,
        hub=hub,
    )


# Digits as they stand: two amounts that one float stands for are not the same request.
_canonical = msgspec.json.Decoder(float_hook=lambda digits: {"": digits})


def _fingerprint(order: Order) -> str:
    """What makes a request the same: spacing and the order of members do not."""
    try:
        canonical = msgspec.json.encode(_canonical.decode(order.body), order="sorted")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        canonical = order.body  # JSON that only fits a body passed on as it is
    head = f"{order.kiosk_id}\n{order.operation}\n{order.method}\n"
    return hashlib.sha256(head.encode() + canonical).hexdigest()
