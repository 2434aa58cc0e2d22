"""One thing at a time that an engineer has the kiosk do, with its progress, whoever looks at it.

A job is a coroutine that says its steps as it goes. It ends by itself, at its time limit, when somebody ends it, when
nobody has looked at it for a while (the page was closed, the engineer has gone), or when the program stops; each time
what it began is put away by its own `finally`, which is waited for. Steps are keys of the page's words with fields, so
that each page shows them in its language.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

STEPS_MAX = 200
UNSEEN_S = 30.0  # a page without scripts asks every few seconds
STOP_S = 20.0  # for putting away what was begun
_LOOK_S = 1.0

Note = Callable[[str, dict[str, Any]], Awaitable[None]]

_log = logging.getLogger(__name__)


class Mark(StrEnum):
    """What a step is."""

    NOW = "now"  # something is to be done, or waited for
    DONE = "done"
    SAID = "said"  # by the device
    WRONG = "wrong"


class End(StrEnum):
    """How a job stands."""

    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    CUT = "cut"  # by a person, by time, or as nobody looked


class Busy(Exception):
    """Something else is at work; `job` is it."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        super().__init__(f"{job.kind} of {job.subject} is at work")


class Failed(Exception):
    """The job comes to nothing, in words of the page: a key, and its fields."""

    def __init__(self, key: str, **fields: object) -> None:
        self.key = key
        self.fields = fields
        super().__init__(f"{key} {' '.join(map(str, fields.values()))}".strip())


@dataclass(frozen=True, slots=True)
class Step:
    """One line of progress. `at` is Unix seconds."""

    mark: Mark
    key: str
    fields: dict[str, object]
    at: float


@dataclass(slots=True)
class Job:
    """What is done. `facts` is what its page shows beside the steps."""

    kind: str
    subject: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    steps: list[Step] = field(default_factory=list)
    end: End = End.RUNNING
    began_at: float = field(default_factory=time.time)
    ended_at: float = 0.0
    looked_at: float = field(default_factory=time.monotonic)
    facts: dict[str, Any] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.end is End.RUNNING

    def say(self, mark: Mark, key: str, **fields: object) -> None:
        """One more step; the same as the last one is not said again."""
        step = Step(mark, key, fields, time.time())
        last = self.steps[-1] if self.steps else None
        if last is not None and (last.mark, last.key, last.fields) == (step.mark, step.key, step.fields):
            return
        if len(self.steps) < STEPS_MAX:
            self.steps.append(step)
        self.touch()

    def touch(self) -> None:
        """It is not as it was: whoever waits looks again."""
        self.changed.set()
        self.changed = asyncio.Event()

    def looked(self) -> None:
        """Somebody sees how it goes."""
        self.looked_at = time.monotonic()


Doing = Callable[[Job], Awaitable[None]]


class Work:
    """Runs jobs. `latest` is the one that runs, or was the last."""

    def __init__(self, note: Note, unseen_s: float = UNSEEN_S) -> None:
        self._note = note
        self._unseen_s = unseen_s
        self._task: asyncio.Task[None] | None = None
        self._why = ""
        self._is_ending = False  # asked to, or by itself: what puts away what was begun is not to be cut short
        self.latest: Job | None = None

    @property
    def running(self) -> Job | None:
        """What is at work now."""
        return self.latest if self.latest is not None and self.latest.running else None

    def begin(self, kind: str, subject: str, do: Doing, *, limit_s: float) -> Job:
        """Have it done. Raises `Busy`."""
        if (other := self.running) is not None:
            raise Busy(other)
        job = self.latest = Job(kind, subject)
        self._why, self._is_ending = "", False
        self._task = asyncio.create_task(self._run(job, do, limit_s), name=f"engineer-{kind}")
        return job

    async def end(self, why: str = "job.by-hand") -> None:
        """Have what runs put away what it began; returns once it did, or does not within `STOP_S`."""
        task = self._task
        if task is not None and not task.done():
            if not self._is_ending:
                self._is_ending, self._why = True, self._why or why
                task.cancel()
            await asyncio.wait({task}, timeout=STOP_S)

    async def stop(self) -> None:
        """The program stops."""
        await self.end("job.stopping")

    async def _run(self, job: Job, do: Doing, limit_s: float) -> None:
        """The top of the task."""
        doing = asyncio.ensure_future(do(job))
        try:
            self._why = await self._watch(job, doing, limit_s) or self._why
        except asyncio.CancelledError:
            self._why = self._why or "job.by-hand"
        finally:
            self._is_ending = True
            doing.cancel()
            try:
                await asyncio.wait({doing}, timeout=STOP_S)
            finally:  # whatever becomes of this task: a job that runs for ever would keep all others out
                self._settle(job, doing)
        with contextlib.suppress(Exception):  # what is told waits in memory where the disk does not take it
            await self._note(f"engineer-{job.kind}", {
                "subject": job.subject, "outcome": job.end.value, "took_s": round(job.ended_at - job.began_at, 1),
                **job.facts.get("told", {}),
            })  # fmt: skip

    async def _watch(self, job: Job, doing: "asyncio.Future[None]", limit_s: float) -> str:
        """Wait for its end; why it is cut off, or nothing."""
        until = time.monotonic() + limit_s
        while not doing.done():
            await asyncio.wait({doing}, timeout=_LOOK_S)
            if doing.done():
                break
            if time.monotonic() >= until:
                return "job.too-long"
            if time.monotonic() - job.looked_at > self._unseen_s:
                return "job.unseen"
        return ""

    def _settle(self, job: Job, doing: "asyncio.Future[None]") -> None:
        job.end, key, fields = End.PASSED, "job.passed", {}
        error = None if not doing.done() or doing.cancelled() else doing.exception()
        if isinstance(error, Failed):
            job.end, key, fields = End.FAILED, error.key, error.fields
        elif error is not None:
            _log.error("what an engineer began failed within the appliance", extra={"kind": job.kind}, exc_info=error)
            job.end, key, fields = End.FAILED, "job.mistake", {}
        elif not doing.done() or doing.cancelled():
            job.end, key = End.CUT, self._why or "job.by-hand"
        job.ended_at = time.time()
        job.say(Mark.DONE if job.end is End.PASSED else Mark.WRONG, key, **fields)
        job.touch()
        _log.info("what an engineer began has ended", extra={
            "kind": job.kind, "subject": job.subject, "outcome": job.end.value, "reason": key,
        })  # fmt: skip
