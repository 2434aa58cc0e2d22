"""What the appliance is told: the environment over a `.env` file, and the routing file beside it.

Read once, before anything opens; every mistake is found in one go and named with its origin.
"""

import io
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from dotenv.main import DotEnv
from dotenv.parser import parse_stream
from msgspec import Meta

from appliance.hub import read_hub
from appliance.reading import shown_url
from appliance.routes import RouteTable, RoutingError, read_routes
from wire import environment
from wire.enrolment import parse_code
from wire.environment import Mistake, Secret, SettingsError
from wire.masking import mask, mask_secret
from wire.pin import parse_pin
from wire.release import parse_channel, parse_window

ENV_FILE = "KIOSKWIRE_ENV_FILE"  # names the `.env` file where the command line does not
_TOKEN = re.compile(r"[!-~]+")
_HOST_NAME = re.compile(r"[A-Za-z0-9_.:\[\]-]+")
_ORIGIN = re.compile(r"null|https?://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_PROXY_HINT = "right would be http://host:port or http://user:password@host:port"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting. The variable is the field's name in upper case."""

    ws_server_url: Annotated[
        str,
        Meta(
            description="the hub's address for kiosks, such as wss://hub.example.com/ws, for WS_TOKEN or ENROLL_CODE; "
            "an enrolled kiosk follows it when it is changed; no token in it"
        ),
    ] = ""
    ws_token: Annotated[
        Secret,
        Meta(description="this kiosk's token, as the hub's operator gave it out; without it the kiosk is enrolled"),
    ] = Secret()
    enroll_code: Annotated[
        Secret, Meta(description="a one-time code of the hub at WS_SERVER_URL, traded for this kiosk's identity")
    ] = Secret()
    setup_from: Annotated[
        Literal["machine", "lan"],
        Meta(
            description="who may enrol this kiosk on its page /setup: machine, its own screen; lan, with a number from "
            "that screen, whoever reaches HEALTH_CHECK_HOST from a private network"
        ),
    ] = "machine"
    engineer_pin: Annotated[
        Secret,
        Meta(
            description="the PIN of the engineer's part of the kiosk's page, 6 to 12 digits; beats the one that was "
            "set on the kiosk"
        ),
    ] = Secret()
    engineer_pin_file: Annotated[str, Meta(description="a file that holds that PIN, in the place of ENGINEER_PIN")] = ""
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Meta(description="least important log lines to write: DEBUG, INFO, WARNING or ERROR"),
    ] = "INFO"
    log_dir: Annotated[
        str, Meta(description="directory for rotated log files besides stdout; not set: stdout only")
    ] = ""
    log_max_mb: Annotated[
        int, Meta(ge=1, le=10_000, description="most megabytes that all log files in LOG_DIR take together, 1 to 10000")
    ] = 50
    health_check_port: Annotated[
        int, Meta(ge=0, le=65535, description="port of /health and /metrics; 0 chooses a free one")
    ] = 9091
    health_check_host: Annotated[
        str, Meta(description="address that /health and /metrics are bound to, such as 127.0.0.1 or 0.0.0.0")
    ] = "127.0.0.1"
    health_allowed_hosts: Annotated[
        str, Meta(description="further host names, comma separated, by which /health may be asked for")
    ] = ""
    screen_origins: Annotated[
        str,
        Meta(
            description="origins, comma separated, of the pages on the kiosk's own screen that may listen to /events "
            "and cancel, such as http://localhost:3000; null for a page opened from a file"
        ),
    ] = ""
    routing_config: Annotated[str, Meta(description="the file that names the gateways by operation type (YAML)")] = (
        "routing_config.yaml"
    )
    state_dir: Annotated[
        str, Meta(description="directory of the journal; must be on a disk that survives a power cut")
    ] = "state"
    box_id: Annotated[
        str,
        Meta(
            description="a name for this machine, for containers, whose hardware tells nothing; another name on the "
            "same STATE_DIR means that it is a copy"
        ),
    ] = ""
    journal_max_mb: Annotated[
        int, Meta(ge=1, le=10_000, description="most megabytes of the journal, 1 to 10000; outcomes are never dropped")
    ] = 64
    journal_keep_days: Annotated[
        int, Meta(ge=1, le=3650, description="days a settled outcome is remembered to answer repetitions, 1 to 3650")
    ] = 30
    disk_min_free_mb: Annotated[
        int, Meta(ge=0, le=100_000, description="free megabytes in STATE_DIR below which no new operation is started")
    ] = 16
    ca_file: Annotated[
        str, Meta(description="a PEM file of certificate authorities trusted for the hub besides the system's")
    ] = ""
    proxy_url: Annotated[
        Secret,
        Meta(
            description="HTTP proxy to the hub, http://[user:password@]host:port; "
            "without it HTTPS_PROXY and NO_PROXY of the environment count for wss://"
        ),
    ] = Secret()
    update_mode: Annotated[
        Literal["off", "notify", "auto"],
        Meta(
            description="what is done about new versions: off nothing, notify tells of them, auto fetches and installs "
            "them within UPDATE_WINDOW while nothing moves"
        ),
    ] = "off"
    update_url: Annotated[
        str,
        Meta(
            description="where new versions are looked for, such as https://hub.example.com/updates; "
            "not set: /updates of the hub"
        ),
    ] = ""
    update_channel: Annotated[str, Meta(description="which releases are taken, such as stable")] = "stable"
    update_window: Annotated[
        str,
        Meta(
            description="when a new version may be started, HH:MM-HH:MM by the kiosk's clock, unless the hub says "
            "otherwise; 00:00-00:00 is always"
        ),
    ] = "02:00-05:00"
    update_keys_file: Annotated[
        str, Meta(description="the minisign public keys whose releases are taken, one a line")
    ] = "/etc/kioskwire/release.pub"
    update_trial: Annotated[
        int,
        Meta(ge=30, le=3600, description="seconds within which a new version must have proved itself, 30 to 3600"),
    ] = 180

    def allowed_hosts(self) -> frozenset[str]:
        """`health_allowed_hosts` as names, lower case."""
        return _listed(self.health_allowed_hosts)

    def page_origins(self) -> frozenset[str]:
        """`screen_origins` one by one, lower case."""
        return _listed(self.screen_origins)


