"""What hubs tell each other of their kiosks: numbers, gaps, lists that cross news, and who is right."""

import random

import pytest

from cloud.kiosks.gossip import Here, KiosksListed, KiosksMoved, KiosksStand, Known, Left, Telling

A, B = "a" * 32, "b" * 32


def here(kiosk_id: str = "kiosk_001", epoch: int = 1, state: str = "ready") -> Here:
    """A kiosk as a hub tells of it."""
    devices = (("bills", "bill-acceptor", "ccnet", state),)
    return Here(kiosk_id, epoch, 1.0, 0, "192.0.2.1", "kiosk.v2", "1.2.3", "boot", "journal", ("default",), devices)


def moved(number: int, *came: Here, left: tuple[Left, ...] = ()) -> KiosksMoved:
    """News."""
    return KiosksMoved(number=number, came=list(came), left=list(left))


def page(number: int, *came: Here, left: tuple[Left, ...] = (), whole: bool = True, more: bool = False) -> KiosksListed:
    """One page of a list."""
    return KiosksListed(number=number, is_whole=whole, came=list(came), left=list(left), has_more=more)


def known(*lives: str) -> Known:
    """Of hubs whose empty lists were read."""
    found = Known()
    for life in lives:
        found.hub_came(life)
        assert found.begin(life) == -1
        found.listed(life, page(0), is_first=True)
    return found


def test_a_new_hub_is_asked_for_all() -> None:
    found = Known()
    found.hub_came(A)
    assert found.wanted() == [A]
    assert found.begin(A) == -1
    assert found.wanted() == []
    assert found.listed(A, page(7, here(), more=True), is_first=True) == ["kiosk_001"]
    assert found.listed(A, page(8, here("kiosk_002")), is_first=False) == ["kiosk_002"]
    assert found.wanted() == []
    assert (found.get("kiosk_002").hub, found.count(A)) == (A, 2)  # type: ignore[union-attr]
    assert found.moved(A, moved(8, here("kiosk_003"))) == ["kiosk_003"]
    assert found.wanted() == []


def test_news_in_order_are_all_that_is_needed_and_twice_does_nothing() -> None:
    found = known(A)
    assert found.moved(A, moved(1, here())) == ["kiosk_001"]
    assert found.moved(A, moved(1, here())) == []
    assert found.moved(A, moved(2, here(state="fault"))) == []  # it did not move
    seen = found.get("kiosk_001")
    assert seen is not None
    assert (seen.devices[0].state, seen.is_v1) == ("fault", False)
    assert found.moved(A, moved(3, left=(Left("kiosk_001", 1),))) == ["kiosk_001"]
    assert (found.get("kiosk_001"), found.wanted(), found.count(A)) == (None, [], 0)


def test_a_lost_number_is_asked_for_and_no_more_than_that() -> None:
    found = known(A)
    found.moved(A, moved(1, here()))
    assert found.moved(A, moved(4, here("kiosk_004", 4))) == ["kiosk_004"]  # what is heard counts all the same
    assert found.wanted() == [A]
    assert found.begin(A) == 1
    assert found.moved(A, moved(5, here("kiosk_005", 5))) == ["kiosk_005"]  # meanwhile
    left = (Left("kiosk_001", 1),)
    assert found.listed(A, page(4, here("kiosk_002"), left=left, whole=False), is_first=True) == [
        "kiosk_002",
        "kiosk_001",
    ]
    assert found.wanted() == []
    assert sorted(found.all()) == ["kiosk_002", "kiosk_004", "kiosk_005"]


def test_what_is_lost_while_a_list_is_read_is_asked_for_after_it() -> None:
    found = known(A)
    found.moved(A, moved(2, here("kiosk_002")))
    assert found.begin(A) == 0
    found.moved(A, moved(5, here("kiosk_005", 5)))
    found.listed(A, page(3, here("kiosk_003"), whole=False), is_first=True)
    assert found.wanted() == [A]
    assert found.begin(A) == 3
    found.listed(A, page(5, here("kiosk_004"), whole=False), is_first=True)
    assert found.wanted() == []


