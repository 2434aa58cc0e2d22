"""Disks that are full, read-only, failing, taken away or closed to a program, under the hub and under a kiosk.

While the disk is spoilt, and as it becomes so, operations are asked for, with and without a key, and for later.
Nobody may be told what is not so; nothing is begun that the kiosk has not written down; the page says what is wrong;
and when the disk is well again all works without a restart, and every outcome arrives.
"""

import contextlib
import random
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from bench.program import Program, StackError
from tests.chaos.results import Result, timed
from tests.chaos.small_disk import (
    SkippedError,
    SmallDisk,
    away,
    failing,
    forbidden,
    growing_nothing,
    minding_permissions,
)
from tests.chaos.stored import Rows, read_rows
from tests.chaos.trials import Payment, Trial, merge, side_by_side
from tests.journeys.site import Json, Kiosk, unique, until

_WRITES, _SYNCS = "write,pwrite64,ftruncate", "fdatasync,fsync"
_ERRORS = (
    (_SYNCS, "EIO"),
    (_WRITES, "ENOSPC"),
    (f"{_WRITES},{_SYNCS}", "EROFS"),
    (f"read,pread64,{_WRITES},{_SYNCS}", "EIO"),
)
# What an engineer reads on the page: one of these, whatever was done.
_WORDS = (
    "full", "disk i/o", "input/output", "readonly", "read-only", "no space", "permission denied", "removed",
    "cannot be opened", "unable to open", "malformed", "too large", "locked",
)  # fmt: skip
_WELL_S = 15.0  # after which a program must work again


def run(directory: Path, seed: int, scale: float) -> Result:
    """At scale 1 every way to spoil a disk under both programs; a slice has three."""
    result = Result(scenario="disk", seed=seed)
    chance = random.Random(f"{seed} disk")
    kinds = (_Full, _Failing, _Taken, _Closed, _Started) if scale >= 0.5 else (_Slice,)
    with timed(result):
        works = [kind(directory / kind.__name__.strip("_").lower(), random.Random(chance.random())) for kind in kinds]
        side_by_side([work.run for work in works])
        merge(result, [work.result for work in works])
    return result


