"""The launcher: what it chooses out of what lies there, whatever state a power cut or a vandal left."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from appliance.updates.files import UpdateFiles
from appliance.updates.places import PROGRAM, Places
from tests.appliance.updates.releases import lay
from wire.release import version_key

LAUNCH = Path(__file__).parents[3] / "packaging/launch/kioskwire-launch"


class Kiosk:
    """Directories as on a kiosk."""

    def __init__(self, root: Path) -> None:
        self.places = Places(lib=root / "lib", app=root / "app")
        self.state = root / "state"
        self.files = UpdateFiles(self.state)
        self.files.make()
        for directory in (self.places.packaged, self.places.versions):
            directory.mkdir(parents=True)

    def package(self, *versions: str) -> None:
        for version in versions:
            lay(self.places.packaged, version)

    def update(self, *versions: str) -> None:
        for version in versions:
            lay(self.places.versions, version)

    def launch(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {
            "PATH": "/usr/bin:/bin", "KIOSKWIRE_LIB": str(self.places.lib), "KIOSKWIRE_APP": str(self.places.app),
            "STATE_DIR": str(self.state),
        }  # fmt: skip
        return subprocess.run(
            [LAUNCH, *arguments], env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    def run(self) -> str:
        """What runs then."""
        return self.launch("run").stdout.strip()


@pytest.fixture
def kiosk(tmp_path: Path) -> Kiosk:
    return Kiosk(tmp_path)


def test_the_newest_of_the_package_unless_a_newer_one_is_wanted(kiosk: Kiosk) -> None:
    kiosk.package("1.9.0", "1.10.0", "1.10.0rc2")
    kiosk.update("1.10.1", "1.9.5")
    assert kiosk.run() == "1.10.0 package run"
    kiosk.files.write("good", "1.10.1")
    kiosk.files.write("current", "1.10.1")
    assert kiosk.run() == "1.10.1 update run"
    assert kiosk.launch("run", "--routes", "a b").stdout.strip() == "1.10.1 update run --routes a b"
    assert kiosk.launch("which").stdout == f"1.10.1 {kiosk.places.versions}/1.10.1\n"
    kiosk.files.write("current", "1.9.5")
    kiosk.files.write("good", "1.9.5")
    assert kiosk.run() == "1.10.0 package run", "the package's is newer"
    kiosk.files.write("current", "1.10.1")
    kiosk.package("1.10.2")
    assert kiosk.run() == "1.10.2 package run"


def test_a_version_on_trial_is_started_three_times(kiosk: Kiosk) -> None:
    kiosk.package("1.0.0")
    kiosk.update("1.1.0", "1.2.0")
    kiosk.files.write("good", "1.1.0")
    kiosk.files.write("current", "1.2.0")
    kiosk.files.write("trial", "1.2.0 0")
    for _ in range(3):
        assert kiosk.run() == "1.2.0 update run"
        assert kiosk.launch("tool", "version").stdout == "kioskwire-appliance 1.2.0\n", "which does not count"
    for _ in range(2):
        assert kiosk.run() == "1.1.0 update run"
    assert kiosk.files.bad() == {"1.2.0": "it was started 3 times and did not prove itself"}
    kiosk.files.add_bad("1.1.0", "why not")
    assert kiosk.run() == "1.0.0 package run"
    assert kiosk.files.forgive("1.2.0")
    assert not kiosk.files.forgive("1.3.0")
    assert kiosk.run() == "1.0.0 package run", "it is chosen anew, and not by just any start"
    kiosk.files.write("current", "1.2.0")
    assert kiosk.run() == "1.2.0 update run"


def test_what_is_not_whole_is_not_run(kiosk: Kiosk) -> None:
    kiosk.package("1.0.0")
    kiosk.update("1.1.0")
    kiosk.files.write("current", "1.1.0")
    program = kiosk.places.versions / "1.1.0" / PROGRAM
    program.chmod(0o644)
    assert kiosk.run() == "1.0.0 package run"
    program.unlink()
    assert kiosk.run() == "1.0.0 package run"
    program.mkdir()
    assert kiosk.run() == "1.0.0 package run"
    (kiosk.places.packaged / "1.0.1").mkdir()
    (kiosk.places.packaged / "latest").mkdir()
    assert kiosk.run() == "1.0.0 package run"


def test_the_floor_is_not_gone_below(kiosk: Kiosk) -> None:
    kiosk.package("1.0.0")
    kiosk.update("1.1.0", "1.2.0")
    kiosk.files.write("floor", "1.1.0")
    kiosk.files.write("good", "1.1.0")
    kiosk.files.write("current", "1.2.0")
    kiosk.files.add_bad("1.2.0", "x")
    assert kiosk.run() == "1.1.0 update run"
    kiosk.files.add_bad("1.1.0", "x")
    told = kiosk.launch("run")
    assert (told.stdout, "nothing better" in told.stderr) == ("1.1.0 update run\n", True)
    kiosk.package("1.1.1")
    assert kiosk.run() == "1.1.1 package run"


def test_starts_that_cannot_be_counted_are_not_made(kiosk: Kiosk) -> None:
    kiosk.package("1.0.0")
    kiosk.update("1.1.0")
    kiosk.files.write("current", "1.1.0")
    (kiosk.files.directory / "trial.new").mkdir()  # as root it takes more than a missing right
    assert kiosk.run() == "1.0.0 package run"
    assert kiosk.files.bad() == {}


def test_without_anything_it_says_so(kiosk: Kiosk) -> None:
    told = kiosk.launch("run")
    assert (told.returncode, "no version to run" in told.stderr) == (1, True)
    assert kiosk.launch("walk").returncode == 2
    assert kiosk.launch().returncode == 2


def test_whatever_stands_in_the_files_something_runs(kiosk: Kiosk) -> None:
    """Garbage, other types, cuts: never nothing, never outside, never an older one than the package's."""
    chance = random.Random(7)
    kiosk.package("1.0.0")
    kiosk.update("1.1.0", "0.9.0", "1.0.0")
    (kiosk.state / "evil").mkdir()
    lay(kiosk.state, "9.9.9")
    values = [
        b"", b"1.1.0", b"1.1.0\n", b"0.9.0\n", b"../../state/9.9.9\n", b"9.9.9\n", b"1.1.0 2\n", b"1.1.0 99999999999\n",
        b"1.1.0 -1\n", b"\0\n", b"\xff\xfe\n", b"* ?\n", b"$(touch pwned)\n", b"-n\n", b"1.1.0\r\n", b"08.09.08\n",
        b"1.1.0rc0\n", b"x" * 100_000 + b"\n", b"1.1.0 3\n1.1.0 0\n", b"99999999999999999999.1.1\n", b"`id`", b"1.1\n",
    ]  # fmt: skip
    for _ in range(25):
        for name in ("current", "good", "trial", "bad", "floor"):
            path = kiosk.files.directory / name
            if path.is_dir():
                path.rmdir()
            path.unlink(missing_ok=True)
            match chance.randrange(8):
                case 0:
                    pass
                case 1:
                    path.mkdir()
                case 2:
                    path.symlink_to("nowhere")
                case _:
                    path.write_bytes(chance.choice(values))
        told = kiosk.launch("run")
        version, origin, word = told.stdout.split()
        assert (told.returncode, word) == (0, "run"), told
        assert version_key(version) >= version_key("1.0.0")
        assert (version, origin) in {("1.0.0", "package"), ("1.1.0", "update")}
    assert not list(Path(os.getcwd()).glob("pwned"))
