"""All of this room, as the entrance starts and stops it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.alerts.alert import Condition
from cloud.alerts.config import RulesFile
from cloud.alerts.facts import Facts
from cloud.alerts.memory import Memory
from cloud.alerts.outage import Outage
from cloud.alerts.presence import Presence
from cloud.alerts.service import EVERY, Alerts
from cloud.alerts.shared import SharedRows
from cloud.alerts.webhook import AlertsWebhook
from cloud.db.lease import Lease, SharedLease
from cloud.kiosks.history import History
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Registry
from cloud.kiosks.whereabouts import Whereabouts
from cloud.metrics import Metrics
from cloud.settings import Settings
from cloud.updates.standings import Rollouts
from cloud.zones import zone
from wire.version import VERSION

log = logging.getLogger(__name__)

_LEAVE_WITHIN = 2.0


class AlertsRoom:
    """`async with` starts it. `alerts` is for the doors and the ways of telling."""

    def __init__(
        self,
        settings: Settings,
        *,
        engine: AsyncEngine,
        registry: Registry,
        links: Links,
        rollouts: Rollouts,
        standing: Callable[[float], Awaitable[list[Condition]]],
        troubles: Callable[[], Mapping[str, str]],
        telegram: Callable[[], str],
        metrics: Metrics,
        every: float = EVERY,
        jobs: Lease | None = None,
        where: Whereabouts | None = None,
        history: History | None = None,
        is_heard: Callable[[str], bool] | None = None,
        hubs: Callable[[], Mapping[str, Mapping[str, str]]] | None = None,
        outage: Callable[[], str] | None = None,
    ) -> None:
        """Where hubs share a database the one that has the lease of `jobs` looks and tells; of kiosks that other hubs
        hold, or held, it knows by `where` and `history`, and of hubs by `is_heard` and `hubs`. `outage` is as
        `outage.Outage` has it."""
        self._links = links
        shared = jobs if isinstance(jobs, SharedLease) else None
        self._is_shared = shared is not None
        self._rules = RulesFile(settings.alerts_config, zone(settings.timezone))
        self._presence = Presence(engine, time.time())
        self._facts = Facts(
            engine=engine,
            registry=registry,
            links=links,
            rollouts=rollouts,
            presence=self._presence,
            standing=standing,
            troubles=troubles,
            telegram=telegram,
            rules=self._rules,
            where=where,
            history=None if shared is None else history,
            is_heard=None if shared is None else is_heard,
            hubs=None if shared is None else hubs,
        )
        metrics.unknown.set_function(lambda: self._facts.unknown)
        metrics.unsettled.set_function(lambda: self._facts.unsettled)
        self.alerts = Alerts(
            memory=Memory(engine, jobs, None if shared is None else shared.fence),
            look=self._facts.look,
            rules=lambda: self._rules.rules,
            is_kiosk=lambda kiosk_id: registry.get(kiosk_id) is not None,
            channels=channels(settings),
            metrics=metrics,
            every=every,
            jobs=jobs,
            shared=None if shared is None else SharedRows(engine),
            outage=None if shared is None or outage is None else Outage(outage),
        )
        self._webhook: AlertsWebhook | None = None
        if settings.alerts_webhook_url:
            self._webhook = AlertsWebhook(
                alerts=self.alerts,
                url=settings.alerts_webhook_url,
                secret=settings.alerts_webhook_secret,
                name_of=lambda kiosk_id: kiosk.name if (kiosk := registry.get(kiosk_id)) is not None else "",
                version=VERSION,
            )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "AlertsRoom":
        await asyncio.to_thread(self._rules.look)
        async with self._stack:
            self._facts.start()
            self._stack.push_async_callback(self._leave)
            self._stack.push_async_callback(self._facts.stop)
            await self._stack.enter_async_context(self.alerts)
            if self._webhook is not None:
                await self._stack.enter_async_context(self._webhook)
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def _leave(self) -> None:
        """Who is here now is seen no longer."""
        if self._is_shared:
            return
        try:
            async with asyncio.timeout(_LEAVE_WITHIN):
                await self._presence.leave(list(self._links.all()), time.time(), self._links.now())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("who was here is not noted", extra={"error": str(error)[:200]})


def channels(settings: Settings) -> Sequence[str]:
    """The ways of telling that are set up."""
    found = []
    if settings.telegram_bot_token:
        found.append("telegram")
    if settings.alerts_webhook_url:
        found.append("webhook")
    return found
