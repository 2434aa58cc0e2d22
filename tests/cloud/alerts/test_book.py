"""What people are told, by a clock that is moved by hand."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from cloud.alerts.alert import Severity, What
from cloud.alerts.kinds import DAY, HOUR, KINDS, MINUTE
from cloud.alerts.quiet import Quiet
from cloud.alerts.rules import Rules
from tests.cloud.alerts.play import NOON, Play, shown

NIGHT = Quiet(time(22), time(8), ZoneInfo("Asia/Almaty"))
BERLIN = Quiet(time(22), time(2, 30), ZoneInfo("Europe/Berlin"))
YEAR = 365 * DAY


def rules(quiet: Quiet | None = None, **changes: dict[str, Any]) -> Rules:
    """Built-in rules but for these: `rules(kiosk_offline={"after": 5.0})`."""
    kinds = dict(KINDS)
    for name, fields in changes.items():
        kind = name.replace("_", "-")
        kinds[kind] = msgspec.structs.replace(kinds[kind], **fields)
    return Rules(kinds=kinds, quiet=quiet)


def almaty(hour: int, minute: int = 0, day: int = 10) -> float:
    return datetime(2026, 3, day, hour, minute, tzinfo=ZoneInfo("Asia/Almaty")).timestamp()


def utc(month: int, day: int, hour: int, minute: int) -> float:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC).timestamp()


# Raising and clearing


def test_what_is_over_within_its_grace_is_told_to_nobody() -> None:
    play = Play()
    play.begin("kiosk-offline", "a")
    assert play.run(110) == []
    play.end("kiosk-offline", "a")
    assert play.run(HOUR) == []
    assert play.book.standing == {}


def test_what_holds_is_raised_once_and_cleared_with_how_long_it_lasted() -> None:
    play = Play()
    play.begin("kiosk-offline", "a")
    assert play.run(5 * MINUTE) == ["raised kiosk-offline a"]
    assert play.run(10 * MINUTE) == []
    play.end("kiosk-offline", "a")
    assert play.run(5 * MINUTE) == ["cleared kiosk-offline a"]
    alert = play.told[-1][1].alerts[0]
    assert alert.gone_at is not None
    assert alert.gone_at - alert.since == pytest.approx(15 * MINUTE, abs=5)
    assert play.run(DAY, every=15) == []


def test_a_kiosk_that_comes_and_goes_is_one_alert() -> None:
    play = Play()
    play.begin("kiosk-offline", "a")
    play.run(5 * MINUTE)
    for _ in range(20):
        play.end("kiosk-offline", "a")
        assert play.run(21) == []
        play.begin("kiosk-offline", "a")
        assert play.run(30) == []
    assert len(play.pages.alerts) == 1
    play.end("kiosk-offline", "a")
    assert play.run(2 * MINUTE) == ["cleared kiosk-offline a"]


def test_many_at_once_are_one_notice() -> None:
    play = Play()
    for number in range(300):
        play.begin("kiosk-offline", f"k{number:03}")
    play.run(1)
    play.begin("paper-out", "k001", "printer")
    told = play.run(5 * MINUTE)
    assert [text.split()[:2] for text in told] == [["raised", "paper-out"], ["raised", "kiosk-offline"]]
    assert len(play.told[1][1].alerts) == 300
    play.holding.clear()
    told = play.run(5 * MINUTE)
    assert sorted(text.split()[1] for text in told) == ["kiosk-offline", "paper-out"]
    assert len(play.told[-1][1].alerts) + len(play.told[-2][1].alerts) == 301


def test_while_more_come_all_wait_for_them_but_not_for_ever() -> None:
    play = Play(rules(kiosk_offline={"after": 0.0}))
    told: list[str] = []
    for number in range(50):
        play.begin("kiosk-offline", f"k{number:02}")
        told += play.run(3)
    assert [len(text.split()) - 2 for text in told] == [20, 20]  # those of a minute
    assert [len(text.split()) - 2 for text in play.run(MINUTE)] == [10]


def test_data_that_changes_is_told_as_it_is_and_raises_nothing_anew() -> None:
    play = Play()
    play.begin("cassette-near-full", "a", "bills", count=900)
    play.run(1)
    play.begin("cassette-near-full", "a", "bills", count=950)
    assert play.run(MINUTE) == ["raised cassette-near-full a"]
    assert play.told[0][1].alerts[0].data == {"count": 950}
    play.begin("cassette-near-full", "a", "bills", count=990)
    assert play.run(MINUTE) == []
    assert play.book.standing["cassette-near-full", "a", "bills"].data == {"count": 990}


def test_what_is_not_known_just_now_neither_clears_nor_raises() -> None:
    play = Play()
    play.begin("paper-low", "a", "printer")
    play.run(2 * MINUTE)
    play.end("paper-low", "a", "printer")
    play.blind = {"paper-low"}
    assert play.run(HOUR) == []
    play.blind = set()
    assert play.run(2 * MINUTE) == ["cleared paper-low a"]


def test_a_kind_that_is_switched_off_is_gone_without_a_word() -> None:
    play = Play()
    play.begin("paper-low", "a", "printer")
    assert play.run(MINUTE) == ["raised paper-low a"]
    play.rules = rules(paper_low={"enabled": False})
    assert play.run(HOUR) == []
    assert play.book.standing == {}


def test_rules_for_some_kiosks_only() -> None:
    changes = {"only_kiosks": ("shop_*",), "except_kiosks": ("shop_9",)}
    play = Play(rules(paper_out=changes))
    for kiosk in ("shop_1", "shop_9", "test_1"):
        play.begin("paper-out", kiosk, "printer")
    assert play.run(MINUTE) == ["raised paper-out shop_1"]


def test_no_more_stand_than_there_is_room_for_and_the_hub_has_room_always() -> None:
    play = Play(rules(kiosk_offline={"after": 0.0, "gather": 0.0}, hub_database={"after": 0.0}))
    for number in range(10_100):
        play.begin("kiosk-offline", f"k{number}")
    play.begin("hub-database")
    assert len(play.run(1)) == 2
    assert len(play.book.standing) == 10_001


# Repeating and escalating


def test_what_stands_is_told_again_and_never_after_somebody_took_note() -> None:
    play = Play(rules(device_fault={"escalate": 0.0}))
    play.begin("device-fault", "a", "bills")
    play.run(MINUTE)
    assert play.run(9 * HOUR, every=15) == ["repeated device-fault a"] * 2
    play.book.acknowledge([play.number("device-fault", "a", "bills"), 999], "somebody", play.now)
    assert play.run(2 * DAY, every=15) == []
    play.end("device-fault", "a", "bills")
    assert play.run(2 * MINUTE) == ["cleared device-fault a"]


def test_what_nobody_acknowledges_is_escalated_once() -> None:
    play = Play()
    play.begin("device-fault", "a", "bills")
    play.run(MINUTE)
    assert play.run(20 * MINUTE) == ["escalated device-fault a"]
    assert play.run(3 * HOUR) == []
    assert play.book.standing["device-fault", "a", "bills"].escalated_at is not None


def test_what_was_acknowledged_is_not_escalated() -> None:
    play = Play()
    play.begin("device-fault", "a", "bills")
    play.run(MINUTE)
    (alert,) = play.book.acknowledge([1, 1], "somebody", play.now)
    assert (alert.acknowledged_by, alert.acknowledged_at) == ("somebody", play.now)
    assert play.book.acknowledge([1], "another", play.now) == []
    assert play.run(DAY, every=15) == []


def test_alerts_that_are_due_within_a_little_are_told_again_together() -> None:
    play = Play(rules(paper_out={"escalate": 0.0}))
    play.begin("paper-out", "a", "printer")
    play.run(10 * MINUTE)
    play.begin("paper-out", "b", "printer")
    play.run(MINUTE)
    assert play.run(4 * HOUR, every=15) == ["repeated paper-out a b"]


# A way of telling that was shut


def test_a_way_that_was_shut_tells_what_stands_and_counts_what_came_and_went() -> None:
    play = Play()
    play.open = set()
    for kiosk in "abc":
        play.begin("device-fault", kiosk, "bills")
    play.begin("paper-out", "d", "printer")
    play.run(HOUR)
    play.end("device-fault", "a", "bills")
    play.end("device-fault", "b", "bills")
    play.end("paper-out", "d", "printer")
    play.run(HOUR)
    play.open = {"telegram"}
    assert play.run(10) == ["raised device-fault c", "missed * a b d"]
    assert play.run(10 * MINUTE) == []


def test_a_way_that_broke_after_taking_a_notice_tells_it_again_as_things_stand() -> None:
    play = Play()
    play.open = set()
    play.begin("device-fault", "a", "bills")
    play.run(MINUTE)
    assert [shown(notice) for notice in play.book.due("telegram", play.rules, play.now)] == ["raised device-fault a"]
    assert play.book.is_handed("telegram")
    play.begin("device-fault", "b", "bills")
    play.run(MINUTE)
    play.open = {"telegram"}
    assert play.run(5) == ["raised device-fault a b"]


def test_a_notice_that_was_under_way_when_its_alert_was_cleared_is_followed_by_the_end() -> None:
    play = Play(rules(NIGHT), now=almaty(21, 58))
    play.begin("paper-low", "a", "printer")
    play.open = set()
    play.run(30)
    due = play.book.due("telegram", play.rules, play.now)  # and it takes its time
    play.end("paper-low", "a", "printer")
    play.run(10 * MINUTE)
    play.book.told("telegram", due, play.now)
    play.open = {"telegram"}
    assert play.run(DAY, every=15) == ["cleared paper-low a"]


def test_each_way_of_telling_tells_for_itself() -> None:
    play = Play(channels=("telegram", "webhook"))
    play.open = {"webhook"}
    play.begin("hub-telegram")
    play.begin("device-fault", "a", "bills")
    assert play.run(5 * MINUTE) == ["raised device-fault a", "raised hub-telegram"]
    play.open = {"telegram", "webhook"}
    assert play.run(MINUTE) == ["raised device-fault a"]
    play.holding.clear()
    assert sorted(play.run(5 * MINUTE)) == ["cleared device-fault a"] * 2 + ["cleared hub-telegram"]


def test_a_way_that_is_new_tells_what_stands_and_nothing_of_before() -> None:
    play = Play()
    play.begin("device-fault", "a", "bills")
    play.begin("device-fault", "b", "bills")
    play.run(MINUTE)
    play.end("device-fault", "a", "bills")
    play.run(2 * MINUTE)
    play.open = {"webhook"}
    assert play.run(MINUTE) == ["raised device-fault b"]


# Mutes


def test_what_is_muted_is_told_to_nobody_and_what_stands_when_the_mute_ends() -> None:
    play = Play(rules(paper_out={"escalate": 0.0}))
    play.mute("a", HOUR)
    play.mute("paper-out", 2 * HOUR)
    play.begin("device-fault", "a", "bills")
    play.begin("paper-out", "b", "printer")
    play.begin("paper-out", "c", "printer")
    assert play.run(50 * MINUTE) == []
    play.end("paper-out", "c", "printer")
    assert play.run(20 * MINUTE) == ["raised device-fault a"]
    assert play.run(HOUR) == ["escalated device-fault a", "raised paper-out b"]
    assert play.book.mutes == {}
    assert play.pages.mutes == {}


def test_what_was_told_before_a_mute_is_told_again_after_it_or_as_over() -> None:
    play = Play(rules(device_fault={"escalate": 0.0}))
    for kiosk in "ab":
        play.begin("device-fault", kiosk, "bills")
    play.run(MINUTE)
    play.mute("device-fault", 30 * MINUTE)
    play.end("device-fault", "b", "bills")
    assert play.run(29 * MINUTE) == []
    assert play.run(2 * MINUTE) == ["repeated device-fault a", "cleared device-fault b"]
    play.mute("a", HOUR)
    play.run(MINUTE)
    play.book.unmute("a")
    assert play.run(MINUTE) == ["repeated device-fault a"]
    assert play.run(HOUR) == []


def test_one_mute_that_ends_leaves_the_other_in_force() -> None:
    play = Play()
    play.mute("a", 10 * MINUTE)
    play.mute("device-fault", HOUR)
    play.begin("device-fault", "a", "bills")
    assert play.run(30 * MINUTE) == []
    assert play.run(HOUR) == ["raised device-fault a", "escalated device-fault a"]


# Quiet hours


def test_at_night_only_what_is_critical_is_told() -> None:
    play = Play(rules(NIGHT), now=almaty(23))
    play.begin("paper-low", "a", "printer")
    play.begin("paper-low", "b", "printer")
    play.begin("device-fault", "c", "bills")
    play.book.acknowledge([1], "nobody", play.now)
    assert play.run(10 * MINUTE) == ["raised device-fault c"]
    play.book.acknowledge([play.number("device-fault", "c", "bills")], "somebody", play.now)
    play.end("device-fault", "c", "bills")
    assert play.run(10 * MINUTE) == ["cleared device-fault c"]
    play.run(HOUR)
    play.end("paper-low", "b", "printer")
    assert play.run(almaty(7, 55, day=11) - play.now, every=15) == []
    play.begin("paper-low", "d", "printer")
    assert play.run(10 * MINUTE) == ["raised paper-low a d"]
    assert play.run(HOUR) == []


def test_what_ends_at_night_is_told_as_over_in_the_morning() -> None:
    play = Play(rules(NIGHT), now=almaty(21))
    play.begin("paper-low", "a", "printer")
    play.run(MINUTE)
    play.now = almaty(23)
    play.end("paper-low", "a", "printer")
    assert play.run(HOUR) == []
    assert play.run(10 * HOUR, every=15) == ["cleared paper-low a"]


@pytest.mark.parametrize(
    ("quiet", "at", "holds"),
    [
        (NIGHT, almaty(21, 59), False),
        (NIGHT, almaty(22), True),
        (NIGHT, almaty(3), True),
        (NIGHT, almaty(7, 59), True),
        (NIGHT, almaty(8), False),
        (Quiet(time(13), time(14), ZoneInfo("Asia/Almaty")), almaty(13, 30), True),
        (Quiet(time(13), time(14), ZoneInfo("Asia/Almaty")), almaty(14), False),
        # Berlin's clocks go from 2:00 to 3:00 on 29 March 2026, and from 3:00 to 2:00 on 25 October.
        (BERLIN, utc(3, 29, 0, 59), True),
        (BERLIN, utc(3, 29, 1, 0), False),
        (BERLIN, utc(10, 25, 0, 29), True),
        (BERLIN, utc(10, 25, 0, 31), False),
        (BERLIN, utc(10, 25, 1, 29), True),
        (BERLIN, utc(10, 25, 1, 31), False),
        (NIGHT, 1e18, False),
    ],
)
def test_quiet_hours_go_by_the_clocks_of_the_place(quiet: Quiet, at: float, holds: bool) -> None:
    assert quiet.holds(at) is holds


# Restarts


def test_a_restart_keeps_what_was_raised_told_acknowledged_and_muted() -> None:
    play = Play()
    play.begin("device-fault", "a", "bills")
    play.begin("paper-out", "b", "printer")
    play.run(MINUTE)
    play.book.acknowledge([play.number("device-fault", "a", "bills")], "somebody", play.now)
    play.mute("paper-out", HOUR)
    play.restart()
    assert play.run(50 * MINUTE) == []
    assert play.book.standing["device-fault", "a", "bills"].acknowledged_by == "somebody"
    play.restart()
    assert play.run(15 * MINUTE) == ["escalated paper-out b"]
    play.restart()
    play.holding.clear()
    assert sorted(play.run(2 * MINUTE)) == ["cleared device-fault a", "cleared paper-out b"]
    play.restart()
    assert play.run(HOUR) == []


def test_kiosks_that_are_gone_while_the_hub_restarts_are_no_alert() -> None:
    play = Play()
    play.restart()
    for number in range(100):
        play.begin("kiosk-offline", f"k{number}")
    play.run(90)
    play.holding.clear()
    assert play.run(HOUR) == []


def test_what_was_cleared_and_not_told_is_told_after_a_restart() -> None:
    play = Play()
    play.begin("device-fault", "a", "bills")
    play.begin("device-fault", "b", "bills")
    play.run(MINUTE)
    play.open = set()
    play.begin("paper-out", "c", "printer")
    play.run(MINUTE)
    play.holding = {key: held for key, held in play.holding.items() if key[1] == "b"}
    play.run(2 * MINUTE)
    play.restart()
    play.open = {"telegram"}
    assert play.run(30) == ["cleared device-fault a", "missed paper-out c"]


# Clocks


def test_a_clock_that_is_set_a_year_ahead_raises_nothing_and_tells_each_kind_once() -> None:
    play = Play()
    for kiosk in "abc":
        play.begin("device-fault", kiosk, "bills")
        play.begin("paper-low", kiosk, "printer")
    play.run(MINUTE)
    play.begin("kiosk-offline", "d")
    play.run(10)
    play.now += YEAR
    assert play.run(10) == ["escalated device-fault a b c", "repeated paper-low a b c"]
    play.end("kiosk-offline", "d")
    assert play.run(3 * HOUR, every=15) == []
    play.now -= YEAR
    assert play.run(3 * HOUR, every=15) == []
    assert play.run(2 * HOUR, every=15) == ["repeated device-fault a b c"]


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    play = Play(now=NOON + YEAR)
    play.begin("device-fault", "a", "bills")
    play.mute("paper-out", HOUR)
    play.run(MINUTE)
    play.now -= YEAR
    assert play.run(30 * MINUTE) == ["escalated device-fault a"]
    play.begin("paper-out", "b", "printer")
    assert play.run(20 * MINUTE) == []
    assert play.run(20 * MINUTE) == ["raised paper-out b"]
    play.end("device-fault", "a", "bills")
    assert play.run(2 * MINUTE) == ["cleared device-fault a"]
    times = [value for alert in play.pages.alerts.values() for value in msgspec.structs.astuple(alert)]
    assert max(value for value in times if isinstance(value, float)) <= play.now


def test_a_restart_after_which_the_clock_is_right_again_silences_nothing() -> None:
    play = Play(now=NOON + YEAR)
    play.begin("device-fault", "a", "bills")
    play.run(MINUTE)
    play.now -= YEAR
    play.restart()
    assert play.run(30 * MINUTE) == ["escalated device-fault a"]


def test_a_hub_that_stood_still_has_seen_nothing_meanwhile() -> None:
    play = Play()
    play.begin("kiosk-offline", "a")
    play.run(10)
    play.now += HOUR
    play.monotonic += HOUR
    assert play.run(30) == []
    play.end("kiosk-offline", "a")
    assert play.run(HOUR) == []


def test_severity_that_the_rules_change_is_the_alerts_own() -> None:
    play = Play()
    play.begin("paper-low", "a", "printer")
    play.run(MINUTE)
    play.rules = rules(paper_low={"severity": Severity.CRITICAL, "escalate": MINUTE})
    assert play.run(5 * MINUTE) == ["escalated paper-low a"]
    assert play.told[-1][1].severity is Severity.CRITICAL
    assert play.told[-1][1].what is What.ESCALATED
