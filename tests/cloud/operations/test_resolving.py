"""A person settles what nobody else can tell: once, on the disk with its callback, and the kiosk may still speak."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from cloud.alerts.config import RulesFile
from cloud.alerts.facts import Facts
from cloud.alerts.presence import Presence
from cloud.db.engine import open_engine
from cloud.errors import Refused, StorageError
from cloud.operations.resolutions import Resolutions
from cloud.operations.retention import Retention
from cloud.operations.starting import LONGEST_S, Starting
from tests.cloud.hub import PATIENCE, Json, Kiosk, Running, broken, change, database_of, execute, rows, running, until
from tests.cloud.operations.test_callbacks import key_with_callback, receiver
from tests.cloud.web.test_send import problem_of
from wire.problems import PROBLEMS

WHY = "the bank has it"


async def left_unknown(hub: Running, kiosk: Kiosk, key: str = "pay-1", **more: Any) -> str:
    """An operation of which its kiosk said that it cannot tell; returns its id."""
    asked = hub.sending({"amount": 1}, key=key, **more)
    request = await kiosk.request()
    await kiosk.refuse(request, "interrupted", "unknown")
    await kiosk.hear("settled")
    assert problem_of(await asked) == "interrupted"
    await hub.idle()
    return str(request["request_id"])


async def unheard(hub: Running, kiosk: Kiosk, key: str = "pay-1", **more: Any) -> Json:
    """An operation that its kiosk got and said nothing of; returns the request."""
    asked = hub.sending({"amount": 1}, key=key, **more)
    request = await kiosk.request()
    hub.out_of_time(request["request_id"])
    assert problem_of(await asked) == "timeout"
    await hub.idle()
    return request


def later(hub: Running, seconds: float) -> None:
    """For what a kiosk may begin, so much time is over."""
    starting: Starting = hub.services.operations.settling._starting
    starting._until = {key: until - seconds for key, until in starting._until.items()}
    starting._began_at -= seconds


def facts_of(hub: Running) -> Facts:
    """What alerts are made of, on this hub's rows."""
    return Facts(
        engine=hub.services.store._engine,
        registry=hub.services.registry,
        links=hub.services.links,
        rollouts=hub.services.rollouts,
        presence=Presence(hub.services.store._engine, 0.0),
        standing=lambda _seconds: asyncio.sleep(0, []),
        troubles=dict,
        telegram=lambda: "disabled",
        rules=RulesFile(""),
    )


def kept(state_dir: Path, what: str = "state, by, why") -> list[tuple[Any, ...]]:
    return rows(state_dir, f"SELECT {what} FROM resolutions ORDER BY request_id")


@pytest.mark.parametrize(
    ("state", "executed", "problem", "outcome"),
    [
        ("succeeded", "yes", "confirmed-executed", "executed"),
        ("failed", "no", "confirmed-not-executed", "not_executed"),
    ],
)
async def test_what_a_person_says_is_final_told_to_all_and_what_the_key_answers(
    tmp_path: Path, state: str, executed: str, problem: str, outcome: str
) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, receiver() as backend:
        api_key, _ = await key_with_callback(hub, backend.url)
        request_id = await left_unknown(hub, kiosk, api_key=api_key)
        feed = hub.services.operations._feed.open()
        resolving = hub.services.resolving
        with hub.services.news.subscribe(request_id) as news:
            done = await resolving.resolve(request_id, state, "telegram:7", f"  {WHY}\n")
            told = await news.next(PATIENCE)
        assert (done.state, done.executed, done.is_final) == (state, executed, True)
        found = await hub.operation(request_id)
        assert (found["state"], found["executed"], found["final"], found["answer"]) == (state, executed, True, None)
        assert found["problem"] == {"type": problem, "detail": WHY, "outcome": outcome}
        resolution = found["resolution"]
        assert (resolution["by"], resolution["why"], resolution["told"]) == ("telegram:7", WHY, None)
        assert resolution["before"].startswith("interrupted: because")
        assert resolution["at"] == found["finished_at"]
        assert await hub.operations(state=state) == [found]
        assert told is not None
        assert (told.kind, told.last, json.loads(json.dumps(told.data))["resolution"]) == (state, True, resolution)
        assert [(one.what, one.state) for one in feed.take()] == [("ended", state)]
        again = await hub.send({"amount": 1}, key="pay-1")
        assert (again.status_code, problem_of(again), again.json()["outcome"]) == (
            PROBLEMS[problem].status,
            problem,
            outcome,
        )
        assert (again.headers["idempotent-replayed"], again.headers["x-request-id"]) == ("true", request_id)
        (called,) = await backend.wait(1)
        assert (called["type"], called["data"]) == (f"operation.{state}", found)
        assert await hub.metric(f'kioskwire_operations_resolved_total{{state="{state}"}}') == 1
        assert await kiosk.heard() == [], "it is executed by nobody"
        assert await resolving.count_unknown() == 0


