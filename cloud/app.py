"""Builds the hub once, in order, and stops it in reverse. `cloud.serving` runs one until it is told to end."""

import asyncio
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from cloud.accounts.room import AccountsRoom
from cloud.alerts.outage import why
from cloud.alerts.room import AlertsRoom
from cloud.alerts.standing import Standing
from cloud.backends.keys import ApiKeys
from cloud.backends.limits import RateLimit
from cloud.backends.shared_limits import LimitsTold, SharedRateLimit
from cloud.bus.bus import Alone, Bus
from cloud.bus.names import told_apart
from cloud.bus.nudges import Nudges
from cloud.bus.redis import RedisSeen, RedisWatch
from cloud.dashboard.room import Dashboard
from cloud.dashboard.rooms import Rooms
from cloud.dashboard.routes import dashboard_routes
from cloud.db.engine import open_engine
from cloud.db.lease import Lease, Mine, SharedLease
from cloud.db.lives import Lives
from cloud.db.migrate import migrate
from cloud.db.shared_hold import SharedHold
from cloud.db.writer import Writer
from cloud.kiosks.doubles import Doubles
from cloud.kiosks.enrolment import Enrolment
from cloud.kiosks.fleet import Fleet
from cloud.kiosks.guesses import Guesses
from cloud.kiosks.history import History
from cloud.kiosks.inbox import Inbox
from cloud.kiosks.leaving import send_away
from cloud.kiosks.links import Links
from cloud.kiosks.presence import Presence
from cloud.kiosks.registry import Registry
from cloud.kiosks.returning import Returning
from cloud.kiosks.tokens import Tokens
from cloud.kiosks.whereabouts import Whereabouts
from cloud.metrics import Metrics
from cloud.operations import callback_rows
from cloud.operations.callbacks import Callbacks
from cloud.operations.feed import Feed
from cloud.operations.news import News
from cloud.operations.queued_rows import QueuedRows
from cloud.operations.resolutions import Resolutions
from cloud.operations.resolving import Resolving
from cloud.operations.retention import Retention
from cloud.operations.service import Operations
from cloud.operations.store import Store
from cloud.processes.child import Supervised, Told, gathered_page
from cloud.processes.gathered import pack
from cloud.settings import Settings, database_url, is_shared, signing_secret
from cloud.telemetry.samples import instance_of
from cloud.updates.room import Updates
from cloud.web.door import Door
from cloud.web.gate import Gate
from cloud.web.health import Health, hubs_of
from cloud.web.routes import make_app
from cloud.web.send import BODY_MAX_BYTES, Send
from cloud.web.services import Services
from wire.problems import CloseCode
from wire.version import VERSION

if TYPE_CHECKING:
    from cloud.bot.room import Bot

_FINISH_WITHIN = 6.0  # of the 10 s a stop may take, for operations under way
_LAST_REQUESTS = 0.25  # for who was connected in the last moment, to ask
_BURST_SECONDS = 4.0  # a limit of n a second lets 4 n through at once


class Departure:
    """How a hub ends: see `channel.Leave`. `hurry` is set once it is to end at once."""

    def __init__(self, drain: float = 0.0, *, handed_over: bool = False, hurry: asyncio.Event | None = None) -> None:
        self.drain = drain
        self.handed_over = handed_over
        self.hurry = hurry or asyncio.Event()