def test_the_last_message_that_was_lost_shows_in_the_number_told_now_and_then() -> None:
    found = known(A)
    found.stands(A, KiosksStand(number=0, count=0))
    assert found.wanted() == []
    found.stands(A, KiosksStand(number=1, count=1))
    assert (found.wanted(), found.begin(A)) == ([A], 0)
    found.listed(A, page(1, here(), whole=False), is_first=True)
    found.stands(A, KiosksStand(number=1, count=1))
    assert found.wanted() == []


def test_a_count_that_nothing_explains_has_all_told_anew() -> None:
    found = known(A)
    found.moved(A, moved(1, here(), here("kiosk_002")))
    found.stands(A, KiosksStand(number=1, count=1))
    assert found.begin(A) == -1
    assert found.listed(A, page(1, here()), is_first=True) == ["kiosk_002"]
    found.stands(A, KiosksStand(number=1, count=1))
    assert (found.wanted(), list(found.all())) == ([], ["kiosk_001"])


def test_a_whole_list_ends_what_it_does_not_name_but_not_what_came_meanwhile() -> None:
    found = known(A)
    found.moved(A, moved(1, here(), here("kiosk_002")))
    found.moved(A, moved(3, here("kiosk_003", 3)))
    found.begin(A)
    found.moved(A, moved(4, here("kiosk_004", 4)))
    found.moved(A, moved(5, left=(Left("kiosk_003", 3),)))
    # The page was made before the last news: kiosk_003 is in it, kiosk_004 is not.
    found.listed(A, page(3, here("kiosk_002"), here("kiosk_003", 3)), is_first=True)
    assert sorted(found.all()) == ["kiosk_002", "kiosk_004"]
    assert (found.count(A), found.wanted()) == (2, [])


def test_a_page_older_than_the_news_changes_nothing() -> None:
    found = known(A)
    found.moved(A, moved(2))
    found.begin(A)
    found.moved(A, moved(3, here(epoch=2, state="fault")))
    assert found.listed(A, page(2, here(epoch=2)), is_first=True) == []
    assert found.get("kiosk_001").devices[0].state == "fault"  # type: ignore[union-attr]


def test_of_two_hubs_the_greater_epoch_is_right_whatever_came_first() -> None:
    found = known(A, B)
    found.moved(A, moved(1, here(epoch=5)))
    assert found.moved(B, moved(1, here(epoch=6))) == ["kiosk_001"]
    assert found.moved(A, moved(2, here(epoch=5))) == []
    assert found.get("kiosk_001").hub == B  # type: ignore[union-attr]
    assert (found.count(A), found.count(B)) == (1, 1)
    assert found.moved(A, moved(3, left=(Left("kiosk_001", 5),))) == []
    assert (found.get("kiosk_001").hub, found.count(A)) == (B, 0)  # type: ignore[union-attr]
    assert found.moved(B, moved(2, left=(Left("kiosk_001", 6),))) == ["kiosk_001"]
    assert found.get("kiosk_001") is None


def test_a_hub_that_dies_takes_its_kiosks_and_leaves_those_that_another_holds_too() -> None:
    found = known(A, B)
    found.moved(A, moved(1, here(epoch=5), here("kiosk_002")))
    found.moved(B, moved(1, here(epoch=6), here("kiosk_003")))
    assert sorted(found.hub_gone(B)) == ["kiosk_001", "kiosk_003"]
    assert found.get("kiosk_001").hub == A  # type: ignore[union-attr]
    assert sorted(found.hub_gone(A)) == ["kiosk_001", "kiosk_002"]
    assert (dict(found.all()), found.wanted()) == ({}, [])
    assert found.moved(A, moved(2, here())) == []  # late news of the dead


