"""`/admin`: kiosks and API keys, for the holder of the admin key only."""

import json
from pathlib import Path
from typing import Any

import httpx
import jwt
import msgspec

from tests.cloud.hub import JWT_SECRET, Running, running, until
from tests.cloud.web.test_send import problem_of
from wire.environment import Secret


async def ask(hub: Running, method: str, path: str, body: Any = None) -> httpx.Response:
    """One act of the administrator."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return await hub.http.request(method, f"/admin/{path}", content=content, headers=hub.admin)


async def test_the_devices_of_one_stand_as_it_told_last(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        async with hub.kiosk(devices=[{"name": "bills", "role": "bill validator", "state": "starting"}]) as kiosk:
            data = {"state": "ready", "was": "starting"}
            await kiosk.say("event", seq=1, at=1.0, kind="state-changed", device="bills", data=data)
            await kiosk.say("event", seq=1, at=1.0, kind="state-changed", device="bills", data={"state": "fault"})
            await kiosk.hear("event_ack")
            told = [{"name": "bills", "role": "bill validator", "driver": "", "state": "ready"}]
            assert (await ask(hub, "GET", "kiosks/kiosk_001")).json()["devices"] == told
            again = [{"name": "bills", "state": "absent"}]
            hello = {"version": "1.2.3", "boot_id": "boot-1", "journal": "journal-1", "routes": ["default"]}
            await kiosk.say("hello", **hello, devices=again)
            named = [{"name": "bills", "role": "", "driver": "", "state": "absent"}]
            await until_equal(hub, named)
        await hub.gone()
        assert (await ask(hub, "GET", "kiosks/kiosk_001")).json()["devices"] == named


async def until_equal(hub: Running, devices: list[Any]) -> None:
    link = hub.services.links.get("kiosk_001")
    assert link is not None
    await until(lambda: msgspec.to_builtins(link.devices.all()) == devices)


async def test_a_kiosks_life(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=()) as hub:
        made = await ask(hub, "POST", "kiosks", {"id": "kiosk_007", "name": "Киоск у входа"})
        assert made.status_code == 201
        shown = made.json()
        assert (len(shown.pop("code")), shown.pop("code_good_until")[-1]) == (9, "Z")
        claims = jwt.decode(shown.pop("token"), JWT_SECRET, algorithms=["HS256"], audience="kiosk")
        assert (claims["sub"], claims["gen"]) == ("kiosk_007", 0)
        assert shown == {
            "id": "kiosk_007",
            "name": "Киоск у входа",
            "enabled": True,
            "generation": 0,
            "created_at": shown["created_at"],
            **dict.fromkeys(
                (
                    "enrolment",
                    "connected_at",
                    "address",
                    "dialect",
                    "version",
                    "routes",
                    "unsettled",
                    "duplicate",
                    "hub",
                )
            ),
            "connected": False,
        }
        found = (await ask(hub, "GET", "kiosks/kiosk_007")).json()
        assert found.pop("code_good_until") is not None
        assert found.pop("devices") == []
        assert shown == found
        assert {"kiosks": [shown]} == (await ask(hub, "GET", "kiosks")).json()
        assert problem_of(await ask(hub, "POST", "kiosks", {"id": "kiosk_007"})) == "conflict"

        changed = (await ask(hub, "PATCH", "kiosks/kiosk_007", {"name": "Entrance", "enabled": False})).json()
        assert (changed["name"], changed["enabled"]) == ("Entrance", False)
        assert (await ask(hub, "PATCH", "kiosks/kiosk_007", {"enabled": True})).json()["enabled"] is True

        renewed = await ask(hub, "POST", "kiosks/kiosk_007/token")
        assert (renewed.status_code, renewed.json()["generation"]) == (201, 1)

        removed = await ask(hub, "DELETE", "kiosks/kiosk_007")
        assert (removed.status_code, removed.content) == (204, b"")
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/token")):
            body = {"enabled": True} if method == "PATCH" else None
            assert problem_of(await ask(hub, method, f"kiosks/kiosk_007{path}", body)) == "unknown-kiosk"

        again = (await ask(hub, "POST", "kiosks", {"id": "kiosk_007"})).json()
        assert again["generation"] == 2  # tokens of its earlier life stay dead


async def test_a_connected_kiosk_is_shown_as_such(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        async with hub.kiosk(unsettled=3):
            shown = (await ask(hub, "GET", "kiosks/kiosk_001")).json()
            assert (
                shown["connected"],
                shown["address"],
                shown["dialect"],
                shown["unsettled"],
            ) == (True, "127.0.0.1", "kiosk.v2", 3)
        await hub.gone()
        async with hub.v1_kiosk():
            assert (await ask(hub, "GET", "kiosks/kiosk_001")).json()["dialect"] == "v1"
        await hub.gone()
        assert (await ask(hub, "GET", "kiosks/kiosk_001")).json()["connected"] is False


async def test_an_api_keys_life(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        made = await ask(hub, "POST", "api-keys", {"name": "shop", "callback_url": "https://shop.example/hook"})
        assert made.status_code == 201
        key, secret = made.json()["key"], made.json()["callback_secret"]
        assert (key.startswith(f"kw_{made.json()['id']}_"), secret.startswith("whsec_")) == (True, True)
        listed = await ask(hub, "GET", "api-keys")
        assert (
            listed.json()["api_keys"][-1]["name"],
            listed.json()["api_keys"][-1]["callback_url"],
        ) == ("shop", "https://shop.example/hook")
        assert key not in listed.text
        assert secret not in listed.text
        assert problem_of(await hub.send(api_key=key)) == "kiosk-offline"

        path = f"api-keys/{made.json()['id']}"
        changed = (await ask(hub, "PATCH", path, {"callback_url": "http://127.0.0.1:1/"})).json()
        assert (changed["callback_url"], changed["callback_secret"] != secret) == ("http://127.0.0.1:1/", True)
        ended = (await ask(hub, "PATCH", path, {"callback_url": ""})).json()
        assert (ended["callback_url"], ended["callback_secret"]) == (None, None)

        assert (await ask(hub, "DELETE", path)).status_code == 204
        assert problem_of(await hub.send(api_key=key)) == "unauthorized"
        for method in ("DELETE", "PATCH"):
            body = {"callback_url": ""} if method == "PATCH" else None
            assert problem_of(await ask(hub, method, path, body)) == "not-found"


async def test_a_body_that_is_wrong_is_400_and_says_what(tmp_path: Path) -> None:
    wrong: list[tuple[str, str, Any, str]] = [
        ("POST", "kiosks", {}, "id"),
        ("POST", "kiosks", {"id": "a b"}, "kiosk id"),
        ("POST", "kiosks", {"id": 7}, "$.id"),
        ("POST", "kiosks", {"id": "k", "nmae": "x"}, "nmae"),
        ("POST", "kiosks", b"\xff", "body"),
        ("POST", "kiosks", b"[" * 50_000, "body"),
        ("POST", "kiosks", {"id": "k", "name": "x" * 201}, "$.name"),
        ("PATCH", "kiosks/kiosk_001", {}, "missing"),
        ("PATCH", "kiosks/kiosk_001", {"enabled": "yes"}, "$.enabled"),
        ("POST", "api-keys", {}, "name"),
        ("POST", "api-keys", {"name": "x", "callback_url": "ftp://x"}, "callback_url"),
        ("POST", "api-keys", {"name": "x", "callback_url": "http://u:p@host/"}, "callback_url"),
    ]
    async with running(tmp_path) as hub:
        before = len(await hub.services.keys.read_all())
        for method, path, body, words in wrong:
            answer = await ask(hub, method, path, body)
            assert (problem_of(answer), True) == ("bad-request", words in answer.json()["detail"]), (path, body)
        assert problem_of(await ask(hub, "POST", "kiosks", b" " * 70_000)) == "too-large"
        assert before == len(await hub.services.keys.read_all())


async def test_without_the_admin_key_nothing_is_told_or_done(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for headers in ({}, hub.backend(), {"Authorization": "Bearer " + "x" * 40}, {"Authorization": "Basic x"}):
            for method, path in (
                ("GET", "kiosks"),
                ("POST", "kiosks"),
                ("DELETE", "kiosks/kiosk_001"),
                ("POST", "kiosks/kiosk_001/token"),
                ("GET", "api-keys"),
            ):
                answer = await hub.http.request(method, f"/admin/{path}", headers=headers)
                assert problem_of(answer) in {"unauthorized", "rate-limited"}
        assert hub.services.registry.get("kiosk_001") is not None


async def test_guessing_the_admin_key_is_slowed_down_and_the_right_one_still_works(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        wrong = [await hub.http.get("/admin/kiosks", headers=hub.backend("wrong")) for _ in range(25)]
        assert {"unauthorized", "rate-limited"} == {problem_of(answer) for answer in wrong}
        assert int(wrong[-1].headers["retry-after"]) > 0
        assert (await ask(hub, "GET", "kiosks")).status_code == 200


async def test_without_an_admin_key_there_is_no_admin_api(tmp_path: Path) -> None:
    async with running(tmp_path, admin_key=Secret()) as hub:
        for headers in ({}, {"Authorization": "Bearer "}, hub.admin):
            encoded = {name: value.strip() for name, value in headers.items()}
            assert problem_of(await hub.http.get("/admin/kiosks", headers=encoded)) == "not-found"


async def test_a_kiosk_id_without_form_is_unknown(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for path in ("kiosks/a%20b", "kiosks/" + "x" * 65, "kiosks/%2e%2e"):
            assert problem_of(await ask(hub, "GET", path)) == "unknown-kiosk"


async def test_a_second_box_is_shown_with_both_addresses_and_told_by_health(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk(), hub.socket() as second:
        await second.say("hello", version="1", boot_id="boot-2", journal="journal-2")
        assert await second.close_code() == 4410
        shown = (await ask(hub, "GET", "kiosks/kiosk_001")).json()["duplicate"]
        assert shown == {
            "address": "127.0.0.1",
            "other_address": "127.0.0.1",
            "same_journal": False,
            "first_seen": shown["first_seen"],
            "last_seen": shown["last_seen"],
            "count": 1,
        }
        health = (await hub.http.get("/health")).json()
        assert (health["status"], health["duplicated_kiosks"]) == ("degraded", 1)
        assert "two boxes" in health["reasons"][0]
        assert await hub.metric("kioskwire_kiosks_duplicated") == 1
        assert await hub.metric("kioskwire_kiosk_duplicates_total") == 1
        assert await hub.metric('kioskwire_kiosk_refusals_total{code="4410"}') == 1
