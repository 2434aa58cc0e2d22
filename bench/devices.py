"""What devices on serial ports cost a kiosk, beside pyserial with a thread for each port, on the same work in one run.

* polling: eight simulated CCNET validators each, idle, both pollers at once; CPU of either process, of one core
* acknowledging: eight validators, taking notes all the time, one poller after the other; from the last byte of `81`
  leaving the device to the ACK arriving there, with a journal write of 5 ms in between. The protocol allows 10 ms; a
  later one makes the device tell the note again, which is not counted twice.

Simulators run in a process of their own, on pseudo-terminals without line speed: what is measured is the program.
Nothing is asserted.

    python -m bench.devices [--seconds 20] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import uvloop

from bench.measure import read_cpu
from bench.program import die_with
from hardware.ccnet.driver import CcnetBillValidator
from hardware.ccnet.simulator import CcnetSimulator
from hardware.events import BillEscrowed, Event
from hardware.journal import DeviceJournal
from hardware.protocol import Memory
from hardware.simulation.host import DeviceHost
from hardware.simulation.simulator import ControlError, Ledger
from hardware.simulation.wires import PtyWire

DEVICES = 8
POLLERS = {"kioskwire": ("bench.devices", "--drive"), "threads": ("bench.peers.serial_threads",)}
POLL_S = 0.2
JOURNAL_S = 0.005
_START_S = 6.0  # reset, set-up and the first polls
_STACKED, _ACK = 0x81, bytes.fromhex("02030600C282")
# One answer a note, however late: what is measured is when it comes.
_OPTIONS = {"currency": "KZT", "ack_ms": "1000"}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.devices", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each part is measured")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--simulate", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--notes", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--drive", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.simulate:
        asyncio.run(_simulate(given.simulate, notes=given.notes))
    elif given.drive:
        _drive(given.drive)
    else:
        figures = _measure(given.seconds)
        print(_table(figures))
        if given.json:
            given.json.write_text(json.dumps(figures, indent=2) + "\n")


# Measuring


def _measure(seconds: float) -> dict[str, Any]:
    figures: dict[str, Any] = {"devices": DEVICES, "seconds": seconds, "load_before": round(os.getloadavg()[0], 2)}
    with _stage(tuple(POLLERS), notes=False) as (_, pids):
        before = {name: read_cpu([pid]) for name, pid in pids.items()}
        began = time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - began
        figures["core_share"] = {
            name: round((read_cpu([pid]) - before[name]) / passed, 4) for name, pid in pids.items()
        }
    figures["acknowledged_ms"] = {}
    for poller in POLLERS:
        with _stage((poller,), notes=True) as (directory, _):
            time.sleep(seconds)
            figures["acknowledged_ms"][poller] = _spread(directory / poller / "acks")
    return figures


@contextlib.contextmanager
def _stage(pollers: Sequence[str], *, notes: bool) -> Iterator[tuple[Path, dict[str, int]]]:
    """Simulators, and pollers at work; the directory and the pollers' process ids."""
    with tempfile.TemporaryDirectory(prefix="bench-devices-") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        pids = {}
        for poller in pollers:
            place = directory / poller
            place.mkdir()
            _start(stack, ["bench.devices", "--simulate", str(place), *(["--notes"] if notes else [])])
            links = [str(place / f"port-{number}") for number in range(DEVICES)]
            until = time.monotonic() + 20
            while not all(Path(link).exists() for link in links):
                if time.monotonic() > until:
                    raise RuntimeError("the simulators do not start")
                time.sleep(0.05)
            pids[poller] = _start(stack, [*POLLERS[poller], *links])
        time.sleep(_START_S)
        yield directory, pids


def _start(stack: contextlib.ExitStack, command: Sequence[str]) -> int:
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - it calls the kernel and nothing else
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process.pid


def _spread(path: Path) -> dict[str, float]:
    """Of the times in a file, in milliseconds."""
    times = sorted(float(line) * 1000 for line in path.read_text().split())
    if not times:
        return {"notes": 0}

    def at(share: float) -> float:
        return round(times[min(len(times) - 1, int(share * len(times)))], 2)

    late = sum(each > 10 for each in times) / len(times)
    return {"notes": len(times), "p50": at(0.5), "p99": at(0.99), "longest": at(1.0), "later_than_10": round(late, 4)}


