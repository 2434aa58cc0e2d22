"""All adds up, or the difference has a name."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.levels import collections
from appliance.levels.reconcile import reconcile
from hardware.events import (
    BillHeldBack,
    BillUnclear,
    CashMoved,
    CassetteRemoved,
    CassetteReturned,
    CreditsLost,
    DocumentRegistered,
    DocumentUnclear,
    PayoutUnclear,
    StackCountDiffers,
)
from tests.appliance.levels.shelf import Shelf, coin, kzt, note, paid
from wire.receipt import FiscalDocument


def end(shelf: Shelf, id: str, amount: int, collected: int, **fields: Any) -> None:
    """What a cash session says at its end."""
    result = {
        "status": "paid", "amount": amount, "currency": "KZT", "collected": collected, "change_paid": 0,
        "change_owed": 0, "notes": {}, "coins": {}, "reason": "", **fields,
    }  # fmt: skip
    shelf.book.end_work(id, result)
    shelf.say("cash-ended", result, work=id)


def sell(shelf: Shelf, id: str = "request-1", change: int = 1) -> None:
    """1500.00 taken, `change` coins of 50.00 given back."""
    shelf.begin(id)
    shelf.happen("bills", note(100000), note(50000), work=id)
    if change:
        shelf.happen("hopper", paid(f"{id}/change/1", change, change), work=id)
    end(shelf, id, 150000 - change * 5000, 150000, change_paid=change * 5000)


def register(shelf: Shelf, reference: str, number: int, total: int = 145000, kind: str = "receipt") -> None:
    shelf.begin(reference, "fiscal", {"device": "register", "kind": kind})
    document = FiscalDocument(number=number, total_minor=total)
    shelf.happen("register", DocumentRegistered(reference=reference, document=document))
    shelf.book.end_work(reference, {"status": "registered", "number": number, "total": total})


def differences(shelf: Shelf, **fields: Any) -> list[tuple[str, str]]:
    return [(each["what"], each["words"]) for each in reconcile(shelf.book, at=shelf.tick(), **fields)["differences"]]


def test_a_shift_that_adds_up(shelf: Shelf) -> None:
    collections.set_level(shelf.book, "hopper", kzt(5000), 100, at=shelf.tick())
    register(shelf, "shift-open", 1, 0, "open-shift")
    sell(shelf)
    register(shelf, "request-1/receipt", 2)
    shelf.begin("request-2")
    shelf.happen("bills", note(20000), work="request-2")
    end(shelf, "request-2", 50000, 20000, status="cancelled", change_owed=20000, claim="AB12-CD34")
    shelf.begin("request-3")
    shelf.happen("coins", coin(5000), work="request-3")  # it runs on
    shelf.happen("register", CashMoved(reference="request-9", amount=kzt(-30000)))
    at = shelf.tick()
    record = reconcile(shelf.book, at=at, shift=7, register="register")
    assert record == {
        "at": at, "since": None, "shift": 7, "register": "register", "complete": True,
        "money": [{
            "currency": "KZT", "taken": 175000, "paid_out": 5000, "sold": 145000, "kept": 0, "owed": 20000,
            "unclear": 0, "unclaimed": 0, "open": 5000,
        }],
        "sessions": {"paid": 1, "cancelled": 1},
        "devices": [
            {"device": "bills", "currency": "KZT", "taken": 170000, "paid": 0,
             "counts": {"100000": 1, "50000": 1, "20000": 1}, "paid_counts": {}},
            {"device": "coins", "currency": "KZT", "taken": 5000, "paid": 0, "counts": {"5000": 1}, "paid_counts": {}},
            {"device": "hopper", "currency": "KZT", "taken": 0, "paid": 5000, "counts": {},
             "paid_counts": {"5000": 1}},
        ],
        "documents": [{
            "register": "register", "count": 2, "total": 145000, "first": 1, "last": 2, "drawer": {"KZT": -30000},
        }],
        "register_totals": [{
            "register": "register", "at": None, "since": None, "currency": "", "drawer": None, "moved": None,
            "expected": None, "receipts": None, "receipts_expected": None, "emptied": False,
            "words": "it did not tell its totals",
        }],
        "waiting": [], "differences": [],
    }  # fmt: skip
    assert shelf.told("reconciliation") == [("reconciliation", record)]
    assert reconcile(shelf.book, at=at, shift=7, register="register") == record, "carried out again"
    assert len(shelf.told("reconciliation")) == 1
    # The next one goes on where this one ended.
    shelf.happen("bills", note(20000), work="request-3")
    end(shelf, "request-3", 25000, 25000)
    register(shelf, "shift-close", 3, 0, "close-shift")
    second = reconcile(shelf.book, at=shelf.tick(), shift=8)
    assert (second["since"], second["differences"]) == (at, [])
    assert (second["money"][0]["taken"], second["money"][0]["sold"]) == (20000, 25000)


def test_a_session_that_says_another_sum_than_its_devices(shelf: Shelf) -> None:
    shelf.begin("request-1")
    shelf.happen("bills", note(100000), work="request-1")
    end(shelf, "request-1", 100000, 120000, change_paid=20000)
    assert differences(shelf) == [
        ("session", "session request-1 says 1200.00 KZT collected, its devices told 1000.00 KZT"),
        ("session", "session request-1 says 200.00 KZT paid in change, its devices told 0.00 KZT"),
    ]


def test_a_result_that_does_not_add_up(shelf: Shelf) -> None:
    shelf.begin("request-1")
    shelf.happen("bills", note(100000), work="request-1")
    end(shelf, "request-1", 80000, 100000)
    assert differences(shelf) == [
        ("balance", "devices took 1000.00 KZT more than they paid, sessions know of 800.00 KZT")
    ]


def test_money_of_nobody(shelf: Shelf) -> None:
    seen = shelf.happen("bills", note(100000))
    words = "1000.00 KZT came into bills outside of any session, and no session knows of it"
    assert differences(shelf) == [("unclaimed", words)]
    shelf.say("cash-unclaimed", {"device": "bills", "amount": 100000, "currency": "KZT", "entry": seen.n})
    assert reconcile(shelf.book, at=shelf.tick())["money"] == [], "it was counted before"
    sell(shelf)
    late = shelf.happen("bills", note(20000, late=True), work="request-1")
    shelf.say("cash-unclaimed", {"device": "bills", "amount": 20000, "currency": "KZT", "entry": late.n}, "request-1")
    record = reconcile(shelf.book, at=shelf.tick())
    assert (record["differences"], record["money"][0]["unclaimed"]) == ([], 20000)


def claim(shelf: Shelf, n: int, amount: int, work: str = "") -> None:
    shelf.say("cash-unclaimed", {"device": "bills", "amount": amount, "currency": "KZT", "entry": n}, work)


@pytest.mark.parametrize("reckon", [False, True])
def test_money_of_another_while_a_session_ran(shelf: Shelf, reckon: bool) -> None:
    """A validator told late of a note of the session before: it stands among this one's lines, and is not of it."""
    shelf.begin("request-1")
    shelf.happen("bills", note(20000), work="request-1")
    end(shelf, "request-1", 50000, 20000, status="cancelled", change_owed=15000, change_unclear=5000)
    shelf.begin("request-2")
    foreign = shelf.happen("bills", note(50000, late=True), work="request-2")
    shelf.happen("bills", note(20000), work="request-2")
    if reckon:
        record = reconcile(shelf.book, at=shelf.tick())
        assert (record["differences"], record["money"][0]["open"]) == ([], 70000)
    shelf.happen("hopper", paid("request-1/change/1", 1, 1), work="request-2")
    shelf.say("cash-cleared", {"device": "hopper", "amount": 5000, "owed": 0, "currency": "KZT"}, "request-1")
    end(shelf, "request-2", 20000, 20000)
    claim(shelf, foreign.n, 50000, "request-1")
    record = reconcile(shelf.book, at=shelf.tick())
    assert (record["differences"], record["money"][0]["unclaimed"]) == ([], 50000)
    assert differences(shelf) == []


