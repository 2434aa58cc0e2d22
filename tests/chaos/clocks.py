"""Wall clocks that are set: ten minutes back, a day or a year ahead, to 1970; on the kiosk, on the hub, on both.

Steps come while the programs run, with operations at the gateway and in the queue, and as the clock that a program
finds at its start. Each program's clock is planted (`tests.chaos.plants.clock`), so that nobody else's is touched and
the ledger's stays right. Nothing may be executed twice or late, no outcome be lost or false, nothing be wiped, and
nobody may run hot.
"""

import contextlib
import os
import random
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.program import Program
from tests.chaos import plants
from tests.chaos.results import Result, timed
from tests.chaos.trials import Payment, Trial, merge, side_by_side
from tests.journeys.site import FINAL, unique, until

DAY = 86400.0
STEPS = {"ten minutes back": -600.0, "a day ahead": DAY, "a year ahead": 365 * DAY, "in 1970": 0.0}
_WRONG_S = 60.0  # from here on a kiosk says that its clock is wrong
_BUSY = 0.7  # of a processor, for a program that has nothing to do
_LOOKS = 10
_PAUSE_S = 5.0  # before a callback is tried again for the first time


class Clock:
    """The clock of one program."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_bytes(struct.pack("d", 0.0))

    def environment(self, *more: str) -> dict[str, str]:
        """What plants it, and other plants beside it."""
        return {**plants.environment("clock", *more), "KIOSKWIRE_CLOCK": str(self._path)}

    def set(self, step: str) -> float:
        """Set it wrong, or, with "", right; returns by how many seconds."""
        by = 0.0 if not step else -time.time() if step == "in 1970" else STEPS[step]
        with self._path.open("r+b") as file:
            file.write(struct.pack("d", by))
        return by


def run(directory: Path, seed: int, scale: float) -> Result:
    """At scale 1 every step on every program, running and at its start; a slice has two of them."""
    result = Result(scenario="clocks", seed=seed)
    chance = random.Random(f"{seed} clocks")
    whole = scale >= 0.5
    whom = ("hub", "kiosk", "both") if whole else ("both",)
    with timed(result):
        works = [_Work(directory / name, name, random.Random(chance.random()), whole) for name in whom]
        side_by_side([work.run for work in works])
        merge(result, [work.result for work in works])
    return result


class _Work:
    """One trial, whose programs all start in one thread."""

    def __init__(self, directory: Path, whom: str, chance: random.Random, whole: bool) -> None:
        self.result = Result(scenario="clocks", seed=0)
        self._directory, self._whom, self._chance, self._whole = directory, whom, chance, whole
        self._directory.mkdir(parents=True)
        self._hub_clock, self._kiosk_clock = Clock(directory / "hub-clock"), Clock(directory / "kiosk-clock")

    def run(self) -> None:
        """Live through all steps, set the clocks right, and judge."""
        self._trial = Trial(self._directory, self._whom, self._hub_clock.environment())
        try:
            settings = self._kiosk_clock.environment("impatient")
            self._here = self._trial.add(self._trial.site.routes(), settings)
            self._away = self._trial.add(self._trial.site.routes(), settings, start=False)
            if self._whole and self._whom == "hub":
                self._callbacks()
            for step, restart in self._plan():
                self._round(step, restart)
            self._set("")
            self._away.appliance.start()
            self._trial.end(self.result)
            self._nothing_wiped()
            self._in_order()
        finally:
            self._trial.close()

    def _plan(self) -> list[tuple[str, bool]]:
        """What is done in which order: the step, and whether the programs find it at their start."""
        if not self._whole:
            return [("in 1970", False), ("a year ahead", True)]
        steps = [(step, restart) for step in STEPS for restart in (False, True)]
        self._chance.shuffle(steps)
        return steps

    def _set(self, step: str) -> None:
        """Set the clocks; with both, the kiosk's is another day than the hub's."""
        other = "ten minutes back" if step == "a day ahead" else "a day ahead"
        for whom, clock, wrong in (("hub", self._hub_clock, step), ("kiosk", self._kiosk_clock, step)):
            if self._whom == "both" and whom == "kiosk":
                clock.set(other if step else "")
            elif self._whom in {whom, "both"}:
                clock.set(wrong)

    def _round(self, step: str, restart: bool) -> None:
        trial, here, away = self._trial, self._here, self._away
        self.result.faults[f"{self._whom}: {step}" + (", at the start" if restart else "")] += 1
        before = trial.pay(here, timeout=20)
        trial.heard(before)
        running = trial.pay(here, delay=0.7, timeout=20)
        trial.begun(here, running)
        waits = 2.0 if self._whole else 1.0
        late, kept = trial.pay(away, expires=waits), trial.pay(away, expires=600)
        trial.heard(late)
        trial.heard(kept)
        over = time.monotonic() + waits
        self._set(step)
        if restart:
            self._restart()
        else:
            self._expect(running, 200)
        after = trial.pay(here, timeout=20)
        self._expect(after, 200)
        if self._whole or not restart:
            self._too_late(step)
        self._repeat(before, step)
        self._idle(step)
        self._page(step)
        until("the queued one expiring", lambda: self._state(late) in FINAL and time.monotonic() > over)
        away.appliance.start()
        until("the other being done", lambda: self._state(kept) in FINAL)
        away.wait_settled()
        away.appliance.kill()
        if trial.effects(late) or self._state(late) != "expired":
            self.result.breaches.append(f"{step}: {late.id} is {self._state(late)}, and its kiosk came too late")
        # A hub that starts with its clock ahead takes what waits for too late: that is true, as it was never sent.
        if self._state(kept) != "succeeded" and not (restart and self._whom != "kiosk" and not trial.effects(kept)):
            self.result.breaches.append(f"{step}: {kept.id} is {self._state(kept)}, and it had ten minutes")
        self._no_negative(step)

    def _too_late(self, step: str) -> None:
        """One waits behind another for longer than it may: the kiosk's word, by the kiosk's steady clock."""
        first = self._trial.pay(self._here, delay=1.5, timeout=20)
        self._trial.begun(self._here, first)
        second = self._trial.pay(self._here, timeout=1)
        self._trial.heard(second)
        self._trial.heard(first)
        if self._trial.effects(second):
            self.result.breaches.append(f"{step}: {second.id} was executed although its turn came too late")

    def _restart(self) -> None:
        """As after a power cut, with the clock as it is now."""
        if self._whom in {"hub", "both"}:
            self._trial.site.hub.kill()
            self._trial.site.hub.start()
        if self._whom in {"kiosk", "both"}:
            self._here.restart()
        self._here.wait_ready()

    def _expect(self, payment: Payment, status: int) -> None:
        told = self._trial.heard(payment)
        if told.status != status:
            self.result.breaches.append(
                f"{payment.id} was answered {told.status} {told.problem}, and nothing was wrong"
            )

    def _repeat(self, payment: Payment, step: str) -> None:
        """A key stands for the same answer, whatever the clock."""
        body = {"order_id": payment.id, "sum": payment.amount}
        again = self._trial.site.backend.send(payment.kiosk, "payment", body, key=payment.key)
        if (again.status_code, again.content) != (payment.told[0].status, payment.told[0].content):
            self.result.breaches.append(f"{step}: {payment.id} has another answer under its key: {again.status_code}")

    def _state(self, payment: Payment) -> str:
        found: str = self._trial.site.backend.operation(payment.told[0].request_id)["state"]
        return found

    def _idle(self, step: str) -> None:
        """Nobody has anything to do: who works all the same runs in circles."""
        programs: list[Program] = [*self._trial.site.hubs, self._here.appliance]
        for _ in range(_LOOKS):  # a slow machine may still be at what was asked for before
            shares = self._shares(programs)
            if max(shares) <= _BUSY:
                break
        for program, share in zip(programs, shares, strict=True):
            name = f"idle_{program.name}_cpu_highest"
            self.result.figures[name] = max(self.result.figures.get(name, 0.0), round(share, 2))
            if share > _BUSY:
                self.result.breaches.append(f"{step}: the {program.name} runs hot: {share:.0%} of a processor, idle")

    def _shares(self, programs: list[Program]) -> list[float]:
        """Of a processor, while nothing is asked."""
        began, used = time.monotonic(), [_cpu_seconds(program.pid) for program in programs]
        time.sleep(1.0 if self._whole else 0.4)
        took = time.monotonic() - began
        return [(_cpu_seconds(program.pid) - before) / took for program, before in zip(programs, used, strict=True)]

    def _page(self, step: str) -> None:
        """A kiosk whose clock is not the hub's says so, and by how much.

        Where both were set the same way it knows of nothing, if it has heard of the hub's time since.
        """
        page = self._here.health()
        off = abs(page["clock"]["offset"])
        said = any("the clock is" in reason for reason in page["reasons"])
        if said != (off > _WRONG_S) or (self._whom == "kiosk" and off < _WRONG_S):
            self.result.breaches.append(f"{step}: the clock is {off:.0f} s off, and the page says {page['reasons']}")

    def _no_negative(self, step: str) -> None:
        """No duration or count is below nothing."""
        for program in (*self._trial.site.hubs, self._here.appliance):
            for line in program.http.get("/metrics").text.splitlines():
                name, _, value = line.rpartition(" ")
                if not line.startswith("#") and float(value) < 0 and not name.startswith("kioskwire_clock_offset"):
                    self.result.breaches.append(f"{step}: {program.name} has {line} among its metrics")
        for request_id, elapsed in self._trial.rows("SELECT request_id, elapsed FROM operations WHERE elapsed < 0"):
            self.result.breaches.append(f"{step}: operation {request_id} took {elapsed} s")

    def _nothing_wiped(self) -> None:
        """Every operation that was ever begun is there, has an id of its own, and is found by paging through all."""
        known = {operation.order for operation in self._trial.operations()}
        for payment in self._trial.payments:
            if payment.id not in known and payment.told[0].status in {200, 202}:
                self.result.breaches.append(f"{payment.id} is forgotten")
        paged: Counter[str] = Counter()
        cursor = ""
        while True:
            page = self._trial.site.backend.get(f"/operations?limit=7{cursor}").json()
            paged.update(operation["request_id"] for operation in page["operations"])
            if page["cursor"] is None:
                break
            cursor = f"&cursor={page['cursor']}"
        (count,) = self._trial.rows("SELECT count(*) FROM operations")[0]
        if len(paged) != count or set(paged.values()) != {1}:
            self.result.breaches.append(f"paging shows {paged.total()} operations of {count}")

    def _in_order(self) -> None:
        """Events stand in the hub in the order in which they happened, none missing."""
        for kiosk in self._trial.kiosks:
            rows = self._trial.rows(f"SELECT seq FROM events WHERE kiosk_id = '{kiosk.id}' ORDER BY rowid")
            numbers = [row[0] for row in rows]
            if numbers != list(range(1, len(numbers) + 1)):
                self.result.breaches.append(f"the events of {kiosk.id} are {numbers}")

    def _callbacks(self) -> None:
        """A callback that is put off by a clock ahead comes soon after the clock is set right, and is not given up."""
        trial = self._trial
        with _receiver() as (url, came, refuse):
            made = trial.site.hub.add_api_key(unique("called-back"), url)
            trial.api_key = made["key"]
            refuse.set()
            self._expect(trial.pay(self._here), 200)
            until("the first attempt", lambda: came)
            self._hub_clock.set("a day ahead")
            until("the second attempt", lambda: len(came) >= 2)
            refuse.clear()
            self._hub_clock.set("")
            began = time.monotonic()
            until("the callback", lambda: not trial.rows("SELECT 1 FROM callbacks WHERE delivered_at IS NULL"))
            self.result.figures["callback_after_clock_set_right_s"] = round(time.monotonic() - began, 1)
            trial.api_key = None
        self.result.faults["hub: a day ahead between attempts of a callback"] += 1


@contextlib.contextmanager
def _receiver() -> Iterator[tuple[str, list[Mapping[str, str]], threading.Event]]:
    """A callback address: its URL, the headers of what came, and an event that has it refuse."""
    came: list[Mapping[str, str]] = []
    refuse = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            came.append(dict(self.headers))
            self.send_response(500 if refuse.is_set() else 204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Deliveries are no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", came, refuse
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _cpu_seconds(pid: int) -> float:
    """What a process has used of processors until now."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
