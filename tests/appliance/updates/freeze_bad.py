"""Freeze and pack a version that is as bad as `street` wants it: `freeze_bad.py VERSION DIR`."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "packaging/freeze"), str(Path(__file__).parent)]

import build  # noqa: E402
import spoilt  # noqa: E402


def main(version: str, out: Path) -> int:
    """Returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="kioskwire-freeze-") as scratch:
        tree = build.copy_tree(Path(scratch) / "tree", version)
        spoilt.spoil(tree, version)
        status = build.freeze(tree, tree / "build.spec", out.resolve(), Path(scratch) / "work")
    if status:
        return status
    packed = [sys.executable, str(ROOT / "packaging/freeze/pack.py"), str(out / "appliance/kioskwire-appliance")]
    return subprocess.run([*packed, "--out", str(out)], check=False, timeout=600).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
