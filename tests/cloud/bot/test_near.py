"""Whom somebody means who did not write an id as it is."""

import time

from cloud.alerts.kinds import KINDS
from cloud.bot.near import find, offer

IDS = ["Till_1", "kiosk_001", "kiosk_002", "kiosk_010", "station:7", "till_1"]


def test_one_that_is_there_is_itself() -> None:
    assert find("kiosk_001", IDS) == "kiosk_001"
    assert find("till_1", IDS) == "till_1"
    assert find("kiosk", ["kiosk", "kiosk_2"]) == "kiosk"


def test_a_beginning_or_another_case_stands_for_one_alone() -> None:
    assert find("stat", IDS) == "station:7"
    assert find("KIOSK_010", IDS) == "kiosk_010"
    assert find("kiosk_01", IDS) == "kiosk_010"
    assert find("kiosk", IDS) is None
    assert find("TILL_1", IDS) is None  # two of them
    assert find("nothing", IDS) is None


def test_the_likeliest_are_offered_first() -> None:
    assert offer("kiosk_00", IDS) == ["kiosk_001", "kiosk_002"]
    assert offer("KIOSK", IDS, most=2) == ["kiosk_001", "kiosk_002"]
    assert offer("001", IDS) == ["kiosk_001"]
    assert offer("kisok_010", IDS)[0] == "kiosk_010"
    assert offer("iosk_002", IDS)[0] == "kiosk_002"
    assert offer("TILL_1", IDS) == ["Till_1", "till_1"]
    assert offer("zzzzzzzz", IDS) == []
    assert offer("x", []) == []


def test_what_is_much_less_like_than_the_likeliest_is_not_offered() -> None:
    assert offer("kiosk-ofline", KINDS) == ["kiosk-offline"]
    assert offer("paper-otu", KINDS) == ["paper-out"]
    assert offer("kisok_01", IDS) == ["kiosk_010", "kiosk_001"]


def test_ten_thousand_alike_do_not_take_long() -> None:
    ids = [f"kiosk-of-the-northern-railways-and-their-stations-number-{n:06}" for n in range(10_000)]
    begun = time.perf_counter()
    assert offer("kiosk-of-the-northern-railways-and-their-stations-numbr-004711", ids)[0].endswith("004711")
    assert time.perf_counter() - begun < 1.0
