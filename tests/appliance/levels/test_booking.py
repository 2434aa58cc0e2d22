"""What an event changes beside standing in the book."""

from hardware.events import (
    BillEscrowed,
    BillStacked,
    CassetteRemoved,
    CassetteReturned,
    DeviceState,
    Identified,
    PayoutUnclear,
    StateChanged,
)
from tests.appliance.levels.shelf import Shelf, coin, kzt, note, paid
from wire.money import Money


def test_money_moves_tallies_and_the_hub_is_told(shelf: Shelf) -> None:
    shelf.happen("bills", note(100000), note(50000), note(100000), work="request-1")
    shelf.happen("coins", coin(5000))
    shelf.happen("hopper", paid("request-1/change/1", 3, 2))
    assert shelf.lying("bills") == {50000: 1, 100000: 2}
    assert (shelf.lying("coins"), shelf.lying("hopper")) == ({5000: 1}, {5000: -2})
    kinds = [kind for kind, _ in shelf.told()]
    assert kinds == ["bill-stacked"] * 3 + ["coin-accepted", "payout-ended"]
    assert shelf.told("bill-stacked")[0][1]["work"] == "request-1"


def test_what_says_nothing_that_the_next_does_not_is_not_told(shelf: Shelf) -> None:
    shelf.happen("bills", BillEscrowed(bill=kzt(100000), escrow=1))
    assert shelf.told() == []
    assert [entry.kind for entry in shelf.book.entries(device="bills")] == ["bill-escrowed"]


def test_what_is_about_money_waits_for_the_hub_and_the_rest_may_be_counted(shelf: Shelf) -> None:
    unclear = PayoutUnclear(reference="request-1/change/1", asked=1, coin=kzt(5000), remedy="count it")
    shelf.happen(
        "bills", note(100000), StateChanged(state=DeviceState.READY, was=DeviceState.ABSENT), CassetteRemoved()
    )
    shelf.happen("hopper", unclear)
    rows = shelf.store.connection.execute("SELECT kind, important FROM events ORDER BY seq").fetchall()
    assert rows == [("bill-stacked", 1), ("state-changed", 0), ("cassette-removed", 1), ("payout-unclear", 1)]


def test_a_cassette_that_comes_back_makes_a_collection(shelf: Shelf) -> None:
    shelf.happen("bills", note(100000), note(100000), note(50000))
    removed = shelf.happen("bills", CassetteRemoved())
    assert shelf.lying("bills") == {50000: 1, 100000: 2}, "what it holds is still of interest while it is out"
    returned = shelf.happen("bills", CassetteReturned())
    assert shelf.told("collection") == [("collection", {
        "device": "bills", "currency": "KZT", "total": 250000, "counts": {"50000": 1, "100000": 2}, "since": None,
        "removed_at": removed.at, "returned_at": returned.at, "by": "cassette", "after": 0, "until": returned.n,
    })]  # fmt: skip
    assert shelf.lying("bills") == {}
    shelf.happen("bills", note(20000), CassetteRemoved(), CassetteReturned())
    second = shelf.told("collection")[1][1]
    assert (second["total"], second["since"], second["after"]) == (20000, returned.at, returned.n + 1)


def test_a_cassette_nobody_saw_come_back_is_collected_when_a_note_is_stacked(shelf: Shelf) -> None:
    shelf.happen("bills", note(100000), CassetteRemoved())
    shelf.happen("bills", note(50000, late=True))  # found out only now: it lies in the one that was taken
    assert shelf.told("collection") == []
    stacked = shelf.happen("bills", note(20000))
    (told,) = shelf.told("collection")
    assert (told[1]["total"], told[1]["by"], told[1]["returned_at"]) == (150000, "cassette-unseen", None)
    assert told[1]["until"] == stacked.n - 1
    assert shelf.lying("bills") == {20000: 1}
    shelf.happen("bills", CassetteReturned())  # what is heard late changes nothing
    assert len(shelf.told("collection")) == 1
    assert shelf.lying("bills") == {20000: 1}


def test_a_cassette_that_is_told_away_twice_is_one_collection(shelf: Shelf) -> None:
    shelf.happen("bills", note(100000), CassetteRemoved(), CassetteRemoved(), CassetteReturned(), CassetteReturned())
    assert [data["total"] for _, data in shelf.told("collection")] == [100000]


def test_an_empty_cassette_is_a_collection_too(shelf: Shelf) -> None:
    shelf.happen("bills", CassetteRemoved(), CassetteReturned())
    ((_, data),) = shelf.told("collection")
    assert (data["total"], data["counts"], data["currency"]) == (0, {}, "")


def test_two_currencies_are_two_records(shelf: Shelf) -> None:
    shelf.happen("bills", note(100000), BillStacked(bill=Money(500, "RUB"), escrow=2), CassetteRemoved())
    shelf.happen("bills", CassetteReturned())
    assert [(data["currency"], data["total"]) for _, data in shelf.told("collection")] == [
        ("KZT", 100000),
        ("RUB", 500),
    ]
    assert shelf.lying("bills") == {}


def test_another_device_in_the_place_of_one_is_told_and_its_counts_go_on(shelf: Shelf) -> None:
    shelf.happen("bills", Identified(serial="A1"), note(100000), Identified(serial="A1"))
    shelf.happen("bills", Identified(serial=""))
    assert shelf.told("device-replaced") == []
    shelf.happen("bills", Identified(serial="A1"), Identified(serial="B2"))
    ((_, data),) = shelf.told("device-replaced")
    assert (data["was"], data["serial"], data["lying"][0]["total"]) == ("A1", "B2", 100000)
    assert shelf.lying("bills") == {100000: 1}
