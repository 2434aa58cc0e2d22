"""Updates within an appliance: what is looked for, fetched and switched to; when; and what a trial ends with."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.health.metrics import Metrics
from appliance.journal import Journal, StandstillError, Work
from appliance.updates import service, switch
from appliance.updates.apply import Task, apply
from appliance.updates.files import BASELINE, CURRENT, GOOD, NOW, READY, RESTART, TRIAL, UpdateFiles
from appliance.updates.places import Places, archive_name, this_target
from appliance.updates.plan import Plan
from appliance.updates.putoff import PutOff
from appliance.updates.service import Updates
from appliance.updates.source import Where
from appliance.updates.trial import Baseline, Seen
from tests.appliance.journal.test_journal import response
from tests.appliance.updates.releases import Server, Signer, lay, program, server
from tests.appliance.worlds import journal, request, until
from wire.release import Rollout

NOON = time.mktime((2026, 1, 1, 12, 0, 0, 0, 0, -1))  # where the kiosk is
WELL = Seen(connected=True, devices={"bills": True})


class Operations:
    """What the operations are to updates."""

    def __init__(self) -> None:
        self.busy = self.held = False

    def hold(self) -> bool:
        if self.busy or self.held:
            return False
        self.held = True
        return True

    def release(self) -> None:
        self.held = False


class Kiosk:
    """One run of a version, with everything around it."""

    def __init__(self, root: Path, there: Server, here: Journal, **fields: Any) -> None:
        self.places = Places(lib=root / "lib", app=root / "app")
        self.there, self.journal = there, here
        (root / "release.pub").write_text(there.signer.public)
        self.operations = Operations()
        self.seen = WELL
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.ended = asyncio.Event()
        self.plan = Plan(**{
            "state_dir": root / "state", "places": self.places, "keys_file": root / "release.pub", "origin": "package",
            "where": lambda: Where(url=there.url, channel="stable"), "kiosk_id": lambda: "kiosk_001", "boot_id": "b",
            "mode": "auto", "version": "1.0.0", "trial_s": 1.0, "tick_s": 0.02, "first_look_s": (0.0, 0.0),
            "retry_s": 0.05, "look_at_trial_s": 0.02, "ask_again_s": 0.05, "look_every_s": 0.3, **fields,
        })  # fmt: skip
        self.files = UpdateFiles(self.plan.state_dir)
        self.metrics = Metrics("1.0.0")
        self.updates = Updates(
            self.plan, journal=here, work=self.operations, seen=lambda: self.seen, end=self.ended.set, note=self.note,
            metrics=self.metrics, wall=lambda: NOON,
        )  # fmt: skip

    async def note(self, kind: str, data: dict[str, Any]) -> None:
        self.notes.append((kind, data))

    def root(self) -> bool:
        """What kioskwire-update.service does."""
        keys, state = self.plan.keys_file, self.plan.state_dir
        return apply(Task(state_dir=state, places=self.places, keys_file=keys, user="")).ok

    async def fetched(self) -> None:
        await until(lambda: self.files.word(READY))

    def says(self, words: str) -> bool:
        return words in self.updates.status.words

    def troubles(self, kind: str) -> float:
        return self.metrics.registry.get_sample_value("kioskwire_update_troubles_total", {"kind": kind}) or 0.0


@contextlib.asynccontextmanager
async def kiosk(root: Path, **fields: Any) -> AsyncIterator[Kiosk]:
    """It runs; a version comes by `there.offer`, the package has 1.0.0."""
    begin = fields.pop("begin", lambda here: None)
    async with server(Signer()) as there, journal(root / "state") as opened:
        here = Kiosk(root, there, opened, **fields)
        here.files.make()
        if not here.places.packaged.exists():
            lay(here.places.packaged, "1.0.0")
        begin(here)
        await here.updates.start()
        try:
            yield here
        finally:
            await here.updates.stop()


async def test_all_of_it_from_the_manifest_to_the_end_of_the_run(tmp_path: Path) -> None:
    async with kiosk(tmp_path) as here:
        await until(lambda: here.says("404"))
        here.there.offer(v1_1_0=program("1.1.0"))
        await here.fetched()
        assert not here.ended.is_set()
        assert here.root()
        await until(here.ended.is_set)
        assert (here.files.word(CURRENT), here.files.word(TRIAL)) == ("1.1.0", "1.1.0")
        assert here.files.load(BASELINE, Baseline) is not None
        assert here.files.load(BASELINE, Baseline).connected
        assert here.notes == [("update-installed", {"from": "1.0.0", "to": "1.1.0"})]
        assert here.operations.held
        with pytest.raises(StandstillError):
            await here.journal.begin(request())
        assert here.files.kept().serials == {"stable": 1}
        await until(lambda: not list(here.files.downloads.iterdir()))


async def test_an_answer_of_root_that_comes_after_the_version_was_seen_is_heard(tmp_path: Path) -> None:
    async with kiosk(tmp_path) as here:
        here.there.offer(v1_1_0=program("1.1.0"))
        await here.fetched()
        lay(here.places.versions, "1.1.0")
        await until(here.ended.is_set)
        assert here.files.word(READY)
        assert here.root()
        await until(lambda: not here.files.word(READY) and not list(here.files.downloads.iterdir()))


async def test_what_is_under_way_holds_it_off(tmp_path: Path) -> None:
    """An operation, one in doubt, a cash session, a work: whatever it is, it is waited for."""
    async with kiosk(tmp_path) as here:
        await here.journal.begin(request("request-1"))
        session = Work(id="request-2", kind="cash", begun_at=1.0, data=msgspec.Raw(b"{}"))
        await here.journal.write(lambda book: book.begin_work(session))
        here.operations.busy = True
        here.there.offer(v1_1_0=program("1.1.0"))
        await here.fetched()
        assert here.root()
        await until(lambda: here.updates.status.waits == ["operations are under way"])
        here.operations.busy = False
        await until(lambda: len(here.updates.status.waits) == 2)
        assert "in doubt" in here.updates.status.waits[0]
        assert not here.operations.held
        await here.journal.finish(response("request-1"))
        await until(lambda: len(here.updates.status.waits) == 1)
        assert (here.ended.is_set(), here.files.word(CURRENT)) == (False, "")
        await here.journal.write(lambda book: book.end_work("request-2", {}))
        await until(here.ended.is_set)


async def test_not_outside_the_window_and_not_before_the_hub_lets_it(tmp_path: Path) -> None:
    async with kiosk(tmp_path, window="00:00-00:01") as here:
        here.there.offer(Rollout(version="1.1.0", percent=0), v1_1_0=program("1.1.0"))
        await until(lambda: here.says("does not let 1.1.0"))
        here.there.offer(Rollout(version="1.1.0"), v1_1_0=program("1.1.0"))
        await here.fetched()
        assert here.root()
        await until(lambda: here.updates.status.waits == ["it is not yet 00:00-00:01"])
        here.there.offer(Rollout(version="1.1.0", paused=True, window="00:00-00:00"), v1_1_0=program("1.1.0"))
        await until(lambda: here.says("paused"))
        await asyncio.sleep(0.2)
        assert not here.ended.is_set()
        here.there.offer(Rollout(version="1.1.0", window="00:00-00:00"), v1_1_0=program("1.1.0"))
        await until(here.ended.is_set)


async def test_a_rollout_is_in_force_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not its window alone while it is still looked up what is bad: it may be paused."""
    async with kiosk(tmp_path, window="00:00-00:01") as here:
        here.there.offer(Rollout(version="1.1.0"), v1_1_0=program("1.1.0"))
        await here.fetched()
        assert here.root()
        await until(lambda: here.updates.status.waits == ["it is not yet 00:00-00:01"])
        looks, goes_on, to_thread = asyncio.Event(), asyncio.Event(), asyncio.to_thread
        here.there.offer(Rollout(version="1.1.0", paused=True, window="00:00-00:00"), v1_1_0=program("1.1.0"))
        asked = len(here.there.asked)

        async def held(work: Any, *given: Any, **more: Any) -> Any:
            task = asyncio.current_task()
            is_looking = task is not None and task.get_name() == "updates-look" and work == here.updates._files.bad
            if is_looking and len(here.there.asked) >= asked + 2:  # it has the manifest and the rollout as they are now
                looks.set()
                await goes_on.wait()
            return await to_thread(work, *given, **more)

        monkeypatch.setattr(asyncio, "to_thread", held)
        await until(looks.is_set)
        await asyncio.sleep(0.3)
        assert not here.ended.is_set()
        goes_on.set()
        await until(lambda: here.says("paused"))
        assert not here.ended.is_set()


