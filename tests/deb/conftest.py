"""Packages of two versions, and Debians to try them in. Needs root, Debian's tools and minutes: `make test-deb`.

DEB_WORK names a folder that outlives a run (default .state/deb): the base system and frozen versions are kept there.
DEB_TREE names another tree to freeze, where somebody is at work in this one.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deb.machine import Machine
from tests.journeys.site import Site

TREE = Path(__file__).resolve().parents[2]
FROZEN_TREE = Path(os.environ.get("DEB_TREE") or TREE)
OLD, NEW = "1.0.0", "1.1.0"
collect_ignore_glob = [] if os.environ.get("KIOSKWIRE_TEST_DEB") else ["test_*.py"]


@pytest.fixture(scope="session")
def work() -> Path:
    """What is kept between runs."""
    path = Path(os.environ.get("DEB_WORK") or TREE / ".state" / "deb").resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="session")
def base(work: Path) -> Path:
    """A small Debian with systemd, of the sources this machine takes its packages from."""
    archive = work / "base.tar"
    if not archive.exists():
        sources = work / "sources"
        lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))]
        sources.write_text("\n".join(each.read_text() for each in lists if each.is_file()))
        include = "systemd,systemd-sysv,dbus,udev,diffutils,xz-utils"
        call(
            [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={include}",
                "bookworm",
                f"{archive}.new",
                sources,
            ]
        )
        Path(f"{archive}.new").rename(archive)
    return archive


@pytest.fixture(scope="session")
def programs(work: Path) -> dict[str, Path]:
    """Two versions of this tree's program, each in one folder. Made anew when the tree has changed."""
    return {version: freeze(work, version) for version in (OLD, NEW)}


def freeze(work: Path, version: str) -> Path:
    """One of them."""
    target = work / f"program-{version}-{state_of_tree()}"
    if not (target / "appliance").exists():
        for old in work.glob(f"program-{version}-*"):
            call(["rm", "-rf", old])
        python = TREE / ".venv-freeze" / "bin" / "python"
        call([python, FROZEN_TREE / "packaging" / "freeze" / "build.py", "--version", version, "--out", target])
    return target / "appliance" / "kioskwire-appliance"


def state_of_tree() -> str:
    """Changes with any file that is frozen."""
    found = hashlib.sha256()
    for room in ("appliance", "hardware", "wire", "packaging/freeze"):
        for path in sorted((FROZEN_TREE / room).rglob("*.py")):
            found.update(path.read_bytes())
    found.update((FROZEN_TREE / "build.spec").read_bytes())
    return found.hexdigest()[:12]


@pytest.fixture(scope="session")
def packages(work: Path, programs: dict[str, Path]) -> dict[str, Path]:
    """By version."""
    made = {}
    for version, program in programs.items():
        pack("build.py", program, work)
        made[version] = work / f"kioskwire-appliance_{version}_amd64.deb"
    return made


@pytest.fixture(scope="session")
def archives(work: Path, programs: dict[str, Path]) -> dict[str, Path]:
    """What install.sh comes in, by version."""
    made = {}
    for version, program in programs.items():
        pack("archive.py", program, work)
        made[version] = work / f"kioskwire-appliance-{version}-install.tar.xz"
    return made


@pytest.fixture
def machine(base: Path, tmp_path: Path) -> Iterator[Machine]:
    """A new one, with nothing of ours. 300 MB, which do not stay."""
    root = tmp_path / "root"
    root.mkdir()
    call(["tar", "--directory", root, "--extract", "--file", base, "--exclude=./dev/*"])
    (root / "etc/machine-id").write_text("")
    yield Machine(root)
    call(["rm", "-rf", "--one-file-system", root])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub and a gateway, here."""
    built = Site(tmp_path_factory.mktemp("site"))
    try:
        yield built
    finally:
        built.close()


def pack(script: str, program: Path, out: Path) -> None:
    """Make a package or an archive, of a time that does not change."""
    scripts = TREE / "packaging" / "deb"
    call(["env", "SOURCE_DATE_EPOCH=1767225600", "python3", scripts / script, "--program", program, "--out", out])


def call(command: list[object]) -> None:
    """Must go well."""
    done = subprocess.run(
        [str(word) for word in command], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout[-3000:]}"