class Origins(msgspec.Struct, frozen=True):
    """Where values come from: the command line first, then the process's environment, then the `.env` file."""

    environ: Mapping[str, str]
    file: Mapping[str, str]
    file_name: str
    given: Mapping[str, str] = {}  # on the command line

    def value(self, variable: str) -> str:
        """The text given for a variable, or an empty one."""
        if variable in self.given:
            return self.given[variable]
        return self.environ.get(variable, "").strip() or self.file.get(variable, "").strip()

    def of(self, variable: str) -> str:
        """Who gave the variable its value, in words."""
        if variable in self.given:
            return "command line"
        if self.environ.get(variable, "").strip():
            return "environment"
        if self.file.get(variable, "").strip():
            return self.file_name
        return "default"


class Loaded(msgspec.Struct, frozen=True):
    """Settings that can be used, with where they came from and what was strange about them."""

    settings: Settings
    routes: RouteTable
    origins: Origins
    warnings: list[str]


def load(
    env_file: Path | None, environ: Mapping[str, str] | None = None, routing: str | None = None, *, routed: bool = True
) -> Loaded:
    """Read everything. `env_file` None: what KIOSKWIRE_ENV_FILE names, else `.env` in the working directory if there
    is one; `routing` beats all.

    Raises `SettingsError` with every mistake of settings and routes; without `routed`, of settings alone.
    """
    mistakes: list[Mistake] = []
    environ = dict(os.environ if environ is None else environ)
    file_values, name = _read_env_file(env_file, mistakes, environ)
    origins = Origins(environ, file_values, name)
    if routing is not None:
        origins = msgspec.structs.replace(origins, given={"ROUTING_CONFIG": routing})
    variables = [setting.variable for setting in environment.describe(Settings)]
    source = {variable: origins.value(variable) for variable in variables}
    source["LOG_LEVEL"] = source["LOG_LEVEL"].upper()
    settings, found = environment.read(Settings, source)
    wrong = {mistake.name for mistake in found}
    mistakes += found
    mistakes += [mistake for mistake in _check(source) if mistake.name not in wrong]
    routes = RouteTable()
    try:
        if routed:
            routes = read_routes(Path(source["ROUTING_CONFIG"] or "routing_config.yaml"))
    except RoutingError as error:
        mistakes += error.mistakes
    if mistakes or settings is None:
        raise SettingsError([_with_origin(mistake, variables, origins) for mistake in mistakes])
    warnings = [f"{name}: {sentence}" for sentence in environment.unknown(Settings, list(file_values))]
    if settings.enroll_code and not settings.ws_server_url:
        warnings.append("ENROLL_CODE: is of no use by itself without WS_SERVER_URL, the hub that made it")
    return Loaded(settings, routes, origins, warnings)


def find_routing_file(env_file: Path | None, routing: str | None = None) -> Path:
    """Which routing file would be read, for commands that need no other setting."""
    if routing is not None:
        return Path(routing)
    values, name = _read_env_file(env_file, [])
    return Path(Origins(dict(os.environ), values, name).value("ROUTING_CONFIG") or "routing_config.yaml")


