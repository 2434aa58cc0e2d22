"""Oversize, malformed and hostile input to the hub's HTTP port and to the appliance's page."""

import json
import re
import socket

import pytest

from tests.journeys.site import Kiosk, Site, payment, problem, unique

_LIMIT_S = 30.0
_MIB = 1024 * 1024


def exchange(port: int, *parts: bytes, finish: bool = False) -> bytes:
    """Send bytes and read until the other end closes, or falls silent."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            if finish:
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
        except OSError:
            pass  # cut, reset, or silent
    return received


def statuses(received: bytes) -> list[int]:
    """The status of each answer in a stream of them."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def head(site: Site, kiosk: str, *more: str, length: int | None = None, close: bool = True) -> bytes:
    """The head of a `POST /send`."""
    lines = [
        "POST /send HTTP/1.1",
        "Host: hub",
        f"Authorization: Bearer {site.backend.key}",
        f"Header-Kiosk-Id: {kiosk}",
        "Header-Operation-Type: payment",
        *more,
    ]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def request(site: Site, kiosk: str, body: bytes, *more: str, close: bool = True) -> bytes:
    """A whole `POST /send`."""
    return head(site, kiosk, *more, length=len(body), close=close) + body


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def pids_of(site: Site) -> list[int]:
    """Of each hub that runs now."""
    return [hub.pid for hub in site.hubs]


def stands(site: Site, kiosk: Kiosk) -> None:
    """The hub is the same process as before and does its work."""
    order = unique("order")
    assert site.backend.send(kiosk.id, "payment", payment(order)).status_code == 200
    assert site.gateway.effects(order) == 1


@pytest.fixture
def pids(site: Site) -> list[int]:
    return pids_of(site)


