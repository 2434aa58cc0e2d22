"""docs/monitoring does what it says: asked of a real Prometheus that scrapes a real hub and a real appliance."""

import asyncio
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

import appliance.health.metrics
import cloud.metrics
from appliance.app import Appliance
from appliance.settings import load
from tests.appliance.supervisor.yard import Yard, well, yard
from tests.appliance.worlds import gateway
from tests.cloud.hub import Running, running, until
from tests.prometheus_server import MissingError, Server, program, running_prometheus
from wire.problems import CloseCode

PATIENCE = 60.0  # seconds
DIRECTORY = Path(__file__).parents[2] / "docs" / "monitoring"
README = (DIRECTORY / "README.md").read_text()
NAMES = ("hub.json", "fleet.json", "kiosk.json")
DASHBOARDS: dict[str, Any] = {name: json.loads((DIRECTORY / name).read_text()) for name in NAMES}
RULES = [rule for group in yaml.safe_load((DIRECTORY / "rules.yaml").read_text())["groups"] for rule in group["rules"]]
KINDS = {"stat", "timeseries", "table", "bargauge", "state-timeline"}
# Units of Grafana that are used; it shows the name of one that it does not know.
UNITS = {"short", "opm", "cpm", "cps", "reqps", "s", "percentunit", "bytes", "Bps", "bool_yes_no", "dtdurations"}


