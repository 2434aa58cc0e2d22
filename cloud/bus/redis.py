"""How Redis does, for `/health` and alerts, where hubs share nothing but a lease in it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

from cloud.bus.connection import explain
from cloud.bus.dialling import Dialler
from cloud.cancelled import cancelled
from cloud.redis_address import Address, parse

RedisState = Literal["connected", "slow", "disabled", "unreachable"]

_EVERY = 5.0
_TIMEOUT = 2.0


class RedisSeen(Protocol):
    """What `/health` tells of Redis."""

    @property
    def state(self) -> RedisState:
        """In a word."""

    @property
    def trouble(self) -> str:
        """In a sentence what is wrong with it; empty while it is well."""

    @property
    def clock_trouble(self) -> str:
        """In a sentence what is wrong with this machine's clock, as Redis shows; empty: nothing, or it is not known."""

    def reasons(self) -> list[str]:
        """Both, and all else that is wrong between hubs."""


def open_client(address: Address, timeout: float) -> tuple[Any, Callable[[], Awaitable[None]]]:
    """A client of `redis.asyncio` for commands now and then, which each take `timeout` seconds at most, or raise; and
    what closes it.

    Raises `ImportError` where the client is not installed, OSError for files that cannot be used.
    """
    from redis.asyncio import Redis, RedisCluster, Sentinel  # noqa: PLC0415 - an extra: a small hub does without
    from redis.asyncio.cluster import ClusterNode  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    # Whoever asks tries again by itself, and is to know until then.
    more: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
    }
    if address.is_tls:
        address.context()  # what is wrong with its files is said now
        more |= {
            "ssl": True,
            "ssl_ca_certs": address.ca or None,
            "ssl_certfile": address.certificate or None,
            "ssl_keyfile": address.key or None,
            "ssl_cert_reqs": "required" if address.is_verified else "none",
            "ssl_check_hostname": address.is_verified and address.is_named,
        }
    login: dict[str, Any] = {"username": address.login.user or None, "password": address.login.password or None}
    if address.kind == "single":
        node = address.nodes[0]
        client: Any = Redis(host=node.host, port=node.port, db=address.database, **login, **more)
        return client, client.aclose
    if address.kind == "cluster":
        client = RedisCluster(startup_nodes=[ClusterNode(*node) for node in address.nodes], **login, **more)
        return client, client.aclose
    theirs = address.sentinel_login
    keys = {"username": theirs.user or None, "password": theirs.password or None, **more}
    make: Any = Sentinel  # has no types
    sentinel = make(list(address.nodes), sentinel_kwargs=keys, db=address.database, **login, **more)
    client = sentinel.master_for(address.master)

    async def close() -> None:
        await client.aclose()
        for one in sentinel.sentinels:
            await one.aclose()

    return client, close


class RedisWatch:
    """Asks Redis every few seconds. Without a URL it is `disabled`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.clock_trouble = ""  # it is not asked
        self.state: RedisState = "unreachable" if url else "disabled"
        self._why = "not connected yet"
        self._task: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str:
        """See `RedisSeen`."""
        return f"Redis is not reached: {self._why}" if self.state == "unreachable" else ""

    def reasons(self) -> list[str]:
        """See `RedisSeen`."""
        return [self.trouble] if self.trouble else []

    def start(self) -> None:
        """Begin to watch. Raises `ImportError` where a URL is set and the client is not installed, OSError when the
        client does not take the URL."""
        if self._url:
            import hiredis  # noqa: F401, PLC0415 - an extra: a small hub does without

            try:
                address = parse(self._url)
            except ValueError:
                raise OSError("REDIS_URL cannot be used") from None
            self._task = asyncio.create_task(self._run(Dialler(address, "kioskwire-watch")), name="redis")

    async def stop(self) -> None:
        """Stop watching."""
        if self._task:
            await cancelled(self._task)

    async def _run(self, dialler: Dialler) -> None:
        while True:
            try:
                async with asyncio.timeout(2 * _TIMEOUT):
                    connection = await dialler.connect(await dialler.find())
                try:
                    # As long as it stays well it is asked over one connection.
                    while True:
                        await connection.call("PING")
                        self.state = "connected"
                        await asyncio.sleep(_EVERY)
                finally:
                    connection.abort()
            except Exception as error:  # the network's, or Redis's own
                was, self.state = self.state, "unreachable"
                self._why = explain(error)
                dialler.failed()
                if was == "connected":
                    continue  # it may be another server's turn, or the same one's that was started anew
            await asyncio.sleep(_EVERY)
