"""What the hub is deployed with agrees with the hub."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.settings import Settings, load
from wire.environment import describe

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "packaging" / "docker"
SECRETS = {"JWT_SECRET": "j" * 32, "ADMIN_KEY": "a" * 32}
_LINE = re.compile(r"^(#?)([A-Z][A-Z0-9_]*)=(.*)$")


def shown(path: Path) -> dict[str, tuple[bool, str]]:
    """Every setting in a file of settings: whether it is set there, and to what."""
    found = [match.groups() for line in path.read_text().splitlines() if (match := _LINE.match(line))]
    return {name: (not mark, value) for mark, name, value in found}


def test_the_example_at_the_top_has_every_setting_and_shows_its_default() -> None:
    lines = shown(ROOT / ".env.example")
    assert list(lines.keys() ^ {setting.variable for setting in describe(Settings)}) == []
    commented = {name: value for name, (is_set, value) in lines.items() if not is_set}
    settings, warnings = load(str(ROOT / ".env.example"), {**SECRETS, **commented})
    bare, _ = load(str(ROOT / ".env.example"), SECRETS)
    assert (settings, warnings) == (bare, [])
    assert bare == load(None, SECRETS)[0]


def test_the_server_s_settings_are_taken_once_there_is_a_secret() -> None:
    path = ROOT / "packaging" / "config" / "hub" / "hub.env"
    settings, warnings = load(str(path), SECRETS)
    assert (settings.trust_proxy, settings.port, warnings) == (True, 8000, [])
    assert shown(path).keys() <= {setting.variable for setting in describe(Settings)}


@pytest.fixture
def compose() -> Any:
    """The composition."""
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_the_composition_gives_the_hub_settings_it_knows(compose: Any) -> None:
    known = {setting.variable for setting in describe(Settings)}
    given = set(compose["services"]["hub"]["environment"])
    assert {name.removesuffix("_FILE") for name in given} <= known
    assert all(
        "build" in service or ":" in service["image"].partition("/")[2] for service in compose["services"].values()
    )


def test_the_composition_gives_every_optional_setting_of_these_rooms_and_none_is_set_by_itself(compose: Any) -> None:
    hub = compose["services"]["hub"]
    given = {name.removesuffix("_FILE"): value for name, value in hub["environment"].items()}
    rooms = ("TELEGRAM_", "ALERTS_", "DASHBOARD_", "GRAFANA_")
    wanted = {s.variable for s in describe(Settings) if s.variable.startswith(rooms)}
    assert wanted <= given.keys()
    for name in wanted:
        secret = f"/run/secrets/{name.lower()}"
        assert given[name] in {f"${{{name}:-}}", secret}
        assert given[name] != secret or name.lower() in hub["secrets"]
    settings, _ = load(None, {**SECRETS, **dict.fromkeys(wanted, "")})
    assert settings == load(None, SECRETS)[0]


def test_nothing_but_the_proxy_is_reached_from_outside(compose: Any) -> None:
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["caddy"]
    assert compose["networks"]["back"]["internal"]
    assert {name for name, service in compose["services"].items() if "back" in service["networks"]} == {
        "hub",
        "postgres",
        "redis",
    }
    for name, service in compose["services"].items():
        assert service["logging"]["options"].keys() >= {"max-size", "max-file"}, name
        assert service["restart"] == "unless-stopped", name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "memory" in service["deploy"]["resources"]["limits"], name
        assert "test" in service.get("healthcheck", {"test": ()}), name


def test_the_composition_of_two_hubs_is_that_of_one_and_a_hub_more(compose: Any) -> None:
    many = yaml.safe_load((DOCKER / "compose.many.yaml").read_text())
    assert [name for name in many["services"] if name.startswith("hub")] == ["hub-1", "hub-2"]
    one = {**compose["services"]}
    hub, caddy = one.pop("hub"), one.pop("caddy")
    for number, volume in ((1, "hub"), (2, "hub-2")):
        volumes = [each.replace("hub:/var", f"{volume}:/var") for each in hub["volumes"]]
        assert many["services"].pop(f"hub-{number}") == {**hub, "volumes": volumes}
    front = many["services"].pop("caddy")
    assert many["services"] == one
    assert front["environment"].pop("HUB_UPSTREAM").split() == ["hub-1:8000", "hub-2:8000"]
    assert front.pop("depends_on").keys() == {"hub-1", "hub-2"}
    assert front.pop("volumes")[0].startswith("./Caddyfile.many:")
    for name in ("depends_on", "volumes"):
        caddy.pop(name)
    caddy["environment"].pop("HUB_UPSTREAM")
    assert front == caddy
    assert many.pop("volumes") == {**compose["volumes"], "hub-2": {}}
    assert all(many[name] == compose[name] for name in ("networks", "secrets"))


def test_the_balancer_is_the_proxy_with_a_choice() -> None:
    one, many = ((DOCKER / name).read_text().splitlines() for name in ("Caddyfile", "Caddyfile.many"))
    added = [line.strip() for line in many if line not in one and not line.strip().startswith("#")]
    assert [line.partition(" ")[0] for line in added] == [
        "lb_policy",
        "health_uri",
        "health_interval",
        "health_timeout",
    ]
    assert [line for line in one if line not in many and not line.startswith("#")] == []
    # The same lines are in the book, for who has a Caddyfile of their own.
    assert [line for line in added if line not in (ROOT / "docs" / "deploy.md").read_text()] == []


def test_secrets_are_made_once_and_closed_to_others(compose: Any, tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    script.write_bytes((DOCKER / "secrets.sh").read_bytes())
    for _ in range(2):
        subprocess.run(["sh", script], check=True, timeout=60)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    subprocess.run(["sh", script], check=True, timeout=60)
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert {Path(secret["file"]).name for secret in compose["secrets"].values()} == set(made)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    by_file = {f"{name.upper()}_FILE": str(tmp_path / "secrets" / name) for name in made if name != "postgres_password"}
    settings, warnings = load(None, by_file)
    assert warnings == []
    assert made["postgres_password"] in settings.database_url
    assert settings.alerts_webhook_secret
    assert not settings.telegram_bot_token
    assert not settings.telegram_proxy_url
    assert not settings.grafana_prometheus_password


def test_secrets_are_kept_out_of_the_tree_and_the_builder() -> None:
    assert "/packaging/docker/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in {"#", ""}]
    assert lines[0] == "*"
    assert [line[1:] for line in lines if line[0] == "!" and not (ROOT / line[1:]).exists()] == []


def test_railway_builds_the_dockerfile_and_lets_one_hub_run_at_a_time() -> None:
    file = json.loads((ROOT / "railway.json").read_text())
    build, deploy = file["build"], file["deploy"]
    assert (ROOT / build["dockerfilePath"]).is_file()
    # Railway refuses a Dockerfile that declares volumes.
    instructions = [
        line.split()[0] for line in (ROOT / build["dockerfilePath"]).read_text().splitlines() if line.strip()
    ]
    assert "VOLUME" not in instructions
    assert (deploy["numReplicas"], deploy["overlapSeconds"], deploy["healthcheckPath"]) == (1, 0, "/health")
    assert deploy["drainingSeconds"] > 10
    assert f"STATE_DIR={deploy['requiredMountPath']}" in (ROOT / build["dockerfilePath"]).read_text()


def test_a_procfile_s_commands_are_the_hub_s() -> None:
    for line in (ROOT / "Procfile").read_text().splitlines():
        words = [word for word in line.partition(": ")[2].split() if "=" not in word]
        assert words in (["kioskwire-hub", "migrate"], ["kioskwire-hub", "serve"])
