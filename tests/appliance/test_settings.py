"""The settings: where they come from, and every mistake at once."""

from pathlib import Path

import pytest

from appliance.settings import effective, load
from wire.environment import SettingsError

GOOD = {"WS_SERVER_URL": "wss://hub.example.com/ws", "WS_TOKEN": "canary-token"}


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("routing_config.yaml").write_text("default: {url: 'http://127.0.0.1:8080'}\n")


def mistakes(environ: dict[str, str], env_file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(env_file, environ)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_the_environment_beats_the_file_and_the_file_the_default() -> None:
    Path(".env").write_text("WS_SERVER_URL=ws://file/ws\nWS_TOKEN='canary-token'\nexport LOG_LEVEL=debug\n")
    loaded = load(None, {"WS_SERVER_URL": "ws://environment/ws"})
    settings = loaded.settings
    assert (
        settings.ws_server_url, settings.log_level, settings.health_check_port
    ) == ("ws://environment/ws", "DEBUG", 9091)  # fmt: skip
    names = ("WS_SERVER_URL", "WS_TOKEN", "JOURNAL_MAX_MB")
    assert [loaded.origins.of(name) for name in names] == ["environment", ".env", "default"]
    shown = "\n".join(effective(loaded))
    assert "canary-token" not in shown
    assert "WS_TOKEN=<12 characters>  (.env)" in shown
    assert "default=http://127.0.0.1:8080" in shown


def test_a_routing_file_named_on_the_command_line_beats_all_and_is_said_to_come_from_there() -> None:
    Path("other.yaml").write_text("routes: {elsewhere: {url: 'http://h/x'}}")
    loaded = load(None, {**GOOD, "ROUTING_CONFIG": "nowhere.yaml"}, "other.yaml")
    assert loaded.routes.names() == ["elsewhere"]
    assert any(line == "ROUTING_CONFIG=other.yaml  (command line)" for line in effective(loaded))


def test_every_mistake_is_told_at_once_with_name_value_and_origin() -> None:
    Path(".env").write_text("HEALTH_CHECK_PORT=99999\nJOURNAL_MAX_MB=many\n")
    Path("routing_config.yaml").write_text("routes: {payment: {timeout: 0}}\n")
    found = mistakes({"WS_SERVER_URL": "http://x", "WS_TOKEN": "canary token", "PROXY_URL": "socks5://u:canary@h"})
    assert len(found) == 7
    assert [line.partition(":")[0].partition("=")[0] for line in found] == [
        "HEALTH_CHECK_PORT", "JOURNAL_MAX_MB", "WS_SERVER_URL", "WS_TOKEN", "PROXY_URL", "routes.payment.url",
        "routes.payment.timeout",
    ]  # fmt: skip
    assert "HEALTH_CHECK_PORT=99999: " in found[0]
    assert found[0].endswith("(from .env)")
    assert found[2].endswith("(from environment)")
    assert "canary" not in "".join(found)


def test_without_hub_and_token_there_is_nothing_wrong_as_the_kiosk_is_enrolled_later() -> None:
    settings = load(None, {}).settings
    assert (settings.ws_server_url, bool(settings.ws_token), bool(settings.enroll_code)) == ("", False, False)


def test_a_token_needs_its_hub() -> None:
    (found,) = mistakes({"WS_TOKEN": "canary-token"})
    assert found.startswith("WS_SERVER_URL=: is required where WS_TOKEN is set; right would be wss://")


def test_hub_and_code_may_be_written_as_people_do_and_both_mistakes_are_told_without_the_code() -> None:
    assert load(None, {"WS_SERVER_URL": "hub.example.com", "ENROLL_CODE": "abcd-2345"}).settings.enroll_code
    assert load(None, {"ENROLL_CODE": "ABCD-2345"}).warnings  # the command may be told the hub in another way
    found = mistakes({"WS_SERVER_URL": "ftp://hub?x", "ENROLL_CODE": "OIL0-1234"})
    assert [line.partition("=")[0] for line in found] == ["WS_SERVER_URL", "ENROLL_CODE"]
    assert "OIL0" not in "".join(found)


def test_a_settings_file_is_named_by_the_environment_unless_by_the_command_line(tmp_path: Path) -> None:
    Path(".env").write_text("HEALTH_CHECK_PORT=1\n")
    Path("named.env").write_text("HEALTH_CHECK_PORT=2\n")
    Path("given.env").write_text("HEALTH_CHECK_PORT=3\n")
    environ = {**GOOD, "KIOSKWIRE_ENV_FILE": str(tmp_path / "named.env")}
    ports = [load(given, environ).settings.health_check_port for given in (None, Path("given.env"))]
    assert ports == [2, 3]
    (found,) = mistakes({**GOOD, "KIOSKWIRE_ENV_FILE": "nowhere.env"})
    assert found.startswith("KIOSKWIRE_ENV_FILE=nowhere.env: cannot be read")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hub.example.com", "right would be wss://"),
        ("wss://", "names no host"),
        ("wss://user:canary@hub/ws", "credentials"),
        ("wss://hub/ws?token=canary", "WS_TOKEN"),
        ("wss://hub:port/ws", "is not a URL"),
    ],
)
def test_a_hub_that_cannot_be_is_told_without_its_secrets(url: str, words: str) -> None:
    (found,) = mistakes({**GOOD, "WS_SERVER_URL": url})
    assert words in found
    assert "canary" not in found


