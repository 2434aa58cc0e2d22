"""kill -9 of the appliance at every journal write of a cash session, a receipt, a slip, an order to a device.

Real programs: a hub, kiosks with simulated devices, each a process of its own. A *story* is what is asked for, and the
hands that go with it; in each *case* the appliance dies at the n-th visit of one crash point while its story is told,
is started again, and then devices, journal and hub agree (`desk_agree`).

    python -m tests.chaos.desk_crashes                    every point of every story, every visit (of the most frequent
                                                          every fourth)
    python -m tests.chaos.desk_crashes cash appliance.cash.    one story, some points
"""

import contextlib
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from bench.program import StackError
from tests.chaos.crash_cases import DESK_ROOMS
from tests.chaos.points import names
from tests.chaos.results import Result, timed
from tests.journeys.desk_site import Asked, DeskKiosk
from tests.journeys.site import FINAL, Json, Site, until
from wire.crashpoint import VARIABLE

NAME = "desk_crashes"
_LANES = 4
_VISITS_MAX = 80
_EVERY = {"appliance.device.record.": 4}  # visited so often that every so manieth is enough; 1 for the others
_STORY_S = 60.0
_COIN_WITHIN_S = 12.0
_SLICE = 8  # cases below full scale


class Story(NamedTuple):
    """What is asked for of which route, which points it leads past, and the hands that belong to it."""

    operation: str
    body: Json
    points: tuple[str, ...]  # those that are tried in it, by how they begin
    hands: "Callable[[Hands], None]" = lambda _hands: None
    before: Callable[[DeskKiosk], None] = lambda _kiosk: None


class Case(NamedTuple):
    """One death."""

    story: str
    point: str
    visit: int

    def __str__(self) -> str:
        return f"{self.story}: {self.point}:{self.visit}"


class Ended(NamedTuple):
    """What came of it."""

    case: Case
    died: bool
    state: str
    breaches: tuple[str, ...]
    took_s: float


class Hands:
    """A customer who puts in a coin and a note, each once, and again only what came back."""

    def __init__(self, kiosk: DeskKiosk) -> None:
        self.kiosk = kiosk
        self._before = self._kept()
        self.since = time.monotonic()

    def pay(self) -> None:
        """As far as the devices take anything just now; the coin first, which is ready later, if it is at all."""
        coins, notes = (now - then for now, then in zip(self._kept(), self._before, strict=True))
        if not coins and self.kiosk.rack["bus"].do("describe")["coins"]["taking"]:
            self.kiosk.rack["bus"].do("insert_coin", minor=10000)
            time.sleep(0.6)
        elif not notes and (coins or time.monotonic() > self.since + _COIN_WITHIN_S):
            self.kiosk.rack["bills"].do("insert", minor=100000)

    def _kept(self) -> tuple[int, int]:
        bus, bills = self.kiosk.rack["bus"], self.kiosk.rack["bills"]
        back = sum(len(bills.happened(kind)) for kind in ("bill_returned", "bill_rejected"))
        return len(bus.happened("coin_accepted")), len(bills.happened("bill_inserted")) - back


def _empty(kiosk: DeskKiosk) -> None:
    """Hoppers that have less than the kiosk believes."""
    kiosk.rack["bus"].do("empty_hopper")
    kiosk.rack["second"].do("empty_hopper")


def _full(kiosk: DeskKiosk) -> None:
    for name in ("bus", "second"):
        kiosk.rack[name].do("empty_hopper")
        kiosk.rack[name].do("fill_hopper", coins=100)


def _without_paper(kiosk: DeskKiosk) -> None:
    kiosk.rack["register"].do("paper_out")


def _bring_paper(hands: Hands) -> None:
    if time.monotonic() > hands.since + 10.0:
        hands.kiosk.rack["register"].do("paper_in")


