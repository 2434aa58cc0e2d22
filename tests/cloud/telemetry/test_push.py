"""Figures arrive at a receiver, also after bad days of it; and nothing waits for one."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cloud.metrics import Metrics
from cloud.telemetry import push
from cloud.telemetry.push import Telemetry
from tests.cloud.hub import PATIENCE, until
from tests.cloud.telemetry.receiver import LOGIN, receiver
from wire.environment import Secret

SERIES = "kioskwire_kiosks_connected"


@asynccontextmanager
async def pushing(url: str, password: str = LOGIN[1], **more: Any) -> AsyncIterator[Telemetry]:
    given: dict[str, Any] = {"username": LOGIN[0], "instance": "hub.example.com", "version": "1.2.3", "every": 0.03}
    metrics = Metrics()
    metrics.connected.set(7)
    async with Telemetry(metrics, url=url, password=Secret(password), **{**given, **more}) as telemetry:
        yield telemetry


def counted(telemetry: Telemetry, result: str) -> float:
    return telemetry._metrics.registry.get_sample_value("kioskwire_telemetry_pushes_total", {"result": result}) or 0.0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are a hundredth."""
    real = push.pause
    monkeypatch.setattr(push, "pause", lambda *given: real(*given) / 100)


@pytest.fixture(autouse=True)
def _no_secret_is_told(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    told = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "canary" not in told
    assert "Basic MTIz" not in told


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "cloud.telemetry.push"]


async def test_figures_arrive_with_the_protocol_s_headers(caplog: pytest.LogCaptureFixture) -> None:
    async with receiver() as there, pushing(there.url) as telemetry:
        await until(lambda: len(there.pushes) >= 3)
        assert telemetry.state == "connected"
        assert set(there.values(SERIES)) == {7.0}
        head = there.heads[0]
        assert head[""] == "POST /api/v1/write HTTP/1.1"
        assert head["content-encoding"] == "snappy"
        assert head["content-type"] == "application/x-protobuf"
        assert head["x-prometheus-remote-write-version"] == "0.1.0"
        assert head["user-agent"] == "kioskwire-hub/1.2.3"
        assert counted(telemetry, "pushed") >= 2
    assert lines(caplog) == []


@pytest.mark.usefixtures("quick")
async def test_a_receiver_that_is_away_gets_all_of_it_in_order_once_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with receiver() as there:
        there.reply = lambda: (503, {}, b"later")
        async with pushing(there.url) as telemetry:
            for number in range(5):
                telemetry._metrics.connected.set(number)
                waiting = len(telemetry._waiting)
                # Of the first that comes it may have been taken before.
                await until(lambda waiting=waiting: len(telemetry._waiting) > waiting + 1)
            assert telemetry.state == "unreachable"
            assert telemetry._metrics.registry.get_sample_value("kioskwire_telemetry_failing") == 1
            there.reply = lambda: (204, {}, b"")
            await until(lambda: len(there.pushes) > 6)
            assert counted(telemetry, "dropped") == 0
            assert telemetry._metrics.registry.get_sample_value("kioskwire_telemetry_failing") == 0
        values = there.values(SERIES)
        assert values == sorted(values)
        assert set(values) >= {1.0, 2.0, 3.0, 4.0}
    assert lines(caplog) == [
        "figures are not taken at GRAFANA_PROMETHEUS_URL, trying again",
        "figures are taken at GRAFANA_PROMETHEUS_URL again",
    ]


async def test_nobody_listens_and_the_oldest_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "_KEPT", 0.2)
    async with pushing("http://127.0.0.1:9/api/v1/write", every=0.02) as telemetry:
        await until(lambda: counted(telemetry, "dropped") >= 3)
        assert len(telemetry._waiting) <= 10
        assert telemetry._metrics.registry.get_sample_value("kioskwire_telemetry_waiting") == len(telemetry._waiting)
        assert telemetry.state == "unreachable"


async def test_what_is_refused_is_dropped_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with receiver() as there, pushing(there.url, password="glc_canary-of-another") as telemetry:
        await until(lambda: counted(telemetry, "refused") >= 4)
        assert telemetry.state == "refused"
        assert there.pushes == []
        assert len(telemetry._waiting) <= 1
    assert lines(caplog) == ["figures are refused at GRAFANA_PROMETHEUS_URL and dropped"]
    [record] = [record for record in caplog.records if record.name == "cloud.telemetry.push"]
    assert record.__dict__["status"] == 401
    assert record.__dict__["said"] == "no such login: Basic …"


async def test_who_asks_for_a_pause_gets_it() -> None:
    async with receiver() as there:
        replies = iter([(429, {"Retry-After": "2"}, b"")])
        there.reply = lambda: next(replies, (200, {}, b""))
        async with pushing(there.url) as telemetry:
            await until(lambda: telemetry.state == "connected")
            assert counted(telemetry, "failed") == 1
        refused_at, again_at = there.came_at[:2]
        assert again_at - refused_at >= 2.0  # of itself it would wait for one


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02 what\r\n\r\n",
        b"HTTP/1.1 200 X\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 200_000,
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
    ids=["noise", "endless", "chunks", "status", "nothing"],
)
async def test_garbage_is_no_answer_and_what_comes_after_it_is_one(garbage: bytes) -> None:
    async with receiver() as there:
        there.reply = lambda: garbage
        async with pushing(there.url) as telemetry:
            await until(lambda: telemetry.state == "unreachable")
            there.reply = lambda: (200, {}, b"")
            await until(lambda: telemetry.state == "connected")


async def test_a_slow_receiver_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as there:
        there.delay = 3600.0
        monkeypatch.setattr(push, "_TIMEOUT", 0.1)
        async with pushing(there.url) as telemetry:
            await until(lambda: telemetry.state == "unreachable")
    monkeypatch.setattr(push, "_TIMEOUT", 3600.0)
    monkeypatch.setattr(push, "_LAST_WITHIN", 0.1)
    async with receiver() as there:
        there.delay = 3600.0
        async with asyncio.timeout(PATIENCE), pushing(there.url):
            await until(lambda: there.heads)


async def test_the_last_figures_are_pushed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "_LAST_WITHIN", PATIENCE)
    async with receiver() as there:
        async with pushing(there.url, every=1000.0) as telemetry:
            await until(lambda: telemetry.state == "connected")  # it has heard that they were taken
            telemetry._metrics.connected.set(42)
        assert there.values(SERIES) == [7.0, 42.0]


async def test_without_a_login_none_is_sent() -> None:
    async with receiver() as there, pushing(there.url, username="", password=""):
        await until(lambda: there.heads)
        assert "authorization" not in there.heads[0]


async def test_a_redirect_is_not_followed() -> None:
    async with receiver() as there, receiver() as other:
        there.reply = lambda: (307, {"Location": other.url}, b"")
        async with pushing(there.url) as telemetry:
            await until(lambda: telemetry.state == "refused")
            await asyncio.sleep(0.1)
        assert other.heads == []