@pytest.mark.parametrize("mode", ["off", "notify"])
async def test_who_does_not_want_it_gets_nothing_and_a_person_everything(tmp_path: Path, mode: str) -> None:
    async with kiosk(tmp_path, mode=mode) as here:
        here.there.offer(Rollout(version="1.1.0", percent=0 if mode == "off" else 100), v1_1_0=program("1.1.0"))
        await asyncio.sleep(0.2)
        if mode == "off":
            assert here.there.asked == []
        else:
            await until(lambda: here.notes)
            await asyncio.sleep(0.5)
            assert here.notes == [("update-available", {"version": "1.1.0", "running": "1.0.0"})], "once"
        assert not here.files.word(READY)
        here.files.write(NOW, "now")
        await here.fetched()
        assert here.root()
        await until(here.ended.is_set)
        assert not here.files.exists(NOW)


async def test_a_version_that_a_person_brought_needs_no_hub(tmp_path: Path) -> None:
    async with kiosk(tmp_path, mode="off", where=lambda: None) as here:
        lay(here.places.versions, "1.1.0")
        await until(lambda: here.updates.status.installed == "1.1.0")
        await asyncio.sleep(0.1)
        assert not here.ended.is_set()
        here.files.write(NOW, "1.1.0")
        await until(here.ended.is_set)
        assert here.files.word(CURRENT) == "1.1.0"


