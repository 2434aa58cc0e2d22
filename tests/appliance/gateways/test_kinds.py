"""Routes to Kaspi terminals and ATOL servers: every mistake by its path, with what would be right."""

import pytest

from appliance.kinds import AtolWebRoute, KaspiPosRoute
from appliance.routes import RoutingError, parse_routes

SHA = "ab" * 32


def read(kind: str) -> object:
    return parse_routes(f"routes: {{pos: {{{kind}}}}}".encode(), "routes.yaml").routes["pos"].kind


def test_a_terminal_with_everything_said() -> None:
    colons = ":".join(["AB"] * 32)
    kind = read(
        "gateway: kaspi-pos, url: 'https://192.0.2.20:8080/', name: till 1, unit: tiyn, own_cheque: true,"
        f" protected: true, fingerprint: 'sha256 Fingerprint={colons}', poll: 2"
    )
    assert kind == KaspiPosRoute(
        url="https://192.0.2.20:8080", name="till 1", unit="tiyn", own_cheque=True, protected=True, fingerprint=SHA,
        poll=2.0,
    )  # fmt: skip


def test_a_web_server_with_everything_said() -> None:
    assert read(
        "gateway: atol-web, url: 'http://127.0.0.1:16732', device: kkt-1, user: kiosk, password: s3cret, api: v1,"
        " continue_print: true, poll: 0.2"
    ) == AtolWebRoute(
        url="http://127.0.0.1:16732", device="kkt-1", user="kiosk", password="s3cret", api="v1", continue_print=True,
        poll=0.2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("gateway: kaspi-pos, url: 'http://u:p@h'", "routes.pos.url=http://h: holds a user or a password"),
        ("gateway: kaspi-pos, url: 'http://h?x=1'", "has a query behind it"),
        ("gateway: kaspi-pos, url: 'https://h', fingerprint: abc", "fingerprint=abc: is no SHA-256 fingerprint"),
        (f"gateway: kaspi-pos, url: 'http://h', fingerprint: '{SHA}'", "is of no use with http://"),
        ("gateway: kaspi-pos, url: 'http://h', name: ' '", "a name that a person knows again"),
        ("gateway: kaspi-pos, url: 'http://h', poll: 0.001", "right would be seconds from 0.05 to 30"),
        ("gateway: kaspi-pos, url: 'http://h', verify: false", "routes.pos.verify: is not an option"),
        ("gateway: kaspi-pos, url: 'http://h', unit: kzt", "right would be one of tenge, tiyn"),
        ("gateway: atol-web, url: 'http://h', password: x", "user: is missing beside a password"),
        ("gateway: atol-web, url: 'http://h', user: 'a:b'", "holds a colon"),
        ("gateway: atol-web, url: 'http://h', device: 'a&b=1'", "right would be the server's own id"),
        ("gateway: atol-web, url: 'http://h', api: v3", "right would be one of v2, v1"),
        ("gateway: atol-web, url: 'http://h', user: a, password: 12345", "in quotes"),
    ],
)
def test_a_mistake_is_named_by_its_path(kind: str, words: str) -> None:
    with pytest.raises(RoutingError) as caught:
        read(kind)
    assert words in str(caught.value)
    assert "12345" not in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(RoutingError) as caught:
        read("gateway: kaspi-pos, url: ftp://h, unit: x, protected: 1, poll: -1, fingerprint: 9, names: y")
    assert [mistake.name.rpartition(".")[2] for mistake in caught.value.mistakes] == [
        "names", "url", "unit", "protected", "fingerprint", "poll",
    ]  # fmt: skip
