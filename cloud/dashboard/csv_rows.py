"""Operations as lines of CSV that Excel opens rightly and safely. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from cloud.dashboard.operation_words import outcome, shown
from cloud.masking import masked_text
from cloud.operations.by_hand import Resolution, person
from cloud.operations.operation import Operation

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # or Excel reads UTF-8 as something else
COLUMNS = (
    "request_id", "kiosk", "operation", "method", "delivery", "outcome", "state", "executed", "status", "problem",
    "detail", "created_at", "sent_at", "accepted_at", "finished_at", "kiosk_seconds", "api_key", "api_key_name",
    "idempotency_key", "settled_by", "settled_why", "contradiction",
)  # fmt: skip
_DETAIL_MAX = 300
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
# Where the list separator of the system is a semicolon, as in Russia and Kazakhstan, Excel takes our commas for text:
# then a cell begins behind each semicolon and at each line of a text, whatever stands in quotes.
_WITHIN = re.compile(r"([;\t\r\n][\s\"']*)(?=[=+\-@＝＋－＠])")


def safe(text: str) -> str:
    """A cell that no spreadsheet computes, whichever of comma and semicolon it goes by."""
    text = _WITHIN.sub(r"\1'", text)
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip(" ").startswith(_FORMULA) else text


def head() -> str:
    """The byte order mark and the names of the columns."""
    return BOM + _line(COLUMNS)


def lines(
    found: Iterable[Operation], details: Mapping[str, str], names: Mapping[str, str], kept: Mapping[str, Resolution]
) -> str:
    """`details`, and who settled it, by request id; `names` by API key."""
    return "".join(_line(_cells(it, details.get(it.request_id, ""), names, kept.get(it.request_id))) for it in found)


def cut(limit: int) -> str:
    """The last line of a list that goes on."""
    return _line((f"# cut after {limit} rows: there are more; narrow the filter",))


def _cells(it: Operation, detail: str, names: Mapping[str, str], kept: Resolution | None) -> list[object]:
    key = it.api_key_id or ""
    return [
        it.request_id, it.kiosk_id, it.operation, it.method, it.delivery, outcome(it, kept), str(it.state), it.executed,
        it.status, it.problem, shown(detail, _DETAIL_MAX), _when(it.created_at), _when(it.sent_at),
        _when(it.accepted_at), _when(it.finished_at), it.elapsed, key, names.get(key, ""),
        masked_text(it.idempotency_key or ""), person(kept.by) if kept else "", shown(kept.why) if kept else "",
        kept.contradiction if kept else "",
    ]  # fmt: skip


def _line(cells: Iterable[object]) -> str:
    out = io.StringIO()
    given = [safe(cell) if isinstance(cell, str) else "" if cell is None else cell for cell in cells]
    csv.writer(out, lineterminator="\r\n").writerow(given)
    return out.getvalue()


def _when(at: float | None) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    if at is None:
        return ""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
