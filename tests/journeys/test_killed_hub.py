"""kill -9 of the hub in the middle of everything, and a new one on the same database."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future
from types import SimpleNamespace

import httpx
import pytest

from tests import hubs
from tests.chaos.proxy import FaultProxy
from tests.journeys.site import Site, payment, unique, until


def is_lost(answer: Future[httpx.Response]) -> bool:
    """Whether the caller's connection broke without an answer."""
    return isinstance(answer.exception(), httpx.TransportError)


@pytest.fixture(scope="module")
def aftermath(site: Site) -> Iterator[SimpleNamespace]:
    """A hub killed with a keyed and an unkeyed operation at the gateway and others queued, and started again."""
    absent, backend = site.new_kiosk("absent"), site.backend
    with contextlib.ExitStack() as stack:
        wire = stack.enter_context(FaultProxy(site.gateway.port, kind="http"))
        routes = site.routes_through(wire)
        kiosk = stack.enter_context(site.kiosk("hub-killed", {**routes, "default": routes["routes"]["payment"]}))
        keyed, unkeyed, queued, overdue = (unique(word) for word in ("keyed", "unkeyed", "queued", "overdue"))
        waits = backend.queue(absent.id, "payment", payment(queued), key=queued).headers["x-request-id"]
        expires = backend.queue(absent.id, "payment", payment(overdue), expires=1).headers["x-request-id"]
        wire.hold(down=True, new=True)  # neither is answered before the hub is dead
        sent = [
            backend.later(kiosk.id, "payment", payment(keyed), key=keyed),
            backend.later(kiosk.id, "other", payment(unkeyed)),
        ]
        kiosk.wait_running(2)
        request_id = backend.sent(kiosk.id, keyed)
        site.hub.kill()
        kiosk.proxy.cut(hang=True)
        assert [is_lost(answer) for answer in sent] == [True, True]
        wire.restore()
        until("the gateway acting", lambda: site.gateway.effects(keyed) + site.gateway.effects(unkeyed) == 2)
        site.hub.start()
        if hubs.wanted() > 1:  # those that begin anew are not the one that owned it: it is missed for ten seconds
            until("its being found dead", lambda: backend.operation(request_id)["state"] not in {"sent", "accepted"})
        before = backend.operation(request_id)
        rows_before = len(backend.operations(kiosk.id))
        kiosk.proxy.restore()
        yield SimpleNamespace(
            kiosk=kiosk, absent=absent, keyed=keyed, unkeyed=unkeyed, queued=queued, overdue=overdue,
            request_id=request_id, waits=waits, expires=expires, before=before, rows_before=rows_before,
        )  # fmt: skip
    absent.close()


def test_a_keyed_operation_is_unknown_until_the_kiosk_settles_it(site: Site, aftermath: SimpleNamespace) -> None:
    assert (aftermath.before["state"], aftermath.before["problem"]["outcome"]) == ("unknown", "unknown")
    ended = site.backend.final(aftermath.request_id)
    assert (ended["state"], ended["answer"]["body"]["order_id"]) == ("succeeded", aftermath.keyed)
    aftermath.kiosk.wait_settled()
    assert site.gateway.effects(aftermath.keyed) == 1


def test_a_repetition_of_its_key_gives_the_answer_that_was_missed(site: Site, aftermath: SimpleNamespace) -> None:
    body = payment(aftermath.keyed)
    answer = site.backend.send(aftermath.kiosk.id, "payment", body, key=aftermath.keyed)
    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (200, "true")
    assert answer.json() == site.backend.final(aftermath.request_id)["answer"]["body"]
    assert site.gateway.effects(aftermath.keyed) == 1


def test_the_row_of_an_unkeyed_operation_comes_from_the_kiosk(site: Site, aftermath: SimpleNamespace) -> None:
    assert aftermath.rows_before == 1  # of the keyed one alone

    def row() -> dict[str, object] | None:
        rows = [found for found in site.backend.operations(aftermath.kiosk.id) if found["operation"] == "other"]
        return rows[0] if rows else None

    found = until("the unkeyed operation's row", row)
    assert (found["state"], found["executed"]) == ("succeeded", "yes")
    assert found["answer"]["body"]["order_id"] == aftermath.unkeyed
    assert site.gateway.effects(aftermath.unkeyed) == 1


def test_the_queue_survives_and_expires(site: Site, aftermath: SimpleNamespace) -> None:
    ended = site.backend.final(aftermath.expires)
    assert (ended["state"], ended["problem"]["type"]) == ("expired", "expired")
    assert site.backend.operation(aftermath.waits)["state"] == "queued"
    aftermath.absent.appliance.start()
    assert site.backend.final(aftermath.waits)["state"] == "succeeded"
    assert (site.gateway.effects(aftermath.queued), site.gateway.effects(aftermath.overdue)) == (1, 0)


def test_a_key_claimed_by_a_hub_that_died_is_not_executed_twice(site: Site) -> None:
    # The kiosk never hears of the request: the new hub asks it, and it has nothing to tell.
    with site.kiosk("claimed") as kiosk:
        kiosk.proxy.hold(down=True)
        order = unique("order")
        lost = site.backend.later(kiosk.id, "payment", payment(order), key=order, timeout=60)
        request_id = site.backend.sent(kiosk.id, order)
        site.hub.kill()
        kiosk.proxy.cut(hang=True)
        assert is_lost(lost)
        site.hub.start()
        kiosk.proxy.restore()
        ended = site.backend.final(request_id)
        assert (ended["state"], ended["executed"]) == ("expired", "no")
        again = site.backend.send(kiosk.id, "payment", payment(order), key=order)
        assert (again.status_code, again.json()["outcome"]) == (504, "not_executed")
        assert site.gateway.effects(order) == 0
