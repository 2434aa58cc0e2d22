"""What the door hands its handlers."""

from collections.abc import Awaitable, Callable

import msgspec

from cloud.accounts.audit import Audit
from cloud.alerts.service import Alerts
from cloud.backends.keys import ApiKeys
from cloud.kiosks.enrolment import Enrolment
from cloud.kiosks.links import Links
from cloud.kiosks.presence import Presence
from cloud.kiosks.registry import Registry
from cloud.kiosks.tokens import Tokens
from cloud.kiosks.whereabouts import Whereabouts
from cloud.metrics import Metrics
from cloud.operations.news import News
from cloud.operations.resolving import Resolving
from cloud.operations.service import Operations
from cloud.operations.store import Store
from cloud.updates.downloads import Downloads
from cloud.updates.standings import Rollouts
from cloud.web.gate import Gate
from cloud.web.health import Health
from cloud.web.send import Send
from wire.environment import Secret

# The secret and the body that Telegram brought; gives the status to answer with.
Telegram = Callable[[str, bytes], Awaitable[int]]


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Built once by `cloud.app`."""

    registry: Registry
    tokens: Tokens
    enrolment: Enrolment
    keys: ApiKeys
    links: Links
    presence: Presence  # of kiosks at other hubs
    where: Whereabouts
    operations: Operations
    resolving: Resolving
    store: Store
    news: News
    metrics: Metrics
    health: Health
    alerts: Alerts
    gate: Gate
    send: Send
    downloads: Downloads
    rollouts: Rollouts
    admin_key: Secret
    open_to_all: bool  # demo mode: no API key needed
    audit: Audit
    # What `/metrics` answers, where it is more than this process's own.
    figures: Callable[[], Awaitable[bytes]] | None = None
    telegram: Telegram | None = None  # takes what Telegram delivers, where it is to be delivered here
