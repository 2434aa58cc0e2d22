"""`POST /send` as a backend meets it: what goes to the kiosk, what comes back, and every problem that is told."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from cloud.operations.operation import BY_HAND
from tests.cloud.hub import running
from wire.problems import PROBLEMS


def problem_of(response: Any) -> str:
    """The problem an answer tells, after checking that it says of it what the table says."""
    body = response.json()
    kind = PROBLEMS[body["type"]]
    assert response.headers["content-type"] == "application/problem+json"
    # Who cannot read an operation learns nothing of its effect.
    outcome = "unknown" if response.request.url.path.startswith("/operations") else kind.outcome
    assert {"status": kind.status, "outcome": outcome, "title": kind.title} == {
        name: body[name] for name in ("status", "outcome", "title")
    }
    assert response.status_code == kind.status
    assert response.headers["x-request-id"] == body["request_id"]
    return body["type"]


async def test_the_kiosk_gets_the_request_and_the_backend_the_gateways_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending({"amount": 15000}, header_http_method="get")
        request = await kiosk.request()
        assert {**request, "start_within": None, "clock": None} == {
            "type": "request",
            "request_id": request["request_id"],
            "operation": "payment",
            "method": "GET",
            "headers": {
                "header-kiosk-id": "kiosk_001",
                "header-operation-type": "payment",
                "header-http-method": "GET",
            },
            "body": {"amount": 15000},
            "start_within": None,
            "clock": None,
        }
        assert 40 < request["start_within"] < 45
        await kiosk.answer(request, {"approved": True})
        answer = await asked
        assert (answer.status_code, answer.json()) == (200, {"approved": True})
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"] == request["request_id"]
        assert "idempotent-replayed" not in answer.headers
        assert await kiosk.hear() == {"type": "settled", "request_id": request["request_id"]}
        assert (await hub.operation(request["request_id"]))["answer"] == {"status": 200, "body": {"approved": True}}


async def test_method_and_start_within_have_their_defaults_on_the_wire(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending(b"", header_timeout="300")
        request = await kiosk.request()
        assert (request.get("method", "POST"), request.get("body", {})) == ("POST", {})
        assert 290 < request["start_within"] <= 299
        await kiosk.answer(request)
        assert (await asked).json() == {}


async def test_the_gateways_status_comes_back_as_it_is(tmp_path: Path) -> None:
    statuses = [201, 302, 400, 404, 500, 503]
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        answers = []
        for status in statuses:
            asked = hub.sending()
            await kiosk.answer(await kiosk.request(), {"status": status}, status)
            answers.append(await asked)
            await kiosk.hear("settled")
        assert [(status, {"status": status}) for status in statuses] == [(a.status_code, a.json()) for a in answers]
        assert {"application/json"} == {answer.headers["content-type"] for answer in answers}


async def test_a_body_is_passed_on_to_the_letter(tmp_path: Path) -> None:
    text = b'{"z": 1.10, "a":\t[12345678901234567890.123456789, "\\u00e9"], "request_id": "mine"}'
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending(text)
        request = json.loads(raw := str(await kiosk.socket.recv()))
        assert text.decode() in raw
        back = '{"z": 1.10, "big": 12345678901234567890.123456789}'
        head = f'{{"type":"response","request_id":"{request["request_id"]}","operation":"payment","executed":"yes"'
        await kiosk.say_raw(f'{head},"status":200,"body":{back}}}')
        assert (await asked).text == back


async def test_one_hundred_parallel_operations_are_not_mixed_up(tmp_path: Path) -> None:
    async with running(tmp_path, rate_limit_per_kiosk=0, rate_limit_per_key=0) as hub, hub.kiosk() as kiosk:
        sent = [hub.sending({"n": n}) for n in range(100)]
        requests: list[Any] = []
        while len(requests) < len(sent):
            try:
                requests.append(await kiosk.request())
            except TimeoutError:  # of one that was refused the kiosk never hears
                refused = [task.result().text for task in sent if task.done()]
                raise AssertionError(f"{len(requests)} of {len(sent)} came; refused: {refused}") from None
        for request in reversed(requests):
            await kiosk.answer(request, {"n": request["body"]["n"]})
        assert [{"n": n} for n in range(100)] == [answer.json() for answer in await asyncio.gather(*sent)]


async def test_the_answer_of_one_kiosk_is_never_given_for_another(tmp_path: Path) -> None:
    kiosks = tuple(f"kiosk_{n:03}" for n in range(20))
    async with running(tmp_path, kiosks=kiosks, rate_limit_per_key=0) as hub:

        async def one(name: str) -> Any:
            async with hub.kiosk(name) as kiosk, kiosk.serving(lambda _: {"kiosk": name}):
                return (await hub.send(kiosk=name)).json()

        assert [{"kiosk": name} for name in kiosks] == await asyncio.gather(*map(one, kiosks))


_MALFORMED: list[tuple[dict[str, str | None], bytes, str]] = [
    ({"Header-Kiosk-Id": None}, b"{}", "header-kiosk-id"),
    ({"Header-Operation-Type": None}, b"{}", "header-operation-type"),
    ({"Header-Kiosk-Id": "no spaces"}, b"{}", "Header-Kiosk-Id"),
    ({"Header-Kiosk-Id": "x" * 65}, b"{}", "Header-Kiosk-Id"),
    ({"Header-Operation-Type": "../etc"}, b"{}", "Header-Operation-Type"),
    ({"Header-Http-Method": "DELETE"}, b"{}", "Header-Http-Method"),
    ({"Header-Timeout": "0"}, b"{}", "header-timeout"),
    ({"Header-Timeout": "301"}, b"{}", "header-timeout"),
    ({"Header-Timeout": "nan"}, b"{}", "header-timeout"),
    ({"Header-Timeout": "soon"}, b"{}", "header-timeout"),
    ({"Header-Delivery": "later"}, b"{}", "header-delivery"),
    ({"Header-Delivery": "queue", "Header-Expires": "0"}, b"{}", "header-expires"),
    ({"Header-Delivery": "queue", "Header-Expires": "inf"}, b"{}", "header-expires"),
    ({"Idempotency-Key": "x" * 256}, b"{}", "idempotency-key"),
    ({"Idempotency-Key": ""}, b"{}", "Idempotency-Key"),
    ({}, b"[]", "JSON object"),
    ({}, b"{", "JSON object"),
    ({}, b'"text"', "JSON object"),
    ({}, b"\xff\xfe", "JSON object"),
    ({}, b'{"a": "\xff"}', "JSON object"),
    ({}, b"[" * 100_000, "JSON object"),
    ({}, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "JSON object"),
]


async def test_a_malformed_request_is_400_names_what_is_wrong_and_is_not_sent(tmp_path: Path) -> None:
    async with running(tmp_path, rate_limit_per_key=0) as hub, hub.kiosk() as kiosk:
        for headers, body, words in _MALFORMED:
            given = {**hub.backend(), "Header-Kiosk-Id": "kiosk_001", "Header-Operation-Type": "payment", **headers}
            answer = await hub.http.post(
                "/send", content=body, headers={name: value for name, value in given.items() if value is not None}
            )
            assert (problem_of(answer), True) == (
                "bad-request",
                words.casefold() in answer.json()["detail"].casefold(),
            ), (headers, body[:40])
        assert await kiosk.heard() == []


async def test_without_a_good_api_key_it_is_401(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        wrong = [
            None,
            "Bearer",
            "Bearer kw_00000000_nothing",
            f"Basic {hub.key}",
            f"Bearer {hub.key}x",
            "\xe9",
        ]
        for authorization in wrong:
            headers = {"Header-Kiosk-Id": "kiosk_001", "Header-Operation-Type": "payment"}
            if authorization is not None:
                headers["Authorization"] = authorization
            encoded = {name: value.encode("latin-1") for name, value in headers.items()}
            answer = await hub.http.post("/send", content=b"{}", headers=encoded)
            assert problem_of(answer) == "unauthorized", authorization
            assert answer.headers["www-authenticate"] == "Bearer"
        assert await kiosk.heard() == []


async def test_a_demo_hub_takes_requests_without_a_key_but_no_wrong_key(tmp_path: Path) -> None:
    async with running(tmp_path, demo=True) as hub, hub.kiosk() as kiosk, kiosk.serving():
        headers = {"Header-Kiosk-Id": "kiosk_001", "Header-Operation-Type": "payment"}
        assert (await hub.http.post("/send", headers=headers)).status_code == 200
        wrong = await hub.http.post("/send", headers={**headers, "Authorization": "Bearer kw_00000000_no"})
        assert problem_of(wrong) == "unauthorized"


async def test_an_unknown_kiosk_is_404(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert problem_of(await hub.send(kiosk="kiosk_999")) == "unknown-kiosk"


async def test_a_disabled_kiosk_is_403(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await hub.services.registry.enable("kiosk_001", False)
        assert problem_of(await hub.send()) == "kiosk-disabled"


async def test_a_route_the_kiosk_does_not_have_is_404_and_not_sent(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk(routes=("payment",)) as kiosk:
        assert problem_of(await hub.send(operation="fiscal")) == "unknown-operation"
        assert await kiosk.heard() == []


async def test_a_problem_the_kiosk_tells_is_told_to_the_backend(tmp_path: Path) -> None:
    async with running(tmp_path, rate_limit_per_kiosk=0) as hub, hub.kiosk() as kiosk:
        for name, kind in PROBLEMS.items():
            if name in BY_HAND:  # no kiosk speaks for a person
                continue
            asked = hub.sending()
            executed = "no" if kind.outcome == "not_executed" else "unknown"
            await kiosk.refuse(await kiosk.request(), name, executed, "in words")
            answer = await asked
            assert (problem_of(answer), answer.json()["detail"]) == (name, "in words")
            await kiosk.hear("settled")


@pytest.mark.parametrize(("executed", "outcome"), [("no", "not_executed"), ("unknown", "unknown")])
async def test_a_problem_unknown_to_the_hub_or_contradicting_the_kiosk_is_replaced(
    tmp_path: Path, executed: str, outcome: str
) -> None:
    """What the kiosk knows of the effect decides; a backend acts on `outcome` alone."""
    contrary = "timeout" if executed == "no" else "gateway-unreachable"
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        for name in ("of-a-later-version", contrary):
            asked = hub.sending()
            await kiosk.refuse(await kiosk.request(), name, executed)
            answer = await asked
            assert problem_of(answer) == ("gateway-unreachable" if executed == "no" else "interrupted")
            assert answer.json()["outcome"] == outcome
            await kiosk.hear("settled")


async def test_a_kiosk_never_seen_is_offline_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=60) as hub:
        answer = await hub.send()
        assert problem_of(answer) == "kiosk-offline"
        assert int(answer.headers["retry-after"]) > 0
        assert await hub.operations() == []


async def test_a_kiosk_that_was_here_a_moment_ago_is_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=60) as hub:
        async with hub.kiosk():
            pass
        await hub.gone()
        asked = hub.sending()
        async with hub.kiosk() as kiosk:
            await kiosk.answer(await kiosk.request(), {"late": False})
            assert (await asked).json() == {"late": False}


async def test_a_kiosk_that_does_not_come_back_within_the_grace_is_offline(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_reconnect_grace=0.2) as hub:
        async with hub.kiosk():
            pass
        await hub.gone()
        assert problem_of(await hub.send()) == "kiosk-offline"


async def test_no_answer_in_time_is_504_unknown(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_response_timeout=0.2) as hub, hub.kiosk() as kiosk:
        answer = await hub.send()
        assert problem_of(answer) == "timeout"
        request = await kiosk.request()
        found = await hub.operation_in(request["request_id"], "unknown")
        assert (found["final"], found["executed"], found["problem"]["type"]) == (False, None, "timeout")


async def test_header_timeout_rules_over_the_default(tmp_path: Path) -> None:
    async with running(tmp_path, kiosk_response_timeout=300) as hub, hub.kiosk():
        assert problem_of(await hub.send(header_timeout="1")) == "timeout"


async def test_a_caller_that_hangs_up_does_not_end_the_operation(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        asked = hub.sending()
        request = await kiosk.request()
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await kiosk.answer(request, {"paid": True})
        assert (await hub.operation_in(request["request_id"], "succeeded"))["answer"]["body"] == {"paid": True}


async def test_too_many_requests_with_one_key_are_429_and_another_key_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path, rate_limit_per_key=0.01) as hub, hub.kiosk() as kiosk, kiosk.serving():
        answers = [await hub.send() for _ in range(2)]
        assert answers[0].status_code == 200
        assert problem_of(answers[1]) == "rate-limited"
        assert 1 <= int(answers[1].headers["retry-after"]) <= 100
        _, other = await hub.services.keys.add("other")
        assert (await hub.send(api_key=other)).status_code == 200


async def test_too_many_operations_for_one_kiosk_are_429_and_another_kiosk_goes_on(tmp_path: Path) -> None:
    async with (
        running(tmp_path, kiosks=("kiosk_001", "kiosk_002"), rate_limit_per_kiosk=0.01) as hub,
        hub.kiosk() as one,
        hub.kiosk("kiosk_002") as two,
        one.serving(),
        two.serving(),
    ):
        answers = [await hub.send() for _ in range(2)]
        assert answers[0].status_code == 200
        assert problem_of(answers[1]) == "rate-limited"
        assert int(answers[1].headers["retry-after"]) >= 1
        assert (await hub.send(kiosk="kiosk_002")).status_code == 200


async def test_more_running_at_one_kiosk_than_allowed_are_429(tmp_path: Path) -> None:
    async with running(tmp_path, running_max_per_kiosk=2) as hub, hub.kiosk() as kiosk:
        first = [hub.sending(), hub.sending()]
        requests = [await kiosk.request() for _ in first]
        assert problem_of(await hub.send()) == "rate-limited"
        for request in requests:
            await kiosk.answer(request)
        await asyncio.gather(*first)
        await hub.idle()
        async with kiosk.serving():
            assert (await hub.send()).status_code == 200


async def test_every_problem_of_the_contract_has_its_row() -> None:
    """Status and outcome are the contract; a backend acts on them."""
    rows = {
        "bad-request": (400, "not_executed"),
        "unauthorized": (401, "not_executed"),
        "kiosk-disabled": (403, "not_executed"),
        "unknown-kiosk": (404, "not_executed"),
        "unknown-operation": (404, "not_executed"),
        "idempotency-conflict": (409, "not_executed"),
        "too-large": (413, "not_executed"),
        "rate-limited": (429, "not_executed"),
        "gateway-unreachable": (502, "not_executed"),
        "kiosk-offline": (503, "not_executed"),
        "timeout": (504, "unknown"),
        "kiosk-lost": (504, "unknown"),
        "expired": (504, "not_executed"),
    }
    assert rows == {name: (PROBLEMS[name].status, str(PROBLEMS[name].outcome)) for name in rows}
