"""What the door hands its handlers."""

import msgspec

from cloud.backends.keys import ApiKeys
from cloud.kiosks.enrolment import Enrolment
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Registry
from cloud.kiosks.tokens import Tokens
from cloud.metrics import Metrics
from cloud.operations.news import News
from cloud.operations.service import Operations
from cloud.operations.store import Store
from cloud.updates.downloads import Downloads
from cloud.updates.standings import Rollouts
from cloud.web.gate import Gate
from cloud.web.health import Health
from cloud.web.send import Send
from wire.environment import Secret


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Built once by `cloud.app`."""

    registry: Registry
    tokens: Tokens
    enrolment: Enrolment
    keys: ApiKeys
    links: Links
    operations: Operations
    store: Store
    news: News
    metrics: Metrics
    health: Health
    gate: Gate
    send: Send
    downloads: Downloads
    rollouts: Rollouts
    admin_key: Secret
    open_to_all: bool  # demo mode: no API key needed
