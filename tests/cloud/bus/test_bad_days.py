"""What becomes of the bus when its Redis, or the way there, does not do well. Those that take long run side by side."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError

from cloud.bus import condition, members, redis_bus
from cloud.bus.bus import NoAnswerError
from cloud.bus.dialling import Dialler
from cloud.bus.lease import Lease
from cloud.bus.redis import RedisWatch
from cloud.redis_address import Node as Place
from cloud.redis_address import parse
from tests.cloud import hub
from tests.cloud.bus.test_redis_bus import Answer, Node, Question, Word, a_redis, acquainted, hubs
from tests.listening import listening
from tests.redis_server import MissingError, Server, running_cluster, running_sentinel

QUIET = 600.0  # seconds: longer than a machine stands still


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is given up for silent, gone or slow because this process had no turn; `parted` and others want it."""
    monkeypatch.setattr(redis_bus, "_SILENT_AFTER", QUIET)
    monkeypatch.setattr(members, "GONE_AFTER", QUIET)
    monkeypatch.setattr(condition, "_SLOW", QUIET)


async def until(check: Any) -> Any:
    """As ever, with patience for servers that begin side by side."""
    return await hub.until(check, timeout=60.0)


async def works(one: Node, two: Node) -> None:
    """They hear each other, both ways."""

    async def answered() -> bool:
        try:
            return (await one.bus.ask(two.bus.me, Question(1), Answer, 5)).number == 2
        except NoAnswerError:
            return False

    await until(answered)


async def off_loop(call: Any, *given: Any) -> None:
    """What takes a while is not to hold up the hubs of this loop."""
    await asyncio.to_thread(call, *given)


@asynccontextmanager
async def made(context: Any) -> AsyncIterator[Any]:
    """Servers started and ended beside the loop."""
    try:
        yield await asyncio.to_thread(context.__enter__)
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


@asynccontextmanager
async def watched(url: str) -> AsyncIterator[tuple[RedisWatch, Lease]]:
    """How a hub without a bus sees Redis, and a lease there."""
    async with AsyncExitStack() as stack:
        watch, lease = RedisWatch(url), Lease(url, "kioskwire:test", seconds=1.0)
        stack.push_async_callback(watch.stop)
        watch.start()
        stack.push_async_callback(lease.stop)
        lease.start()
        yield watch, lease


class Way:
    """A way to a Redis that can be slow, or lose all."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.delay = 0.0
        self.is_blocked = False
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Way"]:
        async with listening(self._came) as server:
            self.port = server.port
            yield self

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, further = await asyncio.open_connection("127.0.0.1", self._server.port)
            passing = [
                asyncio.create_task(self._pass(reader, further)),
                asyncio.create_task(self._pass(back, writer)),
            ]
            try:
                await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in passing:
                    task.cancel()
                further.transport.abort()
                await asyncio.gather(*passing, return_exceptions=True)
                with contextlib.suppress(OSError):
                    await further.wait_closed()
        finally:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not self.is_blocked:
                    loop.call_later(self.delay, partial(self._write, writer, data))

    def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self.is_blocked and not writer.transport.is_closing():
            writer.write(data)


async def killed_and_started_anew() -> None:
    async with made(a_redis()) as redis, hubs(redis.url, "one", "two") as (one, two):
        asked = asyncio.create_task(one.bus.ask(two.bus.me, Question(200), Answer, QUIET))
        await asyncio.sleep(0.1)
        await off_loop(redis.kill)
        await until(lambda: not one.bus.is_up and not two.bus.is_up)
        with pytest.raises(NoAnswerError):  # at once: the answer could have been lost
            async with asyncio.timeout(hub.PATIENCE):
                await asked
        assert one.bus.state == "unreachable"
        await until(lambda: one.bus.trouble == "Redis is not reached: nobody listens there")
        read_before, before, read_after = time.monotonic(), one.bus.now(), time.monotonic()
        assert not one.bus.send(two.bus.me, Word("lost"))
        assert not one.bus.tell_all(Word("lost"))
        for each in (one, two):
            each.bus._members._gone_after = 0.5
        await asyncio.sleep(1)  # longer than a hub may be silent
        assert one.bus.lives(two.bus.me)  # those that lived when it went
        for each in (one, two):
            each.bus._members._gone_after = QUIET
        least = time.monotonic() - read_after
        went_on = one.bus.now() - before
        assert least - 0.01 < went_on < time.monotonic() - read_before + 0.01
        await off_loop(redis.start)
        await works(one, two)
        await works(two, one)
        assert (one.backs, two.backs) == (1, 1)
        assert one.gone == two.gone == []
        assert one.bus.trouble == ""
        assert two.words == []


async def paused() -> None:
    async with made(a_redis()) as redis, hubs(redis.url, "one", "two") as (one, two):
        for each in (one, two):
            each.bus._silent_after = 3.0
        redis.pause()
        try:
            began = time.monotonic()
            one.bus.send(two.bus.me, Word("late"))
            await until(lambda: not one.bus.is_up and not two.bus.is_up)
            await until(lambda: "no answer" in one.bus.trouble)
            await asyncio.sleep(max(0.0, began + 10 - time.monotonic()))
        finally:
            redis.go_on()
        for each in (one, two):
            each.bus._silent_after = QUIET
        await works(one, two)
        assert one.gone == two.gone == []
        assert one.backs >= 1


async def parted() -> None:
    """One hub is cut off from a Redis that the others reach."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(made(a_redis()))
        way = await stack.enter_async_context(Way(redis).open())
        one, two = await stack.enter_async_context(hubs(redis.url, "one", "two"))
        (far,) = await stack.enter_async_context(hubs(way.url, "far"))
        await acquainted(one, two, far)
        way.is_blocked = True
        far.bus._silent_after = 3.0
        for each in (one, two):  # which hear each other as often as themselves, whatever turns they get
            each.bus._members._gone_after = 5.0
        await until(lambda: one.gone == two.gone == [far.bus.me])
        assert one.bus.reasons() == ["another hub is gone: far"]
        for each in (one, two):
            each.bus._members._gone_after = QUIET
        await until(lambda: not far.bus.is_up)
        assert len(far.bus.peers()) == 2  # it knows nothing of them
        far.bus._silent_after = QUIET
        way.is_blocked = False
        await acquainted(one, two, far)
        await works(far, two)
        await works(one, far)
        assert [peer.name for peer in one.came] == ["two", "far", "far"]
        assert one.bus.reasons() == []
        assert one.backs == 0
        assert far.backs == 1


