"""Every bad day of a gateway: what the caller is told is true, and the ledger has at most one effect."""

from collections.abc import Iterator

import pytest

from tests.journeys.site import Kiosk, Site, payment, problem, tells_the_truth, unique, until

# The kiosk's patience, and when a slow gateway acts: so much later that no busy machine makes them meet. "Not found" is
# believed only well after that.
TIMEOUT_S = 1.5
LATE_S = 6
ABSENT_AFTER_S = 12.0


@pytest.fixture(scope="module")
def patient(site: Site) -> Iterator[Kiosk]:
    """A kiosk whose gateway can be asked afterwards."""
    routes = site.routes(timeout=TIMEOUT_S, absent_after=ABSENT_AFTER_S)
    routes["routes"]["payment"]["concurrency"] = 4
    with site.kiosk("patient", routes) as kiosk:
        yield kiosk


@pytest.fixture(scope="module")
def blind(site: Site) -> Iterator[Kiosk]:
    """A kiosk whose gateway cannot be asked."""
    with site.kiosk("blind", site.routes(status=False, timeout=TIMEOUT_S)) as kiosk:
        yield kiosk


@pytest.fixture(scope="module")
def calm(site: Site) -> Iterator[Kiosk]:
    """Nor can this one's, but it has all the time there is."""
    with site.kiosk("calm", site.routes(status=False)) as kiosk:
        yield kiosk


# fault → status, effects
ANSWERED = {
    "slow:0.5": (200, 1),
    "slow-after:0.5": (200, 1),
    "error-500": (500, 0),
    "error-500-after": (500, 1),
    "not-json": (200, 1),
    "huge": (200, 1),
    "huge:700000": (200, 1),
    "decline": (200, 0),
}


@pytest.mark.parametrize("fault", ANSWERED)
def test_what_the_gateway_answers_is_passed_on_whatever_it_is(site: Site, calm: Kiosk, fault: str) -> None:
    status, effects = ANSWERED[fault]
    order = unique("order")
    answer = site.backend.send(calm.id, "payment", payment(order, simulate=fault))
    assert answer.status_code == status
    assert site.gateway.effects(order) == effects
    body = answer.json()
    if fault == "not-json":
        assert body["raw"].startswith("<html>")
        assert body["content_type"] == "text/html; charset=UTF-8"
    elif fault == "huge":
        assert (body["truncated"], body["raw"][:1]) == (True, "{")
    elif fault == "huge:700000":
        assert (body["order_id"], len(body["padding"])) == (order, 700000)
    elif fault == "decline":
        assert body["status"] == "declined"


# fault → effects
LOST = {
    f"slow:{LATE_S}": 1,
    f"slow-after:{LATE_S}": 1,
    "lost": 1,
    "reset": 0,
    "hang": 0,
    "hang-after": 1,
}


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_unknown_where_nobody_can_be_asked(site: Site, blind: Kiosk, fault: str) -> None:
    order = unique("order")
    answer = site.backend.send(blind.id, "payment", payment(order, simulate=fault), key=order)
    assert problem(answer) == (504, "timeout", "unknown")
    until("the gateway's effects", lambda: site.gateway.effects(order) == LOST[fault])
    again = site.backend.send(blind.id, "payment", payment(order, simulate=fault), key=order)
    assert (again.status_code, again.json()["outcome"]) == (504, "unknown")
    assert site.backend.operation(answer.headers["x-request-id"])["state"] == "unknown"
    assert site.gateway.effects(order) == LOST[fault]


def test_a_lost_answer_is_found_out_where_the_gateway_can_be_asked(site: Site, patient: Kiosk) -> None:
    orders = {fault: unique("order") for fault in LOST}
    sent = {
        fault: site.backend.later(patient.id, "payment", payment(order, simulate=fault), key=order)
        for fault, order in orders.items()
    }
    told = {
        fault: (answer.result().status_code, answer.result().json().get("order_id", answer.result().json().get("type")))
        for fault, answer in sent.items()
    }
    assert told == {
        fault: (200, orders[fault]) if effects else (502, "gateway-unreachable") for fault, effects in LOST.items()
    }
    assert {fault: site.gateway.effects(order) for fault, order in orders.items()} == LOST
    assert all(tells_the_truth(sent[fault].result(), site.gateway.effects(order)) for fault, order in orders.items())


def test_a_gateway_that_is_not_there_is_not_executed_and_is_found_again(site: Site, calm: Kiosk) -> None:
    site.gateway.kill()
    order = unique("order")
    answer = site.backend.send(calm.id, "payment", payment(order), key=order)
    assert problem(answer) == (502, "gateway-unreachable", "not_executed")
    site.gateway.start()
    assert site.gateway.effects(order) == 0
    other = unique("order")
    assert site.backend.send(calm.id, "payment", payment(other)).status_code == 200


@pytest.mark.parametrize(("fault", "effects"), [("slow:60", 0), ("slow-after:60", 1)])
def test_a_gateway_killed_in_mid_payment_is_asked_when_it_is_back(site: Site, fault: str, effects: int) -> None:
    order = unique("order")
    # Until it is killed it does nothing more, and nobody loses patience with it.
    with site.kiosk("bereft", site.routes(timeout=60, absent_after=LATE_S)) as kiosk:
        sent = site.backend.later(kiosk.id, "payment", payment(order, simulate=fault), key=order)
        until("the gateway being at work", lambda: kiosk.queue()["running"] and site.gateway.effects(order) == effects)
        until("the gateway having the request", lambda: f'"fault":"{fault.partition(":")[0]}"' in site.gateway.tail(3))
        site.gateway.kill()
        site.gateway.start()
        answer = sent.result()
    if effects:
        assert (answer.status_code, answer.json()["order_id"]) == (200, order)
    else:
        assert problem(answer) == (502, "gateway-unreachable", "not_executed")
    assert site.gateway.effects(order) == effects


def test_a_frozen_gateway_that_goes_on_later_is_not_called_again(site: Site, blind: Kiosk) -> None:
    order = unique("order")
    site.gateway.freeze()
    try:
        answer = site.backend.send(blind.id, "payment", payment(order), key=order)
    finally:
        site.gateway.thaw()
    # The kernel took the request for it: nobody here can know what it does with it.
    assert problem(answer) == (504, "timeout", "unknown")
    again = site.backend.send(blind.id, "payment", payment(order), key=order)
    assert again.json()["outcome"] == "unknown"
    until("the gateway answering again", site.gateway.is_ready)
    assert site.gateway.effects(order) <= 1


def test_an_operation_without_a_route_is_refused(site: Site, blind: Kiosk) -> None:
    answer = site.backend.send(blind.id, "refund", payment(unique("order")))
    assert problem(answer) == (404, "unknown-operation", "not_executed")


def test_a_get_that_cannot_be_a_query_is_refused(site: Site, blind: Kiosk) -> None:
    answer = site.backend.send(blind.id, "fiscal", {"check_id": "x" * 200_000}, method="GET")
    assert problem(answer) == (400, "bad-request", "not_executed")
