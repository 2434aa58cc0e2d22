"""The same notices to ALERTS_WEBHOOK_URL, signed by Standard Webhooks: for who has no Telegram, or besides.

What answers 2xx is told; 410 gives this one up; everything else, redirects included, is tried again, at most five
minutes apart, with the same body and the same `webhook-id`. Nothing is kept here but the bodies of what is owed just
now: `Alerts` says what that is, also after an outage or a restart. A notice that one receiver never takes holds up no
other.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from standardwebhooks import Webhook

from cloud.alerts.alert import Alert, Notice, What
from cloud.alerts.service import Alerts
from cloud.alerts.words import say_notice
from cloud.cancelled import cancelled
from cloud.outgoing import BoundedTransport
from wire.environment import Secret

log = logging.getLogger(__name__)

CHANNEL = "webhook"
LISTED_MAX = 500  # alerts in one message; of the rest it says how many they are
_ASK_FOR = 30.0  # seconds that a look for news lasts
_LOOK_EVERY = 5.0  # while something waits to be tried again
_TIMEOUT = 15.0
_ANSWER_MAX = 64 * 1024  # of what a receiver answers is read
_HEAD_MAX = 64 * 1024
_LONGEST_PAUSE = 300.0

Key = tuple[What, str, tuple[int, ...]]


class _Owed(msgspec.Struct, kw_only=True):
    """A message that is to be told. `due` is monotonic."""

    message_id: str
    body: str
    attempts: int = 0
    due: float = 0.0


class AlertsWebhook:
    """Posts notices to one address. `async with` starts it."""

    def __init__(
        self,
        *,
        alerts: Alerts,
        url: str,
        secret: Secret,
        name_of: Callable[[str], str],
        version: str,
        pause: float = 5.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name_of` gives a kiosk's name, or ""; `pause` is the first one, in seconds."""
        self._alerts = alerts
        self._url = url
        self._webhook = Webhook(secret.reveal())
        self._name_of = name_of
        self._pause = pause
        self._clock = clock
        self._monotonic = monotonic
        self._owed: dict[Key, _Owed] = {}
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None
        # Each message has a connection of its own, as callbacks have: an answer given twice is not the next one's.
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT,
            trust_env=False,
            headers={"user-agent": f"kioskwire-hub/{version}", "connection": "close"},
            transport=BoundedTransport(
                _HEAD_MAX + _ANSWER_MAX, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
            ),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def __aenter__(self) -> "AlertsWebhook":
        self._task = asyncio.create_task(self._run(), name="alerts-webhook")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            await cancelled(self._task)
        await self._client.aclose()

    async def _run(self) -> None:
        while True:
            try:
                await self._round(await self._alerts.next(CHANNEL, _ASK_FOR))
                waits = [owed.due - self._monotonic() for owed in self._owed.values()]
            except Exception:
                log.exception("telling of alerts by webhook failed")
                waits = [_LOOK_EVERY]
            if waits:
                await asyncio.sleep(max(0.0, min(*waits, _LOOK_EVERY)))

    async def _round(self, notices: Sequence[Notice]) -> None:
        """Try all that is due, each once."""
        by_key = {_key(notice): notice for notice in notices}
        self._owed = {key: owed for key, owed in self._owed.items() if key in by_key}
        told = []
        try:
            for key, notice in by_key.items():
                owed = self._owed.setdefault(key, _Owed(message_id="", body=""))
                if not owed.body:
                    owed.message_id, owed.body = _message_id(notice), body_of(notice, self._name_of)
                if owed.due > self._monotonic():
                    continue
                if not self._alerts.tells:  # another hub does, by now
                    return
                status, problem = await self._post(owed)
                if httpx.codes.is_success(status) or status == httpx.codes.GONE:
                    told.append(notice)
                    del self._owed[key]
                self._note(owed, status, problem)
                if not status:  # nobody is there: no use in trying the others now
                    return
        finally:
            if told:
                await self._alerts.told(CHANNEL, told)

    def _note(self, owed: _Owed, status: int, problem: str) -> None:
        """What came of one attempt."""
        if httpx.codes.is_success(status):
            if self._is_failing:
                log.info("alerts are taken at ALERTS_WEBHOOK_URL again")
            self._is_failing = False
            return
        if status == httpx.codes.GONE:
            log.error("a notice of alerts is given up: answered 410", extra={"webhook_id": owed.message_id})
            return
        owed.attempts += 1
        owed.due = self._monotonic() + pause(self._pause, owed.attempts)
        if not self._is_failing:
            log.warning(
                "alerts are not taken at ALERTS_WEBHOOK_URL, trying again",
                extra={"webhook_id": owed.message_id, "error": problem},
            )
        self._is_failing = True

    async def _post(self, owed: _Owed) -> tuple[int, str]:
        """One attempt: the status, 0 where there was none, and what is wrong."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": owed.message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(owed.message_id, now, owed.body),
        }
        try:
            async with asyncio.timeout(_TIMEOUT):
                async with self._client.stream("POST", self._url, content=owed.body, headers=headers) as response:
                    await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            return 0, self._scrubbed(f"{type(error).__name__}: {error}")
        return response.status_code, f"answered {response.status_code}"

    def _scrubbed(self, text: str) -> str:
        """A text for the log: the address may hold a password."""
        for secret in (self._url, urlsplit(self._url).netloc, urlsplit(self._url).password, urlsplit(self._url).query):
            text = text.replace(secret, "…") if secret else text
        return text[:300]


def body_of(notice: Notice, name_of: Callable[[str], str]) -> str:
    """What is posted, as JSON; `name_of` gives a kiosk's name, or ""."""
    data: dict[str, Any] = {
        "kind": notice.kind,
        "severity": notice.severity,
        "text": say_notice(notice),
        "alerts": [_shown(alert, name_of) for alert in notice.alerts[:LISTED_MAX]],
    }
    if len(notice.alerts) > LISTED_MAX:
        data["more"] = len(notice.alerts) - LISTED_MAX
    told = {"type": f"alert.{notice.what}", "timestamp": _when(notice.at), "data": data}
    return msgspec.json.encode(told).decode()


def _shown(alert: Alert, name_of: Callable[[str], str]) -> dict[str, Any]:
    name = name_of(alert.kiosk_id) if alert.kiosk_id else ""
    return {
        "number": alert.number,
        "kind": alert.kind,
        "severity": alert.severity,
        "kiosk_id": alert.kiosk_id or None,
        **({"kiosk_name": name} if name else {}),
        "subject": alert.subject,
        "since": _when(alert.since),
        "raised_at": _when(alert.raised_at),
        "cleared_at": _when(alert.cleared_at),
        "acknowledged_by": alert.acknowledged_by or None,
        "data": alert.data,
    }


def pause(first: float, attempts: int) -> float:
    """Seconds to wait after this many attempts: 5, 10, 20 … up to five minutes."""
    return min(_LONGEST_PAUSE, first * float(1 << min(attempts - 1, 20)))


def _key(notice: Notice) -> Key:
    return notice.what, notice.kind, tuple(alert.number for alert in notice.alerts)


def _message_id(notice: Notice) -> str:
    """The same for the same notice, also after a restart; each repetition is a notice of its own."""
    parts = [*_key(notice), notice.at if notice.what is What.REPEATED else 0.0]
    return f"alert_{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"


async def _read(response: httpx.Response) -> None:
    """Read so much of an answer as is needed to see its end."""
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > _ANSWER_MAX:
            break


def _when(at: float | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