def test_money_of_a_session_that_another_machine_ended_may_be_claimed(shelf: Shelf) -> None:
    shelf.begin("request-1")
    seen = shelf.happen("bills", note(100000), work="request-1")
    shelf.store.settle_in({"board": ["here"]}, "new", shelf.tick())
    assert shelf.store.settle_in({"board": ["there"]}, "new", shelf.tick())
    claim(shelf, seen.n, 100000, "request-1")
    record = reconcile(shelf.book, at=shelf.tick())
    assert (record["differences"], record["money"][0]["unclaimed"]) == ([], 100000)


def test_a_payout_that_became_clear_later(shelf: Shelf) -> None:
    shelf.begin("request-1")
    shelf.happen("bills", note(100000), work="request-1")
    unclear = PayoutUnclear(reference="request-1/change/1", asked=2, coin=kzt(5000), remedy="count the hopper")
    shelf.happen("hopper", unclear, work="request-1")
    end(shelf, "request-1", 90000, 100000, change_unclear=10000)
    record = reconcile(shelf.book, at=shelf.tick())
    words = "up to 2 coins of 50.00 KZT may have left hopper: count the hopper"
    assert [(each["what"], each["words"]) for each in record["differences"]] == [("payout", words)]
    assert record["money"][0]["unclear"] == 10000
    shelf.happen("hopper", paid("request-1/change/1", 2, 1), work="request-1")
    shelf.say("cash-cleared", {"device": "hopper", "amount": 5000, "owed": 5000, "currency": "KZT"}, "request-1")
    record = reconcile(shelf.book, at=shelf.tick())
    assert (record["differences"], record["money"][0]["unclear"], record["money"][0]["owed"]) == ([], -10000, 5000)


