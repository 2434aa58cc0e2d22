"""The simulated gateway acts, remembers, and misbehaves on demand."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from appliance.gateways.faults import Fault
from appliance.gateways.ledger import Ledger
from appliance.gateways.simulator import FAULTS_MAX, Gateway, make_app
from tests.appliance.quick import quick

PAYMENT = {"order_id": "A1", "sum": 10000, "currency": "KZT"}


class Running:
    def __init__(self, gateway: Gateway, client: httpx.AsyncClient, port: int) -> None:
        self.gateway = gateway
        self.client = client
        self.port = port

    async def pay(self, **fields: Any) -> httpx.Response:
        return await self.client.post("/api/v1/payment", json={**PAYMENT, **fields})

    def effects(self) -> list[tuple[str, str]]:
        return [(line["effect"], line.get("order_id") or line["check_id"]) for line in self.gateway.ledger.lines]


@asynccontextmanager
async def running(*faults: Fault) -> AsyncIterator[Running]:
    gateway = Gateway(Ledger(), list(faults))
    server = HTTPServer(make_app(gateway))
    sock, port = bind_unused_port()
    server.add_socket(sock)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client:
            yield Running(gateway, client, port)
    finally:
        server.stop()
        await server.close_all_connections()


@quick
async def test_a_payment_is_charged_and_answered() -> None:
    async with running() as sim:
        answer = await sim.pay()
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "success",
            "transaction_id": "TXN00000001",
            "order_id": "A1",
            "sum": 10000,
        }
        assert sim.effects() == [("payment", "A1")]


@quick
async def test_the_same_order_again_is_a_second_charge() -> None:
    async with running() as sim:
        await sim.pay()
        await sim.pay()
        lines = (await sim.client.get("/sim/ledger", params={"order_id": "A1"})).json()["lines"]
        assert [(line["effect"], line["n"]) for line in lines] == [("payment", 1), ("payment", 2)]
        assert (await sim.client.get("/sim/ledger", params={"order_id": "A2"})).json() == {"lines": []}


@quick
async def test_amounts_come_back_as_they_were_written() -> None:
    async with running() as sim:
        body = '{"order_id":"A1","sum":100.50}'
        answer = await sim.client.post("/api/v1/payment", content=body)
        assert '"sum":100.50' in answer.text


@quick
async def test_the_status_of_an_order_can_be_asked() -> None:
    async with running() as sim:
        unknown = await sim.client.get("/api/v1/payment/status", params={"order_id": "A1"})
        assert (unknown.status_code, unknown.json()) == (404, {"status": "not_found"})
        paid = (await sim.pay()).json()
        known = await sim.client.get("/api/v1/payment/status", params={"order_id": "A1"})
        assert (known.status_code, known.json()) == (200, paid)
        assert sim.effects() == [("payment", "A1")]


@quick
async def test_a_fiscal_query_has_no_effect_and_shows_what_was_asked() -> None:
    async with running() as sim:
        answer = await sim.client.get("/api/v1/fiscal?check_id=C1&status=paid&tag=a&tag=b")
        assert answer.json() == {
            "status": "success",
            "check_id": "C1",
            "fiscal_sign": "3411217923",
            "fiscal_document": 17923,
            "register": "SIM-0001",
            "query": {"check_id": "C1", "status": "paid", "tag": ["a", "b"]},
        }
        assert sim.effects() == []


@quick
async def test_a_fiscal_document_is_registered() -> None:
    async with running() as sim:
        answer = await sim.client.post("/api/v1/fiscal", json={"check_id": 17})
        assert (answer.status_code, answer.json()["check_id"]) == (200, "17")
        assert sim.effects() == [("fiscal", "17")]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b'{"sum":1}', b'{"order_id":""}', b'{"order_id":true}', b'{"order_id":{}}']
)
@quick
async def test_what_is_no_payment_is_refused_without_effect(body: bytes) -> None:
    async with running() as sim:
        answer = await sim.client.post("/api/v1/payment", content=body)
        assert (answer.status_code, answer.json()["status"]) == (400, "error")
        assert sim.effects() == []


@quick
async def test_other_addresses_are_not_there() -> None:
    async with running() as sim:
        assert (await sim.client.post("/api/v2/payment", json=PAYMENT)).status_code == 404
        assert (await sim.client.get("/api/v1/payment")).status_code == 405


@quick
async def test_lost_charges_and_closes_without_an_answer() -> None:
    async with running() as sim:
        with pytest.raises(httpx.RemoteProtocolError):
            await sim.pay(simulate="lost")
        assert sim.effects() == [("payment", "A1")]


@quick
async def test_reset_charges_nothing_and_resets() -> None:
    async with running() as sim:
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        body = json.dumps({**PAYMENT, "simulate": "reset"}).encode()
        head = f"POST /api/v1/payment HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert sim.effects() == []


@pytest.mark.parametrize(("fault", "effects"), [("error-500", []), ("error-500-after", [("payment", "A1")])])
@quick
async def test_an_error_comes_before_or_after_the_charge(fault: str, effects: list[tuple[str, str]]) -> None:
    async with running() as sim:
        assert (await sim.pay(simulate=fault)).status_code == 500
        assert sim.effects() == effects


@quick
async def test_not_json_charges_and_answers_with_html() -> None:
    async with running() as sim:
        answer = await sim.pay(simulate="not-json")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=UTF-8")
        assert answer.text.startswith("<html>")
        assert sim.effects() == [("payment", "A1")]


@quick
async def test_huge_charges_and_answers_with_so_many_bytes() -> None:
    async with running() as sim:
        answer = await sim.pay(simulate="huge:3000000")
        assert len(answer.json()["padding"]) == 3_000_000
        assert sim.effects() == [("payment", "A1")]


@quick
async def test_a_declined_payment_moves_no_money() -> None:
    async with running() as sim:
        answer = await sim.pay(simulate="decline")
        assert (answer.status_code, answer.json()["status"]) == (200, "declined")
        assert sim.effects() == [("declined", "A1")]
        status = await sim.client.get("/api/v1/payment/status", params={"order_id": "A1"})
        assert status.json() == answer.json()


@quick
async def test_slow_charges_although_the_caller_is_gone() -> None:
    async with running() as sim:
        with pytest.raises(httpx.ReadTimeout):
            await sim.client.post("/api/v1/payment", json={**PAYMENT, "simulate": "slow:0.2"}, timeout=0.05)
        assert sim.effects() == []
        async with asyncio.timeout(10):
            while not sim.effects():  # noqa: ASYNC110 - the gateway tells nobody when it has acted
                await asyncio.sleep(0.01)
        assert sim.effects() == [("payment", "A1")]


@pytest.mark.parametrize(
    ("fault", "effects"), [("hang", []), ("hang-after", [("payment", "A1")]), ("slow-after:60", [("payment", "A1")])]
)
@quick
async def test_no_answer_comes_in_time(fault: str, effects: list[tuple[str, str]]) -> None:
    async with running() as sim:
        with pytest.raises(httpx.ReadTimeout):
            await sim.client.post("/api/v1/payment", json={**PAYMENT, "simulate": fault}, timeout=0.2)
        assert sim.effects() == effects


@quick
async def test_scripted_faults_come_for_their_route_and_count() -> None:
    async with running() as sim:
        made = await sim.client.post("/sim/faults", json={"route": "payment", "fault": "error-500", "count": 2})
        assert made.status_code == 201
        statuses = [(await sim.pay()).status_code for _ in range(3)]
        assert statuses == [500, 500, 200]
        assert (await sim.client.get("/sim/faults")).json() == {"faults": []}


@quick
async def test_scripted_faults_leave_other_routes_alone_and_can_be_cleared() -> None:
    async with running(Fault("error-500", "fiscal")) as sim:
        assert (await sim.pay()).status_code == 200
        assert (await sim.client.get("/api/v1/fiscal?check_id=1")).status_code == 500
        assert (await sim.client.get("/sim/faults")).json() == {"faults": [{"fault": "error-500", "route": "fiscal"}]}
        await sim.client.delete("/sim/faults")
        assert (await sim.client.get("/api/v1/fiscal?check_id=1")).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"fault":"quick"}', b'{"fault":"slow","seconds":-1}', b'{"fault":"slow","route":"pay"}']
)
@quick
async def test_a_wrong_fault_is_refused(body: bytes) -> None:
    async with running() as sim:
        answer = await sim.client.post("/sim/faults", content=body)
        assert (answer.status_code, sim.gateway.faults) == (400, [])


@quick
async def test_a_wrong_simulate_is_refused_without_effect() -> None:
    async with running() as sim:
        answer = await sim.pay(simulate="quick")
        assert (answer.status_code, sim.effects()) == (400, [])
        assert "there is no fault 'quick'" in answer.json()["message"]


@quick
async def test_faults_are_bounded() -> None:
    async with running(*[Fault("slow")] * FAULTS_MAX) as sim:
        answer = await sim.client.post("/sim/faults", json={"fault": "lost"})
        assert (answer.status_code, len(sim.gateway.faults)) == (400, FAULTS_MAX)