_RECEIPT: Json = {"kind": "sale", "currency": "KZT", "lines": [{"name": "Кофе", "price": 85000, "tax": "none"}]}
_SETTLED: Json = {**_RECEIPT, "settlements": [{"tender": "cash", "amount": 85000}]}
_CASH: Json = {"amount": 85000, "currency": "KZT", "overpay": "change", "idle_timeout": 5}
_DEVICE = "appliance.device.record."
STORIES = {
    "cash": Story(
        "cash", {**_CASH, "receipt": _RECEIPT}, ("appliance.cash.", "appliance.desk.payment_", _DEVICE),
        hands=lambda hands: hands.pay(), before=_full,
    ),
    "owed": Story(
        "cash", _CASH, ("appliance.cash.end.", "appliance.printing."), hands=lambda hands: hands.pay(), before=_empty
    ),
    "receipt": Story("register", _SETTLED, ("appliance.fiscal.", _DEVICE)),
    "pending": Story(
        "register", _SETTLED, tuple(f"appliance.fiscal.{point}." for point in ("pend", "mark", "end")),
        hands=_bring_paper, before=_without_paper,
    ),
    "shift": Story("register", {"action": "close-shift"}, ("appliance.fiscal.",)),
    "slip": Story("printer", {"lines": ["one", "two"]}, ("appliance.printing.", _DEVICE)),
    "level": Story("hopper", {"action": "set-level", "denomination": 10000, "count": 100}, ("appliance.desk.count.",)),
    "reconcile": Story("coins", {"action": "reconcile"}, ("appliance.desk.reconcile.",)),
    "disable": Story("second", {"action": "disable"}, ("appliance.device.order.",)),
    "enable": Story("second", {"action": "enable"}, ("appliance.device.order.",)),
}  # fmt: skip
# Visited by a life that finds something left open; where the life before it ends.
_FIRST = {"appliance.cash.recover.": "appliance.cash.end.before"}
# What no story here gets to, and where it is tried.
ELSEWHERE = {
    "appliance.cash.sweep.": "money outside of any session: the scenario `desk`, tests/appliance/cash",
    "appliance.cash.take_back.": "a disk that may have taken a session's beginning: the scenario `desk`",
}


def points() -> list[str]:
    """Those of the desk's rooms."""
    return [name for name in names("appliance") if name.split(".")[1] in DESK_ROOMS]


def all_units(stories: list[str]) -> list[tuple[str, str]]:
    """Each story with each of its points."""
    return [
        (story, point)
        for story in stories
        for point in points()
        if point.startswith(STORIES[story].points) and not point.startswith(tuple(ELSEWHERE))
    ]


def run(directory: Path, seed: int, scale: float) -> Result:
    """Every visit of every point; below full scale a few cases."""
    result = Result(scenario=NAME, seed=seed)
    with timed(result):
        units = all_units(list(STORIES))
        random.Random(f"{seed} {NAME}").shuffle(units)
        whole = scale >= 1
        ended = run_units(directory, units if whole else units[: max(2, round(_SLICE * scale))], visits=whole)
        visited = {one.case.point for one in ended if one.died}
        for one in ended:
            result.operations += 1
            result.breaches += [f"{one.case}: {words}" for words in one.breaches]
        result.faults["killed at a crash point"] += sum(one.died for one in ended)
        if whole:
            missed = [point for point in points() if point not in visited and not point.startswith(tuple(ELSEWHERE))]
            result.breaches += [f"{point}: no story got there" for point in missed]
        result.figures |= {"cases_count": len(ended), "points_count": len(points()), "visited_count": len(visited)}
    return result


def run_units(
    directory: Path, units: list[tuple[str, str]], *, visits: bool, note: Callable[[Ended], None] = lambda _ended: None
) -> list[Ended]:
    """Each story at each point, `visits`: at every visit of it; several kiosks at a time."""
    left = list(units)
    taking = threading.Lock()
    ended: list[Ended] = []
    site = Site(directory / "site")

    def lane(number: int) -> None:
        with DeskKiosk.standing(site, f"crash-{number}", cash={"idle_timeout": 5}) as kiosk:
            while True:
                with taking:
                    if not left:
                        return
                    story, point = left.pop(0)
                every = next((every for start, every in _EVERY.items() if point.startswith(start)), 1)
                for visit in range(1, _VISITS_MAX if visits else 2, every):
                    one = run_case(kiosk, Case(story, point, visit))
                    ended.append(one)
                    note(one)
                    if not one.died:
                        break

    try:
        with ThreadPoolExecutor(_LANES, thread_name_prefix="lane") as lanes:
            for done in [lanes.submit(lane, number) for number in range(min(_LANES, len(left)))]:
                done.result()
    finally:
        site.close()
    return ended