class Hub:
    """A running hub. `async with Hub(settings) as hub:` starts it and stops it.

    It reaches other hubs over `bus`; without one, over that of its settings.
    """

    def __init__(
        self,
        settings: Settings,
        warnings: Sequence[str] = (),
        *,
        bus: Bus | None = None,
        supervised: Supervised | None = None,
    ) -> None:
        self._settings = settings
        self._supervised = supervised
        self.departure = Departure()
        self._warnings = tuple(warnings)
        self._metrics = Metrics()
        self._redis: RedisSeen | None = None  # as the bus sees it
        self.bus: Bus = bus or self._make_bus()
        self._stack = AsyncExitStack()
        self.port = 0
        self.services: Services
        self.rooms: Rooms
        self.people: AccountsRoom
        self._writer: Writer
        self._lives: Lives | None = None  # of hubs that share the database
        self._jobs: Lease = Mine()  # who has it does what one hub does for all of them
        self._history: History
        self._presence: Presence
        self._where: Whereabouts
        self._guesses = Guesses(SharedRateLimit if is_shared(settings) else RateLimit)
        self._callbacks: Callbacks
        self._standing: Standing

    async def __aenter__(self) -> "Hub":
        async with self._stack:
            await self._build()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    def _make_bus(self) -> Bus:
        me = uuid.uuid4().hex
        if not is_shared(self._settings):
            return Alone(me)
        from cloud.bus.redis_bus import RedisBus  # noqa: PLC0415 - an extra: a small hub does without

        bus = self._redis = RedisBus(self._settings.redis_url, me, _name(), VERSION, self._metrics)
        return bus

    def _watch_redis(self) -> RedisSeen:
        watch = RedisWatch(self._settings.redis_url)
        watch.start()
        self._stack.push_async_callback(watch.stop)
        return watch

    def _host_and_process(self) -> str:
        own, host = self._supervised, socket.gethostname()
        if own is not None:
            return f"{host}/{own.role.process}"
        return f"{host}:{self._settings.port}" if is_shared(self._settings) else host  # others may run beside it

    def how_to_leave(self, hurry: asyncio.Event) -> Departure:
        """Kiosks are sent to others only where there are others; what runs has its time in any case."""
        how = Told() if self._supervised is None else self._supervised.how
        drain = self._settings.drain_for if how.drain is None else how.drain
        if not how.handed_over and not any(peer.life not in how.others for peer in self.bus.peers()):
            drain = 0.0
        return Departure(drain=drain, handed_over=how.handed_over, hurry=hurry)

    async def superseded(self) -> None:
        """Return once another hub has taken the database over: this one must end."""
        await self._writer.superseded.wait()

    async def _build(self) -> None:
        s, stack = self._settings, self._stack
        metrics = await self._make_metrics()
        engine, writer = await self._open_database(metrics)
        self.people = await stack.enter_async_context(AccountsRoom(s, engine=engine))

        registry, keys = Registry(engine), ApiKeys(engine)
        await keys.start()
        stack.push_async_callback(keys.stop)

        links = await self._make_links(engine, writer, metrics)
        updates = await stack.enter_async_context(
            Updates(s, engine=engine, writer=writer, links=links, metrics=metrics, jobs=self._jobs)
        )
        standing = self._standing = Standing(engine, lambda: _devices(links), jobs=self._jobs)
        standing.start()
        stack.push_async_callback(standing.stop)
        inbox = Inbox(
            engine=engine, writer=writer, links=links, metrics=metrics, beside=[updates.words.of, *standing.beside]
        )
        store = Store(engine, writer, keys, is_shared=is_shared(s))
        news, feed = News(), Feed()
        resolutions = Resolutions(engine, writer)
        operations = Operations(
            registry=registry,
            links=links,
            inbox=inbox,
            store=store,
            resolutions=resolutions,
            news=news,
            feed=feed,
            metrics=metrics,
            grace=s.kiosk_reconnect_grace,
            default_timeout=s.kiosk_response_timeout,
            kiosk_limit=RateLimit(s.rate_limit_per_kiosk, s.rate_limit_per_kiosk * _BURST_SECONDS),
            running_max=s.running_max_per_kiosk,
            queue_max=s.queue_max_per_kiosk,
            bus=self.bus,
            elsewhere=self._presence,
            rows=QueuedRows(engine, writer, self.bus.me) if is_shared(s) else None,
        )
        links.owner = operations
        await operations.start()
        if self._lives is not None:
            self._lives.watch(
                {"operations": store.bury, "connections": self._history.bury, "callbacks": callback_rows.bury}
            )
        stack.push_async_callback(operations.stop, 0.0)  # of use where the rest cannot start; see `leave`
        callbacks = self._callbacks = Callbacks(
            engine=engine,
            store=store,
            resolutions=resolutions,
            keys=keys,
            metrics=metrics,
            keep_trying=s.callback_for,
            version=VERSION,
            life=self.bus.me if is_shared(s) else None,
            clock=self.bus.now,
        )
        callbacks.start()
        stack.push_async_callback(callbacks.stop)
        retention = Retention(engine, s.operations_keep_days, self._jobs)
        retention.start()
        stack.push_async_callback(retention.stop)

        def changed(kiosk_id: str) -> None:
            _obey(registry, links, kiosk_id)

        await registry.start(changed)
        stack.push_async_callback(registry.stop)
        tokens = Tokens(signing_secret(s), s.jwt_legacy_claim)
        enrolment = self._start_enrolment(engine, registry, tokens, links, metrics)
        self._tell_spread(registry, links)
        self._hear_of_changes(registry, keys)
        links.start()
        stack.push_async_callback(self.bus.stop)  # after the kiosks were sent away: the others are told that they left
        stack.push_async_callback(inbox.stop)
        stack.push_async_callback(links.stop)

        health = Health(
            engine=engine,
            writer=writer,
            redis=self._redis or self._watch_redis(),
            registry=registry,
            where=self._where,
            operations=operations,
            metrics=metrics,
            version=VERSION,
        )
        if self.bus.is_shared:
            health.hubs = lambda: hubs_of(self.bus, self._names(), links.connected, operations.running, health.ails())
        health.start()
        stack.push_async_callback(health.stop)
        alerts = await stack.enter_async_context(
            AlertsRoom(
                s,
                engine=engine,
                registry=registry,
                links=links,
                rollouts=updates.rollouts,
                standing=standing.rows,
                troubles=health.troubles,
                telegram=lambda: health.telegram(),  # noqa: PLW0108 - the bot, which starts later, sets it
                metrics=metrics,
                jobs=self._jobs,
                where=self._where,
                history=self._history,
                is_heard=lambda life: not self.bus.is_up or self.bus.lives(life),
                hubs=lambda: self._ails(health.troubles()),
                outage=lambda: self._outage(health.troubles()),
            )
        )
        self.services = Services(
            registry=registry,
            tokens=tokens,
            enrolment=enrolment,
            keys=keys,
            links=links,
            presence=self._presence,
            where=self._where,
            operations=operations,
            resolving=Resolving(
                store=store,
                resolutions=resolutions,
                settling=operations.settling,
                everywhere=operations.everywhere,
            ),
            store=store,
            news=news,
            metrics=metrics,
            health=health,
            alerts=alerts.alerts,
            gate=Gate(s.accept_rate),
            send=Send(
                operations=operations,
                keys=keys,
                key_limit=self._make_key_limit(),
                default_timeout=s.kiosk_response_timeout,
                open_to_all=s.demo,
            ),
            downloads=updates.downloads,
            rollouts=updates.rollouts,
            admin_key=s.admin_key,
            open_to_all=s.demo,
            audit=self.people.audit,
            figures=None if self._supervised is None else partial(gathered_page, self._supervised),
        )
        self.rooms = await self._start_pages(engine, feed)
        await self._open(engine, feed, standing)

    def _make_key_limit(self) -> RateLimit:
        rate = self._settings.rate_limit_per_key
        if not self.bus.is_shared:
            return RateLimit(rate, rate * _BURST_SECONDS)
        limit = SharedRateLimit(rate, rate * _BURST_SECONDS)
        told = LimitsTold(self.bus, limit)
        loop = asyncio.get_running_loop()
        for limits, clock in ((self._guesses.limits, loop.time), (self.people.tries.limits, self.people.tries.clock)):
            for what, other in limits.items():
                if isinstance(other, SharedRateLimit):
                    told.share(what, other, clock)
        told.start()
        self._stack.push_async_callback(told.stop)
        return limit

    async def _open_database(self, metrics: Metrics) -> tuple[AsyncEngine, Writer]:
        await asyncio.to_thread(Path(self._settings.state_dir).mkdir, parents=True, exist_ok=True)
        engine = open_engine(database_url(self._settings))
        self._stack.push_async_callback(engine.dispose)
        await migrate(engine)
        hold = SharedHold(self.bus.me, _name(), VERSION) if is_shared(self._settings) else None
        writer = self._writer = Writer(engine, metrics, hold)
        await writer.open()
        writer.start()
        self._stack.push_async_callback(writer.stop)
        if hold is not None:
            self._lives = Lives(engine, writer, hold)
            self._lives.start()
            self._stack.push_async_callback(self._lives.stop)
            self._jobs = SharedLease(engine, "jobs", self.bus.me)
            self._jobs.start()
            self._stack.push_async_callback(self._jobs.stop)
        return engine, writer

    async def _open(self, engine: AsyncEngine, feed: Feed, standing: Standing) -> None:
        await self._start_figures()
        bot = self._make_bot(engine, feed, standing) if self._settings.telegram_bot_token else None
        if bot is not None:
            await self._stack.enter_async_context(bot.line_and_log())
        given = self.services
        self.bus.show(lambda: (given.links.connected, given.operations.running), given.health.ails)
        await self.bus.start()  # all that hears it is there, and no kiosk yet
        await self._presence.start()
        await self._open_door()
        if bot is not None:
            await self._stack.enter_async_context(bot)

    async def _start_figures(self) -> None:
        """Those that are taken of all else; they end after the door, so that the last push has what came in."""
        s, given = self._settings, self.services
        fleet = Fleet(given.registry, given.links, self._history, given.metrics)
        fleet.start()
        self._stack.push_async_callback(fleet.stop)
        if not s.grafana_prometheus_url:
            return
        from cloud.telemetry.push import Telemetry  # noqa: PLC0415 - an extra: a hub that pushes nothing does without

        telemetry = Telemetry(
            given.metrics,
            url=s.grafana_prometheus_url,
            username=s.grafana_prometheus_username,
            password=s.grafana_prometheus_password,
            # Of several hubs with one public address each is one of its own: their figures would take turns.
            instance=instance_of("" if is_shared(s) else s.public_url, self._host_and_process()),
            version=VERSION,
        )
        given.health.telemetry = lambda: telemetry.state
        await self._stack.enter_async_context(telemetry)

    async def _open_door(self) -> None:
        """From here on callers and kiosks come in."""
        s, services = self._settings, self.services
        server = HTTPServer(
            make_app(services, dashboard_routes(self.rooms)),
            xheaders=s.trust_proxy,
            idle_connection_timeout=75,
            body_timeout=30,
            max_header_size=16 * 1024,
            max_body_size=BODY_MAX_BYTES,
        )
        own = self._supervised
        sockets = bind_sockets(s.port, s.host, backlog=1024) if own is None else own.sockets()
        self.port = sockets[0].getsockname()[1]
        door = Door(send=services.send, general=server, metrics=services.metrics)
        await door.start(sockets)
        self._stack.push_async_callback(door.stop)
        await self.people.greet(self.port)
        self._stack.push_async_callback(self._leave, door)
        if own is not None:
            own.ready(self.bus.me, door)

    async def _leave(self, door: Door) -> None:
        """Take nothing new, send the kiosks to other hubs where there are some, and let what runs end."""
        services, how = self.services, self.departure
        services.health.stopping = True
        if how.drain <= 0 or how.hurry.is_set():
            door.stop_accepting()
        else:
            if how.handed_over:
                door.hand_over()
            operations = services.operations
            await send_away(services.links, how.drain, operations.is_busy, how.hurry)
            await door.last_call()
            await asyncio.sleep(_LAST_REQUESTS)
            door.close_idle()
        await services.operations.stop(0.0 if how.hurry.is_set() else _FINISH_WITHIN)

    async def _start_pages(self, engine: AsyncEngine, feed: Feed) -> Rooms:
        given = self.services
        pages = Dashboard(
            self._settings,
            engine=engine,
            people=self.people,
            registry=given.registry,
            tokens=given.tokens,
            enrolment=given.enrolment,
            keys=given.keys,
            links=given.links,
            history=self._history,
            operations=given.operations,
            resolving=given.resolving,
            store=given.store,
            callbacks=self._callbacks,
            feed=feed,
            alerts=given.alerts,
            rollouts=given.rollouts,
            health=lambda: given.health.report()[1],
            warnings=self._warnings,
            jobs=self._jobs,
            where=self._where,
        )
        return (await self._stack.enter_async_context(pages)).rooms

    def _make_bot(self, engine: AsyncEngine, feed: Feed, standing: Standing) -> "Bot":
        """It starts after all else, and stops before; but for its log, which reads on while operations end."""
        from cloud.bot.room import Bot  # noqa: PLC0415 - an extra: a hub without a bot does without

        given = self.services
        bot = Bot(
            self._settings,
            engine=engine,
            metrics=given.metrics,
            feed=feed,
            registry=given.registry,
            tokens=given.tokens,
            enrolment=given.enrolment,
            links=given.links,
            where=self._where,
            operations=given.operations,
            store=given.store,
            resolving=given.resolving,
            alerts=given.alerts,
            rollouts=given.rollouts,
            standing=standing,
            health=lambda: given.health.report()[1],
            audit=self.people.audit,
            life=self.bus.me if is_shared(self._settings) else None,
            hubs=lambda: 1 + len(self.bus.peers()),
        )
        given.health.telegram = lambda: bot.state
        self.services = msgspec.structs.replace(given, telegram=bot.webhook)
        return bot

    async def _make_metrics(self) -> Metrics:
        metrics = self._metrics
        if self._supervised is not None:
            await self._supervised.start(partial(pack, metrics.registry))
            self._stack.push_async_callback(self._supervised.stop)
        return metrics

    async def _make_links(self, engine: AsyncEngine, writer: Writer, metrics: Metrics) -> Links:
        links = Links(hub_name=_name(), metrics=metrics)
        links.witness = self._history = History(
            engine,
            writer,
            metrics,
            self.bus.now,
            hub=self.bus.me,
            slot=None if self._lives is None else self._lives.slot,
            jobs=self._jobs,
        )
        await self._history.start()
        self._stack.push_async_callback(self._history.stop)
        self._presence = Presence(self.bus, links)
        metrics.elsewhere.set_function(lambda: len(self._presence.all()))
        self._presence.when_changed(self._history.look_again)
        self._stack.push_async_callback(self._presence.stop)
        doubles = Doubles(self.bus, links)
        doubles.start()
        self._stack.push_async_callback(doubles.stop)
        self._where = Whereabouts(
            links,
            self._presence,
            self._history if self.bus.is_shared else None,
            doubles=doubles,
            ahead=self.bus.now,
            me=self.bus.me if self.bus.is_shared else "",
            name_of=lambda life: self._names().get(life, life[:8]),
        )
        return links

    def _names(self) -> dict[str, str]:
        """What the hubs that live are called, by their lives: this one, and those it hears."""
        return told_apart({self.bus.me: _name()} | {each.life: each.name for each in self.bus.peers()})

    def _ails(self, own: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        """What is wrong with each of them, by what it is called."""
        names = self._names()
        return {names[self.bus.me]: own} | {names[each.life]: each.ails for each in self.bus.peers()}

    def _outage(self, own: Mapping[str, str]) -> str:
        others = {each.life: each.ails for each in self.bus.peers()}
        return why(self.bus.me, own, others, is_heard=self.bus.is_up)

    def _hear_of_changes(self, registry: Registry, keys: ApiKeys) -> None:
        """What is changed at one hub is in force at all at once, and not with their next look."""
        nudges = Nudges(self.bus)
        registry.told = nudges.when("kiosks", registry.refresh)
        keys.told = nudges.when("API keys", keys.refresh)
        self._stack.push_async_callback(nudges.stop)

    def _tell_spread(self, registry: Registry, links: Links) -> None:
        returning = Returning(
            registry=registry,
            links=links,
            elsewhere=self._presence,
            history=self._history,
            bus=self.bus,
            rate=self._settings.accept_rate,
        )
        links.spread, links.goodbye = returning.spread, returning.goodbye

    def _start_enrolment(
        self, engine: AsyncEngine, registry: Registry, tokens: Tokens, links: Links, metrics: Metrics
    ) -> Enrolment:
        secret = signing_secret(self._settings)
        enrolment = Enrolment(
            engine=engine,
            secret=secret,
            registry=registry,
            tokens=tokens,
            metrics=metrics,
            jobs=self._jobs,
            guesses=self._guesses,
        )
        links.seen_twice = enrolment.sighted
        enrolment.start()
        self._stack.push_async_callback(enrolment.stop)
        return enrolment


def _name() -> str:
    """This hub's, for people."""
    return f"{socket.gethostname()}/{os.getpid()}"


def _devices(links: Links) -> dict[str, list[str]]:
    """The devices of each kiosk that is here, as it names them."""
    return {
        link.kiosk_id: [device.name for device in link.hello.devices]
        for link in links.all()
        if link.ready and link.hello
    }


def _obey(registry: Registry, links: Links, kiosk_id: str) -> None:
    """A kiosk is no longer as it was: a socket that may not be open any more is closed."""
    kiosk, link = registry.get(kiosk_id), links.get(kiosk_id)
    if link is None or link.came_with is None:
        return
    if kiosk is None:
        links.close(kiosk_id, CloseCode.FORBIDDEN, "the kiosk is removed")
    elif not kiosk.enabled:
        links.close(kiosk_id, CloseCode.FORBIDDEN, "the kiosk is disabled")
    elif kiosk.generation != link.came_with:
        links.close(kiosk_id, CloseCode.BAD_TOKEN, "the kiosk has a newer token")
