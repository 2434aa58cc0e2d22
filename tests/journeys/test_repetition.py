"""The same Idempotency-Key again: at once, while the first runs, when it is unknown, and afterwards."""

from tests.chaos.proxy import FaultProxy
from tests.journeys.site import Kiosk, Site, payment, problem, unique, until


def test_repeated_at_the_same_moment_it_is_one_operation(site: Site, kiosk: Kiosk) -> None:
    order = unique("order")
    body = payment(order, simulate="slow:1")
    answers = [site.backend.later(kiosk.id, "payment", body, key=order) for _ in range(20)]
    assert [answer.result().status_code for answer in answers] == [200] * 20
    assert len({answer.result().content for answer in answers}) == 1
    assert len({answer.result().headers["x-request-id"] for answer in answers}) == 1
    replayed = sorted(answer.result().headers.get("idempotent-replayed", "") for answer in answers)
    assert replayed == [""] + ["true"] * 19
    assert site.gateway.effects(order) == 1


def test_repeated_while_it_runs_it_waits_for_the_same_answer(site: Site, wire: FaultProxy) -> None:
    with site.kiosk("repeated", site.routes_through(wire)) as kiosk:
        order = unique("order")
        wire.hold(down=True, new=True)
        first = site.backend.later(kiosk.id, "payment", payment(order), key=order)
        kiosk.wait_running()
        other = site.backend.send(kiosk.id, "payment", payment(order, sum=1), key=order)
        assert problem(other) == (409, "idempotency-conflict", "not_executed")
        assert not first.done()
        repeated = site.backend.later(kiosk.id, "payment", payment(order), key=order)
        impatient = site.backend.send(kiosk.id, "payment", payment(order), key=order, timeout=2)
        assert problem(impatient) == (504, "timeout", "unknown")
        wire.restore()
        again = repeated.result()
    assert (again.status_code, again.content) == (200, first.result().content)
    assert "idempotent-replayed" not in first.result().headers
    assert site.gateway.effects(order) == 1


def test_repeated_afterwards_it_gives_the_same_answer_without_the_kiosk(site: Site) -> None:
    order = unique("order")
    with site.kiosk("replayed") as kiosk:
        first = site.backend.send(kiosk.id, "payment", payment(order), key=order)
    again = site.backend.send(kiosk.id, "payment", payment(order), key=order)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-request-id"] == first.headers["x-request-id"]
    assert site.gateway.effects(order) == 1


def test_a_declined_or_failed_answer_is_replayed_as_well(site: Site, kiosk: Kiosk) -> None:
    for fault, status in (("decline", 200), ("error-500", 500)):
        order = unique("order")
        body = payment(order, simulate=fault)
        first, again = (site.backend.send(kiosk.id, "payment", body, key=order) for _ in range(2))
        assert (first.status_code, again.status_code) == (status, status)
        assert again.content == first.content
        assert site.gateway.effects(order) == 0


def test_repeated_for_another_request_it_is_a_conflict(site: Site, kiosk: Kiosk) -> None:
    order = unique("order")
    site.backend.send(kiosk.id, "payment", payment(order), key=order).raise_for_status()
    others = [
        site.backend.send(kiosk.id, "payment", payment(order, sum=1), key=order),
        site.backend.send(kiosk.id, "fiscal", payment(order), key=order),
        site.backend.send(kiosk.id, "payment", payment(order), key=order, method="GET"),
    ]
    assert [problem(other) for other in others] == [(409, "idempotency-conflict", "not_executed")] * 3
    reordered = dict(reversed(payment(order).items()))
    assert site.backend.send(kiosk.id, "payment", reordered, key=order).status_code == 200
    assert site.gateway.effects(order) == 1


def test_repeated_after_the_caller_lost_patience_it_gives_the_answer(site: Site, wire: FaultProxy) -> None:
    with site.kiosk("impatient", site.routes_through(wire)) as kiosk:
        order = unique("order")
        wire.hold(down=True, new=True)
        first = site.backend.send(kiosk.id, "payment", payment(order), key=order, timeout=5)
        assert problem(first) == (504, "timeout", "unknown")
        until("the gateway acting", lambda: site.gateway.effects(order) == 1)
        wire.restore()
        site.backend.final(first.headers["x-request-id"])  # before that it is told as unknown once more
        again = site.backend.send(kiosk.id, "payment", payment(order), key=order)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.headers["x-request-id"] == first.headers["x-request-id"]
    assert site.gateway.effects(order) == 1
