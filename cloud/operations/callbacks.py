"""Tells backends the final states of their operations: signed HTTP callbacks out of the store, until they are taken.

Signed by Standard Webhooks. A callback keeps its `webhook-id` through all attempts, so that a backend can tell a
repetition. What answers 2xx is delivered, 410 ends it, everything else is tried again with backoff for as long as
`CALLBACK_FOR` says: by the clock and by the number of attempts, so that neither a clock that was set nor a hub that
was away ends it early. A callback is a row made in the transaction that stored the state. One that is under way is left
alone until its result is written; a receiver that does not answer holds up its own only.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import msgspec
from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

from cloud.backends.keys import ApiKeys
from cloud.db.tables import callbacks
from cloud.errors import StorageError
from cloud.metrics import Metrics
from cloud.operations.answers import record
from cloud.operations.bounded import BoundedTransport
from cloud.operations.store import Store
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

_LOOK_EVERY = 0.5
_AT_ONCE, _AT_ONCE_EACH = 100, 10  # under way, in all and for one API key
_ANSWER_MAX = 64 * 1024  # of what a receiver answers is read, so that its connection can be used again
_HEAD_MAX = 64 * 1024
_TIMEOUT = 15.0
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 3600.0


def pause(attempts: int) -> float:
    """Seconds to wait after this many attempts: 5, 10, 20 … up to an hour."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * float(1 << min(attempts - 1, 20)))


def is_over(attempts: int, began: float, now: float, keep_trying: float) -> bool:
    """Whether a callback made at `began` has been tried for long enough, at its `attempts`-th attempt; Unix seconds.

    The pauses of the attempts count as well as the wall clock, which may have been set meanwhile.
    """
    spent = sum(pause(number) for number in range(1, attempts + 1))
    return spent > keep_trying and not began <= now + pause(attempts) <= began + keep_trying


