"""Collect what is in dist/ into one folder for publishing, with checksums and the list of what is inside; unsigned.

    collect.py --dist dist --out dist/release --freeze-python PYTHON --check-python PYTHON

The wheel, the program in one file and the packed folder must be there; package and image come with it where they are.
Nothing of another version is taken. What is inside is found by the Python that froze the program, and what was found is
held against CycloneDX's schema by one that has its library.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from sign import SUMS, write_whole

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from wire.version import VERSION  # noqa: E402 - the tree need not be installed

_DEBIAN_VERSION = VERSION.replace("rc", "~rc")
_TARGET = "linux-x86_64"

# What is published → what makes it; the first group must be there. A name of dist/ may be published under another.
_NEEDED = {
    f"kioskwire-{VERSION}-py3-none-any.whl": "make wheel",
    f"kioskwire-appliance-{VERSION}-{_TARGET}.tar.xz": "make pack",
    f"kioskwire-appliance-{VERSION}-{_TARGET}": "make binary",
}
_WELCOME = {
    f"kioskwire-appliance_{_DEBIAN_VERSION}_amd64.deb": "make deb",
    f"kioskwire-appliance-{VERSION}-install.tar.xz": "make install-archive",
    f"kioskwire-hub-{VERSION}-{_TARGET}": "make hub-binary",
    f"kioskwire-appliance-{VERSION}.img.zst": "make image",
    f"kioskwire-appliance-{VERSION}.packages.txt": "make image",
    f"kioskwire-{VERSION}.raucb": "make bundle",
}
_MADE_AS = {
    f"kioskwire-appliance-{VERSION}-{_TARGET}": "kioskwire-appliance",
    f"kioskwire-hub-{VERSION}-{_TARGET}": "kioskwire-hub",
}
_CHECK = """\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1], encoding="utf-8").read())
sys.exit(f"the list of what is inside is no CycloneDX 1.6: {error}" if error else 0)
"""


class NotReady(Exception):
    """Something is missing or of another version."""


def choose(dist: Path) -> dict[str, Path]:
    """What to publish, by the name it is published under. Raises `NotReady` with everything that is missing."""
    found, missing = {}, []
    for name, target in {**_NEEDED, **_WELCOME}.items():
        path = dist / _MADE_AS.get(name, name)
        if path.is_file():
            found[name] = path
        elif name in _NEEDED:
            missing.append(f"{path} is missing: {target}")
        else:
            print(f"without {name} ({target})")
    if missing:
        raise NotReady("\n".join(missing))
    for name, path in found.items():
        if name in _MADE_AS:
            _check_version(path)
    return found


def _check_version(program: Path) -> None:
    told = subprocess.run(
        [program.absolute(), "version"], capture_output=True, text=True, timeout=60, check=False, env={}
    )
    if told.returncode or told.stdout.split()[-1:] != [VERSION]:
        raise NotReady(
            f"{program} says {told.stdout.strip() or told.stderr.strip()!r}, this tree is {VERSION}: make it"
        )


def checksums(directory: Path) -> str:
    """SHA256SUMS of a folder, as `sha256sum --check` reads it."""
    lines = []
    for path in sorted(directory.iterdir()):
        if path.is_file() and path.suffix != ".minisig" and path.name != SUMS:
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    return "".join(lines)


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--freeze-python", type=Path, required=True)
    parser.add_argument("--check-python", type=Path, required=True)
    given = parser.parse_args()
    try:
        collect(given)
    except (NotReady, OSError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    return 0


def collect(given: argparse.Namespace) -> None:
    """Fill the folder anew."""
    found = choose(given.dist)
    shutil.rmtree(given.out, ignore_errors=True)
    given.out.mkdir(parents=True)
    for name, path in found.items():
        shutil.copy2(path, given.out / name)
    bom = given.out / f"kioskwire-{VERSION}.cdx.json"
    folder = given.dist / "appliance" / "kioskwire-appliance"
    command = [given.freeze_python, Path(__file__).with_name("sbom.py"), "--program", folder, "--out", bom]
    listing = given.dist / f"kioskwire-appliance-{VERSION}.packages.txt"
    if listing.is_file():
        command += ["--packages", listing]
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    if commit.returncode == 0:
        command += ["--commit", commit.stdout.strip()]
    subprocess.run(command, check=True, timeout=300)
    subprocess.run([given.check_python, "-c", _CHECK, bom], check=True, timeout=120)
    sums = checksums(given.out)
    write_whole(given.out / SUMS, sums.encode())
    print(sums, end="")


if __name__ == "__main__":
    sys.exit(main())
