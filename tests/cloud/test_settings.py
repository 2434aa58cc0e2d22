"""Settings: environment over file, and every rule that holds across them."""

from pathlib import Path

import pytest

from cloud.settings import Settings, database_url, is_loopback, load
from wire.environment import Secret, SettingsError

SECRET = "x" * 32


def mistakes(**environ: str) -> list[str]:
    """The names of the settings that are wrong."""
    with pytest.raises(SettingsError) as wrong:
        load(None, {"JWT_SECRET": SECRET, **environ})
    return [mistake.name for mistake in wrong.value.mistakes]


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_environment_rules_over_the_file_and_an_empty_value_does_not(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"PORT=9000\nHOST=127.0.0.2\nJWT_SECRET={SECRET}\nLOG_LEVEL=debug\n")
    settings, warnings = load(None, {"PORT": "9001", "HOST": ""})
    assert (settings.port, settings.host, settings.log_level, warnings) == (9001, "127.0.0.2", "DEBUG", [])


def test_what_no_setting_is_called_is_told_with_the_one_meant(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"JWT_SECERT=abc\nJWT_SECRET={SECRET}\n")
    _, warnings = load(None, {})
    assert ["JWT_SECERT" in words and "JWT_SECRET" in words for words in warnings] == [True]


def test_every_mistake_is_found_at_once() -> None:
    wrong = {"PORT": "x", "DEMO": "perhaps", "KIOSK_RECONNECT_GRACE": "-1", "ADMIN_KEY": "a", "LOG_LEVEL": "loud"}
    assert set(wrong) == set(mistakes(**wrong))


@pytest.mark.parametrize("secret", ["", "x" * 31])
def test_a_missing_or_short_secret_is_a_mistake(secret: str) -> None:
    assert mistakes(JWT_SECRET=secret) == ["JWT_SECRET"]


def test_demo_mode_needs_no_secret_but_loopback() -> None:
    settings, _ = load(None, {"DEMO": "true"})
    assert (settings.demo, bool(settings.jwt_secret)) == (True, False)
    assert mistakes(DEMO="true", JWT_SECRET="short") == ["JWT_SECRET"]
    for host in ("0.0.0.0", "::", "192.168.1.5", "hub.example"):
        assert mistakes(DEMO="true", JWT_SECRET="", HOST=host) == ["DEMO"]
    assert [is_loopback(h) for h in ("localhost", "127.0.0.9", "::1", "not an address")] == [True, True, True, False]


def test_numbers_that_are_none_are_mistakes() -> None:
    for value in ("nan", "inf", "0", "301", "1e999"):
        assert mistakes(KIOSK_RESPONSE_TIMEOUT=value) == ["KIOSK_RESPONSE_TIMEOUT"], value
    for name in ("RATE_LIMIT_PER_KEY", "RATE_LIMIT_PER_KIOSK", "ACCEPT_RATE", "CALLBACK_FOR"):
        for value in ("nan", "-1"):
            assert mistakes(**{name: value}) == [name], (name, value)


def test_the_embedded_database_lies_in_the_state_directory(tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path))
    assert f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}" == database_url(settings)


def test_secrets_show_themselves_nowhere() -> None:
    settings = Settings(jwt_secret=Secret("canary-1"), admin_key=Secret("canary-2"))
    assert "canary" not in repr(settings)
    with pytest.raises(SettingsError) as wrong:
        load(None, {"JWT_SECRET": "canary", "ADMIN_KEY": "canary", "DATABASE_URL": "x://u:canary@h/d"})
    assert "canary" not in str(wrong.value)
