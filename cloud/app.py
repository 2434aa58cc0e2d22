"""Builds the hub once, in order, and stops it in reverse."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from cloud.backends.keys import ApiKeys
from cloud.backends.limits import RateLimit
from cloud.bus.redis import RedisWatch
from cloud.db.engine import open_engine
from cloud.db.hold import SupersededError
from cloud.db.migrate import migrate
from cloud.db.writer import Writer
from cloud.kiosks.enrolment import Enrolment
from cloud.kiosks.inbox import Inbox
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Registry
from cloud.kiosks.tokens import Tokens
from cloud.metrics import Metrics
from cloud.notify import notify
from cloud.operations.callbacks import Callbacks
from cloud.operations.news import News
from cloud.operations.retention import Retention
from cloud.operations.service import Operations
from cloud.operations.store import Store
from cloud.settings import Settings, database_url, signing_secret
from cloud.updates.room import Updates
from cloud.web.door import Door
from cloud.web.gate import Gate
from cloud.web.health import Health
from cloud.web.routes import make_app
from cloud.web.send import BODY_MAX_BYTES, Send
from cloud.web.services import Services
from wire.problems import CloseCode
from wire.version import VERSION

log = logging.getLogger(__name__)

_FINISH_WITHIN = 6.0  # of the 10 s a stop may take, for operations under way
_BURST_SECONDS = 4.0  # a limit of n a second lets 4 n through at once


class Hub:
    """A running hub. `async with Hub(settings) as hub:` starts it and stops it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self.port = 0
        self.services: Services
        self._writer: Writer

    async def __aenter__(self) -> "Hub":
        async with self._stack:
            await self._build()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def superseded(self) -> None:
        """Return once another hub has taken the database over: this one must end."""
        await self._writer.superseded.wait()

    async def _build(self) -> None:
        s, stack = self._settings, self._stack
        metrics = Metrics()
        await asyncio.to_thread(Path(s.state_dir).mkdir, parents=True, exist_ok=True)
        engine = open_engine(database_url(s))
        stack.push_async_callback(engine.dispose)
        await migrate(engine)
        writer = self._writer = Writer(engine, metrics)
        await writer.open()
        writer.start()
        stack.push_async_callback(writer.stop)

        registry, keys, redis = Registry(engine), ApiKeys(engine), RedisWatch(s.redis_url)
        await keys.start()
        stack.push_async_callback(keys.stop)
        redis.start()
        stack.push_async_callback(redis.stop)

        links = Links(hub_name=f"{socket.gethostname()}/{os.getpid()}", metrics=metrics)
        updates = await stack.enter_async_context(
            Updates(s, engine=engine, writer=writer, links=links, metrics=metrics)
        )
        inbox = Inbox(engine=engine, writer=writer, links=links, metrics=metrics, beside=updates.words.of)
        store, news = Store(engine, writer, keys), News()
        operations = Operations(
            registry=registry,
            links=links,
            inbox=inbox,
            store=store,
            news=news,
            metrics=metrics,
            grace=s.kiosk_reconnect_grace,
            default_timeout=s.kiosk_response_timeout,
            kiosk_limit=RateLimit(s.rate_limit_per_kiosk, s.rate_limit_per_kiosk * _BURST_SECONDS),
            running_max=s.running_max_per_kiosk,
            queue_max=s.queue_max_per_kiosk,
        )
        links.owner = operations
        await operations.start()
        stack.push_async_callback(operations.stop, 0.0)  # of use where the rest cannot start; see `leave`
        callbacks = Callbacks(
            engine=engine, store=store, keys=keys, metrics=metrics, keep_trying=s.callback_for, version=VERSION
        )
        callbacks.start()
        stack.push_async_callback(callbacks.stop)
        retention = Retention(engine, s.operations_keep_days)
        retention.start()
        stack.push_async_callback(retention.stop)

        def changed(kiosk_id: str) -> None:
            _obey(registry, links, kiosk_id)

        await registry.start(changed)
        stack.push_async_callback(registry.stop)
        tokens = Tokens(signing_secret(s), s.jwt_legacy_claim)
        enrolment = self._start_enrolment(engine, registry, tokens, links, metrics)
        links.start()
        stack.push_async_callback(inbox.stop)
        stack.push_async_callback(links.stop)

        health = Health(
            engine=engine,
            writer=writer,
            redis=redis,
            registry=registry,
            links=links,
            operations=operations,
            metrics=metrics,
            version=VERSION,
        )
        health.start()
        stack.push_async_callback(health.stop)
        self.services = Services(
            registry=registry,
            tokens=tokens,
            enrolment=enrolment,
            keys=keys,
            links=links,
            operations=operations,
            store=store,
            news=news,
            metrics=metrics,
            health=health,
            gate=Gate(s.accept_rate),
            send=Send(
                operations=operations,
                keys=keys,
                key_limit=RateLimit(s.rate_limit_per_key, s.rate_limit_per_key * _BURST_SECONDS),
                default_timeout=s.kiosk_response_timeout,
                open_to_all=s.demo,
            ),
            downloads=updates.downloads,
            rollouts=updates.rollouts,
            admin_key=s.admin_key,
            open_to_all=s.demo,
        )
        await self._open_door()

    async def _open_door(self) -> None:
        """Last of all: from here on callers and kiosks come in."""
        s, services = self._settings, self.services
        server = HTTPServer(
            make_app(services),
            xheaders=s.trust_proxy,
            idle_connection_timeout=75,
            body_timeout=30,
            max_header_size=16 * 1024,
            max_body_size=BODY_MAX_BYTES,
        )
        sockets = bind_sockets(s.port, s.host, backlog=1024)
        self.port = sockets[0].getsockname()[1]
        door = Door(send=services.send, general=server, metrics=services.metrics)
        await door.start(sockets)
        self._stack.push_async_callback(door.stop)

        async def leave() -> None:
            services.health.stopping = True
            door.stop_accepting()
            await services.operations.stop(_FINISH_WITHIN)

        self._stack.push_async_callback(leave)

    def _start_enrolment(
        self, engine: AsyncEngine, registry: Registry, tokens: Tokens, links: Links, metrics: Metrics
    ) -> Enrolment:
        secret = signing_secret(self._settings)
        enrolment = Enrolment(engine=engine, secret=secret, registry=registry, tokens=tokens, metrics=metrics)
        links.seen_twice = enrolment.sighted
        enrolment.start()
        self._stack.push_async_callback(enrolment.stop)
        return enrolment