def run_case(kiosk: DeskKiosk, case: Case) -> Ended:
    """Tell the story once, with one death."""
    began = time.monotonic()
    story = STORIES[case.story]
    breaches: list[str] = []
    died, state = False, ""
    try:
        story.before(kiosk)
        kiosk.appliance.kill()
        log = kiosk.appliance.log
        size = log.stat().st_size
        lives = [f"{case.point}:{case.visit}"]
        lives += [first for start, first in _FIRST.items() if case.point.startswith(start)]
        kiosk.start({VARIABLE: lives.pop()}, wait=False)
        _up_or_dead(kiosk)
        asked = kiosk.ask(story.operation, story.body, queued=True)
        hands = Hands(kiosk)
        state, died = _tell(kiosk, story, asked, hands, lives)
        if died and f"crash point {case.point}: ".encode() not in log.read_bytes()[size:]:
            breaches.append(f"it died elsewhere: {kiosk.appliance.tail(5)}")
        if not died:
            kiosk.appliance.kill()
            kiosk.start()
        kiosk.wait_devices()
        kiosk.wait_no_work()
        kiosk.agrees()
    except (AssertionError, StackError, OSError) as error:
        breaches.append(f"{type(error).__name__}: {str(error)[:3000]}")
        with contextlib.suppress(Exception):
            kiosk.appliance.kill()
            kiosk.start()
    return Ended(case, died, state, tuple(breaches), round(time.monotonic() - began, 1))


def _up_or_dead(kiosk: DeskKiosk) -> None:
    """Wait until its devices can be used, or it has died over that."""

    def stands() -> bool:
        states = kiosk.screen.states()
        return not kiosk.appliance.alive or all(states.get(name) in {"ready", "disabled"} for name in kiosk.has)

    until(f"{kiosk.id} being up or dead", stands)


def _tell(kiosk: DeskKiosk, story: Story, asked: Asked, hands: Hands, lives: list[str]) -> tuple[str, bool]:
    """To its end: the state of the operation, and whether the appliance died as often as it should.

    `lives`: where those after the first are to end.
    """
    died = False
    end = time.monotonic() + _STORY_S
    request_id = asked.future.result(30).headers["x-request-id"]
    while True:
        if not kiosk.appliance.alive:
            died = not lives
            kiosk.start({VARIABLE: lives.pop()} if lives else {}, wait=died)
        operation = kiosk.site.backend.operation(request_id)
        if operation["state"] in FINAL or (operation["state"] == "unknown" and operation["executed"] == "unknown"):
            break
        if time.monotonic() > end:
            raise AssertionError(f"no end within {_STORY_S:g} s: {operation}")
        story.hands(hands)
        time.sleep(0.15)
    time.sleep(0.3)  # what follows the outcome: a write that settles it
    if not kiosk.appliance.alive:
        died = True
        kiosk.start()
    return operation["state"], died


def main(arguments: list[str]) -> int:
    """Run them and print each case."""
    stories = [word for word in arguments if word in STORIES] or list(STORIES)
    wanted = [word for word in arguments if word not in STORIES]
    units = [unit for unit in all_units(stories) if not wanted or any(word in unit[1] for word in wanted)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="desk-crashes-") as directory:
        ended = run_units(Path(directory), units, visits=True, note=lambda one: print(_told(one), flush=True))
    visits = Counter(one.case.point for one in ended if one.died)
    for point in points():
        print(f"{visits[point]:4}  {point}")
    bad = [one for one in ended if one.breaches]
    print(f"{len(ended)} cases, {visits.total()} deaths, {len(bad)} with breaches, {time.monotonic() - began:.0f} s")
    return int(bool(bad))


def _told(one: Ended) -> str:
    words = f"{one.took_s:5.1f} s  {one.case}: {one.state}{'' if one.died else ', did not die'}"
    return "\n".join([words, *(f"    BREACH {breach}" for breach in one.breaches)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
