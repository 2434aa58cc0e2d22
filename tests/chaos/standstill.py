"""Several hubs: one stands still for a minute under kiosks and callers; so does Redis; and Redis's clock is set.

- A hub that was stopped for so long is buried by the others: at SIGCONT it finds that out and ends, and is started
  anew as a service manager would. What it had under way is begun by nobody after its time, and by nobody twice.
- While Redis stands still each hub serves its own kiosks, says that it is degraded, and tells callers of others' kiosks
  that nothing was executed. What lay in Redis, or before it, for a minute starts nothing afterwards.
- Redis's clock is the one that hubs date their messages with. While it is set, forward or back, by seconds or by years,
  no operation is begun late, and none is refused. Then another Redis takes over, whose clock is another.

With fewer than two hubs wanted there are two.
"""

import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.program import StackError, wait_for
from bench.stack import Hub
from tests import hubs
from tests.chaos import plants
from tests.chaos.results import Result, timed
from tests.chaos.trials import Payment, Trial, merge, side_by_side
from tests.journeys.site import Backend, Kiosk, until

STANDS_S = 60.0
AIMS = {
    "hub_noticed_s": 10.0,  # by the others
    "hub_ended_s": 15.0,  # one that was buried, after it goes on
    "redis_told_degraded_s": 10.0,
    "redis_healed_s": 10.0,
}
_KIOSKS = 6  # whoever dials comes to any hub: so many that each gets one soon
_EVERY_S = 0.4  # between two calls
_TIMEOUTS_S = (3.0, 8.0, 20.0)
_ABSENT_AFTER_S = 5.0
_STEP_EVERY_S = 5.0
_DAY = 86400.0
# By how many seconds Redis's clock is off, one after another.
STEPS = (600.0, -600.0, _DAY, 2.0, -2.0, -20 * 365 * _DAY, 0.0)


def run(directory: Path, seed: int, scale: float) -> Result:
    """At scale 1 all three, side by side; a slice sets Redis's clock twice."""
    result = Result(scenario="standstill", seed=seed)
    chance = random.Random(f"{seed} standstill")
    whole = scale >= 0.5
    kinds = (_HubStands, _RedisStands, _RedisClock) if whole else (_RedisClock,)
    with timed(result), ExitStack() as stack:
        works = [kind(stack, directory, random.Random(chance.random()), whole=whole) for kind in kinds]
        side_by_side([work.run for work in works])
        merge(result, [work.result for work in works])
        for name, at_most in AIMS.items():
            if name in result.figures:
                result.aim(name, result.figures[name], at_most if whole else 10 * at_most)
    return result


