"""A kiosk that was enrolled proves its key on every connection, before anybody makes room for it."""

from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.cloud.box import Box, enrolled
from tests.cloud.hub import Running, rows, running, until
from tests.cloud.web.test_socket import no_time_passes
from wire.enrolment import CHALLENGE_HEADER


async def code_of(hub: Running, token: str, box: Box | None, *, v2: bool = True, **hello: object) -> int | None:
    """The code that a connection ends with; None if it is welcome."""
    async with hub.socket(token, v2=v2) as kiosk:
        try:
            if v2:
                await kiosk.hello(**{"proof": box.proof_for(kiosk) if box else "", **hello})
            else:
                await kiosk.heard()
        except ConnectionClosed:
            return await kiosk.close_code()
        return None


async def test_every_connection_has_a_challenge_of_its_own(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        seen = set()
        for v2 in (True, False) * 3:
            async with hub.socket(v2=v2) as kiosk:
                assert kiosk.socket.response is not None
                challenge = kiosk.socket.response.headers[CHALLENGE_HEADER]
                assert len(challenge) == 32
                seen.add(challenge)
        assert len(seen) == 6


async def test_the_token_alone_lets_nobody_in(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        assert await code_of(hub, box.token, None) == 4401
        assert await code_of(hub, box.token, None, proof="A" * 86) == 4401
        assert await code_of(hub, box.token, Box()) == 4401  # another key
        assert await code_of(hub, box.token, None, v2=False) == 4401
        assert await code_of(hub, box.token, box, journal="journal-2") == 4401  # not what was signed
        assert await code_of(hub, box.token, box, boot_id="boot-2") == 4401
        assert await hub.metric("kioskwire_kiosk_connections_total") == 0
        assert await hub.metric('kioskwire_kiosk_refusals_total{code="4401"}') == 6
        assert await code_of(hub, box.token, box) is None


async def test_the_reason_is_said(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        for v2 in (True, False):
            async with hub.socket(box.token, v2=v2) as kiosk:
                if v2:
                    await kiosk.say("hello", version="1", boot_id="b")
                assert await kiosk.close_code() == 4401
                assert (kiosk.socket.close_reason or "").startswith("the kiosk does not prove its key")


async def test_a_proof_of_another_connection_is_worth_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        async with box.connected(hub) as kiosk:
            overheard = box.proof_for(kiosk)
        await hub.gone()
        assert await code_of(hub, box.token, None, proof=overheard) == 4401
        assert await code_of(hub, box.token, box) is None


async def test_a_proof_for_another_kiosk_is_worth_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub:
        box, other = await enrolled(hub, "kiosk_001"), await enrolled(hub, "kiosk_002")
        other.kiosk_id = "kiosk_001"  # signs as that one, with its own key
        assert await code_of(hub, box.token, other) == 4401
        other.kiosk_id = "kiosk_002"  # its own good proof, on a connection with the stolen token
        assert await code_of(hub, box.token, other) == 4401


async def test_who_proves_nothing_is_in_nobodys_way(tmp_path: Path) -> None:
    """Before the kiosk's hello, while it serves, and when it comes back: a stolen token disturbs nothing."""
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        async with hub.socket(box.token) as thief, hub.socket(box.token) as kiosk, hub.socket(box.token) as second:
            await box.hello(kiosk)
            pinged = hub.services.links.get("kiosk_001").pinged  # type: ignore[union-attr]
            for stranger in (thief, second):
                await stranger.say("hello", version="1", boot_id="boot-9", journal="journal-9", uptime=1e6)
                assert await stranger.close_code() == 4401
            link = hub.services.links.get("kiosk_001")
            assert link is not None
            assert (link.newcomer, link.pinged, link.ready, link.identity.conflict) == (None, pinged, True, None)
            async with kiosk.serving():
                assert (await hub.send({"order": 1})).status_code == 200


async def test_nothing_is_heard_before_the_proof(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        async with hub.socket(box.token) as kiosk:
            await kiosk.say_raw("rubbish")
            await kiosk.say("event", seq=1, at=1.5, kind="door", data={})
            await kiosk.say("of-a-later-version")
            await box.hello(kiosk)
            assert await kiosk.heard() == []
        assert rows(tmp_path, "SELECT seq FROM events") == []
        assert await hub.metric("kioskwire_kiosk_malformed_messages_total") == 1


async def test_who_says_no_hello_is_4400(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wire.session.HELLO_TIMEOUT", 0.2)
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        async with hub.socket(box.token) as kiosk:
            assert await kiosk.close_code() == 4400
        async with hub.socket(box.token) as kiosk:
            await kiosk.cut()


async def test_connections_that_prove_nothing_are_few(tmp_path: Path) -> None:
    async with running(tmp_path, trust_proxy=True) as hub:
        box = await enrolled(hub)
        waiting = [hub.socket(box.token) for _ in range(8)]
        for one in waiting:
            await one.__aenter__()
        async with hub.socket(box.token) as ninth:
            assert await ninth.close_code() == 4429
        for one in waiting:
            await one.__aexit__(None, None, None)
        assert await code_of(hub, box.token, box) is None


async def test_bad_proofs_are_counted_like_bad_tokens(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        no_time_passes(hub)
        codes = [await code_of(hub, box.token, None) for _ in range(25)]
        assert codes[:20] == [4401] * 20
        assert 4429 in codes[20:]
        assert await code_of(hub, box.token, box) is None  # who has the key is let in all the same


async def test_a_hello_said_again_carries_the_same_proof(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        async with box.connected(hub) as kiosk:
            given = {"version": "1.2.3", "boot_id": box.boot_id, "journal": box.journal, "routes": ["payment"]}
            await kiosk.say("hello", **given, proof=box.proof_for(kiosk))
            await kiosk.heard()
            assert hub.services.links.get("kiosk_001").hello.routes == ["payment"]  # type: ignore[union-attr]
            await kiosk.say("hello", **given)
            assert await kiosk.close_code() == 4401
        await hub.gone()
        async with box.connected(hub) as kiosk:
            await kiosk.say("hello", **{**given, "boot_id": "boot-2"}, proof=box.proof_for(kiosk))
            assert await kiosk.close_code() == 4401


async def test_a_kiosk_without_a_key_may_send_any_proof(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert await code_of(hub, hub.token(), Box()) is None
        await hub.gone()
        assert await code_of(hub, hub.token(), None, proof="rubbish") is None


async def test_a_token_by_hand_takes_the_key_away(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        async with box.connected(hub) as kiosk:
            answer = await hub.http.post("/admin/kiosks/kiosk_001/token", headers=hub.admin)
            assert (answer.status_code, answer.json()["enrolment"]) == (201, None)
            assert await kiosk.close_code() == 4401
        assert await code_of(hub, box.token, box) == 4401
        assert await code_of(hub, answer.json()["token"], None) is None
        await hub.gone()
        assert await code_of(hub, answer.json()["token"], None, v2=False) is None


async def test_its_right_is_looked_at_again_when_it_says_hello(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        for act, code in (("enrol another", 4401), ("disable", 4403)):
            box.token = hub.token()
            async with hub.socket(box.token) as kiosk:
                proof = box.proof_for(kiosk)
                if act == "disable":
                    await hub.services.registry.enable("kiosk_001", False)
                else:
                    await enrolled(hub)
                await kiosk.say("hello", version="1", boot_id="boot-1", journal="journal-1", proof=proof)
                assert await kiosk.close_code() == code


async def test_a_restarted_box_takes_its_place_with_a_proof(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        async with box.connected(hub) as first:
            await first.cut()
            async with box.twin(boot_id="boot-2").connected(hub) as again, again.serving():
                assert (await hub.send({"order": 1})).status_code == 200


async def test_a_cloned_image_is_noticed_and_stands_in_the_audit(tmp_path: Path) -> None:
    async with running(tmp_path, trust_proxy=True) as hub:
        box = await enrolled(hub)
        async with box.connected(hub):
            for journal, code in (("journal-1", 4411), ("journal-2", 4410)):
                twin = box.twin(journal=journal)
                async with twin.dialled(hub, **{"X-Real-IP": "203.0.113.9"}) as copy:
                    await twin.hello_unheard(copy)
                    assert await copy.close_code() == code

            async def noted() -> object:
                answer = await hub.http.get("/admin/kiosks/kiosk_001/enrolments", headers=hub.admin)
                return [line for line in answer.json()["enrolments"] if line["result"] == "cloned"]

            (line,) = await until(noted)  # type: ignore[misc]
            assert (line["address"], line["other_address"]) == ("127.0.0.1", "203.0.113.9")
            shown = (await hub.http.get("/admin/kiosks/kiosk_001", headers=hub.admin)).json()
            assert (shown["duplicate"]["other_address"], shown["enrolment"]["key"]) == ("203.0.113.9", line["key"])
            assert "two boxes" in (await hub.http.get("/health")).json()["reasons"][0]
