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
