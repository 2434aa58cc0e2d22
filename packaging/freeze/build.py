"""Freeze: `build.py --out DIR [--version X.Y.Z]`, by the Python of a virtual environment that `prepare.sh` made.

Without a version it freezes this tree as it stands. With one it freezes a copy of the tracked files that calls itself
so, which is how tests come by releases that do not exist.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE))

# Sets are laid into code objects in the order of their hashes; any fixed number makes two builds alike. Without ranges
# tracebacks still tell files and lines; columns are of use only beside a source, which no frozen program has.
FIXED = {"PYTHONHASHSEED": "1", "PYTHONNODEBUGRANGES": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
APPLIANCE, HUB = "kioskwire-appliance", "kioskwire-hub"
SPECS = {APPLIANCE: "build.spec", HUB: "packaging/freeze/hub.spec"}
# What each is tried out by, in both forms, where nothing else is.
TRIALS = {APPLIANCE: ["selftest"], HUB: ["migrate"]}
HUB_SETTINGS = {"JWT_SECRET": "f" * 64, "ADMIN_KEY": "e" * 64, "STATE_DIR": "state"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Freeze the appliance, or the hub.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the result is put")
    parser.add_argument("--version", metavar="X.Y.Z", help="freeze a copy of the tracked files that calls itself so")
    parser.add_argument("--hub", action="store_true", help="the hub in place of the appliance")
    options = parser.parse_args()
    name = HUB if options.hub else APPLIANCE
    with tempfile.TemporaryDirectory(prefix="kioskwire-freeze-") as scratch:
        tree = TREE
        if options.version:
            tree = copy_tree(Path(scratch) / "tree", options.version)
        made = Path(scratch) / "made"
        status = freeze(tree, tree / SPECS[name], made, Path(scratch) / "work")
        folder = name.removeprefix("kioskwire-")
        for program in (made / name, made / folder / name / name):
            status = status or try_out(program, TRIALS[name], Path(scratch))
        if status == 0:
            options.out.mkdir(parents=True, exist_ok=True)
            for path in sorted(made.iterdir()):
                put(path, options.out / path.name)
        return status


def copy_tree(target: Path, version: str) -> Path:
    """The tracked files of this tree as they stand now, with another version."""
    from wire.release import version_key

    version_key(version)
    listed = subprocess.run(["git", "-C", TREE, "ls-files", "-z"], check=True, stdout=subprocess.PIPE, timeout=60)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (TREE / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / name, target / name)
    (target / "wire" / "version.py").write_text(f'"""Set by build.py."""\n\nVERSION = "{version}"\n')
    return target


def freeze(tree: Path, spec: Path, out: Path, work: Path) -> int:
    command = [
        sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level", "ERROR",
        "--distpath", str(out), "--workpath", str(work), str(spec),
    ]  # fmt: skip
    environ = os.environ | FIXED | {"PYINSTALLER_CONFIG_DIR": str(work)}
    ran = subprocess.run(
        command, cwd=tree, env=environ, check=False, timeout=1200, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if ran.returncode:
        print(ran.stdout, file=sys.stderr)
    return ran.returncode


def try_out(program: Path, arguments: list[str], scratch: Path) -> int:
    """Run it where no Python and nothing of this tree is to be had, and tell the end of what it says."""
    empty = Path(tempfile.mkdtemp(prefix="empty-", dir=scratch))
    ran = subprocess.run(
        [program, *arguments], cwd=empty, env={"TMPDIR": str(empty), **HUB_SETTINGS}, check=False, timeout=300,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    told = ran.stdout.strip().splitlines() or ["it said nothing"]
    shown = told[-1:] if ran.returncode == 0 else told
    print("\n".join(shown), flush=True)
    return ran.returncode


def put(made: Path, target: Path) -> None:
    """In the place of what is there, in one piece: somebody may be running or packing it."""
    beside = target.with_name(f".{target.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.move(made, beside)
    if target.is_dir():
        old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
        target.rename(old / target.name)
        beside.rename(target)
        shutil.rmtree(old)
    else:
        beside.replace(target)


if __name__ == "__main__":
    sys.exit(main())
