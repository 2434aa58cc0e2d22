"""`/operations`: what became of an operation, lists, the event stream, cancelling; and `/send` by Tornado's handler."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.hub import PATIENCE, Running, running, until
from tests.cloud.web.test_send import problem_of
from wire.messages import MESSAGE_MAX_BYTES


async def finished(hub: Running, kiosk: str = "kiosk_001", count: int = 1, status: int = 200) -> list[str]:
    """Carry operations out one after the other; returns their ids."""
    ids = []
    async with hub.kiosk(kiosk) as client:
        for n in range(count):
            asked = hub.sending({"n": n}, kiosk=kiosk)
            await client.answer(await client.request(), {"n": n}, status)
            ids.append((await asked).headers["x-request-id"])
            await client.hear("settled")
    return ids


async def test_an_operation_is_told_with_all_its_members(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        (request_id,) = await finished(hub)
        found = await hub.operation(request_id)
        times = {name: found.pop(name) for name in ("created_at", "sent_at", "finished_at")}
        assert all(datetime.fromisoformat(value).tzinfo for value in times.values())
        assert found == {
            "request_id": request_id,
            "kiosk": "kiosk_001",
            "operation": "payment",
            "method": "POST",
            "delivery": "now",
            "state": "succeeded",
            "final": True,
            "executed": "yes",
            "idempotency_key": None,
            "expires_at": None,
            "accepted_at": None,
            "kiosk_seconds": 0.01,
            "answer": {"status": 200, "body": {"n": 0}},
            "problem": None,
            "resolution": None,
        }


async def test_what_is_not_there_is_404_and_without_a_key_401(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for path in ("/operations/none-such-id", "/operations/%20", "/operations/none-such-id/events"):
            assert problem_of(await hub.http.get(path, headers=hub.backend())) == "not-found"
            assert problem_of(await hub.http.get(path)) == "unauthorized"
        cancel = "/operations/none-such-id/cancel"
        assert problem_of(await hub.http.post(cancel, headers=hub.backend())) == "not-found"
        assert problem_of(await hub.http.post(cancel)) == "unauthorized"
        assert problem_of(await hub.http.get("/operations")) == "unauthorized"


async def test_the_list_is_in_pages_newest_first_without_gap_or_repetition(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        ids = await finished(hub, count=7)
        pages: list[list[str]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await hub.http.get("/operations", params={"limit": "3", **cursor}, headers=hub.backend())
            pages.append([item["request_id"] for item in answer.json()["operations"]])
            if answer.json()["cursor"] is None:
                break
            cursor = {"cursor": answer.json()["cursor"]}
        newest_first = ids[::-1]
        assert [newest_first[:3], newest_first[3:6], newest_first[6:]] == pages


async def test_the_list_filters_by_kiosk_state_and_time(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub:
        (one,) = await finished(hub)
        (two,) = await finished(hub, "kiosk_002", status=500)
        created = (await hub.operation(two))["created_at"]

        async def ids(**query: str) -> list[str]:
            return [item["request_id"] for item in await hub.operations(**query)]

        assert [two, one] == await ids()
        assert [two] == await ids(kiosk="kiosk_002")
        assert [one] == await ids(state="succeeded")
        assert await ids(kiosk="kiosk_001", state="failed") == []
        assert [two] == await ids(since=created)
        assert [two] == await ids(since=str(datetime.fromisoformat(created).timestamp()))
        assert await ids(since="2999-01-01T00:00:00Z") == []


async def test_a_wrong_filter_is_400_naming_it(tmp_path: Path) -> None:
    wrong = {"state": "done", "since": "yesterday", "limit": "0", "cursor": "bm90aGluZw==", "kiosk": "a b"}
    async with running(tmp_path) as hub:
        for name, value in wrong.items():
            answer = await hub.http.get("/operations", params={name: value}, headers=hub.backend())
            assert problem_of(answer) == "bad-request", name
        for value in ("501", "-1", "x", "99999999999999999999"):
            answer = await hub.http.get("/operations", params={"limit": value}, headers=hub.backend())
            assert problem_of(answer) == "bad-request", value
        for value in ("nan nan", "%", "\u00e9", "-"):
            answer = await hub.http.get("/operations", params={"cursor": value}, headers=hub.backend())
            assert problem_of(answer) == "bad-request", value


async def events(hub: Running, request_id: str) -> AsyncIterator[tuple[str, Any]]:
    """The server-sent events of an operation, as (event, data)."""
    async with hub.http.stream("GET", f"/operations/{request_id}/events", headers=hub.backend()) as stream:
        assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream")
        kind = ""
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                yield kind, json.loads(line[6:])


async def test_the_event_stream_tells_every_state_and_progress_and_ends_with_the_last(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending(operation="cash")
        request = await kiosk.request()
        seen: list[tuple[str, Any]] = []

        async def watch() -> None:
            seen.extend([event async for event in events(hub, request["request_id"])])

        stream = events(hub, request["request_id"])
        assert (await anext(stream))[0] == "sent"
        await kiosk.say("accepted", request_id=request["request_id"])
        kind, data = await anext(stream)
        assert (kind, data["state"]) == ("accepted", "accepted")
        await kiosk.say("progress", request_id=request["request_id"], data={"inserted": 500, "note": "a\nb"})
        assert await anext(stream) == ("progress", {"inserted": 500, "note": "a\nb"})
        head = f'{{"type":"response","request_id":"{request["request_id"]}","operation":"cash","executed":"yes"'
        await kiosk.say_raw(head + ',"status":200,\n"body":{\n"a":\n1}}')
        kind, data = await anext(stream)
        assert (kind, data["answer"]["body"]) == ("succeeded", {"a": 1})
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        await asked
        await watch()
        assert [("succeeded", request["request_id"])] == [(kind, data["request_id"]) for kind, data in seen]


async def test_who_begins_to_watch_in_the_middle_is_told_how_far_it_is(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending(operation="cash")
        request = await kiosk.request()
        await kiosk.say("accepted", request_id=request["request_id"])
        for collected in (0, 500):
            await kiosk.say("progress", request_id=request["request_id"], data={"collected": collected})

        async def progress() -> bytes:
            return bytes((await hub.services.operations.look(request["request_id"]))[1] or b"")

        async def is_told() -> bool:
            return b"500" in await progress()

        await until(is_told)
        stream = events(hub, request["request_id"])
        assert (await anext(stream))[0] == "accepted"
        assert await anext(stream) == ("progress", {"collected": 500})
        await kiosk.say("progress", request_id=request["request_id"], data={"padding": "x" * 5000})
        assert (await anext(stream))[0] == "progress"
        assert await progress() == b"", "too long to be kept"
        await kiosk.answer(request)
        await asked
        assert (await anext(stream))[0] == "succeeded"
        assert [kind async for kind, _data in events(hub, request["request_id"])] == ["succeeded"]


async def test_a_watcher_that_leaves_is_forgotten(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending()
        request = await kiosk.request()
        stream = events(hub, request["request_id"])
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        await kiosk.say("progress", request_id=request["request_id"], data={})
        await kiosk.answer(request)
        await asked
        await until(lambda: not hub.services.news.is_wanted(request["request_id"]))


async def test_cancelling_what_runs_asks_the_kiosk_and_its_answer_tells(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending(operation="cash")
        request = await kiosk.request()
        answer = await hub.http.post(f"/operations/{request['request_id']}/cancel", headers=hub.backend())
        assert (answer.status_code, answer.json()["state"]) == (202, "sent")
        assert await kiosk.hear() == {"type": "cancel", "request_id": request["request_id"]}
        await kiosk.refuse(request, "cancelled")
        assert problem_of(await asked) == "cancelled"
        await kiosk.hear("settled")
        again = await hub.http.post(f"/operations/{request['request_id']}/cancel", headers=hub.backend())
        assert problem_of(again) == "conflict"


async def test_a_v1_client_is_never_asked_to_cancel(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.v1_kiosk() as kiosk:
        asked = hub.sending()
        request = await kiosk.hear()
        await hub.http.post(f"/operations/{request['request_id']}/cancel", headers=hub.backend())
        assert await kiosk.heard() == []
        await kiosk.socket.send(json.dumps({"request_id": request["request_id"]}))
        assert (await asked).status_code == 200


async def test_send_in_chunks_is_answered_like_any_other(tmp_path: Path) -> None:
    """A body without Content-Length goes another way through the door."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"amount":'
        yield b" 1}"

    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
        headers = {**hub.backend(), "Header-Kiosk-Id": "kiosk_001", "Header-Operation-Type": "payment"}
        answer = await hub.http.post("/send", content=chunks(), headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"echo": {"amount": 1}})
        assert answer.headers["x-request-id"] == executed[0]["request_id"]


