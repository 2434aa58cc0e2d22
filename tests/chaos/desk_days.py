"""One random day of a kiosk that takes cash: customers, backends, engineers, bad lines, power cuts, kills. By its seed.

Most that happens is drawn before the day begins, so that a day can be told. In the end everything is healed, the
appliance started once more, and the books are held against each other (`desk_agree`).
"""

import asyncio
import contextlib
import logging
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from appliance.journal.book import Book
from appliance.levels.collections import set_level
from hardware.events import DeviceState
from tests.chaos import desk_clock, desk_moments
from tests.chaos.desk_agree import Books, Hardware, Outcome, agree, read_book
from tests.chaos.desk_reckoned import reckoned
from tests.chaos.desk_world import Asked, World
from wire.money import Money

NOTES = (20000, 50000, 100000, 200000, 500000)
COINS = (5000, 10000, 20000)
SETTLE_S = 400.0
_UP = (DeviceState.READY, DeviceState.DISABLED, DeviceState.BUSY)


class Kit(NamedTuple):
    """What a kiosk has."""

    config: dict[str, Any]
    rack: dict[str, tuple[str, dict[str, str]]]
    hardware: dict[str, Hardware]
    stock: dict[str, int]  # coins in each hopper


class Day:
    """What came of one."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.breaches: list[str] = []
        self.story: list[str] = []
        self.writes = 0
        self.lives = 0
        self.statuses: list[str] = []
        self.deaths: Counter[str] = Counter()  # at writes, by their point
        self.happened: Counter[str] = Counter()  # what stands in the book in the end, and what sessions came to
        self.seconds = 0.0  # of virtual time
        self.blind = False  # a life could not read which sessions were cut off


def play(seed: int, place: Path | None = None) -> Day:
    """Live through it. `place`: where its journal is for a while."""
    day = Day(seed)
    clock = desk_clock.Clock()
    directory = Path(tempfile.mkdtemp(prefix=f"desk-{seed}-", dir=place))
    rng = random.Random(f"desk {seed}")
    kit = draw_kit(rng)
    world = World(directory, kit.config, kit.rack, clock, seed)
    with _watched_log(day):
        try:
            desk_clock.run(_live(day, world, kit, rng), clock)
        except Exception as error:  # the day itself is broken: the story tells where
            day.breaches.append(f"{type(error).__name__}: {error}")
            logging.getLogger(__name__).debug("the day broke", exc_info=True)
    day.story, day.writes, day.lives = world.told, len(world.disk.writes), world.lives
    day.seconds, day.deaths = clock.now - desk_clock.BEGIN_S, world.disk.deaths
    shutil.rmtree(directory, ignore_errors=True)
    return day


def draw_kit(rng: random.Random) -> Kit:
    """Devices and routes."""
    devices: dict[str, Any] = {"bills": {"driver": "ccnet", "port": _port("bills"), "currency": "KZT"}}
    rack: dict[str, tuple[str, dict[str, str]]] = {"bills": ("ccnet", {"pace": rng.choice("1224")})}
    hardware = {"bills": Hardware("bills", "bills")}
    stock: dict[str, int] = {}
    if rng.random() < 0.85:
        devices["coins"] = {"driver": "cctalk", "port": _port("bus"), "currency": "KZT"}
        devices["hopper"] = _hopper("bus", 10000)
        rack["bus"] = ("cctalk", {"devices": "coins,hopper"})
        hardware |= {"coins": Hardware("bus", "coins"), "hopper": Hardware("bus", "hopper", 10000)}
        stock["hopper"] = rng.choice((0, 3, 20, 100))
    if rng.random() < 0.3:
        devices["second"] = _hopper("second", 5000)
        rack["second"] = ("cctalk", {"devices": "hopper"})
        hardware["second"] = Hardware("second", "hopper", 5000)
        stock["second"] = rng.choice((0, 5, 50))
    cash: dict[str, Any] = {"desk": "cash", "devices": list(devices), "timeout": 60, "idle_timeout": 15}
    routes: dict[str, Any] = {"cash": cash}
    if rng.random() < 0.5:
        devices["register"] = {"driver": "shtrih", "port": _port("register"), "currency": "KZT"}
        rack["register"] = ("shtrih", {})
        hardware["register"] = Hardware("register", "register")
        routes["fiscal"] = {"device": "register", "timeout": 40}
        cash["receipt"] = "register"
    return Kit({"devices": devices, "routes": routes}, rack, hardware, stock)


def _port(name: str) -> str:
    return f"rack://kiosk/{name}"


def _hopper(bus: str, minor: int) -> dict[str, Any]:
    return {"driver": "cctalk-hopper", "port": _port(bus), "coin": {"minor": minor, "currency": "KZT"}}


async def _live(day: Day, world: World, kit: Kit, rng: random.Random) -> None:
    await world.open()
    turn = asyncio.Lock()  # one death, start or stop at a time
    undertaker = world.mine(_undertake(world, turn, rng))
    try:
        for name, count in kit.stock.items():
            ledger = kit.hardware[name].ledger
            world.hand(ledger, "empty_hopper")
            world.hand(ledger, "fill_hopper", coins=str(count))
        await world.start()
        await _count_hoppers(world, kit)
        await world.until(lambda: _all_up(world), 20)
        troubles = world.mine(_trouble(world, kit, turn, rng))
        for number in range(rng.choice((1, 1, 2, 3))):
            if "register" in kit.hardware and rng.random() < 0.4:
                await _document(world, number, rng)
            else:
                await _session(world, kit, number, turn, rng)
        world.disk.live()
        async with turn:
            troubles.cancel()
            await asyncio.gather(troubles, return_exceptions=True)
            await _heal(world)
        if not await world.until(lambda: all(asked.told for asked in world.hub.asked.values()), SETTLE_S):
            waiting = [request_id for request_id, asked in world.hub.asked.items() if not asked.told]
            day.breaches.append(f"no outcome within {SETTLE_S:g} s of peace: {waiting}")
        await world.until(lambda: _all_up(world), 60)
        await asyncio.sleep(3)
        async with turn:
            await world.stop()
            await world.start()
        await world.until(lambda: _all_up(world), 60)
        await asyncio.sleep(3)
        if world.life is not None:
            await world.hub.take_events(world.life)
        undertaker.cancel()
        await world.stop()
    finally:
        await world.close()
    day.statuses = [asked.end for asked in world.hub.asked.values()]
    found = books(world, kit)._replace(blind=day.blind)
    day.happened.update(entry.kind for entry in found.entries)
    for work in found.works:
        if work.kind == "cash" and work.result:
            words = ("collected", "change_paid", "change_owed", "change_unclear", "kept", "unclear", "problem")
            day.happened.update(f"session with {word}" for word in words if work.result.get(word))
    day.breaches += [*world.hub.odd, *agree(found), *reckoned(world.directory / "journal.db")]


def books(world: World, kit: Kit) -> Books:
    """All that is known in the end."""
    entries, works = read_book(world.directory / "journal.db")
    return Books(
        hardware=kit.hardware,
        ledgers={name: world.rack.ledger(name) for name in kit.rack},
        entries=entries,
        works=works,
        asked={request_id: (asked.request.operation, asked.body) for request_id, asked in world.hub.asked.items()},
        told={
            request_id: [
                Outcome(
                    one.executed.value, one.status, msgspec.json.decode(one.body), one.error.type if one.error else ""
                )
                for one in asked.told
            ]
            for request_id, asked in world.hub.asked.items()
        },
        events=[(event.kind, event.device, msgspec.json.decode(event.data)) for event in world.hub.events.values()],
    )


def _all_up(world: World) -> bool:
    if world.life is None:
        return False
    return all(watched.status.state in _UP for watched in world.life.supervisor.all())


async def _count_hoppers(world: World, kit: Kit) -> None:
    """The owner has counted what is in them, and said so."""

    def write(book: Book) -> None:
        for name, count in kit.stock.items():
            set_level(book, name, Money(kit.hardware[name].coin, "KZT"), count, at=0.0)

    if world.life is not None:
        await world.life.journal.write(write)


# Customers and backends


async def _session(world: World, kit: Kit, number: int, turn: asyncio.Lock, rng: random.Random) -> None:
    amount = rng.choice((5000, 10000, 15000, 20000, 35000, 50000, 70000, 100000, 135000, 150000))
    body: dict[str, Any] = {
        "amount": amount,
        "currency": "KZT",
        "overpay": rng.choice(("change", "change", "keep", "refuse")),
    }
    if rng.random() < 0.3:
        body["idle_timeout"] = rng.choice((3, 6))
    if "register" in kit.hardware and rng.random() < 0.8:
        line = {"name": "Кофе", "price": amount, "tax": "none"}
        body["receipt"] = {"kind": "sale", "currency": "KZT", "lines": [line]}
    asked = world.hub.ask(f"cash-{number}", "cash", body)
    world.story(f"asked for cash-{number}: {body}")
    backend = world.mine(_backend(world, asked, f"cash-{number}", rng))
    put_in = 0
    moments = []
    if rng.random() < 0.45:
        moments.append(world.mine(desk_moments.at_the_end(world, asked, turn, rng)))
    if "receipt" in body and rng.random() < 0.3:
        moments.append(world.mine(desk_moments.lost_answers(world, rng)))
    for _ in range(rng.randrange(1, 7)):
        await asyncio.sleep(rng.choice((0.2, 0.8, 1.5, 3.0, 6.0)))
        if asked.told or (put_in >= amount and rng.random() < 0.8):
            break
        put_in += _put_in(world, kit, amount - put_in, rng)
        if "coins" in kit.hardware and rng.random() < 0.25:  # by the handful
            await asyncio.sleep(rng.choice((0.0, 0.1, 0.3)))
            put_in += _put_coin(world, rng)
        if rng.random() < 0.3:
            moments.append(world.mine(desk_moments.worst(world, turn, rng)))
    await world.until(lambda: bool(asked.told), rng.choice((2.0, 25.0, 80.0)))
    backend.cancel()
    await asyncio.gather(*moments)


async def _document(world: World, number: int, rng: random.Random) -> None:
    """A receipt of a payment that was taken elsewhere, or another document; no money moves here."""
    total = rng.choice((4500, 45000, 120000))
    body: dict[str, Any] = {
        "kind": "sale", "currency": "KZT", "lines": [{"name": "Чай", "price": total, "tax": "none"}],
        "settlements": [{"tender": "electronic", "amount": total}],
    }  # fmt: skip
    if rng.random() < 0.15:
        body = {"action": rng.choice(("open-shift", "close-shift"))}
    moment = world.mine(desk_moments.lost_answers(world, rng)) if rng.random() < 0.4 else None
    asked = world.hub.ask(f"fiscal-{number}", "fiscal", body)
    world.story(f"asked for fiscal-{number}: {body.get('action', total)}")
    if moment is None and rng.random() < 0.5:
        await asyncio.sleep(rng.uniform(0.0, 1.0))
        steps, seconds = str(rng.randrange(0, 40)), rng.choice(("0.3", "4"))
        world.hand("register", "power_cut", after=steps, unit="steps", seconds=seconds)
    await world.until(lambda: bool(asked.told), rng.choice((0.5, 5.0, 50.0)))
    if rng.random() < 0.3:
        world.hub.say(asked)
    if moment is not None:
        await moment


def _put_in(world: World, kit: Kit, left: int, rng: random.Random) -> int:
    """A customer's hand; what it meant to pay."""
    if "coins" in kit.hardware and rng.random() < 0.35:
        return _put_coin(world, rng)
    fitting = [note for note in NOTES if note <= left]
    minor = fitting[-1] if fitting and rng.random() < 0.6 else rng.choice(NOTES)
    return minor if world.hand("bills", "insert", minor=str(minor)) else 0