def test_an_older_connection_never_undoes_a_newer_one_of_the_same_hub() -> None:
    found = known(A)
    found.moved(A, moved(1, here(epoch=5)))
    assert found.moved(A, moved(2, left=(Left("kiosk_001", 4),))) == []
    assert found.moved(A, moved(3, here(epoch=4))) == []
    assert found.get("kiosk_001").epoch == 5  # type: ignore[union-attr]


def test_equal_things_are_kept_once() -> None:
    found = known(A)
    found.moved(A, moved(1, *(here(f"kiosk_{number}") for number in range(3))))
    one, two = found.get("kiosk_1"), found.get("kiosk_2")
    assert one is not None
    assert two is not None
    assert (one.devices is two.devices, one.routes is two.routes, one.hub is two.hub) == (True, True, True)


def test_each_kiosk_is_told_once_however_often_it_changed() -> None:
    telling = Telling()
    assert [telling.note(kiosk_id) for kiosk_id in ("one", "two", "one", "one")] == [True, False, False, False]
    assert telling.next(1) == ["one"]
    assert telling.told(["one"]) == 1
    assert (telling.next(9), len(telling)) == (["two"], 1)


def test_changes_are_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.kiosks.gossip._REMEMBERED", 4)
    telling = Telling()
    for kiosk_id in ("one", "two", "one", "three"):
        telling.note(kiosk_id)
        telling.told(telling.next(9))
    assert [telling.since(number) for number in (4, 2, 0, 5, -1)] == [
        [],
        ["one", "three"],
        ["one", "two", "three"],
        None,
        None,
    ]
    telling.told(["four", "five"])
    assert (telling.since(1), telling.since(2)) == (None, ["one", "three", "four", "five"])


def test_whatever_is_lost_in_the_end_each_knows_what_the_other_holds() -> None:
    chance = random.Random(7)
    for _ in range(200):
        _one_life(chance)


def _one_life(chance: random.Random) -> None:
    """A hub whose kiosks come and go, and one that hears of it now and then, and reads lists in pieces."""
    telling, found, truth, epochs = Telling(), Known(), dict[str, int](), 0
    found.hub_came(A)
    pages: list[KiosksListed] = []
    is_first = True

    def tell_of(ids: list[str]) -> tuple[list[Here], list[Left]]:
        return [here(each, truth[each]) for each in ids if each in truth], [
            Left(each, epochs) for each in ids if each not in truth
        ]

    def ask() -> None:
        nonlocal is_first
        if pages or A not in found.wanted():
            return
        since = found.begin(A)
        changed = telling.since(since) if since >= 0 else None
        ids, whole = (list(truth), True) if changed is None else (changed, False)
        cuts = [ids[at : at + 2] for at in range(0, len(ids), 2)] or [[]]
        for at, cut in enumerate(cuts):
            came, left = tell_of(cut)
            pages.append(page(telling.number, *came, left=tuple(left), whole=whole, more=at < len(cuts) - 1))
        is_first = True

    def read() -> None:
        nonlocal is_first
        if pages:
            found.listed(A, pages.pop(0), is_first=is_first)
            is_first = False

    for _step in range(40):
        kiosk_id = f"kiosk_{chance.randrange(6)}"
        epochs += 1
        if kiosk_id in truth and chance.random() < 0.5:
            del truth[kiosk_id]
        else:
            truth[kiosk_id] = epochs
        telling.note(kiosk_id)
        if chance.random() < 0.7:
            came, left = tell_of(ids := telling.next(9))
            number = telling.told(ids)
            if chance.random() < 0.7:
                found.moved(A, moved(number, *came, left=tuple(left)))
        chance.choice([ask, read, lambda: None])()
    came, left = tell_of(ids := telling.next(9))
    telling.told(ids)  # lost
    for _ in range(20):
        while pages:
            read()
        found.stands(A, KiosksStand(number=telling.number, count=len(truth)))
        ask()
    assert {each: seen.epoch for each, seen in found.all().items()} == truth
    assert found.wanted() == []
