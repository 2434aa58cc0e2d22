"""What becomes of an enrolled kiosk: its hub moves, its token is swapped, its disk is copied, TLS stands between."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.appliance.enrolment.test_trade import certificate
from tests.chaos.proxy import FaultProxy
from tests.journeys.newcomer import KIOSK_DIES_S, Newcomer, newcomer, pays, registered
from tests.journeys.site import Json, Site, payment, unique, until
from tests.journeys.tls_front import tls_front


def dies_over_a_payment(site: Site, kiosk: Newcomer, name: str) -> str:
    """Start it, and have its power fail when the gateway has acted; returns the order."""
    order = unique("order")
    kiosk.settings["KIOSKWIRE_CRASH_AT"] = "appliance.gateway.call.after"
    kiosk.start()
    kiosk.wait_connected()
    site.backend.later(name, "payment", payment(order), key=order)
    until("the death over a payment", lambda: not kiosk.alive, KIOSK_DIES_S)
    del kiosk.settings["KIOSKWIRE_CRASH_AT"]
    return order


def is_told(site: Site, name: str, order: str) -> bool:
    """Wait until the outcome is known as that kiosk's, and look whether it is true."""
    told = site.backend.final(site.backend.sent(name, order))
    return (told["kiosk"], told["state"], site.gateway.effects(order)) == (name, "succeeded", 1)


def lines(site: Site, name: str) -> list[str]:
    """What the hub's audit has of it, newest first."""
    found: list[Json] = site.hub.admin("GET", f"/admin/kiosks/{name}/enrolments").json()["enrolments"]
    return [line["result"] for line in found]


def test_a_hub_that_moves_is_followed_and_told_what_was_done(site: Site) -> None:
    name, code = registered(site.hub)
    elsewhere = FaultProxy(site.hub.port, kind="websocket")
    try:
        with newcomer(site, WS_SERVER_URL=site.hub.url, ENROLL_CODE=code) as kiosk:
            order = dies_over_a_payment(site, kiosk, name)
            kiosk.settings["WS_SERVER_URL"] = moved = f"ws://127.0.0.1:{elsewhere.port}/ws"
            before = kiosk.secrets()
            for _ in range(2):
                kiosk.start()
                kiosk.wait_connected()
                found = kiosk.enrolment()
                assert (found["state"], found["hub"], found["enrolled_at"]) == ("enrolled", moved, site.hub.ws_url)
                assert kiosk.health()["hub"] == moved
                assert is_told(site, name, order)
                until("the move being kept", lambda: f'"hub": "{moved}"' in (kiosk.state / "identity.json").read_text())
                kiosk.kill()
            assert kiosk.log.read_text().count("WS_SERVER_URL was changed since the enrolment") == 1
            assert kiosk.secrets() == before
            kiosk.settings["WS_SERVER_URL"] = site.hub.url  # and back
            kiosk.start()
            kiosk.wait_connected()
            assert kiosk.enrolment()["enrolled_at"] is None
            assert pays(site, name)
    finally:
        elsewhere.close()


def test_a_token_is_swapped_for_a_code_over_a_journal_that_does_not_say_whom_it_served(site: Site) -> None:
    name, other = unique("token"), registered(site.hub)
    token = site.hub.add_kiosk(name)
    with newcomer(site, WS_SERVER_URL=site.hub.ws_url, WS_TOKEN=token) as kiosk:
        order = dies_over_a_payment(site, kiosk, name)
        (kiosk.state / "identity.served.json").unlink()  # an earlier version wrote none
        del kiosk.settings["WS_TOKEN"]
        kiosk.settings["ENROLL_CODE"] = other[1]  # a mistake: the code of another kiosk
        kiosk.start()
        kiosk.wait_connected()
        assert kiosk.enrolment()["kiosk"] == other[0]
        assert pays(site, other[0])
        until("its own being told", lambda: kiosk.health()["unsettled"] == 1)
        # The hub does not take the first one's as its own, and the kiosk keeps it.
        assert site.backend.operation(site.backend.sent(name, order))["state"] != "succeeded"
        assert order not in [found["idempotency_key"] for found in site.backend.operations(other[0])]
        kiosk.stop()  # what it has told is kept as told
        kiosk.settings["WS_TOKEN"] = token
        kiosk.start()
        assert is_told(site, name, order)
        until("all being told", lambda: kiosk.health()["unsettled"] == 0)
        kiosk.stop()
        del kiosk.settings["WS_TOKEN"]
        kiosk.settings["ENROLL_CODE"] = site.hub.new_code(name)
        kiosk.start()
        until("the identity that waited", lambda: kiosk.enrolment()["kiosk"] == other[0])


def test_a_token_is_swapped_for_a_code_of_the_same_kiosk(site: Site) -> None:
    name = unique("token")
    with newcomer(site, WS_SERVER_URL=site.hub.ws_url, WS_TOKEN=site.hub.add_kiosk(name)) as kiosk:
        order = dies_over_a_payment(site, kiosk, name)
        (kiosk.state / "identity.served.json").unlink()
        del kiosk.settings["WS_TOKEN"]
        kiosk.settings["ENROLL_CODE"] = site.hub.new_code(name)
        kiosk.start()
        kiosk.wait_connected()
        assert is_told(site, name, order)
        assert kiosk.enrolment()["kiosk"] == name


def test_a_copied_disk_is_told_on_both_sides_and_the_first_serves_on(site: Site) -> None:
    name, code = registered(site.hub)
    with newcomer(site, BOX_ID="first") as first, newcomer(site, BOX_ID="second") as second:
        first.drop(site.hub.url, code)
        first.start()
        first.wait_connected()
        assert pays(site, name)
        until("all being told", lambda: first.health()["unsettled"] == 0)
        first.stop()
        shutil.copytree(first.state, second.state)
        first.start()
        first.wait_connected()
        second.start()

        def refused() -> Any:
            return [reason for reason in second.health()["reasons"] if "not connected" in reason]

        until("the copy being refused", lambda: "cloned" in lines(site, name) or "duplicated" in lines(site, name))
        (reason,) = until("the copy's word", refused)
        assert "another" in reason
        assert any("this disk was in another machine before" in reason for reason in second.health()["reasons"])
        until("every hub knowing of both", lambda: site.hub.admin("GET", f"/admin/kiosks/{name}").json()["duplicate"])
        for _ in range(3):
            assert pays(site, name)
        assert (first.health()["ws_connected"], second.health()["ws_connected"]) == (True, False)
        other, code = registered(site.hub)
        assert second.enroll("--force", "--hub", site.hub.url, code=code).returncode == 0
        second.wait_connected()
        assert pays(site, other)
        assert pays(site, name)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="takes openssl")
def test_tls_with_a_certificate_of_ones_own(site: Site, tmp_path: Path) -> None:
    name, code = registered(site.hub)
    authority = certificate(tmp_path, "20010101000000Z", "20990101000000Z")
    with tls_front(site.hub.port, authority, tmp_path / "key") as port, newcomer(site) as kiosk:
        kiosk.drop(f"127.0.0.1:{port}", code)
        kiosk.start()
        until("the distrust", lambda: kiosk.enrolment()["trouble"])
        assert "CA_FILE" in kiosk.health()["reasons"][0]
        kiosk.kill()
        kiosk.settings["CA_FILE"] = str(authority)
        kiosk.start()
        kiosk.wait_connected()
        assert kiosk.enrolment()["hub"] == f"wss://127.0.0.1:{port}/ws"
        assert pays(site, name)
