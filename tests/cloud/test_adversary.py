"""What an adversary tried against the promise, and what happens instead."""

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import StorageError
from cloud.operations.news import Item
from cloud.operations.operation import Operation
from cloud.web.door import _Connection
from tests.cloud.hub import PATIENCE, broken, closed_to_writing, rows, running, until
from tests.cloud.kiosks.test_links import Remembering, make
from tests.cloud.operations.test_callbacks import finish, key_with_callback, receiver
from tests.cloud.operations.test_delivery import enqueue
from tests.cloud.web.test_send import problem_of
from tests.listening import listening

# Idempotency-Key.


async def test_a_repetition_beside_a_misuse_of_its_key_still_gets_its_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
        first = await hub.send({"amount": 1}, key="pay-1")
        await hub.idle()
        # The misuse is on the books first: it must not speak for the key.
        for _ in range(5):
            misuse, again = await asyncio.gather(
                hub.send({"amount": 2}, key="pay-1"), hub.send({"amount": 1}, key="pay-1")
            )
            assert problem_of(misuse) == "idempotency-conflict"
            assert (200, first.content) == (again.status_code, again.content)
            assert first.headers["x-request-id"] == again.headers["x-request-id"]
        assert len(executed) == 1


async def test_a_repetition_that_cannot_be_looked_up_again_is_not_told_not_executed(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_response_timeout=0.2) as hub, hub.kiosk() as kiosk:
        assert problem_of(await hub.send({"amount": 1}, key="pay-1")) == "timeout"
        request = await kiosk.request()
        await hub.idle()
        again = hub.sending({"amount": 1}, key="pay-1", header_timeout="300")
        await until(lambda: hub.services.news.is_wanted(request["request_id"]))
        async with broken(tmp_path, "operations"):
            hub.services.news.tell(request["request_id"], Item("unknown", b"{}"))  # it is not waited for any longer
            answer = await again
        assert (problem_of(answer), answer.json()["outcome"]) == ("key-unchecked", "unknown")
        assert answer.json()["request_id"] == request["request_id"]


async def test_what_is_queued_though_it_was_said_to_fail_is_not_told_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.service._STORE_RETRY", 0.05)
    async with running(tmp_path) as hub:
        store = hub.services.store

        async def written_and_failed(operation: Operation) -> None:
            await type(store).claim(store, operation)
            monkeypatch.undo()
            raise StorageError("the database does not answer")

        monkeypatch.setattr(store, "claim", written_and_failed)
        answer = await hub.send({"n": 1}, key="pay-1", header_delivery="queue")
        assert (problem_of(answer), answer.json()["outcome"]) == ("key-unchecked", "unknown")
        again = await hub.send({"n": 1}, key="pay-1", header_delivery="queue")
        assert (again.status_code, again.json()["state"]) == (202, "queued")
        async with hub.kiosk() as kiosk:
            request = await kiosk.request()
            assert request["request_id"] == again.json()["request_id"]
            await kiosk.answer(request)
            await hub.operation_in(request["request_id"], "succeeded")


