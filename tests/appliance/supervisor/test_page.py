"""What is told of a device does not keep the journal from what must be written."""

from pathlib import Path

from appliance.supervisor.page import Page
from hardware.events import DeviceState, StateChanged, Tampered
from tests.appliance.worlds import journal


async def test_how_a_device_does_may_be_counted_when_too_much_waits_for_the_hub(tmp_path: Path) -> None:
    async with journal(tmp_path / "journal") as memory:
        page = Page("bills", memory, clock=lambda: 1.0)
        await page.record(StateChanged(state=DeviceState.FAULT, was=DeviceState.READY, words="a jam"), None)
        await page.tell("circuit-opened", {"words": "it fails again and again"})
        await page.record(Tampered(code="1", words="a string"), None)
        told = await memory.read(lambda book: book._connection.execute("SELECT kind, important FROM events").fetchall())
        assert told == [("state-changed", 0), ("circuit-opened", 0), ("tampered", 1)]