BODIES = {
    "an array": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "NaN": b'{"order_id": "hostile", "sum": NaN}',
    "infinity": b'{"order_id": "hostile", "sum": -Infinity}',
    "cut off": b'{"order_id": "hostile", "sum": 1',
    "more behind it": b'{"order_id": "hostile", "sum": 1}{}',
    "not UTF-8": b'{"order_id": "hostile", "note": "\xff\xfe"}',
    "UTF-16": '{"order_id": "hostile"}'.encode("utf-16"),
    "a NUL": b'{"order_id": "hos\x00tile"}',
    "deep": b'{"order_id": "hostile", "a": ' + b"[" * 400_000 + b"]" * 400_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a form": b"order_id=hostile&sum=1",
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("key", ["", "Idempotency-Key: "])
def test_a_body_that_is_no_object_is_refused(site: Site, kiosk: Kiosk, pids: list[int], name: str, key: str) -> None:
    more = [key + unique("key")] if key else []
    received = exchange(site.hub.port, request(site, kiosk.id, BODIES[name], *more))
    assert statuses(received) == [400]
    answer = json.loads(received.partition(b"\r\n\r\n")[2])
    assert (answer["type"], answer["outcome"]) == ("bad-request", "not_executed")
    assert site.gateway.effects("hostile") == 0
    assert pids_of(site) == pids


STRANGE = {
    "a lone surrogate": b'{"order_id": "%b", "note": "\\ud800"}',
    "a number no machine holds": b'{"order_id": "%b", "sum": 1e999}',
    "a number of many digits": b'{"order_id": "%b", "sum": ' + b"9" * 2000 + b"}",
    "a name twice": b'{"order_id": "%b", "sum": 1, "sum": 2}',
    "an empty name": b'{"order_id": "%b", "": ""}',
    "line separators": '{"order_id": "%b", "note": "\u2028\u2029\\u0000"}'.encode(),
}


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("more", [[], ["Header-Http-Method: GET"]], ids=["POST", "GET"])
def test_a_strange_object_is_passed_on_or_refused_and_told_truly(
    site: Site, kiosk: Kiosk, name: str, more: list[str]
) -> None:
    order = unique("strange")
    body = STRANGE[name] % order.encode()
    received = exchange(site.hub.port, request(site, kiosk.id, body, f"Idempotency-Key: {order}", *more))
    [status] = statuses(received)
    answer = json.loads(received.partition(b"\r\n\r\n")[2])
    if status == 200:
        assert site.gateway.effects(order) == 1
    else:  # the gateway's own refusal, or ours
        assert status in {400, 405}
        assert answer.get("outcome", "not_executed") == "not_executed"
        assert site.gateway.effects(order) == 0
    stands(site, kiosk)


HEADERS = {
    "Header-Kiosk-Id": ["", "../x", "a b", "a%0d%0aX-Evil:%201", "kiosk\x7f", "\xe9", "x" * 65, "-x", "a\tb"],
    "Header-Operation-Type": ["", "pay/ment", "a:b", "x" * 65, "..", "\xb2"],
    "Header-Http-Method": ["", "DELETE", "GET POST", "CONNECT"],
    "Header-Timeout": ["", "nan", "inf", "-1", "0", "301", "1e9", "soon", "0x10"],
    "Header-Delivery": ["", "later", "NOW ", "queue,now"],
    "Header-Expires": ["", "nan", "-5", "0", "1e99"],
    "Idempotency-Key": ["", "x" * 256, "\xe9", "a\tb"],
}
CASES = [(name, value) for name, values in HEADERS.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}-{number}" for number, (name, _) in enumerate(CASES)])
def test_a_malformed_header_is_refused(site: Site, kiosk: Kiosk, name: str, value: str) -> None:
    order = unique("order")
    body = json.dumps(payment(order)).encode()
    lines = [
        line for line in head(site, kiosk.id, length=len(body)).split(b"\r\n") if not line.startswith(name.encode())
    ]
    extra = [f"{name}: {value}".encode("latin-1")]
    if name == "Header-Expires":
        extra.append(b"Header-Delivery: queue")
    received = exchange(site.hub.port, b"\r\n".join([lines[0], *extra, *lines[1:]]) + body)
    assert statuses(received) == [400]
    body = received.partition(b"\r\n\r\n")[2]  # none where it is no header at all, by the rules of HTTP
    assert json.loads(body or b'{"outcome": "not_executed"}')["outcome"] == "not_executed"
    assert b"X-Evil" not in received.partition(b"\r\n\r\n")[0]
    assert site.gateway.effects(order) == 0


@pytest.mark.parametrize(
    "name", ["Header-Kiosk-Id", "Header-Operation-Type", "Header-Http-Method", "Header-Timeout", "Authorization"]
)
def test_a_header_given_twice_is_refused(site: Site, kiosk: Kiosk, name: str) -> None:
    order = unique("order")
    values = {
        "Header-Kiosk-Id": kiosk.id, "Header-Operation-Type": "payment", "Header-Http-Method": "POST",
        "Header-Timeout": "5", "Authorization": f"Bearer {site.backend.key}",
    }  # fmt: skip
    more = [f"{name}: {values[name]}"] * (1 if name in {"Header-Kiosk-Id", "Header-Operation-Type"} else 2)
    received = exchange(site.hub.port, request(site, kiosk.id, json.dumps(payment(order)).encode(), *more))
    assert statuses(received) == [401 if name == "Authorization" else 400]
    assert site.gateway.effects(order) == 0


def test_two_lengths_or_a_length_beside_chunks_are_refused(site: Site, kiosk: Kiosk) -> None:
    order = unique("order")
    body = json.dumps(payment(order)).encode()
    smuggled = request(site, kiosk.id, body)
    for lines in (
        [f"Content-Length: {len(body)}", f"Content-Length: {len(body) + len(smuggled)}"],
        ["Transfer-Encoding: chunked", f"Content-Length: {len(body)}"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: xchunked"],
        ["Content-Length: -1"],
        ["Content-Length: +10"],
        ["Content-Length: 0x10"],
        ["Content-Length: 99999999999999999999"],
        ["Content-Length: 1e3"],
    ):
        received = exchange(site.hub.port, head(site, kiosk.id, *lines) + body + smuggled)
        assert statuses(received)[:1] in ([], [400], [411], [413], [501]), lines
        assert len(statuses(received)) <= 1, lines
        assert site.gateway.effects(order) == 0, lines
    stands(site, kiosk)


def test_two_mebibytes_are_too_large_declared_or_chunked(site: Site, kiosk: Kiosk, pids: list[int]) -> None:
    order = unique("order")
    body = json.dumps(payment(order, note="x" * 2 * _MIB)).encode()
    pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)]
    for parts in (
        [head(site, kiosk.id, length=len(body)), *pieces],
        [head(site, kiosk.id, "Transfer-Encoding: chunked"), chunked(*pieces)],
        [head(site, kiosk.id, "Expect: 100-continue", length=len(body)), body],
    ):
        found = statuses(exchange(site.hub.port, *parts))
        assert [status for status in found if status != 100] in ([413], [])  # the reset may overtake the answer
    polite = site.backend.send(kiosk.id, "payment", payment(order, note="x" * 2 * _MIB))
    assert problem(polite) == (413, "too-large", "not_executed")
    assert site.gateway.effects(order) == 0
    assert pids_of(site) == pids
    stands(site, kiosk)


