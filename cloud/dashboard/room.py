"""All of this room, as the entrance starts and stops it. The door that serves its pages is opened by `cloud.app`."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.accounts.room import AccountsRoom
from cloud.alerts.past import PastAlerts
from cloud.alerts.service import Alerts
from cloud.backends.keys import ApiKeys
from cloud.dashboard.glance import Glances, fleet
from cloud.dashboard.rooms import Rooms
from cloud.db.lease import Lease
from cloud.kiosks.enrolment import Enrolment
from cloud.kiosks.history import History
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Registry
from cloud.kiosks.tokens import Tokens
from cloud.kiosks.whereabouts import Whereabouts
from cloud.operations.callbacks import Callbacks
from cloud.operations.deliveries import Deliveries
from cloud.operations.facts import Facts
from cloud.operations.feed import Feed
from cloud.operations.resolving import Resolving
from cloud.operations.search import Search
from cloud.operations.service import Operations
from cloud.operations.store import Store
from cloud.operations.tally import Tally
from cloud.settings import Settings
from cloud.updates.standings import Rollouts


class Dashboard:
    """`async with` starts it: from there on operations are counted for its charts. `rooms` is what pages call.

    Args:
        people: accounts and their sessions, started already.
        health: what `/health` says, without its status.
        warnings: of the settings, for admins.
        jobs: the lease of who counts for the charts, where hubs share a database.
        where: of kiosks at all hubs.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        engine: AsyncEngine,
        people: AccountsRoom,
        registry: Registry,
        tokens: Tokens,
        enrolment: Enrolment,
        keys: ApiKeys,
        links: Links,
        history: History,
        operations: Operations,
        resolving: Resolving,
        store: Store,
        callbacks: Callbacks,
        feed: Feed,
        alerts: Alerts,
        rollouts: Rollouts,
        health: Callable[[], Mapping[str, Any]],
        warnings: Sequence[str] = (),
        jobs: Lease | None = None,
        where: Whereabouts | None = None,
    ) -> None:
        facts = Facts(engine)
        where = where or Whereabouts(links)
        stands = partial(fleet, registry, where, alerts)
        self._tally = Tally(engine, fleet=stands, refused=lambda: feed.refusals, jobs=jobs)
        glances = Glances(
            engine,
            registry=registry,
            where=where,
            alerts=alerts,
            history=history,
            facts=facts,
            tally=self._tally,
            health=health,
            keys=lambda: len(keys),
        )
        self.rooms = Rooms(
            settings=settings,
            accounts=people.accounts,
            sign_in=people.sign_in,
            own=people.own,
            audit=people.audit,
            greeted=people.forget_greeting,
            registry=registry,
            tokens=tokens,
            enrolment=enrolment,
            keys=keys,
            links=links,
            where=where,
            operations=operations,
            resolving=resolving,
            store=store,
            alerts=alerts,
            rollouts=rollouts,
            history=history,
            facts=facts,
            tally=self._tally,
            glances=glances,
            past_alerts=PastAlerts(engine),
            search=Search(engine),
            callbacks=callbacks,
            deliveries=Deliveries(engine),
            engine=engine,
            warnings=tuple(warnings),
        )

    async def __aenter__(self) -> "Dashboard":
        self._tally.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tally.stop()
