"""Tells backends the final states of their operations: signed HTTP callbacks out of the store, until they are taken.

Signed by Standard Webhooks. A callback keeps its `webhook-id` through all attempts, so that a backend can tell a
repetition. What answers 2xx is delivered, 410 ends it, everything else is tried again with backoff for as long as
`CALLBACK_FOR` says: by the clock and by the number of attempts, so that neither a clock that was set nor a hub that
was away ends it early. A callback is a row made in the transaction that stored the state. One that is under way is left
alone until its result is written; a receiver that does not answer holds up its own only.

A person may have callbacks sent again (`redeliver`): they are tried anew as if just made, under the same `webhook-id`.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import msgspec
from sqlalchemy import Row, and_, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

from cloud.backends.keys import ApiKeys
from cloud.cancelled import cancelled
from cloud.db.tables import callbacks
from cloud.errors import Refused, StorageError
from cloud.metrics import Metrics
from cloud.operations.answers import record
from cloud.operations.callback_rows import CallbackRows, Result
from cloud.operations.resolutions import Resolutions
from cloud.operations.store import Store
from cloud.outgoing import BoundedTransport
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

_LOOK_EVERY = 0.5
_AT_ONCE, _AT_ONCE_EACH = 100, 10  # under way, in all and for one API key
_ANSWER_MAX = 64 * 1024  # of what a receiver answers is read, so that its connection can be used again
_HEAD_MAX = 64 * 1024
_TIMEOUT = 15.0
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 3600.0
_ANEW_AT_ONCE = 500  # rows in one transaction: who stores outcomes waits for no more


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
        self,
        *,
        engine: AsyncEngine,
        store: Store,
        resolutions: Resolutions,
        keys: ApiKeys,
        metrics: Metrics,
        keep_trying: float,
        version: str,
        life: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`life` is this hub's where others share the database; `clock` gives Unix seconds, the same to all of them."""
        self._rows = CallbackRows(engine, life)
        self._clock = clock
        self._resolutions = resolutions
        self._store = store
        self._keys = keys
        self._metrics = metrics
        self._keep_trying = keep_trying
        self._task: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()
        self._under_way: dict[str, str] = {}  # request id → API key
        self._results: list[Result] = []
        self._news = asyncio.Event()
        # A row must not be changed by a person between its being read and its being known as under way.
        self._choosing = asyncio.Lock()
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
            await cancelled(*tasks)
            with contextlib.suppress(SQLAlchemyError, OSError):
                await self._write_results()
                await self._rows.release(self._under_way)
        await self._client.aclose()

    async def redeliver(self, request_id: str) -> None:
        """Send one again, be it that it was delivered. Raises `Refused`, or what the database does.

        One that is under way is left alone: its result comes within seconds, and may be that it is taken.
        """
        async with self._choosing:
            row = await self._rows.find(request_id)
            if row is None:
                raise Refused("not-found", f"there is no callback of {request_id}", fact="no-callback")
            self._check_address(row.api_key_id)
            anew = request_id not in self._under_way
            if not anew or not await self._rows.begin_anew(callbacks.c.request_id == request_id, self._clock()):
                raise Refused("conflict", "it is being delivered just now", fact="under-way")
        self._news.set()

    async def redeliver_all(self, key_id: str, limit: int = 100_000) -> int:
        """Send those of one API key again that were given up or not taken so far; returns how many, `limit` at most.

        Raises `Refused` (conflict), SQLAlchemyError, OSError; then some may have begun anew.
        """
        self._check_address(key_id)
        c, count, began = callbacks.c, 0, self._clock()
        while count < limit:
            async with self._choosing:  # not for longer than some rows take
                failed = select(c.request_id).where(
                    c.api_key_id == key_id,
                    c.delivered_at.is_(None),
                    self._rows.is_free,
                    or_(c.next_at.is_(None), and_(c.attempts > 0, c.created_at < began)),
                    c.request_id.not_in([one for one, key in self._under_way.items() if key == key_id]),
                )
                chosen = c.request_id.in_(failed.limit(_ANEW_AT_ONCE))
                some = await self._rows.begin_anew(chosen, self._clock())
            count += some
            self._news.set()
            if some < _ANEW_AT_ONCE:
                break
        return count

    def under_way(self, request_id: str) -> bool:
        """Whether it is being delivered just now."""
        return request_id in self._under_way

    def _check_address(self, key_id: str) -> None:
        key = self._keys.get(key_id)
        if key is None or not key.callback_url:
            detail = "its API key is revoked, or has no address for callbacks; set one first"
            raise Refused("conflict", detail, fact="no-address")

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
        async with self._choosing:
            return await self._begin_due()

    async def _begin_due(self) -> bool:
        room = _AT_ONCE - len(self._under_way)
        count, rows = await self._rows.due(self._clock(), _LONGEST_PAUSE, self._under_way, room, _AT_ONCE_EACH)
        self._metrics.callbacks_waiting.set(count)
        for row in rows:
            self._under_way[row.request_id] = row.api_key_id
            task = asyncio.create_task(self._attempt(row), name="callback")
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)
        return bool(rows)

    async def _write_results(self) -> None:
        if not self._results:
            return
        results = self._results[:]
        await self._rows.write(results)
        del self._results[: len(results)]
        for row, _ in results:
            del self._under_way[row.request_id]

    async def _attempt(self, row: Row[Any]) -> None:
        try:
            change = await self._deliver(row)
        except StorageError:  # not tried at all
            with contextlib.suppress(SQLAlchemyError, OSError):
                await self._rows.release([row.request_id])
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
        resolution = (await self._resolutions.of_all([operation])).get(row.request_id)
        now = datetime.now(UTC)
        message_id = f"op_{row.request_id}"
        body = msgspec.json.encode(
            {
                "type": f"operation.{operation.state}",
                "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "data": record(operation, resolution),
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
                return {"next_at": None, "delivered_at": self._clock(), "last_error": None}
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
        if is_over(row.attempts + 1, row.created_at, self._clock(), self._keep_trying):
            log.error("callback given up", extra={"request_id": row.request_id, "error": problem})
            self._metrics.callbacks.labels("given_up").inc()
            return {"next_at": None, "last_error": problem}
        if row.attempts == 0:
            log.warning("callback not taken, trying again", extra={"request_id": row.request_id, "error": problem})
        self._metrics.callbacks.labels("failed").inc()
        return {"next_at": self._clock() + wait, "last_error": problem}
