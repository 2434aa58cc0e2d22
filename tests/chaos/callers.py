"""Backends that call while everything breaks, and the address their callbacks go to.

All of them live in one thread of their own. What they were told is kept, never interpreted: `tests.chaos.checker` does
that.
"""

import asyncio
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import httpx
from standardwebhooks import Webhook
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from bench.stack import send_headers
from tests.chaos.history import Ask, Callback, Json, Order, Told
from tests.chaos.teller import Teller

T = TypeVar("T")

# What a gateway is asked to do wrong, several times "nothing"; what acts late does so within `SLOWEST_S`.
SLOWEST_S = 2.5
FAULTS = {
    Ask.PAYMENT: (
        *("",) * 6,
        *("slow:0.2", "slow-after:0.4", "lost", "lost", "reset", "error-500", "error-500-after", "decline"),
        *("not-json", "huge:900000", f"slow:{SLOWEST_S}", "slow-after:2.5"),
    ),
    Ask.BLIND: ("", "", "slow:0.2", "lost", "reset", "decline", "slow-after:2.5"),
    Ask.FISCAL: ("", "", "slow:0.2", "lost", "reset", "slow-after:2.5"),
    Ask.LOOKUP: ("", "", "slow:0.2", "reset"),
}
_NAMELESS = frozenset({"not-json", "huge", "error-500", "error-500-after"})  # answers that name no order
_ASKS = (*(Ask.PAYMENT,) * 15, *(Ask.BLIND,) * 2, *(Ask.FISCAL,) * 2, Ask.LOOKUP)
_TELL_EVERY_S = 0.05
_LIMIT_S = 40.0  # for an answer; the longest Header-Timeout given is far below