def find_state_dir(env_file: Path | None) -> Path:
    """Where the journal lies, for commands that need no other setting. Raises `SettingsError` (no such `.env` file)."""
    return Path(find_setting(env_file, "STATE_DIR"))


def find_setting(env_file: Path | None, variable: str) -> str:
    """One setting as it is given, or its default; the others may be as wrong as they like. Raises `SettingsError`."""
    mistakes: list[Mistake] = []
    values, name = _read_env_file(env_file, mistakes)
    if mistakes:
        raise SettingsError(mistakes)
    (default,) = (field.default for field in msgspec.structs.fields(Settings) if field.name.upper() == variable)
    otherwise = default.reveal() if isinstance(default, Secret) else str(default)
    return Origins(dict(os.environ), values, name).value(variable) or otherwise


def effective(loaded: Loaded) -> list[str]:
    """The settings in force, one a line with its origin, secrets masked; then the routes and devices."""
    lines = []
    for field in msgspec.structs.fields(Settings):
        variable = field.name.upper()
        value: Any = getattr(loaded.settings, field.name)
        if variable == "PROXY_URL" and value:
            value = shown_url(value.reveal())
        shown = repr(value) if isinstance(value, Secret) and value else str(value)
        if shown in {"", "<empty>"}:
            shown = "(not set)"
        lines.append(f"{variable}={mask(shown)}  ({loaded.origins.of(variable)})")
    for route in loaded.routes.all():
        lines.append(f"{route.path}={route.describe()}  ({loaded.settings.routing_config})")
    for device in loaded.routes.devices.values():
        lines.append(f"{device.path}={device.describe()}  ({loaded.settings.routing_config})")
    return lines


