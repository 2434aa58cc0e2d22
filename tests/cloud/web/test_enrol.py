"""`POST /enroll`: from a code to an operation, and what strangers, floods and deaths do to it."""

import asyncio
import base64
import json
import logging
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cloud.box import Box, enrolled, new_code
from tests.cloud.hub import PATIENCE, broken, database_of, rows, running, until
from tests.cloud.test_main import environment, serving
from tests.cloud.web.test_send import problem_of
from wire.enrolment import parse_code


async def test_from_a_code_to_an_operation(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=()) as hub:
        made = await hub.http.post("/admin/kiosks", json={"id": "kiosk_001", "name": "Entrance"}, headers=hub.admin)
        assert set(made.json()) >= {"token", "code", "code_good_until"}
        box = Box()
        told = await box.enrol(hub, made.json()["code"].lower().replace("-", " "))
        assert told == {"kiosk_id": "kiosk_001", "token": box.token, "name": "Entrance"}
        async with box.connected(hub) as kiosk, kiosk.serving():
            answer = await hub.send({"order": 1})
            assert (answer.status_code, answer.json()) == (200, {"echo": {"order": 1}})
            shown = (await hub.http.get("/admin/kiosks/kiosk_001", headers=hub.admin)).json()
            assert (shown["generation"], shown["code_good_until"], shown["enrolment"]["address"]) == (
                1,
                None,
                "127.0.0.1",
            )
        assert await hub.metric('kioskwire_enrolments_total{result="enrolled"}') == 1


async def test_an_old_socket_is_closed_and_an_old_token_dead(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as before:
        old = hub.token()
        box = await enrolled(hub)
        assert await before.close_code() == 4401
        async with hub.socket(old) as kiosk:
            assert await kiosk.close_code() == 4401
        async with box.connected(hub) as first:
            other = await enrolled(hub)
            assert await first.close_code() == 4401
            async with other.connected(hub):
                assert (await hub.http.get("/health")).json()["active_kiosks"] == 1


NO_REQUESTS: list[tuple[bytes, str]] = [
    (b"", "code"),
    (b"{}", "code"),
    (b"[]", "object"),
    (b"null", "object"),
    (b'"ABCD2345"', "object"),
    (b"\xff\xfe", "body"),
    (b"[" * 4000, "body"),
    (b'{"code": 7, "public_key": "x"}', "$.code"),
    (b'{"code": null, "public_key": "x"}', "$.code"),
    (b'{"code": ["ABCD2345"], "public_key": "x"}', "$.code"),
    (b'{"code": "ABCD-2345"}', "public_key"),
    (b'{"code": "ABCD-234O", "public_key": "x"}', "0 O 1 I L U"),
    (b'{"code": "ABCD-2345", "public_key": "' + b"A" * 43 + b'"}', "Ed25519"),
    (b'{"code": "\' OR 1=1 --", "public_key": "x"}', "8 letters"),
    ('{"code": "АВСD-2345", "public_key": "x"}'.encode(), "8 letters"),
    ('{"code": "ＡＢＣＤ２３４５", "public_key": "x"}'.encode(), "8 letters"),
    (b'{"code": "ABCD\\u00002345", "public_key": "x"}', "8 letters"),
    (b'{"code": "\\ud800", "public_key": "x"}', "body"),
    (b'{"code": "1", "public_key": "\\u0130"}', "public_key: "),
]


async def test_what_is_no_request_is_refused_in_words_and_costs_no_guess(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        code = await new_code(hub)
        for _ in range(2):  # of all: more than an address may guess
            for body, words in NO_REQUESTS:
                answer = await hub.http.post("/enroll", content=body)
                found = problem_of(answer), words in answer.json()["detail"]
                assert found == ("bad-request", True), (body[:60], answer.text)
        assert (await Box().ask(hub, code)).status_code == 200


async def test_both_mistakes_are_told_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        detail = (await hub.http.post("/enroll", json={"code": "x", "public_key": "y"})).json()["detail"]
        assert "code: a code is 8" in detail
        assert "public_key: a public key is" in detail


async def test_a_body_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for size in (5000, 100_000, 900_000):
            padded = {"code": "ABCD-2345", "public_key": "x", "padding": "x" * size}
            assert problem_of(await hub.http.post("/enroll", json=padded)) == "too-large"
        assert problem_of(await hub.http.get("/enroll")) == "method-not-allowed"


async def test_every_refusal_has_the_same_words_and_only_operators_learn_why(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("used", "replaced", "removed", "disabled")) as hub:
        codes = {kiosk: await new_code(hub, kiosk) for kiosk in ("used", "replaced", "removed", "disabled")}
        await Box().enrol(hub, codes["used"])
        await new_code(hub, "replaced")
        await hub.http.delete("/admin/kiosks/removed", headers=hub.admin)
        await hub.services.registry.enable("disabled", False)
        told = []
        for code in ("2222-2222", *codes.values()):
            answer = await Box().ask(hub, code)
            assert (answer.status_code, problem_of(answer)) == (403, "code-refused")
            told.append({**answer.json(), "request_id": ""})
        assert told == [told[0]] * 5
        lines = (await hub.http.get("/admin/enrolments?limit=5", headers=hub.admin)).json()["enrolments"]
        assert [(line["kiosk"], line["reason"]) for line in lines] == [
            ("disabled", "kiosk-disabled"),
            ("removed", "withdrawn"),
            ("replaced", "replaced"),
            ("used", "used"),
            (None, "unknown"),
        ]
        assert await hub.metric('kioskwire_enrolments_total{result="refused"}') == 5
        its = (await hub.http.get("/admin/kiosks/removed/enrolments", headers=hub.admin)).json()["enrolments"]
        assert {line["result"] for line in its} == {"made", "withdrawn", "refused"}


async def test_a_flood_of_guesses_is_429_with_retry_after_and_fills_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.kiosks.enrolment._WAITING_MAX", 130)  # none is turned away for the many before it,
    monkeypatch.setattr("cloud.web.enrol._TIMEOUT", PATIENCE)  # nor because they take long
    async with running(tmp_path, trust_proxy=True) as hub, hub.kiosk() as kiosk, kiosk.serving():

        async def guess(number: int) -> httpx.Response:
            address = f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"
            return await Box().ask(hub, "2222-2222", **{"X-Real-IP": address})

        began = time.monotonic()
        answers = await asyncio.gather(*(guess(number) for number in range(130)))
        more = (time.monotonic() - began) / 2  # come back meanwhile
        problems = [problem_of(answer) for answer in answers]
        assert 60 <= problems.count("code-refused") <= 61 + more, Counter(problems)
        assert problems.count("rate-limited") == 130 - problems.count("code-refused")
        assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 429)
        assert len(rows(tmp_path, "SELECT id FROM enrolments")) <= 100
        # Those who are enrolled, and their callers, notice nothing.
        assert (await hub.send({"order": 1})).status_code == 200
        assert await hub.metric('kioskwire_enrolments_total{result="limited"}') == problems.count("rate-limited") > 0


async def test_only_so_many_wait_for_their_turn_and_one_more_is_429_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, trust_proxy=True) as hub:
        enrolment = hub.services.enrolment

        async def guess(number: int) -> httpx.Response:
            return await Box().ask(hub, "2222-2222", **{"X-Real-IP": f"10.0.{number}.1"})

        async with enrolment._turn:
            waiting = [asyncio.create_task(guess(number)) for number in range(64)]
            await until(lambda: enrolment._waiting == 64)
            more = await guess(64)
            assert (problem_of(more), int(more.headers["retry-after"]) >= 1) == ("rate-limited", True)
        problems = Counter(problem_of(answer) for answer in await asyncio.gather(*waiting))
        assert problems["code-refused"] >= 60
        assert problems["code-refused"] + problems["rate-limited"] == 64
        assert enrolment._waiting == 0


