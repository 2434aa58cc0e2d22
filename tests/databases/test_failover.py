"""A primary that is lost in each way, a standby promoted in its place, and callers that go on asking meanwhile.

Of every operation is checked what a caller was told against what the kiosk did and what the new primary has.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cloud.hub import Running, running, until
from tests.postgresql import Server, running_server
from tests.postgresql_standby import Standby, running_standby, silent

_MANY = {"max_connections": "60"}
_WRITES_WITHIN = 15.0  # seconds from the promotion on


@contextmanager
def pair() -> Iterator[tuple[Server, Standby]]:
    """The primary waits for the standby with every commit."""
    with running_server(**_MANY) as primary, running_standby(primary, **_MANY) as standby:
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.execute("SELECT pg_reload_conf()")
        yield primary, standby


class Callers:
    """Each sends one operation after another, with a key of its own."""

    def __init__(self, hub: Running, count: int) -> None:
        self.answers: dict[str, httpx.Response] = {}
        self._hub, self._stop = hub, asyncio.Event()
        self.done_at: list[float] = []
        self._tasks = [asyncio.create_task(self._call(number)) for number in range(count)]

    async def _call(self, number: int) -> None:
        nth = 0
        while not self._stop.is_set():
            key = f"{number}-{nth}"
            nth += 1
            answer = self.answers[key] = await self._hub.send({"key": key}, key=key, header_timeout="3")
            if answer.status_code == 200:
                self.done_at.append(time.monotonic())
            else:
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)


async def _lost(how: str, stack: ExitStack, primary: Server) -> None:
    if how == "silent":
        stack.enter_context(silent(primary))
    else:
        await asyncio.to_thread(primary.stop, how)


@pytest.mark.parametrize("how", ["immediate", "fast", "silent"])
async def test_everything_told_holds_after_a_fail_over(how: str, tmp_path: Path) -> None:
    with pair() as (primary, standby), ExitStack() as stack:
        url = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/postgres"
        # Unlimited: who was refused for the pace would not have asked the database at all.
        changes = {"database_url": url, "rate_limit_per_key": 0.0, "rate_limit_per_kiosk": 0.0}
        async with running(tmp_path, **changes) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
            callers = Callers(hub, 6)
            await until(lambda: len(callers.answers) > 200, 60)
            await _lost(how, stack, primary)
            await asyncio.sleep(2)  # nobody has decided yet
            await asyncio.to_thread(standby.promote)
            promoted = time.monotonic()
            await until(lambda: bool(callers.done_at) and callers.done_at[-1] > promoted, 60)
            took = next(at for at in callers.done_at if at > promoted) - promoted
            print(f"{how}: operations again {took:.1f} s after the promotion")
            assert took < _WRITES_WITHIN
            count = len(callers.done_at)
            await until(lambda: len(callers.done_at) > count + 100, 60)
            await callers.stop()
            await until(lambda: hub.services.operations.running == 0, 60)
            await _check(hub, callers, executed, standby)


async def _check(hub: Running, callers: Callers, executed: list[Any], now: Server) -> None:
    done = [message["body"]["key"] for message in executed]
    assert len(done) == len(set(done)), "executed twice"
    rows = await asyncio.to_thread(
        now.run, lambda c: c.fetch("SELECT idempotency_key, state, executed FROM operations")
    )
    there = {row["idempotency_key"]: (row["state"], row["executed"]) for row in rows}
    for key, answer in callers.answers.items():
        kind = answer.json().get("type")
        if answer.status_code == 200:
            assert there.get(key) == ("succeeded", "yes"), (key, there.get(key))
            assert key in done
        elif kind == "hub-storage":
            assert key not in done, (key, answer.text)
    # Whoever was told anything else asks again with the same key, and each is executed once all in all.
    for key, answer in callers.answers.items():
        if answer.status_code != 200:
            again = await hub.send({"key": key}, key=key)
            assert again.status_code == 200, (key, answer.text, again.text)
    done = [message["body"]["key"] for message in executed]
    assert sorted(done) == sorted(callers.answers)


async def test_a_standby_that_is_gone_makes_nobody_believe_what_it_has_not(tmp_path: Path) -> None:
    """The commit waits for it; the caller is told within its time that nobody knows, and nothing is lost."""
    with pair() as (primary, standby):
        url = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/postgres"
        async with running(tmp_path, database_url=url) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
            assert (await hub.send(key="before")).status_code == 200
            await asyncio.to_thread(standby.stop)
            told = await hub.send(key="during", header_timeout="3")
            assert told.status_code in {503, 504}, told.text
            await asyncio.to_thread(standby.start, **_MANY)

            async def taken() -> bool:
                return (await hub.send(key="during", header_timeout="5")).status_code == 200

            await until(taken, 60)
            assert len(executed) == 2


async def test_the_server_that_was_left_behind_is_not_written_to_when_it_comes_back(tmp_path: Path) -> None:
    with running_server(**_MANY) as primary, running_standby(primary, **_MANY) as standby:
        url = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/postgres"
        async with running(tmp_path, database_url=url) as hub, hub.kiosk() as kiosk, kiosk.serving():
            await hub.send(key="before")
            await asyncio.to_thread(primary.stop, "fast")
            await asyncio.to_thread(standby.promote)

            async def taken(key: str) -> bool:
                return (await hub.send(key=key)).status_code == 200

            await until(lambda: taken("at the new one"), 60)
            await asyncio.to_thread(primary.start, **_MANY)  # it believes that it is the one
            await asyncio.to_thread(standby.stop, "fast")
            for _ in range(10):
                assert not await taken("at the old one")
                await asyncio.sleep(0.2)
            health = (await hub.http.get("/health")).json()
            assert "left behind by a fail-over" in str(health["reasons"])
            await asyncio.to_thread(standby.start, **_MANY)
            await until(lambda: taken("at the new one again"), 60)
        with contextlib.suppress(Exception):
            primary.stop()
