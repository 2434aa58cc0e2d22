"""The hub's ear at Telegram: says hello, sets or takes away the webhook, polls; alone among several hubs.

Its states are those of `/health`: connecting, connected, standby (another hub has the lease), unreachable, conflict
(another program polls with this token), unauthorized (the token is none). Each trouble is said once in the log, and
again only after it was over.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from cloud.bot.incoming import Incoming
from cloud.bot.line import Line, Me
from cloud.bot.talk import Conflict, Limited, TalkError, Unauthorized, Unreachable
from cloud.cancelled import cancelled
from cloud.db.lease import Lease
from cloud.metrics import Metrics

log = logging.getLogger(__name__)

_ALL = 100  # updates that Telegram tells at once, at most
_TAKE_WITHIN = 2.0  # at a stop, to store what came
_CONFIRM_WITHIN = 1.0  # at a stop, to tell Telegram what was taken
State = Literal["connecting", "connected", "standby", "unreachable", "conflict", "unauthorized"]


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long things take, in seconds; tests are in more of a hurry."""

    poll: float = 25.0  # one long poll; what stands between cuts idle connections, often after 30
    after_conflict: float = 30.0
    after_unauthorized: float = 180.0
    first_pause: float = 1.0  # when Telegram is away; doubled up to the longest
    longest_pause: float = 30.0
    look: float = 60.0  # with a webhook: how often it is asked whether Telegram is there
    healed: float = 300.0  # without a conflict, until a new one is said in the log


