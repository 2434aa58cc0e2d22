"""Power fails at every single step of unpacking, switching, proving and giving up: some good version runs, and all goes
on from there."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.updates import switch
from appliance.updates.apply import Task, apply
from appliance.updates.files import CURRENT, GOOD, TRIAL, UpdateFiles
from appliance.updates.places import PROGRAM, archive_name, found, this_target
from appliance.updates.putoff import PutOff
from appliance.updates.trial import Baseline
from tests.appliance.updates.power import at_every_step
from tests.appliance.updates.releases import Signer, program
from tests.appliance.updates.test_launch import Kiosk

BASELINE = Baseline(version="1.1.0", at=1.0, connected=True)


class World:
    """A kiosk that can be put back to where it was."""

    def __init__(self, root: Path, prepare: Callable[[Kiosk], None]) -> None:
        self.root, self.prepare = root, prepare
        self.anew()

    def anew(self) -> None:
        shutil.rmtree(self.root / "kiosk", ignore_errors=True)
        self.kiosk = Kiosk(self.root / "kiosk")
        self.kiosk.package("1.0.0")
        self.prepare(self.kiosk)

    @property
    def files(self) -> UpdateFiles:
        return self.kiosk.files

    def which(self) -> str:
        told = self.kiosk.launch("which").stdout.split()
        assert (Path(told[1]) / PROGRAM).is_file()
        return told[0]


def two_updates(kiosk: Kiosk) -> None:
    kiosk.update("1.1.0", "1.2.0")
    kiosk.files.write(GOOD, "1.1.0")
    kiosk.files.write(CURRENT, "1.1.0")


def on_trial(kiosk: Kiosk) -> None:
    two_updates(kiosk)
    kiosk.files.write(TRIAL, "1.2.0 1")
    kiosk.files.write(CURRENT, "1.2.0")


def test_stepping_aside(tmp_path: Path) -> None:
    """The old one runs or the new one, and the new one never uncounted."""
    world = World(tmp_path, two_updates)
    seen = set()
    for _ in at_every_step(lambda: switch.step_aside(world.files, "1.2.0", BASELINE), world.anew):
        runs = world.which()
        seen.add(runs)
        assert runs in {"1.1.0", "1.2.0"}
        if runs == "1.2.0":
            assert world.kiosk.run() == "1.2.0 update run"
            assert world.files.word(TRIAL) == "1.2.0"
            assert world.files.load("baseline.json", Baseline) == BASELINE
        switch.step_aside(world.files, "1.2.0", BASELINE)
        assert world.which() == "1.2.0"
        left = {path.name for path in world.files.directory.iterdir()}
        assert left <= {"download", "trial", "current", "good", "baseline.json"}, "nothing half is left"
    assert seen == {"1.1.0", "1.2.0"}


def test_proving(tmp_path: Path) -> None:
    """It runs on, whatever; at worst it is on trial once more."""
    world = World(tmp_path, on_trial)
    for _ in at_every_step(lambda: switch.prove(world.files, "1.2.0"), world.anew):
        assert world.which() == "1.2.0"
        assert world.files.version(GOOD) in {"1.1.0", "1.2.0"}
        switch.prove(world.files, "1.2.0")
        assert (world.files.version(GOOD), world.files.exists(TRIAL)) == ("1.2.0", False)


def test_giving_up(tmp_path: Path) -> None:
    """From some step on the good one runs for ever; before it, the bad one is still counted."""
    world = World(tmp_path, on_trial)
    runs = []
    for _ in at_every_step(lambda: switch.give_up(world.files, "1.2.0", "why"), world.anew):
        runs.append(world.which())
        if runs[-1] == "1.2.0":
            assert world.files.word(TRIAL) == "1.2.0"
    assert runs == sorted(runs, reverse=True)
    assert set(runs) == {"1.1.0", "1.2.0"}


@pytest.mark.parametrize("good", ["1.1.0", ""])
def test_putting_off(tmp_path: Path, good: str) -> None:
    """As long as it still runs it is counted; where it does not, it is known that it is put off."""

    def prepare(kiosk: Kiosk) -> None:
        on_trial(kiosk)
        if not good:
            kiosk.files.remove(GOOD)

    world = World(tmp_path, prepare)
    how = PutOff(at=1.0)
    runs = []
    for _ in at_every_step(lambda: switch.put_off(world.files, "1.2.0", how), world.anew):
        runs.append(world.which())
        if runs[-1] == "1.2.0":
            assert world.files.word(TRIAL) == "1.2.0"
        else:
            assert world.files.put_off() == {"1.2.0": how}
    assert runs == sorted(runs, reverse=True)
    assert set(runs) == {good or "1.0.0", "1.2.0"}
    assert world.files.bad() == {}


@pytest.mark.parametrize("left", [(), (".in.1.2.0",), ("1.2.0",)])
def test_unpacking(tmp_path: Path, left: tuple[str, ...]) -> None:
    """A version is there as a whole or not at all, and the next run of root's makes it one."""
    signer, data = Signer(), program("1.2.0")
    (tmp_path / "release.pub").write_text(signer.public)
    name = archive_name("1.2.0", this_target())

    def prepare(kiosk: Kiosk) -> None:
        two_updates(kiosk)
        shutil.rmtree(kiosk.places.versions / "1.2.0")
        kiosk.update("1.0.1")  # nobody goes back to it
        for each in left:
            (kiosk.places.versions / each / "_internal").mkdir(parents=True)
        (kiosk.files.downloads / name).write_bytes(data)
        (kiosk.files.downloads / f"{name}.minisig").write_text(signer.sign(data))
        kiosk.files.write("ready", name)

    world = World(tmp_path, prepare)

    def root() -> bool:
        state, places = world.kiosk.state, world.kiosk.places
        return apply(Task(state_dir=state, places=places, keys_file=tmp_path / "release.pub", user="")).ok

    for step in at_every_step(root, world.anew, stride=2 if not left else 7):
        versions = world.kiosk.places.versions
        assert set(found(versions)) <= {"1.0.1", "1.1.0", "1.2.0"}
        if "1.2.0" in found(versions):
            assert (versions / "1.2.0/_internal/base").read_bytes() == b"x" * 1000, step
        assert world.which() == "1.1.0"
        assert root()
        assert {path.name for path in versions.iterdir()} == {"1.1.0", "1.2.0"}, "nothing half is left"