async def test_bad_data_is_refused_counted_and_asked_for_again(tmp_path: Path) -> None:
    async with kiosk(tmp_path) as here:
        here.there.offer(v1_1_0=program("1.1.0"), serial=5)
        here.there.files["manifest.json"] += b" "
        await until(lambda: here.says("does not fit"))
        assert here.troubles("bad") >= 1
        here.there.offer(serial=5)
        await until(lambda: here.files.kept().serials == {"stable": 5})
        here.there.offer(v1_1_0=program("1.1.0"), serial=4)
        await until(lambda: here.says("serial 4, and 5 was seen"))
        here.there.offer(v1_1_0=program("1.2.0"), serial=6)
        await here.fetched()
        assert not here.root()
        await until(lambda: here.says("says that it is kioskwire-appliance 1.2.0"))
        assert here.troubles("refused") == 1
        asked = len([name for name, _ in here.there.asked if name.endswith(".xz")])
        await asyncio.sleep(0.6)
        assert len([name for name, _ in here.there.asked if name.endswith(".xz")]) == asked, "not the same again"
        here.there.offer(v1_2_0=program("1.2.0"))
        await here.fetched()
        assert here.root()
        await until(here.ended.is_set)


async def test_what_was_laid_ready_before_a_cut_is_asked_for_again(tmp_path: Path) -> None:
    def begin(here: Kiosk) -> None:
        here.files.write(READY, "kioskwire-appliance-1.1.0-linux-x86_64.tar.xz")
        (here.files.directory / READY).touch()

    async with kiosk(tmp_path, begin=begin, first_look_s=(60, 60)) as here:
        before = (here.files.directory / READY).stat().st_ino
        await until(lambda: (here.files.directory / READY).stat().st_ino != before)


async def test_a_restart_is_a_standstill_too(tmp_path: Path) -> None:
    async with kiosk(tmp_path, mode="off", begin=lambda here: here.files.write(RESTART, "x")) as here:
        await asyncio.sleep(0.1)
        assert not here.ended.is_set(), "this is the restart that was asked for"
        here.operations.busy = True
        here.files.write(RESTART, "restart")
        await until(lambda: here.updates.status.waits)
        here.operations.busy = False
        await until(here.ended.is_set)
        assert not here.files.exists(RESTART)
        assert here.files.word(CURRENT) == ""