def test_the_largest_body_that_is_allowed_reaches_the_gateway(site: Site, kiosk: Kiosk) -> None:
    order = unique("order")
    assert site.backend.send(kiosk.id, "payment", payment(order, note="x" * 1_000_000)).status_code == 200
    assert site.gateway.effects(order) == 1


def test_chunks_pipelines_and_single_bytes_are_understood(site: Site, kiosk: Kiosk) -> None:
    orders = [unique("order") for _ in range(6)]
    bodies = [json.dumps(payment(order)).encode() for order in orders]
    received = exchange(
        site.hub.port,
        b"".join(request(site, kiosk.id, body, close=False) for body in bodies[:3]),
        b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n",
        head(site, kiosk.id, "Transfer-Encoding: chunked") + chunked(bodies[3][:9], bodies[3][9:]),
    )
    assert statuses(received) == [200] * 5
    places = [received.find(order.encode()) for order in orders[:4]]
    assert places == sorted(places)
    assert -1 not in places
    whole = request(site, kiosk.id, bodies[4])
    assert statuses(exchange(site.hub.port, *(whole[at : at + 1] for at in range(len(whole))))) == [200]
    # Who closes its half after asking still gets the answer, or at least what it asked for is done once.
    assert statuses(exchange(site.hub.port, request(site, kiosk.id, bodies[5]), finish=True)) in ([200], [])
    assert [site.gateway.effects(order) for order in orders[:5]] == [1] * 5
    assert site.gateway.effects(orders[5]) <= 1


