"""A page of the journal outlives a power cut at any byte, and counts nothing twice."""

import asyncio
import errno
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware import journal as journal_module
from hardware.events import BillStacked, CassetteFull, Event, PayoutEnded, StateChanged
from hardware.events import DeviceState as D
from hardware.journal import FileJournal, read_event
from wire.money import Money

STACKED = BillStacked(bill=Money(50000, "KZT"), escrow=7)
PAID = PayoutEnded(reference="r-1", asked=3, paid=2, coin=Money(10000, "KZT"))
CHANGED = StateChanged(state=D.FAULT, was=D.READY, code="47", words="a jam")


async def test_a_device_that_was_never_seen_remembers_nothing(tmp_path: Path) -> None:
    assert await FileJournal(tmp_path / "bills.jsonl").recall() == {}
    assert FileJournal(tmp_path / "bills.jsonl").events() == []
    assert os.listdir(tmp_path) == []


async def test_what_was_recorded_is_found_by_the_next_life(tmp_path: Path) -> None:
    path = tmp_path / "bills.jsonl"
    page = FileJournal(path)
    await page.record(None, {"escrow": 7, "open": ["stack"]})
    await page.record(STACKED, {"escrow": 8})
    await page.record(CHANGED, None)
    await page.record(PAID, None)
    assert await FileJournal(path).recall() == {"escrow": 8}
    assert FileJournal(path).events() == [STACKED, CHANGED, PAID]


async def test_an_empty_memory_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    page = FileJournal(tmp_path / "p")
    await page.record(None, {"open": 1})
    await page.record(None, {})
    assert await page.recall() == {}


async def test_whoever_listens_hears_of_it_once_it_is_written(tmp_path: Path) -> None:
    heard: list[tuple[Event, list[Event]]] = []
    page = FileJournal(tmp_path / "p", lambda event: heard.append((event, page.events())))
    await page.record(STACKED, {})
    await page.record(None, {"x": 1})
    assert heard == [(STACKED, [STACKED])]


async def test_a_listener_that_fails_does_not_make_it_be_written_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def deaf(_: Event) -> None:
        raise RuntimeError("deaf")

    page = FileJournal(tmp_path / "p", deaf)
    await page.record(STACKED, None)
    assert page.events() == [STACKED]
    assert "written, but not heard" in caplog.text


async def test_a_power_cut_at_any_byte_leaves_whole_entries_and_room_for_more(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    for event, memory in ((STACKED, {"n": 1}), (None, {"n": 2}), (PAID, {"n": 3})):
        await FileJournal(whole).record(event, memory)
    data = whole.read_bytes()
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10]
    memories = [{}, {"n": 1}, {"n": 2}, {"n": 3}]
    torn = tmp_path / "torn"
    for cut in range(len(data) + 1):
        torn.write_bytes(data[:cut])
        page = FileJournal(torn)
        kept = sum(end <= cut for end in ends)
        assert await page.recall() == memories[kept]
        await page.record(CHANGED, {"n": 4})
        assert await FileJournal(torn).recall() == {"n": 4}
        assert FileJournal(torn).events()[-1] == CHANGED
        assert len(torn.read_bytes().splitlines()) == kept + 1


@pytest.mark.parametrize("fails", ["fsync", "write", "directory"])
async def test_a_write_that_fails_counts_for_nothing_and_can_be_done_again(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = FileJournal(tmp_path / "p")
    if fails != "directory":
        await page.record(None, {"n": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if fails == "write":
            patch.setattr(journal_module.FileJournal, "_write", lambda _self, _line: full(0))
        else:
            patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            await page.record(STACKED, {"n": 2})
    assert await page.recall() == ({} if fails == "directory" else {"n": 1})
    await page.record(STACKED, {"n": 2})
    assert page.events() == [STACKED]


async def test_records_stand_in_the_order_they_were_asked_for(tmp_path: Path) -> None:
    page = FileJournal(tmp_path / "p")
    await asyncio.gather(*(page.record(None, {"n": number}) for number in range(20)))
    assert await page.recall() == {"n": 19}
    assert len((tmp_path / "p").read_bytes().splitlines()) == 20


async def test_a_record_that_nobody_waits_for_any_more_spoils_no_other(tmp_path: Path) -> None:
    page = FileJournal(tmp_path / "p")
    left = asyncio.ensure_future(page.record(STACKED, {"n": 1}))
    await asyncio.sleep(0)
    left.cancel()
    await page.record(PAID, {"n": 2})
    assert set(page.events()) <= {STACKED, PAID}
    assert PAID in page.events()


async def test_damage_that_no_power_cut_makes_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b'{"memory":{}}\nnonsense\n{"memory":{}}\n')
    with pytest.raises(ValueError, match="p, line 2: is no entry of a device's journal"):
        await FileJournal(tmp_path / "p").recall()


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    await FileJournal(tmp_path / "p").record(STACKED, None)
    assert (tmp_path / "p").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("event", [STACKED, PAID, CHANGED, CassetteFull()])
def test_every_event_is_read_as_it_was(event: Event) -> None:
    assert read_event(msgspec.json.encode(event)) == event


def test_an_event_of_a_later_version_is_left_out() -> None:
    assert read_event(b'{"kind":"bill_eaten","bill":1}') is None
    assert read_event(b'{"bill":1}') is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_any_memory_of_jsons_types_is_found_again(tmp_path_factory: pytest.TempPathFactory, memory: object) -> None:
    async def there_and_back(page: FileJournal) -> object:
        await page.record(None, memory)  # type: ignore[arg-type]
        return await page.recall()

    page = FileJournal(tmp_path_factory.mktemp("memory") / "p")
    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(there_and_back(page)) == memory
    finally:
        loop.close()