class _Work:
    """One fleet of its own, and what goes on there."""

    name = ""

    def __init__(self, stack: ExitStack, directory: Path, chance: random.Random, *, whole: bool) -> None:
        self.result = Result(scenario="standstill", seed=0)
        self.chance, self.whole = chance, whole
        self.directory = directory / self.name
        self.directory.mkdir(parents=True)
        # The programs start here: they would die with a thread of their own.
        self.trial = Trial(self.directory, self.name, self.settings(), hubs=max(2, hubs.wanted()))
        stack.callback(self.trial.close)
        assert isinstance(self.trial.site.hub, hubs.Hubs)
        self.fleet = self.trial.site.hub
        self.members: list[Hub] = list(self.fleet.members)
        self.at: dict[int, Backend] = {}
        for member in self.members:
            self.at[member.port] = Backend(member.url, self.trial.site.backend.key)
            stack.callback(self.at[member.port].close)
        routes = self.trial.site.routes(timeout=10.0, absent_after=_ABSENT_AFTER_S)
        routes["routes"]["payment"]["concurrency"] = 8
        count = _KIOSKS if whole else len(self.members)
        self.kiosks = [self.trial.add(routes, plants.environment("impatient"), start=False) for _ in range(count)]
        for kiosk in self.kiosks:
            kiosk.appliance.start(wait=False)
        self.spread()

    def settings(self) -> dict[str, str]:
        """Of the hubs."""
        return {}

    def spoil(self) -> None:
        """Do what this is about."""
        raise NotImplementedError

    def run(self) -> None:
        """Spoil, and judge."""
        try:
            self.spoil()
        except StackError as error:
            self.result.breaches.append(f"{self.name}: {error}")
        self.trial.end(self.result, patience=120.0)

    def figure(self, name: str, value: float) -> None:
        """Note it."""
        self.result.figures[name] = round(value, 2)

    def breach(self, words: str) -> None:
        """Note it."""
        self.result.breaches.append(f"{self.name}: {words}")

    # Who is where.

    def spread(self) -> None:
        """Until every hub has one at least: whoever dials comes to any."""
        end = time.monotonic() + 60

        def all_there() -> bool:
            return all(self.trial.site.connected(kiosk.id) for kiosk in self.kiosks)

        while time.monotonic() < end:
            until("all kiosks being there", all_there, 60)
            held = {member.port: _kiosks_at(member) for member in self.members}
            if all(held.values()):
                return
            for kiosk in self.chance.sample(self.kiosks, max(1, len(self.kiosks) // 2)):
                kiosk.proxy.cut()
                kiosk.proxy.restore()
            time.sleep(1.0)
        raise StackError("the kiosks did not come to all hubs")

    def agreed(self, members: list[Hub], kiosks: list[Kiosk], *, connected: bool) -> bool:
        """Whether all of these hubs say this of all of these kiosks."""
        return all(
            member.admin("GET", f"/admin/kiosks/{kiosk.id}").json()["connected"] is connected
            for member in members
            for kiosk in kiosks
        )

    # Calls.

    @contextmanager
    def calls(self, members: Callable[[], list[Hub]], told: list[Payment]) -> Iterator[None]:
        """Somebody calls all the time: any of these hubs, for any kiosk."""
        over = threading.Event()
        chance = random.Random(self.chance.random())

        def call_on() -> None:
            while not over.wait(_EVERY_S):
                told.append(self.call(chance.choice(members()), chance.choice(self.kiosks), chance))

        thread = threading.Thread(target=call_on, name=f"calls {self.name}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def call(self, member: Hub, kiosk: Kiosk, chance: random.Random, **how: Any) -> Payment:
        """One payment."""
        given = {"timeout": chance.choice(_TIMEOUTS_S), "keyed": chance.random() < 0.7, **how}
        return self.trial.pay(kiosk, via=self.at[member.port], **given)

    def all_serve(self, what: str) -> None:
        """Every hub has a payment done at every kiosk."""
        asked = [self.call(member, kiosk, self.chance, timeout=15) for member in self.members for kiosk in self.kiosks]
        for payment in asked:
            told = self.trial.heard(payment, 90)
            if told.status != 200:
                self.breach(f"{what}, {payment.id} for {payment.kiosk} was told {told.status} {told.problem}")


class _HubStands(_Work):
    """One of the hubs."""

    name = "hub"

    def spoil(self) -> None:
        absent = self.trial.add(self.trial.site.routes(), plants.environment("impatient"), start=False)
        told: list[Payment] = []
        stands = self.chance.choice(self.members)
        others = [member for member in self.members if member is not stands]
        with self.calls(lambda: self.members, []):
            time.sleep(3)
        # Under way as it stops: its own at its own kiosks and at others', and others' at its kiosks.
        its = [kiosk for kiosk in self.kiosks if self.is_at(kiosk, stands)]
        under_way = [
            self.call(member, kiosk, self.chance, delay=delay, timeout=12, deaf=member is stands)
            for member in self.members
            for kiosk in self.kiosks
            for delay in (0.6, 2.5)
        ]
        queued = self.trial.pay(absent, via=self.at[stands.port], expires=20, deaf=True)
        self.trial.heard(queued)
        time.sleep(self.chance.uniform(0.2, 0.6))
        stands.freeze()
        began = time.monotonic()
        self.result.faults["a hub stopped for a minute"] += 1
        lie = [self.call(stands, kiosk, self.chance, excused=True) for kiosk in self.kiosks[:2]]
        with self.calls(lambda: others, told):
            until("the others noticing", lambda: self.agreed(others, its, connected=False), 60)
            self.figure("hub_noticed_s", time.monotonic() - began)
            over = "SELECT count(*) FROM hubs WHERE ended_at IS NOT NULL"
            wait_for("its being buried", lambda: self.trial.rows(over)[0][0], 58)
            self.figure("hub_buried_s", time.monotonic() - began)
            time.sleep(max(0.0, 25 - (time.monotonic() - began)))
            absent.appliance.start(wait=False)  # when its payment's time is over
            time.sleep(max(0.0, (STANDS_S if self.whole else 45.0) - (time.monotonic() - began)))
            stands.thaw()
            began = time.monotonic()
            wait_for("its end", lambda: not stands.alive, 60)
            self.figure("hub_ended_s", time.monotonic() - began)
            stands.start()
        for payment in (*under_way, *lie, *told):
            self.trial.heard(payment, 90)
        # How long these lay before it nobody can tell, as with one hub: a figure, and no breach.
        self.figure("hub_begun_of_what_lay_there", sum(map(self.trial.effects, lie)))
        if self.trial.effects(queued):
            self.breach("what waited for an absent kiosk was executed after its time")
        until("all being there again", lambda: self.agreed(self.members, self.kiosks, connected=True), 60)
        self.all_serve("after it was started anew")

    def is_at(self, kiosk: Kiosk, member: Hub) -> bool:
        """Whether that hub has its socket."""
        name: str = member.admin("GET", f"/admin/kiosks/{kiosk.id}").json()["hub"] or ""
        return name.partition("·")[0].endswith(f"/{member.pid}")


class _RedisStands(_Work):
    """Redis."""

    name = "redis"

    def spoil(self) -> None:
        with self.calls(lambda: self.members, []):
            time.sleep(3)
        told: list[Payment] = []
        lie: list[Payment] = []
        self.result.faults["Redis stopped for a minute"] += 1
        self.fleet.redis.pause()
        began = time.monotonic()
        # What is said to other hubs now lies in Redis until it goes on.
        for timeout in (5.0, 20.0, 75.0):
            lie += [
                self.call(member, kiosk, self.chance, timeout=timeout)
                for member in self.members
                for kiosk in self.kiosks
            ]
        with self.calls(lambda: self.members, told):
            until("all hubs telling it", lambda: all(map(_is_degraded, self.members)), 60)
            self.figure("redis_told_degraded_s", time.monotonic() - began)
            asked = {
                kiosk.id: [self.call(member, kiosk, self.chance, timeout=10) for member in self.members]
                for kiosk in self.kiosks
            }
            for kiosk, payments in asked.items():
                statuses = [self.trial.heard(payment).status for payment in payments]
                if statuses.count(200) != 1:
                    self.breach(f"while Redis stood still {kiosk} was served by {statuses.count(200)} hubs: {statuses}")
            time.sleep(max(0.0, STANDS_S - (time.monotonic() - began)))
            self.fleet.redis.go_on()
            began = time.monotonic()
            until("all knowing of all", lambda: self.agreed(self.members, self.kiosks, connected=True), 60)
            until("all being well", lambda: not any(map(_is_degraded, self.members)), 60)
            self.figure("redis_healed_s", time.monotonic() - began)
        for payment in (*lie, *told):
            self.trial.heard(payment, 90)
        self.all_serve("after Redis went on")


class _RedisClock(_Work):
    """What Redis says of the time."""

    name = "clock"

    def settings(self) -> dict[str, str]:
        self.file = self.directory / "redis-clock"
        self.set(0.0)
        return {**plants.environment("redis_clock"), "KIOSKWIRE_REDIS_CLOCK": str(self.file)}

    def set(self, off: float) -> None:
        """Be off by so much from now on."""
        new = self.file.with_suffix(".new")
        new.write_bytes(struct.pack("d", off))
        new.rename(self.file)

    def spoil(self) -> None:
        told: list[Payment] = []
        with self.calls(lambda: self.members, told):
            for off in STEPS if self.whole else (-600.0, 600.0):
                self.set(off)
                self.result.faults["Redis's clock is set"] += 1
                time.sleep(_STEP_EVERY_S if self.whole else 1.5)
        for payment in told:
            answer = self.trial.heard(payment)
            if answer.status != 200:
                self.breach(f"{payment.id} was told {answer.status} {answer.problem}, and only a clock was set")
        if self.whole:
            self.take_over(1800.0)
            self.take_over(-1800.0)
        self.all_serve("after Redis's clock was set")

    def take_over(self, off: float) -> None:
        """Redis is gone, and comes back with another clock, under calls."""
        told: list[Payment] = []
        with self.calls(lambda: self.members, told):
            self.fleet.redis.kill()
            self.set(off)
            self.result.faults["another Redis with another clock"] += 1
            time.sleep(1.0)
            self.fleet.redis.start()
            began = time.monotonic()
            # They go on saying that the clocks of hub and Redis are apart, so they are, but not that it is away.
            until("Redis reached by all", lambda: all(map(_reaches_redis, self.members)), 60)
            until("all knowing of all", lambda: self.agreed(self.members, self.kiosks, connected=True), 60)
            self.figure("redis_took_over_s", time.monotonic() - began)
        for payment in told:
            self.trial.heard(payment)


def _is_degraded(member: Hub) -> bool:
    """Whether it says that Redis is what is wrong."""
    page = member.http.get("/health").json()
    return page["status"] == "degraded" and any("redis" in reason.lower() for reason in page["reasons"])


def _reaches_redis(member: Hub) -> bool:
    """Whether messages get through, as far as it knows."""
    return bool(member.http.get("/health").json()["redis"] == "connected")


def _kiosks_at(member: Hub) -> int:
    """How many sockets of kiosks it holds."""
    lines = member.http.get("/metrics").text.splitlines()
    return round(sum(float(line.split()[1]) for line in lines if line.startswith("kioskwire_kiosks_connected ")))
