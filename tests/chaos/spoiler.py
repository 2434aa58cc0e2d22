"""Breaks one thing after another and mends it again, by a timetable drawn from a seed.

Every target (each kiosk, the hub, the gateway) has its own troubles, one at a time, with quiet times between them. All
of it happens in the thread that calls `run`: programs die with the thread that started them.
"""

import heapq
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from bench.program import Program
from tests.chaos.proxy import FaultProxy
from tests.chaos.world import GATEWAY_AWAY_S, Place, World
from tests.hubs import Hubs

_QUIET_S = {"kiosk": 8.0, "hub": 20.0, "gateway": 12.0}  # on average, between two troubles
_AROUND_S = 1.0  # an operation this close to a trouble has met it


class Trouble(msgspec.Struct, frozen=True):
    """Something that was broken from one moment to another (Unix seconds)."""

    target: str
    kind: str
    begun_at: float
    ended_at: float

    def meets(self, begun_at: float, ended_at: float) -> bool:
        """Whether it was going on in that time, or just before or after."""
        return self.begun_at - _AROUND_S <= ended_at and begun_at <= self.ended_at + _AROUND_S


class _Act(msgspec.Struct, frozen=True):
    """One way to break a target: how, how long at most, and how to mend it."""

    kind: str
    begin: Callable[[], object]
    most_s: float
    end: Callable[[], object]


class Spoiler:
    """`run` for a while; `troubles` is what was done."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._chance = chance
        self.troubles: list[Trouble] = []
        self._acts: dict[str, list[_Act]] = {place.kiosk: list(_of_kiosk(place)) for place in world.places}
        if isinstance(world.hub, Hubs):
            for number, member in enumerate(world.hub.members):
                self._acts[f"hub {number}"] = list(_of_program("hub", member, freeze_s=12.0))
            self._acts["redis"] = list(_of_server("Redis", world.hub.redis, freeze_s=6.0))
            self._acts["redis"].append(_Act("empty Redis", world.hub.redis.flush, 0.0, _nothing))
            self._acts["database"] = list(_of_server("PostgreSQL", world.hub.database, freeze_s=4.0))
            self._acts["database"].append(_Act("end PostgreSQL's sessions", world.hub.end_sessions, 0.0, _nothing))
        else:
            self._acts["hub"] = list(_of_program("hub", world.hub, freeze_s=5.0))
        self._acts["gateway"] = list(_of_program("gateway", world.gateway, freeze_s=GATEWAY_AWAY_S))
        self._numbers = itertools.count()

    @property
    def counts(self) -> Counter[str]:
        """How often each kind of trouble was made."""
        return Counter(trouble.kind for trouble in self.troubles)

    def run(self, going_on: Callable[[], bool]) -> None:
        """Break and mend while `going_on`; at its return everything is mended, as far as the spoiler broke it."""
        timetable: list[tuple[float, int, str, _Act | None, float]] = []
        for target in self._acts:
            self._plan(timetable, target, None, self._quiet(target))
        while timetable:
            at, _, target, act, begun_at = heapq.heappop(timetable)
            if not going_on():
                at = time.monotonic()
            time.sleep(max(0.0, min(at - time.monotonic(), 0.5)))
            if time.monotonic() < at:
                heapq.heappush(timetable, (at, next(self._numbers), target, act, begun_at))
            elif act is not None:
                act.end()
                self.troubles.append(Trouble(target, act.kind, begun_at, time.time()))
                if going_on():
                    self._plan(timetable, target, None, self._quiet(target))
            elif going_on():
                act = self._chance.choice(self._acts[target])
                begun_at = time.time()
                act.begin()
                self._plan(timetable, target, act, self._chance.uniform(0, act.most_s), begun_at)

    def _plan(
        self,
        timetable: list[tuple[float, int, str, _Act | None, float]],
        target: str,
        act: _Act | None,
        after_s: float,
        begun_at: float = 0.0,
    ) -> None:
        heapq.heappush(timetable, (time.monotonic() + after_s, next(self._numbers), target, act, begun_at))

    def _quiet(self, target: str) -> float:
        return self._chance.expovariate(1 / _QUIET_S.get(target, _QUIET_S["kiosk"]))


def _of_kiosk(place: Place) -> Iterator[_Act]:
    yield from _of_program("kiosk", place.appliance, freeze_s=6.0)
    yield from _of_program("kiosk", place.appliance, freeze_s=6.0)
    line, till = place.line, place.till
    yield _Act("cut the line", line.cut, 2.0, line.restore)
    yield _Act("hang the line", lambda: line.cut(hang=True), 2.0, line.restore)
    yield _Act("half-open, upwards", lambda: line.hold(up=True), 4.0, line.restore)
    yield _Act("half-open, downwards", lambda: line.hold(down=True), 4.0, line.restore)
    yield _Act("half-open, then cut", lambda: line.hold(up=True, down=True), 6.0, lambda: _cut(line))
    yield _Act("cut the gateway's line", till.cut, 2.0, till.restore)
    yield _Act("hold the gateway's line", lambda: till.hold(down=True, new=True), GATEWAY_AWAY_S, till.restore)


def _of_program(name: str, program: Program, *, freeze_s: float) -> Iterator[_Act]:
    yield _Act(f"kill the {name}", program.kill, 1.5, lambda: _start(program))
    yield _Act(f"freeze the {name}", lambda: _freeze(program), freeze_s, lambda: _thaw(program))
    yield _Act(f"restart the {name}", program.ask_to_stop, 3.0, lambda: _restart(program))


def _of_server(name: str, server: Any, *, freeze_s: float) -> Iterator[_Act]:
    """Of a server that others keep their data in, or meet at."""
    yield _Act(f"kill {name}", server.kill, 2.0, server.start)
    yield _Act(f"freeze {name}", server.pause, freeze_s, server.go_on)


def _nothing() -> None:
    """What is broken mends itself."""


def _cut(line: FaultProxy) -> None:
    line.cut()
    line.restore()


def _start(program: Program) -> None:
    if not program.alive:
        program.start(wait=False)


def _restart(program: Program) -> None:
    """Start it again, if need be before it has come to its end by itself, as a service manager in a hurry does."""
    program.kill()
    program.start(wait=False)


def _freeze(program: Program) -> None:
    if program.alive:
        program.freeze()


def _thaw(program: Program) -> None:
    if program.alive:
        program.thaw()
    else:
        program.start(wait=False)
