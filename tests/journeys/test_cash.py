"""Cash payments from the first note to the last coin of change, with real processes: what can happen to a customer."""

from collections.abc import Iterator

import pytest

from tests.journeys.desk_site import DeskKiosk, Json
from tests.journeys.site import Site, unique, until


@pytest.fixture(scope="module")
def desk(site: Site) -> Iterator[DeskKiosk]:
    """A kiosk whose devices work; whoever breaks one repairs it."""
    with DeskKiosk.standing(site, "cash", "bills", "coins", "hopper", "second", cash={"idle_timeout": 20}) as kiosk:
        yield kiosk


@pytest.fixture(autouse=True)
def _agrees(desk: DeskKiosk) -> Iterator[None]:
    """After each journey devices, journal and hub agree."""
    yield
    desk.agrees()


def money(told: Json) -> tuple[str, int, int, int]:
    """Status, collected, paid back, owed."""
    return told["status"], told["collected"], told["change_paid"], told["change_owed"]


def came_back(desk: DeskKiosk) -> int:
    """Notes that customers have again: out of escrow, or not taken at all."""
    return sum(len(desk.rack["bills"].happened(kind)) for kind in ("bill_returned", "bill_rejected"))


def test_paid_exactly_with_notes_and_coins(desk: DeskKiosk) -> None:
    asked = desk.pay(121000)
    assert desk.collecting(asked)["remaining"] == 121000
    desk.note(100000)
    desk.collecting(asked, 100000)
    desk.coin(20000)
    desk.collecting(asked, 120000)
    desk.coin(1000)
    told = asked.answer()
    assert money(told) == ("paid", 121000, 0, 0)
    assert (told["notes"], told["coins"], told["reason"]) == ({"100000": 1}, {"20000": 1, "1000": 1}, "")
    assert "claim" not in told


def test_overpaid_with_change_from_two_hoppers(desk: DeskKiosk) -> None:
    asked = desk.pay(135000)
    desk.note(100000)
    desk.note(50000)
    assert money(asked.answer()) == ("paid", 150000, 15000, 0)


def test_a_note_for_which_there_is_no_change_is_given_back(desk: DeskKiosk) -> None:
    desk.set_hopper("hopper", 2)
    desk.set_hopper("second", 1)
    back = came_back(desk)
    asked = desk.pay(10000)
    desk.note(500000)
    until("the note coming back", lambda: came_back(desk) > back)
    desk.coin(10000)
    assert money(asked.answer()) == ("paid", 10000, 0, 0)
    desk.fill_hoppers()


def test_a_coin_for_which_there_is_no_change_is_not_taken(desk: DeskKiosk) -> None:
    desk.set_hopper("hopper", 0)
    desk.set_hopper("second", 0)
    returned = len(desk.rack["bus"].happened("coin_returned"))
    asked = desk.pay(15000)
    desk.coin(20000)
    until("the coin coming back", lambda: len(desk.rack["bus"].happened("coin_returned")) > returned)
    desk.coin(10000)
    desk.coin(5000)
    assert money(asked.answer()) == ("paid", 15000, 0, 0)
    desk.fill_hoppers()


def test_coins_that_were_in_already_are_owed_with_a_claim(desk: DeskKiosk) -> None:
    desk.set_hopper("hopper", 0)
    desk.set_hopper("second", 0)
    asked = desk.pay(15000)
    desk.coin(10000)
    desk.coin(10000)
    told = asked.answer()
    assert money(told) == ("paid", 20000, 0, 5000)
    assert len(told["claim"]) == 9
    owed = [data for kind, _, data in desk.agrees().events if kind == "cash-owed"]
    assert (owed[-1]["claim"], owed[-1]["owed"]) == (told["claim"], 5000)
    desk.fill_hoppers()


def test_hoppers_that_have_less_than_was_said_leave_the_rest_owed(desk: DeskKiosk) -> None:
    desk.set_hopper("hopper", 1, said=100)
    desk.set_hopper("second", 0)
    asked = desk.pay(70000)
    desk.note(100000)
    assert money(asked.answer()) == ("paid", 100000, 10000, 20000)
    desk.fill_hoppers()


def test_with_keep_what_is_above_the_amount_is_kept(desk: DeskKiosk) -> None:
    asked = desk.pay(70000, overpay="keep")
    desk.note(100000)
    told = asked.answer()
    assert (*money(told), told["kept"]) == ("paid", 100000, 0, 0, 30000)


def test_with_refuse_a_note_above_the_amount_comes_back(desk: DeskKiosk) -> None:
    back = came_back(desk)
    asked = desk.pay(70000, overpay="refuse")
    desk.note(100000)
    until("the note coming back", lambda: came_back(desk) > back)
    desk.note(50000)
    desk.coin(20000)
    assert money(asked.answer()) == ("paid", 70000, 0, 0)


