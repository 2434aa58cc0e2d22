"""Trouble that waits for its moment: a session that closes or pays, a note on its way, a document at the register.

What is drawn blindly over a day (`desk_days`) seldom falls into the tenths of a second in which money changes hands;
these wait for them. Each comes to its end by itself, and leaves nothing broken that `heal` would not mend.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

from tests.chaos.desk_world import Asked, World

# The writes at which a life may be made to end: where money or a document is between two states.
POINTS = (
    "appliance.cash.begin", "appliance.cash.keep", "appliance.cash.end", "appliance.cash.recover",
    "appliance.cash.sweep", "appliance.cash.take_back", "appliance.desk.payment_begin",
    "appliance.desk.payment_end", "appliance.desk.payment_paid", "appliance.device.record", "appliance.fiscal.begin",
    "appliance.fiscal.end", "appliance.fiscal.mark", "appliance.fiscal.pend",
)  # fmt: skip
_OFTEN = ("appliance.cash.end", "appliance.cash.end", "appliance.cash.keep", "appliance.cash.recover")
_WAIT_S = 30.0  # for a moment that may never come
_LOOK_S = 0.05
_OVER = ("closing", "paying", "ended")


def doom(world: World, rng: random.Random) -> None:
    """The program dies at a visit of a certain write, before or after it."""
    point = rng.choice(_OFTEN if rng.random() < 0.4 else POINTS)
    world.disk.die_at_point = (point, rng.choice((1, 1, 1, 2, 3)))
    world.disk.die_after = rng.random() < 0.5


async def worst(world: World, turn: asyncio.Lock, rng: random.Random) -> None:
    """Money is on its way: into the cassette, or a little later out of a hopper."""
    await asyncio.sleep(rng.uniform(0.0, 1.2) if rng.random() < 0.6 else rng.uniform(1.0, 4.0))
    what = rng.random()
    name = rng.choice(list(world.rack.hosts))
    if what < 0.35:
        await _die(world, turn, rng)
    elif what < 0.55:
        await refuse(world, rng.choice((0.5, 1.0)), rng.uniform(0.3, 3))
    elif what < 0.75:
        world.hand(name, "unplug")
        await asyncio.sleep(rng.choice((0.2, 4.0)))
        world.hand(name, "plug")
    elif world.hand(name, "power_off"):
        await asyncio.sleep(rng.choice((0.2, 2.0)))
        world.hand(name, "power_on")


async def at_the_end(world: World, asked: Asked, turn: asyncio.Lock, rng: random.Random) -> None:
    """The customer has paid or gone: what comes now falls between the session's last coin and its end on the disk."""
    kinds: Mapping[Callable[[World, Asked, asyncio.Lock, random.Random], Awaitable[None]], int] = {
        _late_coins: 3, _end_unwritten: 3, _payout_cut: 3, _left_behind: 2, _killed: 2,
    }  # fmt: skip
    (kind,) = rng.choices(list(kinds), list(kinds.values()))
    await kind(world, asked, turn, rng)


async def lost_answers(world: World, rng: random.Random) -> None:
    """The register hears and does, and nobody hears it; or it loses its cable or its power for a moment.

    A document takes 1 s; its driver gives up after half a minute of silence.
    """
    for _ in range(rng.choice((1, 2, 2))):  # of a day's first receipt the shift that is opened for it goes before
        if not await world.disk.passed("appliance.fiscal.mark", _WAIT_S):
            return
    await asyncio.sleep(rng.uniform(0.0, 1.0))
    what = rng.random()
    if what < 0.6:
        world.hand("register", "line", direction="to_host", lost="1")
        await asyncio.sleep(rng.choice((0.5, 2.5, 6.0, 12.0, 27.0, 33.0)))
        world.hand("register", "line")
    elif what < 0.8:
        world.hand("register", "unplug")
        await asyncio.sleep(rng.choice((0.1, 2.0)))
        world.hand("register", "plug")
    elif world.hand("register", "power_off"):
        await asyncio.sleep(rng.choice((0.3, 4.0)))
        world.hand("register", "power_on")


