"""The states of what is carried, by the clock alone."""

from cloud.operations.carried import LINGER, TELL_AGAIN, TELLS, Lately, Ledger, Next, Record
from cloud.operations.operation import Operation, State
from wire.messages import Executed, Response


def record(request_id: str = "r-1", kiosk: str = "kiosk_001") -> Record:
    operation = Operation(
        request_id=request_id, kiosk_id=kiosk, operation="payment", method="POST", created_at=0.0, state=State.SENT
    )
    return Record(operation, "owner", 7, 100.0)


def answer(request_id: str = "r-1") -> Response:
    return Response(request_id=request_id, operation="payment", executed=Executed.YES, status=200)


def test_on_the_socket_it_waits_until_its_owner_surely_does_not() -> None:
    it = record()
    assert it.due(100.0 + LINGER - 0.1, owner_lives=True) is Next.WAIT
    assert it.due(99.0, owner_lives=False) is Next.WAIT
    assert it.due(100.0 + LINGER, owner_lives=True) is Next.FORGET


def test_an_outcome_is_told_again_and_then_stored_here() -> None:
    it = record()
    it.response, it.told_at, it.tells = answer(), 10.0, 1
    assert it.due(10.0 + TELL_AGAIN - 0.1, owner_lives=True) is Next.WAIT
    assert it.due(10.0 + TELL_AGAIN, owner_lives=True) is Next.TELL
    it.told_at, it.tells = 12.0, TELLS
    assert it.due(12.0 + TELL_AGAIN - 0.1, owner_lives=True) is Next.WAIT
    assert it.due(12.0 + TELL_AGAIN, owner_lives=True) is Next.STORE
    assert it.due(1000.0, owner_lives=True) is Next.STORE


def test_an_outcome_whose_owner_is_gone_is_stored_at_once_and_by_one() -> None:
    it = record()
    it.response, it.told_at, it.tells = answer(), 10.0, 1
    assert it.due(10.0, owner_lives=False) is Next.STORE
    it.is_storing = True
    assert it.due(1000.0, owner_lives=False) is Next.WAIT


def test_the_ledger_counts_by_kiosk() -> None:
    ledger = Ledger()
    one, two, other = record("r-1"), record("r-2"), record("r-3", "kiosk_002")
    for each in (one, two, other):
        ledger.add(each)
    assert (len(ledger), ledger.count_at("kiosk_001"), set(ledger.ids_at("kiosk_001"))) == (3, 2, {"r-1", "r-2"})
    ledger.answered(one, answer())
    assert (one.response, list(ledger.told)) == (answer(), ["r-1"])
    ledger.remove(one)
    ledger.remove(one)
    assert (len(ledger), ledger.count_at("kiosk_001"), ledger.get("r-1"), ledger.told) == (2, 1, None, {})
    assert ledger.at("kiosk_002") == [other]


def test_what_was_settled_lately_is_remembered_for_ten_seconds_at_least_and_not_for_long() -> None:
    lately = Lately()
    for at in range(0, 100, 3):
        lately.add(f"r-{at}", 1000.0 + at)
        kept = [since for since in range(0, at + 1, 3) if lately.has(f"r-{since}", 1000.0 + at)]
        assert set(range(max(0, at - 9), at + 1, 3)) & set(range(0, at + 1, 3)) <= set(kept)
        assert min(kept) > at - 30
    assert not lately.has("r-99", 1200.0)
