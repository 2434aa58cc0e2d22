"""Settings: environment over file, and every rule that holds across them."""

import importlib.util
import secrets
from pathlib import Path

import pytest

from cloud.settings import Settings, database_url, effective, is_loopback, load, signing_secret
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


def test_what_a_settings_file_cannot_be_is_a_mistake_like_others(tmp_path: Path) -> None:
    (tmp_path / "bad.env").write_bytes(b"JWT_SECRET=\xff\xfe\n")
    with pytest.raises(SettingsError, match="it is not UTF-8 text"):
        load(str(tmp_path / "bad.env"), {"JWT_SECRET": SECRET})
    with pytest.raises(SettingsError, match="ADMIN_KEY=<40 characters>: is not UTF-8 text"):
        load(None, {"JWT_SECRET": SECRET, "ADMIN_KEY": "\udcff" * 40})


@pytest.mark.parametrize("url", ["redis://:cana/ry@h", "redis://h:cana", "http://u:canary@h", "redis://h/0@canary"])
def test_an_address_of_redis_that_its_client_would_quote_is_a_mistake(url: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        load(None, {"JWT_SECRET": SECRET, "REDIS_URL": url})
    assert [mistake.name for mistake in wrong.value.mistakes] == ["REDIS_URL"]
    assert "cana" not in str(wrong.value)


def test_a_time_zone_that_is_none_is_a_mistake() -> None:
    with pytest.raises(SettingsError, match="TIMEZONE=Asia/Almata: is no time zone; did you mean Asia/"):
        load(None, {"JWT_SECRET": SECRET, "TIMEZONE": "Asia/Almata"})
    assert load(None, {"JWT_SECRET": SECRET, "TIMEZONE": "Asia/Almaty"})[0].timezone == "Asia/Almaty"
    assert load(None, {"JWT_SECRET": SECRET, "TIMEZONE": ""})[0].timezone == "UTC"


@pytest.mark.parametrize("url", ["redis://h", "rediss://u:canary@h:6380/1?ssl_cert_reqs=none&password=canary"])
def test_settings_in_force_are_shown_without_secrets(url: str) -> None:
    settings, _ = load(None, {"JWT_SECRET": "canary" * 9, "ADMIN_KEY": "canary" * 9, "REDIS_URL": url})
    shown = effective(settings)
    assert "canary" not in "\n".join(shown)
    assert ("REDIS_URL=redis://h" if url == "redis://h" else "REDIS_URL=rediss://…@h:6380/1") in shown


@pytest.mark.parametrize("url", ["sqlite+aiosqlite:///", "sqlite+aiosqlite:///:memory:", "sqlite+aiosqlite:///?a=b"])
def test_a_database_in_memory_would_forget_what_it_promised_to_keep(url: str) -> None:
    assert mistakes(DATABASE_URL=url) == ["DATABASE_URL"]
    assert load(None, {"JWT_SECRET": SECRET, "DATABASE_URL": "sqlite+aiosqlite:///x.db"})[1] == []


def test_a_demo_secret_whose_writing_was_cut_off_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(demo=True, state_dir=str(tmp_path))
    random = secrets.token_hex

    def cut_off(size: int) -> str:
        if size >= 32:
            raise KeyboardInterrupt
        return random(size)

    monkeypatch.setattr(secrets, "token_hex", cut_off)
    with pytest.raises(KeyboardInterrupt):
        signing_secret(settings)
    monkeypatch.setattr(secrets, "token_hex", random)
    made = signing_secret(settings)
    assert len(made) == 64
    assert signing_secret(settings) == made


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p%40x@h:6000/d?sslmode=require", "postgresql+asyncpg://u:p%40x@h:6000/d?ssl=require"),
        ("postgresql+asyncpg:///d?host=/run/postgresql", "postgresql+asyncpg:///d?host=/run/postgresql"),
        ("postgresql://u:p%40x@a,b:6/d", "postgresql+asyncpg://u:p%40x@/d?host=a:5432&host=b:6"),
        (
            "postgresql://u@/d?host=a&host=b&sslmode=require&target_session_attrs=read-write",
            "postgresql+asyncpg://u@/d?ssl=require&host=a:5432&host=b:5432",
        ),
        ("postgresql://a/d?target_session_attrs=primary", "postgresql+asyncpg://a/d"),
    ],
)
def test_postgresql_may_be_named_as_platforms_do(given: str, used: str) -> None:
    settings, warnings = load(None, {"JWT_SECRET": SECRET, "DATABASE_URL": given})
    assert (database_url(settings), warnings) == (used, [])
    assert "p%40x" not in "\n".join(effective(settings))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@h",
        "postgresql://h/",
        "postgresql:///d",
        "postgresql://h:port/d",
        "postgresql://u:canary@x@/d/e",
        "postgresql://h/d?options=-csearch_path%3Dx",
        "postgresql://h/d?sslmode=perhaps",
        "postgresql+psycopg://h/d",
        "postgresql://a,b:port/d",
        "postgresql://a,b/d?target_session_attrs=any",
        "postgresql://a/d?host=/run/postgresql",
        "mysql://h/d",
    ],
)
def test_a_database_that_cannot_be_used_is_a_mistake(url: str) -> None:
    assert mistakes(DATABASE_URL=url) == ["DATABASE_URL"]


