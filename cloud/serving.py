"""A hub as a program: it runs until a signal, its supervisor or another hub that took its database ends it."""

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any

from cloud.app import Hub
from cloud.db.hold import SupersededError
from cloud.garbage import tidied
from cloud.notify import notify
from cloud.processes.child import Supervised
from cloud.settings import Settings
from wire.version import VERSION

log = logging.getLogger(__name__)


async def serve(settings: Settings, warnings: Sequence[str] = (), supervised: Supervised | None = None) -> None:
    """Run a hub until SIGTERM or SIGINT, or its supervisor says so; admins see the `warnings` of the settings.

    Raises `SupersededError` when another has taken its database over.
    """
    stop, hurry = _signals(supervised)
    async with Hub(settings, warnings, supervised=supervised) as hub, tidied():
        log.info("listening", extra={"url": f"http://{settings.host}:{hub.port}", "version": VERSION})
        notify("READY=1")
        if hub.people.first_link and sys.stderr.isatty():  # a log would keep it
            print(f"the first admin of the dashboard is made here, once: {hub.people.first_link}", file=sys.stderr)
        if settings.demo:
            log.warning("demo mode: no API key is needed; for this machine only")
        await _either(stop.wait(), hub.superseded())
        notify("STOPPING=1")
        if stop.is_set():
            hub.departure = hub.how_to_leave(hurry)
        log.info("stopping")
    log.info("stopped")
    if not stop.is_set():
        raise SupersededError("another hub has taken the database over")


def _signals(supervised: Supervised | None) -> tuple[asyncio.Event, asyncio.Event]:
    """Set when the hub is to stop, and when at once: told a second time."""
    loop = asyncio.get_running_loop()
    if supervised is not None:
        loop.add_signal_handler(signal.SIGTERM, supervised.told_to_end)
        for name in (signal.SIGINT, signal.SIGHUP):  # a terminal's, to all: the supervisor says what follows
            signal.signal(name, signal.SIG_IGN)
        return supervised.told, supervised.hurry
    stop, hurry = asyncio.Event(), asyncio.Event()

    def told() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, told)
    return stop, hurry


async def _either(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when one of them has."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