def _listed(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


def _read_env_file(
    path: Path | None, mistakes: list[Mistake], environ: Mapping[str, str] | None = None
) -> tuple[dict[str, str], str]:
    """The file's values and the name it is spoken of by; what cannot be read becomes a mistake."""
    named_by = "--env-file"
    if path is None and (named := (os.environ if environ is None else environ).get(ENV_FILE, "").strip()):
        path, named_by = Path(named), ENV_FILE
    if path is None:
        path = Path(".env")
        if not path.is_file():
            return {}, ".env"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        if isinstance(error, PermissionError):
            reason = f"{reason}; right would be to be root (sudo), or the user that the appliance runs as"
        mistakes.append(Mistake(named_by, str(path), f"cannot be read: {reason}"))
        return {}, str(path)
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            line = binding.original.line
            mistakes.append(Mistake(str(path), f"line {line}", "cannot be understood; right would be NAME=value"))
    values = DotEnv(None, stream=io.StringIO(text), interpolate=True, verbose=False).dict()
    return {key: value for key, value in values.items() if value is not None}, str(path)


def _check(source: Mapping[str, str]) -> list[Mistake]:
    """What types cannot say. Looks at the texts, so that all mistakes are found even when some do not parse."""
    mistakes = []
    url, token, code = source["WS_SERVER_URL"], source["WS_TOKEN"], source["ENROLL_CODE"]
    if token:
        mistakes += _check_hub(url)
    elif url or code:
        mistakes += _check_enrolment(url, code)
    if token and not _TOKEN.fullmatch(token):
        words = "a token is one word of printable ASCII characters, without spaces"
        mistakes.append(Mistake("WS_TOKEN", f"<{len(token)} characters>", words))
    if proxy := source["PROXY_URL"]:
        mistakes += _check_proxy(proxy)
    mistakes += _check_pin(source["ENGINEER_PIN"], source["ENGINEER_PIN_FILE"])
    if name := source["CA_FILE"]:
        mistakes += _check_ca_file(name)
    for variable in ("STATE_DIR", "LOG_DIR"):
        if name := source[variable]:
            mistakes += _check_directory(variable, name)
    for name in source["HEALTH_ALLOWED_HOSTS"].split(","):
        if name.strip() and not _HOST_NAME.fullmatch(name.strip()):
            words = "right would be host names separated by commas, such as kiosk.local,10.0.0.5"
            mistakes.append(Mistake("HEALTH_ALLOWED_HOSTS", name.strip(), words))
    mistakes += _check_updates(source)
    for origin in sorted(_listed(source["SCREEN_ORIGINS"])):
        if not _ORIGIN.fullmatch(origin):
            words = (
                "right would be scheme, host and port as a browser sends them, such as http://localhost:3000, or null"
            )
            mistakes.append(Mistake("SCREEN_ORIGINS", shown_url(origin)[:200], words))
    return mistakes


def _check_updates(source: Mapping[str, str]) -> list[Mistake]:
    mistakes = []
    for variable, parse in (("UPDATE_CHANNEL", parse_channel), ("UPDATE_WINDOW", parse_window)):
        if text := source[variable]:
            try:
                parse(text)
            except ValueError as error:
                mistakes.append(Mistake(variable, text[:200], str(error)))
    if url := source["UPDATE_URL"]:
        words = ""
        try:
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
                words = "is not a web address"
            elif parts.username is not None or parts.query or parts.fragment:
                words = "holds more than a host and a path"
        except ValueError:
            words = "is not a URL"
        if words:
            right = "right would be https://host/updates"
            mistakes.append(Mistake("UPDATE_URL", mask(shown_url(url))[:200], f"{words}; {right}"))
    return mistakes


def _check_ca_file(name: str) -> list[Mistake]:
    import ssl  # noqa: PLC0415 - only who has the setting pays for it

    words = "there is no such readable file"
    try:
        if os.access(name, os.R_OK):
            words = "holds no certificate; right would be a PEM file"
            ssl.create_default_context(cafile=name)
            return []
    except (OSError, ValueError):  # ValueError: a NUL in the name
        pass
    return [Mistake("CA_FILE", name[:200], words)]


def _check_pin(pin: str, file: str) -> list[Mistake]:
    """A file may not be there yet, as it may be another's to write; a PIN is never shown."""
    mistakes = []
    if pin and file:
        words = "is set beside ENGINEER_PIN; right would be one of the two"
        mistakes.append(Mistake("ENGINEER_PIN_FILE", file[:200], words))
    try:
        if pin:
            parse_pin(pin)
    except ValueError as error:
        mistakes.append(Mistake("ENGINEER_PIN", mask_secret(pin), str(error)))
    return mistakes


def _check_directory(variable: str, name: str) -> list[Mistake]:
    try:
        if stat.S_ISDIR(os.stat(name).st_mode):
            return []
    except FileNotFoundError:
        return []  # it is made at the start
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        return [Mistake(variable, name[:200], f"cannot be a directory: {reason}")]
    return [Mistake(variable, name, "is not a directory")]


def _check_enrolment(url: str, code: str) -> list[Mistake]:
    """Of a kiosk that has no token: both as people type them."""
    mistakes = []
    try:
        if url:
            read_hub(url)
    except ValueError as error:
        mistakes.append(Mistake("WS_SERVER_URL", mask(shown_url(url)), str(error)))
    try:
        if code:
            parse_code(code)
    except ValueError as error:
        mistakes.append(Mistake("ENROLL_CODE", mask_secret(code), str(error)))
    return mistakes


def _check_hub(url: str) -> list[Mistake]:
    shown = mask(shown_url(url))
    right = "right would be wss://host/ws (or ws://host:port/ws without encryption)"
    if not url:
        return [Mistake("WS_SERVER_URL", "", f"is required where WS_TOKEN is set; {right}")]
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return [Mistake("WS_SERVER_URL", shown, f"is not a URL; {right}")]
    if parts.scheme not in {"ws", "wss"}:
        return [Mistake("WS_SERVER_URL", shown, f"begins with {parts.scheme or 'nothing'}://; {right}")]
    if not host:
        return [Mistake("WS_SERVER_URL", shown, f"names no host; {right}")]
    if parts.username is not None or parts.password is not None:
        return [Mistake("WS_SERVER_URL", shown, f"holds credentials; the token belongs into WS_TOKEN; {right}")]
    if re.search(r"(?i)(^|&)(token|key|secret|password)=", parts.query):
        return [Mistake("WS_SERVER_URL", shown, f"holds a token in its query; it belongs into WS_TOKEN; {right}")]
    if parts.fragment:
        return [Mistake("WS_SERVER_URL", shown, f"holds a fragment (#…); {right}")]
    return []


def _check_proxy(url: str) -> list[Mistake]:
    shown = shown_url(url)
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return [Mistake("PROXY_URL", shown, f"is not a URL; {_PROXY_HINT}")]
    if parts.scheme not in {"http", "https"} or not host:
        return [Mistake("PROXY_URL", shown, f"is not an HTTP proxy's address; {_PROXY_HINT}")]
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        return [Mistake("PROXY_URL", shown, f"holds more than an address; {_PROXY_HINT}")]
    if (parts.username is None) != (parts.password is None):
        return [Mistake("PROXY_URL", shown, f"holds a user without a password; {_PROXY_HINT}")]
    return []


def _with_origin(mistake: Mistake, variables: list[str], origins: Origins) -> Mistake:
    if mistake.name not in variables:
        return mistake
    origin = origins.of(mistake.name)
    words = mistake.words if origin == "default" else f"{mistake.words} (from {origin})"
    return Mistake(mistake.name, mistake.value, words)
