"""Root's part: what becomes a version, and all that does not."""

import os
import tarfile
import tempfile
import time
from pathlib import Path

import msgspec
import pytest

from appliance.updates.apply import RefusedError, Task, apply, prune, try_out
from appliance.updates.files import UpdateFiles
from appliance.updates.places import PROGRAM, Places, archive_name, found, this_target
from appliance.updates.unpack import ArchiveError, unpack
from tests.appliance.updates.releases import GOOD_PROGRAM, Signer, archive, lay, program


class Kiosk:
    """Directories as on a kiosk, 1.0.0 from the package."""

    def __init__(self, root: Path) -> None:
        self.signer = Signer()
        self.places = Places(lib=root / "lib", app=root / "app")
        self.state = root / "state"
        self.files = UpdateFiles(self.state)
        self.files.make()
        lay(self.places.packaged, "1.0.0")
        (root / "release.pub").write_text(self.signer.public)
        self.task = Task(state_dir=self.state, places=self.places, keys_file=root / "release.pub", user="")

    def fetched(self, version: str, data: bytes, signature: str | None = None) -> str:
        name = archive_name(version, this_target())
        (self.files.downloads / name).write_bytes(data)
        (self.files.downloads / f"{name}.minisig").write_text(signature or self.signer.sign(data))
        self.files.write("ready", name)
        return name

    def apply(self, given: Path | None = None) -> str:
        """What was wrong; empty: nothing."""
        done = apply(msgspec.structs.replace(self.task, given=given))
        assert done.ok is (not done.words or "already" in done.words)
        left = [path.name for path in (*self.places.versions.glob(".*"), *(self.places.app / "incoming").iterdir())]
        assert left == []
        return "" if done.ok else done.words


@pytest.fixture
def kiosk(tmp_path: Path) -> Kiosk:
    return Kiosk(tmp_path)


def test_a_download_becomes_a_version_that_everybody_may_run_and_nobody_change(kiosk: Kiosk) -> None:
    kiosk.fetched("1.1.0", program("1.1.0"))
    assert kiosk.apply() == ""
    place = kiosk.places.versions / "1.1.0"
    assert list(found(kiosk.places.versions)) == ["1.1.0"]
    assert (place / "_internal/base").read_bytes() == b"x" * 1000
    modes = {path.stat().st_mode & 0o7777 for path in (place, *place.rglob("*"))}
    assert modes == {0o755}
    assert kiosk.apply() == "", "again is no harm"
    kiosk.places.versions.joinpath(".in.1.2.0").mkdir()
    (kiosk.places.app / "incoming" / "left").write_text("half")
    assert kiosk.apply() == ""


