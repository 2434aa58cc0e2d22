"""/admin/operations/{request_id}/resolve."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cloud.hub import Running, rows, running
from tests.cloud.operations.test_resolving import left_unknown, unheard


async def resolve(hub: Running, request_id: str, body: Any, **headers: str) -> httpx.Response:
    address = f"/admin/operations/{request_id}/resolve"
    return await hub.http.post(address, json=body, headers=headers or hub.admin)


def told_of(answer: httpx.Response) -> str:
    """Its problem. That it cannot be settled says nothing of the operation's effect."""
    assert answer.json()["outcome"] == "unknown"
    return str(answer.json()["type"])


async def test_an_admin_settles_it_and_sees_it_as_the_backend_does(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request_id = await left_unknown(hub, kiosk)
        body = {"state": "succeeded", "why": "the bank has it"}
        answer = await resolve(hub, request_id, body)
        assert (answer.status_code, answer.json()) == (200, await hub.operation(request_id))
        assert answer.json()["resolution"]["by"] == "admin 127.0.0.1"
        assert (await resolve(hub, request_id, body)).json() == answer.json(), "said again"
        other = await resolve(hub, request_id, {**body, "state": "failed"})
        assert (told_of(other), other.json()["request_id"]) == ("conflict", request_id)
        events = await hub.http.get(f"/operations/{request_id}/events", headers=hub.backend())
        assert '"resolution":{"by":"admin 127.0.0.1"' in events.text
        assert rows(tmp_path, 'SELECT state, "by" FROM resolutions') == [("succeeded", "admin 127.0.0.1")]


async def test_what_stands_against_it_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request_id = (await unheard(hub, kiosk))["request_id"]
        body = {"state": "failed", "why": "x"}
        early = await resolve(hub, request_id, body)
        assert told_of(early) == "conflict"
        assert int(early.headers["retry-after"]) > 60
        assert told_of(await resolve(hub, "no-such-operation", body)) == "not-found"
        assert told_of(await resolve(hub, "short", body)) == "not-found"
        for wrong in ({}, {"state": "failed"}, {"state": "unknown", "why": "x"}, {**body, "why": ""}, {**body, "a": 1}):
            assert told_of(await resolve(hub, request_id, wrong)) == "bad-request"
        assert told_of(await resolve(hub, request_id, {**body, "why": " "})) == "bad-request"
        assert told_of(await resolve(hub, request_id, body, **hub.backend())) == "unauthorized"
        assert rows(tmp_path, "SELECT 1 FROM resolutions") == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_it_takes_post_alone(tmp_path: Path, method: str) -> None:
    async with running(tmp_path) as hub:
        answer = await hub.http.request(method, "/admin/operations/request-1/resolve", headers=hub.admin)
        assert answer.status_code == 405