class _Work:
    """One trial, whose programs all start in one thread."""

    journal_stays = True
    patience = 4.0  # seconds, of callers while the disk is spoilt

    def __init__(self, directory: Path, chance: random.Random) -> None:
        self.result = Result(scenario="disk", seed=0)
        self.directory, self.chance = directory, chance
        self.name = directory.name
        self.directory.mkdir(parents=True)
        self.stack = contextlib.ExitStack()
        self.trial: Trial
        self.kiosk: Kiosk

    def build(self) -> None:
        """Make `trial` and `kiosk`."""
        self.trial = Trial(self.directory, self.name)
        self.stack.callback(self.trial.close)
        self.kiosk = self.trial.add(self.routes())

    def routes(self) -> Json:
        """The gateway acts within a second or never, so that "never heard of it" may be believed soon after."""
        return self.trial.site.routes(absent_after=3.0)

    def spoil(self) -> None:
        """Do what this is about."""
        raise NotImplementedError

    def run(self) -> None:
        """Build, spoil, judge."""
        with self.stack:
            try:
                self.build()
                self.spoil()
            except SkippedError as error:
                self.skip(str(error))
                return
            except StackError as error:
                self.result.breaches.append(f"{self.name}: {error}")
            self.trial.end(self.result)
            self.written_down()

    def skip(self, why: str) -> None:
        """Say what was left out; it has not passed, and not failed."""
        self.result.figures[f"{self.name}_skipped"] = self.result.figures.get(f"{self.name}_skipped", 0) + 1
        print(f"disk: {self.name}: left out: {why}", file=sys.stderr)

    def through(self, what: str, program: Program, spoilt: Callable[[], AbstractContextManager[None]]) -> None:
        """Live through one spoiling, with something at the gateway as it begins."""
        trial, kiosk = self.trial, self.kiosk
        running = trial.pay(kiosk, delay=0.7, timeout=20)
        trial.begun(kiosk, running)
        try:
            with spoilt():
                self.result.faults[f"{program.name}: {what}"] += 1
                asked = [running]
                until(f"the page of the {program.name} telling that {what}", lambda: self.tells(program, asked))
                for keyed in (True, True, False):
                    asked.append(trial.pay(kiosk, timeout=self.patience, keyed=keyed))
                asked.append(trial.pay(kiosk, expires=600))
                for payment in asked:
                    trial.heard(payment)
        except SkippedError as error:
            self.skip(str(error))
            trial.heard(running)
        self.well_again()

    def tells(self, program: Program, asked: list[Payment]) -> bool:
        """Whether the page says what is wrong. A bad disk may be found by writing only: that goes on."""
        status, reasons = _page(program)
        if status == httpx.codes.SERVICE_UNAVAILABLE and any(word in reasons.lower() for word in _WORDS):
            return True
        payment = self.trial.pay(self.kiosk, timeout=min(2.0, self.patience))
        asked.append(payment)
        self.trial.heard(payment)
        return False

    def well_again(self) -> None:
        """Both programs work, with nobody's help."""
        began = time.monotonic()

        def works() -> bool:
            payment = self.trial.pay(self.kiosk, timeout=8)
            return self.trial.heard(payment).status == httpx.codes.OK

        until("all working again", works, _WELL_S * 8)
        took = time.monotonic() - began
        self.result.figures["well_again_longest_s"] = round(
            max(took, self.result.figures.get("well_again_longest_s", 0.0)), 1
        )
        for program in (self.trial.site.hub, self.kiosk.appliance):
            until(f"the page of the {program.name} being well", lambda program=program: _page(program)[0] == 200)
        if took > _WELL_S:
            self.result.late.append(f"{self.name}: it took {took:.0f} s until all worked again")

    def journal(self, statement: str) -> Rows:
        """Asked of the kiosk's journal."""
        return read_rows(self.kiosk.appliance.directory / "state" / "journal.db", statement)

    def written_down(self) -> None:
        """What a gateway did stands in the journal of the kiosk that had it done."""
        if not self.journal_stays:
            return
        known = {row[0] for row in self.journal("SELECT request_id FROM operations")}
        for operation in self.trial.operations():
            if operation.executed == "yes" and operation.request_id not in known:
                self.result.breaches.append(f"{self.name}: {operation.order} was executed and is not in the journal")


class _Full(_Work):
    """No room left, under the hub and then under the kiosk; and a start without any."""

    def build(self) -> None:
        self.disk = SmallDisk(self.directory / "disk")
        self.stack.callback(self.disk.close)
        place = self.disk.inside / "hub"
        settings = {"STATE_DIR": str(place), "DATABASE_URL": f"sqlite+aiosqlite:///{place / 'hub.db'}"}
        self.trial = Trial(self.directory, self.name, settings, self.disk.wrapper)
        self.trial.ask = partial(self.disk.rows, "hub/hub.db")
        self.stack.callback(self.trial.close)
        self.small = SmallDisk(self.directory / "kiosk-disk")
        self.stack.callback(self.small.close)
        self.kiosk = self.trial.add(
            self.routes(),
            settings={"STATE_DIR": str(self.small.inside / "state"), "DISK_MIN_FREE_MB": "1"},
            start=False,
        )
        self.kiosk.appliance.wrapper = self.small.wrapper
        self.kiosk.appliance.start()

    def spoil(self) -> None:
        hub, appliance = self.trial.site.hub, self.kiosk.appliance
        for _ in range(2):
            self.through("the disk is full", hub, self.disk.full)
            self.through("the disk is full", appliance, self.small.full)
        for program, disk in ((hub, self.disk), (appliance, self.small)):
            with disk.full():
                asked = [self.trial.pay(self.kiosk, timeout=3, keyed=keyed) for keyed in (True, False)]
                for payment in asked:
                    self.trial.heard(payment)
                program.kill()
                _start_or_say(program, self.result)
            if not program.alive:
                program.start()
            self.well_again()

    def journal(self, statement: str) -> Rows:
        return self.small.rows("state/journal.db", statement)


