"""The engineer's part over a real appliance: who gets in, forms, what is shown."""

import asyncio
import contextlib
import re
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import msgspec
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from appliance import identity as identities
from appliance.engineer import sessions
from appliance.identity import FILE, Identity, new_key
from tests.appliance.engineer.door import PIN, Door, door
from tests.appliance.worlds import PATIENCE_S, Call, gateway, reply, until
from tests.listening import listening
from wire.enrolment import EnrolAnswer
from wire.environment import Secret

PAGES = ("/devices", "/routes", "/collection", "/restart", "/enrolment", "/pin", "/logs", "/support")


async def events(there: Door) -> list[tuple[str, dict[str, object]]]:
    found = await there.appliance.journal.events(1000, 0)
    return [(e.kind, msgspec.json.decode(e.data)) for e in found if e.kind.startswith("engineer-")]


async def noted(there: Door, kind: str) -> list[dict[str, object]]:
    """What was kept of it, once it was: a job's own end comes before."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := [data for each, data in await events(there) if each == kind]):  # noqa: ASYNC110 - the disk sends no events
            await asyncio.sleep(0.005)
    return found


async def test_without_a_pin_it_stays_shut_and_says_how_to_set_one(tmp_path: Path) -> None:
    async with door(tmp_path, has_pin=False) as there:
        answer = await there.get()
        assert answer.status_code == 200
        assert "kioskwire-appliance pin" in answer.text
        assert 'name="pin"' not in answer.text
        assert (await there.post(csrf=there.engineer.form, once="x", pin="")).status_code == 403
        for path in (*PAGES, "/job", "/bundle"):
            answer = await there.get(path)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/engineer")


async def test_the_pin_lets_in_and_every_page_is_there_in_three_languages(tmp_path: Path) -> None:
    async with door(tmp_path) as there:
        assert (await there.sign_in()).status_code == 303
        for path in ("", *PAGES):
            for lang in ("en", "ru", "kk"):
                answer = await there.get(f"{path}?lang={lang}")
                assert answer.status_code == 200, path
                assert f'lang="{lang}"' in answer.text
                assert not re.search(
                    r">\s*(eng|menu|pin|job|device|collect|logs|restart|enrol)\.[a-z-]+\s*<", answer.text
                )
                assert " style=" not in answer.text
                assert answer.headers["Cache-Control"] == "no-store"
                assert len(answer.content) < 100_000
        cookie = next(iter(there.client.cookies.jar))
        answer = await there.post(headers={})  # signed in already, no PIN
        assert answer.status_code == 403
        assert (cookie.name, cookie.path) == ("engineer", "/engineer")
        kinds = [kind for kind, _ in await events(there)]
        assert kinds[0] == "engineer-signed-in"


async def test_the_cookie_is_for_this_alone_and_another_is_given_at_each_sign_in(tmp_path: Path) -> None:
    async with door(tmp_path) as there:
        there.client.cookies.set("engineer", "planted-by-somebody", path="/engineer")
        answer = await there.sign_in()
        header = answer.headers["Set-Cookie"]
        assert {"HttpOnly", "Path=/engineer", "SameSite=Strict"} <= {part.strip() for part in header.split(";")}
        assert "planted" not in header
        first = header.partition(";")[0]
        second = (await there.sign_in()).headers["Set-Cookie"].partition(";")[0]
        assert first != second
        async with httpx.AsyncClient(base_url=there.url, headers={"Cookie": first}, timeout=PATIENCE_S) as other:
            assert (await other.get("/engineer/devices")).status_code == 303  # the one before is over
        async with httpx.AsyncClient(
            base_url=there.url, headers={"Cookie": "engineer=planted-by-somebody"}, timeout=PATIENCE_S
        ) as other:
            assert (await other.get("/engineer/devices")).status_code == 303
        await there.post("/leave", page="")
        assert (await there.get("/devices")).status_code == 303


async def test_wrong_pins_wait_longer_and_longer_and_never_for_ever(tmp_path: Path) -> None:
    async with door(tmp_path) as there:
        now = 1024.0  # whatever the uptime is, so that sums are exact
        there.engineer._steady = lambda: now
        statuses = [(await there.sign_in("555123")).status_code for _ in range(5)]
        assert statuses == [403, 403, 403, 429, 429]
        assert (await there.sign_in()).status_code == 429  # the right one waits as well: it tells nothing
        waits = []
        for _ in range(12):
            waits.append(there.engineer.wait("127.0.0.1", here=True))
            now += waits[-1] + 0.125
            assert (await there.sign_in("555123")).status_code == 403
        assert waits[:3] == sorted(waits[:3])
        assert max(waits) == 120.0
        now += 121.0
        assert (await there.sign_in()).status_code == 303
        told = [data for kind, data in await events(there) if kind == "engineer-refused"]
        assert 2 <= len(told) <= 15
        assert PIN not in str(await events(there))
        assert "555123" not in str(await events(there))


async def test_forms_of_other_pages_do_nothing(tmp_path: Path) -> None:
    async with door(tmp_path) as there:
        await there.sign_in()
        paths = ("/devices", "/routes", "/collection", "/restart", "/enrolment", "/pin", "/job", "/leave")
        for path in paths:
            assert (await there.post(path, csrf="another", once="x")).status_code == 403, path
            for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"},
                            {"Sec-Fetch-Site": "same-site"}, {"Host": "evil.example"}):  # fmt: skip
                answer = await there.post(path, page="/routes", headers=headers)
                assert answer.status_code == 403, (path, headers)
        assert there.engineer.work.latest is None
        assert not await there.engineer.restarts.is_asked()
        assert (await there.get("/devices")).status_code == 200
        answer = await there.get("/bundle", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403


async def test_a_session_ends_after_half_an_hour_though_a_page_is_open(tmp_path: Path) -> None:
    async with door(tmp_path) as there:
        now = time.monotonic()
        there.engineer._steady = lambda: now
        await there.sign_in()
        await there.post("/routes")
        await there.job()
        now += sessions.IDLE_S - 1
        assert (await there.get("/job")).status_code == 200  # a page that asks by itself
        now += 2
        assert (await there.get("/job")).status_code == 303


async def test_the_network_is_kept_out_unless_the_owner_lets_it_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.web import engineer_shell as module

    monkeypatch.setattr(module, "peer_allowed", lambda _: False)
    async with door(tmp_path) as there:
        assert (await there.get()).status_code == 403
    async with door(tmp_path, SETUP_FROM="lan") as there:
        assert (await there.get()).status_code == 403  # 127.0.0.1 is no private network's
        monkeypatch.setattr(module, "is_private", lambda _: True)
        assert (await there.sign_in()).status_code == 303
        there.engineer._steady = lambda: 1024.0  # however long the tries take, none is forgiven meanwhile
        for _ in range(20):
            await there.sign_in("555123")
        assert there.engineer.wait("127.0.0.1", here=False) > 0
        assert there.engineer.wait("127.0.0.1", here=True) == 0  # who is at the screen gets in


async def test_routes_are_looked_at_and_nothing_is_asked_of_them(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    def routes(port: int) -> dict[str, dict[str, str]]:
        url = f"http://user:canary-password@127.0.0.1:{port}/pay?token=canary-query"
        return {"payment": {"url": url}, "gone": {"url": "http://127.0.0.1:1/"}}

    async with listening(serve) as server, door(tmp_path, routes=routes(server.port)) as there:
        await there.sign_in()
        assert (await there.post("/routes")).headers["Location"] == "/engineer/job"
        job = await there.job()
        assert job.end == "failed"
        assert {"gate.answers", "gate.refused", "gate.some-bad"} <= set(there.said)
        text = (await there.get("/job")).text
        assert "HTTP 405" in text
        assert "canary" not in text
        assert len(asked) == 1
        assert asked[0].startswith(b"OPTIONS * HTTP/1.1\r\n")
        assert b"canary" not in asked[0]
        assert [data["outcome"] for data in await noted(there, "engineer-checked-routes")] == ["failed"]


async def test_live_is_behind_the_session_and_tells_each_step(tmp_path: Path) -> None:
    async with door(tmp_path) as there:
        address = f"{there.url.replace('http', 'ws')}/engineer/live"
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(HTTPRequest(address, headers={"Origin": there.url}, follow_redirects=False))
        assert refused.value.code == 303
        await there.sign_in()
        await there.post("/routes")
        cookie = f"engineer={there.client.cookies['engineer']}"
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(HTTPRequest(address, headers={"Cookie": cookie, "Origin": "http://evil.example"}))
        assert refused.value.code == 403
        socket = await websocket_connect(HTTPRequest(address, headers={"Cookie": cookie, "Origin": there.url}))
        with contextlib.closing(socket):
            done = False
            while not done:
                news = msgspec.json.decode(await socket.read_message() or b'{"done":true,"html":""}')
                done = news["done"]
            assert "127.0.0.1:1" in news["html"]
            while await socket.read_message() is not None:
                pass


async def test_a_restart_is_asked_for_and_can_be_taken_back(tmp_path: Path) -> None:
    async with door(tmp_path) as there:
        await there.sign_in()
        assert there.appliance.operations.hold()  # as if something moved
        await there.post("/restart", what="ask")
        await until(lambda: there.appliance.updates.status.waits)
        assert "operations are under way" in (await there.get("/restart")).text
        await there.post("/restart", what="forget")
        assert not await there.engineer.restarts.is_asked()
        there.appliance.operations.release()
        await there.post("/restart", what="ask")
        async with asyncio.timeout(20):
            await there.appliance.ended.wait()
        assert "engineer-restart" in [kind for kind, _ in await events(there)]


async def test_a_file_of_the_settings_holds_the_pin_and_may_change(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.write_text("604283\n")
    async with door(tmp_path, ENGINEER_PIN_FILE=str(file)) as there:  # beats what was set here
        assert (await there.sign_in()).status_code == 403
        assert (await there.sign_in("604283")).status_code == 303
        answer = await there.post("/pin", old="604283", new="482913", again="482913")
        assert (answer.status_code, 'name="new"' in answer.text) == (422, False)
        file.write_text("714902")
        await there.post("/leave")
        assert (await there.sign_in("714902")).status_code == 303
        await there.post("/leave")
        file.unlink()
        answer = await there.sign_in("714902")
        assert (answer.status_code, "cannot be read" in answer.text) == (500, True)
        assert str(file) not in answer.text


async def test_who_the_kiosk_is_changes_only_when_that_was_said(tmp_path: Path) -> None:
    async def grants(_: Call) -> bytes:
        return reply(200, msgspec.json.encode(EnrolAnswer(kiosk_id="kiosk_002", token="t2", name="Desk")))

    state = tmp_path / "state"
    state.mkdir()
    before = Identity(hub="ws://127.0.0.1:9/ws", kiosk_id="kiosk_001", token=Secret("t"), private_key=Secret(new_key()))
    identities.save(state / FILE, before)
    async with gateway(grants) as hub, door(tmp_path, WS_TOKEN="", WS_SERVER_URL="") as there:
        await there.sign_in()
        assert "kiosk_001" in (await there.get("/enrolment")).text
        given = {"hub": f"http://127.0.0.1:{hub.port}", "code": "ABCD-2345"}
        for fields in (given, {**given, "sure": "no"}, {**given, "sure": "yes", "code": "OIL"}):
            assert (await there.post("/enrolment", **fields)).status_code == 422
        assert hub.calls == []
        assert (await there.post("/enrolment", sure="yes", **given)).status_code == 303
        await until(lambda: (found := identities.read(state)) is not None and found.kiosk_id == "kiosk_002")
        await until(lambda: "kiosk_002" in str(there.appliance.enrolment.standing()))
        posts = [call.target for call in hub.calls if call.method == "POST"]  # besides, it asks for a socket
        assert posts == ["/enroll"]


async def test_another_pin_is_set_only_by_who_knows_the_one_in_force(tmp_path: Path) -> None:
    async with door(tmp_path) as there:
        await there.sign_in()
        for old, new, again in (("111222", "482913", "482913"), (PIN, "123456", "123456"), (PIN, "482913", "482914")):
            assert (await there.post("/pin", old=old, new=new, again=again)).status_code == 422
        assert (await there.post("/pin", old=PIN, new="482913", again="482 913")).status_code == 303
        assert (await there.get("/devices")).status_code == 303
        assert (await there.sign_in()).status_code == 403
        assert (await there.sign_in("482913")).status_code == 303
        assert "engineer-pin-set" in [kind for kind, _ in await events(there)]
    async with door(tmp_path, ENGINEER_PIN="604283") as there:
        assert (await there.sign_in("482913")).status_code == 403
        assert (await there.sign_in("604283")).status_code == 303


async def test_the_pin_is_set_where_the_kiosk_is_enrolled_and_nowhere_else_without_the_one_before(
    tmp_path: Path,
) -> None:
    async with door(tmp_path, has_pin=False, WS_TOKEN="", WS_SERVER_URL="http://127.0.0.1:9") as there:

        async def submit(**fields: str) -> httpx.Response:
            text = (await there.client.get("/setup?edit=1")).text
            token = re.search(r'name="token" value="([^"]+)"', text)
            assert token is not None
            assert 'name="engineer-pin"' in text
            sent = {"hub": "http://127.0.0.1:9", "code": "ABCD-2345", "token": token[1], **fields}
            return await there.client.post("/setup", data=sent)

        for wrong in ({"engineer-pin": "123456", "engineer-pin-again": "123456"}, {"engineer-pin": PIN}):
            answer = await submit(**wrong)
            assert answer.status_code == 422
            assert PIN not in answer.text
        assert not there.engineer.lock.is_set
        assert (await submit(**{"engineer-pin": PIN, "engineer-pin-again": PIN})).status_code == 303
        assert (await there.sign_in()).status_code == 303
        assert PIN not in str(await events(there))
        assert ("engineer-pin-set", {"where": "setup"}) in await events(there)
        there.appliance.enrolment._identity = SimpleNamespace(  # type: ignore[assignment]
            kiosk_id="kiosk_001", name="", hub="", enrolled_at="", moved=False
        )
        there.appliance.enrolment._bad_token = True
        assert 'name="engineer-pin"' not in (await there.client.get("/setup?edit=1")).text
        there.appliance.enrolment._identity = None
