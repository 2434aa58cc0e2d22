"""A kiosk that is not there: told at once and truthfully, or kept for it until it returns or the order expires."""

from tests.journeys.site import Site, payment, problem, unique


def test_a_kiosk_that_was_never_there_is_offline_and_nothing_is_executed(site: Site) -> None:
    with site.kiosk("never", start=False) as kiosk:
        order = unique("order")
        answer = site.backend.send(kiosk.id, "payment", payment(order), key=order)
        assert problem(answer) == (503, "kiosk-offline", "not_executed")
        assert int(answer.headers["retry-after"]) > 0
        kiosk.appliance.start()
        # What was refused is not executed later; its key is free for the same request.
        again = site.backend.send(kiosk.id, "payment", payment(order), key=order)
        assert (again.status_code, again.headers.get("idempotent-replayed")) == (200, None)
        assert site.gateway.effects(order) == 1


def test_a_kiosk_that_has_just_left_is_waited_for_and_then_offline(site: Site) -> None:
    with site.kiosk("gone") as kiosk:
        kiosk.appliance.stop()
        order = unique("order")
        answer = site.backend.send(kiosk.id, "payment", payment(order), timeout=2)  # shorter than the grace
        assert problem(answer) == (503, "kiosk-offline", "not_executed")
        kiosk.appliance.start()
        site.backend.send(kiosk.id, "payment", payment(unique("order"))).raise_for_status()
        assert site.gateway.effects(order) == 0


def test_a_kiosk_that_returns_within_the_grace_is_waited_for(forgiving: Site) -> None:
    with forgiving.kiosk("returning") as kiosk:
        kiosk.appliance.kill()
        order = unique("order")
        answer = forgiving.backend.later(kiosk.id, "payment", payment(order))
        kiosk.appliance.start()
        assert answer.result().status_code == 200
        assert forgiving.gateway.effects(order) == 1


def test_what_is_queued_is_executed_when_the_kiosk_comes(site: Site) -> None:
    with site.kiosk("queued", start=False) as kiosk:
        orders = [unique("order") for _ in range(20)]
        answers = [site.backend.queue(kiosk.id, "payment", payment(order), key=order) for order in orders]
        assert [answer.status_code for answer in answers] == [202] * 20
        request_ids = [answer.headers["x-request-id"] for answer in answers]
        assert [answer.headers["location"] for answer in answers] == [f"/operations/{found}" for found in request_ids]
        assert {site.backend.operation(found)["state"] for found in request_ids} == {"queued"}
        repeated = site.backend.queue(kiosk.id, "payment", payment(orders[0]), key=orders[0])
        assert (repeated.status_code, repeated.headers["idempotent-replayed"]) == (202, "true")
        assert repeated.headers["x-request-id"] == request_ids[0]
        kiosk.appliance.start()
        ended = [site.backend.final(found) for found in request_ids]
        assert [found["answer"]["body"]["order_id"] for found in ended] == orders
        assert [site.gateway.effects(order) for order in orders] == [1] * 20
        executed = [line["order_id"] for line in site.gateway.lines() if line.get("order_id") in orders]
        assert executed == orders
        replayed = site.backend.queue(kiosk.id, "payment", payment(orders[0]), key=orders[0])
        assert (replayed.status_code, replayed.json()) == (200, ended[0]["answer"]["body"])


def test_what_is_queued_expires_and_is_never_executed(site: Site) -> None:
    with site.kiosk("expired", start=False) as kiosk:
        late, cancelled = unique("order"), unique("order")
        answer = site.backend.queue(kiosk.id, "payment", payment(late), expires=1, key=late)
        other = site.backend.queue(kiosk.id, "payment", payment(cancelled)).headers["x-request-id"]
        assert site.backend.post(f"/operations/{other}/cancel").json()["problem"]["type"] == "cancelled"
        ended = site.backend.final(answer.headers["x-request-id"])
        assert (ended["state"], ended["problem"]["type"], ended["problem"]["outcome"]) == (
            "expired", "expired", "not_executed",
        )  # fmt: skip
        kiosk.appliance.start()
        site.backend.send(kiosk.id, "payment", payment(unique("order"))).raise_for_status()
        again = site.backend.queue(kiosk.id, "payment", payment(late), expires=1, key=late)
        assert problem(again) == (504, "expired", "not_executed")
        assert (site.gateway.effects(late), site.gateway.effects(cancelled)) == (0, 0)