class Callers:
    """Start with `start`, let them work with `work`, end with `stop`; then `orders` and `callbacks` are the story."""

    def __init__(self, url: str, seed: str) -> None:
        self.orders: list[Order] = []
        self.callbacks: list[Callback] = []
        self.kiosks: list[str] = []  # those that are called
        self.tellers: list[Teller] = []
        self.secret = ""
        self.callback_url = ""
        self.keys: tuple[str, str] = ("", "")  # an API key with the callback address, and one without
        self.called_back: set[str] = set()  # orders that were asked for with the first
        self._url = url
        self._seed = seed
        self._chance = random.Random(f"{seed} callers")
        self._refusals: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="callers", daemon=True)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: HTTPServer | None = None
        self._http: httpx.AsyncClient
        self._stopping = False

    def start(self) -> None:
        """Open the callback address."""
        self._thread.start()
        self._do(self._open())

    def work(self, callers: int) -> None:
        """Begin to call, and to tell."""

        async def begin() -> None:
            for number in range(callers):
                self._spawn(self._caller(random.Random(f"{self._seed} caller {number}")))
            for teller in self.tellers:
                self._spawn(teller.run(), lasting=True)
                self._spawn(self._tell(teller))

        self._do(begin())

    def rest(self) -> None:
        """Ask for nothing new; returns when every caller has its answer."""
        self._stopping = True
        self._do(self._resting(), 3 * _LIMIT_S)

    def ask_again(self, orders: Sequence[Order]) -> None:
        """Ask each of these once more under its key."""
        self._do(self._ask_all(orders), 600)

    def stop(self) -> None:
        """End; what was heard stays."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(timeout)

    def _spawn(self, work: Coroutine[Any, Any, None], *, lasting: bool = False) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        if not lasting:
            task.set_name("working")
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        self._http = httpx.AsyncClient(
            base_url=self._url, timeout=_LIMIT_S, trust_env=False, limits=httpx.Limits(max_connections=None)
        )
        self._server = HTTPServer(Application([("/callback", _Receiver, {"callers": self})], log_function=_silent))
        sockets = bind_sockets(0, "127.0.0.1")
        self._server.add_sockets(sockets)
        self.callback_url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/callback"

    async def _resting(self) -> None:
        while working := [task for task in self._tasks if task.get_name() == "working"]:
            await asyncio.wait(working, timeout=_LIMIT_S)

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()

    async def _tell(self, teller: Teller) -> None:
        while not self._stopping:
            await asyncio.sleep(_TELL_EVERY_S)
            await teller.tell()

    async def _caller(self, chance: random.Random) -> None:
        """One order after another: ask, ask again when it is not known, sometimes even then, sometimes at once."""
        while not self._stopping:
            order, with_callback = self._new_order(chance)
            self.orders.append(order)
            if with_callback:
                self.called_back.add(order.id)
            if chance.random() < 0.05 and order.key is not None:
                await asyncio.gather(*(self._ask(order, chance) for _ in range(2)))
            else:
                await self._ask(order, chance)
            if order.queued and chance.random() < 0.1:
                await self._cancel(order)
            for _ in range(2):
                last = order.told[-1]
                certain = last.is_answer or last.outcome == "not_executed" or last.status == 202
                if order.key is None or (certain and chance.random() > 0.1):
                    break
                await asyncio.sleep(chance.uniform(0, 2.0))
                await self._ask(order, chance)
            if chance.random() < 0.15:
                await self._look(order)
            if order.told[-1].problem == "kiosk-offline" or not order.told[-1].status:
                await asyncio.sleep(chance.uniform(0.5, 2.0))

    def _new_order(self, chance: random.Random) -> tuple[Order, bool]:
        ask = chance.choice(_ASKS)
        number, fault = len(self.orders) + 1, chance.choice(FAULTS[ask])
        # An operation without a key, which a killed hub forgets, is found again by the order in the gateway's answer.
        named = ask is not Ask.PAYMENT or fault.partition(":")[0] in _NAMELESS
        key = None if ask is Ask.LOOKUP or (not named and chance.random() < 0.15) else f"chaos-key-{number}"
        order = Order(
            id=f"chaos-{number}",
            kiosk=chance.choice(self.kiosks),
            ask=ask,
            key=key,
            amount=chance.randrange(100, 1_000_000),
            fault=fault,
            queued=key is not None and chance.random() < 0.1,
        )
        return order, chance.random() < 0.5

    async def _ask(self, order: Order, chance: random.Random) -> None:
        lookup = order.ask is Ask.LOOKUP
        identity = "check_id" if order.ask in {Ask.FISCAL, Ask.LOOKUP} else "order_id"
        body: Json = {identity: order.id, "sum": order.amount}
        if order.fault:
            body["simulate"] = order.fault
        headers = send_headers(
            order.kiosk,
            Ask.FISCAL if lookup else order.ask,
            key=self.keys[order.id not in self.called_back],
            method="GET" if lookup else "POST",
            idempotency=order.key,
        )
        headers["Header-Timeout"] = str(chance.choice([1, 2, 4, 8]))
        if order.queued:
            headers |= {"Header-Delivery": "queue", "Header-Expires": "600"}
        order.told.append(await self._post("/send", body, headers))

    async def _post(self, path: str, body: Json | None, headers: dict[str, str]) -> Told:
        asked_at = time.time()
        try:
            answer = await self._http.post(path, json=body, headers=headers)
        except httpx.HTTPError:
            return Told(asked_at=asked_at, told_at=time.time(), status=0)
        return Told.of(answer, asked_at)

    async def _cancel(self, order: Order) -> None:
        """Wish that it be not executed; the operation itself will show whether that came in time."""
        await self._post(f"/operations/{order.told[-1].request_id}/cancel", None, self._authorization())

    async def _look(self, order: Order) -> None:
        request_id = order.told[-1].request_id
        try:
            answer = await self._http.get(f"/operations/{request_id}", headers=self._authorization())
        except httpx.HTTPError:
            return
        if answer.status_code == httpx.codes.OK:
            order.seen.append(answer.json())

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[1]}"}

    async def _ask_all(self, orders: Sequence[Order]) -> None:
        room = asyncio.Semaphore(40)

        async def again(order: Order) -> None:
            async with room:
                await self._ask(order, self._chance)
                await self._look(order)

        await asyncio.gather(*(again(order) for order in orders))

    def take(self, headers: Any, body: bytes) -> int:
        """One delivery; the status to answer. Some are refused, twice at most, to be told again."""
        message = Webhook(self.secret).verify(body.decode(), dict(headers))  # raises if it is forged
        data = message["data"]
        if self._refusals[data["request_id"]] < 2 and self._chance.random() < 0.1:
            self._refusals[data["request_id"]] += 1
            return 500
        self.callbacks.append(
            Callback(
                request_id=data["request_id"],
                webhook_id=headers["webhook-id"],
                state=data["state"],
                executed=data["executed"],
                body=data["answer"]["body"] if data["answer"] else None,
            )
        )
        return 204


class _Receiver(RequestHandler):
    """The callback address."""

    def initialize(self, callers: Callers) -> None:
        self._callers = callers

    def post(self) -> None:
        headers = {name.lower(): value for name, value in self.request.headers.get_all()}
        self.set_status(self._callers.take(headers, self.request.body))


def _silent(_handler: RequestHandler) -> None:
    """Deliveries are no news."""


def by_kiosk(orders: Sequence[Order]) -> dict[str, list[Order]]:
    """The orders of each kiosk."""
    found: dict[str, list[Order]] = defaultdict(list)
    for order in orders:
        found[order.kiosk].append(order)
    return found
