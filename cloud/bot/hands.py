"""What commands work with: the services of the floors below, as the entrance built them."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from cloud.alerts.service import Alerts
from cloud.alerts.standing import Standing
from cloud.bot.asks import Asks
from cloud.bot.command import Command
from cloud.bot.talk import Talk
from cloud.bot.texts import Texts
from cloud.bot.users import Users
from cloud.kiosks.enrolment import Enrolment
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Registry
from cloud.kiosks.tokens import Tokens
from cloud.kiosks.whereabouts import Whereabouts
from cloud.operations.facts import Facts
from cloud.operations.resolving import Resolving
from cloud.operations.service import Operations
from cloud.operations.store import Store
from cloud.updates.standings import Rollouts


class Hands(msgspec.Struct, frozen=True, kw_only=True):
    """Handed to every command and button. `health` is the report of `/health`, `clock` Unix seconds, `commands` the
    whole table, for /help; `public_url` is empty where it is not set. `talk` is for what may not be said where the
    command was: answers with a secret, asked for in a group."""

    registry: Registry
    tokens: Tokens
    enrolment: Enrolment
    links: Links
    where: Whereabouts
    operations: Operations
    store: Store
    resolving: Resolving
    alerts: Alerts
    updates: Rollouts
    standing: Standing
    asks: Asks
    users: Users
    health: Callable[[], dict[str, Any]]
    public_url: str
    clock: Callable[[], float]
    say: Texts
    facts: Facts
    talk: Talk
    commands: Sequence[Command] = ()