async def failed_over() -> None:
    async with made(running_sentinel(requirepass="canary")) as (sentinel, master, replica):
        url = f"redis+sentinel://:canary@127.0.0.1:1,127.0.0.1:{sentinel.port}/kiosks"  # one of them is not there
        async with watched(url) as (watch, lease), hubs(url, "one", "two") as (one, two):
            await until(lambda: watch.state == "connected" and lease.is_held)
            assert one.bus._line is not None
            assert one.bus._line.node.port == master.port
            # Who is at another server than the sentinels say learns it from them.
            await until(lambda: one.bus._dialler.is_elsewhere(Place("127.0.0.1", replica.port)))
            assert not await one.bus._dialler.is_elsewhere(one.bus._line.node)
            await off_loop(sentinel.set_patience, 0.5)
            await off_loop(master.kill)
            await until(lambda: not one.bus.is_up)
            assert "canary" not in one.bus.trouble
            await works(one, two)
            await off_loop(sentinel.set_patience, 60.0)
            assert one.bus._line.node.port == replica.port
            assert one.gone == two.gone == []
            # Its old place is a replica's by now, which some may still be told of: nobody stays there.
            await off_loop(master.start)
            await until(lambda: lease.is_held and watch.state == "connected")


async def demoted() -> None:
    """A master that is told to be a replica, by somebody who closes no connection."""
    async with made(a_redis()) as redis, made(a_redis()) as other, hubs(redis.url, "one", "two") as (one, two):
        with redis.client() as client:
            client.replicaof("127.0.0.1", other.port)
            for each in (one, two):
                await until(lambda each=each: each.bus.trouble == "Redis is not reached: it is not the master")
            client.replicaof("NO", "ONE")
        await works(one, two)


async def a_cluster() -> None:
    async with made(running_cluster()) as nodes:
        places = [f"127.0.0.1:{node.port}" for node in nodes]
        url, turned = f"redis+cluster://{','.join(places)}", f"redis+cluster://{','.join(places[1:] + places[:1])}"
        async with (
            watched(url) as (watch, lease),
            hubs(url, "one") as (one,),
            hubs(turned, "two") as (two,),  # at another node
        ):
            await acquainted(one, two)
            await works(one, two)
            await until(lambda: watch.state == "connected" and lease.is_held)
            # A node that has lost its cluster is left for another that has not.
            dialler, first = Dialler(parse(url), "test"), parse(url).nodes[0]
            await until(lambda: dialler.is_elsewhere(first))
            dialler.failed()
            assert await dialler.find() in parse(url).nodes[1:]
            assert one.bus._line is not None
            at, backs = one.bus._line.node, one.backs
            await off_loop(next(node for node in nodes if node.port == at.port).kill)
            await until(lambda: one.backs > backs)  # without it the cluster has not all slots, and messages go on
            await works(one, two)
            await works(two, one)


async def test_long_bad_days() -> None:
    days = [
        killed_and_started_anew, paused, parted, failed_over, demoted, a_cluster
    ]  # fmt: skip
    results = await asyncio.gather(*(day() for day in days), return_exceptions=True)
    failed = [(day.__name__, result) for day, result in zip(days, results, strict=True) if result is not None]
    skipped = [result for _, result in failed if isinstance(result, (MissingError, pytest.skip.Exception))]
    if skipped:
        pytest.skip(str(skipped[0]))
    if failed:
        raise ExceptionGroup(", ".join(name for name, _ in failed), [error for _, error in failed])


