"""Versions of the package side by side: laid at once or not at all, never taken from under who runs them."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]


class Versions:
    """The command, with a place of its own. The program is `sleep`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.appliance = directory / "lib" / "appliance"

    def program(self, version: str) -> Path:
        """A frozen program, as a package brings it."""
        folder = self.directory / "package" / version
        (folder / "_internal").mkdir(parents=True, exist_ok=True)
        shutil.copy2(shutil.which("sleep") or "", folder / "kioskwire-appliance")
        (folder / "_internal" / "which").write_text(version)
        return folder

    def call(self, *arguments: object) -> tuple[int, str]:
        """Status and words."""
        done = subprocess.run(
            ["sh", TREE / "packaging/deb/kioskwire-versions", *map(str, arguments)], check=False, timeout=60, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "KIOSKWIRE_LIB": str(self.directory / "lib"),
                "STATE_DIR": str(self.directory / "state"),
            },
        )  # fmt: skip
        return done.returncode, done.stdout

    def take(self, version: str) -> tuple[int, str]:
        """As postinst does."""
        return self.call("take", self.program(version), version)

    def there(self) -> list[str]:
        """What the launcher could choose from."""
        return sorted(path.name for path in self.appliance.iterdir() if not path.name.startswith("."))

    def left(self) -> list[str]:
        """What should not stay."""
        return sorted(path.name for path in self.appliance.iterdir() if path.name.startswith((".new", ".old")))

    @contextlib.contextmanager
    def running(self, version: str) -> Iterator[subprocess.Popen[bytes]]:
        """Somebody runs it."""
        with subprocess.Popen([self.appliance / version / "kioskwire-appliance", "600"]) as process:
            while not (Path("/proc") / str(process.pid) / "exe").readlink().is_relative_to(self.appliance):
                time.sleep(0.01)
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path)


def test_the_newest_is_laid_beside_the_one_that_runs_which_goes_when_it_has_ended(versions: Versions) -> None:
    assert versions.take("1.0.0") == (0, "")
    with versions.running("1.0.0"):
        shutil.rmtree(versions.directory / "package" / "1.0.0")  # as dpkg does, with the package's own files
        assert versions.take("1.1.0") == (0, "")
        assert versions.call("sweep") == (0, "")
        assert versions.there() == ["1.0.0", "1.1.0"]
        assert (versions.appliance / "1.0.0" / "_internal" / "which").read_text() == "1.0.0"
    assert versions.call("sweep") == (0, "")
    assert (versions.there(), versions.left()) == (["1.1.0"], [])


def test_an_older_one_is_taken_where_the_newer_does_not_run(versions: Versions) -> None:
    versions.take("1.1.0")
    with versions.running("1.1.0"):
        status, words = versions.take("1.0.0")
        assert (status, "1.1.0 runs and is newer than 1.0.0" in words) == (1, True)
        assert versions.there() == ["1.1.0"]
    assert versions.take("1.0.0") == (0, "")
    assert versions.there() == ["1.0.0"]
    versions.call("sweep")
    assert versions.left() == []


@pytest.mark.parametrize(("older", "newer"), [("1.0.0rc1", "1.0.0"), ("1.0.0rc2", "1.0.0rc10"), ("1.9.0", "1.10.0")])
def test_versions_have_the_order_of_releases(versions: Versions, older: str, newer: str) -> None:
    versions.take(older)
    versions.take(newer)
    assert versions.there() == sorted([older, newer])
    versions.call("sweep")
    assert versions.there() == [newer]
    versions.take(older)
    assert versions.there() == [older]


def test_what_a_power_cut_left_is_cleared(versions: Versions) -> None:
    versions.take("1.0.0")
    for name in (".new-1.1.0", ".old-0.9.0", "0.9.0"):
        (versions.appliance / name).mkdir()
    assert versions.take("1.1.0") == (0, "")
    assert versions.call("sweep") == (0, "")
    assert (versions.there(), versions.left()) == (["1.1.0"], [])
    assert (versions.appliance / "1.1.0" / "kioskwire-appliance").is_file()


def test_the_same_version_again_leaves_it_and_one_built_anew_replaces_it(versions: Versions) -> None:
    versions.take("1.0.0")
    before = (versions.appliance / "1.0.0").stat().st_ino
    versions.take("1.0.0")
    assert (versions.appliance / "1.0.0").stat().st_ino == before
    folder = versions.program("1.0.0")
    (folder / "_internal" / "which").unlink()
    (folder / "_internal" / "which").write_text("1.0.0 anew")
    assert versions.call("take", folder, "1.0.0") == (0, "")
    assert (versions.appliance / "1.0.0" / "_internal" / "which").read_text() == "1.0.0 anew"
    versions.call("sweep")
    assert versions.left() == []


@pytest.mark.parametrize("arguments", [(), ("take",), ("take", "/nowhere", "1.0.0"), ("what",)])
def test_what_is_not_understood_does_nothing(versions: Versions, arguments: tuple[str, ...]) -> None:
    status, words = versions.call(*arguments)
    assert (status, "right would be" in words) == (2, True)
    assert not versions.appliance.exists()


def test_without_a_version_taken_nothing_is_swept(versions: Versions) -> None:
    (versions.appliance / "1.0.0").mkdir(parents=True)
    assert versions.call("sweep") == (0, "")
    assert versions.there() == ["1.0.0"]
