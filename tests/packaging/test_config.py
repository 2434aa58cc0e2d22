"""The example settings are settings that both programs take."""

from pathlib import Path

import pytest

import appliance.settings
import cloud.settings
from wire.environment import SettingsError, describe

CONFIG = Path(__file__).parents[2] / "packaging" / "config"


def commented(path: Path) -> list[str]:
    """The names of the settings that the file shows commented out."""
    return [
        line[1:].partition("=")[0] for line in path.read_text().splitlines() if line[:1] == "#" and line[1:2].isupper()
    ]


def test_a_kiosk_takes_its_examples() -> None:
    directory = CONFIG / "appliance"
    loaded = appliance.settings.load(directory / ".env.example", {}, str(directory / "routing_config.yaml"))
    assert loaded.warnings == []
    assert loaded.routes.names() == ["fiscal", "payment", "default"]
    assert loaded.settings.ws_server_url == "wss://hub.example.com/ws"


def test_a_hub_takes_its_example_once_it_has_secrets() -> None:
    secrets = {"JWT_SECRET": "j" * 32, "ADMIN_KEY": "a" * 32}
    settings, warnings = cloud.settings.load(str(CONFIG / "hub" / ".env.example"), secrets)
    assert (settings.port, warnings) == (8000, [])


def test_a_hub_does_not_take_its_example_without_secrets() -> None:
    with pytest.raises(SettingsError) as raised:
        cloud.settings.load(str(CONFIG / "hub" / ".env.example"), {})
    assert [mistake.name for mistake in raised.value.mistakes] == ["JWT_SECRET"]


@pytest.mark.parametrize(
    ("program", "kind"), [("appliance", appliance.settings.Settings), ("hub", cloud.settings.Settings)]
)
def test_what_is_shown_commented_out_are_settings_too(program: str, kind: type) -> None:
    known = {setting.variable for setting in describe(kind)}
    assert set(commented(CONFIG / program / ".env.example")) - known == set()


INSTALLED = CONFIG / "appliance" / "appliance.env"
BY_THE_SERVICE = {"STATE_DIR", "ROUTING_CONFIG"}  # the unit sets them; a file could not


def shown(path: Path) -> dict[str, str]:
    """The settings that the file shows commented out, each with its value."""
    pairs = (line[1:].partition("=") for line in path.read_text().splitlines() if line[:1] == "#" and "=" in line)
    return {name: value for name, _, value in pairs if name.isupper()}


def test_the_installed_settings_show_every_one_with_its_default() -> None:
    known = {setting.variable: setting.default for setting in describe(appliance.settings.Settings)}
    told = shown(INSTALLED)
    assert told.keys() == known.keys() - BY_THE_SERVICE
    for name, default in known.items():
        if name in told and default != "not set":
            assert told[name] == default, name


def test_the_installed_settings_are_a_kiosks_that_is_new() -> None:
    directory = CONFIG / "appliance"
    loaded = appliance.settings.load(INSTALLED, {}, str(directory / "routing_config.yaml"))
    assert (loaded.warnings, loaded.settings.ws_server_url) == ([], "")


def test_every_value_that_the_installed_settings_show_is_one(tmp_path: Path) -> None:
    lines = [f"{name}={value}" for name, value in shown(INSTALLED).items() if name != "CA_FILE"]
    file = tmp_path / "all.env"
    file.write_text("\n".join(lines))
    loaded = appliance.settings.load(file, {}, str(CONFIG / "appliance" / "routing_config.yaml"))
    assert loaded.warnings == []