async def test_a_turn_that_does_not_come_is_503_and_leaves_the_code_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as hub:
        code, box = await new_code(hub), Box()
        with monkeypatch.context() as short:
            short.setattr("cloud.web.enrol._TIMEOUT", 0.2)
            async with hub.services.enrolment._turn:
                answer = await box.ask(hub, code)
        assert (answer.status_code, problem_of(answer), answer.headers["retry-after"]) == (503, "hub-storage", "5")
        assert hub.services.enrolment._waiting == 0
        assert (await box.enrol(hub, code))["kiosk_id"] == "kiosk_001"


async def test_addresses_are_the_proxys_word_only_behind_one(tmp_path: Path) -> None:
    for trust, expected in ((True, "203.0.113.9"), (False, "127.0.0.1")):
        async with running(tmp_path / str(trust), trust_proxy=trust) as hub:
            await Box().ask(hub, await new_code(hub), **{"X-Forwarded-For": "203.0.113.9"})
            path = "/admin/kiosks/kiosk_001/enrolments"
            line = (await hub.http.get(path, headers=hub.admin)).json()["enrolments"][0]
            assert (line["result"], line["address"]) == ("enrolled", expected)


async def test_neither_code_nor_token_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(tmp_path) as hub:
        code = await new_code(hub)
        box = Box()
        await box.enrol(hub, code)
        await Box().ask(hub, code)
        text = (await hub.http.get("/metrics")).text + (await hub.http.get("/health")).text
        text += (await hub.http.get("/admin/kiosks/kiosk_001", headers=hub.admin)).text
        text += (await hub.http.get("/admin/enrolments", headers=hub.admin)).text
    said = text + "\n".join(str(record.__dict__) + record.getMessage() for record in caplog.records)
    assert "a code was refused" in said
    for secret in (code, parse_code(code), box.token, base64.b64encode(bytes(box.key)).decode()):
        assert secret not in said


