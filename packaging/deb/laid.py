"""What package and archive lay beside the frozen program, and when and of which version they are."""

import os
import re
import shutil
import subprocess
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
VERSION = re.compile(r"(\d+\.\d+\.\d+)(rc\d+)?")
FOLDERS = ("systemd", "packaging/launch", "packaging/udev", "packaging/config/appliance")
FILES = ("packaging/install.sh", "packaging/deb/kioskwire-versions", "packaging/deb/kioskwire-appliance.8")


def copy_laid(target: Path) -> None:
    """All that `install.sh` lays, in the same places as in the tree."""
    for name in FOLDERS:
        shutil.copytree(TREE / name, target / name)
    for name in FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TREE / name, target / name)


def version_of(program: Path) -> str:
    """As the program says itself."""
    said = subprocess.run(
        [program / "kioskwire-appliance", "--version"], check=True, stdout=subprocess.PIPE, text=True, timeout=60
    ).stdout.split()[-1]
    if not VERSION.fullmatch(said):
        raise SystemExit(f"the program says that it is version {said!r}; right would be such as 1.4.0 or 1.4.0rc1")
    return said


def epoch() -> int:
    """SOURCE_DATE_EPOCH, else when the last commit was made; a fixed time where there is no history. Unix seconds."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    try:
        told = subprocess.run(
            ["git", "-C", TREE, "log", "-1", "--format=%ct"], check=True, stdout=subprocess.PIPE, text=True, timeout=60
        )
    except (OSError, subprocess.CalledProcessError):
        return 1767225600
    return int(told.stdout.strip() or 1767225600)
