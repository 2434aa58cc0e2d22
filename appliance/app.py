"""The composition root: builds everything once, in order, and stops it in reverse."""

import asyncio
import contextlib
import logging
import signal
import time
import uuid
from pathlib import Path
from typing import Any

from appliance.box import read_marks
from appliance.desk import Desk
from appliance.enrolment.given import read_given
from appliance.enrolment.service import Enrolment
from appliance.gateways import Gateways
from appliance.health.lookout import Lookout
from appliance.health.metrics import DeviceFigures, Metrics
from appliance.health.page import Condition, Devices, Enrolled, Work, describe
from appliance.health.state import Clock, Lag, Link, Reload
from appliance.identity import named_by
from appliance.journal import Journal, Limits
from appliance.logs import Logs
from appliance.network.probe import Aim
from appliance.network.service import Network, token_state
from appliance.notify import Facts as PulseFacts
from appliance.notify import Notifier, Pulse
from appliance.notify import describe as describe_briefly
from appliance.operations import Operations
from appliance.operations.operation import State
from appliance.reading import shown_url
from appliance.routes import RoutingError, read_routes
from appliance.screen import Screen
from appliance.settings import Loaded
from appliance.supervisor import Supervisor, standing, trouble
from appliance.updates.plan import read_plan
from appliance.updates.service import Updates
from appliance.updates.trial import Seen
from appliance.uplink import Uplink
from appliance.uplink.dial import Address
from appliance.web.engineer_room import make_engineer
from appliance.web.site import make_site
from hardware.events import DeviceState
from wire.messages import Device, Hello
from wire.session import BATCH
from wire.version import VERSION

_LAG_EVERY_S = 0.5
_REPORT_EVERY_S = 60.0
_STOP_TELL_S = 5.0
_STOP_MOST_S = 150.0
_EVENTS_AT_ONCE = 500
_MIB = 1024 * 1024

_log = logging.getLogger(__name__)


