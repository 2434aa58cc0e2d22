"""The main job: an operation reaches the kiosk's gateway, and its answer comes back to who asked."""

from tests.journeys.clients import Fleet
from tests.journeys.site import Kiosk, Site, payment, unique, until


def test_a_payment_reaches_the_gateway_and_its_answer_comes_back(site: Site, kiosk: Kiosk) -> None:
    order = unique("order")
    answer = site.backend.send(kiosk.id, "payment", payment(order, sum=12345678901234567890123))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    [line] = [line for line in site.gateway.lines() if line.get("order_id") == order]
    assert answer.json() == {
        "status": "success",
        "transaction_id": line["transaction_id"],
        "order_id": order,
        "sum": 12345678901234567890123,
    }
    operation = site.backend.operation(answer.headers["x-request-id"])
    assert (operation["state"], operation["executed"]) == ("succeeded", "yes")
    assert operation["answer"] == {"status": 200, "body": answer.json()}
    kiosk.wait_settled()


def test_a_get_reaches_the_gateway_as_a_query(site: Site, kiosk: Kiosk) -> None:
    check = unique("check")
    body = {"check_id": check, "copy": True, "draft": False, "none": None, "page": [1, 2], "of": {"shift": 7}, "n": 1.5}
    answer = site.backend.send(kiosk.id, "fiscal", body, method="GET")
    assert answer.status_code == 200
    assert answer.json()["query"] == {
        "check_id": check, "copy": "true", "draft": "false", "page": ["1", "2"], "of": '{"shift":7}', "n": "1.5",
    }  # fmt: skip
    assert site.gateway.effects(check, "fiscal") == 0


def test_a_hundred_operations_at_once_to_one_kiosk_are_not_mixed_up(site: Site, kiosk: Kiosk) -> None:
    orders, checks = ([unique(word) for _ in range(50)] for word in ("order", "check"))
    paid = {order: site.backend.later(kiosk.id, "payment", payment(order)) for order in orders}
    printed = {check: site.backend.later(kiosk.id, "fiscal", {"check_id": check}) for check in checks}
    assert {order: answer.result().json().get("order_id") for order, answer in paid.items()} == dict(
        zip(orders, orders, strict=True)
    )
    assert {check: answer.result().json().get("check_id") for check, answer in printed.items()} == dict(
        zip(checks, checks, strict=True)
    )
    assert [site.gateway.effects(order) for order in orders] == [1] * 50
    assert [site.gateway.effects(check, "fiscal") for check in checks] == [1] * 50
    kiosk.wait_settled()


def test_operations_at_once_to_fifty_kiosks_are_not_mixed_up(site: Site) -> None:
    kiosks = [site.new_kiosk("many") for _ in range(5)]
    scripted = [unique("scripted") for _ in range(45)]
    tokens = {name: site.hub.add_kiosk(name) for name in scripted}
    try:
        for kiosk in kiosks:
            kiosk.appliance.start(wait=False)
        with Fleet(site.hub.ws_url, tokens) as fleet:
            for kiosk in kiosks:
                kiosk.wait_ready()
            for name in scripted:
                until(f"{name} being connected", lambda name=name: site.connected(name))
            sent = [
                (name, order := unique("order"), site.backend.later(name, "payment", payment(order, kiosk=name)))
                for _ in range(3)
                for name in [*(kiosk.id for kiosk in kiosks), *scripted]
            ]
            for name, order, answer in sent:
                assert answer.result().status_code == 200
                assert answer.result().json()["order_id"] == order
                if name in tokens:
                    assert answer.result().json()["by"] == name
            real = {kiosk.id for kiosk in kiosks}
            assert [site.gateway.effects(order) for name, order, _ in sent if name in real] == [1] * 15
            assert fleet.executed == {order: name for name, order, _ in sent if name in tokens}
            assert fleet.repeated == []
    finally:
        for kiosk in kiosks:
            kiosk.close()