def _put_coin(world: World, rng: random.Random) -> int:
    minor = rng.choice(COINS)
    hand = "insert_coin" if rng.random() < 0.9 else rng.choice(("swallow_coin", "insert_slug", "string_trick"))
    world.hand("bus", hand, minor=str(minor))
    return minor if hand == "insert_coin" else 0


async def _backend(world: World, asked: Asked, request_id: str, rng: random.Random) -> None:
    """It may repeat itself, and may change its mind."""
    while True:
        await asyncio.sleep(rng.uniform(1, 20))
        if rng.random() < 0.35:
            world.story(f"{request_id} is cancelled by {'the hub' if rng.random() < 0.5 else 'the customer'}")
            if world.life is not None and rng.random() < 0.5:
                world.life.operations.cancel_here(request_id)
            else:
                world.hub.cancel(request_id)
        else:
            world.hub.say(asked)


# Trouble


async def _undertake(world: World, turn: asyncio.Lock, rng: random.Random) -> None:
    """Bury who died at a write, and start it again."""
    while True:
        await world.disk.died.wait()
        async with turn:
            if not world.disk.died.is_set():
                continue  # it died while it stopped, and is buried
            world.story(f"died at write {len(world.disk.writes)}, {world.disk.writes[-1] or 'another'}")
            await world.bury()
            await asyncio.sleep(rng.choice((0.2, 2.0, 8.0)))
            await world.start()


