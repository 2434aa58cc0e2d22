"""What an operator may change, and when the hub holds a rollout by itself."""

import re

import pytest

from cloud.errors import Refused
from cloud.updates import rollouts as module
from cloud.updates.rollouts import NONE, Change, Counts, Standing, decide, held, hold
from wire.release import parse_window, version_key

OFFERED = ["1.0.0", "1.0.1", "1.1.0rc1"]
OLD = Standing(channel="stable", version="1.0.1", percent=10, window="02:00-05:00", forgiven=1)


def changed(old: Standing | None, bad: int = 0, **change: object) -> tuple[Standing, str]:
    return decide("stable", old, Change(**change), offered=OFFERED, bad=bad, now=5.0, by="me")


def refusal(old: Standing | None, **change: object) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        changed(old, **change)
    return refused.value.problem, refused.value.detail


def test_a_rollout_is_begun_with_a_version_and_how_many_get_it() -> None:
    new, words = changed(None, version="1.0.1", percent=10, window="02:00-05:00")
    assert new == Standing(
        channel="stable", version="1.0.1", percent=10, window="02:00-05:00", changed_at=5.0, changed_by="me"
    )
    assert words == "1.0.1 to 10 %, 02:00-05:00"
    assert "version is missing" in refusal(None, percent=10)[1]
    assert "percent is missing" in refusal(None, version="1.0.1")[1]


def test_what_is_left_out_stays() -> None:
    new, _ = changed(OLD, percent=50)
    assert (new.version, new.percent, new.window, new.paused, new.forgiven) == ("1.0.1", 50, "02:00-05:00", False, 1)
    assert changed(OLD, window="")[0].window == ""
    assert refusal(OLD)[0] == "conflict"
    assert refusal(OLD, version="1.0.1")[0] == "conflict"


def test_another_version_begins_anew() -> None:
    old = Standing(channel="stable", version="1.0.0", percent=100, paused=True, reason="failed", forgiven=4)
    new, _ = changed(old, version="1.0.1", percent=5, force=True)
    assert (new.percent, new.paused, new.reason, new.forgiven) == (5, False, "", 0)
    assert "percent is missing" in refusal(old, version="1.0.1")[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"percent": 5}, "pause it instead"),
        ({"version": "1.0.0", "percent": 5}, "older than 1.0.1"),
        ({"version": "2.0.0", "percent": 5}, "does not offer 2.0.0; it offers 1.0.0, 1.0.1, 1.1.0rc1"),
    ],
)
def test_what_is_a_slip_of_the_hand_most_of_the_time_has_to_be_forced(change: dict[str, object], words: str) -> None:
    problem, detail = refusal(OLD, **change)
    assert problem == "conflict"
    assert words in detail
    new, _ = changed(OLD, **change, force=True)
    assert new.percent == 5


@pytest.mark.parametrize("change", [{"version": "1.0"}, {"version": "1.0.1\n"}, {"window": "2-5"}, {"window": "x"}])
def test_what_is_no_version_or_window_is_refused(change: dict[str, object]) -> None:
    assert refusal(OLD, **change, percent=20, force=True)[0] == "bad-request"


def test_what_is_described_as_good_is_what_is_taken() -> None:
    for version in ("0.0.0", "1.2.3", "999999.1.0", "1.2.3rc1", "1.2.3rc9999"):
        assert re.search(module._VERSION_PATTERN, version)
        version_key(version)
    for version in ("1.2", "1.2.3rc0", "01.2.3", "1.2.3.4", "v1.2.3"):
        assert not re.search(module._VERSION_PATTERN, version)
    for window in ("", "00:00-23:59", "22:00-05:00"):
        assert re.search(module._WINDOW_PATTERN, window)
        assert window == "" or parse_window(window)
    for window in ("24:00-01:00", "2:00-5:00", "02:60-05:00"):
        assert not re.search(module._WINDOW_PATTERN, window)


def test_who_has_a_rollout_go_on_forgives_what_failed_up_to_then() -> None:
    paused, words = changed(OLD, paused=True)
    assert (paused.paused, paused.forgiven, words) == (True, 1, "1.0.1 to 10 %, 02:00-05:00, paused")
    assert changed(paused, percent=20, bad=7)[0].paused
    resumed, words = changed(paused, paused=False, bad=7)
    assert (resumed.paused, resumed.forgiven) == (False, 7)
    assert words.endswith("resumed in spite of 7 failures")


@pytest.mark.parametrize(
    ("counts", "is_held"),
    [
        (NONE, False),
        (Counts(failed=2), False),
        (Counts(failed=3), True),
        (Counts(failed=2, installed=5, silent=1), True),
        (Counts(failed=3, confirmed=57), False),  # 5 %
        (Counts(failed=3, confirmed=56), True),
        (Counts(confirmed=1000), False),
    ],
)
def test_a_rollout_is_held_when_too_many_failed(counts: Counts, *, is_held: bool) -> None:
    standing = Standing(channel="stable", version="1.0.1", percent=10)
    assert bool(hold(standing, counts, 2, 5.0)) is is_held
    # Nothing is to be held twice, nor for what was forgiven.
    paused, words = held(standing, "why", 9.0)
    assert hold(paused, counts, 2, 5.0) == ""
    assert (paused.reason, paused.changed_by, words) == ("why", "the hub", "paused: why")
    forgiving = Standing(channel="stable", version="1.0.1", percent=10, forgiven=counts.bad)
    assert hold(forgiving, counts, 2, 5.0) == ""
