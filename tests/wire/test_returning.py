"""How a fleet comes back without a stampede."""

import random
from collections import Counter

import pytest

from wire.messages import Welcome, decode_from_hub, encode
from wire.returning import hint_in, spread_of, with_hint


@pytest.mark.parametrize(
    ("fleet", "here", "hubs", "rate", "expected"),
    [
        (0, 0, 1, 500.0, 0.0),
        (200, 200, 1, 500.0, 0.0),  # they wait up to a second anyway
        (500, 500, 1, 500.0, 2.0),
        (1000, 1000, 1, 0.0, 4.0),  # without a limit the hub greets no more all the same
        (10_000, 5000, 2, 500.0, 20.0),
        (10_000, 2500, 4, 500.0, 3.3),
        (10_000, 9000, 4, 500.0, 12.0),  # most of them are at this one
        (1_000_000, 20_000, 64, 500.0, 1.3),
        (10_000, 0, 1, 500.0, 20.0),  # a hub that has just begun
        (10_000, 10_000, 1, 0.5, 20.0),  # the gate has the rest
    ],
)
def test_the_spread_is_as_long_as_the_other_hubs_need(
    fleet: int, here: int, hubs: int, rate: float, expected: float
) -> None:
    assert spread_of(fleet=fleet, here=here, hubs=hubs, rate=rate) == expected


def test_ten_thousand_draws_have_no_peak() -> None:
    chance = random.Random(9)
    spread = spread_of(fleet=20_000, here=10_000, hubs=2, rate=500.0)
    seconds = Counter(int(chance.random() * spread) for _ in range(10_000))
    mean = 10_000 / spread
    assert max(seconds.values()) / mean < 2


def test_a_hint_is_read_as_it_was_written() -> None:
    words = with_hint("the hub restarts", 8.0)
    assert words == "the hub restarts; come back within 8 s"
    assert hint_in(words) == 8.0
    assert hint_in(with_hint("x", 12.5)) == 12.5
    assert hint_in(with_hint("x", 1e9)) == 300.0
    assert with_hint("the hub restarts", 0.0) == "the hub restarts"
    assert len(with_hint("x" * 80, 299.9).encode()) <= 123


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "the hub restarts",
        "come back within 8 s",
        "x; come back within  8 s",
        "x; come back within -8 s",
        "x; come back within 8 s or so",
        "x; come back within 8000 s",
        "x; come back within ٨ s",
    ],
)
def test_what_is_no_hint_is_none(reason: str) -> None:
    assert hint_in(reason) is None


def test_a_welcome_of_a_hub_before_this_one_tells_no_spread_and_a_later_one_is_understood() -> None:
    old = decode_from_hub('{"type":"welcome","hub":"h","time":1.0,"ping_interval":20.0}')
    assert isinstance(old, Welcome)
    assert old.spread == 0.0
    told = Welcome(hub="h", time=1.0, ping_interval=20.0, spread=12.5)
    assert decode_from_hub(encode(told)) == told