def _table(figures: Mapping[str, Any]) -> str:
    ours, theirs = figures["core_share"]["kioskwire"], figures["core_share"]["threads"]
    lines = [
        f"{figures['devices']} validators polled every {POLL_S:g} s, CPU of one core:",
        f"  kioskwire                    {ours:7.2%}",
        f"  pyserial, a thread a port    {theirs:7.2%}   kioskwire takes {ours / max(theirs, 1e-9):.1f} times as much",
        f"{figures['devices']} validators taking notes; from a stacked note to its ACK, "
        f"{JOURNAL_S * 1000:g} ms of it the journal's:",
    ]
    for name, words in zip(POLLERS, ("kioskwire", "pyserial, a thread a port"), strict=True):
        spread = figures["acknowledged_ms"][name]
        if spread["notes"]:
            lines.append(
                f"  {words:<27}  p50 {spread['p50']:6.2f} ms   p99 {spread['p99']:6.2f} ms   longest "
                f"{spread['longest']:6.2f} ms   {spread['notes']} notes, {spread['later_than_10']:.1%} later than 10 ms"
            )
    lines.append(f"Load of the machine before: {figures['load_before']:.2f}")
    return "\n".join(lines)


# The devices


class _Timed(CcnetSimulator):
    """Tells how long the ACK of each stacked note took to come."""

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger, took: Callable[[float], object]) -> None:
        super().__init__(memory, ledger, **_OPTIONS)
        self._took = took
        self._told_at: float | None = None

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        if self._told_at is not None and _ACK in data:
            self._took(time.monotonic() - self._told_at)
            self._told_at = None
        answers = super().received(data, now)
        if any(len(answer) > 3 and answer[3] == _STACKED for answer in answers):
            self._told_at = time.monotonic()
        return answers


async def _simulate(directory: Path, *, notes: bool) -> None:
    with (directory / "acks").open("w", buffering=1) as acks:
        hosts = []
        for number in range(DEVICES):
            simulator = _Timed({}, lambda *_: None, lambda took: acks.write(f"{took:.6f}\n"))
            wire = PtyWire(link=directory / f"port-{number}", baud=simulator.baud)
            hosts.append(DeviceHost(simulator, None, wire, paced=False))
            await hosts[-1].open()
        while True:
            await asyncio.sleep(0.05)
            for host in hosts if notes else ():
                with contextlib.suppress(ControlError):  # it is busy with the last one
                    host.do("insert", value="1000")


# The driver


class _SlowDisk(DeviceJournal):
    """Keeps nothing, and takes as long as a disk would."""

    def __init__(self) -> None:
        self.heard: Callable[[Event], None] = lambda _: None

    async def recall(self) -> Memory:
        return {}

    async def record(self, event: Event | None, memory: Memory | None) -> None:
        await asyncio.to_thread(time.sleep, JOURNAL_S)
        if event is not None:
            self.heard(event)


def _drive(ports: Sequence[str]) -> None:
    """Eight validators taking every note, until it is killed."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_take_notes(ports))


async def _take_notes(ports: Sequence[str]) -> None:
    tasks = set()
    validators = []
    for number, port in enumerate(ports):
        journal = _SlowDisk()
        validator = CcnetBillValidator(f"bills-{number}", port, journal, currency="KZT")

        def heard(event: Event, validator: CcnetBillValidator = validator) -> None:
            if isinstance(event, BillEscrowed):
                task = asyncio.get_running_loop().create_task(_stack(validator, event.escrow))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        journal.heard = heard
        await validator.open()
        validators.append(validator)
    for validator in validators:
        await validator.ready(20.0)
        await validator.enable()
    await asyncio.Event().wait()


async def _stack(validator: CcnetBillValidator, escrow: int) -> None:
    await validator.stack(escrow)


if __name__ == "__main__":
    main()
