"""Build the Debian package: `build.py --program DIR --out DIR`, from the appliance in its one-folder form.

The version is the program's own; a candidate 1.4.0rc1 becomes 1.4.0~rc1, which comes before 1.4.0. Two builds from the
same program are byte-identical: times are that of the last commit, or SOURCE_DATE_EPOCH.
"""

import argparse
import email.utils
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from laid import TREE, VERSION, copy_laid, epoch, version_of


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the Debian package from the frozen appliance.")
    parser.add_argument("--program", type=Path, required=True, metavar="DIR", help="its one-folder form")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the package is put")
    options = parser.parse_args()
    version = version_of(options.program)
    at = epoch()
    with tempfile.TemporaryDirectory(prefix="kioskwire-deb-") as scratch:
        tree = Path(scratch) / "kioskwire-appliance"
        lay(tree, options.program, version, at)
        command = [
            "dpkg-buildpackage",
            "--build=binary",
            "--unsigned-source",
            "--unsigned-changes",
            "--no-check-builddeps",
        ]
        environ = os.environ | {
            "SOURCE_DATE_EPOCH": str(at),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "DEB_BUILD_OPTIONS": "nocheck",
        }
        done = subprocess.run(
            command, cwd=tree, env=environ, check=False, timeout=600, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        if done.returncode:
            print(done.stdout, file=sys.stderr)
            return done.returncode
        options.out.mkdir(parents=True, exist_ok=True)
        for package in Path(scratch).glob("*.deb"):
            shutil.copy(package, options.out / package.name)
            print(options.out / package.name)
    return 0


def debian_version(version: str) -> str:
    """`~` sorts before everything, even the end."""
    number, candidate = VERSION.fullmatch(version).groups()  # type: ignore[union-attr]
    return f"{number}~{candidate}" if candidate else number


def lay(tree: Path, program: Path, version: str, at: int) -> None:
    """What dpkg-buildpackage works in."""
    copy_laid(tree)
    shutil.copytree(TREE / "packaging" / "deb" / "debian", tree / "debian")
    debian = tree / "debian"
    words = {"@VERSION@": version, "@DEBVERSION@": debian_version(version)}
    for script in debian.glob("*inst"):
        text = script.read_text()
        for word, value in words.items():
            text = text.replace(word, value)
        script.write_text(text)
    who = f"{os.environ.get('DEBFULLNAME', 'Kioskwire')} <{os.environ.get('DEBEMAIL', 'kioskwire@localhost')}>"
    control = debian / "control"
    control.write_text(re.sub(r"(?m)^Maintainer: .*$", lambda _: f"Maintainer: {who}", control.read_text()))
    date = email.utils.formatdate(at)
    (debian / "changelog").write_text(
        f"kioskwire-appliance ({debian_version(version)}) unstable; urgency=medium\n\n"
        f"  * Version {version}; CHANGELOG.md of the sources says what is new.\n\n"
        f" -- {who}  {date}\n"
    )
    shutil.copytree(program, tree / "program" / version, symlinks=True)
    (tree / "program" / "version").write_text(version)


if __name__ == "__main__":
    sys.exit(main())
