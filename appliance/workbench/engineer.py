"""`kioskwire-appliance pin` and `support-bundle`: the engineer's part without its page.

`support-bundle` works while the appliance runs and when it cannot start: settings that are wrong are said in it to be
so, a journal that cannot be read is named in its manifest, and how the kiosk is it has of a running appliance's
/health, where there is one.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from appliance.desk.summary import gather
from appliance.engineer.asking import ask_and_save
from appliance.engineer.bundle import Sources, build, file_name, secrets_of_settings
from appliance.journal import look_into
from appliance.routes import RoutingError, read_routes
from appliance.settings import Loaded, effective, find_routing_file, find_setting, find_state_dir, load
from wire.environment import SettingsError

_HEALTH_S = 3.0
_SECRETS = ("WS_TOKEN", "ENROLL_CODE", "PROXY_URL", "ENGINEER_PIN")
_USAGE = 2


def run_pin(options: argparse.Namespace) -> int:
    """Returns the exit status."""
    try:
        state_dir = find_state_dir(options.env_file)
        if not state_dir.is_dir():
            return _say(f"STATE_DIR={state_dir}: there is none yet; start the appliance once, or enrol it")
        for name in ("ENGINEER_PIN", "ENGINEER_PIN_FILE"):
            if find_setting(options.env_file, name):
                return _say(f"{name} is set, and beats a PIN that is set here: change it there, or take it away")
        ask_and_save(state_dir, time.time())
    except SettingsError as error:
        return _say(*map(str, error.mistakes))
    except ValueError as error:
        return _say(str(error))
    except OSError as error:
        return _say(f"the PIN could not be written: {error.strerror}")
    print("the PIN is set; the engineer's part is at /engineer of the kiosk's page")
    return 0


def run_bundle(options: argparse.Namespace) -> int:
    """Returns the exit status."""
    sources = gather_sources(options.env_file, options.routes)
    data = build(sources)
    if options.file == "-":
        sys.stdout.buffer.write(data)
        return 0
    path = Path(options.file or file_name(_kiosk(sources), time.time()))
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError as error:
        print(f"kioskwire-appliance support-bundle: {path}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{path}: {len(data)} bytes, without what is secret; look into it before you send it")
    return 0


def gather_sources(env_file: Path | None, routing: str | None) -> Sources:
    """All there is, of whatever works."""
    settings: list[str] = []
    loaded: Loaded | None = None
    try:
        loaded = load(env_file, routing=routing)
        settings = [*effective(loaded), *(f"warning: {each}" for each in loaded.warnings)]
    except SettingsError as error:
        settings = ["the settings cannot be used:", *map(str, error.mistakes)]

    def one(name: str, otherwise: str = "") -> str:
        with contextlib.suppress(SettingsError):
            return find_setting(env_file, name) or otherwise
        return otherwise

    state_dir = Path(one("STATE_DIR", "state"))
    routing_file = Path(routing or "routing_config.yaml")
    with contextlib.suppress(SettingsError):
        routing_file = find_routing_file(env_file, routing)
    return Sources(
        state_dir=state_dir, routing_file=routing_file, log_dir=one("LOG_DIR"), settings=settings,
        known=secrets_of_settings(one(name) for name in _SECRETS),
        health=_health(one("HEALTH_CHECK_HOST", "127.0.0.1"), one("HEALTH_CHECK_PORT", "9091")),
        report=_report(state_dir, routing_file),
    )  # fmt: skip


def _report(state_dir: Path, routing_file: Path) -> Callable[[], dict[str, Any]]:
    def report() -> dict[str, Any]:
        devices = {}
        with contextlib.suppress(RoutingError, OSError):
            devices = read_routes(routing_file).devices
        with look_into(state_dir) as look:
            return gather(look, devices, time.time())

    return report


def _health(host: str, port: str) -> dict[str, Any] | None:
    """Of a running appliance, if there is one."""
    host = "127.0.0.1" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    try:
        found = httpx.get(f"http://{host}:{port}/health", timeout=_HEALTH_S, trust_env=False)
        return msgspec.json.decode(found.content, type=dict[str, Any])
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError, ValueError):
        return None


def _kiosk(sources: Sources) -> str:
    enrolment = (sources.health or {}).get("enrolment")
    return str(enrolment.get("kiosk") or "") if isinstance(enrolment, dict) else ""


def _say(*lines: str) -> int:
    for line in lines:
        print(f"kioskwire-appliance pin: {line}", file=sys.stderr)
    return _USAGE