async def serve(settings: Settings) -> None:
    """Run a hub until SIGTERM or SIGINT. Raises `SupersededError` when another has taken its database over."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with Hub(settings) as hub:
        log.info("listening", extra={"url": f"http://{settings.host}:{hub.port}", "version": VERSION})
        notify("READY=1")
        if settings.demo:
            log.warning("demo mode: no API key is needed; for this machine only")
        await _either(stop.wait(), hub.superseded())
        notify("STOPPING=1")
        log.info("stopping")
    log.info("stopped")
    if not stop.is_set():
        raise SupersededError("another hub has taken the database over")


async def _either(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when one of them has."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _obey(registry: Registry, links: Links, kiosk_id: str) -> None:
    """A kiosk is no longer as it was: a socket that may not be open any more is closed."""
    kiosk, link = registry.get(kiosk_id), links.get(kiosk_id)
    if link is None or link.socket is None:
        return
    if kiosk is None:
        links.close(kiosk_id, CloseCode.FORBIDDEN, "the kiosk is removed")
    elif not kiosk.enabled:
        links.close(kiosk_id, CloseCode.FORBIDDEN, "the kiosk is disabled")
    elif kiosk.generation != link.generation:
        links.close(kiosk_id, CloseCode.BAD_TOKEN, "the kiosk has a newer token")
