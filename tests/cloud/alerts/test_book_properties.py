"""Whatever happens: nothing is told twice, what was told to begin is told to end, and nothing of what is muted."""

from collections import Counter
from datetime import time
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.alerts.alert import Severity, What
from cloud.alerts.kinds import HOUR, MINUTE
from cloud.alerts.quiet import Quiet
from cloud.alerts.rules import Rules
from tests.cloud.alerts.play import Play

_THINGS = [("kiosk-offline", "a", ""), ("kiosk-offline", "b", ""), ("paper-low", "a", "printer"), ("hub-redis", "", "")]
_QUIET = Quiet(time(12, 30), time(13), ZoneInfo("UTC"))
_things = st.sampled_from(_THINGS)
_scopes = st.sampled_from(["a", "paper-low", "kiosk-offline"])
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), _things),
        st.tuples(st.just("end"), _things),
        st.tuples(st.just("run"), st.sampled_from([6.0, 40.0, 150.0, 20 * MINUTE, 2 * HOUR])),
        st.tuples(st.just("shut"), st.none()),
        st.tuples(st.just("open"), st.none()),
        st.tuples(st.just("mute"), _scopes),
        st.tuples(st.just("unmute"), _scopes),
        st.tuples(st.just("acknowledge"), st.integers(1, 6)),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("break off"), st.none()),
        st.tuples(st.just("clock"), st.sampled_from([-400 * 24 * HOUR, -HOUR, HOUR, 400 * 24 * HOUR])),
    ),
    max_size=30,
)


def _act(play: Play, what: str, value: object) -> None:
    if what == "begin":
        play.begin(*value)  # type: ignore[misc]
    elif what == "end":
        play.end(*value)  # type: ignore[misc]
    elif what == "run":
        play.run(float(value), every=10.0)  # type: ignore[arg-type]
    elif what == "shut":
        play.open = set()
    elif what == "open":
        play.open = {"telegram"}
    elif what == "mute":
        play.mute(str(value), HOUR)
    elif what == "unmute" and value in play.book.mutes:
        play.book.unmute(str(value))
    elif what == "acknowledge":
        play.book.acknowledge([int(str(value))], "somebody", play.now)
    elif what == "restart":
        play.restart()
    elif what == "break off":
        play.book.due("telegram", play.rules, play.now)
    elif what == "clock":
        play.now += float(str(value))


@settings(max_examples=120, deadline=None)
@given(_steps, st.booleans())
def test_whatever_happens(steps: list[tuple[str, object]], is_quiet: bool) -> None:
    play = Play(Rules(quiet=_QUIET if is_quiet else None))
    acknowledged: dict[int, int] = {}
    for what, value in steps:
        before = len(play.told)
        muted = set(play.book.mutes) if what != "unmute" else set()
        _act(play, what, value)
        if what == "acknowledge":
            acknowledged |= {n: len(play.told) for n, alert in play.pages.alerts.items() if alert.acknowledged_at}
        still = muted & set(play.book.mutes)  # in force all the time
        for _, notice in play.told[before:]:
            assert notice.alerts
            assert not any({alert.kiosk_id, alert.kind} & still for alert in notice.alerts)
    # In the end all is well, and everybody hears.
    play.open = {"telegram"}
    play.holding.clear()
    play.run(2 * HOUR, every=10.0)
    assert play.book.standing == {}

    once = Counter(
        (notice.what, alert.number)
        for _, notice in play.told
        for alert in notice.alerts
        if notice.what is not What.REPEATED
    )
    assert set(once.values()) <= {1}
    raised = {number for what, number in once if what is What.RAISED}
    cleared = {number for what, number in once if what is What.CLEARED}
    missed = {number for what, number in once if what is What.MISSED}
    assert raised == cleared
    assert not raised & missed
    order: dict[int, list[What]] = {}
    for _, notice in play.told:
        for alert in notice.alerts:
            order.setdefault(alert.number, []).append(notice.what)
    for told in order.values():
        assert told[0] in {What.RAISED, What.MISSED}
        assert told[-1] in {What.CLEARED, What.MISSED}
    for number, at in acknowledged.items():
        later = [n for _, n in play.told[at:] if any(alert.number == number for alert in n.alerts)]
        assert not {n.what for n in later} & {What.REPEATED, What.ESCALATED}
    assert all(n.severity is Severity.CRITICAL for _, n in play.told if n.what is What.ESCALATED)
    # Nothing is kept in memory of what is over.
    assert not play.book._ended
    assert not any(play.book._tellings.values())