async def test_a_redis_that_is_slow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition, "_SLOW", 0.5)
    async with made(one_redis()) as redis, Way(redis).open() as way, hubs(way.url, "one", "two") as (one, two):
        way.delay = 0.4
        await until(lambda: one.bus.state == "slow")
        assert re.fullmatch(r"Redis takes \d+\.\d s", one.bus.trouble)
        await works(one, two)
        assert one.bus.is_up
        way.delay = 0.0
        await until(lambda: one.bus.state == "connected" and one.bus.trouble == "")
        assert one.gone == []


async def told(url: str, words: str) -> None:
    """A hub with this address says so."""
    node = Node(url, "one")
    starting = asyncio.create_task(node.bus.start())
    try:
        await until(lambda: words in node.bus.trouble)
        assert "canary" not in node.bus.trouble
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await node.bus.stop()


@contextmanager
def one_redis(**options: Any) -> Iterator[Server]:
    with a_redis(**options) as server:
        yield server


def fill(client: Redis) -> None:
    """Until it takes nothing more."""
    with contextlib.suppress(OutOfMemoryError):
        for number in range(10_000):
            client.set(f"key{number}", b"x" * 10_000)
        pytest.fail("it takes whatever comes")


async def test_flushed_and_full_it_passes_messages_on() -> None:
    with one_redis(maxmemory="2mb", maxmemory_policy="noeviction") as redis:
        async with hubs(redis.url, "one", "two") as (one, two):
            with redis.client() as client:
                fill(client)
                await works(one, two)
                one.bus.tell_all(Word("x" * 500_000))
                await until(lambda: len(two.words) == 1)
                client.flushall()
            await works(two, one)
            assert (one.backs, two.backs) == (0, 0)


async def test_who_reads_too_slowly_is_cut_off_and_comes_back() -> None:
    with one_redis(client_output_buffer_limit="pubsub 64kb 64kb 0") as redis:
        async with hubs(redis.url, "one", "two") as (one, two):
            for number in range(50):
                one.bus.send(two.bus.me, Word(f"{number} " + "x" * 100_000))
            await until(lambda: two.backs >= 1)
            assert one.backs == 0
            await acquainted(one, two)
            await works(one, two)
            assert two.gone == one.gone == []


async def test_connections_closed_by_redis_are_made_anew() -> None:
    with one_redis() as redis:
        async with hubs(redis.url, "one", "two") as (one, two):
            for kind in ("pubsub", "normal"):
                backs = (one.backs, two.backs)
                with redis.client() as client:
                    client.client_kill_filter(_type=kind, skipme=True)
                await until(lambda backs=backs: (one.backs, two.backs) == (backs[0] + 1, backs[1] + 1))
            await works(one, two)


async def test_a_login_that_is_refused_is_told_without_it_and_a_right_one_needs_little() -> None:
    with one_redis(requirepass="canary-right") as redis:
        for login, words in (
            (":canary-wrong@", "it refuses the user or the password"),
            ("canary:canary@", "it refuses the user or the password"),
            ("", "it wants a password"),
        ):
            await told(f"redis://{login}127.0.0.1:{redis.port}", f"Redis is not reached: {words}")
        with redis.client() as client:
            messages = [
                "&kioskwire.*",
                "+publish",
                "+subscribe",
                "+time",
                "+role",
                "+ping",
                "+client|setname",
                "+select",
            ]
            rights = [*messages, "~kioskwire:*", "+ping", "+eval", "+get", "+set", "+del", "+pexpire"]
            client.execute_command("ACL", "SETUSER", "hub", "on", ">canary", "resetchannels", "-@all", *rights)
            client.execute_command("ACL", "SETUSER", "deaf", "on", ">canary", "resetchannels", "+@all")
        async with hubs(f"redis://hub:canary@127.0.0.1:{redis.port}/1", "one", "two") as (one, two):
            await works(one, two)
            assert one.bus._line is not None
            assert one.bus._line.refusal == ""
        url = f"redis://deaf:canary@127.0.0.1:{redis.port}"
        await told(url, "this user may not do what the bus needs, see docs/scale.md")


async def test_tls_by_a_private_authority() -> None:
    with one_redis(tls=True) as redis:
        async with hubs(redis.url, "one", "two") as (one, two):
            await works(one, two)
        bare = redis.url.partition("?")[0]
        await told(bare, "its certificate is not trusted: ")
        await told(bare.replace("rediss", "redis"), "Redis is not reached: it closed the connection")
        async with hubs(f"{bare}?ssl_cert_reqs=none", "one") as (one,):
            assert one.bus.is_up
        async with watched(redis.url) as (watch, lease):
            await until(lambda: lease.is_held and watch.state == "connected")


async def test_a_redis_that_is_not_there_yet_keeps_no_hub_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.bus.redis_bus._START_WITHIN", 0.2)
    with one_redis() as redis:
        redis.kill()
        async with AsyncExitStack() as stack:
            one, two = Node(redis.url, "one"), Node(redis.url, "two")
            for node in (one, two):
                stack.push_async_callback(node.bus.stop)
                await node.bus.start()
            await until(lambda: one.bus.trouble == "Redis is not reached: nobody listens there")
            assert one.bus.peers() == []
            await off_loop(redis.start)
            await acquainted(one, two)
            await works(one, two)
            assert (one.backs, two.backs) == (0, 0)  # they came, and missed nothing
