"""What was tried at the enrolment of kiosks, kept: codes made, used, refused, and boxes seen twice.

Bounded whatever is tried: alike lines within an hour stand in one row with a count, and of each kiosk, and of codes
that name none, the newest are kept. Refusals are kept apart from the rest, so that no flood of them pushes out who it
was that enrolled.
"""

import msgspec
from sqlalchemy import Connection, delete, insert, select

from cloud.db.tables import enrolments
from cloud.kiosks.codes import Reason, Result

KEPT = 100  # rows of each kiosk that are refusals, and as many that are not
_ALIKE_FOR = 3600.0
_TEXT_MAX = 64


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was tried. Times are Unix seconds; `kiosk_id` is empty where the code named none."""

    kiosk_id: str
    result: str
    reason: str = ""
    address: str = ""
    other_address: str = ""
    fingerprint: str = ""
    at: float = 0.0
    last_at: float = 0.0
    count: int = 1


def note(
    connection: Connection,
    now: float,
    *,
    kiosk_id: str,
    result: Result,
    reason: Reason | str = "",
    address: str = "",
    other_address: str = "",
    fingerprint: str = "",
) -> None:
    """Write a line, in the caller's transaction."""
    table = enrolments
    same = {
        "kiosk_id": kiosk_id,
        "result": str(result),
        "reason": str(reason),
        "address": address[:_TEXT_MAX],
        "other_address": other_address[:_TEXT_MAX],
        "fingerprint": fingerprint,
    }
    alike = select(table).where(*(table.c[name] == value for name, value in same.items()))
    recent = table.c.last_at.between(now - _ALIKE_FOR, now + _ALIKE_FOR)
    found = connection.execute(alike.where(recent).order_by(table.c.id.desc()).limit(1)).one_or_none()
    if found is not None:  # it goes to the end: the newest is what happened last, whatever the clocks say
        connection.execute(delete(table).where(table.c.id == found.id))
    at, count = (found.at, found._mapping["count"] + 1) if found else (now, 1)
    connection.execute(insert(table).values(**same, at=at, last_at=now, count=count))
    refused = table.c.result == str(Result.REFUSED)
    kind = [table.c.kiosk_id == kiosk_id, refused if result is Result.REFUSED else ~refused]
    newest = select(table.c.id).where(*kind).order_by(table.c.id.desc()).limit(KEPT)
    connection.execute(delete(table).where(*kind, table.c.id.not_in(newest)))


def read(connection: Connection, kiosk_id: str | None, limit: int) -> list[Line]:
    """The newest lines first: of one kiosk, of codes that named none (""), or all (None)."""
    statement = select(enrolments).order_by(enrolments.c.id.desc()).limit(limit)
    if kiosk_id is not None:
        statement = statement.where(enrolments.c.kiosk_id == kiosk_id)
    names = Line.__struct_fields__
    return [Line(**{name: getattr(row, name) for name in names}) for row in connection.execute(statement)]
