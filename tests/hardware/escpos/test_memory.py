"""What is found at a start, whatever stands there."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.escpos.memory import LOOK, PRINTED, UNCLEAR, Page, Remembered
from hardware.escpos.protocol import EscposProtocol
from hardware.events import SlipUnclear
from hardware.protocol import Action, Record

names = st.none() | st.text(max_size=8)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x, max_size=2), max_leaves=3
)


@given(names, st.booleans(), st.booleans())
def test_it_reads_back(begun: str | None, copy: bool, remains: bool) -> None:
    kept = Remembered(begun, copy, "last", PRINTED, remains)
    assert Remembered.of(kept.memory) == kept


@given(st.dictionaries(st.sampled_from(["version", "begun", "copy", "last", "outcome", "remains"]), json))
def test_no_memory_raises(memory: dict[str, object]) -> None:
    protocol = EscposProtocol(memory)
    protocol.wake(0)
    protocol.opened(0)


def test_a_memory_of_another_version_means_a_printer_to_be_cleaned() -> None:
    assert Remembered.of({"version": 99, "begun": "A"}) == Remembered(remains=True)
    assert Remembered.of({}) == Remembered()


def test_an_unclear_copy_takes_nothing_from_a_printed_original() -> None:
    printed = Remembered().beginning("A", copy=False).ended(PRINTED)
    assert printed.beginning("A", copy=True).ended(UNCLEAR, remains=True).outcome_of("A") == PRINTED
    unclear = Remembered().beginning("A", copy=False).ended(UNCLEAR, remains=True)
    assert (unclear.outcome_of("A"), unclear.remains, unclear.cleaned().remains) == (UNCLEAR, True, False)
    assert unclear.beginning("A", copy=True).ended(PRINTED).outcome_of("A") == PRINTED
    assert unclear.outcome_of("B") == ""


def test_the_page_is_written_with_what_it_tells() -> None:
    actions: list[Action] = []
    page = Page({}, actions.append)
    page.write(page.now.beginning("A", copy=True))
    page.unclear("the cover is open")
    first, second = actions
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert (first.event, first.memory) == (None, Remembered(begun="A", copy=True).memory)
    assert isinstance(second.event, SlipUnclear)
    assert second.event.words == f"the copy: the cover is open; {LOOK}"
    assert second.memory == page.now.memory
    assert (page.now.begun, page.now.remains, page.now.outcome_of("A")) == (None, True, UNCLEAR)
