"""A hub pushes to a real Prometheus: what it is asked for there is what `/metrics` says."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cloud.telemetry import push
from tests.cloud.hub import Json, Running, running, until
from tests.cloud.telemetry.receiver import LOGIN, receiver
from tests.prometheus_server import MissingError, Server, running_prometheus
from wire.environment import Secret


@pytest.fixture
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        directory = tmp_path_factory.mktemp("prometheus")
        with running_prometheus(directory, "{}", "--web.enable-remote-write-receiver") as server:
            yield server
    except MissingError as missing:
        pytest.skip(str(missing))


def exposed(text: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The series of `/metrics` that do not move by themselves, by name and labels."""
    return {
        tuple(sorted({"__name__": sample.name, **sample.labels}.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created") and not family.name.startswith(_MOVING)
    }


# What the time or the asking itself changes.
_MOVING = (
    "kioskwire_event_loop",
    "kioskwire_telemetry",
    "kioskwire_http",
    "kioskwire_database",
)


async def test_what_is_pushed_is_what_metrics_says_and_a_receiver_may_be_away(
    tmp_path: Path, prometheus: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "cloud")
    monkeypatch.setattr(push, "EVERY", 0.1)
    monkeypatch.setattr(push, "pause", lambda *_: 0.05)
    async with receiver(behind=prometheus.url) as there:
        name, password = LOGIN
        told = {
            "grafana_prometheus_url": there.url,
            "grafana_prometheus_username": name,
            "grafana_prometheus_password": Secret(password),
            "public_url": "https://hub.example.com",
        }
        async with running(tmp_path, **told) as hub, hub.kiosk() as kiosk, kiosk.serving():
            for number in range(3):
                assert (await hub.send({"n": number})).status_code == 200
            await hub.idle()
            await until(lambda: len(there.pushes) >= 2)
            assert (await hub.http.get("/health")).json()["telemetry"] == "connected"
            text = (await hub.http.get("/metrics")).text
            assert password not in text
            wanted = exposed(text)
            # What is pushed just now may have been taken before.
            await until(lambda: pushed(prometheus).keys() >= wanted.keys())
            count = len(there.pushes)
            await until(lambda: len(there.pushes) >= count + 2)
            found = pushed(prometheus)
            assert (
                wanted[("__name__", "kioskwire_operations_total"), ("operation", "payment"), ("outcome", "succeeded")]
                == 3
            )
            assert {key: found.get(key) for key in wanted} == wanted

            prometheus.stop()
            there.reply = lambda: (502, {}, b"nobody behind")
            health = await until(lambda: _health(hub, "unreachable"))
            assert health["status"] == "healthy"
            assert (await hub.send({})).status_code == 200
            await hub.idle()
            await until(lambda: _waits(hub, 3))
            during = time.time()
            await until(lambda: _waits(hub, 5))
            prometheus.start()
            there.reply = lambda: None
            await until(lambda: _health(hub, "connected"))
            await until(lambda: _waits(hub, 0, 1))
            series = 'kioskwire_operations_total{outcome="succeeded"}'
            for at in (during, None):  # what was taken while nobody took it is there as well, at its own time
                assert [one["value"][1] for one in prometheus.ask(series, at)] == ["4"]
    assert password not in "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)


def pushed(prometheus: Server) -> dict[tuple[tuple[str, str], ...], float]:
    """The last of each series that the hub pushed."""
    found = {}
    for one in prometheus.ask('{job="kioskwire-hub", instance="hub.example.com"}'):
        labels = sorted((name, value) for name, value in one["metric"].items() if name not in {"job", "instance"})
        found[tuple(labels)] = float(one["value"][1])
    return found


async def _health(hub: Running, state: str) -> Json | None:
    report: Json = (await hub.http.get("/health")).json()
    return report if report["telemetry"] == state else None


async def _waits(hub: Running, least: int, most: float = 1e9) -> bool:
    return least <= await hub.metric("kioskwire_telemetry_waiting") <= most
