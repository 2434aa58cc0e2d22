"""Two servers, one that takes writes and one that follows it: whichever it is, hubs write there and nowhere else."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from cloud.db import primary as module
from cloud.db.primary import NoPrimaryError, Primary, Session
from tests.cloud.hub import running, until
from tests.postgresql import MissingError, Server, in_memory, running_server
from tests.postgresql_standby import Standby, running_standby

_MANY = {"max_connections": "60"}


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Server, Standby]]:
    """The tests here go through a life of both, in order: the last one ends the first server."""
    try:
        with running_server(within=in_memory(), **_MANY) as primary, running_standby(primary, **_MANY) as standby:
            yield primary, standby
    except MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is there is not taken for away because this process, or it, had no turn."""
    for name in ("_HEAD_START", "_ALL_WITHIN"):
        monkeypatch.setattr(module, name, 60.0)


async def connect(primary: Primary, *servers: Server, commit: str = "on") -> Session:
    """As the engine asks for a session at these servers."""
    ports = [server.port for server in servers]
    several: dict[str, Any] = {"host": ["127.0.0.1"] * len(ports), "port": ports}
    given: dict[str, Any] = several if len(ports) > 1 else {"host": "127.0.0.1", "port": ports[0]}
    session = {"synchronous_commit": commit}
    return await primary.connect(user="postgres", database="postgres", timeout=120, server_settings=session, **given)


async def port_of(session: Session) -> int:
    """Where it leads to; the session is ended."""
    try:
        return int(await session.fetchval("SHOW port"))
    finally:
        await session.close()


async def replicated(primary: Server, standby: Server) -> None:
    """Wait until the standby has what the primary had just now."""
    now = await asyncio.to_thread(primary.run, lambda c: c.fetchval("SELECT pg_current_wal_lsn()::text"))
    at = f"SELECT pg_last_wal_replay_lsn() >= '{now}'::pg_lsn"
    await until(lambda: asyncio.to_thread(standby.run, lambda c: c.fetchval(at)))


async def test_the_one_that_takes_writes_is_found_whichever_is_named_first(pair: tuple[Server, Standby]) -> None:
    primary, standby = pair
    assert await port_of(await connect(Primary(), primary, standby)) == primary.port
    assert await port_of(await connect(Primary(), standby, primary)) == primary.port
    again = Primary()
    for _ in range(2):  # the second time it is asked first
        assert await port_of(await connect(again, standby, primary)) == primary.port


async def test_a_standby_alone_and_a_weak_commit_are_refused_in_words(pair: tuple[Server, Standby]) -> None:
    primary, standby = pair
    with pytest.raises(NoPrimaryError, match=r"^the PostgreSQL server cannot be used: it is a standby$"):
        await connect(Primary(), standby)
    with pytest.raises(NoPrimaryError, match=r"none of the 2 PostgreSQL servers takes writes: one runs with"):
        await connect(Primary(), primary, standby, commit="local")
    with pytest.raises(NoPrimaryError, match="synchronous_commit = off though"):
        await connect(Primary(), primary, commit="off")


async def test_one_that_was_left_behind_by_a_fail_over_is_not_written_to(pair: tuple[Server, Standby]) -> None:
    primary, standby = pair
    hub = Primary()
    await (await connect(hub, primary, standby)).close()
    hub._seen = {cluster: timeline + 1 for cluster, timeline in hub._seen.items()}  # it saw the one promoted since
    with pytest.raises(NoPrimaryError, match="one was left behind by a fail-over; one is a standby"):
        await connect(hub, primary, standby)
    with pytest.raises(NoPrimaryError, match="it was left behind by a fail-over"):
        await connect(hub, primary)


async def test_servers_that_are_away_are_said_to_be_and_a_wrong_name_is_said_as_it_is(
    pair: tuple[Server, Standby],
) -> None:
    primary, standby = pair
    away: dict[str, Any] = {"host": ["127.0.0.1"] * 2, "port": [1, 2], "user": "postgres", "timeout": 60}
    with pytest.raises(NoPrimaryError, match=r"none of the 2 PostgreSQL servers takes writes: 2 do not answer$"):
        await Primary().connect(**away)
    away["port"] = [primary.port, standby.port]
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await Primary().connect(database="nowhere", **away)


