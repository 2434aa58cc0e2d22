"""What the machine says of itself: uptime, memory, temperature, disk. Reads files; None where it does not say.

Not for the event loop: a disk that is ill may keep us waiting.
"""

import contextlib
import os
from pathlib import Path

import msgspec

THERMAL, PROC = Path("/sys/class/thermal"), Path("/proc")
_SENSIBLE_C = (-40.0, 150.0)  # what is outside is no temperature


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """At one moment; bytes, seconds, degrees Celsius."""

    uptime: float | None = None
    memory_free: int | None = None
    memory_all: int | None = None
    temperature: float | None = None  # of the hottest place
    disk_free: int | None = None
    disk_all: int | None = None


def read_machine(state_dir: Path, thermal: Path = THERMAL, proc: Path = PROC) -> Machine:
    """All of it."""
    free, whole = _disk(state_dir)
    memory = _memory(proc / "meminfo")
    return Machine(
        uptime=_uptime(proc / "uptime"), memory_free=memory.get("MemAvailable"), memory_all=memory.get("MemTotal"),
        temperature=_temperature(thermal), disk_free=free, disk_all=whole,
    )  # fmt: skip


def _uptime(path: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return float(path.read_text().split()[0])
    return None


def _memory(path: Path) -> dict[str, int]:
    found = {}
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            name, _, rest = line.partition(":")
            words = rest.split()
            if words and words[0].isdecimal():
                found[name] = int(words[0]) * 1024
    return found


def _temperature(directory: Path) -> float | None:
    found = []
    with contextlib.suppress(OSError):
        for path in sorted(directory.glob("thermal_zone*/temp")):
            with contextlib.suppress(OSError, ValueError):
                found.append(int(path.read_text()) / 1000)
    return max((each for each in found if _SENSIBLE_C[0] < each < _SENSIBLE_C[1] and each != 0), default=None)


def _disk(directory: Path) -> tuple[int | None, int | None]:
    try:
        facts = os.statvfs(directory)
    except OSError:
        return None, None
    return facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize
