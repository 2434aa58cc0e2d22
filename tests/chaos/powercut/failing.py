"""Disks that say no: a write or a sync fails at one point, or for a while, and the power goes some time after."""

import asyncio
import errno
import random
import shutil
import time
from pathlib import Path

import msgspec

from tests.chaos.powercut import story
from tests.chaos.powercut.check import Checker, Depth, Moment, cut_everywhere
from tests.chaos.powercut.disk import Mark
from tests.chaos.powercut.record import Recorder

PATIENCE_S = 20.0


class Plan(msgspec.Struct):
    """Which of the calls fail: `count` of them from the one numbered `first`, if they are of this kind."""

    first: int
    count: int
    code: int
    kinds: tuple[str, ...]
    seen: int = 0
    failed: int = 0

    def fault(self, kind: str, _name: str) -> int:
        """See `record.Fault`."""
        if kind not in self.kinds:
            return 0
        self.seen += 1
        if self.seen <= self.first or self.failed >= self.count:
            return 0
        self.failed += 1
        return self.code

    def __str__(self) -> str:
        return f"{self.count} {'/'.join(self.kinds)} failing with {errno.errorcode[self.code]} from call {self.first}"


def draw(rng: random.Random, calls: int) -> Plan:
    """A plan for a run with about so many calls that may fail."""
    code, kinds = rng.choice(((errno.ENOSPC, ("write",)), (errno.EIO, ("write",)), (errno.EIO, ("sync",)),
                              (errno.EIO, ("sync",)), (errno.EIO, ("write", "sync", "truncate"))))  # fmt: skip
    return Plan(rng.randrange(calls if kinds == ("write",) else calls // 5), rng.choice((1, 1, 2, 5, 20)), code, kinds)


async def fail_and_cut(place: Path, rng: random.Random, plan: Plan, checker: Checker) -> None:
    """A run with this plan, and the power cut after each promise that was made in it."""
    recorder = Recorder(place)
    recorder.fault = plan.fault
    with story.hurried():
        await _work(recorder, rng, plan, checker)
    await cut_everywhere(Moment(), recorder.log, checker, Depth(0, 2, Mark), f"failing {plan.failed}, {plan}")
    shutil.rmtree(place)


async def _work(recorder: Recorder, rng: random.Random, plan: Plan, checker: Checker) -> None:
    with recorder.recording():
        async with story.kiosk(recorder, rng, checkpoint_pages=12) as here:
            for _ in range(8):
                await here.step()
            plan.count = 0  # the disk is well again
            until = time.monotonic() + PATIENCE_S
            while here.journal.facts.trouble:
                if time.monotonic() > until:
                    checker.tally.breach(f"{plan}: the journal did not recover: {here.journal.facts.trouble}")
                    return
                await asyncio.sleep(0.002)
            before = len(here.gateways.called)
            await here.ask(operation="fiscal")
            if len(here.gateways.called) == before:
                checker.tally.breach(f"{plan}: nothing new is taken though the disk is well again")
            if here.journal.facts.notices:
                checker.tally.breach(f"{plan}: judged damaged: {here.journal.facts.notices}")
