"""Collections by order, levels that a person says, and what the hub hears of them."""

from appliance.levels import collections
from appliance.levels.marks import Marks
from hardware.events import CassetteRemoved, CassetteReturned
from tests.appliance.levels.shelf import Shelf, coin, kzt, note, paid


def test_an_ordered_collection_empties_and_is_made_once(shelf: Shelf) -> None:
    shelf.happen("coins", coin(5000), coin(5000), coin(10000))
    done = [collections.collect(shelf.book, "coins", at=shelf.tick(), reference="request-1") for _ in range(2)]
    assert done[0] == done[1]
    assert (done[0]["total"], done[0]["counts"], done[0]["by"]) == (20000, {"5000": 2, "10000": 1}, "action")
    shelf.happen("coins", coin(5000))
    assert collections.collect(shelf.book, "coins", at=shelf.tick(), reference="request-1") == done[0]
    assert shelf.lying("coins") == {5000: 1}
    collections.collect(shelf.book, "coins", at=shelf.tick())
    assert [data["total"] for _, data in shelf.told("collection")] == [20000, 5000]


def test_an_order_while_the_cassette_is_out_is_its_collection(shelf: Shelf) -> None:
    shelf.happen("bills", note(100000))
    removed = shelf.happen("bills", CassetteRemoved())
    assert collections.levels(shelf.book, "bills")["removed_at"] == removed.at
    assert collections.collect(shelf.book, "bills", at=shelf.tick())["removed_at"] == removed.at
    assert collections.levels(shelf.book, "bills")["removed_at"] is None
    shelf.happen("bills", CassetteReturned(), note(50000))
    assert len(shelf.told("collection")) == 1
    assert shelf.lying("bills") == {50000: 1}


def test_a_hoppers_level_is_known_once_somebody_said_it(shelf: Shelf) -> None:
    fifty = kzt(5000)
    assert collections.level(shelf.book, "hopper", fifty) is None
    assert collections.refill(shelf.book, "hopper", fifty, 100, at=shelf.tick())["level"] is None
    said = collections.set_level(shelf.book, "hopper", fifty, 40, at=shelf.tick(), reference="request-1")
    assert said == {"device": "hopper", "currency": "KZT", "minor": 5000, "count": 40, "was": None}
    assert collections.set_level(shelf.book, "hopper", fifty, 7, at=shelf.tick(), reference="request-1") == said
    shelf.happen("hopper", paid("request-2/change/1", 5, 5))
    assert collections.level(shelf.book, "hopper", fifty) == 35
    for _ in range(2):
        filled = collections.refill(shelf.book, "hopper", fifty, 10, at=shelf.now + 1, reference="request-3")
    assert filled["level"] == 45 == collections.level(shelf.book, "hopper", fifty)
    collections.collect(shelf.book, "hopper", at=shelf.tick())
    assert collections.level(shelf.book, "hopper", fifty) == 0


def test_levels_tell_what_lies_where(shelf: Shelf) -> None:
    shelf.happen("bills", note(100000), note(50000))
    assert collections.levels(shelf.book, "bills") == {
        "device": "bills", "since": None, "known": False, "removed_at": None, "state": "normal",
        "lying": [{"currency": "KZT", "total": 150000, "counts": {"50000": 1, "100000": 1}}],
    }  # fmt: skip
    at = shelf.tick()
    collections.collect(shelf.book, "bills", at=at)
    now = collections.levels(shelf.book, "bills")
    assert (now["since"], now["lying"]) == (at, [])


def test_marks_are_told_once_a_crossing(shelf: Shelf) -> None:
    shelf.marks["bills"] = Marks(capacity=4, near_full=3)
    shelf.happen("bills", *[note(100000)] * 5, CassetteRemoved(), CassetteReturned())
    kinds = ("level-near-full", "level-full", "level-normal")
    assert [kind for kind, _ in shelf.told(*kinds)] == list(kinds)
    assert shelf.told("level-full")[0][1] == {
        "device": "bills", "state": "full", "was": "near-full", "count": 4, "capacity": 4,
    }  # fmt: skip


def test_a_hopper_of_unknown_level_is_not_called_empty(shelf: Shelf) -> None:
    marks = shelf.marks["hopper"] = Marks(near_empty=10)
    shelf.happen("hopper", paid("request-1/change/1", 2, 2))
    assert shelf.told("level-empty", "level-near-empty") == []
    collections.set_level(shelf.book, "hopper", kzt(5000), 11, at=shelf.tick(), marks=marks)
    shelf.happen("hopper", paid("request-2/change/1", 2, 2))
    collections.refill(shelf.book, "hopper", kzt(5000), 50, at=shelf.tick(), marks=marks)
    collections.collect(shelf.book, "hopper", at=shelf.tick(), marks=marks)
    told = [kind for kind, _ in shelf.told() if kind.startswith("level-")]
    assert told == ["level-set", "level-near-empty", "level-refilled", "level-normal", "level-empty"]