async def test_a_body_without_end_is_413_before_it_is_read(tmp_path: Path) -> None:
    # By the bare socket: asyncio's streams forget what was received once what is sent is refused.
    loop = asyncio.get_running_loop()
    async with running(tmp_path) as hub:
        with socket.create_connection(("127.0.0.1", hub.hub.port)) as line:
            line.setblocking(False)
            head = f"POST /send HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {hub.key}\r\n"
            chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
            sent = 0
            async with asyncio.timeout(PATIENCE):
                await loop.sock_sendall(line, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
                with contextlib.suppress(ConnectionError):
                    while sent < 8 * MESSAGE_MAX_BYTES:
                        await loop.sock_sendall(line, chunk)
                        sent += len(chunk)
                answer = await loop.sock_recv(line, 65536)
        assert answer.startswith(b"HTTP/1.1 413")
        assert sent < 8 * MESSAGE_MAX_BYTES


async def test_another_method_is_405(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert problem_of(await hub.http.get("/send", headers=hub.backend())) == "method-not-allowed"
        assert problem_of(await hub.http.put("/operations", headers=hub.backend())) == "method-not-allowed"


async def test_a_page_of_large_answers_is_shorter_and_says_where_the_next_begins(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving(lambda _: {"pad": "x" * 700_000}):
        for _ in range(12):
            assert (await hub.send()).is_success
        await hub.idle()
        seen: list[str] = []
        cursor: dict[str, str] = {}
        sizes = []
        while True:
            page = (await hub.http.get("/operations", params={"limit": "500", **cursor}, headers=hub.backend())).json()
            seen += [item["request_id"] for item in page["operations"]]
            sizes.append(len(page["operations"]))
            if page["cursor"] is None:
                break
            cursor = {"cursor": page["cursor"]}
        assert sizes == [5, 5, 2]
        assert seen == sorted(set(seen), reverse=True)