class Callbacks:
    """Delivers due callbacks, some at a time."""

    def __init__(
        self, *, engine: AsyncEngine, store: Store, keys: ApiKeys, metrics: Metrics, keep_trying: float, version: str
    ) -> None:
        self._engine = engine
        self._store = store
        self._keys = keys
        self._metrics = metrics
        self._keep_trying = keep_trying
        self._task: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()
        self._under_way: dict[str, str] = {}  # request id → API key
        self._results: list[tuple[Row[Any], dict[str, object]]] = []
        self._news = asyncio.Event()
        # Each has a connection of its own: an answer that a receiver, or a proxy before it, gives twice would be taken
        # for the next one's, and count that as delivered.
        limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT,
            trust_env=False,
            headers={"user-agent": f"kioskwire-hub/{version}", "connection": "close"},
            transport=BoundedTransport(_HEAD_MAX + _ANSWER_MAX, trust_env=False, limits=limits),
            # They know no ports: one receiver's would go to others at the same host.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.create_task(self._run(), name="callbacks")

    async def stop(self) -> None:
        """Stop; what is not delivered stands in the store."""
        if self._task:
            tasks = [self._task, *self._deliveries]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(SQLAlchemyError, OSError):
                await self._write_results()
        await self._client.aclose()

    async def _run(self) -> None:
        failing = False
        while True:
            self._news.clear()
            try:
                busy = await self._round()
                failing = False
            except (SQLAlchemyError, OSError) as error:
                if not failing:
                    log.error("callbacks wait for the database", extra={"error": str(error)[:200]})
                failing = True
                await asyncio.sleep(_LOOK_EVERY)
            else:
                if not busy:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_EVERY):  # wait_for could swallow a stop's cancellation
                            await self._news.wait()

    async def _round(self) -> bool:
        """Write what came of callbacks, begin those that are due; says whether there may be more."""
        await self._write_results()
        counts = Counter(self._under_way.values())
        room = _AT_ONCE - len(self._under_way)
        async with self._engine.connect() as connection:
            waiting = callbacks.c.next_at.is_not(None)
            count = (await connection.execute(select(func.count()).where(waiting))).scalar() or 0
            self._metrics.callbacks_waiting.set(count)
            if not count or room <= 0:
                return False
            now = time.time()
            due = select(callbacks).where(
                waiting,
                # No pause is longer: what is due later than that was dated by a clock that has been set back since.
                or_(callbacks.c.next_at <= now, callbacks.c.next_at > now + _LONGEST_PAUSE),
                callbacks.c.request_id.not_in(list(self._under_way)),
                callbacks.c.api_key_id.not_in([key for key, under_way in counts.items() if under_way >= _AT_ONCE_EACH]),
            )
            rows = list(await connection.execute(due.order_by(callbacks.c.next_at).limit(room)))
        for row in rows:
            if counts[row.api_key_id] < _AT_ONCE_EACH:
                counts[row.api_key_id] += 1
                self._under_way[row.request_id] = row.api_key_id
                task = asyncio.create_task(self._attempt(row), name="callback")
                self._deliveries.add(task)
                task.add_done_callback(self._deliveries.discard)
        return bool(rows)

    async def _write_results(self) -> None:
        if not self._results:
            return
        results = self._results[:]
        async with self._engine.begin() as connection:
            for row, change in results:
                statement = update(callbacks).where(callbacks.c.request_id == row.request_id)
                await connection.execute(statement.values(attempts=row.attempts + 1, **change))
            crash_point("hub.callbacks.result.before")
        crash_point("hub.callbacks.result.after")
        del self._results[: len(results)]
        for row, _ in results:
            del self._under_way[row.request_id]

    async def _attempt(self, row: Row[Any]) -> None:
        try:
            change = await self._deliver(row)
        except StorageError:  # not tried at all
            del self._under_way[row.request_id]
            return
        except Exception as error:
            log.exception("a callback failed", extra={"request_id": row.request_id})
            change = self._not_taken(row, type(error).__name__)
        self._results.append((row, change))
        self._news.set()

    async def _deliver(self, row: Row[Any]) -> dict[str, object]:
        """One attempt; returns what changes in its row."""
        key = self._keys.get(row.api_key_id)
        operation = await self._store.find(row.request_id)
        if key is None or not key.callback_url or operation is None:
            self._metrics.callbacks.labels("given_up").inc()
            return {"next_at": None, "last_error": "the API key or its callback address is gone"}
        now = datetime.now(UTC)
        message_id = f"op_{row.request_id}"
        body = msgspec.json.encode(
            {
                "type": f"operation.{operation.state}",
                "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "data": record(operation),
            }
        ).decode()
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(key.callback_secret).sign(message_id, now, body),
        }
        try:
            async with asyncio.timeout(_TIMEOUT):
                status = await self._post(key.callback_url, body, headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            problem = f"{type(error).__name__}: {error}"[:300]
        else:
            if httpx.codes.is_success(status):
                self._metrics.callbacks.labels("delivered").inc()
                return {"next_at": None, "delivered_at": time.time(), "last_error": None}
            problem = f"answered {status}"
            if status == httpx.codes.GONE:
                self._metrics.callbacks.labels("given_up").inc()
                return {"next_at": None, "last_error": problem}
        return self._not_taken(row, problem)

    async def _post(self, url: str, body: str, headers: dict[str, str]) -> int:
        """The status of the answer. No more of it is kept."""
        crash_point("hub.callbacks.post.before")
        async with self._client.stream("POST", url, content=body, headers=headers) as response:
            size = 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > _ANSWER_MAX:
                    break
        crash_point("hub.callbacks.post.after")
        return response.status_code

    def _not_taken(self, row: Row[Any], problem: str) -> dict[str, object]:
        """What changes in the row of a callback that is to be tried again, or has been for long enough."""
        wait = pause(row.attempts + 1)
        if is_over(row.attempts + 1, row.created_at, time.time(), self._keep_trying):
            log.error("callback given up", extra={"request_id": row.request_id, "error": problem})
            self._metrics.callbacks.labels("given_up").inc()
            return {"next_at": None, "last_error": problem}
        if row.attempts == 0:
            log.warning("callback not taken, trying again", extra={"request_id": row.request_id, "error": problem})
        self._metrics.callbacks.labels("failed").inc()
        return {"next_at": time.time() + wait, "last_error": problem}