class _Failing(_Work):
    """The disk answers with errors, to writing, to syncing, to reading."""

    def spoil(self) -> None:
        programs = [self.trial.site.hub, self.kiosk.appliance]
        works = [(program, calls, error) for program in programs for calls, error in _ERRORS]
        self.chance.shuffle(works)
        for program, calls, error in works:
            self.through(f"{calls} fail with {error}", program, partial(failing, program, calls, error))
        for program in programs:
            self.through("no file may grow", program, partial(growing_nothing, program))


class _Taken(_Work):
    """The state directory goes away under a running program."""

    journal_stays = False

    def spoil(self) -> None:
        hub, appliance = self.trial.site.hub, self.kiosk.appliance
        self.through("the state directory is moved away, and back", hub, partial(away, hub.directory / "state"))
        self.remove(appliance.directory / "state")

    def remove(self, state: Path) -> None:
        """A kiosk's directory is deleted while an outcome in it is not told yet: it arrives all the same."""
        trial, kiosk = self.trial, self.kiosk
        self.result.faults["appliance: the state directory is removed"] += 1
        untold = trial.pay(kiosk, delay=0.5, timeout=3)
        kiosk.wait_running()
        kiosk.proxy.hold(up=True)
        until("the outcome waiting", lambda: kiosk.health()["unsettled"])
        shutil.rmtree(state)
        until("a new journal", (state / "journal.db").exists)
        trial.heard(untold)
        kiosk.proxy.cut()
        kiosk.proxy.restore()
        kiosk.wait_settled()
        self.well_again_though_degraded()

    def well_again_though_degraded(self) -> None:
        """A kiosk that lost its journal says so until its next start, and works."""
        paid = self.trial.pay(self.kiosk, timeout=20)
        if self.trial.heard(paid).status != httpx.codes.OK:
            self.result.breaches.append(f"{self.name}: {paid.id} was answered {paid.told[0].problem}")


class _Closed(_Work):
    """The permission to enter the state directory is lost."""

    def build(self) -> None:
        self.trial = Trial(self.directory, self.name, hub_wrapper=minding_permissions())
        self.stack.callback(self.trial.close)
        self.kiosk = self.trial.add(self.routes(), start=False)
        self.kiosk.appliance.wrapper = minding_permissions()
        self.kiosk.appliance.start()

    def spoil(self) -> None:
        for program in (self.trial.site.hub, self.kiosk.appliance):
            state = program.directory / "state"
            self.through("permission denied", program, partial(forbidden, state))


class _Started(_Full):
    """A start on a disk that is read-only."""

    def spoil(self) -> None:
        for program, disk in ((self.trial.site.hub, self.disk), (self.kiosk.appliance, self.small)):
            self.trial.heard(self.trial.pay(self.kiosk, timeout=10))
            program.kill()
            with disk.read_only():
                self.result.faults[f"{program.name}: started on a read-only disk"] += 1
                _start_or_say(program, self.result)
                program.kill()
            program.start()
            self.kiosk.wait_ready()
            self.well_again()


class _Slice(_Work):
    """What needs nothing special, in a few seconds."""

    patience = 1.0

    def spoil(self) -> None:
        hub, appliance = self.trial.site.hub, self.kiosk.appliance
        self.through("no file may grow", appliance, partial(growing_nothing, appliance))
        self.through("no file may grow", hub, partial(growing_nothing, hub))
        self.through("the state directory is moved away, and back", hub, partial(away, hub.directory / "state"))


def _page(program: Program) -> tuple[int, str]:
    """Status and reasons of a program's health page."""
    try:
        answer = program.http.get("/health")
    except httpx.TransportError:
        return 0, ""
    page: dict[str, Any] = answer.json()
    return answer.status_code, "; ".join(page["reasons"])


def _start_or_say(program: Program, result: Result) -> None:
    """It starts, or it ends and says why in its last line."""
    program.start(wait=False)
    name = f"{program.name}_{unique('start')}"
    try:
        until(name, lambda: not program.alive or _page(program)[0] == httpx.codes.SERVICE_UNAVAILABLE)
    except StackError as error:
        result.breaches.append(f"the {program.name} neither works nor ends: {error}")
    if not program.alive and not any(word in program.tail(3).lower() for word in _WORDS):
        result.breaches.append(f"the {program.name} ended without a word that helps: {program.tail(3)}")
