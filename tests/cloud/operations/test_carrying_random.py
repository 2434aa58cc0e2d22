"""Several hubs, kiosks that wander between them, messages lost and late, hubs gone and the bus down, at random.

A kiosk here forgets an operation as soon as it hears `settled`, as it may: asked for it once more, it would execute it
once more, and that is seen.
"""

import asyncio
import contextlib
import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from cloud.operations import errands
from tests.cloud.fleet import fleet
from tests.cloud.hub import Json, Kiosk, Running, until
from tests.cloud.local_bus import LocalNet

SEEDS = [int(seed) for seed in os.environ.get("KIOSKWIRE_SEEDS", "1").split()]
SECONDS = float(os.environ.get("KIOSKWIRE_SECONDS", "4"))
MANY = 10  # answers without which nothing is shown: a machine that stands still takes longer for them
KIOSKS = ("kiosk_001", "kiosk_002", "kiosk_003", "kiosk_004")
V1 = "kiosk_004"


class Box:
    """A kiosk that goes from hub to hub; what it has in its journal goes with it."""

    def __init__(self, name: str, hubs: tuple[Running, ...], rng: random.Random) -> None:
        self.name = name
        self.is_v1 = name == V1
        self.executed: Counter[int] = Counter()  # by the number in the body
        self.ids: set[str] = set()  # executed
        self.frames: Counter[str] = Counter()  # by request id
        self.unsettled: dict[str, Json] = {}
        self._begun: set[str] = set()
        self._hubs = hubs
        self._rng = rng
        self._kiosk: Kiosk | None = None
        self.at_work: set[asyncio.Task[None]] = set()
        self.is_wandering = True

    async def run(self) -> None:
        """Connect, stay a while, be cut off, connect elsewhere."""
        while True:
            hub = self._rng.choice(self._hubs)
            with contextlib.suppress(OSError, ConnectionClosed, TimeoutError, AssertionError):
                async with hub.v1_kiosk(self.name) if self.is_v1 else hub.kiosk(self.name) as kiosk:
                    self._kiosk = kiosk
                    for outcome in list(self.unsettled.values()):
                        await self._say(outcome)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._rng.uniform(0.2, 3.0)) if self.is_wandering else _ever():
                            await self._serve(kiosk)
                    self._kiosk = None
                    await kiosk.cut()
            self._kiosk = None
            await asyncio.sleep(self._rng.uniform(0.0, 0.2))

    async def _serve(self, kiosk: Kiosk) -> None:
        async for text in kiosk.socket:
            message = json.loads(text)
            if self.is_v1 or message["type"] == "request":
                self._asked(message)
            elif message["type"] in {"settled", "all_settled"}:
                for request_id in message.get("request_ids", [message.get("request_id")]):
                    self.unsettled.pop(request_id, None)
                    self._begun.discard(request_id)

    def _asked(self, request: Json) -> None:
        request_id = request["request_id"]
        self.frames[request_id] += 1
        if not self.is_v1 and request_id in self.unsettled:
            self._later(self._say(self.unsettled[request_id]))
        elif self.is_v1 or request_id not in self._begun:
            self._begun.add(request_id)
            if not self.is_v1 and request["start_within"] <= 0:
                error = {"type": "expired", "detail": "too late"}
                self._later(self._done(request, executed="no", error=error))
            else:
                self.executed[request["body"]["n"]] += 1
                self.ids.add(request_id)
                self._later(self._execute(request))

    async def _execute(self, request: Json) -> None:
        if not self.is_v1 and self._rng.random() < 0.5:
            await self._say({"type": "accepted", "request_id": request["request_id"]})
        await asyncio.sleep(self._rng.choice([0.0, 0.05, 0.5]))
        if self.is_v1:
            await self._say({"request_id": request["request_id"], "n": request["body"]["n"]})
        else:
            await self._done(request, executed="yes", status=200, body={"n": request["body"]["n"]})

    async def _done(self, request: Json, **fields: Any) -> None:
        name = {"request_id": request["request_id"], "operation": request["operation"]}
        outcome = {"type": "response", **name, "elapsed": 0.01, **fields}
        self.unsettled[request["request_id"]] = outcome
        await self._say(outcome)

    async def _say(self, message: Json) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            if self._kiosk is not None:
                await self._kiosk.socket.send(json.dumps(message))

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.at_work.add(task)
        task.add_done_callback(self.at_work.discard)


def _ever() -> "asyncio.Timeout":
    return asyncio.timeout(None)