async def test_a_database_that_fails_is_503_and_the_code_stays_good(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        code, box = await new_code(hub), Box()
        async with broken(tmp_path, "enrolments"):
            answer = await box.ask(hub, code)
            assert (answer.status_code, problem_of(answer)) == (503, "hub-storage")
            assert int(answer.headers["retry-after"]) > 0
        await box.enrol(hub, code)


async def test_of_two_boxes_with_one_code_exactly_one_gets_in(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for _ in range(5):
            code = await new_code(hub)
            boxes = [Box(), Box()]
            answers = await asyncio.gather(*(box.ask(hub, code) for box in boxes))
            assert sorted(answer.status_code for answer in answers) == [200, 403]
            winner, token = next((b, a.json()["token"]) for b, a in zip(boxes, answers, strict=True) if a.is_success)
            winner.token = token
            async with winner.connected(hub):
                pass
            await hub.gone()


async def test_a_kiosk_that_was_removed_and_registered_anew_is_another(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        box = await enrolled(hub)
        code = await new_code(hub)
        await hub.http.delete("/admin/kiosks/kiosk_001", headers=hub.admin)
        assert problem_of(await box.ask(hub, code)) == "code-refused"
        again = (await hub.http.post("/admin/kiosks", json={"id": "kiosk_001"}, headers=hub.admin)).json()
        assert problem_of(await box.ask(hub, code)) == "code-refused"
        assert again["enrolment"] is None
        await box.enrol(hub, again["code"])
        async with box.connected(hub):
            pass


async def test_the_audits_query_is_checked(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for limit in ("0", "-1", "1001", "x", "", "٣", "1" * 300):
            answer = await hub.http.get("/admin/enrolments", params={"limit": limit}, headers=hub.admin)
            assert problem_of(answer) == "bad-request", limit
        for path in ("/admin/kiosks/nobody/enrolments", "/admin/kiosks/a%20b/enrolments"):
            assert problem_of(await hub.http.get(path, headers=hub.admin)) == "unknown-kiosk"
        for path in ("/admin/kiosks/nobody/code", "/admin/kiosks/a%20b/code"):
            assert problem_of(await hub.http.post(path, headers=hub.admin)) == "unknown-kiosk"


async def ask_until_answered(url: str, body: dict[str, Any]) -> httpx.Response:
    """POST /enroll as a kiosk does that got no answer."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
        return await http.post("/enroll", json=body)


async def test_a_hub_that_dies_over_a_trade_gives_the_same_box_its_answer_later(tmp_path: Path) -> None:
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cloud", "kiosk", "add", "kiosk_001", "--json"),
        env=environment(tmp_path, DATABASE_URL=database_of(tmp_path)), cwd=tmp_path, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    code = json.loads((await command.communicate())[0])["code"]
    first, second = ({"code": code, "public_key": Box().public_key} for _ in range(2))
    # Before it is committed nothing has happened: who comes next has it. After, it is that box's.
    for moment, body in (("before", first), ("after", second)):
        async with serving(
            tmp_path, DATABASE_URL=database_of(tmp_path), KIOSKWIRE_CRASH_AT=f"hub.enrolment.trade.{moment}"
        ) as hub:
            with pytest.raises(httpx.TransportError):
                await ask_until_answered(hub.url, body)
            assert await hub.process.wait() == -signal.SIGKILL
        assert rows(tmp_path, "SELECT generation FROM kiosks") == [(0 if moment == "before" else 1,)]
    async with serving(tmp_path, DATABASE_URL=database_of(tmp_path)) as hub:
        refused = await ask_until_answered(hub.url, first)
        answers = [await ask_until_answered(hub.url, second) for _ in range(2)]
        assert (refused.status_code, [answer.status_code for answer in answers]) == (403, [200, 200])
        assert answers[0].json() == answers[1].json()
    assert rows(tmp_path, "SELECT generation FROM kiosks") == [(1,)]


async def test_a_running_hub_takes_a_code_that_the_command_made_just_now(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=()) as hub:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cloud", "kiosk", "add", "kiosk_009", "--json"),
            env=environment(tmp_path, DATABASE_URL=database_of(tmp_path)), cwd=tmp_path, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        code = json.loads((await process.communicate())[0])["code"]
        box = Box("kiosk_009")
        await box.enrol(hub, code)
        async with box.connected(hub):
            await until(lambda: hub.services.registry.get("kiosk_009") is not None)