async def _trouble(world: World, kit: Kit, turn: asyncio.Lock, rng: random.Random) -> None:
    if rng.random() < 0.5:
        world.disk.die_at = len(world.disk.writes) + rng.randrange(1, 40)
        world.disk.die_after = rng.random() < 0.5
    elif rng.random() < 0.7:
        desk_moments.doom(world, rng)
    for _ in range(rng.choice((0, 1, 1, 2, 3, 4))):
        await asyncio.sleep(rng.choice((0.1, 0.7, 1.9, 4.0, 9.0)) * rng.random() * 2)
        what = rng.random()
        if what < 0.15:
            async with turn:
                await world.bury()
                await asyncio.sleep(rng.choice((0.2, 3.0)))
                await world.start()
        elif what < 0.2:
            async with turn:
                await world.stop()
                await world.start()
        elif what < 0.28:
            world.story("the hub is away")
            world.hub.away = True
            await asyncio.sleep(rng.uniform(1, 20))
            await _hub_back(world)
        elif what < 0.36:
            await desk_moments.refuse(world, rng.choice((0.2, 1.0)), rng.uniform(0.5, 8))
        else:
            await _hardware_trouble(world, kit, rng)


async def _hub_back(world: World) -> None:
    if world.hub.away:
        world.story("the hub is back")
        world.hub.away = False
        await world.hub.meet()