def panels(name: str) -> list[dict[str, Any]]:
    """All but the rows."""
    return [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"]


def expressions(name: str) -> list[str]:
    """Of all panels."""
    return [target["expr"] for panel in panels(name) for target in panel["targets"]]


def filled(expression: str) -> str:
    """As Grafana asks for it."""
    for variable, value in {"$instance": ".*", "$kiosk": "kiosk_001", "$__rate_interval": "1m"}.items():
        expression = expression.replace(variable, value)
    return expression


# The files by themselves


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_what_is_written_and_grafana_takes_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DIRECTORY))  # as of a script that is run there
    spec = importlib.util.spec_from_file_location("dashboards", DIRECTORY / "dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.all_of_them()[name] == (DIRECTORY / name).read_text(), "run docs/monitoring/dashboards.py"

    board = DASHBOARDS[name]
    assert "id" not in board  # of the Grafana it came from; it would take another's place
    assert board["uid"]
    assert board["schemaVersion"] >= 39
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert 0 <= at["x"] < at["x"] + at["w"] <= 24, panel["title"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"], (x, y)
    for panel in panels(name):
        assert panel["type"] in KINDS
        assert panel["title"].strip()
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in (panel, *panel["targets"]):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_is_there_and_used(name: str) -> None:
    there = {variable["name"] for variable in DASHBOARDS[name]["templating"]["list"]}
    text = json.dumps(DASHBOARDS[name]["panels"])
    used = set(re.findall(r"\$\{?([a-z]\w*)", text))
    assert used == there


def known() -> dict[str, dict[str, set[str]]]:
    """Job → series → its labels, of both programs; also of what has no value yet."""
    figures = appliance.health.metrics.DeviceFigures(
        device="x", role="x", state="x", up=True, skipped_bytes=0, repeats=0, circuit_open=False
    )
    kiosk = appliance.health.metrics.Metrics("1")
    kiosk.watch_devices(["x"], lambda: [figures])
    source = (DIRECTORY.parents[1] / "appliance" / "app.py").read_text()
    for name in (*re.findall(r'^ +watch\("(\w+)"', source, re.MULTILINE), "update_on_trial"):
        kiosk.watch(name, "words", lambda: 0.0)
    jobs = {"kioskwire-hub": cloud.metrics.Metrics().registry, "kioskwire-appliance": kiosk.registry}
    return {job: {**_series(registry), "up": set()} for job, registry in jobs.items()}


def _series(registry: CollectorRegistry) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for collector, names in registry._collector_to_names.items():
        for name in names:
            labels = set(getattr(collector, "_labelnames", ()))
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
        if not hasattr(collector, "_labelnames"):
            for family in collector.collect():
                found.update({sample.name: set(sample.labels) for sample in family.samples})
    return found


def test_every_series_asked_for_is_exposed_with_these_labels() -> None:
    series = known()
    asked = [*(e for name in NAMES for e in expressions(name)), *(rule["expr"] for rule in RULES)]
    queries = [
        v["definition"] for board in DASHBOARDS.values() for v in board["templating"]["list"] if "definition" in v
    ]
    for expression in (*asked, *queries):
        selected = re.findall(r"\b(kioskwire_\w+|up)\{([^}]*)\}", expression)
        assert selected, expression
        assert len(selected) == len(re.findall(r"\b(?:kioskwire_\w+|up)\b(?!-)", re.sub(r'"[^"]*"', "", expression)))
        allowed = {"job", "instance", "kiosk", "le", "fleet"}  # fleet: given by who scrapes several
        for name, labels in selected:
            matchers = dict(re.findall(r'(\w+)=~?"([^"]*)"', labels))
            of = series[matchers["job"]]
            assert name in of, expression
            assert matchers.keys() <= of[name] | {"job", "instance", "kiosk"}, expression
            allowed |= of[name]
        for grouping in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            assert {label.strip() for label in grouping.split(",")} <= allowed, expression


def test_every_alert_says_what_it_means_and_what_to_do_here_as_there() -> None:
    rows = set(re.findall(r"^\| (Kioskwire\w+) \| (\w+) \| (.+) \| (.+) \|$", README, re.MULTILINE))
    told = {
        (r["alert"], r["labels"]["severity"], r["annotations"]["description"], r["annotations"]["runbook"])
        for r in RULES
    }
    assert rows == told
    assert {severity for _, severity, _, _ in told} == {"critical", "warning"}
    assert all(rule["annotations"]["summary"].endswith(".") for rule in RULES)


def test_every_rule_is_tried_quiet_and_firing() -> None:
    files = ("rules_test.yaml", "rules_day_test.yaml")
    tried = [test for name in files for test in yaml.safe_load((DIRECTORY / name).read_text())["tests"]]
    for rule in RULES:
        cases = [case for test in tried for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
        assert {bool(case.get("exp_alerts")) for case in cases} == {True, False}, rule["alert"]


# With Prometheus


@pytest.fixture(scope="module")
def promtool() -> str:
    try:
        return program("promtool")
    except MissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    "command",
    [
        "check rules rules.yaml",
        "test rules rules_test.yaml rules_day_test.yaml",
        "check config prometheus.yaml",
        "check config --agent kiosk-agent.yaml",
    ],
)
def test_promtool_finds_nothing_wrong(promtool: str, command: str) -> None:
    done = subprocess.run(
        [promtool, *command.split()], cwd=DIRECTORY, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[tuple[Running, str, Yard]]:
    """A hub and an appliance that has done some operations; gives the appliance's address, and its devices."""
    async with (
        running(directory / "hub", kiosks=("kiosk_001", "kiosk_002")) as hub,
        gateway() as there,
        yard(directory) as devices,
    ):
        bills = {"driver": "ccnet", "port": await devices.put("bills", "ccnet"), "currency": "KZT"}
        routing = {"routes": {"payment": {"url": there.url}, "bills": {"device": "bills"}}, "devices": {"bills": bills}}
        (directory / "routing.yaml").write_text(yaml.safe_dump(routing))
        kiosk = Appliance(
            load(
                None,
                {
                    "WS_SERVER_URL": f"ws://127.0.0.1:{hub.hub.port}/ws",
                    "WS_TOKEN": hub.token(),
                    "ROUTING_CONFIG": str(directory / "routing.yaml"),
                    "STATE_DIR": str(directory / "state"),
                    "HEALTH_CHECK_PORT": "0",
                },
            )
        )
        url = await kiosk.start()
        try:
            await well(kiosk.supervisor, "bills")
            await until(lambda: (link := hub.services.links.get("kiosk_001")) is not None and link.ready)
            for number in range(3):
                assert (await hub.send({"n": number})).status_code == 200
            await hub.idle()
            async with hub.kiosk("kiosk_002"):
                pass
            async with hub.socket("not a token") as stranger:
                assert await stranger.close_code() == CloseCode.BAD_TOKEN
            yield hub, url, devices
        finally:
            await kiosk.stop()


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A directory with the shipped files."""
    directory = tmp_path / "prometheus"
    directory.mkdir()
    shutil.copy(DIRECTORY / "rules.yaml", directory)
    (directory / "kiosks").mkdir()
    return directory


def config(hub: str, kiosk: str, directory: Path) -> str:
    """The shipped configuration, with these addresses, in a hurry."""
    found = yaml.safe_load((DIRECTORY / "prometheus.yaml").read_text())
    found["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "500ms"}
    found["scrape_configs"][0]["static_configs"][0]["targets"] = [hub]
    [listed] = yaml.safe_load((DIRECTORY / "kiosks" / "example.yaml").read_text())
    (directory / "kiosks" / "one.yaml").write_text(yaml.safe_dump([{**listed, "targets": [kiosk]}]))
    return yaml.safe_dump(found)


# Series that begin once something happens which does not happen here.
BEGIN_LATER = {
    "kioskwire_callbacks_total": "a backend wants a callback",
    "kioskwire_alert_notices_total": "an alert is told",
    "kioskwire_telegram_calls_total": "there is a bot",
    "kioskwire_telemetry_pushes_total": "figures are pushed: tests/cloud/telemetry",
    "kioskwire_enrolments_total": "a code is brought",
    "kioskwire_update_troubles_total": "an update fails",
    "kioskwire_alerts_standing": "an alert stands",
}
# What a busy machine may bring about, and no mistake in a rule.
BY_TIME = {
    "KioskwireHubDatabaseSlow",
    "KioskwireHubLoopLag",
    "KioskwireApplianceSlow",
    "KioskwireApplianceUnsettled",
}


async def test_every_expression_is_answered_and_what_should_have_data_has(
    tmp_path: Path, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.kiosks.fleet._EVERY", 0.2)
    async with world(tmp_path) as (hub, url, devices):
        text = config(f"127.0.0.1:{hub.hub.port}", url.partition("//")[2], alone)
        try:
            with running_prometheus(alone, text, "--scrape.discovery-reload-interval=100ms") as prometheus:
                await _ask_all(prometheus)
                devices.do("bills", "unplug")
                await _see_it_missing(prometheus)
        except MissingError as missing:
            pytest.skip(str(missing))


async def _ask_all(prometheus: Server) -> None:
    async def ask(expression: str) -> Any:
        return await asyncio.to_thread(prometheus.ask, filled(expression))

    async def scraped() -> bool:
        return len(await ask("count_over_time(up[1m]) >= 3 and up == 1")) == 2

    await until(scraped, PATIENCE)
    for name in NAMES:
        for expression in expressions(name):
            found = await ask(expression)  # whatever it is: no error
            quiet = expression.endswith("== 0)") or any(series in expression for series in BEGIN_LATER)
            # What took longer than a scrape may is nowhere until the next one.
            assert found or quiet or await until(lambda: ask(expression), PATIENCE), (name, expression)  # noqa: B023

    async def is_quiet() -> bool:
        return {rule["alert"] for rule in RULES if await ask(rule["expr"])} <= BY_TIME

    await until(is_quiet, PATIENCE)
    told = await asyncio.to_thread(prometheus.get, "/api/v1/rules")
    health = {rule["name"]: rule["health"] for group in told["groups"] for rule in group["rules"]}
    assert health.keys() == {rule["alert"] for rule in RULES}
    assert set(health.values()) <= {"ok", "unknown"}  # unknown: not yet evaluated


async def _see_it_missing(prometheus: Server) -> None:
    """A device is gone: it stands in the table, and the rule waits for its time."""
    [expression] = [e for e in expressions("fleet.json") if "kioskwire_device_up" in e]

    async def seen() -> bool:
        [*gone] = await asyncio.to_thread(prometheus.ask, expression)
        told = await asyncio.to_thread(prometheus.get, "/api/v1/alerts")
        names = {alert["labels"]["alertname"] for alert in told["alerts"]}
        return "KioskwireDeviceDown" in names and [one["metric"]["kiosk"] for one in gone] == ["kiosk_001"]

    await until(seen, PATIENCE)
