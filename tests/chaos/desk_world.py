"""A kiosk with cash devices, a register and its real journal, in one process and in virtual time.

Real are the journal (SQLite, its thread, its commits), the supervisor and the drivers, the desk and its rooms, and the
operations. Pretended are the devices (`desk_rack`), the hub (which asks, asks again, takes outcomes and events as the
real one does), the clock, and death: a killed appliance writes no more, neither to its disk nor to its lines.
"""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from appliance.desk import Desk
from appliance.gateways import Gateways
from appliance.health.metrics import Metrics
from appliance.journal import Journal, Limits, StorageError
from appliance.journal.jobs import Job
from appliance.operations import Operations
from appliance.routes import RouteTable, parse_routes
from appliance.screen import Screen
from appliance.supervisor import Supervisor
from hardware.simulation.simulator import ControlError
from hardware.simulation.wires import WireError
from tests.chaos.desk_clock import Clock
from tests.chaos.desk_rack import SCHEME, Rack
from wire.messages import Event, Request, Response

Json = dict[str, Any]
BATCH = 500


class Disk:
    """What the journal's file lies on: well, refusing for a while, or about to see the program die."""

    def __init__(self, rng: random.Random) -> None:
        self.refuses = 0.0  # how often
        self.writes: list[str] = []  # the points passed, over all lives
        self.die_at = 0  # the number of the write to die at; 0: none
        self.die_at_point = ("", 0)  # a crash point, and the number of its visit from now, to die at
        self.die_after = False
        self.died = asyncio.Event()
        self.deaths: Counter[str] = Counter()  # by the point
        self._dies_after: Job | None = None
        self._awaited: list[tuple[str, asyncio.Event]] = []
        self._rng = rng

    async def before(self, job: Job) -> bool:
        """Called before a write. Whether it is to fail though it is written. Raises `StorageError`."""
        if job.writes:
            self.writes.append(job.point)
            for point, passed in self._awaited:
                if point == job.point:
                    passed.set()
            if self._is_last(job) and not self.die_after:
                await self._die()
        if self.refuses and self._rng.random() < self.refuses:
            if job.writes and self._rng.random() < 0.4:
                return True
            raise StorageError("the disk does not take writes", certain=self._rng.random() < 0.3)
        return False

    async def after(self, job: Job) -> None:
        """Called once it is written."""
        if job.writes and self._dies_after is job:
            await self._die()

    def live(self) -> None:
        """It is not to die any more."""
        self.die_at, self.die_at_point, self._dies_after = 0, ("", 0), None

    def _is_last(self, job: Job) -> bool:
        """Called once for each write."""
        point, visit = self.die_at_point
        if point == job.point and visit > 0:
            self.die_at_point = (point, visit - 1)
        last = len(self.writes) == self.die_at or (point == job.point and visit == 1)
        if last and self.die_after:
            self._dies_after = job
        return last

    async def passed(self, point: str, within_s: float) -> bool:
        """Wait until a write of that point is begun; whether it was in time."""
        waiting = (point, asyncio.Event())
        self._awaited.append(waiting)
        try:
            async with asyncio.timeout(within_s):
                return await waiting[1].wait()
        except TimeoutError:
            return False
        finally:
            self._awaited.remove(waiting)

    async def _die(self) -> None:
        self.deaths[self.writes[-1]] += 1
        self.live()
        self.died.set()
        await asyncio.Event().wait()


class WarpedJournal(Journal):
    """The real one; while it writes, no virtual time passes."""

    warp: Clock
    disk: Disk
    dead = False

    async def _ask(self, job: Job) -> Any:
        if self.dead:
            raise StorageError("the program is dead")
        fails = await self.disk.before(job)
        with self.warp.held():
            result = await super()._ask(job)
        await self.disk.after(job)
        if fails:
            raise StorageError("the disk did not answer within 30 s")
        return result


class Asked:
    """One operation, as the hub and its backend know it."""

    def __init__(self, request: Request, at: float) -> None:
        self.request = request
        self.at = at
        self.accepted = False
        self.told: list[Response] = []
        self.progress: list[Json] = []

    @property
    def body(self) -> Json:
        """What is asked for."""
        found: Json = msgspec.json.decode(self.request.body)
        return found

    @property
    def stage(self) -> str:
        """Of its session, as it was told last; empty: nothing was."""
        return str(self.progress[-1].get("stage", "")) if self.progress else ""

    @property
    def end(self) -> str:
        """In a word: the status that its answer tells, or the problem."""
        if not self.told:
            return ""
        if error := self.told[0].error:
            return error.type
        return str(msgspec.json.decode(self.told[0].body, type=Json).get("status", ""))


