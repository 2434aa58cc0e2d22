"""Turns on one route."""

from appliance.operations.lane import Lane


async def test_turns_come_in_order_and_slots_are_handed_on() -> None:
    lane = Lane(1, 2)
    first, second, third = lane.enter(), lane.enter(), lane.enter()
    assert first is not None
    assert second is not None
    assert third is not None
    assert lane.enter() is None
    assert (first.done(), second.done(), lane.running, lane.waiting) == (True, False, 1, 2)
    lane.release()
    assert (second.done(), third.done(), lane.running) == (True, False, 1)
    lane.release()
    lane.release()
    assert (lane.running, lane.waiting, lane.free) == (0, 0, True)


async def test_who_leaves_gives_up_the_place_or_the_slot() -> None:
    lane = Lane(1, 5)
    first, second, third = lane.enter(), lane.enter(), lane.enter()
    assert first is not None
    assert second is not None
    assert third is not None
    lane.leave(second)
    lane.leave(first)
    assert (second.done(), third.done(), lane.running, lane.waiting) == (False, True, 1, 0)


async def test_an_occupied_lane_makes_others_wait_and_a_wider_one_lets_them_in() -> None:
    lane = Lane(1, 5)
    lane.occupy()
    turn = lane.enter()
    assert turn is not None
    assert not turn.done()
    lane.resize(2, 5)
    assert turn.done()
