"""The hub's settings: environment over `.env`, read once, every mistake at once.

Each field of `Settings` is the environment variable of the same name in upper case.
"""

import base64
import contextlib
import importlib.util
import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values

from cloud.redis_address import AddressError, missing_files, parse
from cloud.zones import NoZone, zone
from wire.crashpoint import crash_point
from wire.environment import Mistake, Secret, SettingsError, read, unknown

SECRET_MIN = 32
# A file, not the memory: what the hub has told its kiosks to forget would be gone with the process.
_SQLITE = re.compile(r"sqlite\+aiosqlite:///(?!:memory:)[^?\0]+")
# As platforms hand it out; the driver is ours to know.
_POSTGRESQL = re.compile(r"postgres(ql)?(\+asyncpg)?://")
_HOST_AND_PORT = re.compile(r"(?!/)[^:/?#\[\]@,]+:[0-9]{1,5}")
_SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_BY_FILE = (
    "JWT_SECRET",
    "ADMIN_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_PROXY_URL",
    "ALERTS_WEBHOOK_SECRET",
    "GRAFANA_PROMETHEUS_PASSWORD",
)
_WITH_LOGIN = {"redis_url", "database_url", "alerts_webhook_url", "grafana_prometheus_url"}
# As BotFather gives it out: the bot's id, and what proves that one speaks for it.
_BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{20,100}")
_CHAT = re.compile(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,63}")
_USER_IDS = re.compile(r"[0-9]{1,20}")


