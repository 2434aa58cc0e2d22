"""A repetition is recognised before anything is refused: "not executed" would be false of what its key stands for."""

from pathlib import Path

from tests.cloud.hub import broken_table, running
from tests.cloud.web.test_send import problem_of


async def test_a_repetition_of_an_open_operation_is_never_told_not_executed(tmp_path: Path) -> None:
    limits = {"rate_limit_per_key": 0.25, "rate_limit_per_kiosk": 0.25, "kiosk_reconnect_grace": 0.2}
    async with running(tmp_path, **limits) as hub:
        async with hub.kiosk() as kiosk:
            asked = hub.sending({"amount": 1}, key="pay-1")
            request = await kiosk.request()
            await kiosk.cut()
        assert problem_of(await asked) == "kiosk-lost"
        await hub.operation_in(request["request_id"], "unknown")

        async def outcome() -> tuple[str, str]:
            answer = await hub.send({"amount": 1}, key="pay-1")
            return answer.json()["outcome"], answer.headers["idempotent-replayed"]

        assert problem_of(await hub.send({"amount": 2}, key="pay-2")) == "rate-limited"
        assert await outcome() == ("unknown", "true")  # over both limits
        await hub.hub.services.registry.enable("kiosk_001", False)
        assert await outcome() == ("unknown", "true")
        await hub.hub.services.registry.remove("kiosk_001")
        assert await outcome() == ("unknown", "true")
        with broken_table(tmp_path, "operations"):
            answer = await hub.send({"amount": 1}, key="pay-1")
            assert (problem_of(answer), answer.json()["outcome"]) == ("key-unchecked", "unknown")
