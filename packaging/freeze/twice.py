"""Freeze the last commit twice and say whether the results are the same: `make binary-twice`.

Nothing is shared but the machine: each time another directory, another virtual environment, another time zone, another
umask, other seeds. Compared are the one file, the folder, and the archive for releases. Exit status 1: they differ.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
SURROUNDINGS = (
    ("one", 0o022, {"TZ": "UTC", "LANG": "C.UTF-8"}),
    ("another/place/for/the same", 0o077, {"TZ": "Asia/Almaty", "LANG": "C", "PYTHONHASHSEED": "random"}),
)
PROGRAM = "kioskwire-appliance"


def main() -> int:
    parser = argparse.ArgumentParser(description="Freeze the last commit twice and compare.")
    parser.add_argument("--python", default="/usr/bin/python3.11")
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "-C", TREE, "rev-parse", "HEAD"], check=True, stdout=subprocess.PIPE, text=True, timeout=30
    ).stdout.strip()
    print(f"freezing commit {commit[:12]} twice", flush=True)
    with tempfile.TemporaryDirectory(prefix="kioskwire-twice-") as scratch:
        results = [
            build(commit, Path(scratch) / place / "tree", options.python, mask, environ)
            for place, mask, environ in SURROUNDINGS
        ]  # fmt: skip
    first, second = results
    for name in sorted(first | second):
        if first.get(name) != second.get(name):
            print(f"DIFFERENT {name}\n  {first.get(name, 'missing')}\n  {second.get(name, 'missing')}")
        elif "/_internal/" not in name:
            print(f"{first[name]}  {name}")
    if first == second:
        print(f"the same twice: {len(first)} files")
        return 0
    return 1


def build(commit: str, tree: Path, python: str, mask: int, environ: dict[str, str]) -> dict[str, str]:
    """Relative name → SHA-256 of everything that was made."""
    tree.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "-C", TREE, "archive", commit], check=True, stdout=subprocess.PIPE, timeout=60
    ).stdout  # fmt: skip
    subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True, timeout=60)
    subprocess.run(
        ["make", "--no-print-directory", "pack", f"PYTHON_FREEZE={python}"],
        cwd=tree, env=os.environ | environ, umask=mask, check=True, timeout=1800,
    )  # fmt: skip
    made = tree / "dist"
    digests = {}
    for path in sorted(made.rglob("*")):
        if path.is_file():
            executable = " executable" if os.access(path, os.X_OK) else ""
            digests[str(path.relative_to(made))] = hashlib.sha256(path.read_bytes()).hexdigest() + executable
    return digests


if __name__ == "__main__":
    sys.exit(main())
