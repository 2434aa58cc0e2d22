"""What the machine says of itself: reads files, asks nobody, never raises. Blocking, for moments."""

import contextlib
import os
import platform
import ssl
import sys
import time
from pathlib import Path
from typing import Any

from appliance.network import machine

_MEMORY = ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")
_ZONES_MAX = 10


def facts(state_dir: Path) -> dict[str, Any]:
    """Disk, memory, uptime, temperature, interfaces without their hardware addresses, and what runs."""
    return {
        "time": time.time(), "timezone": time.strftime("%Z %z"), "machine": platform.machine(),
        "kernel": platform.release(), "system": _os_name(), "python": sys.version.split()[0],
        "openssl": ssl.OPENSSL_VERSION, "frozen": bool(getattr(sys, "frozen", False)), "cpus": os.cpu_count(),
        "load": _load(), "uptime_s": _uptime(), "memory_kb": _memory(), "disk": _disk(state_dir),
        "temperatures_c": _temperatures(), "interfaces": _interfaces(),
        "default_route": _quietly(machine.has_default_route), "name_servers": _quietly(machine.name_servers),
    }  # fmt: skip


def _quietly(ask: Any) -> Any:
    try:
        return ask()
    except Exception as error:  # a fact that is missing is no reason for the others to be
        return f"not known: {type(error).__name__}"


def _interfaces() -> Any:
    def ask() -> list[dict[str, Any]]:
        return [
            {"name": each.name, "kind": str(each.kind), "up": each.up, "addresses": list(map(str, each.addresses))}
            for each in machine.interfaces()
        ]

    return _quietly(ask)


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8", errors="replace")[:65536]
    except OSError:
        return ""


def _os_name() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')[:100]
    return platform.system()


def _load() -> list[float] | None:
    try:
        return [round(each, 2) for each in os.getloadavg()]
    except OSError:
        return None


def _uptime() -> float | None:
    with contextlib.suppress(ValueError, IndexError):
        return float(_read("/proc/uptime").split()[0])
    return None


def _memory() -> dict[str, int]:
    found = {}
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name in _MEMORY and rest.split()[:1] and rest.split()[0].isdigit():
            found[name] = int(rest.split()[0])
    return found


def _disk(state_dir: Path) -> dict[str, Any]:
    try:
        facts = os.statvfs(state_dir)
    except OSError as error:
        return {"path": str(state_dir), "words": error.strerror}
    return {
        "path": str(state_dir), "mb": facts.f_blocks * facts.f_frsize >> 20,
        "free_mb": facts.f_bavail * facts.f_frsize >> 20,
        "files_free": facts.f_favail, "read_only": bool(facts.f_flag & os.ST_RDONLY),
    }  # fmt: skip


def _temperatures() -> dict[str, float]:
    found = {}
    for zone in sorted(Path("/sys/class/thermal").glob("thermal_zone*"))[:_ZONES_MAX]:
        with contextlib.suppress(ValueError):
            found[f"{zone.name} {_read(f'{zone}/type').strip()}"] = int(_read(f"{zone}/temp").strip() or "x") / 1000
    return found
