"""What the pages call."""

from collections.abc import Awaitable, Callable

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.accounts.accounts import Accounts
from cloud.accounts.audit import Audit
from cloud.accounts.own import Own
from cloud.accounts.sign_in import SignIn
from cloud.alerts.past import PastAlerts
from cloud.alerts.service import Alerts
from cloud.backends.keys import ApiKeys
from cloud.dashboard.glance import Glances
from cloud.kiosks.enrolment import Enrolment
from cloud.kiosks.history import History
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Registry
from cloud.kiosks.tokens import Tokens
from cloud.kiosks.whereabouts import Whereabouts
from cloud.operations.callbacks import Callbacks
from cloud.operations.deliveries import Deliveries
from cloud.operations.facts import Facts
from cloud.operations.resolving import Resolving
from cloud.operations.search import Search
from cloud.operations.service import Operations
from cloud.operations.store import Store
from cloud.operations.tally import Tally
from cloud.settings import Settings
from cloud.updates.standings import Rollouts


class Rooms(msgspec.Struct, frozen=True, kw_only=True):
    """Built once by `cloud.app`."""

    settings: Settings
    accounts: Accounts
    sign_in: SignIn
    own: Own
    greeted: Callable[[], Awaitable[None]]  # the first admin is made
    audit: Audit
    registry: Registry
    tokens: Tokens
    enrolment: Enrolment
    keys: ApiKeys
    links: Links
    where: Whereabouts
    operations: Operations
    resolving: Resolving
    store: Store
    alerts: Alerts
    rollouts: Rollouts
    history: History
    facts: Facts
    tally: Tally
    glances: Glances
    past_alerts: PastAlerts
    search: Search
    callbacks: Callbacks
    deliveries: Deliveries
    engine: AsyncEngine
    warnings: tuple[str, ...]  # of the settings