def test_half_a_request_is_none(site: Site, kiosk: Kiosk, pids: list[int]) -> None:
    order = unique("order")
    whole = request(site, kiosk.id, json.dumps(payment(order)).encode())
    for size in (1, 5, 11, 12, 40, len(whole) // 2, len(whole) - 1):
        exchange(site.hub.port, whole[:size], finish=True)
    assert site.gateway.effects(order) == 0
    assert pids_of(site) == pids
    stands(site, kiosk)


NOISE = {
    "zeros": b"\x00" * 4096,
    "a TLS hello": bytes.fromhex("16030100a5010000a10303") + b"\x55" * 160,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9": b"POST /send HTTP/9.9\r\nHost: hub\r\n\r\n",
    "no version": b"GET /health\r\n\r\n",
    "a long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: hub\r\n\r\n",
    "a long head": b"POST /send HTTP/1.1\r\n" + b"X-A: " + b"b" * 60_000 + b"\r\n\r\n",
    "many headers": b"POST /send HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(3000)) + b"\r\n",
    "folded": b"POST /send HTTP/1.1\r\nHost: hub\r\nHeader-Kiosk-Id: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a blank before the colon": b"POST /send HTTP/1.1\r\nHost : hub\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"POST /send HTTP/1.1\nHost: hub\nContent-Length: 0\n\n",
    "a NUL in a header": b"POST /send HTTP/1.1\r\nHost: hub\r\nHeader-Kiosk-Id: a\x00b\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", NOISE)
def test_noise_is_refused_or_cut(site: Site, kiosk: Kiosk, pids: list[int], name: str) -> None:
    found = statuses(exchange(site.hub.port, NOISE[name], finish=True))
    assert all(400 <= status < 500 or status == 505 for status in found), found
    assert pids_of(site) == pids
    stands(site, kiosk)


PATHS = {
    "/operations/../../etc/passwd": 404,
    "/operations/%2e%2e%2fadmin": 404,
    "/operations/%00": 404,
    "/operations/" + "x" * 500: 404,
    "/operations?limit=-1": 400,
    "/operations?limit=10000": 400,
    "/operations?cursor=%ff%fe": 400,
    "/operations?cursor=bm90IG9uZQ==": 400,
    "/operations?since=nan": 400,
    "/operations?state=lost": 400,
    "/operations?kiosk=%27%20OR%201=1": 400,
    "/send": 405,
    "/nowhere": 404,
}


@pytest.mark.parametrize("path", PATHS)
def test_a_strange_address_is_refused(site: Site, path: str) -> None:
    answer = site.backend.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (PATHS[path], "application/problem+json")


def test_nobody_without_a_key_does_anything(site: Site, kiosk: Kiosk) -> None:
    order = unique("order")
    nameless = site.hub.http.post("/send", json=payment(order))
    assert (problem(nameless), nameless.headers["www-authenticate"]) == (
        (401, "unauthorized", "not_executed"),
        "Bearer",
    )
    for key in ("wrong", site.hub.admin_key, kiosk.appliance.token, site.backend.key + "x"):
        refused = site.hub.send(kiosk.id, "payment", payment(order), key=key)
        assert problem(refused) == (401, "unauthorized", "not_executed")
        headers = {"Authorization": f"Bearer {key}"}
        for path in ("/operations", f"/operations/{unique('some')}"):
            assert site.hub.http.get(path, headers=headers).status_code == 401
        if key != site.hub.admin_key:
            for method, path in (("GET", "/admin/kiosks"), ("POST", "/admin/api-keys"), ("DELETE", "/admin/kiosks/x")):
                assert site.hub.http.request(method, path, headers=headers).status_code == 401
    assert (
        site.hub.http.get("/admin/kiosks", headers={"Authorization": f"Bearer {site.backend.key}"}).status_code == 401
    )
    assert site.gateway.effects(order) == 0


ADMIN_BODIES = {
    "nothing": b"",
    "no object": b"[]",
    "a field too much": b'{"id": "a", "admin": true}',
    "a wrong type": b'{"id": 7}',
    "an id with a line break": b'{"id": "a\\r\\nX: 1"}',
    "an id that is a path": b'{"id": "../../x"}',
    "an endless name": b'{"id": "a", "name": "' + b"x" * 1000 + b'"}',
    "deep": b'{"id": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "not UTF-8": b'{"id": "\xff"}',
}


@pytest.mark.parametrize("name", ADMIN_BODIES)
def test_a_malformed_admin_act_is_refused(site: Site, name: str) -> None:
    before = site.hub.admin("GET", "/admin/kiosks").json()
    headers = {"Authorization": f"Bearer {site.hub.admin_key}"}
    answer = site.hub.http.post("/admin/kiosks", content=ADMIN_BODIES[name], headers=headers)
    assert answer.status_code in {400, 413}
    assert answer.headers["content-type"] == "application/problem+json"
    assert site.hub.admin("GET", "/admin/kiosks").json() == before


PAGE = {
    "another name": (b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", [403]),
    "no name": (b"GET /health HTTP/1.1\r\n\r\n", [400]),
    "a name with credentials": (b"GET /health HTTP/1.1\r\nHost: a@127.0.0.1\r\n\r\n", [400]),
    "another page": (b"GET /health HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", [403]),
    "no page": (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", [403]),
    "posted": (b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", [405]),
    "elsewhere": (b"GET /../state/journal.db HTTP/1.1\r\nHost: localhost\r\n\r\n", [404]),
    "zeros": (b"\x00" * 1000 + b"\r\n\r\n", [400]),
    "a long head": (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"b" * 200_000 + b"\r\n\r\n", [400]),
    "a long body": (b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", [400]),
}


@pytest.mark.parametrize("name", PAGE)
def test_the_appliances_page_refuses_strangers(kiosk: Kiosk, name: str) -> None:
    sent, expected = PAGE[name]
    found = statuses(exchange(kiosk.appliance.port, sent, finish=True))
    assert found in (expected, [])
    assert kiosk.health()["ws_connected"] is True