async def _hardware_trouble(world: World, kit: Kit, rng: random.Random) -> None:
    name = rng.choice(list(kit.rack))
    choice = rng.random()
    if choice < 0.2:
        world.hand(name, "unplug")
        await asyncio.sleep(rng.choice((0.3, 3.0, 12.0)))
        world.hand(name, "plug")
    elif choice < 0.35:
        world.hand(name, "power_cut", after=str(rng.randrange(0, 60)), unit="steps", seconds=rng.choice(("0.3", "4")))
    elif choice < 0.5:
        rates = {rate: str(rng.choice((0.02, 0.1))) for rate in ("lost", "half", "flipped", "noise_before", "cut")}
        world.hand(name, "line", **rates)
        await asyncio.sleep(rng.uniform(1, 15))
        world.hand(name, "line")
    else:
        _hand_trouble(world, name, kit.rack[name][0], rng)


def _hand_trouble(world: World, name: str, family: str, rng: random.Random) -> None:
    hands: dict[str, list[tuple[str, dict[str, str]]]] = {
        "ccnet": [
            ("jam", {"where": "validator"}), ("jam", {"where": "cassette"}), ("pull_cassette", {}), ("cheat", {}),
            ("fill_cassette", {}), ("fail", {"code": "51"}), ("insert_fake", {}), ("mute", {"seconds": "6"}),
            ("put_cassette", {}), ("clear", {"note": "hand"}), ("clear", {"note": "on"}), ("repair", {}),
        ],
        "cctalk": [
            ("empty_hopper", {}), ("jam", {"device": "hopper"}), ("free", {"device": "hopper"}),
            ("cut", {"device": "hopper"}), ("restore", {"device": "hopper"}), ("damage_counters", {}),
            ("reset", {"device": "hopper"}), ("press_return", {}), ("cut", {"device": "coins"}),
        ],
        "shtrih": [
            ("paper_out", {"after": str(rng.randrange(1, 12))}), ("paper_in", {}), ("expire_shift", {}),
            ("fail", {"code": "71", "count": "1"}), ("cover_open", {}), ("cover_close", {}), ("ofd_off", {}),
        ],
    }  # fmt: skip
    control, arguments = rng.choice(hands[family])
    world.hand(name, control, **arguments)


async def _heal(world: World) -> None:
    """Nothing stands in the way any more."""
    world.story("all is healed")
    world.disk.refuses = 0.0
    for name, host in world.rack.hosts.items():
        world.hand(name, "line")
        if not host.plugged:
            world.hand(name, "plug")
        host._cut = None
        if not host.powered:
            world.hand(name, "power_on")
        for control, arguments in _REMEDIES[host.simulator.family]:
            world.hand(name, control, **arguments)
    if world.life is None:
        await world.start()
    await _hub_back(world)
    if world.life is not None:
        await world.hub.meet()


_REMEDIES: dict[str, list[tuple[str, dict[str, str]]]] = {
    "ccnet": [("repair", {}), ("put_cassette", {}), ("clear", {"note": "on"})],
    "cctalk": [
        ("restore", {"device": "coins"}), ("restore", {"device": "hopper"}), ("free", {"device": "hopper"}),
        ("fill_hopper", {"coins": "50"}),
    ],
    "shtrih": [("paper_in", {}), ("cover_close", {}), ("ofd_on", {})],
}  # fmt: skip


@contextlib.contextmanager
def _watched_log(day: Day) -> Iterator[None]:
    """What the appliance itself calls a mistake of its own is a breach."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                error = record.exc_info[1]
                day.breaches.append(f"log: {record.getMessage()}: {type(error).__name__}: {error}")
            elif "sessions of the run before cannot be read" in record.getMessage():
                day.blind = True
            elif "were not heard" in record.getMessage():
                day.breaches.append(f"log: {record.getMessage()}")  # the book saves it, but nobody may need saving

    handler = Handler(logging.ERROR)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
