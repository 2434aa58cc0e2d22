"""`kioskwire-appliance report`: read beside a running appliance, told in 80 columns, and nothing is changed by it."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from appliance.__main__ import main
from appliance.cash.owed import settle
from appliance.journal.files import JOURNAL
from appliance.journal.schema import connect
from appliance.levels import collections
from appliance.levels.marks import Marks
from appliance.levels.reconcile import reconcile
from appliance.workbench import sheet
from hardware.events import CassetteRemoved, CassetteReturned, PayoutUnclear, StackCountDiffers
from tests.appliance.levels.shelf import Shelf, coin, kzt, note, paid
from tests.appliance.levels.test_reconcile import end, register, sell
from tests.appliance.worlds import journal

_ROUTES = """
devices:
  bills: {driver: ccnet, port: /dev/ttyUSB0, currency: KZT, capacity: 600, near_full: 5, label: left}
  hopper: {driver: cctalk-hopper, port: /dev/ttyUSB1, address: 3, denomination: 5000, currency: KZT}
  old: {driver: cctalk-hopper, port: /dev/ttyUSB1, address: 4, denomination: 5000, currency: KZT}
routes:
  cash: {desk: cash, devices: [bills, hopper]}
"""


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sheet, "moment", lambda at: f"at {at:.0f}")
    for name in ("STATE_DIR", "ROUTING_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def story(shelf: Shelf) -> None:
    """A day of which something of everything is left."""
    shelf.marks["bills"] = Marks(capacity=600, near_full=5)
    collections.set_level(shelf.book, "hopper", kzt(5000), 400, at=shelf.tick())
    sell(shelf)
    shelf.happen("bills", CassetteRemoved(), CassetteReturned())
    for number in range(2, 5):
        sell(shelf, f"request-{number}")
    shelf.begin("request-late")
    shelf.happen("bills", note(1000000), work="request-late")
    unclear = PayoutUnclear(reference="request-late/change/1", asked=3, coin=kzt(5000), remedy="count the hopper")
    shelf.happen("hopper", unclear, work="request-late")
    more = {"change_owed": 985000, "change_unclear": 15000, "claim": "CD47-KPX3", "reason": "idle"}
    end(shelf, "request-late", 2000000, 1000000, status="timed_out", **more)
    late = shelf.happen("bills", note(50000, late=True))
    shelf.say("cash-unclaimed", {"device": "bills", "amount": 50000, "currency": "KZT", "entry": late.n, "claim": ""})
    shelf.begin("request-4/receipt", "fiscal", {"device": "register", "reason": "the register has no paper"})
    shelf.happen("bills", StackCountDiffers(expected=9, counted=10))
    register(shelf, "request-3/receipt", 44)
    reconcile(shelf.book, at=shelf.tick(), shift=12)
    shelf.happen("coins", coin(5000))
    shelf.happen("old", paid("elsewhere", 3, 3))
    shelf.happen("bills", CassetteRemoved())


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["report", *arguments])
    told = capsys.readouterr()
    return status, told.out, told.err


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_it_tells_what_an_engineer_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shelf = Shelf(tmp_path)
    story(shelf)
    shelf.close()
    (tmp_path / "r.yaml").write_text(_ROUTES)
    (tmp_path / "my.env").write_text(f"STATE_DIR={tmp_path}\nROUTING_CONFIG=r.yaml\n")
    status, told, errors = report(capsys, "--env-file", "my.env")
    assert (status, errors) == (0, "")
    where, *lines = told.splitlines()
    assert where == f"Journal of {tmp_path}"  # as long as that is
    assert max(map(len, lines)) <= 80
    for words in (
        "no appliance runs", "bills   bill validator         15 000.00 KZT", "left", "4 × 500.00, 3 × 1 000.00,",
        "NEAR FULL: 8 of 600", "its cassette is OUT since at 18000000", "up to 3 coins less",
        "level not known", '"action": "set-level"', "CD47-KPX3      9 850.00 KZT and up to 150.00 KZT more",
        "500.00 KZT in bills", "fiscal request-4/receipt", "the register has no paper", "cassette out and back",
        "shift 12", "waits for its receipt: request-4/receipt", "! bills counted 10 notes where 9 were credited",
        "register: 1 document, 44 to 44", "0 outcomes, ",
    ):  # fmt: skip
        assert words in told, words
    assert names(tmp_path) == [JOURNAL, "my.env", "r.yaml"], "nothing is left behind"


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"words": "it did not tell its totals"}, "its own totals are not known (it did not tell its totals)"),
        ({"drawer": 1250000, "moved": 50000, "expected": 50000, "receipts": 1, "receipts_expected": 1},
         "12 500.00 KZT in its drawer by its own count; changed by 500.00 KZT, by documents 500.00 KZT; 1 receipt by"
         " its own count, by the kiosk's 1"),
        ({"drawer": 0, "moved": -100, "expected": 0, "emptied": True, "receipts": 2, "words": "why"},
         "0.00 KZT in its drawer by its own count; changed by -1.00 KZT, by documents 0.00 KZT; it began anew with an"
         " empty drawer; 2 receipts by its own count, by the kiosk's not known (why)"),
        ({"drawer": 5, "moved": 5, "words": "why"},
         "0.05 KZT in its drawer by its own count; changed by 0.05 KZT, by documents not known (why)"),
        ({"receipts": 0, "receipts_expected": 0, "words": "why"},
         "its drawer is not known; 0 receipts by its own count, by the kiosk's 0 (why)"),
    ],
)  # fmt: skip
def test_a_registers_own_totals(known: dict[str, Any], words: str) -> None:
    none = dict.fromkeys(("at", "since", "drawer", "moved", "expected", "receipts", "receipts_expected"))
    item = {"register": "register", "currency": "KZT", "emptied": False, "words": "", **none, **known}
    record = {"at": 1.0, "since": None, "shift": None, "money": [], "documents": [], "waiting": [], "complete": True,
              "differences": [], "register_totals": [item]}  # fmt: skip
    told = " ".join(line.strip() for line in sheet._reconciliation(record)).replace(sheet._TIED, " ")
    assert f"register: {words} all adds up" in told
    del record["register_totals"]  # one of an earlier version
    assert list(sheet._reconciliation(record))[1:] == ["all adds up"]


def test_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shelf = Shelf(tmp_path)
    story(shelf)
    shelf.say("cash-cleared", {"device": "hopper", "amount": 10000, "owed": 5000, "currency": "KZT"}, "request-late")
    shelf.close()
    status, told, _ = report(capsys, "--json", "--state-dir", str(tmp_path))
    found: dict[str, Any] = json.loads(told)
    assert status == 0
    assert [each["device"] for each in found["devices"]] == ["bills", "coins", "hopper", "old"]
    assert [(each["claim"], each["owed"], each["unclear"]) for each in found["owed"]] == [("CD47-KPX3", 990000, 0)]
    assert [each["amount"] for each in found["unclaimed"]] == [50000]
    assert [(each["id"], each["kind"]) for each in found["open"]] == [("request-4/receipt", "fiscal")]
    assert [(each["total"], each["by"]) for each in found["collections"]] == [(150000, "cassette")]
    assert found["reconciliation"]["shift"] == 12
    assert found["waiting"]["events"] > 5


def test_who_was_paid_is_owed_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shelf = Shelf(tmp_path)
    story(shelf)
    assert settle(shelf.book, "request-late", note="", at=shelf.tick(), nonce=5)[0]
    shelf.close()
    _, told, _ = report(capsys, "--state-dir", str(tmp_path))
    assert "CD47-KPX3" not in told
    assert "500.00 KZT in bills" in told, "which is nobody's"
    assert json.loads(report(capsys, "--json", "--state-dir", str(tmp_path))[1])["owed"] == []


def test_an_empty_journal_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Shelf(tmp_path).close()
    status, told, _ = report(capsys, "--state-dir", str(tmp_path))
    assert status == 0
    for words in ("no device that takes or pays money", "nobody", "nothing", "none yet"):
        assert f"  {words}" in told


async def test_beside_a_running_appliance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with journal(tmp_path) as here:
        await here.write(lambda book: book.move("bills", kzt(100000), 3))
        before = names(tmp_path)
        status, told, _ = report(capsys, "--state-dir", str(tmp_path))
        assert (status, names(tmp_path)) == (0, before)
        assert "beside the running appliance" in told
        assert "3 000.00 KZT" in told
        await here.write(lambda book: book.move("bills", kzt(100000), 1))  # it was not hindered


def test_after_a_kill_what_is_in_the_log_counts_and_the_files_are_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    shelf = Shelf(tmp_path)
    shelf.happen("bills", note(100000))
    for name in (JOURNAL, f"{JOURNAL}-wal"):
        (state / name).write_bytes((tmp_path / name).read_bytes())
    shelf.close()
    before = {path.name: path.read_bytes() for path in state.iterdir()}
    assert len(before) == 2
    status, told, _ = report(capsys, "--state-dir", str(state))
    assert (status, {path.name: path.read_bytes() for path in state.iterdir()}) == (0, before)
    assert "1 000.00 KZT" in told


def test_no_journal_a_damaged_one_and_an_old_one_are_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told, errors = report(capsys, "--state-dir", str(tmp_path / "none"))
    assert (status, told) == (1, "")
    assert "there is no journal in" in errors
    (tmp_path / JOURNAL).write_bytes(b"no database" * 1000)
    status, _, errors = report(capsys, "--state-dir", str(tmp_path))
    assert status == 1
    assert "is damaged" in errors
    (tmp_path / JOURNAL).unlink()
    connection = connect(tmp_path / JOURNAL)
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    status, _, errors = report(capsys, "--state-dir", str(tmp_path))
    assert (status, "older version" in errors) == (1, True)
    with sqlite3.connect(tmp_path / JOURNAL) as again:
        again.execute("PRAGMA user_version = 99")
    again.close()
    assert "newer version" in report(capsys, "--state-dir", str(tmp_path))[2]
    assert main(["report", "--env-file", "missing.env"]) == 2
    assert "missing.env" in capsys.readouterr().err


def test_many_are_cut_and_amounts_are_written_as_people_do() -> None:
    assert sheet.money(1250000, "KZT").replace("\N{NO-BREAK SPACE}", " ") == "12 500.00 KZT"
    assert sheet.money(1500, "JPY").replace("\N{NO-BREAK SPACE}", " ") == "1 500 JPY"
    owed = {"claim": "", "work": "r", "currency": "KZT", "owed": 100, "unclear": 0, "reason": "", "at": 0.0}
    found = {
        "state_dir": "x", "running": False, "at": 0.0, "devices": [], "owed": [owed] * 50, "unclaimed": [], "open": [],
        "collections": [], "reconciliation": None, "waiting": {"outcomes": 1, "events": 0},
    }  # fmt: skip
    told = sheet.sheet(found)
    assert "  and 30 more: see --json" in told
    assert "  1 outcome, 0 events" in told
