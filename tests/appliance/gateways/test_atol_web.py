"""ATOL's web server: each task done once under its uuid, and the answer says what the fiscal storage says."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.gateways import Gateways
from appliance.gateways.atol_web import AtolWeb, AtolWebTarget
from appliance.gateways.atol_web_talk import Server
from appliance.gateways.atol_web_verdict import Kept
from appliance.journal import Journal
from appliance.kinds import AtolWebRoute
from appliance.routes import Route
from appliance.targets import Answered, Ask, NeverGot, NoAnswer, NotUnderstood, Result
from hardware.atol.simulator import AtolSimulator
from hardware.atol.states import TaskStatus
from hardware.atol.steps import Timing
from hardware.simulation.host import DeviceHost
from hardware.simulation.store import Store
from hardware.simulation.wires import TcpWire
from tests.appliance.quick import quick
from tests.appliance.worlds import journal, until
from tests.chaos.points import ROOT

QUICK = Timing(request_s=2.0, query_s=3.0, settle_s=0.3, nudge_s=0.2, retry_s=0.05, retry_max_s=0.2)
SELL: dict[str, Any] = {
    "type": "sell",
    "taxationType": "osn",
    "items": [
        {"type": "position", "name": "Кофе", "price": 150.5, "quantity": 2, "amount": 301.0, "tax": {"type": "vat20"}}
    ],
    "payments": [{"type": "electronically", "sum": 301.0}],
    "total": 301.0,
}


@asynccontextmanager
async def register(*, shift: bool = True, **options: Any) -> AsyncIterator[DeviceHost]:
    """A web server on a free port, fifty times faster than a real one."""
    store = Store(None, "atol")
    simulator = AtolSimulator(store.memory, store.note, **{"speed": 50.0, **options})
    async with DeviceHost(simulator, store, TcpWire()) as host:
        if shift:
            store.memory["shift"].update(state="opened", number=1, since=time.monotonic())
        yield host


def documents(host: DeviceHost) -> list[dict[str, Any]]:
    """What the fiscal storage has."""
    assert host.store is not None
    return [line for line in host.store.lines if line["happened"] == "document"]


class Kiosk:
    """A journal and one life of the room."""

    def __init__(self, journal: Journal, gateways: Gateways, url: str) -> None:
        self.journal, self.gateways, self.url = journal, gateways, url
        self.told: list[dict[str, Any]] = []

    def target(self, timeout: float = 5.0, **fields: Any) -> AtolWebTarget:
        room = AtolWeb(journal=self.journal, gateways=self.gateways, clock=time.time, timing=QUICK)
        return room.target(self.route(timeout, **fields))

    def route(self, timeout: float = 5.0, **fields: Any) -> Route:
        kind = AtolWebRoute(**{"url": self.url, "poll": 0.05, **fields})
        return Route(name="atol", url="", timeout=timeout, concurrency=1, kind=kind)

    def ask(self, body: Any, request_id: str = "request-1") -> Ask:
        return Ask(
            request_id=request_id, operation="atol", method="POST", body=msgspec.json.encode(body),
            route=self.route, tell=self.told.append,
        )  # fmt: skip

    async def send(self, body: Any, request_id: str = "request-1", **fields: Any) -> Result:
        target, ask = self.target(**fields), self.ask(body, request_id)
        target.check(ask)
        async with asyncio.timeout(60):
            return await target.run(ask)

    async def find_out(self, body: Any, request_id: str = "request-1", **fields: Any) -> Any:
        async with asyncio.timeout(60):
            return await self.target(**fields).find_out(self.ask(body, request_id))

    async def unclear(self) -> list[dict[str, Any]]:
        told = await self.journal.events(100, 0)
        return [msgspec.json.decode(event.data) for event in told if event.kind == "document-unclear"]


@asynccontextmanager
async def kiosk(directory: Path, url: str) -> AsyncIterator[Kiosk]:
    async with journal(directory) as memory:
        gateways = Gateways()
        try:
            yield Kiosk(memory, gateways, url.replace("tcp://", "http://"))
        finally:
            await gateways.close()


def said(result: object) -> dict[str, Any]:
    assert isinstance(result, Answered), result
    found: dict[str, Any] = msgspec.json.decode(result.body)
    return found


@quick
async def test_a_native_task_is_done_and_its_document_told(tmp_path: Path) -> None:
    async with register() as there, kiosk(tmp_path, there.url) as here:
        answer = said(await here.send(SELL))
        (document,) = documents(there)
        assert (answer["status"], answer["registered"]) == ("ready", True)
        assert (answer["fiscal"]["number"], answer["fiscal"]["total_minor"]) == (document["number"], 30100)
        assert answer["fiscal"]["sign"]
        assert answer["results"][0]["type"] == "sell"
        assert answer["results"][0]["result"]["fiscalParams"]["total"] == 301.0
        assert here.told[0]["stage"] == "sending"


@quick
async def test_several_tasks_go_one_after_another(tmp_path: Path) -> None:
    async with register() as there, kiosk(tmp_path, there.url) as here:
        slip = {"type": "nonFiscal", "items": [{"type": "text", "text": "Спасибо"}]}
        answer = said(await here.send({"request": [slip, SELL, {"type": "getShiftStatus"}]}))
        assert [result["status"] for result in answer["results"]] == ["ready"] * 3
        assert answer["fiscal"]["number"] == documents(there)[0]["number"]


@quick
async def test_what_the_register_refuses_is_an_answer_and_no_document(tmp_path: Path) -> None:
    async with register() as there, kiosk(tmp_path, there.url) as here:
        wrong = {**SELL, "payments": [{"type": "cash", "sum": 1.0}]}
        answer = said(await here.send(wrong))
        assert (answer["status"], answer["registered"]) == ("error", False)
        assert answer["results"][0]["error"]["code"]
        assert answer["results"][0]["error"]["words"]
        assert documents(there) == []
        assert said(await here.find_out(wrong)) == answer


@quick
async def test_what_the_register_says_beforehand_has_begun_nothing(tmp_path: Path) -> None:
    async with register(shift=False) as there, kiosk(tmp_path, there.url) as here:
        closed = await here.send(SELL)
        assert isinstance(closed, NeverGot)
        assert (closed.problem, "no shift is open" in closed.detail) == ("device-fault", True)
        assert said(await here.send({"type": "openShift"}, "request-2"))["registered"]
        there.do("paper_out")
        paper = await here.send(SELL, "request-3")
        assert isinstance(paper, NeverGot)
        assert "new roll of paper" in paper.detail
        electronic = said(await here.send({**SELL, "electronically": True}, "request-4"))
        assert electronic["registered"]


@quick
async def test_a_server_that_is_not_there_was_never_asked(tmp_path: Path) -> None:
    async with kiosk(tmp_path, "http://127.0.0.1:9") as here:
        for number, body in enumerate([SELL, {"type": "getShiftStatus"}, {"type": "cashIn", "cashSum": 10}]):
            result = await here.send(body, f"request-{number}")
            assert isinstance(result, NeverGot)
            assert result.problem == "gateway-unreachable"


@quick
async def test_a_login_is_sent_and_said_in_words_when_it_is_wrong(tmp_path: Path) -> None:
    async with register(login="kiosk", password="s3cret") as there, kiosk(tmp_path, there.url) as here:
        wrong = await here.send(SELL, "request-0", user="kiosk", password="other")
        assert isinstance(wrong, NeverGot)
        assert "login or password" in wrong.detail
        assert said(await here.send(SELL, user="kiosk", password="s3cret"))["registered"]
        work = await here.journal.read(lambda book: book.find_work("request-1"))
        assert work is not None
        assert b"s3cret" not in bytes(work.data)


@quick
async def test_a_question_is_answered_and_leaves_no_work(tmp_path: Path) -> None:
    async with register() as there, kiosk(tmp_path, there.url) as here:
        answer = said(await here.send({"type": "getShiftStatus"}))
        assert answer["results"][0]["result"]["shiftStatus"]["state"] == "opened"
        assert "registered" not in answer
        assert await here.journal.read(lambda book: book.find_work("request-1")) is None


@quick
async def test_the_route_lets_go_and_the_end_is_found_out_under_the_same_uuid(tmp_path: Path) -> None:
    async with register(speed=4.0) as there, kiosk(tmp_path, there.url) as here:
        assert isinstance(await here.send(SELL, timeout=0.3), NoAnswer)
        assert said(await here.find_out(SELL))["registered"]
        assert len(documents(there)) == 1


@pytest.mark.parametrize("on_cut", ["interrupted", "error", "blocked"])
@pytest.mark.parametrize("printing", [False, True], ids=["the lines go out", "it is registered and being printed"])
@quick
async def test_the_registers_power_goes_in_the_middle(tmp_path: Path, on_cut: str, printing: bool) -> None:
    async with register(speed=1.0, on_cut=on_cut) as there, kiosk(tmp_path, there.url) as here:
        task = asyncio.create_task(here.send(SELL, timeout=15.0))
        await until(lambda: there.do("describe")["running"] == "sell")
        await (until(lambda: documents(there)) if printing else asyncio.sleep(0.1))
        there.do("cut_power")
        answer = said(await task)
        assert answer["registered"] == bool(documents(there)) == printing
        assert len(documents(there)) <= 1
        if answer["registered"]:
            assert answer["status"] == "ready"
            assert answer["fiscal"]["number"] == documents(there)[0]["number"]


@quick
async def test_a_blocked_queue_waits_for_a_person(tmp_path: Path) -> None:
    async with register() as there, kiosk(tmp_path, there.url) as here:
        there.do("block")
        blocked = await here.send(SELL, timeout=1.0)
        assert isinstance(blocked, NeverGot)  # its register could not even be looked at
        assert "put in paper" in blocked.detail
        assert documents(there) == []


@quick
async def test_a_task_that_blocks_goes_on_under_its_uuid(tmp_path: Path) -> None:
    async with register(speed=5.0, on_paper="block", unblock="continue") as there, kiosk(tmp_path, there.url) as here:
        task = asyncio.create_task(here.send(SELL, continue_print=True, timeout=10.0))
        await until(lambda: there.do("describe")["running"] == "sell")
        await asyncio.sleep(0.22)
        there.do("paper_out")
        await until(lambda: here.told[-1]["stage"] == "blocked")
        assert "paper" in here.told[-1]["words"]
        there.do("paper_in")
        assert said(await task)["registered"]
        assert len(documents(there)) == 1


@quick
async def test_a_server_that_forgot_is_judged_by_the_storage(tmp_path: Path) -> None:
    async with register(speed=4.0) as there, kiosk(tmp_path, there.url) as here:
        assert isinstance(await here.send(SELL, timeout=0.3), NoAnswer)
        await until(lambda: documents(there))
        there.do("forget_results")
        answer = said(await here.find_out(SELL))
        assert (answer["status"], answer["registered"], answer["found_in_storage"]) == ("ready", True, True)
        assert answer["fiscal"]["number"] == documents(there)[0]["number"]


@quick
async def test_what_nobody_can_tell_is_for_a_person(tmp_path: Path) -> None:
    async with register(speed=4.0, documents="no") as there, kiosk(tmp_path, there.url) as here:
        assert isinstance(await here.send(SELL, timeout=0.3), NoAnswer)
        await until(lambda: documents(there))
        there.do("forget_results")
        assert await here.find_out(SELL) is None
        (event,) = await here.unclear()
        assert (event["request_id"], event["types"]) == ("request-1", ["sell"])
        assert await here.find_out(SELL) is None
        assert len(await here.unclear()) == 1


@quick
async def test_a_server_that_did_not_know_it_yet_and_was_heard_late_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kiosk stands still while answers lie there; meanwhile the server has got what was on its way."""
    async with register() as there, kiosk(tmp_path, there.url) as here:
        said(await here.send(SELL))
        get, early = Server.get, 2

        async def late(server: Server, uuid: str) -> Any:
            nonlocal early
            early -= 1
            answer = await get(server, uuid if early < 0 else "another")
            await asyncio.sleep(QUICK.settle_s * 2)
            return answer

        monkeypatch.setattr(Server, "get", late)
        target, ask = here.target(), here.ask(SELL)
        kept = Kept(kind=here.route().kind, uuid=target._server.uuid("request-1"))
        outcomes = await target._follow(ask, kept, time.monotonic() + 60.0)
        assert outcomes
        assert [outcome.status for outcome in outcomes] == [TaskStatus.READY]


