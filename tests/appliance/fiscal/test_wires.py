"""Receipts through the appliance's operations, over a real pseudo-terminal and over real HTTP, in real time."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.desk import Desk
from appliance.devices import DeviceEntry
from appliance.gateways import Gateways
from appliance.health.metrics import Metrics
from appliance.kinds import DeviceRoute
from appliance.operations import Operations
from appliance.screen import Screen
from appliance.supervisor import Supervisor
from hardware.atol.simulator import AtolSimulator
from hardware.shtrih.simulator import ShtrihSimulator
from hardware.simulation.host import DeviceHost
from hardware.simulation.store import Store
from hardware.simulation.wires import PtyWire, TcpWire
from tests.appliance import worlds
from tests.appliance.fiscal.world import sale
from tests.appliance.worlds import Told, request, route, table

WALL = 1_790_000_000.0


def simulated(family: str) -> tuple[DeviceHost, Store]:
    store = Store(None, family)
    if family == "atol":
        simulator = AtolSimulator(store.memory, store.note, speed=20.0)
        return DeviceHost(simulator, store, TcpWire()), store
    return DeviceHost(ShtrihSimulator(store.memory, store.note), store, PtyWire(baud=115200)), store


@asynccontextmanager
async def kiosk(directory: Path, family: str, url: str) -> AsyncIterator[tuple[Operations, Told]]:
    port = url.replace("tcp://", "http://") if family == "atol" else url
    entry = DeviceEntry(name="register", driver=family, port=port)
    async with worlds.journal(directory) as journal:
        gateways, told, screen = Gateways(), Told(), Screen()
        supervisor = Supervisor(journal=journal, screen=screen, clock=lambda: WALL, entries={"register": entry})
        desk = Desk(journal=journal, supervisor=supervisor, gateways=gateways, clock=lambda: WALL)
        operations = Operations(
            journal=journal, targets=desk, metrics=Metrics("test"), screen=screen,
            routes=table(route("", "fiscal", kind=DeviceRoute("register"), timeout=30.0)),
        )  # fmt: skip
        operations.listen(told)
        await desk.recover()
        await supervisor.open()
        desk.start()
        await operations.start()
        try:
            yield operations, told
        finally:
            await operations.stop()
            await desk.close()
            await supervisor.close()
            await gateways.close()


def body_of(told: Told, request_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(told.of(request_id)[0].body)
    return answer


@pytest.mark.parametrize("family", ["shtrih", "atol"])
async def test_a_receipt_from_the_request_to_the_storage(family: str, tmp_path: Path) -> None:
    host, store = simulated(family)
    body = msgspec.json.encode(sale())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(host)
        async with kiosk(tmp_path, family, host.url) as (operations, told):
            operations.request(request("r1", "fiscal", body=body))
            first = await told.first("r1")
            assert first.status == 200
            registered = body_of(told, "r1")
            assert (registered["status"], registered["total"]) == ("registered", 12_345)
            assert ("r1", {"document": "receipt", "status": "registering"}) in told.progresses
            operations.request(request("bad", "fiscal", body=msgspec.json.encode(sale(-1, kind="sail"))))
            refused = await told.first("bad")
            assert refused.error is not None
            assert refused.error.type == "bad-request"
            assert "lines[0].price" in refused.error.detail
            assert "did you mean sale?" in refused.error.detail
        async with kiosk(tmp_path, family, host.url) as (operations, told):
            operations.request(request("r1", "fiscal", body=body))
            assert (await told.first("r1")).body == first.body
            operations.request(request("q", "fiscal", body=b'{"action": "find", "reference": "r1"}'))
            await told.first("q")
            assert body_of(told, "q") == registered
        totals = [line["total"] for line in store.lines if line["happened"] in ("document", "document_stored")]
        assert [total for total in totals if total] == [12_345]