class Appliance:
    """The running program."""

    def __init__(self, loaded: Loaded, logs: Logs | None = None, notifier: Notifier | None = None) -> None:
        settings = loaded.settings
        self._settings = settings
        self._logs = logs
        self._notifier = notifier or Notifier({})
        self.boot_id = uuid.uuid4().hex
        self._started_at = time.time()
        self._started = time.monotonic()
        self._reload: Reload | None = None
        self._lag = Lag()
        self._tasks: list[asyncio.Task[None]] = []
        self._reloads: set[asyncio.Task[None]] = set()
        self.clock = Clock()
        self.link = Link()
        self.metrics = Metrics(VERSION)
        marks = read_marks(settings.box_id)
        self.journal = Journal(
            Path(settings.state_dir),
            limits=Limits(
                max_bytes=settings.journal_max_mb * _MIB,
                keep_s=settings.journal_keep_days * 86400.0,
                min_free_bytes=settings.disk_min_free_mb * _MIB,
            ),
            clock=self.clock.now,
            boot_id=self.boot_id,
            marks=marks,
        )
        self.gateways = Gateways()
        self.screen = Screen()
        self.supervisor = Supervisor(
            journal=self.journal, screen=self.screen, clock=self.clock.now, entries=loaded.routes.devices
        )
        self.desk = Desk(journal=self.journal, supervisor=self.supervisor, gateways=self.gateways, clock=self.clock.now)
        self.operations = Operations(
            journal=self.journal, targets=self.desk, routes=loaded.routes, metrics=self.metrics,
            screen=self.screen,
        )  # fmt: skip
        self.uplink = Uplink(
            address=self._address, journal=self.journal, operations=self.operations, state=self.link,
            clock=self.clock, metrics=self.metrics, hello=self._hello, bad_token=self._token_is_bad,
        )  # fmt: skip
        self.enrolment = Enrolment(
            read_given(settings, marks), untold=self._untold, forget=self._forget_events,
            changed=self.uplink.readdress, note=self.operations.note,
        )  # fmt: skip
        self.ended = asyncio.Event()  # this run is to end, and another to begin
        self.updates = Updates(
            read_plan(settings, self.boot_id, lambda: self.enrolment.standing().hub, self._kiosk_id),
            journal=self.journal, work=self.operations, seen=self._seen, end=self.ended.set,
            note=self.operations.note, metrics=self.metrics,
        )  # fmt: skip
        self.lookout = Lookout(
            Path(settings.state_dir), min_free_bytes=settings.disk_min_free_mb * _MIB,
            offset=lambda: self.clock.offset, trouble=lambda: self.journal.facts.trouble, note=self.operations.note,
        )  # fmt: skip
        self.supervisor.changed = self.uplink.routes_changed
        self.network = Network(
            aim=self._aim, connected=lambda: self.link.connected,
            token=lambda: token_state(self.link.trouble, has_token=self._address() is not None),
        )  # fmt: skip
        self.engineer = make_engineer(
            loaded, logs=logs, journal=self.journal, supervisor=self.supervisor, desk=self.desk,
            note=self.operations.note, clock=self.clock.now, routes=lambda: self.operations.routes,
            updates=self.updates, health=lambda: self.describe()[1], network=self.network.told,
        )  # fmt: skip
        self.web = make_site(
            settings, journal=self.journal, metrics=self.metrics, clock=self.clock, link=self.link, screen=self.screen,
            supervisor=self.supervisor, operations=self.operations, network=self.network, enrolment=self.enrolment,
            engineer=self.engineer, describe=self.describe, lag=lambda: self._lag.worst(time.monotonic()),
            mistakes=lambda: self._reload.mistakes if self._reload else (), kiosk_id=self._kiosk_id,
        )  # fmt: skip
        self._watch()

    async def start(self) -> str:
        """Start everything; returns the URL of the health page.

        Raises `JournalInUseError`, `StorageError` (STATE_DIR cannot be used) and `PortTakenError`; what was started
        before is stopped again.
        """
        await self.journal.open()
        try:
            url = self.web.start()
        except BaseException:
            await self.journal.close()
            raise
        self._tasks = [
            asyncio.create_task(self._measure_lag(), name="lag"),
            asyncio.create_task(self._report_logs(), name="logs-report"),
        ]
        _log.info("listening", extra={"url": f"{url}/health", "version": VERSION, "boot_id": self.boot_id})
        previous = self.journal.facts.previous
        await self.operations.note("started", {"version": VERSION, "boot_id": self.boot_id, "previous_run": previous})
        await self.desk.recover()
        await self.supervisor.open()
        self.desk.start()
        await self.operations.start()
        await self.enrolment.start()
        self.uplink.start()
        await self.updates.start()
        self.lookout.start()
        self.network.start()
        return url

    async def stop(self) -> None:
        """Let running operations end, tell what there is to tell, close."""
        _log.info("stopping")
        self._notifier.stopping("stopping: what runs is let come to its end")
        holding = asyncio.create_task(self._ask_for_time(), name="stopping")
        for task in (*self._tasks, *self._reloads):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._reloads, return_exceptions=True)
        await self.engineer.stop()
        await self.network.stop()
        await self.lookout.stop()
        await self.updates.stop()
        await self.enrolment.stop()
        await self.operations.stop()
        await self.desk.close()
        await self.supervisor.close()
        await self.uplink.stop()
        await self.gateways.close()
        await self.web.stop()
        await self.journal.close()
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        _log.info("stopped")

    def reload(self) -> None:
        """Read the routing file again; called for SIGHUP."""
        self._notifier.reloading()
        task = asyncio.create_task(self._reload_and_tell(), name="reload")
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    def describe(self) -> tuple[int, dict[str, Any]]:
        """The health page: HTTP status and body."""
        enrolment, queues, operations = self.enrolment.standing(), self.operations.queues(), self.operations
        now = time.monotonic()
        return describe(Condition(
            boot_id=self.boot_id, uptime=now - self._started, link=self.link, reload=self._reload,
            lag=self._lag.worst(now), clock_now=self.clock.wall, clock_offset=self.clock.offset,
            enrolled=Enrolled(
                has_address=self._address() is not None, reasons=tuple(enrolment.reasons),
                hub=shown_url(enrolment.hub), told=enrolment.told(),
            ),
            updates=self.updates.describe(), journal=self.journal.facts,
            journal_max_bytes=self._settings.journal_max_mb * _MIB,
            work=Work(
                waiting={name: queue.waiting for name, queue in queues.items()},
                running_at={name: queue.running for name, queue in queues.items()},
                running=operations.count(State.STARTING, State.RUNNING), in_doubt=operations.count(State.ASKING),
            ),
            routes=operations.routes.all(),
            devices=Devices(
                standing={watched.name: standing(watched) for watched in self.supervisor.all()},
                troubles=self._device_troubles(), waiting=tuple(self.supervisor.waiting),
            ),
        ))  # fmt: skip

    def pulse(self) -> Pulse:
        """What tells the service manager that the work turns."""
        return Pulse(self._notifier, self._pulse_facts, self.words)

    def words(self) -> str:
        """How the kiosk is, in a line."""
        nobody = "" if self._address() is not None else "; ".join(self.enrolment.standing().reasons)
        return describe_briefly(
            connected=self.link.connected, trouble=self.link.trouble, nobody=nobody,
            routes_wrong=bool(self._reload and self._reload.mistakes), devices=len(self.supervisor.all()),
            ailing=len(self._device_troubles()), owed=self.journal.facts.unsettled,
            waiting=sum(queue.waiting for queue in self.operations.queues().values()),
            running=self.operations.count(State.STARTING, State.RUNNING),
        )  # fmt: skip

    def _pulse_facts(self) -> PulseFacts:
        now = time.monotonic()
        return PulseFacts(
            writer_silent=self.journal.silent, latest=self.operations.belated(now),
            overrun=tuple(self.operations.overrun(now)), ended=("uplink",) if self.uplink.ended else (),
        )  # fmt: skip

    async def _ask_for_time(self) -> None:
        """Stopping takes as long as what runs needs to end, within reason: then the service manager may kill us."""

        def words() -> str:
            return f"stopping: {self.operations.count(State.STARTING, State.RUNNING)} operations run"

        pulse = Pulse(self._notifier, self._pulse_facts, words)
        until = time.monotonic() + _STOP_MOST_S
        while time.monotonic() < until:
            await asyncio.sleep(_STOP_TELL_S)
            self._notifier.stopping(words())
            pulse.beat()

    async def _reload_and_tell(self) -> None:
        try:
            await self._reread_routes()
        finally:
            self._notifier.ready(self.words())

    async def _reread_routes(self) -> None:
        path = Path(self._settings.routing_config)
        try:
            routes = await asyncio.to_thread(read_routes, path)
        except RoutingError as error:
            mistakes = tuple(map(str, error.mistakes))
            self._reload = Reload(time.time(), mistakes)
            _log.error("the changed routing file was not taken over", extra={"mistakes": list(mistakes)})
            await self.operations.note("routes-rejected", {"mistakes": list(mistakes[:20])})
            return
        before = self.operations.routes
        self._reload = Reload(time.time())
        if routes == before:
            _log.info("the routing file says nothing new")
            return
        self.operations.reroute(routes)
        if routes.devices != before.devices:
            await self.supervisor.reload(routes.devices)
        _log.info("the changed routing file was taken over", extra={"routes": routes.names()})
        await self.operations.note("routes-changed", {"routes": routes.names()})
        self.uplink.routes_changed()

    def _hello(self) -> Hello:
        facts = self.journal.facts
        return Hello(
            version=VERSION, boot_id=self.boot_id, started_at=self._started_at,
            routes=self.operations.routes.names(), unsettled=facts.unsettled, journal=facts.id,
            devices=[
                Device(name=each.name, role=each.role, driver=each.entry.driver, state=each.status.state.value)
                for each in self.supervisor.all()
            ],
            uptime=round(time.monotonic() - self._started, 3), batch=BATCH,
        )  # fmt: skip

    def _address(self) -> Address | None:
        settings, identity = self._settings, self.enrolment.identity
        proxy_url, ca_file = settings.proxy_url.reveal(), settings.ca_file
        if settings.ws_token:
            return Address(settings.ws_server_url, settings.ws_token.reveal(), proxy_url, ca_file)
        if identity is None:
            return None
        return Address(identity.hub, identity.token.reveal(), proxy_url, ca_file, identity)

    def _aim(self) -> Aim | None:
        address = self._address()
        if address is None:
            return None
        return Aim(url=address.url, proxy_url=address.proxy_url, ca_file=address.ca_file)

    def _kiosk_id(self) -> str:
        return self.enrolment.standing().kiosk_id or named_by(self._settings.ws_token.reveal())

    def _seen(self) -> Seen:
        down = {DeviceState.ABSENT, DeviceState.FAULT, DeviceState.STARTING}
        return Seen(
            connected=self.link.connected, trouble=self.journal.facts.trouble,
            devices={each.name: each.status.state not in down for each in self.supervisor.all()},
        )  # fmt: skip

    def _token_is_bad(self, bad: bool) -> None:
        self.enrolment.token_is_bad(bad)

    def _untold(self) -> bool:
        """Whether anything was begun whose outcome the hub does not have, as far as can be known."""
        facts = self.journal.facts
        waiting = any(queue.waiting for queue in self.operations.queues().values())
        return bool(facts.unsettled or facts.trouble or waiting or self.operations.count(*State))

    async def _forget_events(self) -> None:
        """Events that were for another hub, or another kiosk: nobody is told them, nor what was told already."""
        while events := await self.journal.events(_EVENTS_AT_ONCE, 0):
            self.journal.acknowledge(events[-1].seq, self.journal.id)
        await self.journal.keep()

    def _device_troubles(self) -> tuple[str, ...]:
        now = self.clock.now()
        return tuple(words for each in self.supervisor.all() if (words := trouble(each, now)))

    def _device_figures(self) -> list[DeviceFigures]:
        return [
            DeviceFigures(
                device=each.name, role=each.role, state=status.state.value, repeats=status.repeats,
                up=status.state not in {DeviceState.ABSENT, DeviceState.FAULT}, skipped_bytes=status.skipped_bytes,
                circuit_open=not each.circuit.admits,
            )
            for each in self.supervisor.all() for status in (each.status,)
        ]  # fmt: skip

    def _watch(self) -> None:
        self.metrics.watch_devices([state.value for state in DeviceState], self._device_figures)
        watch = self.metrics.watch
        watch("connected", "Whether the hub is there", lambda: float(self.link.connected))
        watch("unsettled", "Outcomes the hub has not settled", lambda: self.journal.facts.unsettled)
        watch("events_waiting", "Events the hub has not acknowledged", lambda: self.journal.facts.events)
        watch("journal_bytes", "Bytes of the journal in use", lambda: self.journal.facts.used_bytes)
        watch("journal_usable", "Whether new operations can be written", lambda: float(not self.journal.facts.trouble))
        watch("operations_waiting", "Operations waiting for their turn", lambda: float(
            sum(queue.waiting for queue in self.operations.queues().values())
        ))  # fmt: skip
        watch("operations_running", "Operations at their gateway", lambda: self.operations.count(State.RUNNING))
        watch("operations_in_doubt", "Operations whose gateway is asked", lambda: self.operations.count(State.ASKING))
        watch("loop_lag_seconds", "Worst delay of the event loop within a minute", lambda: self._lag.worst(
            time.monotonic()
        ))  # fmt: skip
        watch("clock_offset_seconds", "The hub's clock less ours", lambda: self.clock.offset or 0.0)
        watch("uptime_seconds", "Seconds since the start", lambda: time.monotonic() - self._started)

    async def _measure_lag(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(_LAG_EVERY_S)
            now = time.monotonic()
            self._lag.add(now, max(0.0, now - before - _LAG_EVERY_S))

    async def _report_logs(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_EVERY_S)
            if self._logs is not None:
                self._logs.report()


async def run(loaded: Loaded, logs: Logs) -> None:
    """Run until SIGTERM or SIGINT. Raises what `Appliance.start` raises."""
    for warning in loaded.warnings:
        _log.warning("a strange setting", extra={"reason": warning})
    notifier = Notifier()
    appliance = Appliance(loaded, logs, notifier)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await appliance.start()
    loop.add_signal_handler(signal.SIGHUP, appliance.reload)
    notifier.ready(appliance.words())
    pulse = asyncio.create_task(appliance.pulse().run(), name="pulse")
    ends = [asyncio.create_task(each.wait(), name="end") for each in (stop, appliance.ended)]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in ends:
            task.cancel()
        with contextlib.suppress(ValueError):
            loop.remove_signal_handler(signal.SIGHUP)
        pulse.cancel()
        await asyncio.gather(pulse, return_exceptions=True)
        await appliance.stop()
        notifier.close()
