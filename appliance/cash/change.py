"""Which coins from which hoppers make an amount. Pure.

Greedy is wrong (with coins of 1, 3 and 4, six is 3 + 3), so the fewest coins are looked for by dynamic programming in
steps of the coins' greatest common divisor.

**What a hopper holds** (`stocks`). A count is believed, and change is promised by it. One without (empty by our count,
or it came up short) is *doubtful*: such a hopper is never promised, so no note is taken for it; but when somebody is to
be paid and the believed ones cannot, it is tried before anything is owed: at worst it comes up short once more.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

UNITS_MAX = 20_000  # steps of the table; beyond it the largest coins are taken first
COUNT_MAX = 200  # coins in one order: hoppers take up to 255


@dataclass(frozen=True, slots=True)
class Stock:
    """A hopper that can be asked now. `count` None: doubtful."""

    device: str
    minor: int
    count: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """So many coins of one hopper."""

    device: str
    minor: int
    count: int

    @property
    def amount(self) -> int:
        """In minor units."""
        return self.minor * self.count


def can_pay(amount: int, stocks: Sequence[Stock]) -> bool:
    """Whether the believed hoppers have exactly that."""
    return amount == 0 or _exactly(amount, _believed(stocks)) is not None


def next_part(amount: int, stocks: Sequence[Stock]) -> Part | None:
    """What to order next to pay an amount, or as much of it as there is; None when nothing more can be paid.

    Orders are given one at a time, and this is asked again after each, for a hopper may pay less than it should.
    Doubtful ones come first: what they fail to pay can then still be planned anew.
    """
    if amount <= 0:
        return None
    believed = _believed(stocks)
    plan = _exactly(amount, believed)
    if plan is None:
        all_of_them = {stock: amount // stock.minor if stock.count is None else stock.count for stock in stocks}
        plan = _exactly(amount, all_of_them) or _most(amount, all_of_them)
    parts = [Part(stock.device, stock.minor, min(count, COUNT_MAX)) for stock, count in plan.items() if count]
    doubtful = {stock.device for stock in stocks if stock.count is None}
    return min(parts, key=lambda part: (part.device not in doubtful, -part.minor, part.device), default=None)


def _believed(stocks: Sequence[Stock]) -> dict[Stock, int]:
    return {stock: stock.count for stock in stocks if stock.count is not None}


def _exactly(amount: int, counts: Mapping[Stock, int]) -> dict[Stock, int] | None:
    """The fewest coins that make it, or None."""
    plan = _most(amount, counts)
    return plan if sum(stock.minor * count for stock, count in plan.items()) == amount else None


def _most(amount: int, counts: Mapping[Stock, int]) -> dict[Stock, int]:
    """The fewest coins that make the largest amount that is not above it."""
    usable = {stock: count for stock, count in counts.items() if count > 0 and 0 < stock.minor <= amount}
    if not usable:
        return {}
    unit = math.gcd(*(stock.minor for stock in usable))
    taken: dict[Stock, int] = {}
    left = amount
    for stock in sorted(usable, key=lambda each: -each.minor):
        above = left // unit - UNITS_MAX
        if above > 0:
            taken[stock] = min(usable[stock], -(-above * unit // stock.minor), left // stock.minor)
            left -= taken[stock] * stock.minor
    rest = {stock: count - taken.get(stock, 0) for stock, count in usable.items()}
    for stock, count in _table(min(left // unit, UNITS_MAX), unit, rest).items():
        taken[stock] = taken.get(stock, 0) + count
    return taken


def _table(units: int, unit: int, counts: Mapping[Stock, int]) -> dict[Stock, int]:
    """The fewest coins for the largest reachable number of units up to `units`."""
    fewest: list[int | None] = [0, *([None] * units)]
    # Bundles of 1, 2, 4, … coins: any count is a sum of some, and each is used once.
    bundles = [
        (stock, size, size * stock.minor // unit)
        for stock, count in counts.items()
        for size in _sizes(min(count, units * unit // stock.minor))
    ]
    used: list[list[bool]] = []
    for _stock, size, weight in bundles:
        taken = [False] * (units + 1)
        for at in range(units, weight - 1, -1):
            before, now = fewest[at - weight], fewest[at]
            if before is not None and (now is None or before + size < now):
                fewest[at] = before + size
                taken[at] = True
        used.append(taken)
    at = max(place for place, coins in enumerate(fewest) if coins is not None)
    plan: dict[Stock, int] = {}
    for (stock, size, weight), taken in zip(reversed(bundles), reversed(used), strict=True):
        if taken[at]:
            plan[stock] = plan.get(stock, 0) + size
            at -= weight
    return plan


def _sizes(count: int) -> list[int]:
    sizes, size = [], 1
    while count > 0:
        sizes.append(min(size, count))
        count -= sizes[-1]
        size *= 2
    return sizes
