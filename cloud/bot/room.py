"""All of this room, as the entrance starts and stops it. Nothing that Telegram does can keep a hub from starting."""

import hashlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.accounts.audit import Audit
from cloud.alerts.service import Alerts
from cloud.alerts.standing import Standing
from cloud.bot import commands
from cloud.bot.asks import Asks
from cloud.bot.doing import Doing
from cloud.bot.hands import Hands
from cloud.bot.incoming import Incoming
from cloud.bot.line import Line, Me
from cloud.bot.menu import Menu
from cloud.bot.notices import Notices
from cloud.bot.oplog.log import OpLog
from cloud.bot.polling import Polling
from cloud.bot.reply import Target
from cloud.bot.texts import Texts
from cloud.bot.users import Users
from cloud.bus.lease import Lease as RedisLease
from cloud.db.lease import Lease, SharedLease
from cloud.kiosks.enrolment import Enrolment
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Registry
from cloud.kiosks.tokens import Tokens
from cloud.kiosks.whereabouts import Whereabouts
from cloud.metrics import Metrics
from cloud.operations.facts import Facts
from cloud.operations.feed import Feed
from cloud.operations.resolving import Resolving
from cloud.operations.service import Operations
from cloud.operations.store import Store
from cloud.settings import Settings, admin_ids, signing_secret
from cloud.updates.standings import Rollouts
from cloud.zones import zone

log = logging.getLogger(__name__)


class Bot:
    """The bot of one hub. `async with` starts it, within `line_and_log`; `state` is for `/health`, `webhook` for the
    door."""

    def __init__(
        self,
        settings: Settings,
        *,
        engine: AsyncEngine,
        metrics: Metrics,
        feed: Feed,
        registry: Registry,
        tokens: Tokens,
        enrolment: Enrolment,
        links: Links,
        where: Whereabouts,
        operations: Operations,
        store: Store,
        resolving: Resolving,
        alerts: Alerts,
        rollouts: Rollouts,
        standing: Standing,
        health: Callable[[], dict[str, Any]],
        audit: Audit,
        life: str | None = None,
        hubs: Callable[[], int] = lambda: 1,
    ) -> None:
        """`life` is this hub's, where others share its database; `hubs` how many live."""
        s, self._settings = settings, settings
        self._feed, self._alerts, self._registry = feed, alerts, registry
        self._hubs = hubs
        self._say = Texts(zone(s.timezone))
        self._asks = Asks(engine)
        self._users = Users(engine, admins=admin_ids(s), language=s.telegram_language)
        token = s.telegram_bot_token
        self._line = Line(token=token, api_url=s.telegram_api_url, proxy=s.telegram_proxy_url, metrics=metrics)
        hands = Hands(
            registry=registry,
            tokens=tokens,
            enrolment=enrolment,
            links=links,
            where=where,
            operations=operations,
            store=store,
            resolving=resolving,
            alerts=alerts,
            updates=rollouts,
            standing=standing,
            asks=self._asks,
            users=self._users,
            health=health,
            public_url=s.public_url,
            clock=time.time,
            say=self._say,
            facts=Facts(engine),
            talk=self._line,
            commands=commands.COMMANDS,
        )
        self._menu = Menu(line=self._line, users=self._users, say=self._say, commands=commands.COMMANDS)
        self._users.changed = self._menu.changed
        doing = Doing(
            hands=hands,
            talk=self._line,
            commands=commands.COMMANDS,
            presses=commands.PRESSES,
            replies=commands.REPLIES,
            moved=self._line.moved,
            audit=audit,
        )
        doing.spoken = self._menu.spoken
        self._incoming = Incoming(engine, doing, is_admin=self._users.is_admin, metrics=metrics)
        self._secret = webhook_secret(signing_secret(s))
        # The name says which bot it is about; who knows its token can do more than that already.
        bot_id = token.reveal().partition(":")[0]
        self._lease: Lease = (
            SharedLease(engine, f"bot:{bot_id}", life)
            if life is not None
            else RedisLease(s.redis_url, f"kioskwire:bot:{bot_id}")
        )
        self._polling = Polling(
            line=self._line,
            lease=self._lease,
            incoming=self._incoming,
            metrics=metrics,
            webhook=(s.telegram_webhook_url, self._secret) if s.telegram_webhook_url else None,
            introduced=self._introduced,
        )
        self._stack = AsyncExitStack()

    @property
    def state(self) -> str:
        """As `/health` tells it."""
        return self._polling.state

    @property
    def webhook(self) -> Callable[[str, bytes], Awaitable[int]] | None:
        """What the door hands Telegram's deliveries to: the secret brought, and the body; gives the status to answer.
        None where none is set."""
        return self._delivered if self._settings.telegram_webhook_url else None

    async def __aenter__(self) -> "Bot":
        if not self._users.admins:
            log.warning("TELEGRAM_ADMIN_IDS is empty: the bot obeys nobody")
        async with self._stack:
            await self._start(self._stack)
            self._stack = self._stack.pop_all()
        return self

    async def _start(self, stack: AsyncExitStack) -> None:
        s = self._settings
        stack.push_async_callback(self._menu.stop)
        stack.push_async_callback(self._incoming.stop)
        stack.push_async_callback(self._lease.stop)  # before what is under way ends: the other hub need not wait
        stack.push_async_callback(self._polling.stop)
        self._lease.start()
        self._incoming.is_working = self._lease.is_held
        self._incoming.start()
        self._polling.start()
        await stack.enter_async_context(
            Notices(
                alerts=self._alerts,
                talk=self._line,
                registry=self._registry,
                users=self._users,
                asks=self._asks,
                say=self._say,
                chat=target(s.telegram_alert_chat_id, s.telegram_alert_topic_id),
            )
        )

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def line_and_log(self) -> AsyncIterator[None]:
        """The line to Telegram and the operation log on it: around the rest, as operations end while a hub stops."""
        s = self._settings
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._line.close)
            if log_chat := target(s.telegram_log_chat_id, s.telegram_log_topic_id):
                await stack.enter_async_context(
                    OpLog(
                        feed=self._feed,
                        talk=self._line,
                        target=log_chat,
                        rate=s.telegram_log_rate,
                        say=self._say,
                        language=s.telegram_language,
                        hubs=self._hubs,
                    )
                )
            yield

    async def _introduced(self, _me: Me) -> None:
        await self._menu.set_all()

    async def _delivered(self, secret: str, body: bytes) -> int:
        if not hmac.compare_digest(secret.encode(), self._secret.encode()):
            return HTTPStatus.FORBIDDEN
        if not self._polling.is_ready:  # Telegram tells it again, perhaps to the hub that has the lease
            return HTTPStatus.SERVICE_UNAVAILABLE
        await self._incoming.take([body])
        return HTTPStatus.OK


def webhook_secret(signing: str) -> str:
    """What Telegram brings with each delivery; of the characters that it takes."""
    return hmac.new(signing.encode(), b"telegram webhook", hashlib.sha256).hexdigest()


def target(chat: str, topic_id: int) -> Target | None:
    """A chat of the settings; None where it is not set."""
    if not chat:
        return None
    return Target(chat if chat.startswith("@") else int(chat), topic_id)
