"""The newest of all kiosks' events that a person may want to know of without asking. Reads only, within bounds."""

import msgspec
from sqlalchemy import LargeBinary, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.tables import events
from cloud.kiosks.devices import AILING

# Of these every one is; of `state-changed` those that say a device is out of service.
KINDS = frozenset({
    "cassette-removed", "cassette-returned", "cassette-full", "collection", "level-full", "level-empty", "paper-out",
    "cash-owed", "cash-unclaimed", "claim-settled", "payment-unclear", "document-unclear", "reconciliation", "tampered",
    "circuit-opened", "disk-low", "clock-wrong", "journal-trouble", "journal-damaged", "journal-copied",
    "events-dropped", "disk-moved", "started", "shift-closed",
})  # fmt: skip
_LOOKED_AT = 400  # of all kinds, the newest
_DATA_MAX = 8192  # bytes; ours have some hundreds
_TEXT_MAX = 64


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. `kind` is the event's, or `fault` and `absent`; `at` is the hub's time of hearing it, Unix seconds.

    `device` is as a kiosk says it, and may be anything. `data` is JSON as it came; empty where it is too long.
    """

    kiosk_id: str
    at: float
    kind: str
    device: str = ""
    data: bytes = b"{}"


class _State(msgspec.Struct):
    state: str = ""


async def newest(engine: AsyncEngine, limit: int) -> list[Noted]:
    """The newest first. Raises SQLAlchemyError, OSError."""
    c = events.c
    # What is too long stays where it is: 400 rows of a megabyte are no glance.
    data = case((func.length(c.data) <= _DATA_MAX, c.data), else_=literal(b"{}", LargeBinary)).label("data")
    wanted = (c.kiosk_id, c.received_at, c.kind, c.device, data)
    statement = select(*wanted).order_by(c.received_at.desc()).limit(_LOOKED_AT)
    async with engine.connect() as connection:
        rows = (await connection.execute(statement)).all()
    found: list[Noted] = []
    for row in rows:
        kind = row.kind if row.kind != "state-changed" else _state(bytes(row.data))
        if kind in KINDS or kind in AILING:
            device, told = row.device[:_TEXT_MAX], bytes(row.data)
            found.append(Noted(kiosk_id=row.kiosk_id, at=row.received_at, kind=kind, device=device, data=told))
        if len(found) == limit:
            break
    return found


def _state(data: bytes) -> str:
    try:
        return msgspec.json.decode(data, type=_State).state
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
