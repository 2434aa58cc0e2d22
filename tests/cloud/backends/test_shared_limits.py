"""One limit for a key at all hubs: the rule with time moved by hand, and two buses that tell each other."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.backends.shared_limits import LimitsTold, SharedRateLimit
from tests.cloud.hub import until
from tests.cloud.local_bus import LocalNet


def test_what_others_let_through_counts_here() -> None:
    limit = SharedRateLimit(rate=2.0, burst=4.0)
    limit.taken_elsewhere({"a": 3, "never": 0, "less": -5}, 10.0)
    assert limit.take("a", 10.0) == 0.0
    assert limit.take("a", 10.0) == pytest.approx(0.5)
    assert [limit.take("less", 10.0) for _ in range(5)][-1] > 0


def test_what_went_through_too_much_is_paid_back_up_to_a_burst() -> None:
    limit = SharedRateLimit(rate=2.0, burst=4.0)
    limit.taken_elsewhere({"a": 1000}, 0.0)
    assert limit.take("a", 0.0) == pytest.approx(2.5)  # 4 owed, and one to have
    assert limit.take("a", 2.4) > 0
    assert limit.take("a", 2.6) == 0.0


def test_each_is_told_once_and_what_was_given_back_is_not() -> None:
    limit = SharedRateLimit(rate=2.0, burst=4.0)
    for name in ("a", "a", "b", "c"):
        limit.take(name, 0.0)
    limit.take("a", 0.0, 3)  # refused
    limit.give_back("b")
    assert limit.to_tell(most=2) == {"a": 2}
    assert limit.to_tell() == {"c": 1}
    assert limit.to_tell() == {}
    limit.take("a", 9.0)
    limit.forget()
    assert limit.to_tell() == {}


def test_what_was_given_back_after_it_was_told_is_given_back_at_all_hubs() -> None:
    here, there = SharedRateLimit(rate=0.001, burst=10.0), SharedRateLimit(rate=0.001, burst=10.0)
    for _ in range(100):  # right codes, of which each is looked at for longer than until the next telling
        assert here.take("office", 0.0) == 0.0
        there.taken_elsewhere(here.to_tell(), 0.0)
        here.give_back("office")
        there.taken_elsewhere(here.to_tell(), 0.0)
    assert [there.take("office", 0.0) > 0 for _ in range(11)] == [False] * 10 + [True], "and no more than a burst"
    here.give_back("another")
    there.taken_elsewhere(here.to_tell(), 0.0)
    assert "another" not in there._buckets


def test_names_without_end_do_not_fill_the_memory() -> None:
    limit = SharedRateLimit(rate=0.001, burst=1.0, names=100)
    for number in range(1000):
        limit.take(f"name {number}", 0.0)
        limit.taken_elsewhere({f"other {number}": 1}, 0.0)
        limit.give_back(f"a third {number}")
    assert len(limit._buckets) <= 100
    assert len(limit._taken) <= 100


def test_no_limit_is_none_for_all() -> None:
    limit = SharedRateLimit(rate=0.0, burst=0.0)
    limit.taken_elsewhere({"a": 1000}, 0.0)
    assert limit.take("a", 0.0) == 0.0
    assert limit.to_tell() == {}


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0.0, 0.3)), min_size=50, max_size=300))
def test_hubs_together_let_through_what_one_would_and_a_burst_more_each(asked: list[tuple[int, float]]) -> None:
    rate, burst, now, told_at, through = 5.0, 5.0, 0.0, 0.0, 0
    hubs = [SharedRateLimit(rate, burst) for _ in range(3)]
    for number, pause in asked:
        now += pause
        if now - told_at >= 0.25:
            told_at = now
            for hub in hubs:
                counts = hub.to_tell()
                for other in hubs:
                    if other is not hub:
                        other.taken_elsewhere(counts, now)
        through += hubs[number].take("a", now) == 0.0
    assert through <= 3 * burst + rate * now + 1


async def test_each_limit_is_told_by_its_name_and_by_its_own_clock() -> None:
    net = LocalNet()
    buses, kept = [net.bus(), net.bus()], []
    for number, bus in enumerate(buses):
        keys, codes = SharedRateLimit(0.001, 10.0), SharedRateLimit(0.001, 10.0)
        told = LimitsTold(bus, keys)
        told.share("codes", codes, lambda: 1e9)
        if number == 0:  # of a release to come
            told.share("of another release", only_here := SharedRateLimit(0.001, 10.0), lambda: 0.0)
        kept.append((keys, codes, told))
        await bus.start()
        told.start()
    try:
        only_here.take("name", 0.0)
        for _ in range(10):
            assert kept[0][1].take("name", 1e9) == 0.0
        await until(lambda: kept[1][1]._buckets)
        assert kept[1][1].take("name", 1e9) > 0
        assert kept[1][0]._buckets == {}
    finally:
        for bus, (_, _, told) in zip(buses, kept, strict=True):
            await told.stop()
            await bus.stop()


async def test_hubs_tell_each_other_and_each_limits_alone_without_a_bus() -> None:
    net = LocalNet()
    buses = [net.bus(), net.bus()]
    limits = [SharedRateLimit(rate=0.001, burst=10.0) for _ in buses]
    told = [LimitsTold(bus, limit) for bus, limit in zip(buses, limits, strict=True)]
    for bus, one in zip(buses, told, strict=True):
        await bus.start()
        one.start()
    try:
        now = asyncio.get_running_loop().time()
        assert [limits[0].take("key", now) for _ in range(10)] == [0.0] * 10
        await until(lambda: limits[1].take("key", asyncio.get_running_loop().time()) > 0)
        net.down()
        now = asyncio.get_running_loop().time()
        assert limits[0].take("other", now) == 0.0
        await until(lambda: not limits[0]._taken)
        assert limits[1].take("other", now) == 0.0
    finally:
        for bus, one in zip(buses, told, strict=True):
            await one.stop()
            await bus.stop()
