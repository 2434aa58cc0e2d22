"""Updates delivered to the bot's own address, repeated with growing pauses until it takes them.

Updates of one chat go one after the other; those of different chats at the same time, up to max_connections.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from cloud.cancelled import cancelled
from cloud.emulator.updates import Updates, Waiting

Json = dict[str, Any]

CONNECTIONS = 40
_TIMEOUT = 10.0
_LONGEST = 60.0


class Webhook:
    """The delivery. `pause` is the first pause after a failure, in seconds; it doubles up to a minute."""

    def __init__(self, updates: Updates, *, pause: float = 1.0, clock: Callable[[], float] = time.time) -> None:
        self.url = ""
        self._secret = ""
        self._connections = CONNECTIONS
        self._updates = updates
        self._pause = pause
        self._clock = clock
        self._error: Json = {}
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        updates.watch(self._news.set)

    def set(self, url: str, secret: str = "", connections: int = CONNECTIONS) -> None:
        """Deliver to `url` from now on; an empty one ends it."""
        self.stop()
        self.url, self._secret, self._connections, self._error = url, secret, connections, {}
        if url:
            self._task = asyncio.create_task(self._deliver(), name="webhook")

    def stop(self) -> None:
        """End the delivery."""
        if self._task is not None:
            self._task.cancel()
            self._ending.add(self._task)
            self._task.add_done_callback(self._ending.discard)
            self._task = None

    async def end(self) -> None:
        """End it, as when the program ends: nothing of it is left."""
        self.stop()
        await cancelled(*self._ending)

    def info(self) -> Json:
        """As the Bot API's WebhookInfo."""
        info: Json = {
            "url": self.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._updates.waiting()),
        }
        if self.url:
            info |= {"max_connections": self._connections, "ip_address": "127.0.0.1", **self._error}
        if self._updates.wanted:
            info["allowed_updates"] = self._updates.wanted
        return info

    async def _deliver(self) -> None:
        headers = {"Content-Type": "application/json"}
        if self._secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = self._secret
        queues: dict[int, asyncio.Task[None]] = {}
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client, asyncio.TaskGroup() as group:
            while True:
                self._news.clear()
                queues = {queue: task for queue, task in queues.items() if not task.done()}
                for waiting in self._updates.waiting():
                    if waiting.queue not in queues and len(queues) < self._connections:
                        queues[waiting.queue] = group.create_task(self._empty(client, headers, waiting.queue))
                await self._news.wait()

    async def _empty(self, client: httpx.AsyncClient, headers: dict[str, str], queue: int) -> None:
        """Deliver what waits in one queue."""
        pause = self._pause
        while (waiting := self._first(queue)) is not None:
            why = await self._post(client, headers, waiting)
            if why:
                self._error = {"last_error_date": int(self._clock()), "last_error_message": why}
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST)
            else:
                self._updates.done(waiting.number)
                pause = self._pause
        self._news.set()

    def _first(self, queue: int) -> Waiting | None:
        return next((waiting for waiting in self._updates.waiting() if waiting.queue == queue), None)

    async def _post(self, client: httpx.AsyncClient, headers: dict[str, str], waiting: Waiting) -> str:
        """Deliver one; returns why it was not taken, empty if it was."""
        try:
            answer = await client.post(self.url, content=msgspec.json.encode(waiting.update), headers=headers)
        except httpx.TimeoutException:
            return "Read timeout expired"
        except httpx.ConnectError:
            return "Connection refused"
        except httpx.HTTPError:
            return "Connection closed"
        if answer.is_success:
            return ""
        return f"Wrong response from the webhook: {answer.status_code} {answer.reason_phrase}"
