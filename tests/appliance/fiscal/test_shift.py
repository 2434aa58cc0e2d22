"""What comes before a document."""

import itertools

import pytest

from appliance.fiscal.shift import CASH_IN, CASH_OUT, CLOSE, KINDS, OPEN, RECEIPT, First, Go, No, Step, Wait, before
from hardware.roles import RegisterStatus, ShiftState


def status(state: str = "open", **fields: object) -> RegisterStatus:
    return RegisterStatus(shift=ShiftState(state=state, number=7), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "state", "step"),
    [
        (RECEIPT, "open", Go()), (RECEIPT, "closed", First(OPEN)), (RECEIPT, "expired", First(CLOSE)),
        (CASH_IN, "closed", First(OPEN)), (CASH_OUT, "expired", First(CLOSE)), (CASH_OUT, "open", Go()),
        (OPEN, "closed", Go()), (OPEN, "open", No("shift 7 is open already")),
        (OPEN, "expired", No("shift 7 is open already")),
        (CLOSE, "open", Go()), (CLOSE, "expired", Go()), (CLOSE, "closed", No("no shift is open")),
    ],
)  # fmt: skip
def test_a_step(kind: str, state: str, step: Step) -> None:
    assert before(kind, status(state), due=False) == step


def test_every_state_leads_to_the_document_in_three_steps_at_most() -> None:
    after = {OPEN: "open", CLOSE: "closed"}
    for kind, begins in itertools.product(KINDS, ("open", "closed", "expired")):
        state = begins
        for _ in range(3):
            step = before(kind, status(state), due=True)
            if not isinstance(step, First):
                break
            assert before(step.kind, status(state), due=False) == Go()
            state = after[step.kind]
        assert isinstance(step, Go | No)


@pytest.mark.parametrize("kind", KINDS)
def test_without_paper_everything_waits(kind: str) -> None:
    state = "closed" if kind == OPEN else "open"
    assert before(kind, status(state, paper=False), due=False) == Wait("the register has no paper")
    assert before(kind, status(state, paper=False, words="put paper in"), due=False) == Wait("put paper in")
    assert before(kind, status(state, paper=None), due=False) == Go()


def test_an_electronic_receipt_needs_no_paper() -> None:
    assert before(RECEIPT, status(paper=False), due=False, paper=False) == Go()


@pytest.mark.parametrize(
    ("since", "too_late"),
    [("2026-10-22T10:00", False), ("2026-10-22T09:59", True), ("", False), ("soon", False), ("2026-01-01", True)],
)
def test_documents_that_are_not_sent_for_thirty_days(since: str, too_late: bool) -> None:
    stands = status(unsent=3, unsent_since=since, clock="2026-11-21T10:00:00+03:00")
    assert isinstance(before(RECEIPT, stands, due=True), Wait if too_late else Go)
    assert isinstance(before(RECEIPT, stands, due=False), No if too_late else Go)
    assert before(CLOSE, stands, due=False) == Go()
