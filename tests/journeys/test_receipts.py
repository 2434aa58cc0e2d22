"""Fiscal receipts and slips with real processes: each registered once, whatever happens to the register."""

from collections.abc import Iterator

import pytest

from tests.journeys.desk_site import DeskKiosk, Json
from tests.journeys.site import Site, unique, until


class ReceiptKiosk(DeskKiosk):
    """Has routes besides that do not wait long for what does not come."""

    def desk_routes(self) -> Json:
        found = super().desk_routes()
        for device in ("register", "printer"):
            found["routes"][f"hasty-{device}"] = {"device": device, "timeout": 8}
            found["routes"][device]["timeout"] = 30
        return found


@pytest.fixture(scope="module")
def desk(site: Site) -> Iterator[DeskKiosk]:
    """A kiosk with a register; whoever breaks it repairs it."""
    with ReceiptKiosk.standing(site, "receipts", "bills", "hopper", "register", "printer") as kiosk:
        yield kiosk


@pytest.fixture(autouse=True)
def _agrees(desk: DeskKiosk) -> Iterator[None]:
    """After each journey devices, journal and hub agree."""
    yield
    desk.wait_no_work()
    desk.agrees()


def receipt(total: int, **more: object) -> Json:
    """A receipt's body, of two lines."""
    lines = [
        {"name": "Кофе", "price": total - 3000, "tax": "none"},
        {"name": "Сахар", "price": 1000, "quantity": 3, "tax": "none"},
    ]
    return {"kind": "sale", "currency": "KZT", "lines": lines, **more}


def cash(total: int) -> Json:
    """With its settlement."""
    return receipt(total, settlements=[{"tender": "cash", "amount": total}])


def sales(desk: DeskKiosk) -> list[int]:
    """Numbers of the sales in the register."""
    return [line["number"] for line in desk.rack["register"].happened("document_stored") if line["document"] == "sale"]


def printed(desk: DeskKiosk, number: int) -> int:
    """How often a document is on paper."""
    return sum(line["number"] == number for line in desk.rack["register"].happened("document_printed"))


def test_registered_once_and_on_paper(desk: DeskKiosk) -> None:
    key = unique("receipt")
    told = desk.ask("register", cash(45000), key=key).answer()
    assert (told["status"], told["total"], told["printed"]) == ("registered", 45000, True)
    assert sales(desk)[-1] == told["number"]
    assert printed(desk, told["number"]) == 1
    before = sales(desk)
    assert desk.ask("register", cash(45000), key=key).answer() == told
    assert sales(desk) == before


def test_a_payment_and_its_receipt_are_one_operation(desk: DeskKiosk) -> None:
    asked = desk.pay(70000, receipt=receipt(70000))
    desk.note(100000)
    told = asked.answer()
    assert (told["status"], told["collected"], told["change_paid"]) == ("paid", 100000, 30000)
    assert (told["receipt"]["status"], told["receipt"]["number"]) == ("registered", sales(desk)[-1])
    assert told["receipt"]["reference"] == f"{asked.id}/receipt"


def test_a_payment_that_came_to_nothing_has_no_receipt(desk: DeskKiosk) -> None:
    before = sales(desk)
    asked = desk.pay(70000, receipt=receipt(70000), idle_timeout=1)
    told = asked.answer()
    assert (told["status"], told["receipt"]) == ("timed_out", {"status": "not-needed"})
    assert sales(desk) == before


def test_paper_out_in_the_middle_keeps_the_receipt_pending_until_there_is_paper(desk: DeskKiosk) -> None:
    register = desk.rack["register"]
    register.do("paper_out")
    before = len(sales(desk))
    asked = desk.ask("hasty-register", cash(45000), key=unique("pending"))
    told = asked.answer(202)
    assert told["status"] == "pending"
    assert "paper" in told["reason"].lower() or "бумаг" in told["reason"].lower()
    assert asked.final()["state"] == "succeeded"
    register.do("paper_in")
    until("the receipt being registered", lambda: len(sales(desk)) == before + 1)
    until("it being told", lambda: [
        data for kind, _, data in desk.events() if kind == "document-registered" and data["reference"] == asked.id
    ])  # fmt: skip
    found = desk.ask("register", {"action": "find", "reference": asked.id}).answer()
    assert (found["status"], found["number"]) == ("registered", sales(desk)[-1])


def test_a_paid_order_whose_receipt_waits_is_paid(desk: DeskKiosk) -> None:
    register = desk.rack["register"]
    before = len(sales(desk))
    asked = desk.pay(50000, receipt=receipt(50000), receipt_required=False)
    desk.collecting(asked)
    register.do("paper_out")
    desk.note(50000)
    told = asked.told()
    assert (told["status"], told["receipt"]["status"]) == ("paid", "pending")
    register.do("paper_in")
    until("the receipt being registered", lambda: len(sales(desk)) == before + 1)


@pytest.mark.parametrize("after", [3, 9, 15, 24])
def test_the_registers_power_is_cut_in_the_middle(desk: DeskKiosk, after: int) -> None:
    before = len(sales(desk))
    desk.rack["register"].do("power_cut", after=after, unit="steps", seconds=1)
    asked = desk.ask("register", cash(45000), timeout=60)
    answer = asked.future.result(90)
    assert answer.status_code in {200, 202}, answer.text
    until("one receipt being registered", lambda: len(sales(desk)) == before + 1)
    desk.wait_no_work()
    assert len(sales(desk)) == before + 1
    assert printed(desk, sales(desk)[-1]) == 1


def test_a_shift_that_is_too_old_is_closed_and_another_opened(desk: DeskKiosk) -> None:
    desk.ask("register", cash(45000)).answer()
    desk.rack["register"].do("expire_shift")
    before = [line["document"] for line in desk.rack["register"].happened("document_stored")]
    assert desk.ask("register", cash(45000)).answer()["status"] == "registered"
    after = [line["document"] for line in desk.rack["register"].happened("document_stored")][len(before) :]
    assert after == ["close_shift", "open_shift", "sale"]


def test_a_receipt_that_cannot_be_is_refused_whole_before_any_money(desk: DeskKiosk) -> None:
    wrong = {"kind": "sale", "currency": "KZT", "lines": [{"name": "", "price": 1.5, "tax": "vat99"}]}
    problem = desk.pay(50000, receipt=wrong).answer(400)
    assert problem["outcome"] == "not_executed"
    for word in ("name", "price", "tax"):
        assert word in problem["detail"], problem["detail"]


def test_a_slip_is_printed_once(desk: DeskKiosk) -> None:
    key = unique("slip")
    before = len(desk.rack["printer"].happened("slip_printed"))
    told = desk.ask("printer", {"lines": ["Здравствуйте", "Сәлеметсіз бе"]}, key=key).answer()
    assert told["status"] == "printed"
    assert desk.ask("printer", {"lines": ["Здравствуйте", "Сәлеметсіз бе"]}, key=key).answer() == told
    assert len(desk.rack["printer"].happened("slip_printed")) == before + 1


def test_without_paper_a_slip_is_surely_not_printed(desk: DeskKiosk) -> None:
    desk.rack["printer"].do("paper_out")
    problem = desk.ask("hasty-printer", {"lines": ["nobody reads this"]}, timeout=60).future.result(90)
    assert (problem.status_code, problem.json()["outcome"]) == (502, "not_executed"), problem.text
    desk.rack["printer"].do("load_paper", rows=100000)
    desk.wait_devices("printer")
