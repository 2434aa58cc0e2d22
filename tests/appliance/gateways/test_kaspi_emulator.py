"""The simulated Kaspi terminal acts, remembers, and misbehaves on demand."""

import asyncio

import httpx
import pytest

from appliance.gateways.kaspi_faults import KASPI_FAULTS, KASPI_ROUTES, parse_kaspi_fault
from tests.appliance.gateways.kaspi_world import Counter, counter
from tests.appliance.quick import quick
from tests.appliance.worlds import until


async def get(there: Counter, path: str, **query: str) -> dict[str, object]:
    async with httpx.AsyncClient(base_url=there.url, trust_env=False, timeout=10) as client:
        found: dict[str, object] = (await client.get(path, params=query)).json()
        return found


@quick
async def test_it_goes_through_its_states_in_time() -> None:
    async with counter(speed=4.0) as there:
        started = await get(there, "/v2/payment", amount="1250", owncheque="false")
        data = started["data"]
        assert isinstance(data, dict)
        seen: list[tuple[str, str]] = []
        while not seen or seen[-1][0] == "wait":
            told = (await get(there, "/v2/status", processId=data["processId"]))["data"]
            assert isinstance(told, dict)
            if (told["status"], told["subStatus"]) not in seen:
                seen.append((told["status"], told["subStatus"]))
            await asyncio.sleep(0.01)  # or no time would pass
        assert seen[-3:] == [
            ("wait", "WaitUser"),
            ("wait", "WaitForQrConfirmation"),
            ("success", "QrTransactionSuccess"),
        ]
        lines = (await get(there, "/sim/ledger", process_id=data["processId"]))["lines"]
        assert isinstance(lines, list)
        assert [(line["effect"], line["minor"], line["n"]) for line in lines] == [("charge", 125000, 1)]


@quick
async def test_it_serves_one_customer_at_a_time() -> None:
    async with counter(speed=10.0) as there:
        await get(there, "/v2/payment", amount="1250")
        assert (await get(there, "/v2/payment", amount="1"))["statusCode"] == 107
        assert (await get(there, "/v2/deviceinfo"))["statusCode"] == 107
        await there.idle()
        assert (await get(there, "/v2/deviceinfo"))["statusCode"] == 0
        assert there.effects() == [("charge", 125000)]


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/v2/payment", {}, 999), ("/v2/payment", {"amount": "12.5"}, 999), ("/v2/payment", {"amount": "-1"}, 999),
        ("/v2/refund", {"amount": "1", "method": "qr"}, 999),
        ("/v2/refund", {"amount": "1", "method": "x", "transactionId": "1"}, 999),
        ("/v2/status", {"processId": "1"}, 101), ("/v2/status", {}, 999), ("/v3/payment", {}, 404),
        ("/v2/revoke", {"name": "x", "refreshToken": "y"}, 105),
    ],
)  # fmt: skip
@quick
async def test_what_it_cannot_do(path: str, query: dict[str, str], code: int) -> None:
    async with counter() as there:
        answer = await get(there, path, **query)
        assert (answer["statusCode"], bool(answer["errorText"])) == (code, True)
        assert there.effects() == []


@quick
async def test_a_payment_that_ended_cannot_be_asked_of_the_bank() -> None:
    async with counter() as there:
        data = (await get(there, "/v2/payment", amount="1"))["data"]
        assert isinstance(data, dict)
        await there.idle()
        assert (await get(there, "/v2/actualize", processId=data["processId"]))["statusCode"] == 103


@quick
async def test_faults_come_from_outside_and_are_used_up() -> None:
    async with counter() as there, httpx.AsyncClient(base_url=there.url, trust_env=False) as client:
        added = await client.post("/sim/faults", json={"route": "payment", "fault": "busy", "count": 1})
        assert added.status_code == 201
        assert (await client.post("/sim/faults", json={"fault": "teapot"})).status_code == 400
        assert (await get(there, "/v2/payment", amount="1"))["statusCode"] == 107
        assert (await client.get("/sim/faults")).json() == {"faults": []}
        as_written = await client.post("/sim/faults", json={"route": "status", "fault": "error:101", "count": 2})
        assert as_written.json() == {"fault": "error", "route": "status", "count": 2, "code": 101}
        assert "right would be a code" in (await client.post("/sim/faults", json={"fault": "error:x"})).text
        await client.delete("/sim/faults")
        assert (await get(there, "/v2/payment", amount="1"))["statusCode"] == 0
        await until(there.effects)


def test_faults_as_they_are_written() -> None:
    assert parse_kaspi_fault("slow:40").seconds == 40.0
    assert parse_kaspi_fault("unknown:3").times == 3
    assert (parse_kaspi_fault("status=error:101").route, parse_kaspi_fault("status=error:101").code) == ("status", 101)
    for name in KASPI_FAULTS:
        for route in KASPI_ROUTES:
            assert parse_kaspi_fault(f"{route}={name}").is_for(route)
    for text in ("teapot", "slow:x", "slow:-1", "lost:3", "pay=lost", "error:0", "error:x", "unknown:5000", ""):
        with pytest.raises(ValueError, match="right would be"):
            parse_kaspi_fault(text)
