"""The network between kiosk and hub breaks in the middle of an operation."""

from tests.chaos.proxy import FaultProxy
from tests.journeys.site import Site, payment, problem, unique, until


def test_a_kiosk_lost_in_mid_operation_is_told_as_unknown_and_its_outcome_arrives_later(
    site: Site, wire: FaultProxy
) -> None:
    with site.kiosk("lost", site.routes_through(wire)) as kiosk:
        order = unique("order")
        wire.hold(down=True, new=True)
        sent = site.backend.later(kiosk.id, "payment", payment(order))
        until("the gateway acting", lambda: site.gateway.effects(order) == 1)
        kiosk.proxy.cut(hang=True)
        wire.restore()
        answer = sent.result()
        assert problem(answer) == (504, "kiosk-lost", "unknown")
        request_id = answer.headers["x-request-id"]
        assert answer.json()["request_id"] == request_id
        assert site.backend.operation(request_id)["state"] == "unknown"
        assert site.gateway.effects(order) == 1
        kiosk.proxy.restore()
        ended = site.backend.final(request_id)
        assert (ended["state"], ended["answer"]["body"]["order_id"]) == ("succeeded", order)
        assert site.gateway.effects(order) == 1
        kiosk.wait_settled()


def test_a_kiosk_that_comes_back_within_the_grace_brings_its_caller_the_answer(forgiving: Site) -> None:
    with (
        FaultProxy(forgiving.gateway.port, kind="http") as wire,
        forgiving.kiosk("back", forgiving.routes_through(wire)) as kiosk,
    ):
        order = unique("order")
        wire.hold(down=True, new=True)
        sent = forgiving.backend.later(kiosk.id, "payment", payment(order))
        kiosk.wait_running()
        kiosk.proxy.cut()
        wire.restore()
        kiosk.proxy.restore()
        answer = sent.result()
        assert (answer.status_code, answer.json()["order_id"]) == (200, order)
        assert forgiving.gateway.effects(order) == 1


def test_a_request_lost_on_the_way_to_the_kiosk_is_sent_again_and_executed_once(forgiving: Site) -> None:
    with forgiving.kiosk("unheard") as kiosk:
        kiosk.proxy.hold(down=True)
        order = unique("order")
        sent = forgiving.backend.later(kiosk.id, "payment", payment(order), key=order)
        forgiving.backend.sent(kiosk.id, order)
        kiosk.proxy.cut()
        kiosk.proxy.restore()
        assert sent.result().status_code == 200
        assert forgiving.gateway.effects(order) == 1


def test_a_request_that_was_held_up_beyond_its_time_is_not_started(site: Site) -> None:
    with site.kiosk("late") as kiosk:
        kiosk.proxy.hold(down=True)
        order = unique("order")
        answer = site.backend.send(kiosk.id, "payment", payment(order), timeout=1)
        assert problem(answer) == (504, "timeout", "unknown")
        # The caller has given up; the connection breaks, and the kiosk is asked what became of it.
        kiosk.proxy.cut()
        kiosk.proxy.restore()
        ended = site.backend.final(answer.headers["x-request-id"])
        assert (ended["state"], ended["executed"]) == ("expired", "no")
        assert site.gateway.effects(order) == 0


def test_a_half_open_connection_does_not_keep_a_returning_kiosk_out(site: Site) -> None:
    with site.kiosk("half-open") as kiosk:
        kiosk.proxy.hold(up=True, down=True)
        kiosk.appliance.kill()
        assert site.connected(kiosk.id)  # the hub cannot know
        kiosk.appliance.start()
        order = unique("order")
        assert site.backend.send(kiosk.id, "payment", payment(order), timeout=20).status_code == 200
        assert site.gateway.effects(order) == 1
