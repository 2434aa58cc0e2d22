"""Golden traces, played to the protocols of today. See `replaying`; each trace's header says what it is of."""

import datetime
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from appliance.workbench.replay import tell
from hardware.bills import Disable, Enable, GiveBack, LinkedBillValidator, Stack
from hardware.catalogue import find_driver
from hardware.events import BillEscrowed, BillReturned, BillStacked, Event
from hardware.journal import FileJournal
from hardware.protocol import Protocol
from hardware.trace import Piece, Recording, read_trace
from tests.hardware.replaying import Differs, Replayed, replay

TRACES = Path(__file__).resolve().parents[1] / "traces"
DRIVERS = {"ccnet_two_notes": ("ccnet", {"currency": "KZT"}), "id003_two_notes": ("id003", {"currency": "KZT"})}
TWO_NOTES: Mapping[str, object] = MappingProxyType(
    {"enable": Enable(None), "stack": Stack(1), "give_back": GiveBack(2), "disable": Disable()}
)


def protocol(name: str) -> Protocol:
    """As the driver makes it for a device that was never seen."""
    driver, settings = DRIVERS[name]
    built = find_driver(driver).load()("bills", f"sim://{driver}", FileJournal(Path("unused")), **settings)  # type: ignore[call-arg]
    assert isinstance(built, LinkedBillValidator)
    return built._link._make_protocol({"": {}})


def recording(name: str) -> Recording:
    (found,) = read_trace(TRACES / f"{name}.trace")
    return found


def money(events: list[Event]) -> list[tuple[str, int]]:
    kinds = (BillEscrowed, BillStacked, BillReturned)
    return [(type(event).__name__, event.bill.minor) for event in events if isinstance(event, kinds) and event.bill]


@pytest.mark.parametrize("name", DRIVERS)
def test_what_is_said_to_the_device_is_what_was_said_then(name: str) -> None:
    done: Replayed = replay(recording(name), protocol(name), TWO_NOTES)
    assert money(done.events) == [
        ("BillEscrowed", 50000), ("BillStacked", 50000), ("BillEscrowed", 100000), ("BillReturned", 100000),
    ]  # fmt: skip
    assert {word: finish.error for word, finish in done.finished.items()} == dict.fromkeys(TWO_NOTES)
    assert done.said == sum(len(piece.data) for piece in recording(name).pieces if piece.sender == "host")


@pytest.mark.parametrize("name", DRIVERS)
def test_a_trace_is_read_without_a_fault(name: str) -> None:
    assert [told.words for told in tell(recording(name)) if told.item and told.item.fault] == []


def test_every_trace_is_played_and_says_what_it_is_of() -> None:
    assert {path.stem for path in TRACES.glob("*.trace")} == set(DRIVERS)
    for name in DRIVERS:
        assert "not a real one" in recording(name).header["note"]


# The player itself.


@pytest.mark.parametrize("name", DRIVERS)
@pytest.mark.parametrize("spoil", ["another byte", "left out", "one more"])
def test_a_difference_is_told(name: str, spoil: str) -> None:
    pieces = list(recording(name).pieces)
    at = next(number for number, piece in enumerate(pieces) if piece.sender == "host" and number > len(pieces) // 2)
    match spoil:
        case "another byte":
            pieces[at] = replace(pieces[at], data=pieces[at].data[:-1] + b"\0")
        case "left out":
            del pieces[at]
        case "one more":
            pieces.insert(at, pieces[at])
    with pytest.raises(Differs):
        replay(Recording({}, tuple(pieces)), protocol(name), TWO_NOTES)


def test_a_protocol_that_says_more_at_the_end_differs() -> None:
    whole = recording("ccnet_two_notes").pieces
    first = next(number for number, piece in enumerate(whole) if piece.sender == "host")
    with pytest.raises(Differs, match="at the end"):
        replay(Recording({}, whole[:first]), protocol("ccnet_two_notes"), TWO_NOTES)


def test_a_protocol_that_wants_to_be_woken_for_ever_differs() -> None:
    class Restless:
        wake_at = 0.0

        def wake(self, _: float) -> tuple[()]:
            return ()

    piece = Piece(datetime.datetime.now(datetime.UTC), 1.0, "device", b"x")
    with pytest.raises(Differs, match="for ever"):
        replay(Recording({}, (piece,)), Restless(), {})  # type: ignore[arg-type]