def test_what_devices_say_of_themselves(shelf: Shelf) -> None:
    shelf.happen(
        "bills", StackCountDiffers(expected=3, counted=4), CreditsLost(at_most=None, words="it was off"),
        BillUnclear(bill=kzt(50000), escrow=1, remedy="open the cassette"), BillHeldBack(code="12", words="a jam"),
    )  # fmt: skip
    shelf.happen("register", DocumentUnclear(reference="request-1/receipt", remedy="print its journal"))
    assert differences(shelf) == [
        ("counter", "bills counted 4 notes where 3 were credited"),
        ("credits", "an unknown number of coins or notes in bills were not credited: it was off"),
        ("note", "a note of 500.00 KZT may be in bills, and was not credited: open the cassette"),
        ("note", "bills held a note back: a jam"),
        ("document", "register cannot say whether it registered request-1/receipt: print its journal"),
    ]


def test_hoppers(shelf: Shelf) -> None:
    collections.set_level(shelf.book, "hopper", kzt(5000), 10, at=shelf.tick())
    shelf.begin("request-1")
    shelf.happen("bills", note(50000), work="request-1")
    shelf.happen("hopper", paid("request-1/change/1", 8, 3), work="request-1")
    end(shelf, "request-1", 10000, 50000, change_paid=15000, change_owed=25000)
    words = "hopper paid 3 of 8 coins, and by the journal 7 are left in it: it may be empty"
    assert differences(shelf) == [("hopper", words)]
    shelf.begin("request-2")
    shelf.happen("bills", note(50000), work="request-2")
    shelf.happen("hopper", paid("request-2/change/1", 8, 8), work="request-2")
    end(shelf, "request-2", 10000, 50000, change_paid=40000)
    assert differences(shelf) == [("hopper", "hopper paid 1 coins of 50.00 KZT more than were said to be in it")]


def test_tallies_are_held_against_the_lines(shelf: Shelf) -> None:
    sell(shelf)
    shelf.happen("bills", CassetteRemoved(), CassetteReturned())
    sell(shelf, "request-2")
    shelf.happen("bills", CassetteRemoved())
    sell(shelf, "request-3")  # an unseen return
    assert differences(shelf) == []
    shelf.book.move("bills", kzt(100000), 1)
    words = "bills is said to hold 2 of 1000.00 KZT, by the journal's lines it is 1"
    assert differences(shelf) == [("level", words)]


