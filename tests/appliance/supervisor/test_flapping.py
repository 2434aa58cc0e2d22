"""How many changes of state the hub is told of."""

from appliance.supervisor.flapping import TOLD_MAX, WINDOW_S, Flapping
from hardware.events import DeviceState, StateChanged

S = DeviceState


def change(state: DeviceState, was: DeviceState = S.STARTING, words: str = "") -> StateChanged:
    return StateChanged(state=state, was=was, words=words)


def put(flapping: Flapping, event: StateChanged, now: float) -> bool:
    told = flapping.tells(event, now)
    flapping.written(event, now, told=told)
    return told


def test_each_change_is_told_but_not_of_being_busy() -> None:
    flapping = Flapping()
    states = [S.READY, S.BUSY, S.READY, S.BUSY, S.FAULT, S.READY]
    assert [put(flapping, change(state), 0.0) for state in states] == [True, False, False, False, True, True]
    assert flapping.sum_up(1e9) is None


def test_other_words_for_the_same_state_are_told() -> None:
    flapping = Flapping()
    assert put(flapping, change(S.FAULT, words="no paper"), 0.0)
    assert put(flapping, change(S.FAULT, words="cover open"), 0.0)
    assert not put(flapping, change(S.FAULT, words="cover open"), 0.0)


def test_a_storm_is_cut_off_and_summed_up() -> None:
    flapping = Flapping()
    told = [put(flapping, change(S.ABSENT if n % 2 else S.READY), n / 10) for n in range(100)]
    assert sum(told) == TOLD_MAX
    assert flapping.sum_up(30.0) is None
    due = change(S.ABSENT), 100 - TOLD_MAX
    assert flapping.sum_up(WINDOW_S) == due
    assert flapping.sum_up(1e9) is None
    flapping.not_told(*due)  # the disk did not take it
    assert flapping.sum_up(2 * WINDOW_S) == due
    put(flapping, change(S.FAULT), 2 * WINDOW_S)
    flapping.not_told(*due)  # and meanwhile the hub was told of a later one
    assert flapping.sum_up(1e9) is None
    for n in range(TOLD_MAX):
        put(flapping, change(S.ABSENT if n % 2 else S.READY), 1e9)
    put(flapping, change(S.FAULT), 1e9)
    flapping.not_told(change(S.ABSENT), 7)
    assert flapping.sum_up(2e9) == (change(S.FAULT), 8)


def test_of_a_storm_that_goes_on_for_hours_one_minute_has_no_more_than_that() -> None:
    flapping, told = Flapping(), []
    for n in range(36_000):
        now = n / 10
        if put(flapping, change(S.ABSENT if n % 2 else S.READY), now):
            told.append(now)
        if flapping.sum_up(now) is not None:
            told.append(now)
    for at in told:
        assert sum(at <= other < at + WINDOW_S for other in told) <= TOLD_MAX


def test_a_storm_that_ends_as_it_was_told_is_summed_up_all_the_same() -> None:
    flapping = Flapping()
    for n in range(TOLD_MAX):
        put(flapping, change(S.ABSENT if n % 2 else S.READY), 0.0)
    assert not put(flapping, change(S.READY), 1.0)
    assert not put(flapping, change(S.ABSENT), 1.0)
    assert flapping.sum_up(WINDOW_S + 1) == (change(S.ABSENT), 2)
