"""Who is the kiosk: one box that comes back, or two that share its identity."""

from itertools import pairwise

import pytest

from cloud.kiosks.identity import ALARM_FOR, HOLD, Box, Identity, Verdict


def box(journal: str = "a", boot_id: str = "1", since: float = 1000.0, address: str = "192.0.2.1") -> Box:
    """A box, started a thousand seconds after the clock began."""
    return Box(address=address, since=since, journal=journal, boot_id=boot_id)


def v1(address: str) -> Box:
    return Box(address=address, since=1000.0, is_v1=True)


def served(here: Box, since: float = 1000.0) -> Identity:
    """A kiosk that this box is."""
    identity = Identity()
    identity.serves(here, since)
    return identity


def test_the_first_one_and_the_same_run_are_let_in_at_once() -> None:
    assert Identity().arrives(box(), 1000.0) is Verdict.LET_IN
    identity = served(box())
    assert identity.arrives(box(address="198.51.100.7"), 2000.0) is Verdict.LET_IN
    assert identity.conflict is None


@pytest.mark.parametrize("newcomer", [box(boot_id="2", since=1999.0), box("b", "2", 1999.0), v1("192.0.2.1")])
def test_another_run_is_let_in_once_the_older_one_does_not_answer(newcomer: Box) -> None:
    identity = served(box())
    assert identity.arrives(newcomer, 2000.0) is Verdict.ASK
    assert identity.unanswered(newcomer, 1990.0, 2002.5) is Verdict.LET_IN
    assert identity.conflict is None


@pytest.mark.parametrize(
    ("newcomer", "verdict"), [(box("b", "2", 1999.0), Verdict.DUPLICATE), (box("a", "2", 1999.0), Verdict.CLONED)]
)
def test_while_the_older_one_answers_the_newcomer_is_refused_and_both_are_named(
    newcomer: Box, verdict: Verdict
) -> None:
    identity = served(box())
    identity.arrives(newcomer, 2000.0)
    assert identity.answered(newcomer, 2000.1) is verdict
    conflict = identity.conflict
    assert conflict is not None
    assert (conflict.here, conflict.there, conflict.count) == (box(), newcomer, 1)
    assert (identity.is_alarming(2000.1 + ALARM_FOR - 1), identity.is_alarming(2000.1 + ALARM_FOR)) == (True, False)


def test_two_nameless_kiosks_are_no_copies_of_each_other() -> None:
    identity = served(box(journal=""))
    assert identity.answered(box(journal="", boot_id="2"), 2000.0) is Verdict.DUPLICATE


@pytest.mark.parametrize(
    ("journal", "verdict"), [("a", Verdict.CLONED), ("b", Verdict.DUPLICATE)], ids=["copied", "strange"]
)
def test_who_ran_while_the_older_one_surely_lived_is_another_box(journal: str, verdict: Verdict) -> None:
    """The older one is gone for a moment: the other, which waited for that, would know nothing of what it did."""
    identity = served(box())
    identity.alive(1900.0)
    identity.lost(1910.0)
    newcomer = box(journal, "2", since=1500.0)
    assert identity.arrives(newcomer, 1911.0) is verdict
    assert identity.arrives(box(), 1912.0) is Verdict.LET_IN


def test_a_box_that_was_started_anew_ran_not_before_its_older_run_was_last_alive() -> None:
    identity = served(box())
    identity.alive(1900.0)
    identity.lost(1910.0)
    assert identity.arrives(box(boot_id="2", since=1900.5), 1911.0) is Verdict.LET_IN
    assert identity.conflict is None


def test_a_clock_that_runs_a_little_fast_for_a_month_is_no_second_box() -> None:
    identity = served(box())
    identity.alive(1900.0)
    identity.lost(1910.0)
    month = 30 * 86400.0
    started = 1905.0 - 0.0005 * month  # as it seems to us
    assert identity.arrives(box(boot_id="2", since=started), 1905.0 + month) is Verdict.LET_IN
    assert identity.conflict is None


def alarmed(here: Box, there: Box) -> Identity:
    """A kiosk of which two boxes have just been seen, at 2000."""
    identity = served(here)
    identity.arrives(there, 2000.0)
    identity.answered(there, 2000.0)
    return identity


@pytest.mark.parametrize(("here", "there"), [(box(), box("b", "2")), (v1("192.0.2.1"), v1("192.0.2.2"))])
def test_the_place_is_kept_for_a_minute_once_two_were_seen(here: Box, there: Box) -> None:
    identity = alarmed(here, there)
    identity.lost(2100.0)
    assert identity.arrives(there, 2100.0 + HOLD - 1) is Verdict.DUPLICATE
    assert identity.arrives(here, 2100.0 + HOLD - 1) is Verdict.LET_IN
    assert identity.arrives(there, 2100.0 + HOLD) is Verdict.LET_IN


def test_the_place_of_a_silent_one_is_kept_as_well() -> None:
    identity = alarmed(box(), box("b", "2"))
    assert identity.unanswered(box("b", "2"), 2050.0, 2060.0) is Verdict.DUPLICATE
    assert identity.unanswered(box("b", "2"), 2050.0, 2050.0 + HOLD) is Verdict.LET_IN


def test_the_box_itself_started_anew_need_not_wait_while_two_are_about() -> None:
    identity = alarmed(box(), box("b", "2"))
    identity.lost(2100.0)
    assert identity.arrives(box("a", "3", since=2101.0), 2102.0) is Verdict.LET_IN


@pytest.mark.parametrize("away", [1.0, 59.0, 90.0])
def test_two_boxes_change_places_once_a_minute_at_most(away: float) -> None:
    """Whoever serves breaks off for a while, again and again, and the other one tries its luck every second."""
    boxes = [box("a", "1"), box("b", "2")]
    identity = alarmed(*boxes)
    serving, changes = 0, [2000.0]
    for second in range(1, 3600):
        now = 2000.0 + second
        newcomer = boxes[1 - serving]
        if second % 100 == 0:
            identity.lost(now)
        gone = second % 100 < away and second >= 100
        if not gone:
            if identity.arrives(boxes[serving], now) is Verdict.LET_IN:
                identity.serves(boxes[serving], now)
            identity.answered(newcomer, now)
        elif identity.arrives(newcomer, now) is Verdict.LET_IN:
            serving = 1 - serving
            identity.serves(newcomer, now)
            changes.append(now)
    assert min((b - a for a, b in pairwise(changes)), default=HOLD) >= HOLD
    assert (len(changes) > 1) is (away > HOLD)


def test_a_conflict_that_was_forgotten_begins_anew() -> None:
    identity = alarmed(box(), box("b", "2"))
    identity.answered(box("b", "2"), 2050.0)
    assert identity.conflict is not None
    assert (identity.conflict.count, identity.conflict.first_at) == (2, 2000.0)
    identity.answered(box("b", "2"), 2050.0 + ALARM_FOR)
    assert (identity.conflict.count, identity.conflict.first_at) == (1, 2050.0 + ALARM_FOR)
