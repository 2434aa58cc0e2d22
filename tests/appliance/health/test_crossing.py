"""What is told once each way."""

import random

from appliance.health.crossing import TOLD_MAX, WINDOW_S, Crossing


def test_it_is_told_after_a_while_once_each_way() -> None:
    crossing = Crossing(after_s=60.0)
    assert [crossing.look(now, True) for now in (0.0, 30.0, 59.9, 60.0, 90.0)] == [False, False, False, True, False]
    assert crossing.told
    assert [crossing.look(now, False) for now in (100.0, 159.0, 160.0, 170.0)] == [False, False, True, False]
    assert not crossing.told


def test_what_is_short_or_between_the_limits_is_not_told() -> None:
    crossing = Crossing(after_s=60.0)
    for now, wrong in ((0.0, True), (50.0, False), (55.0, True), (100.0, None), (101.0, True), (150.0, True)):
        assert not crossing.look(now, wrong)
    assert crossing.look(161.0, True)


def test_well_from_the_beginning_is_nothing_to_tell() -> None:
    crossing = Crossing(after_s=0.0)
    assert not any(crossing.look(float(now), False) for now in range(100))


def test_what_jumps_is_told_a_few_times_an_hour_and_how_it_stands_in_the_end() -> None:
    crossing, chance = Crossing(after_s=0.0), random.Random(7)
    told = [now for now in range(0, 6 * 3600, 5) if crossing.look(float(now), chance.random() < 0.5)]
    assert TOLD_MAX < len(told) <= 6 * TOLD_MAX
    assert all(later - before >= WINDOW_S for before, later in zip(told, told[TOLD_MAX:], strict=False))
    end = told[-1] + 2 * WINDOW_S
    assert crossing.look(end, not crossing.told)