def _meta(words: str, ge: float | None = None, le: float | None = None) -> msgspec.Meta:
    return msgspec.Meta(description=words, ge=ge, le=le)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. Seconds unless the name says otherwise."""

    jwt_secret: Annotated[
        Secret, _meta(f"signs kiosk tokens; required but for DEMO; at least {SECRET_MIN} characters, kept for ever")
    ] = Secret()
    jwt_legacy_claim: Annotated[
        str, _meta("claim that holds the kiosk id in tokens a fleet already has, e.g. kiosk_id; not set: none accepted")
    ] = ""
    admin_key: Annotated[
        Secret, _meta(f"key of the admin API, at least {SECRET_MIN} characters; not set: no admin API")
    ] = Secret()
    host: Annotated[str, _meta("address to listen on; 0.0.0.0 for all")] = "127.0.0.1"
    port: Annotated[int, _meta("port to listen on, 0 to 65535; 0 takes a free one", ge=0, le=65535)] = 8000
    state_dir: Annotated[str, _meta("directory for what the hub keeps, the embedded database among it")] = "state"
    database_url: Annotated[
        str,
        _meta("postgresql://user:password@host/name, or sqlite+aiosqlite:///<file>; not set: hub.db in STATE_DIR"),
    ] = ""
    redis_url: Annotated[
        str,
        _meta(
            "redis://, redis+sentinel:// or redis+cluster:// URL (TLS: rediss://…), where several hubs meet; with "
            "PostgreSQL they serve the same kiosks, see docs/scale.md"
        ),
    ] = ""
    processes: Annotated[
        int, _meta("hubs that `serve` runs here on one port, 1 to 64; several need REDIS_URL and PostgreSQL", 1, 64)
    ] = 1
    drain_for: Annotated[
        float, _meta("how long a hub that ends sends its kiosks to other hubs, where there are some, 0 to 300", 0, 300)
    ] = 10.0
    timezone: Annotated[
        str, _meta("time zone that people are told times in, by the bot and its alerts, such as Asia/Almaty")
    ] = "UTC"
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], _meta("one of DEBUG, INFO, WARNING, ERROR")] = (
        "INFO"
    )
    kiosk_response_timeout: Annotated[
        float, _meta("how long POST /send waits when Header-Timeout says nothing, 1 to 300", ge=1, le=300)
    ] = 45.0
    kiosk_reconnect_grace: Annotated[
        float, _meta("how long a kiosk that broke off may stay away before callers are told, 0 to 60", ge=0, le=60)
    ] = 5.0
    rate_limit_per_key: Annotated[float, _meta("requests a second for each API key; 0: no limit", ge=0)] = 200.0
    rate_limit_per_kiosk: Annotated[float, _meta("operations a second to each kiosk; 0: no limit", ge=0)] = 50.0
    accept_rate: Annotated[float, _meta("new kiosk sockets a second before 503 is answered; 0: no limit", ge=0)] = 500.0
    queue_max_per_kiosk: Annotated[
        int,
        _meta(
            "operations kept for an absent kiosk (Header-Delivery: queue); hubs asked at once may pass it a little",
            ge=1,
        ),
    ] = 1000
    running_max_per_kiosk: Annotated[int, _meta("operations running at one kiosk at a time", ge=1)] = 500
    operations_keep_days: Annotated[
        int, _meta("days an operation is kept from its beginning; at least 30, as idempotency keys are", ge=30)
    ] = 90
    callback_for: Annotated[float, _meta("how long a callback is tried again, seconds", ge=0)] = 86400.0
    updates_dir: Annotated[str, _meta("directory of channels with new versions for kiosks; not set: none served")] = ""
    updates_max: Annotated[int, _meta("downloads of new versions at a time before 503 is answered", ge=1)] = 200
    updates_rate: Annotated[
        float, _meta("megabytes a second that all downloads together may take; 0: no limit", ge=0)
    ] = 20.0
    rollout_failures_max: Annotated[
        int, _meta("kiosks that may fail with a version before its rollout is paused", ge=0)
    ] = 2
    rollout_failures_percent: Annotated[
        float, _meta("or percent of those that took it, if that is more, 0 to 100", ge=0, le=100)
    ] = 5.0
    public_url: Annotated[
        str,
        _meta(
            "https address at which kiosks and people reach this hub: in links and settings for operators; with it the "
            "dashboard's cookies are for https alone"
        ),
    ] = ""
    telegram_bot_token: Annotated[Secret, _meta("token of the Telegram bot; not set: no bot")] = Secret()
    telegram_admin_ids: Annotated[
        str, _meta("Telegram user ids of those whom the bot obeys, separated by commas; empty: nobody")
    ] = ""
    telegram_language: Annotated[
        Literal["en", "ru"], _meta("the bot's language, en or ru, for who has not chosen one with /language")
    ] = "en"
    telegram_api_url: Annotated[str, _meta("address of the Bot API, for a local Bot API server or an emulator")] = (
        "https://api.telegram.org"
    )
    telegram_proxy_url: Annotated[
        Secret, _meta("HTTP proxy to reach Telegram through: http://[user:password@]host:port; not set: none")
    ] = Secret()
    telegram_webhook_url: Annotated[
        str, _meta("https address at which Telegram reaches this hub, ending in /telegram; not set: long polling")
    ] = ""
    telegram_log_chat_id: Annotated[
        str, _meta("chat that gets one message an operation, such as -1001234567890; not set: no operation log")
    ] = ""
    telegram_log_topic_id: Annotated[int, _meta("topic of that chat, where it has topics; 0: none", ge=0)] = 0
    telegram_log_rate: Annotated[
        float,
        _meta(
            "messages a minute up to which operations are shown one by one, else in digests, 1 to 1200", ge=1, le=1200
        ),
    ] = 20.0
    telegram_alert_chat_id: Annotated[
        str, _meta("chat that gets alerts; not set: each of TELEGRAM_ADMIN_IDS in private")
    ] = ""
    telegram_alert_topic_id: Annotated[int, _meta("topic of that chat, where it has topics; 0: none", ge=0)] = 0
    alerts_config: Annotated[
        str, _meta("YAML file with rules for alerts, quiet hours and escalation; not set: the rules that are built in")
    ] = ""
    alerts_webhook_url: Annotated[str, _meta("http(s) address that alerts are sent to as well, signed")] = ""
    alerts_webhook_secret: Annotated[
        Secret, _meta("signs alerts for that address: whsec_ and base64, by Standard Webhooks; required with it")
    ] = Secret()
    dashboard_session: Annotated[
        float, _meta("hours after which who is signed in at the dashboard must do so again, 0.1 to 720", ge=0.1, le=720)
    ] = 12.0
    grafana_prometheus_url: Annotated[
        str, _meta("where this hub's figures are pushed by Prometheus remote write, such as Grafana Cloud; not set: no")
    ] = ""
    grafana_prometheus_username: Annotated[str, _meta("user name there; Grafana Cloud calls it the instance id")] = ""
    grafana_prometheus_password: Annotated[Secret, _meta("password or token there")] = Secret()
    trust_proxy: Annotated[bool, _meta("true believes X-Forwarded-For and X-Real-IP, behind a proxy only")] = False
    demo: Annotated[
        bool, _meta("true: no JWT_SECRET and no API key needed, HOST must be loopback; for trying the hub out")
    ] = False


def load(env_file: str | None = None, environ: Mapping[str, str] | None = None) -> tuple[Settings, list[str]]:
    """Read the settings; returns them with warnings. Raises `SettingsError` with every mistake.

    What is secret may stand in a file of its own: JWT_SECRET_FILE names the one that holds JWT_SECRET, and so on.
    `env_file` None reads `.env` in the working directory if there is one; a file named must exist.
    """
    settings, mistakes, warnings = examine(env_file, environ)
    if mistakes or settings is None:
        raise SettingsError(mistakes)
    return settings, warnings


def examine(
    env_file: str | None, environ: Mapping[str, str] | None = None
) -> tuple[Settings | None, list[Mistake], list[str]]:
    """The same for who looks for mistakes: what could be read, perhaps without what is wrong; mistakes; warnings."""
    environ = os.environ if environ is None else environ
    path = Path(env_file or ".env")
    mistakes = []
    from_file: dict[str, str] = {}
    if path.is_file():
        try:
            from_file = {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            mistakes.append(Mistake("--env-file", str(path), f"cannot be read: {reason}"))
    elif env_file is not None:
        mistakes.append(Mistake("--env-file", env_file, "there is no such file"))
    named = [name for name in from_file if name.removesuffix("_FILE") not in _BY_FILE]
    warnings = [f"{path}: {sentence}" for sentence in unknown(Settings, named)]
    source = {**from_file, **{name: value for name, value in environ.items() if value.strip()}}
    mistakes += _read_files(source)
    source["LOG_LEVEL"] = source.get("LOG_LEVEL", "").upper()
    settings, found = read(Settings, source)
    mistakes += found
    if settings is None:
        # The rules across settings need values: check them on what could be read.
        bad = {mistake.name for mistake in found}
        settings, _ = read(Settings, {name: value for name, value in source.items() if name not in bad})
    if settings is not None:
        mistakes += _check(settings)
    return settings, mistakes, warnings


def effective(settings: Settings) -> list[str]:
    """The settings in force, one a line, secrets masked."""
    lines = []
    for field in msgspec.structs.fields(settings):
        value: Any = getattr(settings, field.name)
        if field.name in _WITH_LOGIN and not value.startswith("sqlite"):
            value = _without_login(value)
        lines.append(f"{field.name.upper()}={value}")
    return lines


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def database_url(settings: Settings) -> str:
    """The database to use as SQLAlchemy names it, the embedded one when none is named."""
    if _POSTGRESQL.match(settings.database_url):
        return _postgresql(settings.database_url)
    return settings.database_url or f"sqlite+aiosqlite:///{Path(settings.state_dir).absolute() / 'hub.db'}"


def is_shared(settings: Settings) -> bool:
    """Whether other hubs may serve the same kiosks: they meet in Redis, and keep what matters in PostgreSQL."""
    return bool(settings.redis_url) and bool(_POSTGRESQL.match(settings.database_url))


def signing_secret(settings: Settings) -> str:
    """What signs tokens. In demo mode without JWT_SECRET a random one, kept so that tokens survive a restart."""
    if settings.jwt_secret:
        return settings.jwt_secret.reveal()
    path = Path(settings.state_dir) / "demo-jwt-secret"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Under its name only once it is whole: who finds half a secret, or an empty one, would sign with that.
        whole = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with open(whole, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        crash_point("hub.settings.secret.before")
        with contextlib.suppress(FileExistsError):  # another process was quicker
            os.link(whole, path)
        crash_point("hub.settings.secret.after")
        whole.unlink()
    return path.read_text().strip()


def _check(settings: Settings) -> list[Mistake]:
    mistakes = []
    secret = settings.jwt_secret.reveal()
    if settings.demo and not is_loopback(settings.host):
        mistakes.append(Mistake("DEMO", "true", f"demo mode listens on loopback only, and HOST is {settings.host}"))
    if len(secret) < SECRET_MIN and not (settings.demo and not secret):
        why = "is required" if not secret else "is too short"
        right = f"at least {SECRET_MIN} random characters, e.g. from: openssl rand -hex 32"
        mistakes.append(Mistake("JWT_SECRET", repr(settings.jwt_secret), f"{why}; right would be: {right}"))
    if settings.admin_key and len(settings.admin_key.reveal()) < SECRET_MIN:
        right = f"at least {SECRET_MIN} random characters, e.g. from: openssl rand -hex 32"
        mistakes.append(Mistake("ADMIN_KEY", repr(settings.admin_key), f"is too short; right would be: {right}"))
    if settings.database_url and (right := _wrong_database(settings.database_url)):
        mistakes.append(Mistake("DATABASE_URL", _scheme(settings.database_url), f"right would be: {right}"))
    if settings.redis_url and (right := _wrong_redis(settings.redis_url)):
        mistakes.append(Mistake("REDIS_URL", _scheme(settings.redis_url), f"right would be: {right}"))
    if settings.processes > 1 and not is_shared(settings):
        missing = [] if settings.redis_url else ["REDIS_URL=redis://…"]
        if not _POSTGRESQL.match(settings.database_url):
            missing.append("DATABASE_URL=postgresql://…")
        right = f"1, which needs neither, or with it {' and '.join(missing)}"
        words = f"several hubs meet in Redis and keep what matters in PostgreSQL; right would be: {right}"
        mistakes.append(Mistake("PROCESSES", str(settings.processes), words))
    try:
        zone(settings.timezone)
    except NoZone as error:
        mistakes.append(Mistake("TIMEZONE", settings.timezone, str(error)))
    return mistakes + _check_telegram(settings) + _check_alerts(settings) + _check_telemetry(settings)


def _check_telegram(settings: Settings) -> list[Mistake]:
    mistakes = []
    s = settings
    token = s.telegram_bot_token.reveal()
    if token and not _BOT_TOKEN.fullmatch(token):
        right = "as BotFather gives it: digits, a colon, and some 35 letters, digits, - and _"
        mistakes.append(Mistake("TELEGRAM_BOT_TOKEN", repr(s.telegram_bot_token), f"right would be: {right}"))
    if token and importlib.util.find_spec("telegram") is None:
        right = "to install what the bot needs first: pip install 'kioskwire[hub]'"
        mistakes.append(Mistake("TELEGRAM_BOT_TOKEN", repr(s.telegram_bot_token), f"right would be: {right}"))
    if wrong := [part for part in _listed(s.telegram_admin_ids) if not _USER_IDS.fullmatch(part)]:
        right = "user ids, which are numbers (the bot tells whoever asks), separated by commas"
        mistakes.append(Mistake("TELEGRAM_ADMIN_IDS", ", ".join(wrong), f"right would be: {right}"))
    for name in ("telegram_log_chat_id", "telegram_alert_chat_id"):
        if (chat := getattr(s, name)) and not _CHAT.fullmatch(chat):
            mistakes.append(Mistake(name.upper(), chat, "right would be: a number such as -1001234567890, or @name"))
    if not _is_url(s.telegram_api_url, "http", "https"):
        mistakes.append(
            Mistake("TELEGRAM_API_URL", _scheme(s.telegram_api_url), "right would be: http(s)://host[:port]")
        )
    proxy = s.telegram_proxy_url.reveal()
    if proxy and not _is_url(proxy, "http", "https"):
        right = "http://[user:password@]host:port"
        mistakes.append(Mistake("TELEGRAM_PROXY_URL", _scheme(proxy), f"right would be: {right}"))
    hook = s.telegram_webhook_url
    if hook and not (_is_url(hook, "https", *(["http"] if s.demo else [])) and urlsplit(hook).path == "/telegram"):
        mistakes.append(Mistake("TELEGRAM_WEBHOOK_URL", _scheme(hook), "right would be: https://host/telegram"))
    if s.public_url and not _is_url(s.public_url, "https", "http"):
        mistakes.append(Mistake("PUBLIC_URL", _scheme(s.public_url), "right would be: https://host"))
    return mistakes


def _check_alerts(settings: Settings) -> list[Mistake]:
    mistakes = []
    s = settings
    if s.alerts_webhook_url and not _is_url(s.alerts_webhook_url, "http", "https"):
        right = "http(s)://host[:port]/path"
        mistakes.append(Mistake("ALERTS_WEBHOOK_URL", _scheme(s.alerts_webhook_url), f"right would be: {right}"))
    secret = s.alerts_webhook_secret.reveal()
    right = "whsec_ and the base64 of 24 to 64 random bytes, e.g. from: echo whsec_$(openssl rand -base64 32)"
    if s.alerts_webhook_url and not secret:
        mistakes.append(Mistake("ALERTS_WEBHOOK_SECRET", "", f"is required with ALERTS_WEBHOOK_URL; {right}"))
    elif secret and not _signs(secret):
        mistakes.append(Mistake("ALERTS_WEBHOOK_SECRET", repr(s.alerts_webhook_secret), f"right would be: {right}"))
    return mistakes


def _check_telemetry(settings: Settings) -> list[Mistake]:
    mistakes = []
    url, name, password = (
        settings.grafana_prometheus_url,
        settings.grafana_prometheus_username,
        settings.grafana_prometheus_password,
    )
    if url and not _is_push_url(url):
        right = (
            "http(s)://host[:port]/path of a remote write receiver, such as https://…/api/prom/push, without a login"
        )
        mistakes.append(Mistake("GRAFANA_PROMETHEUS_URL", _scheme(url), f"right would be: {right}"))
    if url and not (_is_installed("cramjam") and _is_installed("google.protobuf")):
        right = "to install what pushing needs first: pip install 'kioskwire[hub]'"
        mistakes.append(Mistake("GRAFANA_PROMETHEUS_URL", _scheme(url), f"right would be: {right}"))
    both = "right would be: both, or neither where no login is asked for"
    if name and not password:
        words = f"is required with GRAFANA_PROMETHEUS_USERNAME; {both}"
        mistakes.append(Mistake("GRAFANA_PROMETHEUS_PASSWORD", "", words))
    if password and not name:
        words = f"is required with GRAFANA_PROMETHEUS_PASSWORD; {both}"
        mistakes.append(Mistake("GRAFANA_PROMETHEUS_USERNAME", "", words))
    if ":" in name:
        mistakes.append(Mistake("GRAFANA_PROMETHEUS_USERNAME", "…", "right would be: a name without a colon"))
    if (name or password) and not url:
        words = "is required with GRAFANA_PROMETHEUS_USERNAME and GRAFANA_PROMETHEUS_PASSWORD; right would be: a URL"
        mistakes.append(Mistake("GRAFANA_PROMETHEUS_URL", "", words))
    return mistakes


def admin_ids(settings: Settings) -> frozenset[int]:
    """Whom the bot obeys."""
    return frozenset(int(part) for part in _listed(settings.telegram_admin_ids))


def _listed(text: str) -> list[str]:
    return [part for part in re.split(r"[,;\s]+", text) if part]


def _signs(secret: str) -> bool:
    try:
        return 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    except ValueError:
        return False


def _is_url(text: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(text)
        _port = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is part of
        return False


def _is_push_url(text: str) -> bool:
    """Without a login: it has settings of its own, and a URL is logged more easily."""
    if not _is_url(text, "http", "https") or not text.isascii() or not text.isprintable() or " " in text:
        return False
    parts = urlsplit(text)
    return "@" not in parts.netloc and len(parts.path) > 1 and not parts.fragment


def _read_files(source: dict[str, str]) -> list[Mistake]:
    """Take from their files what is named there instead of said; returns what cannot be."""
    mistakes = []
    for name in _BY_FILE:
        path = source.pop(f"{name}_FILE", "").strip()
        if not path:
            continue
        if source.get(name, "").strip():
            mistakes.append(Mistake(f"{name}_FILE", path, f"{name} is set too; right would be: one of them"))
            continue
        try:
            source[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            mistakes.append(Mistake(f"{name}_FILE", path, f"cannot be read: {reason}"))
    return mistakes


def _postgresql(url: str) -> str:
    """As SQLAlchemy names it. Several hosts become options, each with its port, as it wants them."""
    parts = urlsplit(_POSTGRESQL.sub("postgresql+asyncpg://", url))
    login, mark, hosts = parts.netloc.rpartition("@")
    options = [pair.split("=", 1) for pair in parts.query.split("&") if pair]
    named = [host for host in hosts.split(",") if host] + [host for name, host in options if name == "host"]
    kept = [f"{'ssl' if name == 'sslmode' else name}={text}" for name, text in options if name in {"ssl", "sslmode"}]
    if len(named) > 1:
        hosts, kept = "", [*kept, *(f"host={_with_port(host)}" for host in named)]
    else:
        hosts = hosts.strip(",")
        kept += [f"{name}={text}" for name, text in options if name == "host"]
    query = f"?{'&'.join(kept)}" if kept else ""
    return f"{parts.scheme}://{login}{mark}{hosts}{parts.path}{query}"


def _with_port(host: str) -> str:
    return host if _HOST_AND_PORT.fullmatch(host) else f"{host}:5432"


def _wrong_database(url: str) -> str:
    """What would be right instead; empty where it can be used."""
    if _SQLITE.fullmatch(url):
        return ""
    right = "postgresql://[user:password@]host[:port]/name[?sslmode=require] or sqlite+aiosqlite:///<file>"
    if not _POSTGRESQL.match(url):
        return right
    try:
        parts = urlsplit(url)
        hosts = [host for host in parts.netloc.rpartition("@")[2].split(",") if host]
        _ports = [urlsplit(f"//{host}").port for host in hosts]
        pairs = [pair.split("=", 1) for pair in parts.query.split("&") if pair]
        options = dict(pairs)
    except ValueError:
        return right
    if "@" in parts.path or len(parts.path) < 2 or "/" in parts.path[1:] or parts.fragment:
        return f"{right}; what is special in a password is written as %40 and the like"
    named = [host for name, host in pairs if name == "host" and host]
    if not set(options) <= {"ssl", "sslmode", "host", "target_session_attrs"} or not hosts + named:
        return f"{right}; of the options, ssl or sslmode, and host for a socket's directory or a server more"
    if not {options.get("ssl", "prefer"), options.get("sslmode", "prefer")} <= set(_SSL):
        return f"sslmode one of {', '.join(_SSL)}"
    if options.get("target_session_attrs", "primary") not in {"primary", "read-write"}:
        return "no target_session_attrs, or primary: the hub writes, whichever server of several that is"
    if len(hosts + named) > 1 and any(not _HOST_AND_PORT.fullmatch(_with_port(host)) for host in hosts + named):
        return "several servers as postgresql://[user:password@]host1[:port],host2[:port]/name"
    if importlib.util.find_spec("asyncpg") is None:
        return "to install what PostgreSQL needs first: pip install 'kioskwire[hub]'"
    return ""


def _wrong_redis(url: str) -> str:
    """What would be right instead; empty where it can be used."""
    try:
        address = parse(url)
    except AddressError as error:
        return str(error)
    if missing := missing_files(address):
        return f"files that are there: {', '.join(missing)}"
    if not (_is_installed("redis") and _is_installed("hiredis")):
        return "to install what Redis needs first: pip install 'kioskwire[hub]'"
    return ""


def _without_login(url: str) -> str:
    """A URL without the user, the password and the options in it."""
    scheme, mark, rest = url.partition("?")[0].partition("://")
    return f"{scheme}{mark}{'…@' if '@' in rest else ''}{rest.rpartition('@')[2]}"


def _scheme(url: str) -> str:
    """A URL as it may be shown: its password is not."""
    return url.partition("://")[0] + "://…" if "://" in url else "…"