class Life:
    """One run of the appliance, composed as `appliance.app` does it."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.journal = WarpedJournal(
            world.directory, limits=Limits(), clock=world.time, boot_id=f"life-{number}", reserve_bytes=65536
        )
        self.journal.warp, self.journal.disk = world.clock, world.disk
        self.screen = Screen()
        routes = world.routes(number)
        self.supervisor = Supervisor(journal=self.journal, screen=self.screen, clock=world.time, entries=routes.devices)
        self.gateways = Gateways()
        self.desk = Desk(journal=self.journal, supervisor=self.supervisor, gateways=self.gateways, clock=world.time)
        self.operations = Operations(
            journal=self.journal, targets=self.desk, routes=routes, metrics=Metrics("0"), screen=self.screen
        )
        self.operations.listen(self)

    async def start(self) -> None:
        """As `Appliance.start`, without doors."""
        with self.world.clock.held():
            await self.journal.open()
        await self.desk.recover()
        await self.supervisor.open()
        self.desk.start()
        await self.operations.start()

    async def stop(self) -> None:
        """As `Appliance.stop`."""
        await self.operations.stop()
        await self.desk.close()
        await self.supervisor.close()
        await self.gateways.close()
        with self.world.clock.held():
            await self.journal.close()

    # What it says to the hub

    def accepted(self, request_id: str) -> None:
        self.world.hub.accepted(request_id)

    def progress(self, request_id: str, data: Json) -> None:
        self.world.hub.progress(request_id, data)

    def outcome(self, response: Response) -> None:
        self.world.hub.outcome(response)

    def happened(self) -> None:
        pass


class Hub:
    """The other end of the uplink, which may be away."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.away = False
        self.asked: dict[str, Asked] = {}
        self.events: dict[tuple[str, int], Event] = {}
        self.odd: list[str] = []  # what no kiosk may tell

    @property
    def _life(self) -> Life | None:
        return None if self.away else self._world.life

    def ask(self, request_id: str, operation: str, body: Json, within_s: float = 30.0) -> Asked:
        """A backend wants something; it is sent if the kiosk is there, else once it is."""
        request = Request(
            request_id=request_id,
            operation=operation,
            body=msgspec.Raw(msgspec.json.encode(body)),
            start_within=within_s,
        )
        asked = self.asked[request_id] = Asked(request, self._world.clock.now)
        self.say(asked)
        return asked

    def say(self, asked: Asked) -> None:
        """Send it, maybe again."""
        if self._life is not None:
            left_s = max(0.0, asked.at + asked.request.start_within - self._world.clock.now)
            self._life.operations.request(msgspec.structs.replace(asked.request, start_within=left_s))

    def cancel(self, request_id: str) -> None:
        """A backend does not want it any more."""
        if self._life is not None:
            self._life.operations.cancel(request_id)

    async def meet(self) -> None:
        """Connected: take what waits there, ask again for what has no outcome."""
        life = self._life
        if life is None:
            return
        with contextlib.suppress(StorageError):
            while responses := await life.journal.unsettled(BATCH, frozenset()):
                for response in responses:
                    self.outcome(response)
            await self.take_events(life)
        for asked in list(self.asked.values()):
            if not asked.told:
                self.say(asked)

    async def take_events(self, life: Life) -> None:
        """As `events` tell them."""
        after = 0
        while events := await life.journal.events(BATCH, after):
            for event in events:
                known = self.events.setdefault((life.journal.id, event.seq), event)
                if known != event:
                    self.odd.append(f"event {event.seq} is told as {known} and as {event}")
            after = events[-1].seq
        if after:
            life.journal.acknowledge(after, life.journal.id)

    def accepted(self, request_id: str) -> None:
        if self._life is not None:
            self.asked[request_id].accepted = True

    def progress(self, request_id: str, data: Json) -> None:
        json.dumps(data)
        if self._life is not None:
            self.asked[request_id].progress.append(data)

    def outcome(self, response: Response) -> None:
        life = self._life
        if life is None:
            return
        asked = self.asked.get(response.request_id)
        if asked is None:
            self.odd.append(f"an outcome of {response.request_id}, which nobody asked for")
            return
        asked.told.append(response)
        self._world.story(f"outcome of {response.request_id}: {response.executed.value} {_shown(response)}")
        life.operations.settled(response.request_id)


