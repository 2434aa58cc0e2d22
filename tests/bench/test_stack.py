"""The stack is a hub, a kiosk and a gateway that work together."""

from pathlib import Path

from bench.stack import Stack, gateway_routes, send_headers


def test_an_operation_goes_through_the_stack_and_back(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        answer = stack.send("payment", {"order_id": "A1", "sum": 100}, idempotency="A1")
        assert (answer.status_code, answer.json()["order_id"]) == (200, "A1")
        assert stack.gateway.effects("A1") == 1
        told = stack.hub.operation(answer.headers["X-Request-Id"], stack.api_key)
        assert told["state"] == "succeeded"
        assert stack.appliance.health()["ws_connected"] is True
        programs = [stack.gateway, stack.hub, stack.appliance]
    assert [program.alive for program in programs] == [False, False, False]
    assert [program.process.returncode for program in programs if program.process] == [0, 0, 0]


def test_a_kiosk_comes_back_after_a_kill(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        stack.appliance.kill()
        stack.appliance.start()
        assert stack.send("payment", {"order_id": "A1", "sum": 100}).status_code == 200


def test_more_kiosks_can_join(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack, stack.add_appliance("kiosk_002"):
        answer = stack.hub.send("kiosk_002", "fiscal", {"check_id": "C1"}, key=stack.api_key, method="GET")
        assert (answer.status_code, answer.json()["query"]) == (200, {"check_id": "C1"})


def test_the_headers_are_those_of_the_contract() -> None:
    assert send_headers("k", "payment", key="s", idempotency="i") == {
        "Authorization": "Bearer s",
        "Header-Kiosk-Id": "k",
        "Header-Operation-Type": "payment",
        "Header-Http-Method": "POST",
        "Idempotency-Key": "i",
    }


def test_payments_can_go_without_a_status_query() -> None:
    assert "status" in gateway_routes("http://g")["routes"]["payment"]
    assert "status" not in gateway_routes("http://g", status=False)["routes"]["payment"]
