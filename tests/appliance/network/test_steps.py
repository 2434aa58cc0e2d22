"""The verdict on the way to the hub, from what was seen: every finding once, and what is not to be said."""

import pytest

from appliance.network.steps import Certificate, Interface, Look, Seen, State, Step, Told, judge, verdict

UP = (Interface(name="eth0", up=True, addresses=("192.168.1.7",)),)
NOW = 1_800_000_000.0
DAY = 86400.0


def seen(**fields: object) -> Seen:
    """A walk that came as far as the hub, but for what is said otherwise."""
    well: dict[str, object] = {
        "host": "hub.example.com", "interfaces": UP, "default_route": True, "servers": ("192.168.1.1",),
        "name": "hub.example.com", "looked_up": "found", "addresses": ("203.0.113.7",), "connected": "yes",
        "tls": "trusted", "certificate": Certificate(issuer="An Authority"), "wall": NOW, "token": "good",
        "hub": Told(status=200, is_hub=True, date=NOW),
    }  # fmt: skip
    return Seen(**{**well, **fields})  # type: ignore[arg-type]


def failed(**fields: object) -> Look | None:
    return verdict(judge(seen(**fields)))


def test_all_is_well_where_each_step_passed() -> None:
    looks = judge(seen())
    assert verdict(looks) is None
    assert {look.step for look in looks} == set(Step)
    assert {look.step for look in looks if look.state is State.SKIPPED} == {Step.PROXY}


OLD = Certificate(issuer="X", begins=NOW - 400 * DAY, ends=NOW - DAY)
YOUNG = Certificate(issuer="X", begins=NOW + 400 * DAY, ends=NOW + 800 * DAY)


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"interfaces": ()}, "link.none"),
        ({"interfaces": (Interface(name="eth0"),)}, "link.cable"),
        ({"interfaces": (Interface(name="wlan0", kind="wifi"),)}, "link.wifi"),
        ({"interfaces": (Interface(name="wwan0", kind="mobile"),)}, "link.mobile"),
        ({"interfaces": (Interface(name="eth0", up=True),)}, "address.none"),
        ({"default_route": False, "connected": "", "looked_up": ""}, "route.none"),
        ({"looked_up": "silent"}, "dns.silent"),
        ({"looked_up": "silent", "servers": ()}, "dns.no-server"),
        ({"looked_up": "no-name"}, "dns.no-name"),
        ({"tls": "name", "port_80": Told(status=302, location="login.example")}, "portal.found"),
        ({"connected": "silent", "tls": "", "hub": None, "port_80": Told(status=200, html=True)}, "portal.found"),
        ({"connected": "refused", "tls": "", "hub": None}, "reach.refused"),
        ({"connected": "silent", "tls": "", "hub": None}, "reach.silent"),
        ({"connected": "unreachable", "tls": "", "hub": None}, "reach.unreachable"),
        ({"via": "http://proxy:3128", "connected": "refused"}, "proxy.refused"),
        ({"via": "http://proxy:3128", "tunnel": 407}, "proxy.password"),
        ({"via": "http://proxy:3128", "tunnel": 0}, "proxy.no-answer"),
        ({"via": "http://proxy:3128", "tunnel": 504}, "proxy.no-hub"),
        ({"via": "http://proxy:3128", "tunnel": 403}, "proxy.denied"),
        ({"tls": "untrusted"}, "tls.untrusted"),
        ({"tls": "name"}, "tls.name"),
        ({"tls": "expired", "certificate": OLD}, "tls.expired"),
        ({"tls": "expired", "certificate": OLD, "hub": Told(status=200, date=NOW - 30 * DAY)}, "clock.ahead"),
        ({"tls": "not-yet", "certificate": YOUNG, "hub": None}, "clock.behind"),
        ({"tls": "none", "hub": None}, "tls.none"),
        ({"tls": "no-authorities", "hub": None}, "tls.no-authorities"),
        ({"hub": Told(status=200, is_hub=True, date=NOW - 3 * 3600)}, "clock.ahead"),
        ({"hub": None, "hub_silent": True}, "hub.silent"),
        ({"hub": Told(status=503, is_hub=True, date=NOW)}, "hub.unwell"),
        ({"hub": Told(status=502, html=True)}, "hub.down"),
        ({"hub": Told(status=429)}, "hub.busy"),
        ({"hub": Told(status=404)}, "hub.none"),
        ({"token": "refused"}, "token.refused"),
        ({"token": "disabled"}, "token.disabled"),
        ({"token": "duplicate"}, "token.duplicate"),
        ({"token": "missing"}, "token.missing"),
    ],
)
def test_every_finding(fields: dict[str, object], finding: str) -> None:
    look = failed(**fields)
    assert look is not None
    assert look.finding == finding


def test_what_stands_behind_the_first_failure_is_not_judged() -> None:
    looks = judge(seen(looked_up="no-name"))
    assert [look.step for look in looks if look.state is State.FAILED] == [Step.DNS]
    behind = looks[list(Step).index(Step.DNS) + 1 :]
    assert {look.state for look in behind} == {State.SKIPPED}


def test_a_wrong_clock_that_stops_nothing_is_doubtful_and_the_hubs_trouble_is_graver() -> None:
    late = Told(status=502, date=NOW + 3600)
    look = failed(hub=late)
    assert look is not None
    assert look.finding == "hub.down"
    assert State.DOUBTFUL in {each.state for each in judge(seen(hub=late))}


def test_where_tls_stands_there_is_no_portal_whatever_port_80_says() -> None:
    assert failed(port_80=Told(status=302, location="elsewhere.example")) is None


def test_a_hub_on_this_machine_needs_no_network() -> None:
    assert failed(local=True, interfaces=(), default_route=False) is None


def test_a_hub_in_ones_own_network_says_nothing_of_the_internet() -> None:
    look = failed(near=True, connected="refused", tls="", hub=None)
    assert look is not None
    assert look.fields["near"]
