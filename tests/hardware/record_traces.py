"""Makes the golden traces of `tests/traces` anew, with simulated devices in real time (half a minute).

    python -m tests.hardware.record_traces

They are no recordings of real devices, and their headers say so. A trace from a kiosk is worth more: put it beside
them, with a note of device, firmware, date and what was happening.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from hardware.bills import LinkedBillValidator
from hardware.catalogue import find_driver
from hardware.events import BillEscrowed, Event
from hardware.journal import FileJournal
from hardware.simulation.local import running
from hardware.trace import Trace

TRACES = Path(__file__).resolve().parents[1] / "traces"
Story = Callable[["Desk"], Awaitable[None]]


class Desk:
    """A person at a validator, and the trace of what they do."""

    def __init__(self, path: Path, name: str, url: str, directory: Path, **settings: object) -> None:
        entry = find_driver(name)
        self.url = url
        note = "a simulated device, not a real one (tests/hardware/record_traces.py): a note kept, a note given back"
        self.trace = Trace(path, device="bills", protocol=entry.protocol, url=url, note=note)
        self.heard: list[Event] = []
        journal = FileJournal(directory / path.stem, self.heard.append)
        self.device: LinkedBillValidator = entry.load()(  # type: ignore[assignment]
            "bills", url, journal, trace=self.trace, **settings
        )  # type: ignore[call-arg]

    async def command(self, word: str, doing: Awaitable[object]) -> None:
        """Ask for something, and have the trace say so."""
        self.trace.happened(f"command {word}")
        await doing

    async def note(self, minor: int) -> int:
        """Put one in; under which number it is held."""
        before = len([event for event in self.heard if isinstance(event, BillEscrowed)])
        running(self.url).do("insert", minor=str(minor))
        async with asyncio.timeout(20):
            while True:
                held = [event for event in self.heard if isinstance(event, BillEscrowed)]
                if len(held) > before:
                    return held[-1].escrow
                await asyncio.sleep(0.01)


async def story(desk: Desk) -> None:
    """Two notes: one kept, one given back."""
    await desk.device.open()
    await desk.device.ready(20)
    await desk.command("enable", desk.device.enable())
    await desk.command("stack", desk.device.stack(await desk.note(50000)))
    await asyncio.sleep(2)  # until the cassette has it
    await desk.command("give_back", desk.device.give_back(await desk.note(100000)))
    await asyncio.sleep(1)
    await desk.command("disable", desk.device.disable())
    desk.trace.happened("closing")
    await desk.device.close()
    desk.trace.close()


async def main() -> None:
    for name, settings in (("ccnet", {"currency": "KZT"}), ("id003", {"currency": "KZT"})):
        path = TRACES / f"{name}_two_notes.trace"
        path.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as directory:
            desk = Desk(path, name, f"sim://{name}", Path(directory), **settings)
            await story(desk)
        path.chmod(0o644)


if __name__ == "__main__":
    asyncio.run(main())
