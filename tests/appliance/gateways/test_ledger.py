"""What a simulated gateway did stays told."""

import json
from pathlib import Path

import msgspec
import pytest

from appliance.gateways.ledger import Ledger


def test_an_effect_is_one_line_of_json_in_the_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append("payment", "A1", sum=10000)
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [{**line, "at": 0} for line in lines] == [
        {"seq": 1, "at": 0, "effect": "payment", "order_id": "A1", "n": 1, "sum": 10000}
    ]
    assert lines[0]["at"] > 1_700_000_000
    ledger.close()


def test_a_value_that_came_over_several_lines_stands_in_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append("payment", "A1", sum=msgspec.Raw('[\n 1,\r\n 2, "\u2028"]'.encode()))
    ledger.close()
    (line,) = (tmp_path / "ledger.jsonl").read_bytes().splitlines()
    assert json.loads(line)["sum"] == [1, 2, "\u2028"]


def test_the_second_charge_of_an_order_is_counted_as_such(tmp_path: Path) -> None:
    ledger = Ledger()
    effects = [("payment", "A1"), ("payment", "A2"), ("declined", "A1"), ("payment", "A1"), ("fiscal", "A1")]
    lines = [ledger.append(effect, identity) for effect, identity in effects]
    assert [line["n"] for line in lines] == [1, 1, 1, 2, 1]
    assert lines[-1]["check_id"] == "A1"


def test_a_ledger_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    first = Ledger(path)
    first.append("payment", "A1")
    first.close()
    second = Ledger(path)
    line = second.append("payment", "A1")
    second.close()
    assert (line["seq"], line["n"]) == (2, 2)
    assert len(path.read_text().splitlines()) == 2


def test_a_sum_that_no_machine_holds_is_no_reason_not_to_continue(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.append("payment", "A1", sum=msgspec.Raw(b"1e999"))
    ledger.close()
    again = Ledger(path)
    assert msgspec.json.encode(again.lines[0]["sum"]) == b"1e999"
    assert again.append("payment", "A1", sum=1)["n"] == 2
    again.close()


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.jsonl").close()
    assert (tmp_path / "ledger.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text("order,sum\n1,100\n")
    with pytest.raises(ValueError, match="JSON is malformed"):
        Ledger(path)
    assert path.read_text() == "order,sum\n1,100\n"


def test_an_effect_that_cannot_be_written_is_not_counted() -> None:
    ledger = Ledger(Path("/dev/full"))
    with pytest.raises(OSError, match="No space left"):
        ledger.append("payment", "A1")
    assert ledger.lines == []
    ledger.close()