async def test_a_key_whose_claim_is_in_doubt_is_free_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And as long as nobody can look what the key stands for, nothing is said of that."""
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
        store = hub.services.store

        async def written_and_failed(operation: Operation) -> None:
            await type(store).claim(store, operation)
            raise StorageError("the database does not answer")

        async def fail_now(_key: str) -> Operation | None:
            monkeypatch.undo()
            raise StorageError("the database does not answer")

        monkeypatch.setattr(store, "claim", written_and_failed)
        monkeypatch.setattr(store, "find_by_key", fail_now)
        assert problem_of(await hub.send({"n": 1}, key="pay-1")) == "key-unchecked"
        await until(lambda: rows(tmp_path, "SELECT count(*) FROM operations") == [(0,)], 4 * PATIENCE)
        assert executed == []
        assert (await hub.send({"n": 1}, key="pay-1")).status_code == 200


async def test_a_request_with_a_key_is_not_counted_against_itself(tmp_path: Path) -> None:
    async with running(tmp_path, running_max_per_kiosk=1) as hub, hub.kiosk() as kiosk:
        one = hub.sending({"amount": 1}, key="pay-1")
        request = await kiosk.request()
        assert problem_of(await hub.send({"amount": 2}, key="pay-2")) == "rate-limited"
        assert problem_of(await hub.send({"amount": 2})) == "rate-limited"
        await kiosk.answer(request)
        assert (await one).status_code == 200


# Reading operations.


async def test_who_cannot_read_an_operation_is_not_told_that_it_was_not_executed(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving():
        paid = (await hub.send({"amount": 1}, key="pay-1")).headers["x-request-id"]
        await hub.idle()
        of_paid, absent = f"/operations/{paid}", f"/operations/{paid[::-1]}"
        answers = [
            await hub.http.get(of_paid),
            await hub.http.get(absent, headers=hub.backend()),
            await hub.http.get(f"{absent}/events", headers=hub.backend()),
            await hub.http.post(f"{of_paid}/cancel", headers=hub.backend()),
            await hub.http.get("/operations?limit=0", headers=hub.backend()),
        ]
        async with broken(tmp_path, "operations"):
            answers.append(await hub.http.get(of_paid, headers=hub.backend()))
        assert [(answer.status_code, answer.json()["outcome"]) for answer in answers] == [
            (status, "unknown") for status in (401, 404, 404, 409, 400, 503)
        ]


# The door.


async def test_a_caller_that_asks_on_and_never_reads_holds_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, loop = 15_000, asyncio.get_running_loop()
    came: list[_Connection] = []
    begin = _Connection.connection_made

    def come(connection: _Connection, transport: asyncio.BaseTransport) -> None:
        begin(connection, transport)
        came.append(connection)

    monkeypatch.setattr(_Connection, "connection_made", come)
    monkeypatch.setattr("cloud.web.door._REQUEST_TIMEOUT", 8 * PATIENCE)  # nor is it cut off for being slow
    async with running(tmp_path) as hub:
        with socket.socket() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.setblocking(False)
            await loop.sock_connect(caller, ("127.0.0.1", hub.hub.port))
            asking = asyncio.create_task(loop.sock_sendall(caller, b"POST /send HTTP/1.1\r\n\r\n" * count))
            try:
                held = (await until(lambda: came))[0]

                async def answered() -> float:
                    return await hub.metric('kioskwire_http_requests_total{status="401"}')

                async def is_held() -> bool:  # what it wrote may be taken by the caller's system for a moment yet
                    before = await answered()
                    await asyncio.sleep(0.5)
                    return held._is_full and await answered() == before

                await until(is_held, 4 * PATIENCE)
                assert await answered() < count
                assert held._transport.get_write_buffer_size() < 256 * 1024
                assert len(held._buffer) < 512 * 1024
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                heard, tail = 0, b""
                async with asyncio.timeout(4 * PATIENCE):  # what it asked ahead is answered as it reads
                    while heard < count:
                        data = await loop.sock_recv(caller, 1 << 20)
                        assert data, "it was cut off"
                        tail = tail[-12:] + data
                        heard += tail.count(b"HTTP/1.1 401 ")
                await asking
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)


# The kiosk's socket.


async def test_more_than_the_write_buffer_at_once_does_not_break_the_socket(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=60) as hub:
        async with hub.kiosk() as kiosk:
            asked = [hub.sending({"n": n, "x": "a" * 900_000}) for n in range(5)]
            for _ in asked:
                await kiosk.request()
        # At its next hello it is asked for all of them again.
        async with hub.kiosk() as kiosk, kiosk.serving(lambda request: {"n": request["body"]["n"]}):
            answers = await asyncio.gather(*asked)
        assert [(200, {"n": n}) for n in range(5)] == [(answer.status_code, answer.json()) for answer in answers]


async def test_strangers_do_not_keep_kiosks_out(tmp_path: Path) -> None:
    async with running(tmp_path, accept_rate=1.0) as hub:
        for _ in range(20):
            assert (await hub.http.get("/ws")).status_code == 400
            async with hub.socket("no token") as stranger:
                assert await stranger.close_code() in {4401, 4429}
        async with hub.kiosk():
            pass


async def test_a_token_that_is_no_text_is_400_and_no_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as hub:
        assert (await hub.http.get("/ws?token=eyJ%ff")).status_code == 400
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        upgrade["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        assert (await hub.http.get("/ws?token=eyJ%ff", headers=upgrade)).status_code == 400
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert "eyJ" not in caplog.text


async def test_a_kiosk_whose_socket_dies_at_its_welcome_is_not_there() -> None:
    links, owner = make()
    socket = Remembering(dead=True)
    link = links.opened("kiosk_001", 0, socket, is_v1=False)
    hello = b'{"type": "hello", "version": "1", "boot_id": "1", "journal": "journal-1"}'
    links.received(link, socket, hello)
    assert (owner.told, link.ready) == (["lost"], False)
    again = Remembering()
    link = links.opened("kiosk_001", 0, again, is_v1=False)
    links.received(link, again, hello)
    assert [message["type"] for message in again.sent] == ["welcome"]


async def test_outcomes_told_faster_than_they_are_stored_are_left_to_the_kiosk(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending({"amount": 1}, header_timeout="60")
        request = await kiosk.request()
        async with closed_to_writing(tmp_path):
            for n in range(200):
                await kiosk.answer({"request_id": f"request-{n:03}"}, {"n": n})
                await kiosk.answer(request, {"paid": True})
            await kiosk.heard()
            assert len(hub.services.operations._tasks._all) < 100
            storing = hub.services.operations._tasks.storing
            assert sum(not isinstance(each, asyncio.Task) for each in storing) == 1
        assert (await asked).json() == {"paid": True}
        settled = {message["request_id"] for message in [await kiosk.hear("settled") for _ in range(65)]}
        assert request["request_id"] in settled
        # What was not settled is told again, and then it is.
        for n in range(200):
            if f"request-{n:03}" not in settled:
                await kiosk.answer({"request_id": f"request-{n:03}"}, {"n": n})
                assert (await kiosk.hear("settled"))["request_id"] == f"request-{n:03}"
    assert rows(tmp_path, "SELECT count(*) FROM operations WHERE state = 'succeeded'") == [(201,)]


# The queue.


@pytest.mark.parametrize("key", [{}, {"key": "pay-1"}])
async def test_what_was_taken_out_of_the_queue_and_never_sent_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: dict[str, str]
) -> None:
    async with running(tmp_path, kiosk_response_timeout=0.2) as hub:
        request_id = await enqueue(hub, 1, header_expires="6", **key)
        store = hub.services.store
        put = store.put

        async def put_and_cut(operation: Operation) -> None:
            await put(operation)
            link = hub.services.links.get("kiosk_001")
            assert link is not None
            if link.socket is not None:
                link.socket.close(0, "")
            await until(lambda: link.socket is None)

        monkeypatch.setattr(store, "put", put_and_cut)
        async with hub.kiosk() as kiosk:
            await kiosk.close_code()
        monkeypatch.undo()
        operation = await hub.operation_in(request_id, "expired")
        assert (operation["problem"]["type"], operation["executed"]) == ("expired", None)
        async with hub.kiosk() as kiosk:
            assert await kiosk.heard() == []


# Callbacks.


async def test_an_outcome_and_its_callback_are_stored_together_wherever_a_group_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.db.writer._GROUP_MAX", 1)
    async with running(tmp_path) as hub, receiver() as backend:
        writer = hub.services.store._writer
        committed: list[list[str]] = []
        commit = writer._target.commit

        async def commit_and_note(batches: Any) -> Any:
            told = await commit(batches)
            committed.append([batch.sql.split()[2] for batch in batches])
            return told

        api_key, _ = await key_with_callback(hub, backend.url)
        monkeypatch.setattr(writer._target, "commit", commit_and_note)
        await finish(hub, api_key)
        await backend.wait(1)
        beside = [["connections"], ["kiosk_versions"]]  # who came is noted by others, whenever that is
        assert [group for group in committed if group not in beside] == [["operations", "callbacks"]]


async def test_an_address_that_no_resolver_takes_does_not_end_all_callbacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.callbacks._FIRST_PAUSE", 0.05)
    async with running(tmp_path) as hub, receiver() as backend:
        broken, _ = await key_with_callback(hub, "http://xn--a/hook")
        await finish(hub, broken)
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE attempts > 1 AND last_error IS NOT NULL"))
        good, _ = await key_with_callback(hub, backend.url)
        request_id = await finish(hub, good)
        (told,) = await backend.wait(1)
        assert told["data"]["request_id"] == request_id


async def test_a_receiver_that_never_answers_holds_up_its_own_callbacks_only(tmp_path: Path) -> None:
    writers: list[asyncio.StreamWriter] = []
    async with (
        listening(lambda _, writer: writers.append(writer)) as silent,
        running(tmp_path) as hub,
        receiver() as backend,
    ):
        stuck, _ = await key_with_callback(hub, f"http://127.0.0.1:{silent.port}/")
        good, _ = await key_with_callback(hub, backend.url)
        async with hub.kiosk() as kiosk, kiosk.serving():
            await asyncio.gather(*(hub.send(api_key=stuck) for _ in range(40)))
            await until(lambda: writers)
            told = [(await hub.send(api_key=good)).headers["x-request-id"] for _ in range(30)]
        assert set(told) == {item["data"]["request_id"] for item in await backend.wait(30)}
        assert len(backend.came) == 30
        assert len(writers) <= 10


async def test_of_a_receivers_endless_answer_little_is_read(tmp_path: Path) -> None:
    sent = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:  # until the hub hangs up
            writer.write(bytes(100_000))
            sent += 100_000
            await writer.drain()

    async with listening(answer) as endless, running(tmp_path) as hub:
        api_key, _ = await key_with_callback(hub, f"http://127.0.0.1:{endless.port}/")
        await finish(hub, api_key)
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE delivered_at IS NOT NULL"))
        assert sent < 20_000_000


@pytest.mark.parametrize(
    "answered",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000,
    ],
    ids=["interim answers", "chunks"],
)
async def test_an_answer_that_is_all_form_and_never_ends_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answered: bytes
) -> None:
    monkeypatch.setattr("cloud.operations.callbacks._FIRST_PAUSE", 0.05)
    sent, asked = 0, b""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent, asked
        asked += await reader.readuntil(b"\r\n\r\n")
        writer.write(answered)
        while True:  # until the hub hangs up
            writer.write(answered[-4200:])
            sent += 4200
            await writer.drain()
            await asyncio.sleep(0)

    async with listening(answer) as endless, running(tmp_path) as hub:
        api_key, _ = await key_with_callback(hub, f"http://127.0.0.1:{endless.port}/")
        await finish(hub, api_key)
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE attempts > 1"))  # long before its 15 s
        assert sent < 20_000_000
    ((problem,),) = rows(tmp_path, "SELECT last_error FROM callbacks")
    assert "the answer is longer than" in problem
    assert b"ookie" not in asked


# Events.


async def test_events_under_way_when_the_journal_changes_take_no_numbers_of_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as hub:
        writer = hub.services.store._writer
        go_on, commit = asyncio.Event(), writer._target.commit

        async def commit_later(batches: Any) -> Any:
            await go_on.wait()
            return await commit(batches)

        async with hub.kiosk(journal="journal-1") as kiosk:
            await kiosk.say("event", seq=1, at=1.0, kind="door")
            await kiosk.hear("event_ack")
            monkeypatch.setattr(writer._target, "commit", commit_later)
            await kiosk.say("event", seq=2, at=1.0, kind="door")
            await kiosk.heard()  # it is being stored
            await kiosk.say("event", seq=3, at=1.0, kind="door")
            await kiosk.heard()  # and this one waits
        async with hub.kiosk(journal="journal-2") as kiosk:
            await kiosk.say("event", seq=1, at=1.0, kind="bill stacked")
            await kiosk.heard()
            go_on.set()
            assert (await kiosk.hear("event_ack"))["seq"] == 1
            await kiosk.say("event", seq=2, at=1.0, kind="bill stacked")
            assert (await kiosk.hear("event_ack"))["seq"] == 2
    assert rows(tmp_path, "SELECT journal, seq FROM events ORDER BY 1, 2") == [
        ("journal-1", 1),
        ("journal-1", 2),
        ("journal-2", 1),
        ("journal-2", 2),
    ]


async def test_events_that_wait_for_their_turn_are_not_another_journals(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        turns = hub.services.store._writer.turns
        async with AsyncExitStack() as taken:
            for _ in range(turns._value):
                await taken.enter_async_context(turns)
            async with hub.kiosk(journal="journal-1") as kiosk:
                await kiosk.say("event", seq=1, at=1.0, kind="door")
                await kiosk.heard()  # it waits for its turn
            await hub.gone()
            async with hub.kiosk(journal="journal-2") as kiosk:
                await kiosk.say("event", seq=1, at=1.0, kind="bill stacked")
                await kiosk.heard()
                await taken.aclose()
                await kiosk.say("event", seq=1, at=1.0, kind="bill stacked")  # as it does while not acknowledged
                assert (await kiosk.hear("event_ack"))["seq"] == 1
        assert rows(tmp_path, "SELECT journal, seq, kind FROM events") == [("journal-2", 1, "bill stacked")]


async def test_events_that_wait_for_their_turn_when_the_kiosk_goes_do_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as hub:
        turns = hub.services.store._writer.turns
        async with AsyncExitStack() as taken:
            for _ in range(turns._value):
                await taken.enter_async_context(turns)
            async with hub.kiosk() as kiosk:
                await kiosk.say("event", seq=1, at=1.0, kind="door")
                await kiosk.heard()
            await hub.gone()
        async with hub.kiosk() as kiosk:
            await kiosk.say("event", seq=1, at=1.0, kind="door")
            assert (await kiosk.hear("event_ack"))["seq"] == 1
    gc.collect()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# Two doors.


async def test_a_repeated_header_means_the_same_through_both_doors(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
        headers = [
            *hub.backend().items(),
            ("Header-Kiosk-Id", "kiosk_001"),
            ("Header-Operation-Type", "payment"),
            ("Idempotency-Key", "pay-1"),
            ("Idempotency-Key", "pay-1"),
        ]

        async def in_chunks() -> AsyncIterator[bytes]:
            yield b"{}"

        plain = await hub.http.post("/send", content=b"{}", headers=headers)
        general = await hub.http.post("/send", content=in_chunks(), headers=headers)
        assert (plain.status_code, plain.content) == (general.status_code, general.content)
        assert plain.headers["x-request-id"] == general.headers["x-request-id"]
        assert len(executed) == 1


async def test_an_events_words_are_cut_in_the_log_as_in_the_database(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "cloud.kiosks.inbox"):
        async with running(tmp_path) as hub, hub.kiosk() as kiosk:
            await kiosk.say("event", seq=1, at=1.0, kind="k" * 500_000, device="d" * 500_000)
            await kiosk.hear("event_ack")
    (line,) = [record for record in caplog.records if record.getMessage() == "kiosk event"]
    assert vars(line)["kind"] + vars(line)["device"] == "k" * 64 + "d" * 64
    assert rows(tmp_path, "SELECT kind, device FROM events") == [("k" * 64, "d" * 64)]


# The registry.


async def test_a_kiosk_disabled_while_the_registry_is_read_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.db.changes._EVERY", 0.05)
    async with running(tmp_path) as hub:
        registry = hub.services.registry
        has_read, go_on, read = asyncio.Event(), asyncio.Event(), AsyncConnection.run_sync

        async def read_and_dawdle(connection: AsyncConnection, *args: Any) -> Any:
            found = await read(connection, *args)
            if args[0] == registry._read and not has_read.is_set():
                has_read.set()
                await go_on.wait()
            return found

        monkeypatch.setattr(AsyncConnection, "run_sync", read_and_dawdle)
        await has_read.wait()

        async def change() -> None:
            await registry.enable("kiosk_001", False)
            await registry.add("kiosk_002")  # from here on the first change is not read again

        changing = asyncio.create_task(change())
        await until(lambda: rows(tmp_path, "SELECT 1 FROM kiosks WHERE NOT enabled"))
        asyncio.get_running_loop().call_later(0.2, go_on.set)
        await changing
        await go_on.wait()
        await hub.http.get("/health")
        kiosk = registry.get("kiosk_001")
        assert kiosk is not None
        assert not kiosk.enabled


# Clients of v1.


@pytest.mark.parametrize("journal", ["journal-1", ""])
async def test_what_a_v1_client_was_sent_is_not_asked_of_its_successor(tmp_path: Path, journal: str) -> None:
    async with running(tmp_path, kiosk_response_timeout=0.2) as hub:
        async with hub.v1_kiosk() as old:
            asked = hub.sending({"amount": 1}, key="pay-1")
            request = await old.hear()  # it pays, and its answer is lost
            assert problem_of(await asked) == "timeout"
        await hub.gone()
        async with hub.kiosk(journal=journal) as new:

            async def told() -> bool:
                return (await hub.operation(request["request_id"]))["executed"] is not None

            await until(told)
            # It would say "not executed", knowing nothing of it.
            assert await new.heard() == []
        operation = await hub.operation(request["request_id"])
        assert (
            operation["state"],
            operation["executed"],
            operation["problem"]["type"],
        ) == ("unknown", "unknown", "interrupted")


async def test_what_a_v1_client_still_runs_is_not_waited_for_when_another_client_comes(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=0.3) as hub:
        async with hub.v1_kiosk() as old:
            asked = hub.sending({"amount": 1}, key="pay-1", header_timeout="10")
            await old.hear()
        async with hub.kiosk() as new:
            assert problem_of(await asked) == "kiosk-lost"
            assert await new.heard() == []


# What a kiosk is asked at its hello.


async def test_what_is_given_up_just_before_a_hello_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as hub:
        async with hub.kiosk() as kiosk:
            asked = hub.sending({"amount": 1})
            request = await kiosk.request()
            writer = hub.services.store._writer
            slow, commit = asyncio.Event(), writer._target.commit

            async def commit_later(batches: Any) -> Any:
                await slow.wait()
                return await commit(batches)

            monkeypatch.setattr(writer._target, "commit", commit_later)
            hub.out_of_time(request["request_id"])
            assert problem_of(await asked) == "timeout"
        async with hub.kiosk() as kiosk:
            slow.set()
            again = await kiosk.request()
            assert (request["request_id"], 0.0) == (again["request_id"], again["start_within"])


async def test_what_a_kiosk_tells_in_one_breath_with_hello_is_not_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_response_timeout=0.2) as hub:
        async with hub.kiosk() as kiosk:
            assert problem_of(await hub.send({"amount": 1}, key="pay-1")) == "timeout"
            request = await kiosk.request()
            await hub.idle()
        async with hub.socket() as kiosk:
            texts = [
                {"type": "hello", "version": "1", "boot_id": "1", "journal": "journal-1"},
                {
                    "type": "response",
                    "request_id": request["request_id"],
                    "operation": "payment",
                    "executed": "yes",
                    "status": 200,
                },
            ]
            transport = kiosk.socket.transport
            transport.write(b"".join(_frame(json.dumps(text).encode()) for text in texts))
            await kiosk.hear("welcome")
            await kiosk.hear("settled")
            assert await kiosk.heard() == []


async def test_what_is_being_settled_when_a_kiosk_comes_back_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as hub:
        request_id = await enqueue(hub, 1)
        async with hub.kiosk() as kiosk:
            await kiosk.request()
    async with running(tmp_path) as hub:  # it was sent by the hub's earlier life, and may be started for an hour
        writer = hub.services.store._writer
        go_on, commit = asyncio.Event(), writer._target.commit

        async def commit_later(batches: Any) -> Any:
            await go_on.wait()
            return await commit(batches)

        async with hub.kiosk() as kiosk:
            request = await kiosk.request()
            monkeypatch.setattr(writer._target, "commit", commit_later)
            await kiosk.answer(request)
            await kiosk.heard()
        async with hub.kiosk() as kiosk:
            heard = [message["type"] for message in await kiosk.heard()]
            go_on.set()
            await hub.operation_in(request_id, "succeeded")
            heard += [message["type"] for message in await kiosk.heard()]
        assert heard == ["settled"]


def _frame(text: bytes) -> bytes:
    """A masked text frame of up to 65535 bytes; the mask is nought."""
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text