class Polling:
    """`introduced` is called whenever Telegram was greeted anew, in a task of its own."""

    def __init__(
        self,
        *,
        line: Line,
        lease: Lease,
        incoming: Incoming,
        metrics: Metrics,
        webhook: tuple[str, str] | None = None,
        introduced: Callable[[Me], Awaitable[None]] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._line = line
        self._lease = lease
        self._incoming = incoming
        self._metrics = metrics
        self._webhook = webhook  # its address, and the secret Telegram is to bring
        self._introduced = introduced
        self._pace = pace or Pace()
        self.state: State = "connecting"
        self._offset = 0
        self._all_told = asyncio.Event()  # Telegram knows all that was taken
        self._all_told.set()
        self._heard_at: float | None = None  # monotonic: when Telegram last told all it had
        self._conflict_at: float | None = None
        self._pause = 0.0
        self._is_greeted = False
        self._taking: asyncio.Future[None] | None = None  # what came is stored, be it that the lease is lost meanwhile
        self._tasks: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether this hub is the one that hears, and knows who it is."""
        return self._lease.is_held and self._is_greeted

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="bot: polling")

    async def stop(self) -> None:
        """Stop. What was not taken Telegram tells again; what was it is told, so that no other hub hears it."""
        if self._task is not None and self._lease.is_shared and self._lease.is_held:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CONFIRM_WITHIN):
                    await self._all_told.wait()
        tasks = [*self._tasks, *([self._task] if self._task else [])]
        await cancelled(*tasks)
        if self._taking is not None:
            await asyncio.wait([self._taking], timeout=_TAKE_WITHIN)
            self._taking.cancel()
        self._incoming.is_working = False  # what is told from now on is another hub's, or the next life's
        self._set("connecting")

    async def _run(self) -> None:
        while True:
            if not self._lease.is_held:
                self._incoming.is_working = self._is_greeted = False
                self._heard_at = None
                self._set("standby")
                await self._lease.wait_until(held=True)
                if self._taking is not None:
                    await asyncio.wait([self._taking])
                self._incoming.leave()
                self._all_told.set()
                self._offset = 0  # what no other hub has taken meanwhile is told anew
            if self.state == "standby":
                self._set("connecting")
            self._incoming.is_working = True
            pause = await self._while_held(self._once)
            if pause:
                await self._while_held(lambda pause=pause: asyncio.sleep(pause))  # type: ignore[misc]

    async def _while_held(self, act: Callable[[], Awaitable[float | None]]) -> float:
        """Do something for as long as this hub has the lease; returns what it gives, 0 where it was cut off."""
        doing = asyncio.ensure_future(act())
        losing = asyncio.ensure_future(self._lease.wait_until(held=False))
        try:
            await asyncio.wait([doing, losing], return_when=asyncio.FIRST_COMPLETED)
            return (doing.result() or 0.0) if doing.done() else 0.0
        finally:
            await cancelled(doing, losing)

    async def _once(self) -> float:
        """One conversation with Telegram; returns how long to pause."""
        try:
            if not self._is_greeted:
                await self._greet()
            if self._webhook is not None:
                await self._line.me()
                self._well()
                return self._pace.look
            await self._poll()
        except Conflict as conflict:
            return self._conflict(conflict)
        except Unauthorized:
            if self.state != "unauthorized":
                log.error("Telegram does not know TELEGRAM_BOT_TOKEN: no bot until it does")
            self._set("unauthorized")
            self._is_greeted = False
            return self._pace.after_unauthorized
        except Limited as limited:
            return limited.after
        except TalkError as error:
            return self._away(str(error))
        except Exception:
            log.exception("hearing Telegram failed")
            return self._away("a mistake of the hub's own")
        return 0.0

    async def _greet(self) -> None:
        me = await self._line.me()
        self._incoming.username = me.username
        if self._webhook is not None:
            await self._line.set_webhook(*self._webhook)
        else:
            await self._line.delete_webhook()
        self._is_greeted = True
        self._incoming.wake()
        log.info("the bot is there", extra={"bot": me.username, "by": "webhook" if self._webhook else "polling"})
        if self._introduced is not None:
            for former in self._tasks:
                former.cancel()
            task = asyncio.create_task(self._introduce(self._introduced, me), name="bot: introduced")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _introduce(self, introduced: Callable[[Me], Awaitable[None]], me: Me) -> None:
        """Until it is taken: Telegram may be away again a moment after it was greeted."""
        pause, is_said = self._pace.first_pause, False
        while True:
            try:
                return await introduced(me)
            except (Unreachable, Limited) as error:
                if not is_said:
                    log.warning("the bot's menu is not set yet", extra={"error": str(error)})
                is_said = True
            except TalkError as error:
                log.warning("the bot's menu is not set", extra={"error": str(error)})
                return None
            except Exception:
                log.exception("the bot's menu is not set")
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._pace.longest_pause)

    def _owes(self) -> bool:
        """Whether there are other hubs, and Telegram would tell them what this one has taken."""
        return self._lease.is_shared and not self._all_told.is_set()

    async def _poll(self) -> None:
        """Ask for updates, once. An offset is told only after what lies before it is stored, and only once: Telegram
        may begin to count anew after a quiet week. Where there are other hubs, what was stored is carried out only
        after the offset was told: else another one, with a database of its own, might do it as well."""
        # After trouble the first answer is to come at once: it says that the trouble is over.
        wait = self._pace.poll if self.state == "connected" and not self._owes() else 0.0
        found = await self._line.updates(self._offset, wait)
        self._offset = 0
        self._all_told.set()
        self._incoming.release()
        now = time.monotonic()
        fresh_within = None if self._heard_at is None else now - self._heard_at
        self._well()
        if found:
            self._all_told.clear()
            self._taking = asyncio.ensure_future(self._take(found, fresh_within))
            await asyncio.shield(self._taking)
        if len(found) < _ALL:
            self._heard_at = now

    async def _take(self, found: list[bytes], fresh_within: float | None) -> None:
        await self._incoming.take(found, fresh_within=fresh_within, hold=self._lease.is_shared)
        self._offset = max(_number(payload) for payload in found) + 1

    def _well(self) -> None:
        if self.state == "unreachable":
            log.info("Telegram is reached again")
        self._pause = 0.0
        self._set("connected")

    def _away(self, why: str) -> float:
        if self.state != "unreachable":
            log.warning("Telegram is not reached; trying again", extra={"error": why})
        self._set("unreachable")
        self._pause = min(self._pace.longest_pause, 2 * self._pause or self._pace.first_pause)
        return self._pause

    def _conflict(self, conflict: Conflict) -> float:
        now = time.monotonic()
        if self._conflict_at is None or now - self._conflict_at > self._pace.healed + self._pace.after_conflict:
            log.error(
                "another program hears Telegram with this bot's token: only one can; each hub needs a bot of its own,"
                " or REDIS_URL in common",
                extra={"error": str(conflict)},
            )
        self._conflict_at = now
        self._set("conflict")
        self._is_greeted = False
        self._lease.doubt()
        return self._pace.after_conflict

    def _set(self, state: State) -> None:
        self.state = state
        self._metrics.telegram_connected.set(state == "connected")


class _Numbered(msgspec.Struct):
    update_id: int


def _number(payload: bytes) -> int:
    return msgspec.json.decode(payload, type=_Numbered).update_id
