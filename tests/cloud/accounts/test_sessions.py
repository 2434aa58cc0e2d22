"""Sessions, tries and the audit by the clock, without a hub."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.accounts.account import Act, Doer, Role
from cloud.accounts.accounts import Accounts
from cloud.accounts.audit import Audit
from cloud.accounts.hashing import Hashing, TooBusy
from cloud.accounts.sessions import IDLE, Sessions
from cloud.accounts.signing import Signing
from cloud.accounts.tries import Tries
from cloud.db.engine import open_engine
from cloud.errors import Refused
from tests.cloud.hub import database_of, execute, rows

TESTS = Doer(who="tests", door="cli")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def database(state_dir: Path) -> AsyncIterator[AsyncEngine]:
    """A migrated database."""
    execute(state_dir)
    engine = open_engine(database_of(state_dir))
    try:
        yield engine
    finally:
        await engine.dispose()


async def test_a_session_ends_when_nobody_uses_it_and_in_any_case_after_its_hours(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        clock, signing = Clock(), Signing("s" * 32)
        sessions = Sessions(engine, signing, 12 * 3600.0, clock)
        account = await Accounts(engine, clock).add("Ann", Role.VIEWER, by=TESTS)
        cookie = await sessions.open(account, "::1", "agent\0 with a blank")
        assert cookie not in str(rows(tmp_path, "SELECT * FROM account_sessions"))
        for _ in range(11):
            clock.now += 3600
            found = await sessions.of_cookie(cookie)
            assert found is not None
            assert found.account.name == "ann"
            await sessions.write_seen()
        clock.now += 3599
        assert await sessions.of_cookie(cookie) is not None
        clock.now += 2
        assert await sessions.of_cookie(cookie) is None
        other = await sessions.open(account, "::1", "")
        clock.now += IDLE + 1
        assert await sessions.of_cookie(other) is None
        assert await Sessions(engine, Signing("t" * 32), 3600.0, clock).of_cookie(other) is None
        clock.now += 24 * 3600
        await sessions.write_seen()
        assert rows(tmp_path, "SELECT * FROM account_sessions") == []


async def test_seen_is_written_by_the_minute_and_not_by_the_request(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        clock = Clock()
        sessions = Sessions(engine, Signing("s" * 32), 3600.0, clock)
        account = await Accounts(engine, clock).add("ann", Role.VIEWER, by=TESTS)
        cookie = await sessions.open(account, "::1", "")
        clock.now += 50
        await sessions.of_cookie(cookie)
        assert rows(tmp_path, "SELECT seen_at FROM account_sessions") == [(1_700_000_000.0,)]
        await sessions.write_seen()
        assert rows(tmp_path, "SELECT seen_at FROM account_sessions") == [(1_700_000_050.0,)]


async def test_tries_are_counted_before_they_are_looked_at_and_forgotten_after_a_day(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        clock = Clock()
        tries = Tries(engine, clock)
        waits = [(await tries.take("ann"))[0] for _ in range(7)]
        assert waits == [0, 0, 0, 0, 0, 30, 30]
        clock.now += 30
        assert (await tries.take("ann"))[0] == 0
        assert (await tries.take("ann"))[0] == 60
        await tries.give_back("ann")
        assert (await tries.take("ann"))[0] == 0
        clock.now += 24 * 3600 + 61
        await tries.forget_old()
        assert rows(tmp_path, "SELECT * FROM account_tries") == []
        assert await tries.take("ann") == (0.0, 1)


async def test_acts_alike_are_written_once_and_then_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.accounts.audit._ALIKE_MAX", 20)
    async with database(tmp_path) as engine:
        clock = Clock()
        audit = Audit(engine, clock)
        act = Act(who="", door="dashboard", act="account.sign-in-failed", subject="ann", address="10.0.0.1")
        for _ in range(1000):
            audit.note_alike(act, "10.0.0.1")
        await audit.write_alike()
        assert [found.data for found in await audit.page()] == [{}]
        clock.now += 601
        await audit.write_alike()
        assert [found.data for found in await audit.page()] == [{"more": 999}, {}]
        await audit.write_alike()
        assert len(await audit.page()) == 2
        for number in range(2000):  # a botnet: bounded too
            audit.note_alike(act, f"10.{number}")
        await audit.write_alike()
        assert len(await audit.page(limit=5000)) == 2 + 21


async def test_acts_alike_are_written_once_by_whoever_comes_first_and_none_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database(tmp_path) as engine:
        clock = Clock()
        audit = Audit(engine, clock)
        act = Act(who="", door="dashboard", act="account.sign-in-failed", subject="ann")
        for subject in ("ann", "ben"):
            audit.note_alike(msgspec.structs.replace(act, subject=subject), "10.0.0.1")
        await asyncio.gather(*(audit.write_alike() for _ in range(3)))
        assert [found.subject for found in await audit.page()] == ["ben", "ann"]
        audit.note_alike(act, "10.0.0.1")
        clock.now += 601
        write = audit.note

        async def note(counted: Act) -> None:
            await write(counted)
            audit.note_alike(act, "10.0.0.1")  # a disk takes its time, and a stranger goes on

        monkeypatch.setattr(audit, "note", note)
        for _ in range(2):
            await audit.write_alike()
            clock.now += 601
        told = [found.data for found in await audit.page() if found.subject == "ann"]
        assert told == [{"more": 1}, {"more": 1}, {}]


async def test_too_many_at_once_are_sent_away_rather_than_queued() -> None:
    hashing = Hashing()
    try:
        for _ in range(18):
            hashing._waiting += 1
        with pytest.raises(TooBusy):
            await hashing.hash("x")
    finally:
        hashing.stop()


async def test_an_account_without_a_password_is_no_second_admin(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        accounts = Accounts(engine, Clock())
        for name in ("ann", "ben"):
            await accounts.add(name, Role.ADMIN, by=TESTS)
        execute(tmp_path, "UPDATE accounts SET password = 'x' WHERE name = 'ann'")
        with pytest.raises(Refused, match="last admin"):
            await accounts.remove("ann", by=TESTS)
        await accounts.remove("ben", by=TESTS)
        with pytest.raises(Refused, match="there is no account"):
            await accounts.unlock("ben", by=TESTS)
