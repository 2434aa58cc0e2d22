"""A kiosk that may not come in any more: its open socket ends, it is kept out, and it knows why."""

from collections.abc import Callable

import jwt
import pytest

from tests.chaos.proxy import FaultProxy
from tests.journeys.clients import V1Client
from tests.journeys.site import Site, payment, problem, unique, until

OBEYED_S = 20.0  # promised are 2; a busy machine is no reason to fail


def by_command(*words: str) -> Callable[[Site, str], None]:
    def act(site: Site, kiosk: str) -> None:
        ended = site.hub.cli("kiosk", *words, kiosk)
        assert ended.returncode == 0, ended.stderr

    return act


def by_api(method: str, path: str, body: object = None) -> Callable[[Site, str], None]:
    def act(site: Site, kiosk: str) -> None:
        assert site.hub.admin(method, f"/admin/kiosks/{kiosk}{path}", body).is_success

    return act


WAYS = {
    "re-tokened by command": (by_command("token"), 4401, 503, "kiosk-offline"),
    "re-tokened by API": (by_api("POST", "/token", {}), 4401, 503, "kiosk-offline"),
    "disabled by command": (by_command("disable"), 4403, 403, "kiosk-disabled"),
    "disabled by API": (by_api("PATCH", "", {"enabled": False}), 4403, 403, "kiosk-disabled"),
    "removed by command": (by_command("remove"), 4403, 404, "unknown-kiosk"),
    "removed by API": (by_api("DELETE", ""), 4403, 404, "unknown-kiosk"),
}


@pytest.mark.parametrize("way", WAYS)
def test_its_open_socket_is_closed_and_it_stays_out(site: Site, way: str) -> None:
    act, code, status, kind = WAYS[way]
    name = unique("revoked")
    token = site.hub.add_kiosk(name)
    with V1Client(site.hub.ws_url, token, lambda request: {}) as client:
        until("its being connected", lambda: site.connected(name))
        act(site, name)
        until("the socket's end", lambda: client.close_code, OBEYED_S)
        assert client.close_code == code
    with V1Client(site.hub.ws_url, token, lambda request: {}) as client:
        until("the socket's end", lambda: client.close_code, OBEYED_S)
        assert client.close_code == code
    answer = site.backend.send(name, "payment", payment(unique("order")), timeout=1)
    assert problem(answer) == (status, kind, "not_executed")


def test_a_re_tokened_appliance_says_why_it_is_out_and_comes_back_with_its_new_token(site: Site) -> None:
    with site.kiosk("re-tokened") as kiosk:
        token = site.hub.new_token(kiosk.id)
        until("its being out", lambda: not kiosk.health()["ws_connected"], OBEYED_S)
        health = kiosk.health()
        assert health["status"] == "degraded"
        [reason] = health["reasons"]
        assert "4401" in reason
        assert "token" in reason
        kiosk.appliance.stop()
        kiosk.appliance.token = token
        kiosk.appliance.start()
        order = unique("order")
        assert site.backend.send(kiosk.id, "payment", payment(order)).status_code == 200
        assert site.gateway.effects(order) == 1


def test_a_disabled_appliance_finishes_what_it_had_begun_and_tells_it_when_it_is_let_in_again(
    site: Site, wire: FaultProxy
) -> None:
    with site.kiosk("disabled", site.routes_through(wire)) as kiosk:
        order = unique("order")
        wire.hold(down=True, new=True)
        sent = site.backend.later(kiosk.id, "payment", payment(order), key=order)
        kiosk.wait_running()
        site.hub.admin("PATCH", f"/admin/kiosks/{kiosk.id}", {"enabled": False}).raise_for_status()
        until("its being out", lambda: not kiosk.health()["ws_connected"], OBEYED_S)
        [reason] = kiosk.health()["reasons"]
        assert "disabled" in reason
        wire.restore()
        answer = sent.result()
        assert answer.json()["outcome"] == "unknown"
        until("the outcome being journaled", lambda: kiosk.health()["unsettled"] == 1)
        site.hub.admin("PATCH", f"/admin/kiosks/{kiosk.id}", {"enabled": True}).raise_for_status()
        kiosk.restart()  # by itself it asks once a minute
        assert site.backend.final(answer.headers["x-request-id"])["state"] == "succeeded"
        assert site.gateway.effects(order) == 1


FORGED = {
    "none at all": lambda site, name: "",
    "no token": lambda site, name: "x.y.z",
    "other secret": lambda site, name: jwt.encode({"sub": name, "aud": "kiosk", "gen": 0}, "x" * 40, "HS256"),
    "no signature": lambda site, name: jwt.encode({"sub": name, "aud": "kiosk", "gen": 0}, None, "none"),
    "other audience": lambda site, name: jwt.encode({"sub": name, "aud": "door", "gen": 0}, site.hub.jwt_secret),
    "generation to come": lambda site, name: jwt.encode({"sub": name, "aud": "kiosk", "gen": 1}, site.hub.jwt_secret),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_wrong_token_is_refused_with_its_code(site: Site, forged: str) -> None:
    name = unique("forged")
    site.hub.add_kiosk(name)
    with V1Client(site.hub.ws_url, FORGED[forged](site, name), lambda request: {}, in_query=True) as client:
        until("the socket's end", lambda: client.close_code, OBEYED_S)
        assert client.close_code == 4401
    assert not site.connected(name)


def test_no_token_is_in_any_log(site: Site) -> None:
    name = unique("secret")
    token = site.hub.add_kiosk(name)
    with V1Client(site.hub.ws_url, token, lambda request: {}, in_query=True):
        until("its being connected", lambda: site.connected(name))
        with site.kiosk("secretive") as kiosk:
            logs = [*(hub.log for hub in site.hubs), kiosk.appliance.log]
            secrets = [token, kiosk.appliance.token, site.backend.key, site.hub.admin_key, site.hub.jwt_secret]
    written = "".join(log.read_text(encoding="utf-8") for log in logs)
    assert [secret for secret in secrets if secret in written or secret.rpartition(".")[2] in written] == []