class Callers:
    """Backends that ask any hub for anything."""

    def __init__(self, hubs: tuple[Running, ...], rng: random.Random) -> None:
        self.told: list[tuple[int, httpx.Response]] = []
        self._hubs = hubs
        self._rng = rng
        self._n = 0

    async def run(self, seconds: float) -> None:
        """Ask until the time is over and some were answered, and wait for all answers."""
        async with asyncio.TaskGroup() as group:
            until_ = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < until_ or self.answered <= MANY:
                group.create_task(self._ask())
                await asyncio.sleep(self._rng.uniform(0.0, 0.1))

    @property
    def answered(self) -> int:
        """How many were carried out, as their callers heard."""
        return sum(answer.status_code == 200 for _, answer in self.told)

    async def _ask(self) -> None:
        self._n += 1
        n, rng = self._n, self._rng
        kiosk, timeout = rng.choice(KIOSKS), rng.choice(["1", "2", "4"])
        key = f"key-{n}" if rng.random() < 0.5 else None
        for _ in range(2 if key and rng.random() < 0.5 else 1):  # asked again at any hub, with the same key
            hub = rng.choice(self._hubs)
            answer = await hub.send({"n": n}, kiosk=kiosk, key=key, header_timeout=timeout)
            self.told.append((n, answer))


async def _trouble(net: LocalNet, hubs: tuple[Running, ...], rng: random.Random) -> None:
    kinds = tuple(
        kind for kind in vars(errands).values() if isinstance(kind, type) and kind.__module__ == errands.__name__
    )
    net.losing.append(lambda _sender, _receiver, message: isinstance(message, kinds) and rng.random() < 0.15)
    while True:
        await asyncio.sleep(rng.uniform(0.1, 0.8))
        which = rng.choice(["slow", "down", "cut", "cut", "none"])
        hub = rng.choice(hubs).hub
        if which == "slow":
            net.slow(rng.choice([0.01, 0.3, 1.0]))
        elif which == "down":
            net.down()
        elif which == "cut":
            net.cut(hub.bus)  # type: ignore[arg-type]
        await asyncio.sleep(rng.uniform(0.1, 1.0))
        _heal(net, hubs)


def _heal(net: LocalNet, hubs: tuple[Running, ...]) -> None:
    net.slow(0.0)
    net.up()
    for each in hubs:
        if each.hub.bus.is_cut:  # type: ignore[attr-defined]
            net.mend(each.hub.bus)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_executed_twice_and_no_outcome_is_lost(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    net = LocalNet(patience=0.3)
    more = {"rate_limit_per_kiosk": 0.0, "rate_limit_per_key": 0.0, "running_max_per_kiosk": 1000}
    async with fleet(tmp_path, 3, net=net, kiosks=KIOSKS, kiosk_reconnect_grace=1.0, **more) as hubs:
        boxes = [Box(name, hubs, rng) for name in KIOSKS]
        callers = Callers(hubs, rng)
        tasks = [asyncio.create_task(box.run()) for box in boxes]
        trouble = asyncio.create_task(_trouble(net, hubs, rng))
        try:
            await callers.run(SECONDS)
            trouble.cancel()
            await asyncio.gather(trouble, return_exceptions=True)
            net.found()
            _heal(net, hubs)
            for box in boxes:
                box.is_wandering = False
            await until(lambda: all(hub.services.operations.running == 0 for hub in hubs), 60)
            await until(lambda: not any(box.unsettled for box in boxes), 60)
        finally:
            tasks += [trouble, *(task for box in boxes for task in box.at_work)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        executed = sum((box.executed for box in boxes), Counter())
        assert not {n: count for n, count in executed.items() if count > 1}
        ids = set().union(*(box.ids for box in boxes))
        assert all(count == 1 for count in boxes[-1].frames.values())
        for n, answer in callers.told:
            told = answer.json()
            if answer.status_code == 200:
                assert told == {"n": n}
                assert executed[n] == 1
            elif told["outcome"] == "not_executed":  # what was asked for again with its key is another one
                assert told["request_id"] not in ids, (n, answer.text)
        stored = {it.request_id: it for hub in hubs[:1] for it in (await _all_rows(hub)).values()}
        for it in stored.values():
            n = json.loads(it.body or b"{}").get("n")
            if it.state == "succeeded":
                assert json.loads(it.answer or b"{}") == {"n": n} or n is None
            elif it.is_final:
                assert it.request_id not in ids, (n, it)
        succeeded = {json.loads(it.answer or b"{}").get("n") for it in stored.values() if it.state == "succeeded"}
        known = sum((box.executed for box in boxes if not box.is_v1), Counter())
        assert not set(known) - succeeded  # a v1 client that was cut off says nothing any more
        counts = Counter(answer.status_code for _, answer in callers.told)
        assert counts[200] > MANY, counts


async def _all_rows(hub: Running) -> dict[str, Any]:
    store = hub.services.store
    found: dict[str, Any] = {}
    cursor = None
    while True:
        page = await store.page(cursor=cursor, limit=200)
        found |= await store.find_all([it.request_id for it in page.operations])
        cursor = page.cursor
        if cursor is None:
            return found