TRIAL_RUN = {"origin": "update", "version": "1.1.0", "mode": "off"}


def on_trial(here: Kiosk) -> None:
    here.files.write(CURRENT, "1.1.0")
    here.files.write(TRIAL, "1.1.0 1")
    here.files.save(BASELINE, Baseline(version="1.0.0", at=1.0, connected=True, up=["bills"]))


async def test_a_version_proves_itself(tmp_path: Path) -> None:
    async with kiosk(tmp_path, begin=on_trial, trial_s=600.0, **TRIAL_RUN) as here:
        here.seen = Seen(connected=False, devices={"bills": True})
        await until(lambda: here.updates.status.lacking == ["the hub is not reached, and was before"])
        assert here.updates.on_trial
        here.seen = WELL
        await until(lambda: here.notes)
        assert here.notes[0][0] == "update-confirmed"
        assert (here.files.word(GOOD), here.files.exists(TRIAL), here.files.bad()) == ("1.1.0", False, {})
        assert not here.ended.is_set()


async def test_a_version_that_does_not_is_left_and_told_of_by_the_next(tmp_path: Path) -> None:
    async with kiosk(tmp_path, begin=on_trial, **TRIAL_RUN) as here:
        here.seen = Seen(connected=True, devices={"bills": False})
        here.operations.busy = True
        await until(here.files.bad)
        await asyncio.sleep(0.2)
        assert not here.ended.is_set(), "what runs is let come to its end all the same"
        here.operations.busy = False
        await until(here.ended.is_set)
        assert "bills does not work" in here.files.bad()["1.1.0"]
        assert not here.files.exists(TRIAL)
    told = []
    for _ in range(2):
        async with kiosk(tmp_path, mode="off") as here:
            told += here.notes
    ((kind, data),) = told
    assert (kind, data["version"], data["running"]) == ("update-failed", "1.1.0", "1.0.0")
    assert "bills does not work" in data["reason"]


async def test_a_hub_that_goes_away_in_a_trial_puts_the_version_off_and_the_one_before_finds_out(
    tmp_path: Path,
) -> None:
    """An outage condemns nobody; whom the hub is not reached with while it is with another goes at the third time."""

    def begin(here: Kiosk) -> None:
        lay(here.places.versions, "1.1.0")
        on_trial(here)

    away = Seen(connected=False, devices={"bills": True})
    clock = [NOON]
    for attempt, (counts, before_is_connected) in enumerate(((0, False), (1, True), (2, True), (3, True)), 1):
        async with kiosk(tmp_path, begin=begin if attempt == 1 else on_trial, **TRIAL_RUN) as here:
            here.seen = away
            await until(here.ended.is_set)
            assert here.notes[0][0] == "update-put-off"
            assert (here.files.word(CURRENT), here.files.exists(TRIAL), here.files.bad()) == ("", False, {})
            assert here.files.put_off()["1.1.0"].tries == attempt
        # Where it is to be reached, it is in time, however late the test comes to it.
        within = {"trial_s": 600.0} if before_is_connected else {}
        async with kiosk(
            tmp_path, window="00:00-00:00", begin=lambda here: setattr(here, "seen", away), **within
        ) as here:
            here.there.offer(v1_1_0=program("1.1.0"))
            here.updates._wall = lambda: clock[0]
            await until(lambda: here.updates.status.installed == "1.1.0")
            assert not here.files.put_off()["1.1.0"].judged
            if before_is_connected:
                here.seen = WELL
            if counts == 3:
                await until(here.files.bad)
                assert "was with 1.0.0, 3 times" in here.files.bad()["1.1.0"]
                await until(lambda: here.files.put_off() == {})
                await until(lambda: here.notes)
                assert [kind for kind, _ in here.notes] == ["update-failed"]
                break
            await until(lambda: here.files.put_off()["1.1.0"].judged)
            assert here.files.put_off()["1.1.0"].counts == counts
            here.seen = WELL
            await until(lambda: here.updates.status.waits == ["1.1.0 is put off: the hub was not reached with it"])
            assert not here.ended.is_set()
            clock[0] += 3600 * 2 ** (attempt - 1) + 1
            here.seen = away
            await until(lambda: "the hub is not reached now" in str(here.updates.status.waits))
            assert not here.ended.is_set()
            here.seen = WELL
            await until(here.ended.is_set)
            assert (here.files.word(CURRENT), here.files.word(TRIAL)) == ("1.1.0", "1.1.0")


