"""Change: exact where it can be, the most where it cannot, with as few coins as possible."""

import itertools
import time

from hypothesis import given
from hypothesis import strategies as st

from appliance.cash.change import COUNT_MAX, Stock, can_pay, next_part


def pay(amount: int, stocks: list[Stock], short: dict[str, int] | None = None) -> tuple[int, int]:
    """Ask until nothing more can be paid; returns what was paid and how many coins. `short`: what really is inside."""
    inside = dict(short or {stock.device: stock.count or 0 for stock in stocks})
    paid = coins = 0
    while part := next_part(amount - paid, stocks):
        given_out = min(part.count, inside[part.device])
        inside[part.device] -= given_out
        paid += part.minor * given_out
        coins += given_out
        stocks = [each for each in stocks if each.device != part.device or given_out == part.count]
        stocks = [_less(each, given_out) if each.device == part.device else each for each in stocks]
    return paid, coins


def _less(stock: Stock, count: int) -> Stock:
    left = None if stock.count is None else stock.count - count
    return Stock(stock.device, stock.minor, left if left is None or left > 0 else None)


def brute(amount: int, stocks: list[Stock]) -> tuple[int, int]:
    """The largest amount, then the fewest coins, by trying all."""
    best = (0, 0)
    for counts in itertools.product(*(range((stock.count or 0) + 1) for stock in stocks)):
        total = sum(stock.minor * count for stock, count in zip(stocks, counts, strict=True))
        if total <= amount:
            best = max(best, (total, -sum(counts)))
    return best[0], -best[1]


def test_greedy_would_be_wrong() -> None:
    stocks = [Stock("a", 1, 10), Stock("b", 3, 10), Stock("c", 4, 10)]
    assert pay(6, stocks) == (6, 2)
    assert can_pay(6, [Stock("b", 3, 2), Stock("c", 4, 10)])
    assert not can_pay(5, [Stock("b", 3, 2), Stock("c", 4, 10)])


@given(
    amount=st.integers(1, 60),
    kinds=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 5)), min_size=0, max_size=4),
)
def test_the_most_with_the_fewest_coins(amount: int, kinds: list[tuple[int, int]]) -> None:
    stocks = [Stock(f"h{at}", minor, count) for at, (minor, count) in enumerate(kinds)]
    most, fewest = brute(amount, stocks)
    assert can_pay(amount, stocks) == (most == amount)
    paid, coins = pay(amount, stocks)
    assert paid == most
    assert coins == fewest


@given(
    amount=st.integers(1, 100),
    kinds=st.lists(st.tuples(st.integers(1, 12), st.none() | st.integers(1, 5), st.integers(0, 8)), max_size=4),
)
def test_whatever_hoppers_hold_it_ends_and_pays_no_more(amount: int, kinds: list[tuple[int, int | None, int]]) -> None:
    stocks = [Stock(f"h{at}", minor, count) for at, (minor, count, _) in enumerate(kinds)]
    paid, _ = pay(amount, stocks, {f"h{at}": inside for at, (_, _, inside) in enumerate(kinds)})
    assert paid <= amount


def test_what_is_not_known_is_never_promised_but_tried() -> None:
    doubtful = [Stock("a", 100, None)]
    assert not can_pay(100, doubtful)
    assert can_pay(0, doubtful)
    assert pay(300, doubtful, {"a": 2}) == (200, 2)


def test_a_believed_hopper_is_not_spared_for_a_doubtful_one() -> None:
    stocks = [Stock("known", 100, 5), Stock("doubtful", 100, None)]
    part = next_part(300, stocks)
    assert part is not None
    assert (part.device, part.count) == ("known", 3)


def test_a_doubtful_one_goes_first_where_it_is_needed() -> None:
    stocks = [Stock("known", 50, 1), Stock("doubtful", 100, None)]
    part = next_part(150, stocks)
    assert part is not None
    assert part.device == "doubtful"
    assert pay(150, stocks, {"known": 1, "doubtful": 0}) == (50, 1)


def test_an_order_is_of_what_a_hopper_takes() -> None:
    stocks = [Stock("a", 1, 1000)]
    part = next_part(900, stocks)
    assert part is not None
    assert part.count == COUNT_MAX
    assert pay(900, stocks) == (900, 900)


def test_large_amounts_in_small_coins_take_no_time() -> None:
    stocks = [Stock("a", 1, 10**7), Stock("b", 20000, 400), Stock("c", 7, 1000), Stock("d", 500, None)]
    began = time.process_time()
    assert can_pay(10**7 + 3, stocks)
    assert next_part(10**7 + 3, stocks) is not None
    assert time.process_time() - began < 2
