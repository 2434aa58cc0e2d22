"""HTTP requests to the hub: good ones, and what may be made of them."""

import json
import random
from collections.abc import Callable
from itertools import count

import msgspec

from tests.chaos.doors.mutate import encode_json, mutate_bytes, mutate_json

SMUGGLED = "smuggled"  # orders of this name stand where only a body is, and must never be paid


class Hostile(msgspec.Struct, frozen=True):
    """One input: what is wrong with it, its bytes, and how many `POST /send` that may be carried out it holds."""

    kind: str
    parts: list[bytes]
    sends: int = 0
    order: str = ""  # of its only payment
    refused: int = 0  # the status it must get; 0: any


class Keys(msgspec.Struct, frozen=True):
    """What opens which door."""

    api: str
    admin: str
    kiosk_token: str
    kiosk: str  # that pays
    victim: str  # that nobody needs


class Requests:
    """Makes them, one after the other."""

    def __init__(self, rng: random.Random, keys: Keys) -> None:
        self._rng = rng
        self._keys = keys
        self._numbers = count(1)
        self._makers: list[Callable[[], Hostile]] = [
            self._spoiled, self._spoiled, self._spoiled_elsewhere, self._headers, self._headers, self._framed,
            self._framed, self._body, self._body, self._admin_body, self._target, self._pipeline, self._pipeline,
            self._wrong_key, self._wrong_key, self._noise,
        ]  # fmt: skip

    def next(self) -> Hostile:
        """Any of them."""
        return self._rng.choice(self._makers)()

    def huge(self, size: int) -> Hostile:
        """A body of this size, declared or in chunks, to any address."""
        target = self._rng.choice(("/send", "/admin/kiosks", "/health", "/operations"))
        chunked = self._rng.random() < 0.5
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        piece = b"x" * 65536
        pieces = [b"10000\r\n" + piece + b"\r\n" if chunked else piece] * (size // 65536)
        return Hostile("huge body", [self.request("POST", target, b"", framing), *pieces])

    def order(self, word: str = "fuzz") -> str:
        """A new one."""
        return f"{word}-{next(self._numbers)}"

    def payment(self, order: str, *more: str, close: bool = True, key: str = "") -> bytes:
        """A good `POST /send`."""
        return self.request("POST", "/send", _body(order), *self.headers(key), *more, close=close)

    def headers(self, key: str = "") -> list[str]:
        """Those of `POST /send`."""
        return [
            f"Authorization: Bearer {key or self._keys.api}", f"Header-Kiosk-Id: {self._keys.kiosk}",
            "Header-Operation-Type: payment", "Header-Timeout: 5",
        ]  # fmt: skip

    def request(self, method: str, target: str, body: bytes | None, *lines: str, close: bool = True) -> bytes:
        """Any request. With a body its length is said, unless the lines say how it is framed."""
        head = [f"{method} {target} HTTP/1.1", "Host: hub", *lines]
        if body is not None and not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in lines):
            head.append(f"Content-Length: {len(body)}")
        if close:
            head.append("Connection: close")
        return "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + (body or b"")

    def _spoiled(self) -> Hostile:
        order = self.order()
        return Hostile("bytes", [mutate_bytes(self._rng, self.payment(order))], 1, order)

    def _spoiled_elsewhere(self) -> Hostile:
        method, target, body, key = self._elsewhere()
        auth = f"Authorization: Bearer {key}"
        return Hostile("bytes elsewhere", [mutate_bytes(self._rng, self.request(method, target, body, auth))])

    def _elsewhere(self) -> tuple[str, str, bytes | None, str]:
        rng, keys = self._rng, self._keys
        new = f"fuzzed-{next(self._numbers)}"
        return rng.choice([
            ("GET", "/operations?limit=5&state=succeeded&since=2026-01-31T12:00:00Z", None, keys.api),
            ("GET", "/operations/01997f3a-5f10-7c3e-9d1b-6a2f4c8e0b11", None, keys.api),
            ("GET", "/operations/01997f3a-5f10-7c3e-9d1b-6a2f4c8e0b11/events", None, keys.api),
            ("POST", "/operations/01997f3a-5f10-7c3e-9d1b-6a2f4c8e0b11/cancel", b"", keys.api),
            ("GET", "/admin/kiosks", None, keys.admin),
            ("GET", f"/admin/kiosks/{keys.victim}", None, keys.admin),
            ("POST", "/admin/kiosks", json.dumps({"id": new, "name": "fuzz"}).encode(), keys.admin),
            ("PATCH", f"/admin/kiosks/{keys.victim}", b'{"name": "fuzz", "enabled": true}', keys.admin),
            ("POST", f"/admin/kiosks/{keys.victim}/token", b"", keys.admin),
            ("POST", "/admin/api-keys", json.dumps({"name": new, "callback_url": "http://127.0.0.1:9/"}).encode(),
             keys.admin),
            ("PATCH", "/admin/api-keys/00000000", b'{"callback_url": ""}', keys.admin),
            ("DELETE", "/admin/api-keys/00000000", None, keys.admin),
            ("GET", "/health", None, ""), ("GET", "/metrics", None, ""), ("GET", "/docs", None, ""),
            ("GET", "/openapi.json", None, ""), ("GET", "/ws?token=x", None, ""),
        ])  # fmt: skip

    def _headers(self) -> Hostile:
        rng, order = self._rng, self.order()
        body = _body(order)
        lines = [*self.headers(), "Idempotency-Key: " + order, f"Content-Length: {len(body)}", "Connection: close"]
        for _ in range(rng.choice((1, 1, 2))):
            at = rng.randrange(len(lines))
            name, _, value = lines[at].partition(": ")
            match rng.randrange(8):
                case 0:
                    lines.insert(at, lines[at])
                case 1:
                    lines.insert(at, f"{name.upper()}: {rng.choice(('', 'x', '1', value + 'x'))}")
                case 2:
                    lines[at] = (
                        f"{name}: {value}{rng.choice((chr(0), chr(10) + 'X: 1', chr(13) + 'Y: 2', chr(127), 'é'))}z"
                    )
                case 3:
                    lines[at] = f"{name} : {value}"
                case 4:
                    lines[at] = f"{name}: {value}\r\n {rng.choice(('x', ''))}"
                case 5:
                    lines[at] = f"{name}: {value * rng.choice((2, 40, 4000))}"
                case 6:
                    del lines[at]
                case _:
                    extra = rng.choice([
                        "Expect: 100-continue", "Upgrade: h2c", "Trailer: X", "Connection: Header-Kiosk-Id, close",
                        "Content-Encoding: gzip", "Content-Type: multipart/form-data", "Proxy-Connection: close",
                        "Te: trailers",
                        "X-Forwarded-For: 1.2.3.4\r\nX-Real-Ip: ::1", "Host: other", "Cookie: " + "a=b; " * 500,
                        "nameless", ": x",
                        "X-Http-Method-Override: DELETE", "Header-Http-Method: GET", "Header-Delivery: queue",
                        "Header-Expires: 1",
                    ])  # fmt: skip
                    lines.insert(at, extra)
        head = "\r\n".join(["POST /send HTTP/1.1", "Host: hub", *lines])
        return Hostile("headers", [head.encode("latin-1", "replace") + b"\r\n\r\n" + body], 1, order)

    def _framed(self) -> Hostile:
        """A message whose end is told in two ways, or in a way that is none, with a payment behind the one of them."""
        rng = self._rng
        inner = self.payment(self.order(SMUGGLED))
        chunked = b"2\r\n{}\r\n0\r\n\r\n"
        size = len(chunked) + len(inner)
        framing, body = rng.choice([
            (["Content-Length: 2", f"Content-Length: {2 + len(inner)}"], b"{}" + inner),
            ([f"Content-Length: {2 + len(inner)}", "Content-Length: 2"], b"{}" + inner),
            ([f"Content-Length: 2, {2 + len(inner)}"], b"{}" + inner),
            ([f"Content-Length: {size}", "Transfer-Encoding: chunked"], chunked + inner),
            (["Transfer-Encoding: chunked", f"Content-Length: {size}"], chunked + inner),
            (["Content-Length: 0", "Transfer-Encoding: identity, chunked"], chunked + inner),
            (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], chunked + inner),
            (["Transfer-Encoding: xchunked"], chunked + inner), (["Transfer-Encoding: chunked;q=1"], chunked + inner),
            (["Transfer-Encoding:\tchunked", "Transfer-Encoding: cow"], chunked + inner),
            (["Transfer-Encoding: chunked"], b"2 \r\n{}\r\n0\r\n\r\n" + inner),
            (["Transfer-Encoding: chunked"], b"-2\r\n{}\r\n0\r\n\r\n" + inner),
            (["Transfer-Encoding: chunked"], b"0x2\r\n{}\r\n0\r\n\r\n" + inner),
            (["Transfer-Encoding: chunked"], b"2\n{}\n0\n\n" + inner),
            (["Transfer-Encoding: chunked"], b"2;a=\r\n{}\r\n0\r\n\r\n" + inner),
            (["Transfer-Encoding: chunked"], b"3\r\n{}\r\n0\r\n\r\n" + inner),
            (["Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\nX: 1\r\n\r\n" + inner),
            (["Transfer-Encoding: chunked"], b"2\r\n{}\r\n" + b"f" * 17 + b"\r\n" + inner),
            (["Content-Length: +2"], b"{}" + inner), (["Content-Length: 2_0"], b"{}" + inner),
            (["Content-Length: 0x2"], b"{}" + inner), (["Content-Length: 2 2"], b"{}" + inner),
            (["Content-Length: \xb2"], b"{}" + inner), ([f"Content-Length: {2**64 + 2}"], b"{}" + inner),
            (["Content-Length : 2"], b"{}" + inner), (["Content-Length: 2\r\n 0"], b"{}" + inner),
            (["X: y\nContent-Length: 2"], b"{}" + inner), (["X: y\rContent-Length: 0"], inner),
        ])  # fmt: skip
        # To nobody's kiosk: only what is smuggled could do anything.
        lines = [line for line in self.headers() if not line.startswith("Header-Kiosk-Id")]
        target = rng.choice(("/send", "/send", "/health", "/admin/kiosks", "/operations/request-1/cancel"))
        return Hostile("framing", [self.request("POST", target, body, *lines, *framing, close=False)])

    def _body(self) -> Hostile:
        rng, order = self._rng, self.order()
        value = {"order_id": order, "sum": 15000, "note": "x", "items": [{"name": "tea", "sum": 15000}]}
        body = (
            encode_json(rng, mutate_json(rng, value))
            if rng.random() < 0.6
            else mutate_bytes(rng, json.dumps(value).encode())
        )
        more = rng.choice(([], [], ["Header-Http-Method: GET"], [f"Idempotency-Key: {order}"]))
        # With a Transfer-Encoding it goes by the general server, not by the fast door: both must mean the same.
        if rng.random() < 0.4:
            framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
            sent = self.request("POST", "/send", framed, *self.headers(), *more, "Transfer-Encoding: chunked")
        else:
            sent = self.request("POST", "/send", body, *self.headers(), *more)
        return Hostile("body", [sent], 1, order)

    def _admin_body(self) -> Hostile:
        rng = self._rng
        new = f"fuzzed-{next(self._numbers)}"
        target, value = rng.choice([
            ("/admin/kiosks", {"id": new, "name": "fuzz"}),
            ("/admin/api-keys", {"name": new, "callback_url": "http://127.0.0.1:9/x?y=1#z"}),
        ])  # fmt: skip
        body = (
            encode_json(rng, mutate_json(rng, value))
            if rng.random() < 0.6
            else mutate_bytes(rng, json.dumps(value).encode())
        )
        sent = self.request("POST", target, body, f"Authorization: Bearer {self._keys.admin}")
        return Hostile("admin body", [sent])

    def _target(self) -> Hostile:
        rng = self._rng
        target = rng.choice([
            "*", "http://hub/health", "http://evil/send", "//evil/health", "/./health", "/health/",
            "/docs/../admin/kiosks",
            "/docs/%2e%2e/%2e%2e/etc/passwd", "/operations/%2e%2e%2f%2e%2e", "/operations/%00", "/operations/%ff",
            "/operations/%0d%0aX:1", "/operations/" + "x" * 9000, "/" + "a/" * 4000, "/health?" + "a&" * 3000,
            "/health?%zz=%",
            "/operations?limit=1&limit=2", "/operations?cursor=" + "A" * 3000, "/operations?since=1e400",
            "/operations?since=-1",
            "/operations?since=0001-01-01T00:00:00", "/operations?since=9999-12-31T23:59:59-23:59",
            "/operations?state=%00",
            "/operations?kiosk=" + "k" * 65, "/admin/kiosks/" + "%41" * 65, "/admin/api-keys/%ff", "/ws?token=%ff",
            "/\x01",
            "/health#frag", "?", "/%2f", "/send/", "/SEND", "/send%20", "/send;x=1", "/send\\", "/metrics?name[]=x",
        ])  # fmt: skip
        method = rng.choice(
            ("GET", "GET", "POST", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "get", "G" * 300, "\x01")
        )
        key = rng.choice((self._keys.api, self._keys.admin))
        return Hostile(
            "target", [self.request(method, target, b"" if method == "POST" else None, f"Authorization: Bearer {key}")]
        )

    def _pipeline(self) -> Hostile:
        """Good payments, asked ahead on one connection, across the hand-over from the fast door to the general one."""
        rng = self._rng
        first, last = self.payment(self.order(), close=False), self.payment(self.order())
        between = rng.choice([
            self.request("GET", "/health", None, close=False), self.request("OPTIONS", "/docs", None, close=False),
            self.request("POST", "/send", b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked", close=False),
            self.request("POST", "/send", b"{}", "Expect: 100-continue", close=False),
            self.request("POST", "/admin/kiosks", b"{}", close=False), b"\r\n\r\n", b"",
            mutate_bytes(rng, self.request("GET", "/health", None, close=False)), b"GET / HTTP/1.0\r\n\r\n",
        ])  # fmt: skip
        whole = first + between + last
        cuts = sorted(rng.randrange(len(whole)) for _ in range(rng.choice((0, 1, 3))))
        parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        return Hostile("pipeline", parts, 2)

    def _wrong_key(self) -> Hostile:
        rng, keys = self._rng, self._keys
        order = self.order("unpaid")
        wrong = rng.choice([
            "", "x", "kw_", "kw__", "kw_00000000_" + "A" * 32, keys.api[:-1], keys.api + "=", keys.api[:12],
            keys.api.upper(),
            keys.kiosk_token, keys.admin[:-1], "\xff" * 40, keys.api.replace("_", "-"), f"{keys.api},{keys.api}",
            "null",
        ])  # fmt: skip
        scheme = rng.choice(("Bearer ", "bearer\t", "Bearer: ", "Basic ", "Token ", "", "BEARER  "))
        auth = f"Authorization: {scheme}{wrong}"
        if rng.random() < 0.5:
            lines = [auth, *self.headers()[1:]]
            return Hostile("wrong key", [self.request("POST", "/send", _body(order), *lines)], 0, order, 401)
        method, target, body, key = self._elsewhere()
        if not key:
            return self._wrong_key()
        return Hostile("wrong key", [self.request(method, target, body, auth)], refused=401)

    def _noise(self) -> Hostile:
        rng = self._rng
        noise = rng.choice([
            rng.randbytes(200), b"\x00" * 5000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), b"GET /\r\n\r\n", b"POST /send\r\n\r\n",
            b"POST /send HTTP/0.9\r\n\r\n",
            b"POST /send HTTP/1.9999999999999\r\nHost: h\r\n\r\n", b"POST /send HTTP/-1.1\r\n\r\n",
            b"POST  /send HTTP/1.1\r\n\r\n",
            b"\r\n" * 3000, b"POST /send HTTP/1.1\r\n" + b"X: 1\r\n" * 3000 + b"\r\n", b"P" * 20_000,
            b"GET /" + b"a" * 70_000,
            b"POST /send HTTP/1.1\r\nHost: hub\r\n\r\n\r\n\r\n" * 50, b"*1\r\n$4\r\nPING\r\n", b"SSH-2.0-x\r\n",
            b"EHLO x\r\n",
        ])  # fmt: skip
        return Hostile("noise", [noise])


def _body(order: str) -> bytes:
    return json.dumps({"order_id": order, "sum": 15000}).encode()