async def refuse(world: World, how_often: float, seconds: float) -> None:
    """The disk takes nothing, or not always."""
    world.disk.refuses = how_often
    world.story(f"the disk refuses {how_often:.0%}")
    await asyncio.sleep(seconds)
    world.disk.refuses = 0.0
    world.story("the disk is well")


async def _reached(world: World, asked: Asked, *stages: str) -> bool:
    """Wait until its session is so far; False: it never was."""
    end = world.clock.now + _WAIT_S
    while asked.stage not in stages:
        if asked.told or world.clock.now > end:
            return False
        await asyncio.sleep(_LOOK_S)
    return True


async def _late_coins(world: World, asked: Asked, _turn: asyncio.Lock, rng: random.Random) -> None:
    """Coins that fall in while devices are told to take nothing."""
    if "bus" not in world.rack.hosts or not await _reached(world, asked, *_OVER):
        return
    for _ in range(rng.choice((1, 1, 2))):
        world.hand("bus", "insert_coin", minor=rng.choice(("5000", "10000")))
        await asyncio.sleep(rng.choice((0.0, 0.1, 0.6)))


async def _end_unwritten(world: World, asked: Asked, _turn: asyncio.Lock, rng: random.Random) -> None:
    """The disk does not take the end at first, while devices go and come back with what they know."""
    if not await _reached(world, asked, *_OVER):
        return
    name = rng.choice(list(world.rack.hosts))
    refusing = world.mine(refuse(world, rng.choice((0.5, 0.8, 1.0)), rng.uniform(1.0, 8.0)))
    world.hand(name, "unplug")
    await asyncio.sleep(rng.uniform(0.1, 2.0))
    world.hand(name, "plug")
    await refusing


async def _payout_cut(world: World, asked: Asked, turn: asyncio.Lock, rng: random.Random) -> None:
    """A hopper loses its power among the coins, and maybe its memory of them."""
    buses = [name for name in world.rack.hosts if name in {"bus", "second"}]
    if not buses or not await _reached(world, asked, "paying"):
        return
    bus = rng.choice(buses)
    if rng.random() < 0.4:
        world.hand(bus, "damage_counters")
    world.hand(bus, "power_cut", after=str(rng.randrange(0, 25)), unit="steps", seconds=rng.choice(("0.3", "4", "25")))
    if rng.random() < 0.4:
        await asyncio.sleep(rng.uniform(0.1, 3.0))
        await _die(world, turn, rng)


async def _left_behind(world: World, asked: Asked, _turn: asyncio.Lock, rng: random.Random) -> None:
    """A validator goes with a note on its way and is given up; it tells of the note about when the session ends."""
    if not await _reached(world, asked, "collecting"):
        return
    await asyncio.sleep(rng.uniform(0.0, 2.0))
    if not world.hand("bills", "insert", minor=rng.choice(("20000", "50000"))):
        return
    await asyncio.sleep(rng.uniform(0.4, 1.6))
    away, back = ("unplug", "plug") if rng.random() < 0.5 else ("power_off", "power_on")
    world.hand("bills", away)
    world.hub.cancel(asked.request.request_id)
    await asyncio.sleep(rng.uniform(7.0, 11.5))
    refusing = world.mine(refuse(world, rng.choice((0.5, 0.8)), rng.uniform(2.0, 6.0)))
    await asyncio.sleep(rng.uniform(0.0, 1.0))
    world.hand("bills", back)
    await refusing


async def _killed(world: World, asked: Asked, turn: asyncio.Lock, rng: random.Random) -> None:
    if await _reached(world, asked, *_OVER):
        await asyncio.sleep(rng.choice((0.0, 0.3, 1.5)))
        await _die(world, turn, rng)


async def _die(world: World, turn: asyncio.Lock, rng: random.Random) -> None:
    async with turn:
        await world.bury()
        await asyncio.sleep(rng.choice((0.1, 0.5, 3.0)))
        await world.start()
