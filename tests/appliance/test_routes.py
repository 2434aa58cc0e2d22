"""The routing file: what fleets have, what is ours, and its mistakes."""

from itertools import pairwise
from pathlib import Path

import pytest

from appliance.routes import RoutingError, parse_routes, read_routes

FLEET = b"""
routes:
  payment:
    url: "http://127.0.0.1:8011/api/v1/payment"
    timeout: 35
  fiscal:
    url: "http://127.0.0.1:8011/api/v1/fiscal"
default:
  url: "http://127.0.0.1:8080"
  timeout: 30
"""


def wrong(text: bytes) -> list[str]:
    with pytest.raises(RoutingError) as caught:
        parse_routes(text, "routes.yaml")
    return [str(mistake) for mistake in caught.value.mistakes]


def test_a_fleets_file_is_read_as_it_is() -> None:
    table = parse_routes(FLEET, "routes.yaml")
    assert table.names() == ["fiscal", "payment", "default"]
    payment, fiscal, other = table.find("payment"), table.find("fiscal"), table.find("cash")
    assert payment is not None
    assert fiscal is not None
    assert other is not None
    assert (payment.timeout, payment.concurrency) == (35.0, 1)
    assert (fiscal.timeout, fiscal.concurrency) == (30.0, 8)
    assert other.name == "default"


def test_every_option_of_ours_is_read() -> None:
    route = parse_routes(
        b"""
routes:
  payment:
    url: http://terminal/pay
    concurrency: 2
    waiting: 5
    method: post
    status:
      url: http://terminal/status
      params: {id: order.id}
      absent: [404]
      pending: {field: state, values: [pending, true, 1]}
      for: 60
""",
        "routes.yaml",
    ).find("payment")
    assert route is not None
    assert (route.concurrency, route.waiting, route.method) == (2, 5, "POST")
    query = route.status
    assert query is not None
    assert (query.params, query.absent, query.absent_after, query.for_s) == ({"id": "order.id"}, (404,), 60.0, 60.0)
    assert (query.pending_field, query.pending_values) == ("state", ("pending", "true", "1"))


@pytest.mark.parametrize(
    ("option", "path", "words"),
    [
        ("timeout: 601", "timeout", "at most 600"),
        ("timeout: true", "timeout", "number of seconds"),
        ("timeuot: 5", "timeuot", "did you mean timeout?"),
        ("method: PUT", "method", "GET or POST"),
        ("retries: -1", "retries", "from 0 to 10"),
        ("{method: POST, retries: 1}", "retries", "never repeated"),
        ("concurrency: 0", "concurrency", "from 1 to 100"),
        ("verify: maybe", "verify", "true or false"),
        ("verify: false", "url", "not https"),
        ("ca_file: /nowhere", "ca_file", "no such file"),
        ("status: yes", "status", "mapping"),
        ("status: {url: 'http://h', params: [id], absent: [200]}", "status.absent", "400 to 599"),
        ("status: {url: 'http://h'}", "status.params", "request's body"),
        ("status: {url: 'http://h', params: [id], pending: x}", "status.pending", "mapping"),
        ("status: {url: 'http://h', params: [id], method: POST}", "status.method", "GET"),
    ],
)
def test_a_mistake_is_named_by_its_path(option: str, path: str, words: str) -> None:
    inner = option if option.startswith("{") else f"{{{option}}}"
    text = f"routes: {{cash: {{url: 'http://h', {inner[1:-1]}}}}}".encode()
    found = [line for line in wrong(text) if line.startswith((f"routes.cash.{path}=", f"routes.cash.{path}: "))]
    assert len(found) == 1
    assert words in found[0]
    assert "routes.yaml" in found[0]


@pytest.mark.parametrize("url", ["ftp://h/x", "http://", "terminal/pay", "http://h:port", "http://h/a b", ""])
def test_only_http_urls_with_a_host_are_gateways(url: str) -> None:
    (found,) = wrong(f"default: {{url: '{url}'}}".encode())
    assert found.startswith(f"default.url={url}: " if url else "default.url: is required")


def test_a_syntax_error_has_a_line_and_a_column() -> None:
    (found,) = wrong(b"routes:\n  payment: {url: 'x'\n")
    assert "line 3, column 1" in found


def test_a_key_given_twice_is_a_mistake() -> None:
    (found,) = wrong(b"default:\n  url: http://a\n  url: http://b\n")
    assert found.startswith("url=line 3: is given twice")


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"routes: {}", b"routes: 5", b"route: {}", b"\xff\xfe\x00", b"!!python/object:x {}"]
)
def test_a_file_without_routes_is_a_mistake(text: bytes) -> None:
    assert wrong(text)


def test_credentials_in_a_url_are_not_shown() -> None:
    table = parse_routes(b"default: {url: 'http://user:canary@h/x?key=canary'}", "r")
    assert table.default is not None
    assert "canary" not in table.default.describe()
    assert "canary" not in "".join(wrong(b"default: {url: 'ftp://user:canary@h/x?key=canary'}"))


@pytest.mark.parametrize(
    "url", ["user:canary@h/x", "http://user:ca/nary@h/x", "http://user:ca#nary@h", "[{a: 'http://user:c@nary@h/'}]"]
)
def test_credentials_in_what_is_no_url_are_not_shown(url: str) -> None:
    told = "".join(wrong(f"default: {{url: {url}, timeout: -1}}".encode()) + wrong(f"default: '{url}'".encode()))
    assert "default.url" in told
    assert "nary" not in told
    assert "ca#" not in told


def test_aliases_of_aliases_are_not_written_out() -> None:
    levels = "".join(f"{name}: &{name} [{','.join([f'*{last}'] * 9)}]\n" for last, name in pairwise("abcdefghij"))
    assert "routes=a list" in "".join(wrong(f"a: &a [x]\n{levels}routes: *j\n".encode()))


@pytest.mark.parametrize(
    "value", ["!!int ''", "!!bool perhaps", "!!timestamp never", "!!float ''", "0x" + "F" * 6000, "2001-99-99"]
)
def test_values_that_yaml_cannot_make_are_a_mistake(value: str) -> None:
    assert len("".join(wrong(f"default: {{url: 'http://h', timeout: {value}}}".encode()))) < 500


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RoutingError, match="cannot be read"):
        read_routes(tmp_path / "none.yaml")