async def test_a_device_that_is_missed_besides_is_no_outage(tmp_path: Path) -> None:
    async with kiosk(tmp_path, begin=on_trial, **TRIAL_RUN) as here:
        here.seen = Seen(connected=False, devices={"bills": False})
        await until(here.ended.is_set)
        assert "bills does not work" in here.files.bad()["1.1.0"]
        assert here.files.put_off() == {}


async def test_a_person_may_try_again_at_once_what_is_put_off(tmp_path: Path) -> None:
    async with kiosk(tmp_path, mode="off", where=lambda: None) as here:
        lay(here.places.versions, "1.1.0")
        here.files.save_put_off("1.1.0", PutOff(at=NOON, judged=True))
        here.files.write(NOW, "1.1.0")
        await until(here.ended.is_set)
    files = UpdateFiles(tmp_path / "state")
    assert files.forgive("1.1.0")
    assert not files.forgive("1.1.0")


async def test_a_version_that_failed_does_not_wait_for_ever_for_what_it_cannot_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "GO_BACK_WITHIN_S", 1.0)
    async with kiosk(tmp_path, begin=on_trial, **TRIAL_RUN) as here:
        here.seen = Seen(connected=True, devices={"bills": False})
        slip = Work(id="slip-1", kind="slip", begun_at=1.0, data=msgspec.Raw(b"{}"))
        await here.journal.write(lambda book: book.begin_work(slip))
        here.operations.busy = True
        await until(here.files.bad)
        await asyncio.sleep(1.5)
        assert not here.ended.is_set(), "what is at work now is waited for, however long"
        here.operations.busy = False
        await until(here.ended.is_set)


async def test_a_standstill_that_leads_to_nothing_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong between taking it and ending: it is given back at once."""
    fails = [RuntimeError("a mistake of ours")] * 3

    def step_aside(*_: object) -> None:
        raise fails.pop() if fails else OSError(28, "No space left on device")

    monkeypatch.setattr(switch, "step_aside", step_aside)
    async with kiosk(tmp_path) as here:
        here.there.offer(v1_1_0=program("1.1.0"))
        await here.fetched()
        assert here.root()
        await until(lambda: not fails and here.troubles("disk"))
        monkeypatch.undo()
        await until(here.ended.is_set)
        assert here.files.word(CURRENT) == "1.1.0"


async def test_a_person_is_not_told_that_root_is_late_before_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def begin(here: Kiosk) -> None:
        here.files.write(READY, archive_name("1.1.0", this_target()))
        here.files.write(NOW, "now")

    async with kiosk(tmp_path, mode="off", begin=begin, where=lambda: None) as here:
        # It is said for a moment only.
        await until(lambda: any("neither a hub nor" in getattr(it, "reason", "") for it in caplog.records))
        assert here.troubles("refused") == 0


async def test_a_journal_that_cannot_be_used_is_no_reason_to_stay(tmp_path: Path) -> None:
    async with kiosk(tmp_path, begin=on_trial, **TRIAL_RUN) as here:
        here.seen = Seen(connected=True, devices={"bills": True}, trouble="the disk does not take writes")
        await here.journal.close()
        await until(here.ended.is_set)
        await here.journal.open()


async def test_who_was_not_launched_does_not_step_aside(tmp_path: Path) -> None:
    async with kiosk(tmp_path, origin="") as here:
        here.there.offer(v1_1_0=program("1.1.0"))
        await here.fetched()
        assert here.root()
        await until(lambda: here.updates.status.installed == "1.1.0")
        await asyncio.sleep(0.1)
        assert not here.ended.is_set()