@pytest.mark.parametrize("by", ["hub", "customer"])
def test_cancelled_before_anything_came(desk: DeskKiosk, by: str) -> None:
    asked = desk.pay(50000)
    desk.collecting(asked)
    cancel(desk, asked.id, by)
    told = asked.answer()
    assert (*money(told), told["reason"]) == ("cancelled", 0, 0, 0, by)
    assert desk.rack["bills"].do("insert", minor=50000) == {"taken": 0}


@pytest.mark.parametrize("by", ["hub", "customer"])
def test_cancelled_with_money_inside_it_is_paid_back(desk: DeskKiosk, by: str) -> None:
    asked = desk.pay(150000)
    desk.note(50000)
    desk.collecting(asked, 50000)
    cancel(desk, asked.id, by)
    told = asked.answer()
    assert (*money(told), told["reason"]) == ("cancelled", 50000, 50000, 0, by)


def test_cancelled_while_a_note_is_on_its_way(desk: DeskKiosk) -> None:
    asked = desk.pay(150000)
    desk.collecting(asked)
    desk.note(50000)
    cancel(desk, asked.id, "hub")
    told = asked.answer()
    assert told["status"] == "cancelled"
    assert told["collected"] in {0, 50000}
    assert told["collected"] == told["change_paid"]


def test_cancelled_while_change_is_paid_it_stays_paid(desk: DeskKiosk) -> None:
    asked = desk.pay(50000)
    desk.note(100000)
    desk.at(asked, "paying")
    cancel(desk, asked.id, "customer", done=False)
    assert money(asked.answer()) == ("paid", 100000, 50000, 0)


def test_nothing_comes_for_too_long(desk: DeskKiosk) -> None:
    asked = desk.pay(50000, idle_timeout=8)
    desk.coin(10000)
    told = asked.answer()
    assert (*money(told), told["reason"]) == ("timed_out", 10000, 10000, 0, "idle")


def test_it_takes_too_long_altogether(desk: DeskKiosk) -> None:
    asked = desk.pay(50000, timeout=12)
    desk.coin(10000)
    told = asked.answer()
    assert (*money(told), told["reason"]) == ("timed_out", 10000, 10000, 0, "timeout")


def test_the_same_key_is_one_payment_while_it_runs_and_after(desk: DeskKiosk) -> None:
    key = unique("once")
    asked = desk.pay(50000, key=key)
    desk.collecting(asked)
    again = desk.pay(50000, key=key)
    desk.note(50000)
    assert asked.answer() == again.answer()
    assert desk.pay(50000, key=key).answer() == asked.answer()
    assert len([work for work in desk.book()[1] if work.id == asked.id]) == 1


def test_a_second_payment_waits_for_the_first(desk: DeskKiosk) -> None:
    first = desk.pay(10000)
    desk.collecting(first)
    second = desk.pay(5000)
    desk.coin(10000)
    assert money(first.answer()) == ("paid", 10000, 0, 0)
    desk.coin(5000)
    assert money(second.answer()) == ("paid", 5000, 0, 0)


def test_what_is_asked_for_wrongly_is_told_at_once_and_whole(desk: DeskKiosk) -> None:
    asked = desk.ask("cash", {"amount": -1, "currency": "EUR", "overpay": "gift", "idle_timeout": "long"})
    problem = asked.answer(400)
    assert (problem["type"], problem["outcome"]) == ("bad-request", "not_executed")
    for field in ("amount", "currency", "overpay", "idle_timeout"):
        assert field in problem["detail"]


def test_progress_goes_to_the_hub_and_to_the_screen(desk: DeskKiosk) -> None:
    asked = desk.pay(60000)
    told, ended = desk.stream(asked)
    desk.collecting(asked)
    desk.note(50000)
    until("the hub's telling of the note", lambda: any(data.get("collected") == 50000 for _, data in list(told)))
    desk.coin(10000)
    asked.answer()
    ended.result(60)
    assert [kind for kind, _ in told][-1] == "succeeded"
    progress = [data for kind, data in told if kind == "progress"]
    assert {50000, 60000} <= {each["collected"] for each in progress}
    over = until("the screen's end of it", lambda: (desk.screen.last("operation", asked.id) or {}).get("over"))
    assert over is True


def cancel(desk: DeskKiosk, request_id: str, by: str, *, done: bool = True) -> None:
    """By a backend, or by the button on the kiosk's screen."""
    if by == "hub":
        answer = desk.site.backend.post(f"/operations/{request_id}/cancel")
        assert answer.status_code in {200, 202}, answer.text
        return
    answer = desk.cancel_here()
    if done:
        assert answer.json() == {"cancelled": [request_id]}
