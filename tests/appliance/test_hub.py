"""Addresses of hubs, as people type them."""

import pytest

from appliance.hub import enrol_url, read_hub, short_hub, updates_url


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hub.example.com", "wss://hub.example.com/ws"),
        (" Hub.Example.COM ", "wss://hub.example.com/ws"),
        ("hub.example.com/", "wss://hub.example.com/ws"),
        ("hub.example.com:8443", "wss://hub.example.com:8443/ws"),
        ("hub.example.com:443/kiosks", "wss://hub.example.com/kiosks/ws"),
        ("https://hub.example.com", "wss://hub.example.com/ws"),
        ("HTTPS://hub.example.com//kiosks//", "wss://hub.example.com/kiosks/ws"),
        ("https://hub.example.com/enroll", "wss://hub.example.com/ws"),
        ("wss://hub.example.com/ws", "wss://hub.example.com/ws"),
        ("wss://hub.example.com/kiosks/ws/", "wss://hub.example.com/kiosks/ws"),
        ("http://10.0.0.5:8080", "ws://10.0.0.5:8080/ws"),
        ("ws://localhost:80/ws", "ws://localhost/ws"),
        ("10.0.0.5:8080", "wss://10.0.0.5:8080/ws"),
        ("[::1]:8080", "wss://[::1]:8080/ws"),
        ("хаб.пример.рф", "wss://xn--80ac2d.xn--e1afmkfd.xn--p1ai/ws"),
    ],
)
def test_what_people_type_is_understood_and_stays_the_same(typed: str, meant: str) -> None:
    assert read_hub(typed) == meant
    assert read_hub(meant) == meant
    assert read_hub(short_hub(meant)) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "", " ", "ftp://hub", "wss://", "hub example.com", "user:canary@hub", "https://u:canary@hub/ws",
        "hub?token=canary", "hub/ws#canary", "hub:port", "hub:99999", "hub:0", "http://hub/a b", "hub/%2e%2e/canary",
        "ü..example", "-", "hub..example", "http://[::1", "javascript:canary", "hub\ncanary", "canary@", "x" * 400,
        "mailto://canary",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_words_that_quote_nothing(typed: str) -> None:
    with pytest.raises(ValueError, match=r"right would be hub\.example\.com") as caught:
        read_hub(typed)
    assert "canary" not in str(caught.value)


def test_other_addresses_follow_from_it() -> None:
    assert enrol_url("wss://hub.example.com/ws") == "https://hub.example.com/enroll"
    assert updates_url("ws://10.0.0.5:8080/kiosks/ws") == "http://10.0.0.5:8080/kiosks/updates"
