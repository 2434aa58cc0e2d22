"""What all handlers share: errors leave as problems, headers keep answers where they belong."""

import logging
from pathlib import Path

import pytest

from tests.cloud.hub import broken, running
from tests.cloud.web.test_send import problem_of


async def test_what_is_nowhere_is_a_problem_of_its_own(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        answer = await hub.http.get("/nowhere?token=secret")
        assert problem_of(answer) == "not-found"
        assert "secret" not in answer.text


async def test_every_answer_carries_the_headers_that_keep_it_harmless(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for path in ("/health", "/metrics", "/openapi.json", "/docs", "/nowhere", "/operations"):
            headers = (await hub.http.get(path)).headers
            assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
            assert "server" not in headers
            assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_database_that_does_not_answer_is_503_and_not_a_traceback(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, broken(tmp_path, "operations"):
        answer = await hub.http.get("/operations", headers=hub.backend())
        assert problem_of(answer) == "hub-storage"
        assert "operations" not in answer.json()["detail"]
        one = await hub.http.get("/operations/some-request-id", headers=hub.backend())
        assert problem_of(one) == "hub-storage"


async def test_a_bug_is_500_told_in_the_log_and_not_to_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as hub:

        def fail(_self: object) -> None:
            raise RuntimeError("inner-workings")

        monkeypatch.setattr(type(hub.services.health), "report", fail)
        with caplog.at_level(logging.ERROR):
            answer = await hub.http.get("/health?token=canary-in-the-query")
        assert problem_of(answer) == "internal"
        assert "inner-workings" not in answer.text
        assert "inner-workings" in caplog.text
        assert "canary-in-the-query" not in caplog.text


async def test_who_asks_in_a_way_there_is_not_is_told_which_there_are(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for method, path, allowed in (
            ("GET", "/send", "POST"), ("TRACE", "/health", "GET"), ("PUT", "/admin/kiosks/x", "DELETE, GET, PATCH"),
            ("POST", "/operations", "GET"), ("DELETE", "/ws", "GET"),
        ):  # fmt: skip
            upgrade = {"Upgrade": "websocket"} if path == "/ws" else {}
            answer = await hub.http.request(method, path, headers={**hub.admin, **upgrade})
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path
            assert answer.json()["type"] == "method-not-allowed"
