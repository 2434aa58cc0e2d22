"""What the programs themselves have written, read from outside: the hub's database, the gateway's ledger."""

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.chaos.history import Effect, Json, Operation

Rows = list[tuple[Any, ...]]
_COLUMNS = (
    "request_id, kiosk_id, state, final, executed, idempotency_key, created_at, finished_at, status, "
    "answer, problem, body"
)


def read_rows(path: Path, statement: str) -> Rows:
    """What a query finds in an SQLite file."""
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        return connection.execute(statement).fetchall()


def read_operations(rows: Callable[[str], Rows]) -> Iterable[Operation]:
    """All that the hub has stored; the hub itself shows no bodies."""
    for row in rows(f"SELECT {_COLUMNS} FROM operations"):
        answer: Json | None = json.loads(row[9]) if row[9] is not None else None
        sent: Json = json.loads(row[11]) if row[11] else {}
        yield Operation(
            request_id=row[0],
            order=_identity(sent) or _identity(answer),
            kiosk=row[1],
            state=row[2],
            final=bool(row[3]),
            executed=row[4],
            key=row[5],
            created_at=row[6],
            finished_at=row[7],
            status=row[8],
            body=answer,
            problem=row[10],
        )


def effect(line: Json) -> Effect:
    """One line of the gateway's ledger: a charge or a receipt."""
    return Effect(
        effect=line["effect"],
        identity=line.get("order_id") or line["check_id"],
        at=line["at"],
        amount=line.get("sum"),
        transaction=line.get("transaction_id"),
    )


def _identity(body: Any) -> str | None:
    if not isinstance(body, dict):
        return None
    found: str | None = body.get("order_id") or body.get("check_id")
    return found
