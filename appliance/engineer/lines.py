"""The program's last lines: out of LOG_DIR where there is one, else those of this run that are kept in memory."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

TAIL_BYTES = 1024 * 1024
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One, taken apart for the page. `rest` is all that has no place of its own, as `name=value`."""

    at: str = ""
    level: str = "INFO"
    logger: str = ""
    message: str = ""
    rest: str = ""


def tail(path: Path, most: int = TAIL_BYTES) -> list[str]:
    """The last whole lines of a file, oldest first; empty where it cannot be read. Blocking."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return []
    try:
        size = os.fstat(handle).st_size
        start = max(0, size - most)
        data = os.pread(handle, most, start)
    except OSError:
        return []
    finally:
        os.close(handle)
    lines = data.decode("utf-8", "replace").split("\n")
    return [each for each in (lines[1:] if start else lines) if each]


def last(log_dir: str, name: str, recent: Iterable[str], most: int = TAIL_BYTES) -> list[str]:
    """What there is, oldest first. A file has lines of the runs before as well. Blocking."""
    return (tail(Path(log_dir) / name, most) if log_dir else []) or list(recent)


def read(line: str) -> Line:
    """Take one apart; what is no JSON of ours is a message."""
    try:
        found = msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeError):
        return Line(message=line)
    known = {name: str(found.pop(name, "")) for name in ("time", "level", "logger", "message")}
    rest = " ".join(f"{name}={value}" for name, value in found.items())
    return Line(
        at=known["time"][:19].replace("T", " "), level=known["level"] or "INFO", logger=known["logger"],
        message=known["message"], rest=rest,
    )  # fmt: skip


def choose(lines: Iterable[str], *, least: str, text: str, most: int) -> list[str]:
    """The newest `most` of that importance and above that hold the text, newest first."""
    floor = LEVELS.index(least) if least in LEVELS else 0
    wanted = text.casefold()
    found: list[str] = []
    for line in reversed(list(lines)):
        if wanted and wanted not in line.casefold():
            continue
        level = read(line).level
        if floor and (level not in LEVELS or LEVELS.index(level) < floor):
            continue
        found.append(line)
        if len(found) >= most:
            break
    return found
