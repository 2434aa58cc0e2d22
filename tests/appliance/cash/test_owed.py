"""Who is owed something, and that it is paid once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.cash.owed import look_for, recent, settle, standing, unclaimed
from tests.appliance.levels.shelf import Shelf
from tests.appliance.levels.test_reconcile import end

CLAIM = "CD47-KPX3"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.close()


def owe(shelf: Shelf, id: str = "session", claim: str = CLAIM, **fields: Any) -> None:
    shelf.begin(id)
    end(shelf, id, 100_000, 50_000, **{"status": "timed_out", "change_owed": 50_000, "claim": claim, **fields})


def clear(shelf: Shelf, paid: int, owed: int) -> None:
    shelf.say("cash-cleared", {"amount": paid, "owed": owed, "currency": "KZT", "claim": CLAIM}, "session")


def come_late(shelf: Shelf, amount: int, claim: str = CLAIM) -> None:
    shelf.say("cash-unclaimed", {"amount": amount, "currency": "KZT", "claim": claim}, "session" if claim else "")


def stands(shelf: Shelf) -> list[tuple[int, int, int, bool]]:
    return [(one.owed, one.unclear, one.late, one.stands) for one in standing(recent(shelf.book))]


def pay(shelf: Shelf, nonce: int = 5, note: str = "") -> tuple[bool, tuple[int, int, int] | None]:
    done, was = settle(shelf.book, "session", note=note, at=shelf.tick(), nonce=nonce)
    return done, None if was is None else (was.owed, was.unclear, was.late)


def test_a_claim_is_settled_once(shelf: Shelf) -> None:
    owe(shelf)
    owe(shelf, "other", "XXXX-7777")
    assert pay(shelf, note="paid at the office") == (True, (50_000, 0, 0))
    told = {
        "claim": CLAIM, "work": "session", "currency": "KZT", "owed": 50_000, "unclear": 0,
        "note": "paid at the office",
    }  # fmt: skip
    assert shelf.told("claim-settled") == [("claim-settled", told)]
    assert stands(shelf) == [(0, 0, 0, False), (50_000, 0, 0, True)]
    assert pay(shelf) == (True, (50_000, 0, 0)), "carried out again"
    assert pay(shelf, nonce=6) == (False, (0, 0, 0)), "by another"
    assert len(shelf.told("claim-settled")) == len(shelf.book.entries(kinds=("claim-settled",))) == 1


def test_what_is_unclear_is_settled_with_it_and_what_comes_later_is_owed_anew(shelf: Shelf) -> None:
    owe(shelf, change_owed=20_000, change_unclear=30_000)
    clear(shelf, 10_000, 5_000)
    come_late(shelf, 20_000)
    assert pay(shelf) == (True, (25_000, 15_000, 20_000))
    assert shelf.told("claim-settled")[0][1]["owed"] == 45_000
    clear(shelf, 5_000, 10_000)
    assert stands(shelf) == [(0, 0, 0, False)], "a person has looked"
    come_late(shelf, 10_000)
    assert stands(shelf) == [(0, 0, 10_000, True)]
    assert pay(shelf) == (True, (25_000, 15_000, 20_000)), "the same as before"
    assert pay(shelf, nonce=6) == (True, (0, 0, 10_000))
    assert stands(shelf) == [(0, 0, 0, False)]


@pytest.mark.parametrize(
    ("fields", "settles"),
    [
        ({"change_owed": 0, "unclear": [{"what": "note", "device": "bills", "amount": 50_000}]}, True),
        ({"change_owed": 0, "change_unclear": 5, "unclear": [{"what": "payout", "device": "hopper"}]}, True),
        ({"change_owed": 0, "claim": ""}, False),
    ],
)
def test_what_a_person_only_looks_at_is_settled_as_well(shelf: Shelf, fields: dict[str, Any], settles: bool) -> None:
    owe(shelf, **{"claim": CLAIM, **fields})
    assert pay(shelf)[0] is settles
    assert pay(shelf, nonce=6)[0] is False


def test_money_that_came_late_to_a_session_that_was_paid(shelf: Shelf) -> None:
    shelf.begin("session")
    end(shelf, "session", 50_000, 50_000)
    shelf.say("cash-ended", {"status": "failed", "problem": "device-fault", "detail": "x"}, "never")
    come_late(shelf, 20_000)
    come_late(shelf, 700, claim="")
    assert [line.work for line in unclaimed(recent(shelf.book))] == ["session", ""]
    assert pay(shelf) == (True, (0, 0, 20_000))
    assert [line.work for line in unclaimed(recent(shelf.book))] == [""]
    come_late(shelf, 20_000)
    assert [line.work for line in unclaimed(recent(shelf.book))] == ["", "session"]


def test_a_claim_is_looked_for_by_pages(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.cash.owed._PAGE", 2)
    for number in range(5):
        owe(shelf, f"before-{number}", f"XXXX-000{number}", reason=f"as {CLAIM}")
    owe(shelf)
    after: int | None = 0
    looks, found = 0, ""
    while after is not None and not found:
        after, found = look_for(shelf.book, CLAIM, after)
        looks += 1
    assert (found, looks) == ("session", 3)
    after, looks = 0, 0
    while after is not None:
        after, found = look_for(shelf.book, "CCCC-CCCC", after)
        looks += 1
    assert (found, looks) == ("", 4)


def test_nothing_is_settled_of_a_session_nobody_knows(shelf: Shelf) -> None:
    assert pay(shelf) == (False, None)
    assert shelf.told() == []