async def test_a_commit_whose_standby_does_not_have_it_is_not_told(pair: tuple[Server, Standby]) -> None:
    """Somebody ends the wait for it: PostgreSQL says that as a warning beside a success."""
    primary, _ = pair
    session = await connect(Primary(), primary)
    await asyncio.to_thread(primary.execute, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    await asyncio.to_thread(primary.execute, "SELECT pg_reload_conf()")
    try:
        await until(lambda: _is_set(session))
        pid = session.get_server_pid()
        await session.execute("BEGIN")
        await session.execute("CREATE TABLE waits (n INT)")
        commit = asyncio.ensure_future(session.execute("COMMIT"))
        waits = f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'SyncRep'"
        await until(lambda: asyncio.to_thread(primary.run, lambda c: c.fetchval(waits)))
        await asyncio.to_thread(primary.execute, f"SELECT pg_cancel_backend({pid})")
        with pytest.raises(asyncpg.PostgresConnectionError, match="without its standby"):
            await commit
        assert session.is_closed()
    finally:
        await asyncio.to_thread(primary.execute, "ALTER SYSTEM RESET synchronous_standby_names")
        await asyncio.to_thread(primary.execute, "SELECT pg_reload_conf()")


async def _is_set(session: Session) -> bool:
    return bool(await session.fetchval("SHOW synchronous_standby_names"))


async def test_sessions_that_are_ended_all_the_time_make_nothing_twice_and_nothing_false(
    pair: tuple[Server, Standby], tmp_path: Path
) -> None:
    """As a proxy before the database that restarts again and again. What is told as not executed never was."""
    primary, _ = pair
    await asyncio.to_thread(primary.execute, "CREATE DATABASE storm")
    ending = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'storm' AND pid <> pg_backend_pid()"
    )
    async with running(tmp_path, database_url=primary.url("storm")) as hub, hub.kiosk() as kiosk:

        async def storm() -> None:
            while True:
                await asyncio.to_thread(primary.execute, ending)
                await asyncio.sleep(0.05)

        async with kiosk.serving() as executed:
            task = asyncio.ensure_future(storm())
            answers = {}
            for batch in range(6):
                keys = [f"order-{batch}-{n}" for n in range(8)]
                sent = await asyncio.gather(*(hub.send({"k": key}, key=key, header_timeout="1") for key in keys))
                answers |= dict(zip(keys, sent, strict=True))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await until(lambda: hub.services.operations.running == 0)
            done = [message["body"]["k"] for message in executed]
            assert len(done) == len(set(done))
            told = {answer.json().get("type", "done") for answer in answers.values()}
            assert told <= {"done", "hub-storage", "key-unchecked", "timeout", "outcome-unknown"}, told
            assert len(told) > 1, "no session was ended in time"
            for key, answer in answers.items():
                if answer.status_code == 200:
                    assert key in done
                if answer.json().get("type") == "hub-storage":
                    assert key not in done
            # Repeated, each is executed once all in all, and its outcome is there.
            for key in answers:
                again = await hub.send({"k": key}, key=key)
                while again.status_code == 503:  # its first use is still being undone: it says to repeat
                    assert (again.json()["type"], again.json()["outcome"]) == ("key-unchecked", "unknown")
                    await asyncio.sleep(0.1)
                    again = await hub.send({"k": key}, key=key)
                assert (again.status_code, again.json()) == (200, {"echo": {"k": key}}), (key, answers[key].text)
            done = [message["body"]["k"] for message in executed]
            assert sorted(done) == sorted(answers)


async def test_a_hub_goes_on_at_the_server_that_was_promoted_and_has_what_it_acknowledged(
    pair: tuple[Server, Standby],
) -> None:
    primary, standby = pair
    url = f"postgresql://postgres@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/postgres"
    with tempfile.TemporaryDirectory() as directory:
        async with running(Path(directory), database_url=url) as hub, hub.kiosk() as kiosk:
            async with kiosk.serving() as executed:
                before = await hub.send({"n": 1}, key="before")
                await replicated(primary, standby)
                primary.stop("immediate")
                during = await hub.send({"n": 2}, key="during")
                assert (during.status_code, during.json()["type"]) == (503, "key-unchecked")
                await asyncio.to_thread(standby.promote)

                async def taken() -> bool:
                    return (await hub.send({"n": 2}, key="during")).status_code == 200

                await until(taken)
                again = await hub.send({"n": 1}, key="before")
                assert (before.status_code, again.json()) == (200, before.json())
                assert [message["body"]["n"] for message in executed] == [1, 2]
            found = await asyncio.to_thread(
                standby.run, lambda c: c.fetch("SELECT idempotency_key FROM operations WHERE state = 'succeeded'")
            )
            assert sorted(row[0] for row in found) == ["before", "during"]
