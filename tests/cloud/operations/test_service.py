"""The promise as backend and kiosk see it: executed at most once, outcome never lost, whatever breaks."""

import asyncio
import json
from pathlib import Path

import pytest

from cloud.errors import StorageError
from cloud.operations.operation import Operation
from cloud.operations.store import Store
from tests.cloud.hub import PATIENCE, Json, Kiosk, Running, broken, rows, running, until
from tests.cloud.web.test_send import problem_of

# Idempotency-Key.


async def test_twenty_requests_with_one_key_at_once_are_one_execution(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
        answers = await asyncio.gather(*(hub.send({"amount": 1}, key="pay-1") for _ in range(20)))
        assert len(executed) == 1
        assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"echo": {"amount": 1}})] * 20
        assert {executed[0]["request_id"]} == {answer.headers["x-request-id"] for answer in answers}
        assert (
            sorted((answer.headers.get("idempotent-replayed") for answer in answers), key=lambda value: value or "")
            == [None] + ["true"] * 19
        )


async def test_a_repetition_during_the_first_joins_it(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        first = hub.sending({"amount": 1}, key="pay-1")
        request = await kiosk.request()
        second = hub.sending({"amount": 1}, key="pay-1")
        other = hub.sending(operation="other")  # the hub has read the repetition by the time it is sent
        await kiosk.answer(await kiosk.request())
        assert (await other).status_code == 200
        assert (await kiosk.hear("settled"))["request_id"] != request["request_id"]
        assert not second.done()
        await kiosk.answer(request, {"paid": 1}, 201)
        one, two = await first, await second
        assert (201, {"paid": 1}, request["request_id"]) == (two.status_code, two.json(), two.headers["x-request-id"])
        assert one.content == two.content
        assert [answer.headers.get("idempotent-replayed") for answer in (one, two)] == [None, "true"]


async def test_a_repetition_that_joins_waits_no_longer_than_its_own_timeout(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        first = hub.sending(key="pay-1")
        request = await kiosk.request()
        late = await hub.send(key="pay-1", header_timeout="1")
        assert (problem_of(late), late.json()["request_id"]) == ("timeout", request["request_id"])
        await kiosk.answer(request)
        assert (await first).status_code == 200


@pytest.mark.parametrize("status", [200, 402])
async def test_a_repetition_after_the_first_gets_the_same_answer_to_the_letter(tmp_path: Path, status: int) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending({"amount": 1}, key="pay-1")
        await kiosk.answer(await kiosk.request(), {"z": 1, "a": [1.50]}, status)
        first = await asked
        await kiosk.hear("settled")
        again = await hub.send(b' { "amount" : 1 } ', key="pay-1", header_timeout="3")
        assert (first.status_code, first.content) == (again.status_code, again.content)
        same = ("x-request-id", "content-type")
        assert [first.headers[name] for name in same] == [again.headers[name] for name in same]
        assert again.headers["idempotent-replayed"] == "true"
        assert await kiosk.heard() == []


async def test_a_problem_is_replayed_as_it_was_told(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending(key="pay-1")
        await kiosk.refuse(await kiosk.request(), "gateway-unreachable")
        first = await asked
        await kiosk.hear("settled")
        again = await hub.send(key="pay-1")
        assert (problem_of(again), first.content) == ("gateway-unreachable", again.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert await kiosk.heard() == []


async def test_a_key_used_for_another_request_is_409_during_the_first_and_after(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub, hub.kiosk() as kiosk:

        async def others() -> list[tuple[str, str]]:
            answers = [
                await hub.send({"amount": 2}, key="pay-1"),
                await hub.send({"amount": 1}, key="pay-1", operation="fiscal"),
                await hub.send({"amount": 1}, key="pay-1", header_http_method="GET"),
                await hub.send({"amount": 1}, key="pay-1", kiosk="kiosk_002"),
            ]
            return [(problem_of(answer), answer.json()["request_id"]) for answer in answers]

        asked = hub.sending({"amount": 1}, key="pay-1")
        request = await kiosk.request()
        conflicts = [("idempotency-conflict", request["request_id"])] * 4
        assert conflicts == await others()
        await kiosk.answer(request)
        await asked
        await kiosk.hear("settled")
        await hub.idle()
        # kiosk_002 is offline, and still it is the key that is told.
        assert conflicts == await others()
        assert await kiosk.heard() == []


@pytest.mark.parametrize(
    ("one", "other"),
    [(b'{"n": 12345678901234567890.1}', b'{"n": 12345678901234567890.2}'), (b'{"n": 1e999}', b'{"n": 1e998}')],
)
async def test_numbers_beyond_a_float_are_told_apart(tmp_path: Path, one: bytes, other: bytes) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving(lambda _: {}):
        assert (await hub.send(one, key="pay-1")).status_code == 200
        assert problem_of(await hub.send(other, key="pay-1")) == "idempotency-conflict"
        assert (await hub.send(one, key="pay-1")).status_code == 200


async def test_a_key_is_free_again_when_nothing_was_sent(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=0.1) as hub:
        assert problem_of(await hub.send({"amount": 1}, key="pay-1")) == "kiosk-offline"
        async with hub.kiosk(routes=("payment",)) as kiosk, kiosk.serving() as executed:
            assert problem_of(await hub.send({"amount": 1}, key="pay-1", operation="cash")) == "unknown-operation"
            answer = await hub.send({"amount": 1}, key="pay-1")
            assert (answer.status_code, answer.headers.get("idempotent-replayed")) == (200, None)
            assert len(executed) == 1


async def test_a_key_outlives_a_restart_of_the_hub(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
        first = await hub.send({"amount": 1}, key="pay-1")
        await hub.idle()
    async with running(tmp_path) as hub:
        again = await hub.send({"amount": 1}, key="pay-1")
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert (first.headers["x-request-id"], "true") == (
            again.headers["x-request-id"],
            again.headers["idempotent-replayed"],
        )
        assert problem_of(await hub.send({"amount": 2}, key="pay-1")) == "idempotency-conflict"
    assert len(executed) == 1


async def test_a_repetition_after_a_timeout_waits_for_the_late_answer(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_response_timeout=0.2) as hub, hub.kiosk() as kiosk:
        first = await hub.send(key="pay-1")
        assert problem_of(first) == "timeout"
        request = await kiosk.request()
        await hub.idle()
        again = hub.sending(key="pay-1", header_timeout="50")
        await until(lambda: hub.services.operations.running == 1)
        await kiosk.answer(request, {"paid": True})
        answer = await again
        assert (
            answer.status_code,
            answer.json(),
            answer.headers["idempotent-replayed"],
        ) == (200, {"paid": True}, "true")
        assert answer.headers["x-request-id"] == request["request_id"]


async def test_a_repetition_after_a_timeout_is_told_the_timeout_again_while_the_kiosk_is_away(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_response_timeout=0.2, kiosk_reconnect_grace=60) as hub:
        async with hub.kiosk() as kiosk:
            first = await hub.send(key="pay-1")
            await kiosk.request()
            await hub.idle()
        await hub.gone()
        again = await hub.send(key="pay-1")
        assert (first.content, "true") == (again.content, again.headers["idempotent-replayed"])


# Late, lost, replaced.


async def test_an_answer_after_the_timeout_settles_the_operation(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_response_timeout=0.2) as hub, hub.kiosk() as kiosk:
        assert problem_of(await hub.send()) == "timeout"
        request = await kiosk.request()
        await hub.operation_in(request["request_id"], "unknown")
        await kiosk.answer(request, {"paid": True})
        assert await kiosk.hear() == {"type": "settled", "request_id": request["request_id"]}
        found = await hub.operation_in(request["request_id"], "succeeded")
        assert (
            found["final"],
            found["executed"],
            found["answer"],
            found["problem"],
        ) == (True, "yes", {"status": 200, "body": {"paid": True}}, None)


async def test_a_kiosk_lost_in_the_middle_is_504_after_the_grace_and_settles_it_later(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=0.2, kiosk_response_timeout=60) as hub:
        async with hub.kiosk() as kiosk:
            asked = hub.sending()
            request = await kiosk.request()
            await kiosk.cut()
        answer = await asked
        assert (problem_of(answer), answer.json()["request_id"]) == ("kiosk-lost", request["request_id"])
        await hub.operation_in(request["request_id"], "unknown")
        async with hub.kiosk() as kiosk:
            asked_again = await kiosk.request()
            assert (request["request_id"], 0.0) == (asked_again["request_id"], asked_again.get("start_within", 0.0))
            await kiosk.answer(request, {"paid": True})
            assert (await hub.operation_in(request["request_id"], "succeeded"))["answer"]["body"] == {"paid": True}


async def test_a_kiosk_back_within_the_grace_is_asked_the_same_again_and_answers(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=PATIENCE) as hub:
        async with hub.kiosk() as kiosk:
            asked = hub.sending({"amount": 1})
            request = await kiosk.request()
            await kiosk.say("accepted", request_id=request["request_id"])
            await kiosk.cut()
        async with hub.kiosk() as kiosk:
            again = await kiosk.request()
            names = ("request_id", "operation", "headers", "body")
            assert [request[name] for name in names] == [again[name] for name in names]
            assert again["start_within"] == 0.0  # it accepted it, and must not start it again if it forgot that
            await kiosk.answer(again, {"paid": True})
            assert (await asked).json() == {"paid": True}
            await kiosk.hear("settled")
            assert await kiosk.heard() == []


async def test_a_kiosk_with_another_journal_is_never_asked_again(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=PATIENCE) as hub:
        async with hub.kiosk(journal="before") as kiosk:
            asked = hub.sending(key="pay-1")
            request = await kiosk.request()
            await kiosk.cut()
        async with hub.kiosk(journal="after") as kiosk:
            assert problem_of(await asked) == "interrupted"
            await next_is_only_the_new_one(hub, kiosk)
        found = await hub.operation_in(request["request_id"], "unknown")
        assert (found["executed"], found["problem"]["type"], found["final"]) == ("unknown", "interrupted", False)
        async with hub.kiosk(journal="after") as kiosk:
            await next_is_only_the_new_one(hub, kiosk)
        assert await hub.metric("kioskwire_operations_orphaned_total") == 1


async def next_is_only_the_new_one(hub: Running, kiosk: Kiosk) -> None:
    """The kiosk hears of a new operation and of nothing else."""
    asked = hub.sending({"new": True}, operation="new")
    request = await kiosk.request()
    assert request["operation"] == "new"
    await kiosk.answer(request)
    assert (await asked).status_code == 200
    await kiosk.hear("settled")
    assert await kiosk.heard() == []


async def test_a_newer_socket_is_asked_and_the_older_ones_answer_is_not_heard(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as older:
        asked = hub.sending()
        request = await older.request()
        async with hub.kiosk() as newer:
            assert await older.close_code() == 4409
            await newer.answer(await newer.request(), {"from": "newer"})
            assert (await asked).json() == {"from": "newer"}
            assert (await newer.hear("settled"))["request_id"] == request["request_id"]


async def test_a_kiosk_that_cannot_know_is_504_and_its_later_knowledge_settles(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending()
        request = await kiosk.request()
        await kiosk.refuse(request, "interrupted", "unknown", "power cut")
        answer = await asked
        assert (problem_of(answer), answer.json()["detail"]) == ("interrupted", "power cut")
        await kiosk.hear("settled")
        assert (await hub.operation(request["request_id"]))["state"] == "unknown"
        await kiosk.answer(request, {"found": True})
        await kiosk.hear("settled")
        assert (await hub.operation(request["request_id"]))["state"] == "succeeded"


async def test_the_first_definite_outcome_stands(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending()
        request = await kiosk.request()
        await kiosk.answer(request, {"n": 1})
        assert (await asked).json() == {"n": 1}
        await kiosk.hear("settled")
        await kiosk.answer(request, {"n": 2}, 500)
        await kiosk.hear("settled")  # so that the kiosk does not tell it for ever
        found = await hub.operation(request["request_id"])
        assert (found["state"], found["answer"]["body"]) == ("succeeded", {"n": 1})


async def test_a_response_for_another_kiosks_operation_changes_nothing(tmp_path: Path) -> None:
    async with (
        running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub,
        hub.kiosk() as kiosk,
        hub.kiosk("kiosk_002") as other,
    ):
        asked = hub.sending()
        request = await kiosk.request()
        await other.answer(request, {"forged": True})
        await other.say("accepted", request_id=request["request_id"])
        await other.heard()
        assert not asked.done()
        await kiosk.answer(request, {"forged": False})
        assert (await asked).json() == {"forged": False}
        await kiosk.hear("settled")
        await other.answer(request, {"forged": True})
        await other.heard()
        found = await hub.operation(request["request_id"])
        assert (found["kiosk"], found["answer"]["body"]) == ("kiosk_001", {"forged": False})
        assert await other.heard() == []


async def test_the_states_on_the_way_are_seen(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending()
        request = await kiosk.request()
        found = await hub.operation(request["request_id"])
        assert (found["state"], found["accepted_at"]) == ("sent", None)
        await kiosk.say("accepted", request_id=request["request_id"])
        found = await hub.operation_in(request["request_id"], "accepted")
        assert found["created_at"] <= found["sent_at"] <= found["accepted_at"]
        await kiosk.answer(request)
        await asked
        found = await hub.operation(request["request_id"])
        assert (found["state"], found["kiosk_seconds"]) == ("succeeded", 0.01)
        assert found["accepted_at"] <= found["finished_at"]


# The first dialect.


async def test_a_v1_client_hears_requests_only_and_nothing_twice(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=0.2) as hub:
        async with hub.v1_kiosk() as kiosk:
            asked = hub.sending({"amount": 1}, key="pay-1")
            request = await kiosk.hear()
            assert request == {
                "request_id": request["request_id"],
                "headers": {
                    "header-kiosk-id": "kiosk_001",
                    "header-operation-type": "payment",
                    "header-http-method": "POST",
                },
                "body": {"amount": 1},
            }
            await kiosk.cut()
        assert problem_of(await asked) == "kiosk-lost"
        async with hub.v1_kiosk() as kiosk:
            other = hub.sending(operation="fiscal", header_http_method="GET")
            second = await kiosk.hear()
            assert (
                second["headers"]["header-operation-type"],
                second["headers"]["header-http-method"],
            ) == ("fiscal", "GET")
            await v1_answer(kiosk, second, {"receipt": 7})
            answer = await other
            assert (answer.status_code, answer.json()) == (200, {"receipt": 7})
            await v1_answer(kiosk, request, {"paid": True})
            found = await hub.operation_in(request["request_id"], "succeeded")
            assert found["answer"]["body"] == {"paid": True}
            assert await kiosk.heard() == []


async def v1_answer(kiosk: Kiosk, request: Json, answer: Json) -> None:
    """Answer as clients of the first dialect do: flat, with `request_id` added."""
    await kiosk.socket.send(json.dumps({**answer, "request_id": request["request_id"]}))


async def test_a_v1_client_back_within_the_grace_still_answers(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=PATIENCE) as hub:
        async with hub.v1_kiosk() as kiosk:
            asked = hub.sending()
            request = await kiosk.hear()
            await kiosk.cut()
        async with hub.v1_kiosk() as kiosk:
            await v1_answer(kiosk, request, {"paid": True})
            assert (await asked).json() == {"paid": True}
            assert await kiosk.heard() == []


async def test_a_v1_clients_answer_to_what_was_never_asked_makes_no_operation(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.v1_kiosk() as kiosk:
        await v1_answer(kiosk, {"request_id": "never-asked-for"}, {"paid": True})
        assert await kiosk.heard() == []
        assert await hub.operations() == []


# A database that fails.


async def test_with_a_broken_database_a_keyed_operation_is_503_and_not_sent(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        async with broken(tmp_path, "operations"):
            answers = await asyncio.gather(*(hub.send({"amount": 1}, key="pay-1") for _ in range(3)))
            assert [problem_of(answer) for answer in answers] == ["key-unchecked"] * 3
            assert int(answers[0].headers["retry-after"]) > 0
            assert "operations" not in answers[0].text  # neither table nor statement
            assert problem_of(await hub.send(header_delivery="queue")) == "hub-storage"
            assert await kiosk.heard() == []
        async with kiosk.serving() as executed:
            assert (await hub.send({"amount": 1}, key="pay-1")).status_code == 200
            assert len(executed) == 1


async def test_a_key_whose_claim_was_written_though_it_failed_is_freed_once_the_database_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.freeing._RETRY", 0.05)
    claim, release = Store.claim, Store.release

    async def written_and_failed(store: Store, operation: Operation) -> None:
        await claim(store, operation)
        raise StorageError("the file was away")

    async def failed(store: Store, request_id: str) -> None:
        raise StorageError("the file is away")

    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        monkeypatch.setattr(Store, "claim", written_and_failed)
        monkeypatch.setattr(Store, "release", failed)
        assert problem_of(await hub.send({"amount": 1}, key="pay-1")) == "hub-storage"
        monkeypatch.setattr(Store, "claim", claim)
        assert problem_of(await hub.send({"amount": 1}, key="pay-1")) == "key-unchecked"
        assert await kiosk.heard() == []
        async with hub.kiosk() as other:  # it is not asked at its hello either: its word would keep the row
            await asyncio.sleep(0.3)
            assert await other.heard() == []
        monkeypatch.setattr(Store, "release", release)
        await until(lambda: rows(tmp_path, "SELECT state FROM operations") == [])
        async with hub.kiosk() as third, third.serving() as executed:
            assert (await hub.send({"amount": 1}, key="pay-1")).status_code == 200
            assert len(executed) == 1


async def test_an_outcome_that_cannot_be_stored_is_told_and_settled_only_once_it_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.operations.service._STORE_RETRY", 0.05)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        async with broken(tmp_path, "operations"):
            asked = hub.sending()
            request = await kiosk.request()
            await kiosk.answer(request, {"paid": True})
            assert (await asked).json() == {"paid": True}
            assert await kiosk.heard() == []
        assert await kiosk.hear() == {"type": "settled", "request_id": request["request_id"]}
        assert rows(tmp_path, "SELECT state FROM operations") == [("succeeded",)]


async def test_a_v1_outcome_is_told_only_once_it_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.service._STORE_RETRY", 0.05)
    async with running(tmp_path) as hub, hub.v1_kiosk() as kiosk:
        async with broken(tmp_path, "operations"):
            asked = hub.sending()
            await v1_answer(kiosk, await kiosk.hear(), {"paid": True})
            await kiosk.heard()
            assert not asked.done()
        assert (await asked).json() == {"paid": True}


@pytest.mark.parametrize("key", [None, "pay-1"])
async def test_what_waits_for_its_kiosk_as_the_hub_begins_to_end_is_carried_out(
    tmp_path: Path, key: str | None
) -> None:
    """A rolling restart drops nothing that was taken before: only what comes later is sent elsewhere."""
    async with running(tmp_path, kiosk_reconnect_grace=PATIENCE) as hub:
        async with hub.kiosk() as kiosk:
            await kiosk.cut()
        asked = hub.sending(key=key)
        await until(lambda: hub.services.operations.running == 1)
        stopping = asyncio.create_task(hub.services.operations.stop(PATIENCE))
        await asyncio.sleep(0)
        assert problem_of(await hub.send(key="pay-2")) == "hub-stopping"
        async with hub.kiosk() as kiosk, kiosk.serving():
            assert (await asked).status_code == 200
        await stopping