@quick
async def test_a_line_that_loses_requests_and_answers(tmp_path: Path) -> None:
    async with register(speed=20.0) as there, kiosk(tmp_path, there.url) as here:
        sold = 0
        for number in range(6):
            request_id = f"request-{number}"
            running = asyncio.create_task(here.send(SELL, request_id, timeout=10.0))
            await asyncio.sleep(0.05 * number)
            there.unplug()
            await asyncio.sleep(0.1)
            there.plug()
            result: Any = await running
            if isinstance(result, NoAnswer):
                result = await here.find_out(SELL, request_id)
            sold += isinstance(result, Answered) and said(result)["registered"]
        assert len(documents(there)) == sold


@quick
async def test_the_queue_takes_a_repeated_uuid_once(tmp_path: Path) -> None:
    async with register() as there, kiosk(tmp_path, there.url) as here:
        first = said(await here.send(SELL))
        async with journal(tmp_path / "other") as forgot:  # as if the kiosk's own memory were gone
            other = Kiosk(forgot, here.gateways, here.url)
            assert said(await other.send(SELL))["fiscal"] == first["fiscal"]
        assert len(documents(there)) == 1


_CHILD = """
import asyncio, sys
from pathlib import Path
from tests.appliance.gateways import test_atol_web as world
from tests.appliance.gateways.test_atol_web import SELL, Timing, kiosk

world.QUICK = Timing(request_s=20.0, query_s=30.0, retry_s=0.05, retry_max_s=0.2)  # it has a point to get to

async def main():
    async with kiosk(Path(sys.argv[1]), sys.argv[2]) as here:
        print(await here.send(SELL, timeout=60.0))

asyncio.run(main())
"""
_POINTS = {
    "appliance.atol.begin.before": "never", "appliance.atol.begin.after": "never",
    "appliance.atol.accept.before": "known", "appliance.atol.accept.after": "known",
    "appliance.atol.end.before": "known", "appliance.atol.end.after": "known",
    "appliance.gateway.fetch.before:3": "never",
    # It was given to a connection that was cut off then: what the server has of it counts.
    "appliance.gateway.request.after:3": "",
}  # fmt: skip


