"""Operations as CSV that is safe to open."""

import csv
import io
import re

import msgspec
import pytest

from cloud.dashboard import csv_rows
from cloud.operations.by_hand import Resolution
from cloud.operations.operation import Operation, State

IT = Operation(
    request_id="01a2-x", kiosk_id="kiosk_1", operation="payment", method="POST", created_at=1795314400.25,
    state=State.SUCCEEDED, executed="yes", status=200, problem="confirmed-executed", api_key_id="aabb", elapsed=1.5,
    idempotency_key="=HYPERLINK(1)", finished_at=1795314401.0,
)  # fmt: skip


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix(csv_rows.BOM))))


def test_it_begins_with_the_mark_that_excel_needs() -> None:
    assert csv_rows.head().encode().startswith(b"\xef\xbb\xbfrequest_id,")
    assert csv_rows.head().endswith("\r\n")


def test_a_row() -> None:
    kept = Resolution(
        request_id="01a2-x", at=1.0, by="telegram:1 (A Name)", why='+ bank, "said"\nso', state="succeeded", before=""
    )
    text = csv_rows.head() + csv_rows.lines(
        [IT], {"01a2-x": "card 4111111111111111"}, {"aabb": "@shop"}, {"01a2-x": kept}
    )
    (row,) = read(text)
    assert row["created_at"] == "2026-11-22T02:26:40.250Z"
    assert row["outcome"] == "hand-executed"
    assert (row["idempotency_key"], row["api_key_name"]) == ("'=HYPERLINK(1)", "'@shop")
    assert row["settled_why"].startswith("'+ bank, ")
    assert row["settled_by"] == "telegram:1"
    assert "4111111111111111" not in text
    assert (row["kiosk_seconds"], row["sent_at"]) == ("1.5", "")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "＝1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert csv_rows.safe(text).startswith("'")


@pytest.mark.parametrize("text", ["a;=1", 'a;"=1', "a; +1", "a\n@x", "a\r\n=1", "a\t-1", "a;'=1", "x;;＝1", "=1;=1"])
def test_no_part_of_a_cell_is_a_formula_where_cells_end_at_semicolons(text: str) -> None:
    """Excel with the settings of Russia splits our lines so, and knows no quotes that begin within a cell."""
    line = csv_rows.lines([msgspec.structs.replace(IT, problem=text)], {}, {}, {})
    for part in re.split(r"[;\t\r\n]", line):
        assert not part.lstrip(' "').startswith(("=", "+", "-", "@", "＝")), line


@pytest.mark.parametrize("text", ["", "a=1", "kiosk-1", "1", "a; b", "a, -5", "x; 5=5"])
def test_other_cells_stay(text: str) -> None:
    assert csv_rows.safe(text) == text


def test_a_list_that_is_cut_says_so() -> None:
    assert csv_rows.cut(100) == "# cut after 100 rows: there are more; narrow the filter\r\n"
