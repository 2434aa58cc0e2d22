"""How fast kiosks may come in."""

import heapq
import random
from collections import Counter

from cloud.web.gate import Gate


def test_as_many_as_the_rate_come_in_and_the_next_waits_a_spread_while() -> None:
    gate = Gate(100.0)
    assert [gate.wait(f"k{n}") for n in range(100)] == [0] * 100
    waits = [gate.wait(f"k{n}") for n in range(100, 300)]
    refused = [wait for wait in waits if wait]
    assert len(refused) > 150
    assert len(set(refused)) > 3  # not all at once
    assert all(1 <= wait <= 12 for wait in refused)


def test_a_rate_of_zero_lets_everybody_in() -> None:
    gate = Gate(0.0)
    assert {0} == {gate.wait(f"k{n}") for n in range(1000)}


def test_bad_tokens_are_counted_for_each_address() -> None:
    gate = Gate(0.0)
    assert [gate.too_many_bad_tokens("192.0.2.1") for _ in range(20)] == [False] * 20
    assert gate.too_many_bad_tokens("192.0.2.1")
    assert not gate.too_many_bad_tokens("192.0.2.2")


def returning(kiosks: int, rate: float, spread: float) -> Counter[int]:
    """How many are let in each second, of kiosks that lost their hub at one moment and obey as the appliance does."""
    chance = random.Random(9)
    now = 0.0
    gate = Gate(rate, chance.random, lambda: now)
    coming = [(chance.random() * spread, f"k{number}") for number in range(kiosks)]
    heapq.heapify(coming)
    let_in: Counter[int] = Counter()
    while coming:
        now, kiosk = heapq.heappop(coming)
        if after := gate.wait(kiosk):
            heapq.heappush(coming, (now + after + chance.random(), kiosk))
        else:
            let_in[int(now)] += 1
    return let_in


def test_who_come_all_at_once_are_let_in_at_an_even_rate_and_none_is_sent_away_for_ever() -> None:
    let_in = returning(5000, 500.0, 1.0)
    assert sum(let_in.values()) == 5000
    assert max(let_in) <= 14  # ten at the best
    mean = 5000 / (max(let_in) + 1)
    assert max(let_in.values()) / mean < 3
    assert max(let_in.values()) <= 1000  # what was saved up, and a second's


def test_who_spread_their_return_are_not_sent_away() -> None:
    let_in = returning(5000, 500.0, 20.0)
    assert max(let_in) < 20
    assert max(let_in.values()) < 320


def test_whoever_waited_comes_in_before_those_who_never_did() -> None:
    now = 0.0
    gate = Gate(10.0, lambda: 0.0, lambda: now)
    assert not any(gate.wait(f"first-{number}") for number in range(10))
    after = gate.wait("patient")
    assert after == 1
    assert gate.wait("patient") == 1  # too early: the same turn
    now = 1.0
    assert not any(gate.wait(f"second-{number}") for number in range(10))
    assert gate.wait("third")
    assert gate.wait("patient") == 0
    now = 1.1
    assert gate.wait("fourth")  # it waits for that


def test_a_turn_that_nobody_takes_is_forgotten_and_one_far_off_is_not_given_out() -> None:
    now = 0.0
    gate = Gate(1.0, lambda: 0.5, lambda: now)
    assert gate.wait("k0") == 0
    waits = [gate.wait(f"k{number}") for number in range(1, 1000)]
    assert all(1 <= wait <= 62 for wait in waits)
    assert gate.waiting == 48  # 60 seconds at 0.8 a second
    now = 200.0
    gate.wait("another")
    assert gate.waiting == 0


def test_a_hub_that_stops_sends_all_away_and_not_for_the_same_time() -> None:
    gate = Gate(1.0)
    assert {gate.wait_for_another() for _ in range(1000)} == {1, 2, 3}
