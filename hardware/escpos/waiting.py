"""Who above waits for the printer: with slips to be printed, for a status, or for it to be ready."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.errors import DeviceError
from hardware.escpos.outgoing import Timers
from hardware.protocol import Action, Finish


@dataclass(slots=True)
class Job:
    """One slip in blocks, and who waits for it. It is given up when it was not begun by `begin_by`."""

    reference: str
    copy: bool
    blocks: deque[bytes]
    begin_by: float
    tickets: list[int] = field(default_factory=list)

    def finish(self, act: Callable[[Action], None], error: DeviceError | None = None) -> None:
        """For all that wait for it."""
        for ticket in self.tickets:
            act(Finish(ticket, error=error))


class Waiting:
    """`act` takes the `Finish` of each. Timers: "start", when the first slip has waited too long."""

    def __init__(self, act: Callable[[Action], None], timers: Timers) -> None:
        self._act, self._timers = act, timers
        self._jobs: deque[Job] = deque()
        self._readers: list[int] = []
        self._ready: list[int] = []

    @property
    def slips(self) -> bool:
        """There are some."""
        return bool(self._jobs)

    def add(self, job: Job) -> None:
        """Behind those that wait."""
        self._jobs.append(job)
        self._await_start()

    def next(self) -> Job:
        """The first slip; it no longer waits."""
        job = self._jobs.popleft()
        self._await_start()
        return job

    def add_reader(self, ticket: int) -> None:
        """One that waits for a status."""
        self._readers.append(ticket)

    def add_ready(self, ticket: int) -> None:
        """One that waits until a slip may be printed."""
        self._ready.append(ticket)

    def fail(self, error: DeviceError) -> None:
        """No slip that waits is printed."""
        for job in self._jobs:
            job.finish(self._act, error)
        self._jobs.clear()
        self._await_start()

    def late(self, error: DeviceError, now: float) -> None:
        """The same for those that waited too long."""
        late = [job for job in self._jobs if job.begin_by <= now]
        self._jobs = deque(job for job in self._jobs if job.begin_by > now)
        for job in late:
            job.finish(self._act, error)
        self._await_start()

    def read(self, result: object = None, error: DeviceError | None = None) -> None:
        """What those that wait for a status get."""
        for ticket in self._readers:
            self._act(Finish(ticket, result, error))
        self._readers.clear()

    def ready(self) -> None:
        """A slip may be printed."""
        for ticket in self._ready:
            self._act(Finish(ticket))
        self._ready.clear()

    def forget(self, ticket: int) -> None:
        """Its caller no longer waits."""
        self._jobs = deque(job for job in self._jobs if job.tickets != [ticket])
        self._readers = [waiting for waiting in self._readers if waiting != ticket]
        self._ready = [waiting for waiting in self._ready if waiting != ticket]
        self._await_start()

    def _await_start(self) -> None:
        self._timers.pop("start", None)
        if self._jobs:
            self._timers["start"] = min(job.begin_by for job in self._jobs)