def test_documents(shelf: Shelf) -> None:
    sell(shelf)
    register(shelf, "request-1/receipt", 5, total=140000)
    sell(shelf, "request-2")
    shelf.begin("request-2/receipt", "fiscal", {"device": "register"})
    shelf.book.end_work("request-2/receipt", {"status": "refused", "reason": "the tax is not known"})
    sell(shelf, "request-3")
    shelf.begin("request-3/receipt", "fiscal", {"device": "register", "reason": "no paper"})
    sell(shelf, "request-4")
    register(shelf, "request-4/receipt", 8)
    shelf.begin("request-5")
    end(shelf, "request-5", 10000, 0, status="cancelled")
    register(shelf, "request-5/receipt", 8, total=10000)
    record = reconcile(shelf.book, at=shelf.tick())
    # A receipt is looked at where its session ends, and these were registered after it.
    assert [(each["what"], each["words"]) for each in record["differences"]] == [
        ("receipt", "the receipt of session request-1 is of 1400.00 KZT, paid were 1450.00 KZT"),
        ("receipt", "1450.00 KZT of session request-2 are without a receipt (refused): the tax is not known"),
        ("document", "register gave the number 8 to request-4/receipt and to request-5/receipt"),
        ("document", "register registered a receipt of request-5, which is cancelled"),
        ("document", "register has documents that this kiosk did not ask for: 6 to 7"),
    ]
    assert [(each["reference"], each["reason"]) for each in record["waiting"]] == [("request-3/receipt", "no paper")]
    register(shelf, "request-6", 10, total=0)
    words = "register has documents that this kiosk did not ask for: 9"
    assert differences(shelf) == [("document", words)]
    assert differences(shelf) == []
    register(shelf, "request-7", 12, total=0)  # two reconciliations later
    assert differences(shelf) == [("document", words.replace("9", "11"))]


def test_a_session_that_another_machine_ended(shelf: Shelf) -> None:
    shelf.begin("request-1")
    shelf.happen("bills", note(100000), work="request-1")
    shelf.store.settle_in({"board": ["here"]}, "new", shelf.tick())
    assert shelf.store.settle_in({"board": ["there"]}, "new", shelf.tick())
    record = reconcile(shelf.book, at=shelf.tick())
    words = "session request-1 was cut off with 1000.00 KZT in it, and nobody ended it"
    assert [(each["what"], each["words"]) for each in record["differences"]] == [("session", words)]
    assert record["money"][0]["unclear"] == 100000
    assert shelf.told("levels-left")[0][1]["counts"] == {"100000": 1}
    assert shelf.lying("bills") == {}


def test_what_is_not_all_there_is_said_so_and_not_called_a_difference(shelf: Shelf) -> None:
    sell(shelf)
    sell(shelf, "request-2")
    shelf.store.connection.execute("DELETE FROM entries WHERE n = 1")
    assert [what for what, _ in differences(shelf)] == ["session", "balance", "level"]
    shelf.store.connection.execute("DELETE FROM entries WHERE kind = 'reconciliation'")
    shelf.store.put_meta("forgotten", "1")
    record = reconcile(shelf.book, at=shelf.tick())
    assert not record["complete"]
    assert [each["what"] for each in record["differences"]] == []


def test_many_differences_are_counted(shelf: Shelf) -> None:
    for _ in range(250):
        shelf.happen("bills", StackCountDiffers(expected=3, counted=4))
    found = differences(shelf)
    assert len(found) == 201
    assert found[-1] == ("more", "and 50 more differences")


NOTES = st.sampled_from([20000, 50000, 100000])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.lists(NOTES, max_size=4), st.integers(0, 5), st.sampled_from(["paid", "cash", "none"]),
                          st.booleans()), max_size=8))  # fmt: skip
def test_whatever_order_money_comes_in_an_honest_journal_adds_up(
    tmp_path_factory: pytest.TempPathFactory, days: list[tuple[list[int], int, str, bool]]
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("book"))
    for number, (notes, coins, how, reckon) in enumerate(days):
        id = f"request-{number}"
        shelf.begin(id)
        shelf.happen("bills", *(note(minor) for minor in notes), work=id) if notes else None
        total, change = sum(notes), coins * 5000
        if how == "cash":
            shelf.happen("bills", CassetteRemoved())
        if change and change <= total:
            shelf.happen("hopper", paid(f"{id}/change/1", coins, coins), work=id)
        else:
            change = 0
        if reckon:
            assert differences(shelf) == []
        if how == "paid":
            end(shelf, id, total - change, total, change_paid=change)
        else:
            end(shelf, id, total + 5000, total, status="cancelled", change_paid=change, change_owed=total - change)
    record = reconcile(shelf.book, at=shelf.tick())
    assert record["differences"] == []
    shelf.close()