def test_a_name_in_the_file_that_is_no_setting_is_a_warning() -> None:
    Path(".env").write_text("HEALTH_CHECK_PROT=1\n")
    warnings = load(None, GOOD).warnings
    assert warnings == [".env: HEALTH_CHECK_PROT is not a setting; did you mean HEALTH_CHECK_PORT?"]


def test_a_file_that_was_named_must_be_there_and_be_readable() -> None:
    (found,) = mistakes(GOOD, Path("nowhere.env"))
    assert found.startswith("--env-file=nowhere.env: cannot be read")
    Path("bad.env").write_text("WS_TOKEN=a\nthis is = 'no line\n")
    assert any("line 2" in line for line in mistakes(GOOD, Path("bad.env")))


def test_a_certificate_file_without_certificate_is_a_mistake() -> None:
    Path("empty.pem").write_text("nothing")
    assert "holds no certificate" in mistakes({**GOOD, "CA_FILE": "empty.pem"})[0]
    assert "no such readable file" in mistakes({**GOOD, "CA_FILE": "gone.pem"})[0]


@pytest.mark.parametrize("variable", ["CA_FILE", "STATE_DIR", "LOG_DIR", "ROUTING_CONFIG"])
@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_name_that_no_file_can_have_is_a_mistake(tmp_path: Path, variable: str, name: str) -> None:
    (tmp_path / ".env").write_text(f"{variable}={name}\nWS_TOKEN=canary\n")
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / ".env", {})
    found = {mistake.name: mistake for mistake in caught.value.mistakes}
    assert {variable, "WS_SERVER_URL"} <= set(found)
    assert len(str(found[variable])) < 500


@pytest.mark.parametrize(
    "proxy",
    [
        "user:canary@proxy:3128",
        "http://user:ca/nary@proxy:3128",
        "user:canary@proxy",
        "http://user@proxy:3128",
        "http://user:canary@proxy:3128/proxy.pac",
    ],
)
def test_a_proxy_written_wrongly_does_not_show_its_password(tmp_path: Path, proxy: str) -> None:
    (tmp_path / ".env").write_text(f"PROXY_URL={proxy}\n")
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / ".env", {})
    assert "PROXY_URL" in str(caught.value)
    assert "nary" not in str(caught.value)


def test_mistakes_in_what_is_said_of_updates_are_told(tmp_path: Path) -> None:
    wrong = {
        "UPDATE_MODE": "yes", "UPDATE_URL": "ftp://u:canary@h/", "UPDATE_CHANNEL": "Stable!",
        "UPDATE_WINDOW": "2-5", "UPDATE_TRIAL": "1",
    }  # fmt: skip
    found = mistakes({**GOOD, **wrong})
    assert sorted(line.partition("=")[0] for line in found) == sorted(wrong)
    assert "canary" not in "".join(found)
    for url in ("https://h/updates?x=1", "https://user@h/updates", "https:///x", "https://h:0/", "http://[1/"):
        assert len(mistakes({**GOOD, "UPDATE_URL": url})) == 1, url
    good = load(None, {**GOOD, "UPDATE_URL": "http://127.0.0.1:8000/updates", "UPDATE_WINDOW": "23:30-04:00"}).settings
    assert (good.update_mode, good.update_channel, good.update_trial) == ("off", "stable", 180)