async def test_only_what_is_unknown_is_settled_and_only_once(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub, hub.kiosk() as kiosk:
        resolve = hub.services.resolving.resolve
        with pytest.raises(Refused, match="there is no operation") as caught:
            await resolve("nothing-here", "failed", "a", WHY)
        assert caught.value.problem == "not-found"
        asked = hub.sending(key="pay-1")
        request = await kiosk.request()
        with pytest.raises(Refused, match="under way"):
            await resolve(request["request_id"], "failed", "a", WHY)
        await kiosk.answer(request)
        await asked
        await hub.idle()
        with pytest.raises(Refused, match="known what became of it: succeeded"):
            await resolve(request["request_id"], "failed", "a", WHY)
        await kiosk.hear("settled")
        waits = await hub.send(kiosk="kiosk_002", header_delivery="queue", key="queued")
        with pytest.raises(Refused, match="it is queued: its outcome is not unknown"):
            await resolve(waits.headers["x-request-id"], "failed", "a", WHY)
        request_id = await left_unknown(hub, kiosk, "pay-2")
        for state in ("unknown", "expired", "", "queued"):
            with pytest.raises(Refused, match="right would be succeeded or failed"):
                await resolve(request_id, state, "a", WHY)
        with pytest.raises(Refused, match="why: right would be"):
            await resolve(request_id, "failed", "a", " ")
        await resolve(request_id, "failed", "telegram:7", WHY)
        for state, by in (("succeeded", "telegram:7"), ("failed", "telegram:8"), ("succeeded", "admin")):
            with pytest.raises(Refused, match="known what became of it: failed"):
                await resolve(request_id, state, by, WHY)
        assert (await resolve(request_id, "failed", "telegram:7", WHY)).state == "failed", "said again, it is the same"
        assert (await resolve(request_id, "failed", "telegram:7 (Renamed)", WHY)).state == "failed"
        with pytest.raises(Refused, match="known what became of it: failed"):
            await resolve(request_id, "failed", "telegram:77 (Renamed)", WHY)
        assert kept(tmp_path) == [("failed", "telegram:7", WHY)]
        assert await hub.metric('kioskwire_operations_resolved_total{state="failed"}') == 1


async def test_two_people_at_one_moment_settle_it_once(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request_id = await left_unknown(hub, kiosk)
        resolve = hub.services.resolving.resolve
        ends = await asyncio.gather(
            *(resolve(request_id, state, f"telegram:{n}", WHY) for n, state in enumerate(["succeeded", "failed"] * 5)),
            return_exceptions=True,
        )
        assert sum(not isinstance(end, BaseException) for end in ends) == 1
        assert {type(end) for end in ends if isinstance(end, BaseException)} == {Refused}
        ((state, _by, _why),) = kept(tmp_path)
        assert (await hub.operation(request_id))["state"] == state


async def test_nobody_speaks_for_a_kiosk_that_may_still_begin_it(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        resolve = hub.services.resolving.resolve
        async with hub.kiosk() as kiosk:
            request = await unheard(hub, kiosk, header_timeout="250")
            for state in ("failed", "succeeded"):
                with pytest.raises(Refused, match=r"may still begin it, for (31|30|2[5-9])\d s") as caught:
                    await resolve(request["request_id"], state, "a", WHY)
                assert caught.value.retry_after
                assert caught.value.problem == "conflict"
        later(hub, 320)
        assert (await resolve(request["request_id"], "failed", "a", WHY)).state == "failed"
        async with hub.kiosk() as kiosk:
            assert await kiosk.heard() == [], "it is not even asked for any more"


async def test_after_a_restart_the_longest_time_a_caller_may_give_is_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request_id = (await unheard(hub, kiosk))["request_id"]
    execute(tmp_path, "UPDATE operations SET created_at = created_at - 10000, sent_at = sent_at - 10000")
    async with running(tmp_path) as hub:
        with pytest.raises(Refused, match="may still begin it, for") as caught:
            await hub.services.resolving.resolve(request_id, "failed", "a", WHY)
        assert caught.value.retry_after is not None
        assert LONGEST_S < caught.value.retry_after <= LONGEST_S + 62
        later(hub, 362)
        await hub.services.resolving.resolve(request_id, "failed", "a", WHY)


async def test_what_is_asked_for_again_with_time_left_is_not_settled_meanwhile(tmp_path: Path) -> None:
    """A queued operation over a restart: the kiosk is sent it once more, with the time it still has."""
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        await hub.send(key="q", header_delivery="queue", header_expires="3000")
        request = await kiosk.request()
    async with running(tmp_path) as hub:
        later(hub, 400)
        async with hub.kiosk() as kiosk:
            again = await kiosk.request()
            assert again["start_within"] > 2900
            await change(tmp_path, "UPDATE operations SET created_at = created_at - 10000, start_by = start_by - 10000")
            with pytest.raises(Refused, match="may still begin it, for 30"):  # the note, whatever the rows say
                await hub.services.resolving.resolve(request["request_id"], "failed", "a", WHY)


@pytest.mark.parametrize(
    ("state", "answer", "contradiction"),
    [
        ("failed", {"executed": "yes", "status": 200, "body": {"paid": True}}, "its gateway answered 200"),
        ("succeeded", {"executed": "no", "error": {"type": "expired", "detail": "late"}}, "not executed (expired)"),
        ("succeeded", {"executed": "yes", "status": 200, "body": {"paid": True}}, None),
    ],
)
@pytest.mark.parametrize("together", [False, True])
async def test_a_kiosk_that_tells_after_all_is_heard_and_kept(
    tmp_path: Path, state: str, answer: Json, contradiction: str | None, together: bool
) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request = await unheard(hub, kiosk)
        request_id = request["request_id"]
        later(hub, 110)
        await hub.services.resolving.resolve(request_id, state, "telegram:7", WHY)
        before = await hub.operation(request_id)
        for _ in range(2):  # what it repeats changes nothing
            if together:
                word = {"request_id": request_id, "operation": "payment", **answer}
                await kiosk.say("responses", responses=[word], more=False)
                assert (await kiosk.hear("all_settled"))["request_ids"] == [request_id]
            else:
                await kiosk.respond(request, **answer)
                assert (await kiosk.hear("settled"))["request_id"] == request_id
        found = await hub.operation(request_id)
        assert {**found, "resolution": None} == {**before, "resolution": None}
        resolution = found["resolution"]
        assert {**resolution["told"], "problem": None} == {
            "executed": answer["executed"],
            "status": answer.get("status"),
            "body": answer.get("body"),
            "problem": None,
        }
        if contradiction is None:
            assert resolution["contradiction"] is None
        else:
            assert contradiction in resolution["contradiction"]
        count = 0 if contradiction is None else 1
        assert await hub.metric("kioskwire_operations_contradicted_total") == count
        told = await hub.services.resolving.contradictions(0.0)
        assert [(one.kiosk_id, one.resolution.request_id) for one in told] == [("kiosk_001", request_id)] * count
        assert await hub.services.resolving.contradictions(told[0].resolution.contradicted_at + 1 if told else 0) == []
        conditions = await facts_of(hub)._read_contradictions()
        assert [(one.kind, one.kiosk_id, one.subject) for one in conditions] == [
            ("operation-contradicted", "kiosk_001", request_id)
        ] * count
        assert problem_of(await hub.send({"amount": 1}, key="pay-1")).startswith("confirmed-")


async def test_a_kiosk_that_tells_at_that_very_moment_is_kept_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its word waits until the person's is on disk, and is then seen to contradict."""
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request = await unheard(hub, kiosk)
        later(hub, 110)
        go_on, came = asyncio.Event(), asyncio.Event()
        settle = Resolutions.settle

        async def slowly(*args: Any) -> bool:
            came.set()
            await go_on.wait()
            return await settle(*args)

        monkeypatch.setattr(Resolutions, "settle", slowly)
        settling = asyncio.create_task(
            hub.services.resolving.resolve(request["request_id"], "failed", "telegram:7", WHY)
        )
        await came.wait()
        settling.cancel()  # whoever asked goes away: what is being written must not lose the kiosk's word
        await kiosk.answer(request, {"paid": True})
        assert await kiosk.heard() == []
        go_on.set()
        await kiosk.hear("settled")
        found = await hub.operation(request["request_id"])
        assert (found["state"], found["resolution"]["told"]["body"]) == ("failed", {"paid": True})
        assert "gateway answered 200" in found["resolution"]["contradiction"]


async def test_a_person_that_comes_while_the_kiosks_word_is_being_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request = await unheard(hub, kiosk)
        later(hub, 110)
        go_on = asyncio.Event()
        find_all = hub.services.store.find_all

        async def slowly(ids: Any) -> Any:
            await go_on.wait()
            return await find_all(ids)

        monkeypatch.setattr(hub.services.store, "find_all", slowly)
        await kiosk.answer(request, {"paid": True})
        await until(lambda: hub.services.operations.settling._late)
        with pytest.raises(Refused, match="its kiosk tells just now"):
            await hub.services.resolving.resolve(request["request_id"], "failed", "a", WHY)
        go_on.set()
        await kiosk.hear("settled")
        with pytest.raises(Refused, match="known what became of it: succeeded"):
            await hub.services.resolving.resolve(request["request_id"], "failed", "a", WHY)
        assert kept(tmp_path) == []
        assert (await hub.send({"amount": 1}, key="pay-1")).json() == {"paid": True}


async def test_the_rows_own_state_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was believed: a row that is final by the time of the commit stays as it is, and nothing is kept."""
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request_id = await left_unknown(hub, kiosk)
        settle = Resolutions.settle

        async def too_late(*args: Any) -> bool:
            await change(tmp_path, "UPDATE operations SET state = 'succeeded', final = true, status = 200")
            return await settle(*args)

        monkeypatch.setattr(Resolutions, "settle", too_late)
        with pytest.raises(Refused, match="known what became of it: succeeded"):
            await hub.services.resolving.resolve(request_id, "failed", "a", WHY)
        assert kept(tmp_path) == []
        assert rows(tmp_path, "SELECT state, problem FROM operations") == [("succeeded", "interrupted")]


@pytest.mark.parametrize("table", ["resolutions", "operations"])
async def test_a_database_that_fails_keeps_all_of_it_or_nothing(tmp_path: Path, table: str) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request_id = await left_unknown(hub, kiosk)
        async with broken(tmp_path, table):
            with pytest.raises(StorageError):
                await hub.services.resolving.resolve(request_id, "failed", "a", WHY)
        assert kept(tmp_path) == []
        assert (await hub.operation(request_id))["state"] == "unknown"
        await hub.services.resolving.resolve(request_id, "failed", "a", WHY)
        assert kept(tmp_path) == [("failed", "a", WHY)]


async def test_who_settles_what_is_just_given_up_is_told_to_look_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or who watches it would hear `unknown` after what the person said."""
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request_id = (await unheard(hub, kiosk))["request_id"]
        later(hub, 110)
        find, read, go = hub.services.store.find, asyncio.Event(), asyncio.Event()

        async def slowly(asked: str) -> Any:
            found = await find(asked)
            if not read.is_set():
                read.set()
                await go.wait()
            return found

        monkeypatch.setattr(hub.services.store, "find", slowly)
        settling, told = hub.services.operations.settling, []
        monkeypatch.setattr(settling, "tell", told.append)
        given_up = asyncio.create_task(settling.orphaned("kiosk_001", request_id, "gone"))
        await read.wait()
        with pytest.raises(Refused, match="look again"):
            await hub.services.resolving.resolve(request_id, "failed", "a", WHY)
        go.set()
        await given_up
        await hub.services.resolving.resolve(request_id, "failed", "a", WHY)
        await settling.orphaned("kiosk_001", request_id, "gone")
        assert [one.state for one in told] == ["unknown"]


async def test_the_kiosks_word_is_not_settled_before_it_is_on_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request = await unheard(hub, kiosk)
        later(hub, 110)
        await hub.services.resolving.resolve(request["request_id"], "failed", "a", WHY)
        async with broken(tmp_path, "resolutions"):
            await kiosk.answer(request, {"paid": True})
            await until(lambda: "a late outcome could not be stored" in caplog.text)
            assert await kiosk.heard() == []
        await kiosk.answer(request, {"paid": True})
        await kiosk.hear("settled")
        assert (await hub.operation(request["request_id"]))["resolution"]["told"]["body"] == {"paid": True}


async def test_what_is_unknown_is_listed_oldest_first_in_pages(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        ids = [await left_unknown(hub, kiosk, f"pay-{n}") for n in range(5)]
        asked = hub.sending(key="fine")
        await kiosk.answer(await kiosk.request())
        await asked
        resolving = hub.services.resolving
        found, cursor = [], None
        while True:
            page = await resolving.unknown(2, cursor)
            found += [one.request_id for one in page.operations]
            cursor = page.cursor
            if cursor is None:
                break
        assert found == ids
        assert await resolving.count_unknown() == 5
        with pytest.raises(ValueError, match="cursor"):
            await resolving.unknown(2, "nonsense")
        assert set(await hub.services.store.ids_like(ids[0][:8])) <= {*ids, (await hub.operations())[0]["request_id"]}
        assert await hub.services.store.ids_like(ids[0]) == [ids[0]]
        assert await hub.services.store.ids_like("%") == []


async def test_what_was_open_for_long_is_kept_for_its_days_once_it_is_settled(tmp_path: Path) -> None:
    """Its key and its callback must not go in the very hour in which somebody settled it."""
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request_id = await left_unknown(hub, kiosk)
        await change(tmp_path, "UPDATE operations SET created_at = 1000.0")
        await hub.services.resolving.resolve(request_id, "failed", "a", WHY)
        engine = open_engine(database_of(tmp_path))
        assert await Retention(engine, 90).forget(2000.0) == 0
        await change(tmp_path, "UPDATE resolutions SET at = 1500.0")
        assert await Retention(engine, 90).forget(2000.0) == 1
        await engine.dispose()
        assert kept(tmp_path) == []
