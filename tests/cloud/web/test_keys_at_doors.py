"""Every address with every kind of key: each opens its own doors and no other."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from cloud.web.openapi import specification
from cloud.web.routes import ROUTES
from tests.cloud.hub import ADMIN_KEY, JWT_SECRET, Running, running

_OPENED = {"api_key": "API key", "admin_key": "admin key"}


def doors() -> list[tuple[str, str, set[str]]]:
    """Method, path and the keys that open it, for every operation of the specification."""
    found = []
    for path, methods in specification()["paths"].items():
        for method, operation in methods.items():
            opening = {_OPENED[name] for scheme in operation["security"] for name in scheme}
            found.append((method.upper(), path.replace("{request_id}", "request-0").replace("{id}", "nobody"), opening))
    return found


def test_the_table_has_every_address() -> None:
    described = {path.split("{")[0] for path in specification()["paths"]}
    routes = {path.split("(")[0] for path, _ in ROUTES} - {"/ws"}
    assert routes <= described | {"/openapi.json", "/docs", "/health", "/metrics"}
    assert len(doors()) > 15


async def test_a_key_opens_its_own_doors_only(tmp_path: Path) -> None:
    async with running(tmp_path, rate_limit_per_key=0.0) as hub:
        revoked, text = await hub.services.keys.add("revoked")
        await hub.services.keys.revoke(revoked.id)
        keys = {
            "nothing": "", "API key": f"Bearer {hub.key}", "admin key": f"Bearer {ADMIN_KEY}",
            "kiosk token": f"Bearer {hub.token()}", "garbage": "Bearer " + "A" * 40, "revoked": f"Bearer {text}",
            "basic": "Basic " + base64.b64encode(f"admin:{ADMIN_KEY}".encode()).decode(),
            "secret": f"Bearer {JWT_SECRET}", "id": f"Bearer kw_{revoked.id}_", "bare": hub.key,
            "both": f"Bearer {hub.key} {ADMIN_KEY}",
        }  # fmt: skip
        for method, path, opening in doors():
            for name, authorization in keys.items():
                headers = {"Authorization": authorization} if authorization else {}
                answer = await hub.http.request(method, path, headers=headers)
                if name in opening or not opening:
                    assert answer.status_code not in {401, 403}, (method, path, name)
                else:  # 429: it has tried too many wrong admin keys by now
                    assert answer.status_code in {401, 429}, (method, path, name, answer.status_code)
                    assert answer.headers["content-type"] == "application/problem+json"
        assert [kiosk.id for kiosk in hub.services.registry.all()] == ["kiosk_001"]


async def test_a_key_in_the_query_opens_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for name in ("token", "key", "api_key", "access_token", "authorization"):
            assert (await hub.http.get(f"/operations?{name}={hub.key}")).status_code == 401
            assert (await hub.http.get(f"/admin/kiosks?{name}={ADMIN_KEY}")).status_code == 401


async def code_of(hub: Running, token: str, **options: Any) -> int | None:
    """How the hub closes a socket that was opened with this token; None if it does not."""
    async with hub.socket(token, **options) as kiosk:
        try:
            await kiosk.hello()
        except ConnectionClosed:
            return await kiosk.close_code()
        return None


def signed(
    header: dict[str, Any], claims: dict[str, Any], secret: bytes = JWT_SECRET.encode(), digest: Any = hashlib.sha256
) -> str:
    """A token of any header, signed by HMAC whatever it says."""

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    text = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{text}.{encoded(hmac.new(secret, text.encode(), digest).digest())}"


CLAIMS = {"sub": "kiosk_001", "aud": "kiosk", "iat": 1769860800, "gen": 0}
HEADER = {"alg": "HS256", "typ": "JWT"}
FORGED = {
    "no algorithm": signed({"alg": "none"}, CLAIMS),
    "no algorithm and no signature": signed({"alg": "none"}, CLAIMS).rpartition(".")[0] + ".",
    "None": signed({"alg": "None"}, CLAIMS, b""),
    "another algorithm, right secret": signed({"alg": "HS384"}, CLAIMS, digest=hashlib.sha384),
    "an algorithm of public keys": signed({"alg": "RS256"}, CLAIMS),
    "an empty secret": signed(HEADER, CLAIMS, b""),
    "a key of its own": signed({**HEADER, "jwk": {"kty": "oct", "k": "AA"}}, CLAIMS, b"\0"),
    "a key by path": signed({**HEADER, "kid": "../../../../dev/null"}, CLAIMS, b""),
    "a key by address": signed({**HEADER, "jku": "http://127.0.0.1:9/", "x5u": "http://127.0.0.1:9/"}, CLAIMS, b"x"),
    "critical": signed({**HEADER, "crit": ["exp"], "exp": 1}, CLAIMS),
    "detached": signed({**HEADER, "b64": False, "crit": ["b64"]}, CLAIMS),
    "for somebody else": signed(HEADER, {**CLAIMS, "aud": "backend"}),
    "for many": signed(HEADER, {**CLAIMS, "aud": ["kiosk"]}),
    "for nobody": signed(HEADER, {key: value for key, value in CLAIMS.items() if key != "aud"}),
    "expired": signed(HEADER, {**CLAIMS, "exp": 1}),
    "not yet": signed(HEADER, {**CLAIMS, "nbf": time.time() + 3600}),
    "a text for a generation": signed(HEADER, {**CLAIMS, "gen": "0"}),
    "true for a generation": signed(HEADER, {**CLAIMS, "gen": False}),
    "an earlier generation": signed(HEADER, {**CLAIMS, "gen": -1}),
    "a later generation": signed(HEADER, {**CLAIMS, "gen": 2**70}),
    "a kiosk that is none": signed(HEADER, {**CLAIMS, "sub": "kiosk_001\r\nX: 1"}),
    "a kiosk in a list": signed(HEADER, {**CLAIMS, "sub": ["kiosk_001"]}),
    "deep": signed(HEADER, {**CLAIMS, "exp": json.loads("[" * 400 + "]" * 400)}),
}


async def test_a_forged_token_is_4401_and_no_line_of_a_defect(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.web.gate._BAD_TOKENS", 1000)
    async with running(tmp_path) as hub:
        for name, token in FORGED.items():
            assert await code_of(hub, token) == 4401, name
            assert await code_of(hub, token, in_query=True) == 4401, name
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


async def test_the_header_counts_where_the_query_says_something_else(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub:
        good, other = hub.token("kiosk_001"), hub.token("kiosk_002")
        async with hub.socket(good, path=f"/ws?token={other}") as kiosk:
            await kiosk.hello()
            link, its = hub.services.links.get("kiosk_001"), hub.services.links.get("kiosk_002")
            assert link is not None
            assert link.ready
            assert its is None or its.socket is None
        assert await code_of(hub, "worthless", path=f"/ws?token={good}") == 4401


async def test_a_token_issued_in_the_future_is_good(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:  # a clock that was put back locks nobody out
        assert await code_of(hub, signed(HEADER, {**CLAIMS, "iat": time.time() + 10**7})) is None
