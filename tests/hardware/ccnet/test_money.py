"""Money is neither lost nor invented, whatever happens at whatever moment."""

import pytest

from hardware.ccnet.book import Book
from hardware.events import BillReturned, BillStacked, BillUnclear, CassetteRemoved, CassetteReturned
from tests.hardware.ccnet import schedules
from tests.hardware.ccnet.schedules import KINDS, WAYS, Way, breaches, give_back, heal, insert, ready, stack, world
from tests.hardware.duel import Trouble

STRIDES = {"nobody decides": 61}  # that one is ten seconds of polls, one like the other


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_trouble_on_a_note_s_way(way: Way, kind: str) -> None:
    assert schedules.steps([way], [kind], stride=STRIDES.get(way.name, 23)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_trouble_around_the_credit(kind: str) -> None:
    """From the order to what follows the ACK. `make chaos` plays all steps of all ways."""
    way = WAYS[0]
    steps, found = way.play(())
    assert found == []
    for step in range(steps - 40, steps, 2):
        assert way.play((Trouble(step, kind, 2.0),))[1] == [], f"{kind} before step {step}"


@pytest.mark.parametrize("seed", range(40))
def test_a_random_day(seed: int) -> None:
    assert schedules.run(seed) == []


def test_the_proof_sees_a_credit_that_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Book, "repeats", lambda self, bill_type, *, stacked: False)
    way = WAYS[0]
    steps, _ = way.play(())
    found = [breach for step in range(steps - 12, steps) for breach in way.play((Trouble(step, "crash"),))[1]]
    assert any("credited and never stacked" in breach for breach in found)


def test_the_proof_sees_an_intent_that_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Book.memory
    monkeypatch.setattr(Book, "memory", lambda self: {**memory(self), "note": None})
    way = WAYS[0]
    steps, _ = way.play(())
    found = [breach for step in range(steps - 60, steps, 5) for breach in way.play((Trouble(step, "crash"),))[1]]
    assert found


def test_a_journal_slower_than_the_ack_may_be_only_makes_it_tell_again() -> None:
    duel = ready(world(stack, device={"ack_ms": 10}, journal_s=0.2))
    for _ in range(3):
        assert insert(duel)
        duel.run(within_s=6)
    assert [type(event) for event in duel.told(BillStacked, BillUnclear)] == [BillStacked] * 3
    assert breaches(duel, sure=True) == []


def test_the_note_that_is_being_stacked_while_the_cassette_is_pulled_is_credited_when_it_is_back() -> None:
    duel = ready(world(stack))
    insert(duel)
    duel.run(until=lambda: duel.simulator.memory["stacker"] is not None, within_s=10)
    duel.hand("pull_cassette")
    duel.run(within_s=5)
    assert duel.told(BillStacked) == []
    duel.hand("put_cassette")
    heal(duel)
    assert len(duel.told(BillStacked)) == 1
    assert [type(event) for event in duel.told(CassetteRemoved, CassetteReturned)] == [
        CassetteRemoved,
        CassetteReturned,
    ]
    assert breaches(duel, sure=True) == []


def test_a_jam_while_stacking_that_a_person_clears_by_hand_leaves_the_note_unclear() -> None:
    duel = ready(world(stack))
    insert(duel)
    duel.run(until=lambda: duel.simulator.memory["stacker"] is not None, within_s=10)
    duel.hand("jam", where="cassette")
    duel.run(within_s=3)
    duel.hand("clear", note="hand")
    heal(duel)
    assert len(duel.told(BillUnclear)) == 1
    assert duel.told(BillStacked) == []


def test_without_anybody_s_decision_the_device_gives_it_back() -> None:
    duel = ready(world())
    insert(duel)
    duel.run(within_s=20)
    assert duel.told(BillReturned) == [BillReturned(bill=duel.told(BillReturned)[0].bill, escrow=1)]  # type: ignore[attr-defined]
    assert breaches(duel, sure=True) == []


def test_an_owner_who_gives_all_back_gets_nothing() -> None:
    duel = ready(world(give_back))
    for _ in range(3):
        insert(duel)
        duel.run(within_s=5)
    assert len(duel.facts("bill_returned")) == 3
    assert duel.told(BillStacked) == []
