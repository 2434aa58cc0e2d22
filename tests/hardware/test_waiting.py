"""Each ticket is finished once, and only those still waited for."""

from hardware.errors import OutcomeUnknown, Refused
from hardware.protocol import Action, Finish
from hardware.waiting import Waiting


def test_all_that_wait_for_a_thing_get_its_end_once() -> None:
    done: list[Action] = []
    waiting = Waiting(done.append)
    waiting.add("stack", 1)
    waiting.add("stack", 2)
    waiting.add("enable", 3)
    assert waiting.any("stack")
    waiting.finish("stack", result="note")
    waiting.finish("stack", result="note")
    assert done == [Finish(1, "note"), Finish(2, "note")]
    assert not waiting.any("stack")


def test_whoever_left_gets_nothing() -> None:
    done: list[Action] = []
    waiting = Waiting(done.append)
    waiting.add("return", 1)
    waiting.forget(1)
    waiting.forget(2)
    waiting.finish("return")
    assert done == []


def test_an_unknown_end_is_told_to_both_kinds() -> None:
    done: list[Action] = []
    waiting = Waiting(done.append)
    waiting.add("stack", 1)
    waiting.add("return", 2)
    waiting.unknown("nobody knows")
    assert [type(each.error) for each in done if isinstance(each, Finish)] == [OutcomeUnknown] * 2
    waiting.add("stack", 3)
    waiting.end_note(Refused("gone", "it is gone"))
    assert len(done) == 3