@pytest.mark.parametrize("point", _POINTS)
async def test_killed_at_a_point(tmp_path: Path, point: str) -> None:
    async with register(speed=20.0) as there:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CHILD, str(tmp_path), there.url,
            env={**os.environ, "KIOSKWIRE_CRASH_AT": point}, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(90):
            out, told = await process.communicate()
        assert process.returncode == -9, (out + told).decode()
        async with kiosk(tmp_path, there.url) as here:
            found = await here.find_out(SELL)
            assert len(documents(there)) == (0 if isinstance(found, NeverGot) else 1)
            if isinstance(found, Answered):
                assert said(found)["fiscal"]["number"] == documents(there)[0]["number"]
            assert there.store is not None
            has_it = any('"sell"' in task["body"] for task in there.store.memory["tasks"].values())
            expected = _POINTS[point] or ("known" if has_it else "never")
            assert ("never" if isinstance(found, NeverGot) else "known") == expected


# What is asked


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "type: is missing; right would be such as sell"),
        ({"type": "sel"}, "type=sel: is not known; did you mean sell?"),
        ({"type": "sell", "uuid": "1"}, "uuid: is made from the request's id"),
        ({"request": []}, "right would be a list of 1 to 50 tasks"),
        ({"request": [SELL, SELL]}, "has 2 tasks that make a document (sell, sell)"),
        ({"request": [SELL, 7, {"type": 1}]}, "request[1]: is no task"),
        ({"request": [SELL, 7, {"type": 1}]}, "request[2].type: is no text"),
        ({"type": "sell", "request": [SELL]}, "type: stands beside request"),
        ([SELL], "not a JSON object"),
    ],
)  # fmt: skip
@quick
async def test_mistakes_are_told_at_once(tmp_path: Path, body: Any, words: str) -> None:
    async with kiosk(tmp_path, "http://127.0.0.1:9") as here:
        with pytest.raises(NotUnderstood) as caught:
            here.target().check(here.ask(body))
        assert words in str(caught.value)


@quick
async def test_numbers_reach_the_server_as_they_stand(tmp_path: Path) -> None:
    async with register() as there, kiosk(tmp_path, there.url) as here:
        text = msgspec.json.encode(SELL).replace(b"301.0", b"301.00").replace(b'"quantity":2', b'"quantity":2.000')
        ask = here.ask(SELL)
        exact = msgspec.structs.replace(ask, body=text)
        said(await here.target().run(exact))
        assert there.store is not None
        (sent,) = [task["body"] for task in there.store.memory["tasks"].values() if '"sell"' in task["body"]]
        assert '"amount":301.00' in sent
        assert '"quantity":2.000' in sent
