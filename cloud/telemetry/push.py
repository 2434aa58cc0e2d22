"""Takes this hub's figures every 15 s and pushes them, oldest first, until they are taken or too old.

What was not taken waits, ten minutes of it at most: then the oldest is dropped and counted. A receiver that is away or
busy (no answer, 408, 429, 5xx) gets the same again after a pause; what it refuses (any other answer) it would refuse
again, and that is dropped, and told once. Nobody waits for any of this: not the hub's start, and its end for two
seconds at most, in which the last figures are pushed.
"""

import asyncio
import base64
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Literal

import httpx
import msgspec

from cloud.cancelled import cancelled
from cloud.metrics import Metrics
from cloud.outgoing import BoundedTransport
from cloud.telemetry.message import HEADERS, encode
from cloud.telemetry.pause import Verdict, judge, pause
from cloud.telemetry.samples import gather
from wire.environment import Secret

log = logging.getLogger(__name__)

State = Literal["connecting", "connected", "unreachable", "refused"]

EVERY = 15.0  # seconds, unless said otherwise
_KEPT = 600.0  # seconds of figures that wait
_TIMEOUT = 15.0
_LAST_WITHIN = 2.0
_ANSWER_MAX = 64 * 1024
_SAID_MAX = 200  # letters of what a receiver says


class Answer(msgspec.Struct, frozen=True):
    """What a receiver answered; status 0: nothing, and `words` say why."""

    status: int
    words: str
    retry_after: str = ""


class Telemetry:
    """Pushes to one address. `async with` starts it and stops it."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        url: str,
        username: str,
        password: Secret,
        instance: str,
        version: str,
        every: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives Unix seconds; `every` so many seconds figures are taken."""
        self._metrics = metrics
        self._url = url
        self._instance = instance
        self._every = every = EVERY if every is None else every
        self._clock = clock
        self._waiting: deque[bytes] = deque()  # figures of one moment each, encoded
        self._failures = 0  # in a row
        self._waiting_max = max(1, round(_KEPT / every))
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.state: State = "connecting"
        self._hidden = [password.reveal(), base64.b64encode(f"{username}:{password.reveal()}".encode()).decode()]
        metrics.telemetry_waiting.set_function(lambda: len(self._waiting))
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT,
            trust_env=False,
            headers={**HEADERS, "user-agent": f"kioskwire-hub/{version}"},
            auth=httpx.BasicAuth(username, password.reveal()) if username else None,
            transport=BoundedTransport(_ANSWER_MAX, trust_env=False, limits=httpx.Limits(max_connections=1)),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def __aenter__(self) -> "Telemetry":
        self._tasks = [
            asyncio.create_task(self._take_often(), name="telemetry-take"),
            asyncio.create_task(self._push_all(), name="telemetry-push"),
        ]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await cancelled(*self._tasks)
        try:
            async with asyncio.timeout(_LAST_WITHIN):
                await self._leave()
        except TimeoutError:
            log.info("the last figures are not pushed: nobody takes them in time")
        except Exception:
            log.exception("pushing the last figures failed")
        with contextlib.suppress(httpx.HTTPError, OSError, TimeoutError):
            async with asyncio.timeout(0.5):
                await self._client.aclose()

    async def _leave(self) -> None:
        """Push what waits, and the last figures, each once."""
        await self._take()
        while self._waiting:
            if judge((await self._try(self._waiting[0])).status) is Verdict.AGAIN:
                return

    async def _take_often(self) -> None:
        while True:
            try:
                await self._take()
            except Exception:
                log.exception("taking figures to push failed")
            await asyncio.sleep(self._every)

    async def _take(self) -> None:
        at = self._clock()
        # Thousands of series take a tenth of a second, for which all kiosks would wait.
        body = await asyncio.to_thread(lambda: encode(gather(self._metrics.registry, self._instance), at))
        self._waiting.append(body)
        while len(self._waiting) > self._waiting_max:
            self._waiting.popleft()
            self._metrics.telemetry.labels("dropped").inc()
        self._news.set()

    async def _push_all(self) -> None:
        while True:
            self._news.clear()
            wait = 0.0
            try:
                if self._waiting:
                    wait = await self._push(self._waiting[0])
                else:
                    async with asyncio.timeout(self._every * 2):
                        await self._news.wait()
            except TimeoutError:
                continue
            except Exception:
                log.exception("pushing figures failed")
                wait = self._every
            await asyncio.sleep(wait)

    async def _push(self, figures: bytes) -> float:
        """One attempt; returns the seconds to wait after it."""
        answer = await self._try(figures)
        if judge(answer.status) is not Verdict.AGAIN:
            self._failures = 0
            return 0.0
        self._failures += 1
        return pause(self._failures, answer.retry_after, self._clock())

    async def _try(self, figures: bytes) -> Answer:
        """Send it, note what came of it, and forget it unless it is to be sent again."""
        answer = await self._post(figures)
        verdict = judge(answer.status)
        if verdict is Verdict.AGAIN:
            self._metrics.telemetry.labels("failed").inc()
            self._stand("unreachable", answer)
            return answer
        # While it was on its way it may have become too old and been dropped.
        if self._waiting and self._waiting[0] is figures:
            self._waiting.popleft()
        self._metrics.telemetry.labels("pushed" if verdict is Verdict.TAKEN else "refused").inc()
        self._stand("connected" if verdict is Verdict.TAKEN else "refused", answer)
        return answer

    def _stand(self, state: State, answer: Answer) -> None:
        """Tell of each change once."""
        was, self.state = self.state, state
        self._metrics.telemetry_failing.set(float(state != "connected"))
        if was == state:
            return
        extra = {"status": answer.status or None, "said": answer.words}
        if state == "unreachable":
            log.warning("figures are not taken at GRAFANA_PROMETHEUS_URL, trying again", extra=extra)
        elif state == "refused":
            log.error("figures are refused at GRAFANA_PROMETHEUS_URL and dropped", extra=extra)
        elif was != "connecting":
            log.info("figures are taken at GRAFANA_PROMETHEUS_URL again")

    async def _post(self, body: bytes) -> Answer:
        try:
            async with (
                asyncio.timeout(_TIMEOUT),
                self._client.stream("POST", self._url, content=body) as response,
            ):
                words = await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            return Answer(0, self._scrubbed(f"{type(error).__name__}: {error}"))
        retry_after = response.headers.get("retry-after", "")
        return Answer(response.status_code, self._scrubbed(words), retry_after)

    def _scrubbed(self, text: str) -> str:
        """For the log: a receiver may tell what it was told."""
        for hidden in self._hidden:
            text = text.replace(hidden, "…") if hidden else text
        return "".join(letter if letter.isprintable() else " " for letter in text)[:_SAID_MAX].strip()


async def _read(response: httpx.Response) -> str:
    """So much of an answer as is needed to see its end; the beginning of it as text."""
    said, size = b"", 0
    async for chunk in response.aiter_raw():
        said = said + chunk if len(said) < _ANSWER_MAX else said
        size += len(chunk)
        if size > _ANSWER_MAX:
            break
    return said[:_ANSWER_MAX].decode("utf-8", "replace")