def test_what_is_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    (tmp_path / ".env").write_text(f"JWT_SECRET_FILE={tmp_path / 'secret'}\n")
    settings, warnings = load(None, {})
    assert (settings.jwt_secret.reveal(), warnings) == (SECRET, [])
    (tmp_path / "url").write_text("postgresql://u:p@h/d")
    assert load(None, {"DATABASE_URL_FILE": str(tmp_path / "url")})[0].database_url == "postgresql://u:p@h/d"


def test_a_file_that_cannot_be_read_or_is_one_too_many_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    wrong = {"ADMIN_KEY_FILE": str(tmp_path / "none"), "JWT_SECRET_FILE": str(tmp_path / "secret")}
    assert mistakes(**wrong) == ["JWT_SECRET_FILE", "ADMIN_KEY_FILE"]


PUSH = "https://prometheus-prod-10.grafana.net/api/prom/push"


def test_where_figures_are_pushed_is_an_address_with_a_path_and_without_a_login() -> None:
    for url in (PUSH, "http://127.0.0.1:9090/api/v1/write", "https://mimir.example.com:8443/push?tenant=kiosks"):
        login = {"GRAFANA_PROMETHEUS_USERNAME": "12345", "GRAFANA_PROMETHEUS_PASSWORD": "glc_canary"}
        settings, _ = load(None, {"JWT_SECRET": SECRET, "GRAFANA_PROMETHEUS_URL": url, **login})
        assert settings.grafana_prometheus_url == url
        assert "canary" not in "\n".join(effective(settings))
        assert load(None, {"JWT_SECRET": SECRET, "GRAFANA_PROMETHEUS_URL": url})[0].grafana_prometheus_username == ""
    for url in (
        "grafana.net/api/prom/push",
        "https://grafana.net",
        "https://grafana.net/",
        "ftp://grafana.net/api/prom/push",
        "https://12345:canary@grafana.net/api/prom/push",
        "https://grafana.net:port/api/prom/push",
        "https://grafana.net/api/prom/push#there",
        "https://grafana.net/api prom",
        "https:///api/prom/push",
    ):
        with pytest.raises(SettingsError, match=r"GRAFANA_PROMETHEUS_URL=.*right would be: http") as wrong:
            load(None, {"JWT_SECRET": SECRET, "GRAFANA_PROMETHEUS_URL": url})
        assert "canary" not in str(wrong.value)


def test_who_pushes_figures_has_a_name_and_a_password_or_neither() -> None:
    url = {"GRAFANA_PROMETHEUS_URL": PUSH}
    name, password = "GRAFANA_PROMETHEUS_USERNAME", "GRAFANA_PROMETHEUS_PASSWORD"
    assert mistakes(**url, **{name: "12345"}) == [password]
    assert mistakes(**url, **{password: "glc_x"}) == [name]
    assert mistakes(**url, **{name: "1:2", password: "glc_x"}) == [name]
    assert mistakes(**{name: "12345", password: "glc_x"}) == ["GRAFANA_PROMETHEUS_URL"]


@pytest.mark.parametrize("missing", ["cramjam", "google.protobuf", "google"])
def test_what_pushing_needs_is_named_where_it_is_not_installed(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def find(name: str) -> object:
        if name == missing:
            return None
        if name.startswith(f"{missing}."):
            raise ModuleNotFoundError(name)
        return real(name)

    monkeypatch.setattr("importlib.util.find_spec", find)
    with pytest.raises(SettingsError, match=r"GRAFANA_PROMETHEUS_URL=.*pip install 'kioskwire\[hub\]'"):
        load(None, {"JWT_SECRET": SECRET, "GRAFANA_PROMETHEUS_URL": PUSH})


def test_the_dashboard_s_session_is_some_hours() -> None:
    assert load(None, {"JWT_SECRET": SECRET})[0].dashboard_session == 12
    for value in ("0", "721", "nan", "a day"):
        assert mistakes(DASHBOARD_SESSION=value) == ["DASHBOARD_SESSION"], value
