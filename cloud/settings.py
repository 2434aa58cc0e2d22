"""The hub's settings: environment over `.env`, read once, every mistake at once.

Each field of `Settings` is the environment variable of the same name in upper case.
"""

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

from wire.crashpoint import crash_point
from wire.environment import Mistake, Secret, SettingsError, read, unknown

SECRET_MIN = 32
# A file, not the memory: what the hub has told its kiosks to forget would be gone with the process.
_SQLITE = re.compile(r"sqlite\+aiosqlite:///(?!:memory:)[^?\0]+")
# As platforms hand it out; the driver is ours to know.
_POSTGRESQL = re.compile(r"postgres(ql)?(\+asyncpg)?://")
_SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_BY_FILE = ("JWT_SECRET", "ADMIN_KEY", "DATABASE_URL", "REDIS_URL")


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
    redis_url: Annotated[str, _meta("redis:// or rediss:// URL; watched, and used once several hubs share a fleet")] = (
        ""
    )
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
    queue_max_per_kiosk: Annotated[int, _meta("operations kept for an absent kiosk (Header-Delivery: queue)", ge=1)] = (
        1000
    )
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
    trust_proxy: Annotated[bool, _meta("true believes X-Forwarded-For and X-Real-IP, behind a proxy only")] = False
    demo: Annotated[
        bool, _meta("true: no JWT_SECRET and no API key needed, HOST must be loopback; for trying the hub out")
    ] = False


def load(env_file: str | None = None, environ: Mapping[str, str] | None = None) -> tuple[Settings, list[str]]:
    """Read the settings; returns them with warnings. Raises `SettingsError` with every mistake.

    What is secret may stand in a file of its own: JWT_SECRET_FILE names the one that holds JWT_SECRET, and so on.
    `env_file` None reads `.env` in the working directory if there is one; a file named must exist.
    """
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
    if mistakes or settings is None:
        raise SettingsError(mistakes)
    return settings, warnings


def effective(settings: Settings) -> list[str]:
    """The settings in force, one a line, secrets masked."""
    lines = []
    for field in msgspec.structs.fields(settings):
        value: Any = getattr(settings, field.name)
        if field.name in {"redis_url", "database_url"} and not value.startswith("sqlite"):
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
        url = _POSTGRESQL.sub("postgresql+asyncpg://", settings.database_url)
        return re.sub(r"([?&])sslmode=", r"\1ssl=", url)
    return settings.database_url or f"sqlite+aiosqlite:///{Path(settings.state_dir).absolute() / 'hub.db'}"


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
    if settings.redis_url and not _is_redis(settings.redis_url):
        right = "redis://[user:password@]host[:port][/number] or rediss://…"
        mistakes.append(Mistake("REDIS_URL", _scheme(settings.redis_url), f"right would be: {right}"))
    return mistakes


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


def _wrong_database(url: str) -> str:
    """What would be right instead; empty where it can be used."""
    if _SQLITE.fullmatch(url):
        return ""
    right = "postgresql://[user:password@]host[:port]/name[?sslmode=require] or sqlite+aiosqlite:///<file>"
    if not _POSTGRESQL.match(url):
        return right
    try:
        parts = urlsplit(url)
        _port = parts.port
        options = dict(pair.split("=", 1) for pair in parts.query.split("&") if pair)
    except ValueError:
        return right
    if "@" in parts.path or len(parts.path) < 2 or "/" in parts.path[1:] or parts.fragment:
        return f"{right}; what is special in a password is written as %40 and the like"
    if not set(options) <= {"ssl", "sslmode", "host"} or not (parts.hostname or options.get("host")):
        return f"{right}; of the options, ssl or sslmode, and host for a socket's directory"
    if not {options.get("ssl", "prefer"), options.get("sslmode", "prefer")} <= set(_SSL):
        return f"sslmode one of {', '.join(_SSL)}"
    if importlib.util.find_spec("asyncpg") is None:
        return "to install what PostgreSQL needs first: pip install 'kioskwire[hub]'"
    return ""


def _is_redis(url: str) -> bool:
    """Whether the client would take it; its own words for what it does not take quote the password."""
    try:
        parts = urlsplit(url)
        _port = parts.port  # raises when there is none, be it that a / in the password ends the host before it
    except ValueError:
        return False
    return parts.scheme in {"redis", "rediss"} and "@" not in parts.path + parts.query + parts.fragment


def _without_login(url: str) -> str:
    """A URL without the user, the password and the options in it."""
    scheme, mark, rest = url.partition("?")[0].partition("://")
    return f"{scheme}{mark}{'…@' if '@' in rest else ''}{rest.rpartition('@')[2]}"


def _scheme(url: str) -> str:
    """A URL as it may be shown: its password is not."""
    return url.partition("://")[0] + "://…" if "://" in url else "…"
