"""`GET /ws`: who is let in, in which dialect, with which code a socket ends."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from cloud.web.socket import KioskSocket
from tests.cloud.hub import ADMIN_KEY, JWT_SECRET, Running, broken, rows, running, until
from wire.messages import MESSAGE_MAX_BYTES
from wire.problems import CloseCode


def signed(secret: str = JWT_SECRET, **claims: Any) -> str:
    """A token with these claims over those of a good one; None leaves a claim out."""
    good = {"sub": "kiosk_001", "aud": "kiosk", "iat": int(time.time()), "gen": 0}
    return jwt.encode({k: v for k, v in {**good, **claims}.items() if v is not None}, secret, algorithm="HS256")


async def refusal(hub: Running, token: str, **how: Any) -> int | None:
    """The close code a token earns; None when it is let in."""
    async with hub.socket(token, **how) as kiosk:
        try:
            await kiosk.hello()
        except ConnectionClosed:
            return await kiosk.close_code()
        return None


def no_time_passes(hub: Running) -> None:
    """At the gate: however long a test takes, no more come in than at one moment."""
    now = time.monotonic()
    hub.services.gate._clock = lambda: now


@pytest.mark.parametrize("in_query", [False, True])
async def test_a_good_token_is_let_in_from_header_and_query(tmp_path: Path, in_query: bool) -> None:
    async with running(tmp_path) as hub, hub.socket(in_query=in_query) as kiosk:
        assert kiosk.socket.subprotocol == "kiosk.v2"
        welcome = await kiosk.hello()
        assert (welcome["ping_interval"], abs(welcome["time"] - time.time()) < 60) == (20.0, True)
        assert (await hub.http.get("/health")).json()["active_kiosks"] == 1


async def test_a_token_that_proves_nothing_is_4401(tmp_path: Path) -> None:
    unsigned = jwt.encode({"sub": "kiosk_001", "aud": "kiosk", "gen": 0}, None, algorithm="none")
    tokens = {
        "none": "",
        "no token": "rubbish",
        "unsigned": unsigned,
        "other secret": signed("another-secret-of-more-than-32-characters"),
        "other audience": signed(aud="backend"),
        "no audience": signed(aud=None),
        "no kiosk": signed(sub=None),
        "kiosk is a number": signed(sub=7),
        "kiosk has no form": signed(sub="../etc"),
        "no generation": signed(gen=None),
        "generation is true": signed(gen=True),
        "another generation": signed(gen=1),
    }
    async with running(tmp_path) as hub:
        assert dict.fromkeys(tokens, 4401) == {name: await refusal(hub, token) for name, token in tokens.items()}


async def test_a_kiosks_clock_and_ours_play_no_part(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for iat in (0, int(time.time()) + 10 * 365 * 86400, None, "yesterday"):
            assert await refusal(hub, signed(iat=iat)) is None


async def test_an_unregistered_a_disabled_and_a_removed_kiosk_are_4403(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub:
        await hub.services.registry.enable("kiosk_001", False)
        await hub.services.registry.remove("kiosk_002")
        assert [await refusal(hub, signed(sub=kiosk)) for kiosk in ("kiosk_001", "kiosk_002", "never-there")] == [
            4403
        ] * 3
        await hub.services.registry.enable("kiosk_001", True)
        assert await refusal(hub, signed()) is None


async def test_tokens_of_an_older_fleet_are_taken_while_their_claim_is_named(tmp_path: Path) -> None:
    theirs = jwt.encode({"kiosk_id": "kiosk_001", "exp": int(time.time()) + 3600}, JWT_SECRET, algorithm="HS256")
    async with running(tmp_path) as hub:
        assert await refusal(hub, theirs) == 4401
    async with running(tmp_path, jwt_legacy_claim="kiosk_id") as hub:
        assert await refusal(hub, theirs, in_query=True) is None
        over = jwt.encode({"kiosk_id": "kiosk_001", "exp": 1}, JWT_SECRET, algorithm="HS256")
        assert await refusal(hub, over) == 4401
        elsewhere = jwt.encode({"kiosk_id": "kiosk_001", "aud": "web"}, JWT_SECRET, algorithm="HS256")
        assert await refusal(hub, elsewhere) == 4401
        await hub.services.registry.renew_token("kiosk_001")
        assert await refusal(hub, theirs) == 4401


async def test_too_many_bad_tokens_are_4429_and_a_good_one_is_still_let_in(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        no_time_passes(hub)
        codes = [await refusal(hub, "rubbish") for _ in range(25)]
        assert codes[:20] == [4401] * 20
        assert 4429 in codes[20:]
        assert await refusal(hub, signed()) is None
        assert await hub.metric('kioskwire_kiosk_refusals_total{code="4429"}') >= 1


@pytest.mark.parametrize(
    ("path", "method", "code"),
    [
        ("/admin/kiosks/kiosk_001", "PATCH", 4403),
        ("/admin/kiosks/kiosk_001", "DELETE", 4403),
        ("/admin/kiosks/kiosk_001/token", "POST", 4401),
    ],
)
async def test_an_open_socket_is_closed_when_its_right_ends(tmp_path: Path, path: str, method: str, code: int) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        content = b'{"enabled": false}' if method == "PATCH" else b""
        answer = await hub.http.request(method, path, content=content, headers=hub.admin)
        assert answer.is_success
        assert await kiosk.close_code() == code


async def test_a_kiosk_that_says_no_hello_is_4400(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as hub, hub.socket() as kiosk, hub.kiosk() as _:
        pass
    monkeypatch.setattr("wire.session.HELLO_TIMEOUT", 0.1)
    async with running(tmp_path) as hub, hub.socket() as kiosk:
        await kiosk.say("accepted", request_id="before-hello")
        assert await kiosk.close_code() == 4400


async def test_a_newer_connection_replaces_the_older_at_once_with_4409(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as older:
        async with hub.kiosk() as newer:
            assert await older.close_code() == 4409
            assert (await hub.http.get("/health")).json()["active_kiosks"] == 1
            assert await newer.heard() == []
        await hub.gone()
        assert (await hub.http.get("/health")).json()["active_kiosks"] == 0


async def test_one_hundred_replacements_leave_nothing_behind(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        async with hub.kiosk() as kiosk:
            await kiosk.heard()
        await hub.gone()
        await hub.http.get("/health")  # its connection, kept alive, is served by a task
        tasks = len(asyncio.all_tasks())
        stack = []
        for n in range(100):
            context = hub.kiosk()
            stack.append(context)
            kiosk = await context.__aenter__()
            if n:
                await stack[n - 1].__aexit__(None, None, None)
        assert (await hub.http.get("/health")).json()["active_kiosks"] == 1
        await stack[-1].__aexit__(None, None, None)
        await hub.gone()
        assert len(list(hub.services.links.all())) == 1
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        assert await hub.metric("kioskwire_kiosks_connected") == 0
        assert await hub.metric('kioskwire_kiosk_disconnects_total{reason="replaced"}') == 99


async def test_malformed_messages_are_counted_and_the_socket_stays(tmp_path: Path) -> None:
    rubbish = ["", "[]", "{", "null", '{"type": 7}', '{"type":"response"}', '{"type":"accepted","request_id":[]}']
    rubbish += ['{"type":"hello"}', '{"type":"event","seq":"one"}', "[" * 100_000]
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        for text in rubbish:
            await kiosk.say_raw(text)
        await kiosk.socket.send(b"\xff\xfe\x00")
        assert await kiosk.heard() == []
        assert await hub.metric("kioskwire_kiosk_malformed_messages_total") == len(rubbish) + 1
        await kiosk.say("of-a-later-version", anything=1)
        async with kiosk.serving():
            assert (await hub.send()).status_code == 200
        assert await hub.metric("kioskwire_kiosk_malformed_messages_total") == len(rubbish) + 1


@pytest.mark.parametrize("v2", [True, False])
async def test_bytes_that_are_no_text_reach_neither_backend_nor_store(tmp_path: Path, v2: bool) -> None:
    """Stored as they came, they would spoil every list that this operation is in."""
    async with running(tmp_path, kiosk_response_timeout=0.5) as hub, hub.kiosk() if v2 else hub.v1_kiosk() as kiosk:
        asked = hub.sending()
        request_id = (await kiosk.hear())["request_id"]
        head = f'{{"type":"response","operation":"payment","executed":"yes","status":200,"request_id":"{request_id}"'
        await kiosk.socket.send(head.encode() + b',"body":{"a":"\xff"}}')
        assert (await asked).status_code == 504
        await hub.idle()
        await kiosk.heard()  # and what it said is read
        assert [item["answer"] for item in await hub.operations()] == [None]
        assert await hub.metric("kioskwire_kiosk_malformed_messages_total") == 1


async def test_a_v1_clients_rubbish_is_counted_and_the_socket_stays(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.v1_kiosk() as kiosk:
        assert kiosk.socket.subprotocol is None
        for text in ("[]", "{}", '{"request_id": 7}', '{"request_id": null, "a": 1}'):
            await kiosk.say_raw(text)
        assert await kiosk.heard() == []
        assert await hub.metric("kioskwire_kiosk_malformed_messages_total") == 4


async def test_a_message_over_one_mebibyte_ends_the_socket_and_one_below_does_not(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        async with hub.kiosk() as kiosk:
            padding = "x" * (MESSAGE_MAX_BYTES - 200)
            asked = hub.sending()
            await kiosk.answer(await kiosk.request(), {"padding": padding})
            assert len((await asked).content) > MESSAGE_MAX_BYTES - 200
            await kiosk.say("progress", request_id="some-request", data={"padding": "x" * MESSAGE_MAX_BYTES})
            assert await kiosk.close_code() in {1009, 1006}
        async with hub.kiosk() as kiosk, kiosk.serving():
            assert (await hub.send()).status_code == 200


async def test_the_largest_body_reaches_the_kiosk(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving(lambda r: {"n": len(r["body"]["x"])}):
        size = MESSAGE_MAX_BYTES - 16 * 1024 - len(b'{"x":""}')
        assert (await hub.send(b'{"x":"' + b"a" * size + b'"}')).json() == {"n": size}
        assert (await hub.send(b'{"x":"' + b"a" * (size + 1) + b'"}')).status_code == 413


async def test_a_hub_under_load_answers_503_with_a_spread_retry_after(tmp_path: Path) -> None:
    async with running(tmp_path, accept_rate=1.0) as hub:
        no_time_passes(hub)
        waits = []
        for _ in range(6):
            try:
                async with hub.kiosk():
                    pass
            except InvalidStatus as refused:
                waits.append((refused.response.status_code, int(refused.response.headers["Retry-After"])))
        assert len(waits) >= 4
        assert {503} == {status for status, _ in waits}
        assert all(1 <= wait <= 15 for _, wait in waits)


async def test_pings_welcome_and_requests_say_what_the_steady_clock_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings: list[bytes] = []
    process = ClientConnection.process_event

    def listen(self: ClientConnection, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            pings.append(bytes(event.data))
        process(self, event)

    monkeypatch.setattr(ClientConnection, "process_event", listen)
    monkeypatch.setattr("wire.session.PING_INTERVAL", 0.2)
    monkeypatch.setattr("cloud.kiosks.links._TICK", 0.05)
    async with running(tmp_path) as hub, hub.socket(hub.token()) as kiosk:
        began = time.monotonic()
        welcome = await kiosk.hello()
        asked = hub.sending()
        request = await kiosk.request()
        await kiosk.answer(request)
        await asked
        pings.clear()  # one may have come before the request did
        await until(lambda: pings)
        assert began - 1 < welcome["clock"] <= request["clock"] <= float(pings[-1]) < time.monotonic() + 1


async def test_a_silent_connection_is_pinged_and_then_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wire.session.PING_INTERVAL", 0.1)
    monkeypatch.setattr("cloud.kiosks.links._TICK", 0.05)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        # The library answers pings, so this one lives on beyond the limit.
        link = hub.services.links.get("kiosk_001")
        assert link is not None
        began, limit = link.heartbeat.heard_at, 5.0  # longer than a machine stands still between two answers
        monkeypatch.setattr("wire.session.SILENCE_LIMIT", limit)
        await until(lambda: link.heartbeat.heard_at - began > 1.1 * limit)
        assert hub.services.links.connected == 1
        kiosk.socket.transport.pause_reading()  # now it neither reads nor answers
        monkeypatch.setattr("wire.session.SILENCE_LIMIT", 0.5)
        await hub.gone()
        assert await hub.metric('kioskwire_kiosk_disconnects_total{reason="silent"}') == 1


async def test_plain_http_at_the_sockets_address_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        upgrade = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "x",
            "Sec-WebSocket-Version": "13",
        }
        for answer in (
            await hub.http.get("/ws"),
            await hub.http.get("/ws?token=%ff", headers={**upgrade, "Sec-WebSocket-Key": "x"}),
            await hub.http.post("/ws"),
        ):
            assert answer.status_code in {400, 405}
            assert (answer.headers["content-type"], "server" in answer.headers) == ("application/problem+json", False)
            assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_browsers_origin_is_no_obstacle(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        headers = {"Authorization": f"Bearer {hub.token()}"}
        url = f"ws://127.0.0.1:{hub.hub.port}/ws"
        async with connect(url, origin="http://localhost", additional_headers=headers, proxy=None) as socket:  # type: ignore[arg-type]
            await socket.ping()
            assert socket.subprotocol is None


async def test_hello_again_is_taken_as_news_and_not_greeted_twice(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk(routes=("payment",)) as kiosk:
        await kiosk.say("hello", version="1.2.3", boot_id="boot-1", journal="journal-1", routes=["payment", "fiscal"])
        assert await kiosk.heard() == []
        shown = (await hub.http.get("/admin/kiosks/kiosk_001", headers=hub.admin)).json()
        assert (
            shown["routes"],
            shown["version"],
            shown["dialect"],
            shown["connected"],
        ) == (["payment", "fiscal"], "1.2.3", "kiosk.v2", True)


# Events.


def stored(tmp_path: Path) -> list[tuple[Any, ...]]:
    """The events in the database."""
    return rows(tmp_path, "SELECT journal, seq, kind, device, data FROM events ORDER BY journal, seq")


async def test_events_are_stored_once_in_order_and_then_acknowledged(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        async with hub.kiosk() as kiosk:
            for seq in (1, 2, 3):
                await kiosk.say("event", seq=seq, at=1.5, kind="bill-stacked", device="bills", data={"n": seq})
            acknowledged = 0
            while acknowledged < 3:
                message = await kiosk.hear("event_ack")
                assert message["seq"] > acknowledged
                assert len(stored(tmp_path)) >= message["seq"]
                acknowledged = message["seq"]
        await hub.gone()
        async with hub.kiosk() as kiosk:
            for seq in (2, 3, 4):
                await kiosk.say("event", seq=seq, at=1.5, kind="bill-stacked", device="bills", data={"n": seq})
            while (await kiosk.hear("event_ack"))["seq"] < 4:
                pass
    expected = [("journal-1", n, "bill-stacked", "bills", json.dumps({"n": n}).encode()) for n in (1, 2, 3, 4)]
    assert expected == [(*row[:4], json.dumps(json.loads(row[4])).encode()) for row in stored(tmp_path)]


async def test_a_kiosk_that_lost_its_journal_counts_its_events_anew(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for journal in ("one", "two"):
            async with hub.kiosk(journal=journal) as kiosk:
                await kiosk.say("event", seq=1, at=1.5, kind="door", data={})
                assert (await kiosk.hear("event_ack"))["seq"] == 1
            await hub.gone()
    assert [row[:2] for row in stored(tmp_path)] == [("one", 1), ("two", 1)]


async def test_an_event_that_skips_is_taken_when_it_is_told_again(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        for seq, acknowledged in ((1, 1), (5, 1), (5, 5), (6, 6)):
            await kiosk.say("event", seq=seq, at=1.5, kind="door", data={})
            assert (await kiosk.hear("event_ack"))["seq"] == acknowledged
    assert [row[1] for row in stored(tmp_path)] == [1, 5, 6]


async def test_an_event_that_cannot_be_stored_is_not_acknowledged(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        async with broken(tmp_path, "events"):
            await kiosk.say("event", seq=1, at=1.5, kind="door", data={})
            assert await kiosk.heard() == []  # it has come
            await until(lambda: kiosk_is_quiet(hub))
            assert await kiosk.heard() == []
        await kiosk.say("event", seq=1, at=1.5, kind="door", data={})
        assert (await kiosk.hear("event_ack"))["seq"] == 1
    assert [row[1] for row in stored(tmp_path)] == [1]


def kiosk_is_quiet(hub: Running) -> bool:
    """Whether nothing of the kiosk's is being stored."""
    link = hub.services.links.get("kiosk_001")
    return link is not None and link.events_waiting is None


async def test_the_admin_key_opens_no_socket(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert await refusal(hub, ADMIN_KEY) == 4401
        assert await refusal(hub, hub.key) == 4401


async def test_a_goodbye_that_has_no_room_cuts_the_connection(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        link = hub.services.links.get("kiosk_001")
        assert link is not None
        assert isinstance(link.socket, KioskSocket)
        stream = link.socket._stream
        assert stream is not None
        stream.max_write_buffer_size = -1  # nothing more fits into it
        hub.services.links.close("kiosk_001", CloseCode.FORBIDDEN, "the kiosk is disabled")
        assert stream.closed()
        assert await kiosk.close_code() == 1006


async def test_nothing_of_the_handshake_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk():
        link = hub.services.links.get("kiosk_001")
        assert link is not None
        assert isinstance(link.socket, KioskSocket)
        assert "Authorization" not in link.socket.request.headers
        assert link.socket.request.connection is None
        assert link.socket.address == "127.0.0.1"
