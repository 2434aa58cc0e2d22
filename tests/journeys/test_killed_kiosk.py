"""kill -9 of the appliance at the worst moments, and what is told after it has started again.

Reached from outside: the request is journaled and the gateway never hears of it (a proxy before the gateway keeps it
back); the gateway is at work; it has acted and not answered; the outcome is journaled and not told; it is told and
not settled. Not reachable from outside: between two instructions, such as the commit of the request and the call.
"""

import pytest

from tests.chaos.proxy import FaultProxy
from tests.journeys.site import Json, Kiosk, Site, payment, problem, tells_the_truth, unique, until


def kill_before_the_gateway_gets_it(kiosk: Kiosk, wire: FaultProxy, order: str) -> tuple[Json, Json]:
    """Returns the operation as the kiosk tells it after its restart, and as its caller was told."""
    backend = kiosk.site.backend
    wire.hold(up=True, new=True)
    sent = backend.later(kiosk.id, "payment", payment(order), key=order)
    kiosk.wait_running()
    request_id = backend.sent(kiosk.id, order)
    kiosk.appliance.kill()
    wire.cut()
    wire.restore()
    kiosk.appliance.start()
    told = backend.told(request_id)
    assert tells_the_truth(sent.result(), kiosk.site.gateway.effects(order))
    return told, sent.result().json()


def test_killed_before_the_gateway_got_it_it_is_not_executed_where_the_gateway_can_be_asked(
    site: Site, wire: FaultProxy
) -> None:
    with site.kiosk("kill-before", site.routes_through(wire, absent_after=1)) as kiosk:
        order = unique("order")
        told, _ = kill_before_the_gateway_gets_it(kiosk, wire, order)
        assert (told["state"], told["executed"], told["problem"]["outcome"]) == ("failed", "no", "not_executed")
        repeated = site.backend.send(kiosk.id, "payment", payment(order), key=order)
        assert problem(repeated) == (502, "gateway-unreachable", "not_executed")
        assert site.gateway.effects(order) == 0


def test_killed_before_the_gateway_got_it_it_stays_unknown_where_nobody_can_be_asked(
    site: Site, wire: FaultProxy
) -> None:
    with site.kiosk("kill-blind", site.routes_through(wire, status=False)) as kiosk:
        order = unique("order")
        told, answer = kill_before_the_gateway_gets_it(kiosk, wire, order)
        assert (told["state"], told["executed"], told["problem"]["type"]) == ("unknown", "unknown", "interrupted")
        assert answer["outcome"] == "unknown"
        kiosk.restart()
        repeated = site.backend.send(kiosk.id, "payment", payment(order), key=order)
        assert problem(repeated) == (504, "interrupted", "unknown")
        assert site.gateway.effects(order) == 0  # it is never executed again by itself
        kiosk.wait_settled()


def test_killed_while_the_gateway_works_it_is_asked_until_it_knows(site: Site) -> None:
    # The gateway acts after the restart: "not found" must not be believed while it may still act.
    with site.kiosk("kill-working", site.routes(timeout=8)) as kiosk:
        order = unique("order")
        site.gateway.fault("slow", seconds=2.5)
        sent = site.backend.later(kiosk.id, "payment", payment(order), key=order)
        site.wait_at_gateway()  # one that never had it is asked for a minute before that is believed
        request_id = site.backend.sent(kiosk.id, order)
        kiosk.restart()
        ended = site.backend.final(request_id)
        assert (ended["state"], ended["answer"]["body"]["order_id"]) == ("succeeded", order)
        assert tells_the_truth(sent.result(), site.gateway.effects(order))
        assert site.gateway.effects(order) == 1


@pytest.mark.parametrize("can_be_asked", [True, False])
def test_killed_between_effect_and_answer_it_is_not_executed_again(site: Site, can_be_asked: bool) -> None:
    with site.kiosk("kill-acted", site.routes(status=can_be_asked)) as kiosk:
        order = unique("order")
        sent = site.backend.later(kiosk.id, "payment", payment(order, simulate="slow-after:30"), key=order)
        until("the gateway acting", lambda: site.gateway.effects(order) == 1)
        kiosk.wait_running()
        request_id = site.backend.sent(kiosk.id, order)
        kiosk.restart()
        told = site.backend.told(request_id)
        assert tells_the_truth(sent.result(), 1)
        expected = ("succeeded", "yes") if can_be_asked else ("unknown", "unknown")
        assert (told["state"], told["executed"]) == expected
        kiosk.restart()
        kiosk.wait_settled()
        # The route is free for the next customer.
        assert site.backend.send(kiosk.id, "payment", payment(unique("order"))).status_code == 200
        assert site.gateway.effects(order) == 1


def test_killed_with_the_outcome_journaled_and_not_told_it_is_told_after_the_start(site: Site) -> None:
    with site.kiosk("kill-untold") as kiosk:
        kiosk.proxy.hold(up=True)
        order = unique("order")
        sent = site.backend.later(kiosk.id, "payment", payment(order), key=order)
        until("the outcome being journaled", lambda: kiosk.health()["unsettled"] == 1)
        request_id = site.backend.sent(kiosk.id, order)
        assert site.backend.operation(request_id)["executed"] is None
        kiosk.appliance.kill()
        kiosk.proxy.cut()
        kiosk.proxy.restore()
        kiosk.appliance.start()
        ended = site.backend.final(request_id)
        assert (ended["state"], ended["answer"]["body"]["order_id"]) == ("succeeded", order)
        assert tells_the_truth(sent.result(), site.gateway.effects(order))
        kiosk.wait_settled()
        assert site.gateway.effects(order) == 1


def test_killed_with_the_outcome_told_and_not_settled_it_is_told_again(site: Site, wire: FaultProxy) -> None:
    with site.kiosk("kill-unsettled", site.routes_through(wire)) as kiosk:
        order = unique("order")
        wire.hold(down=True, new=True)
        sent = site.backend.later(kiosk.id, "payment", payment(order), key=order)
        kiosk.wait_running()
        kiosk.proxy.hold(down=True)
        wire.restore()
        assert sent.result().status_code == 200
        assert kiosk.health()["unsettled"] == 1  # nobody has told it that the hub has the outcome
        kiosk.appliance.kill()
        kiosk.proxy.cut()
        kiosk.proxy.restore()
        kiosk.appliance.start()
        kiosk.wait_settled()
        repeated = site.backend.send(kiosk.id, "payment", payment(order), key=order)
        assert (repeated.json(), repeated.headers["idempotent-replayed"]) == (sent.result().json(), "true")
        assert site.gateway.effects(order) == 1