class World:
    """One kiosk's days.

    Args:
        directory: of its journal; exists.
        config: the routing file, with `{name}` of a device of the rack in the place of each port.
        devices: the rack's, see `Rack`.
    """

    def __init__(
        self,
        directory: Path,
        config: Mapping[str, Any],
        devices: Mapping[str, tuple[str, Mapping[str, str]]],
        clock: Clock,
        seed: int,
    ) -> None:
        self.directory = directory
        self.clock = clock
        self.rng = random.Random(f"world {seed}")
        self.disk = Disk(self.rng)
        self.rack = Rack(f"r{seed}", devices, seed)
        self.hub = Hub(self)
        self.life: Life | None = None
        self.lives = 0
        self.told: list[str] = []
        self._config = json.dumps(config)
        self._world_tasks: set[asyncio.Task[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._began = clock.now

    def time(self) -> float:
        """Seconds since 1970."""
        return 1_700_000_000.0 + self.clock.now

    def routes(self, life: int) -> RouteTable:
        """The routing file, as that life reads it."""
        table = _read(self._config)
        devices = {
            name: msgspec.structs.replace(entry, port=self.rack.url(entry.port.rpartition("/")[2], life))
            for name, entry in table.devices.items()
        }
        return msgspec.structs.replace(table, devices=devices)

    def story(self, words: str) -> None:
        """For the one who looks into a breach."""
        self.told.append(f"{self.clock.now - self._began:8.3f}  {words}")

    def mine(self, what: Any) -> "asyncio.Task[Any]":
        """A task of the world, which no death of the appliance ends."""
        task = asyncio.create_task(what)
        self._world_tasks.add(task)
        task.add_done_callback(self._world_tasks.discard)
        return task

    async def open(self) -> None:
        """The devices."""
        current = asyncio.current_task()
        assert current is not None
        self._world_tasks.add(current)
        await self.rack.open()

    async def start(self) -> None:
        """The appliance."""
        if self.life is not None:
            return
        self.lives += 1
        self.disk.died.clear()
        self.story(f"the appliance starts, life {self.lives}")
        life = Life(self, self.lives)
        starting = asyncio.create_task(life.start())
        ended = await self._ended(starting)
        self.life = life
        if not ended:
            return  # it died; whoever watches buries it
        starting.result()
        await self.hub.meet()

    async def _ended(self, task: "asyncio.Task[None]") -> bool:
        """Whether it came to its end before the appliance came to its own."""
        died = self.mine(self.disk.died.wait())
        await asyncio.wait({task, died}, return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        return task.done()

    async def bury(self) -> None:
        """It is dead from this moment on."""
        life, self.life = self.life, None
        self.disk.died.clear()
        if life is None:
            return
        self.story("the appliance is dead")
        life.journal.dead = True
        self.rack.abandon()
        left = asyncio.all_tasks() - self._world_tasks
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        with self.clock.held():
            await asyncio.to_thread(life.journal._writer.stop)

    async def stop(self) -> None:
        """In order, unless it dies over it."""
        life = self.life
        if life is None:
            return
        self.story("the appliance stops")
        stopping = asyncio.create_task(life.stop())
        if not await self._ended(stopping):
            await self.bury()
            return
        stopping.result()
        self.life = None
        self.story("the appliance has stopped")

    def hand(self, device: str, control: str, /, **arguments: str) -> bool:
        """A hand on a device; whether it could be done."""
        try:
            self.rack.hosts[device].do(control, **arguments)
        except (ControlError, WireError) as error:
            self.story(f"{device}: {control} {arguments or ''}: {error}")
            return False
        self.story(f"{device}: {control} {' '.join(f'{k}={v}' for k, v in arguments.items())}")
        return True

    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Let time pass until it is so, or is over."""
        end = self.clock.now + within_s
        while not condition():
            if self.clock.now >= end:
                return False
            await asyncio.sleep(0.25)
        return True

    async def close(self) -> None:
        """The end of all."""
        await self.bury()
        await self.rack.close()


@cache
def _read(config: str) -> RouteTable:
    from hardware import ports

    ports._ROOMS[SCHEME] = "tests.chaos.desk_rack"
    return parse_routes(config.encode(), "the routing file")


def _shown(response: Response) -> str:
    if response.error is not None:
        return f"{response.error.type}: {response.error.detail}"
    return bytes(response.body).decode()[:600]
