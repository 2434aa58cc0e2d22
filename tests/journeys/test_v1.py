"""A client of the first dialect, as it is in the field: flat answers, no journal, nothing sent to it twice."""

from typing import Any

from tests.journeys.clients import V1Client
from tests.journeys.site import Site, payment, problem, unique, until


def pays(request: dict[str, Any]) -> dict[str, Any]:
    """An answer as such clients give it: the gateway's, flat."""
    return {"status": "success", "order_id": request["body"]["order_id"]}


def test_it_is_asked_and_answers_as_ever(site: Site) -> None:
    name = unique("v1")
    with V1Client(site.hub.ws_url, site.hub.add_kiosk(name), pays, in_query=True) as client:
        until("its being connected", lambda: site.connected(name))
        order = unique("order")
        answer = site.backend.send(name, "payment", payment(order), key=order)
        assert (answer.status_code, answer.json()) == (200, {"status": "success", "order_id": order})
        assert client.requests == [
            {
                "request_id": answer.headers["x-request-id"],
                "headers": {
                    "header-kiosk-id": name,
                    "header-operation-type": "payment",
                    "header-http-method": "POST",
                },
                "body": payment(order),
            }
        ]
        again = site.backend.send(name, "payment", payment(order), key=order)
        assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")
        assert len(client.requests) == 1


def test_many_at_once_are_not_mixed_up(site: Site) -> None:
    name = unique("v1")
    with V1Client(site.hub.ws_url, site.hub.add_kiosk(name), pays):
        until("its being connected", lambda: site.connected(name))
        orders = [unique("order") for _ in range(50)]
        answers = [site.backend.later(name, "payment", payment(order)) for order in orders]
        assert [answer.result().json()["order_id"] for answer in answers] == orders


def test_a_lost_answer_stays_unknown_and_nothing_is_sent_twice(site: Site) -> None:
    name, order = unique("v1"), unique("order")
    client = V1Client(site.hub.ws_url, site.hub.add_kiosk(name), lambda request: None)
    with client:
        until("its being connected", lambda: site.connected(name))
        sent = site.backend.later(name, "payment", payment(order), key=order, timeout=4)
        until("the request's arrival", lambda: client.requests)
        client.break_off()
        answer = sent.result()
        assert problem(answer) == (504, "timeout", "unknown")
        request_id = answer.headers["x-request-id"]
        client.connect()
        until("its being connected again", lambda: site.connected(name))
        again = site.backend.send(name, "payment", payment(order), key=order, timeout=1)
        assert (again.status_code, again.json()["outcome"], again.headers["x-request-id"]) == (
            504, "unknown", request_id,
        )  # fmt: skip
        other = site.backend.later(name, "payment", payment(unique("order")), timeout=4)
        assert problem(other.result()) == (504, "timeout", "unknown")
        assert [request["request_id"] for request in client.requests] == [
            request_id,
            other.result().headers["x-request-id"],
        ]
        assert site.backend.operation(request_id)["state"] == "unknown"
        # Should it come to answer after all, that counts.
        client.say({"status": "success", "order_id": order, "request_id": request_id})
        ended = site.backend.final(request_id)
        assert (ended["state"], ended["answer"]["body"]) == ("succeeded", {"status": "success", "order_id": order})


def test_an_answer_to_nothing_is_no_operation(site: Site) -> None:
    name = unique("v1")
    with V1Client(site.hub.ws_url, site.hub.add_kiosk(name), pays) as client:
        until("its being connected", lambda: site.connected(name))
        client.say({"status": "success", "request_id": "11111111-2222-3333-4444-555555555555"})
        client.say({"no": "request id"})
        client.say({"request_id": 7})
        assert site.backend.send(name, "payment", payment(unique("order"))).status_code == 200
        assert site.backend.get("/operations/11111111-2222-3333-4444-555555555555").status_code == 404
