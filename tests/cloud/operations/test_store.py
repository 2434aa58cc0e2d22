"""Rows of operations: a final one stands, and an open one is found again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from cloud.backends.keys import ApiKeys
from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.db.writer import Writer
from cloud.metrics import Metrics
from cloud.operations.operation import Operation, State
from cloud.operations.store import Store
from tests.cloud.hub import database_of
from tests.cloud.operations.test_answers import operation


@asynccontextmanager
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store on a new database."""
    engine = open_engine(database_of(tmp_path))
    await migrate(engine)
    writer = Writer(engine, Metrics())
    writer.start()
    try:
        yield Store(engine, writer, ApiKeys(engine))
    finally:
        await writer.stop()
        await engine.dispose()


def changed(it: Operation, **changes: object) -> Operation:
    """A copy with changes."""
    return msgspec.structs.replace(it, **changes)


async def test_an_operation_comes_back_as_it_was(tmp_path: Path) -> None:
    it = operation(
        idempotency_key="key",
        fingerprint="f",
        api_key_id="a",
        detail="words",
        journal="j",
        start_by=2.5,
        sent_at=1.5,
        accepted_at=1.75,
        finished_at=2.0,
        executed="yes",
        elapsed=0.1,
        body=b'{"b": 1.10}',
    )
    async with store(tmp_path) as rows:
        await rows.put(it)
        assert it == await rows.find("request-1") == await rows.find_by_key("key")
        assert None is await rows.find("nothing-here")


async def test_a_final_row_is_changed_by_nothing(tmp_path: Path) -> None:
    async with store(tmp_path) as rows:
        await rows.put(operation())
        for later in (State.UNKNOWN, State.FAILED, State.SENT):
            await rows.put(operation(state=later, status=None, answer=None))
        assert operation() == await rows.find("request-1")


async def test_an_open_row_takes_the_outcome_and_keeps_its_first_times_and_journal(tmp_path: Path) -> None:
    sent = operation(state=State.SENT, status=None, answer=None, sent_at=1.0, journal="first")
    async with store(tmp_path) as rows:
        await rows.put(sent)
        await rows.put(changed(sent, state=State.ACCEPTED, sent_at=None, accepted_at=2.0, journal="second"))
        found = await rows.find("request-1")
        assert found is not None
        assert (found.state, found.sent_at, found.accepted_at, found.journal) == (State.ACCEPTED, 1.0, 2.0, "first")


async def test_another_kiosk_cannot_change_a_row(tmp_path: Path) -> None:
    sent = operation(state=State.SENT, status=None, answer=None)
    async with store(tmp_path) as rows:
        await rows.put(sent)
        await rows.put(operation(kiosk_id="kiosk_002"))
        assert sent == await rows.find("request-1")


async def test_the_second_with_a_key_is_told_the_first(tmp_path: Path) -> None:
    one = operation(idempotency_key="key", state=State.SENT, status=None, answer=None)
    two = changed(one, request_id="request-2")
    async with store(tmp_path) as rows:
        assert await rows.claim(one) is None
        assert one == await rows.claim(two)
        assert await rows.find("request-2") is None
        await rows.release("request-1")
        assert await rows.claim(two) is None


async def test_a_final_operation_is_not_released(tmp_path: Path) -> None:
    async with store(tmp_path) as rows:
        await rows.put(operation(idempotency_key="key"))
        await rows.release("request-1")
        assert await rows.find("request-1") is not None


async def test_what_a_kiosk_never_answered_is_found_and_nothing_else(tmp_path: Path) -> None:
    base = {"status": None, "answer": None, "sent_at": 1.0}
    async with store(tmp_path) as rows:
        await rows.put(operation(request_id="sent-0000", state=State.SENT, **base))
        await rows.put(operation(request_id="unknown-0", state=State.UNKNOWN, **base))
        await rows.put(operation(request_id="cannot-00", state=State.UNKNOWN, executed="unknown", elapsed=0.0, **base))
        lost = {"state": State.UNKNOWN, "executed": "unknown", "elapsed": None, **base}
        await rows.put(operation(request_id="came-back", journal="journal-1", **lost))
        await rows.put(operation(request_id="lost-0000", journal="journal-2", **lost))
        await rows.put(operation(request_id="queued-00", state=State.QUEUED, **{**base, "sent_at": None}))
        await rows.put(operation(request_id="ended-000"))
        await rows.put(operation(request_id="other-000", kiosk_id="kiosk_002", state=State.SENT, **base))
        found = await rows.unanswered("kiosk_001", "journal-1")
        assert {it.request_id for it in found} == {"sent-0000", "unknown-0", "came-back"}
        assert await rows.abandon("the hub was restarted") == 2
        assert [waiting.request_id for waiting in await rows.queued()] == ["queued-00"]
        sent = await rows.find("sent-0000")
        assert sent is not None
        assert (sent.state, sent.problem) == (State.UNKNOWN, "timeout")


async def test_pages_of_operations_begun_in_the_same_moment_have_no_gap(tmp_path: Path) -> None:
    async with store(tmp_path) as rows:
        for n in range(7):
            await rows.put(operation(request_id=f"request-{n}", created_at=5.0))
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = await rows.page(limit=2, cursor=cursor)
            seen += [it.request_id for it in page.operations]
            if page.cursor is None:
                break
            cursor = page.cursor
        assert [f"request-{n}" for n in range(6, -1, -1)] == seen
        with pytest.raises(ValueError, match="cursor"):
            await rows.page(cursor="nonsense")
