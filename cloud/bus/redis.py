"""Watches the Redis named by `REDIS_URL`, for `/health`. Nothing depends on it yet."""

import asyncio
from typing import Literal

RedisState = Literal["connected", "disabled", "unreachable"]

_EVERY = 5.0
_TIMEOUT = 2.0


class RedisWatch:
    """Pings Redis every few seconds. Without a URL it is `disabled`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.state: RedisState = "unreachable" if url else "disabled"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch. Raises `ImportError` where a URL is set and the client is not installed, OSError when the
        client does not take the URL."""
        if self._url:
            from redis.asyncio import Redis  # noqa: PLC0415 - an extra: a small hub does without

            try:
                client = Redis.from_url(self._url, socket_timeout=_TIMEOUT)
            except (ValueError, TypeError):
                raise OSError("REDIS_URL cannot be used") from None  # its words quote parts of the URL
            self._task = asyncio.create_task(self._run(client), name="redis")

    async def stop(self) -> None:
        """Stop watching."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, client: "Redis") -> None:  # type: ignore[name-defined]  # noqa: F821
        try:
            while True:
                try:
                    async with asyncio.timeout(_TIMEOUT):
                        await client.ping()
                    self.state = "connected"
                except Exception:
                    self.state = "unreachable"
                await asyncio.sleep(_EVERY)
        finally:
            await client.aclose()