@pytest.mark.parametrize(
    ("version", "data", "words"),
    [
        ("1.0.0", program("1.0.0"), "not newer than the package's 1.0.0"),
        ("0.9.0", program("0.9.0"), "not newer"),
        ("1.0.0rc1", program("1.0.0rc1"), "not newer"),
        ("1.1.0", program("1.2.0"), "says that it is kioskwire-appliance 1.2.0, not 1.1.0"),
        ("1.1.0", program("1.1.0", GOOD_PROGRAM.replace("exit 0", "echo no TLS roots; exit 1")), "no TLS roots"),
        ("1.1.0", program("1.1.0", "no program"), "cannot be run"),
        ("1.1.0", b"no archive", "broken"),
        ("1.1.0", program("1.1.0")[:150], "broken"),
        ("1.1.0", archive({"else/x": "x"}), "does not lie in"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_signed_and_none_of_ours_is_refused(kiosk: Kiosk, version: str, data: bytes, words: str) -> None:
    kiosk.fetched(version, data)
    assert words in kiosk.apply()
    assert list(found(kiosk.places.versions)) == []


def test_what_is_not_signed_is_not_even_unpacked(kiosk: Kiosk) -> None:
    data = program("1.1.0")
    kiosk.fetched("1.1.0", data, Signer().sign(data))
    assert "signed with the key" in kiosk.apply()
    kiosk.fetched("1.1.0", data, kiosk.signer.sign(data + b"x"))
    assert "does not fit" in kiosk.apply()
    kiosk.fetched("1.1.0", data, "nothing")
    assert "no minisign signature" in kiosk.apply()
    kiosk.task.keys_file.unlink()
    assert "cannot be read" in kiosk.apply()


def test_one_key_follows_another(kiosk: Kiosk) -> None:
    """Both count while both are there, and one that was taken out no more."""
    successor, both = Signer(), kiosk.signer.public + "# the next\n"
    kiosk.task.keys_file.write_text(both + successor.public)
    kiosk.fetched("1.1.0", program("1.1.0"))
    assert kiosk.apply() == ""
    data = program("1.2.0")
    kiosk.fetched("1.2.0", data, successor.sign(data))
    assert kiosk.apply() == ""
    kiosk.task.keys_file.write_text(successor.public)
    kiosk.fetched("1.3.0", program("1.3.0"))
    assert "signed with the key" in kiosk.apply()
    kiosk.fetched("1.3.0", data, successor.sign(data))
    assert "says that it is kioskwire-appliance 1.2.0, not 1.3.0" in kiosk.apply(), "another release's, renamed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_self_test_that_never_ends_is_ended(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="kioskwire-") as directory:
        os.chmod(directory, 0o755)
        place = lay(Path(directory), "1.1.0", GOOD_PROGRAM.replace("exit 0", "exec sleep 600"))
        began = time.monotonic()
        with pytest.raises(RefusedError, match=r"did not end within 0\.5 s"):
            try_out(place / PROGRAM, "1.1.0", user="nobody", limit_s=0.5)
        assert time.monotonic() - began < 60


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "x", "kioskwire-appliance-1.1.0-linux-x.tar.xz", "/dev/zero"])
def test_the_name_that_waits_leads_nowhere_else(kiosk: Kiosk, name: str) -> None:
    kiosk.files.write("ready", name)
    assert kiosk.apply()


def test_when_nothing_waits_what_came_of_the_last_one_stays_told(kiosk: Kiosk) -> None:
    kiosk.fetched("1.1.0", b"no archive")
    assert "broken" in kiosk.apply()
    told = (kiosk.places.app / "applied.json").read_bytes()
    kiosk.files.remove("ready")
    assert "no download waits" in kiosk.apply()
    assert (kiosk.places.app / "applied.json").read_bytes() == told


def test_no_link_or_pipe_of_the_services_user_is_followed(kiosk: Kiosk, tmp_path: Path) -> None:
    name = kiosk.fetched("1.1.0", program("1.1.0"))
    there = kiosk.files.downloads / name
    there.rename(tmp_path / "elsewhere")
    there.symlink_to(tmp_path / "elsewhere")
    assert "cannot be read" in kiosk.apply()
    there.unlink()
    os.mkfifo(there)
    assert "not a file" in kiosk.apply()
    there.unlink()
    (tmp_path / "elsewhere").rename(there)
    kiosk.files.downloads.rename(tmp_path / "moved")
    kiosk.files.downloads.symlink_to(tmp_path / "moved")
    assert "cannot be read" in kiosk.apply()
    ready = kiosk.files.directory / "ready"
    ready.unlink()
    ready.symlink_to(tmp_path / "release.pub")
    assert "cannot be read" in kiosk.apply()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_the_new_version_proves_itself_as_the_services_user(kiosk: Kiosk) -> None:
    with tempfile.TemporaryDirectory(prefix="kioskwire-") as directory:
        os.chmod(directory, 0o755)
        there = Kiosk(Path(directory))
        there.task = msgspec.structs.replace(there.task, user="nobody")
        there.fetched("1.1.0", program("1.1.0", GOOD_PROGRAM.replace("exit 0", "touch $HOME/x; id -un; exit 1")))
        assert "(1): nobody" in there.apply()


def test_a_person_brings_a_file(kiosk: Kiosk, tmp_path: Path) -> None:
    data = program("1.1.0")
    given = tmp_path / archive_name("1.1.0", this_target())
    given.write_bytes(data)
    assert "minisig cannot be read" in kiosk.apply(given)
    given.with_name(f"{given.name}.minisig").write_text(kiosk.signer.sign(data))
    assert kiosk.apply(given) == ""


def test_versions_that_nobody_goes_back_to_go(kiosk: Kiosk) -> None:
    for version in ("1.1.0", "1.2.0", "1.3.0", "1.4.0"):
        lay(kiosk.places.versions, version)
    kiosk.files.write("current", "1.3.0")
    kiosk.files.write("good", "1.2.0")
    prune(kiosk.state, kiosk.places, "1.4.0")
    assert list(found(kiosk.places.versions)) == ["1.2.0", "1.3.0", "1.4.0"]


def bad(name: str, **fields: object) -> bytes:
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return archive({f"{PROGRAM}/{PROGRAM}": "x"}, more=lambda tar: tar.addfile(member))


@pytest.mark.parametrize(
    "data",
    [
        bad(f"{PROGRAM}/../../out"), bad("/out"), bad("../out"), bad(f"{PROGRAM}/a/./b"),
        bad(f"{PROGRAM}/l", type=tarfile.SYMTYPE, linkname="/etc"),
        bad(f"{PROGRAM}/l", type=tarfile.SYMTYPE, linkname="../x"),
        bad(f"{PROGRAM}/a/l", type=tarfile.SYMTYPE, linkname="../../x"),
        bad(f"{PROGRAM}/h", type=tarfile.LNKTYPE, linkname=f"{PROGRAM}/{PROGRAM}"),
        bad(f"{PROGRAM}/d", type=tarfile.CHRTYPE), bad(f"{PROGRAM}/f", type=tarfile.FIFOTYPE),
        bad(f"{PROGRAM}/{PROGRAM}"), bad(f"{PROGRAM}/{PROGRAM}/x"), bad(PROGRAM),
        archive({f"{PROGRAM}/a": "->_internal", f"{PROGRAM}/a/x": "y"}),
        archive({f"{PROGRAM}/d/e": "->..", f"{PROGRAM}/d/e/l": "->../../x"}),
        bad(f"{PROGRAM}/s", size=(1 << 30) + 1), bad(f"{PROGRAM}/a\n/../x"),
    ],
    ids=lambda value: "",
)  # fmt: skip
def test_an_archive_writes_nowhere_else(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar.xz").write_bytes(data)
    (tmp_path / "within").mkdir()
    with pytest.raises(ArchiveError):
        unpack(tmp_path / "a.tar.xz", tmp_path / "within" / "target")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.xz", "within"]
    assert [path.name for path in (tmp_path / "within").iterdir()] == ["target"]


def test_links_within_stay(tmp_path: Path) -> None:
    files = {f"{PROGRAM}/lib/x.so.1": b"x", f"{PROGRAM}/lib/x.so": "->x.so.1", f"{PROGRAM}/y": "->lib/x.so"}
    (tmp_path / "a.tar.xz").write_bytes(archive(files))
    unpack(tmp_path / "a.tar.xz", tmp_path / "target")
    assert (tmp_path / "target/y").read_bytes() == b"x"
