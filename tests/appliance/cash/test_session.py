"""The pure session against devices that do whatever devices may do, in any order: money is conserved, and it ends."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.cash.change import Stock, can_pay
from appliance.cash.devices import Acceptor, Hopper
from appliance.cash.orders import Command, Disable, Enable, End, Ended, Find, GiveBack, How, Keep, PayOut, Stack, Tell
from appliance.cash.outcome import outcome
from appliance.cash.result import PAID, CashResult, CashWork
from appliance.cash.session import Phase, Session
from appliance.cash.takings import Takings
from hardware import events
from hardware.events import DeviceState, Event
from wire.money import Money

NOTES = tuple(Money(minor, "KZT") for minor in (20000, 50000, 100000, 200000))
COINS = tuple(Money(minor, "KZT") for minor in (500, 1000, 5000, 10000, 20000))


class Validator:
    """Takes one note at a time."""

    def __init__(self) -> None:
        self.taking: frozenset[Money] = frozenset()
        self.held: tuple[int, Money] | None = None
        self.fate = ""  # stack or return, once it is ordered or goes by itself
        self.number = 0
        self.up = True


class Play:
    """A session, devices that obey or do not, a customer, and the truth."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        chance = self.chance
        self.validators = {"b1": Validator(), "b2": Validator()}
        self.coins: frozenset[Money] = frozenset()
        self.hoppers = {"h1": (10000, chance.randrange(8)), "h2": (5000, chance.randrange(8))}
        stocks = {
            name: Hopper(Stock(name, minor, chance.choice([None, count or None, count + 2])))
            for name, (minor, count) in self.hoppers.items()
        }
        self.work = CashWork(
            amount=chance.choice([500, 15000, 60000, 135000, 150000, 220000]), currency="KZT",
            overpay=chance.choice(["change", "change", "keep", "refuse"]), idle_timeout=60.0, timeout=180.0,
            devices=("b1", "b2", "c", "h1", "h2"), claim="CD47-KPX3",
        )  # fmt: skip
        acceptors = {name: Acceptor(name, bills=name != "c") for name in ("b1", "b2", "c")}
        self.now = 1000.0
        self.session = Session("s", self.work, acceptors, stocks, self.now)
        self.pending: list[Command] = []
        self.later: list[tuple[str, Event]] = []  # what a device will tell, maybe after the end of its command
        self.book: list[tuple[str, Event]] = []
        self.came = 0  # what is in cassettes and boxes, of what was told
        self.left: Counter[str] = Counter()  # coins that left
        self.ended = False
        self.cancelled = False

    # Orders

    def do(self, orders: list[Any]) -> None:
        self.ended = False
        for order in orders:
            match order:
                case Tell() | Keep():
                    pass
                case End():
                    self.ended = True
                case Stack(device, escrow):
                    self.may_stack(device, escrow)
                    self.pending.append(order)
                case PayOut():
                    assert not any(isinstance(each, PayOut) for each in self.pending), "one at a time"
                    self.may_pay(order)
                    self.pending.append(order)
                case Enable():
                    assert self.session.open, "nothing is enabled once it closes"
                    self.pending.append(order)
                case _:
                    self.pending.append(order)

    def may_stack(self, device: str, escrow: int) -> None:
        bill = self.session.takings.held[device, escrow]
        moving = sum(
            self.session.takings.held[each.device, each.escrow].minor
            for each in self.pending
            if isinstance(each, Stack)
            and (each.device, each.escrow) in self.session.takings.held
            and (each.device, each.escrow) != (device, escrow)
        )
        above = self.session.collected + moving + bill.minor - self.work.amount
        if above > 0 and self.work.overpay != "keep":
            assert self.work.overpay == "change", "it should go back"
            stocks = [each.stock for each in self.session.hoppers.values() if each.stock and not each.away]
            assert can_pay(above, stocks), "it should go back: there is no such change"

    def may_pay(self, order: PayOut) -> None:
        work, takings = self.session.work, self.session.takings
        back = takings.collected - (work.amount if work.is_paid(takings.collected) else 0)
        asked = 0
        for intent in work.payouts:
            payout = takings.payouts.get(intent.reference)
            whole = intent.minor * intent.count
            if intent is order.intent or intent.reference in self.session.unanswered:
                asked += whole
            elif payout is not None:
                asked += whole if payout.paid is None else payout.paid * intent.minor
        assert 0 < asked <= back, "more is asked for than is due"

    # What happens

    def hear(self, device: str, event: Event) -> None:
        self.book.append((device, event))
        if isinstance(event, events.BillStacked):
            self.came += event.bill.minor
        if isinstance(event, events.CoinAccepted):
            self.came += event.coin.minor
        self.do(self.session.heard(device, event, self.now))

    def end(self, command: Command, how: How, known: tuple[Money, ...] = ()) -> None:
        self.pending.remove(command)
        self.do(self.session.ended(command, Ended(how, "words", known), self.now))

    def step(self) -> None:
        chance = self.chance
        what = chance.random()
        if self.pending and what < 0.45:
            self.answer(chance.choice(self.pending))
        elif what < 0.65:
            self.insert()
        elif what < 0.75 and self.later:
            self.hear(*self.later.pop(chance.randrange(len(self.later))))
        elif what < 0.80:
            self.trouble()
        elif what < 0.81 and self.session.open:
            self.cancelled = True
            self.do(self.session.cancel("customer", self.now))
        else:
            self.pass_time(chance.choice([0.1, 1.0, 3.0, 3.0, 30.0]))

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while (wake := self.session.wake_at) is not None and wake <= until:
            assert wake > self.now, "it wants to be woken in the past"
            self.now = wake
            self.do(self.session.tick(self.now))
        self.now = until
        self.do(self.session.tick(self.now))

    def insert(self) -> None:
        chance = self.chance
        if chance.random() < 0.3:
            if self.coins:
                coin = chance.choice(sorted(self.coins))
                self.hear("c", events.CoinAccepted(coin=coin, path=1, number=1))
            return
        name, validator = chance.choice(list(self.validators.items()))
        if validator.held or not validator.taking or not validator.up:
            return
        validator.number += 1
        bill = chance.choice(sorted(validator.taking))
        validator.held, validator.fate = (validator.number, bill), ""
        self.hear(name, events.BillEscrowed(bill=bill, escrow=validator.number))

    def trouble(self) -> None:
        name, validator = self.chance.choice(list(self.validators.items()))
        validator.up = not validator.up
        if not validator.up:
            self.hear(name, events.StateChanged(state=DeviceState.ABSENT, was=DeviceState.READY, words="no answer"))
            if validator.held and not validator.fate and self.chance.random() < 0.5:
                self.route(name, "return", late=True)
            return
        state = DeviceState.READY if validator.taking else DeviceState.DISABLED
        self.hear(name, events.StateChanged(state=state, was=DeviceState.ABSENT))

    def route(self, name: str, fate: str, *, late: bool = False) -> None:
        """What becomes of the note, told now or later."""
        validator = self.validators[name]
        assert validator.held is not None
        escrow, bill = validator.held
        validator.held, validator.fate = None, ""
        event: Event = events.BillReturned(bill=bill, escrow=escrow, late=late)
        if fate == "stack":
            event = events.BillStacked(bill=bill, escrow=escrow, late=late)
        elif fate == "unclear":
            event = events.BillUnclear(bill=bill, escrow=escrow, remedy="look")
        if late:
            self.later.append((name, event))
        else:
            self.hear(name, event)

    def answer(self, command: Command) -> None:
        chance = self.chance
        match command:
            case Find(device):
                good = chance.random() < 0.7
                self.end(command, How.DONE if good else How.NOT_NOW, COINS if device == "c" else NOTES)
            case Enable(device, accept):
                how = chance.choice([How.DONE, How.DONE, How.DONE, How.NOT_NOW, How.UNKNOWN])
                if how is not How.NOT_NOW:
                    self.takes(device, accept)
                self.end(command, how)
            case Disable(device):
                self.takes(device, frozenset())
                if device in self.validators and (held := self.validators[device].held) and not self.ordered(device):
                    assert held
                    self.route(device, "return")
                self.end(command, chance.choice([How.DONE, How.DONE, How.NOT_NOW]))
            case Stack(device, escrow):
                self.answer_stack(command, self.validators[device], escrow)
            case GiveBack(device, escrow):
                held = self.validators[device].held
                if held is not None and held[0] == escrow:
                    self.route(device, "return")
                    self.end(command, How.DONE)
                else:
                    self.end(command, How.REFUSED)
            case PayOut():
                self.answer_payout(command)

    def ordered(self, device: str) -> bool:
        return any(isinstance(each, Stack) and each.device == device for each in self.pending)

    def takes(self, device: str, accept: frozenset[Money]) -> None:
        if device == "c":
            self.coins = accept
        else:
            self.validators[device].taking = accept

    def answer_stack(self, command: Stack, validator: Validator, escrow: int) -> None:
        if validator.held is None or validator.held[0] != escrow:
            self.end(command, How.REFUSED)
            return
        how = self.chance.choice(["stack"] * 6 + ["return", "not now", "unknown", "unclear"])
        match how:
            case "stack":
                self.route(command.device, "stack")
                self.end(command, How.DONE)
            case "return":
                self.route(command.device, "return")
                self.end(command, How.REFUSED)
            case "not now":
                self.end(command, How.NOT_NOW)
            case "unknown":
                self.route(command.device, self.chance.choice(["stack", "return"]), late=True)
                self.end(command, How.UNKNOWN)
            case "unclear":
                self.route(command.device, "unclear")
                self.end(command, How.UNKNOWN)

    def answer_payout(self, command: PayOut) -> None:
        intent, chance = command.intent, self.chance
        minor, count = self.hoppers[intent.device]
        coin = Money(minor, "KZT")
        if chance.random() < 0.1:
            self.end(command, chance.choice([How.NOT_NOW, How.REFUSED]))
            return
        self.hear(intent.device, events.PayoutBegan(reference=intent.reference, asked=intent.count, coin=coin))
        paid = min(intent.count, count)
        self.hoppers[intent.device] = (minor, count - paid)
        self.left[intent.device] += paid
        ended = events.PayoutEnded(reference=intent.reference, asked=intent.count, paid=paid, coin=coin)
        match chance.choice(["told", "told", "told", "late", "unclear"]):
            case "told":
                self.hear(intent.device, ended)
                self.end(command, How.DONE)
            case "late":
                self.later.append((intent.device, ended))
                self.end(command, How.UNKNOWN)
            case "unclear":
                unclear = events.PayoutUnclear(
                    reference=intent.reference, asked=intent.count, coin=coin, remedy="count"
                )
                self.hear(intent.device, unclear)
                self.end(command, How.UNKNOWN)

    # Its end

    def finish(self) -> CashResult:
        """Everything comes to rest."""
        for _ in range(2000):
            if self.ended and not self.pending:
                break
            if self.pending:
                self.answer(self.pending[0])
            else:
                self.pass_time(5.0)
        assert self.session.phase is Phase.ENDING
        assert self.ended, "it says so each time it is asked"
        return outcome(
            self.session.work, self.session.takings, status=self.session.status, reason=self.session.reason,
            unanswered=self.session.unanswered,
        )  # fmt: skip


@settings(max_examples=600)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 120))
@example(seed=0, steps=0)
def test_money_is_conserved_and_it_ends(seed: int, steps: int) -> None:
    play = Play(seed)
    play.do(play.session.tick(play.now))
    for _ in range(steps):
        play.step()
        if play.ended and not play.pending:
            break
    result = play.finish()
    assert result.adds_up
    assert result.collected == play.came
    left = sum(play.hoppers[name][0] * count for name, count in play.left.items())
    assert result.change_paid <= left <= result.change_paid + result.change_unclear
    assert not result.overpaid
    assert (result.status == PAID) == play.session.work.is_paid(result.collected)
    if result.status == PAID:
        assert result.collected >= result.amount
    if result.kept:
        assert play.work.overpay == "keep"
    # The same from the book, as after a power cut at the very end.
    takings = Takings("s", "KZT")
    for device, event in play.book:
        takings.feed(device, event)
    again = outcome(
        play.session.work, takings, status=play.session.status, reason=play.session.reason,
        unanswered=play.session.unanswered,
    )  # fmt: skip
    assert again == result
    # And whatever is told afterwards was said to be unclear.
    unclear = {(item.device, item.reference) for item in result.unclear}
    for device, event in play.later:
        if isinstance(event, events.PayoutEnded):
            assert (device, event.reference) in unclear
        elif isinstance(event, events.BillStacked):
            assert any(item.what == "note" and item.device == device for item in result.unclear)


def test_sessions_really_go_through_all_of_it() -> None:
    """Or the test above says nothing."""
    ends: Counter[str] = Counter()
    for seed in range(400):
        play = Play(seed)
        play.do(play.session.tick(play.now))
        for _ in range(80):
            play.step()
            if play.ended and not play.pending:
                break
        result = play.finish()
        ends[result.status] += 1
        ends["change"] += result.change_paid > 0
        ends["owed"] += result.change_owed > 0
        ends["unclear"] += bool(result.unclear)
        ends["kept"] += result.kept > 0
    assert all(ends[word] >= 5 for word in (PAID, "cancelled", "timed_out", "change", "owed", "unclear", "kept")), ends


def session(**fields: Any) -> Session:
    """One with a validator that takes notes, opened at 0.0 s."""
    work = CashWork(
        amount=fields.pop("amount", 100000), currency="KZT", overpay="change", idle_timeout=60.0, timeout=180.0,
        devices=("b1",), claim="CD47-KPX3",
    )  # fmt: skip
    made = Session("s", work, {"b1": Acceptor("b1", bills=True)}, fields.pop("hoppers", {}), 0.0)
    (find, _) = made.tick(0.0)
    (enable, _) = made.ended(find, Ended(How.DONE, known=NOTES), 0.0)
    assert isinstance(enable, Enable)
    made.ended(enable, Ended(How.DONE), 0.0)
    assert made.phase is Phase.COLLECTING
    return made


def test_a_note_on_its_way_is_waited_for_and_may_still_make_it_paid() -> None:
    one = session()
    (stack, _) = one.heard("b1", events.BillEscrowed(bill=NOTES[2], escrow=1), 59.0)
    assert stack == Stack("b1", 1)
    orders = one.tick(60.0)
    disable = next(order for order in orders if isinstance(order, Disable))
    assert any(isinstance(order, Keep) for order in orders)
    one.ended(disable, Ended(How.DONE), 60.1)
    assert one.phase is Phase.CLOSING
    orders = one.heard("b1", events.BillStacked(bill=NOTES[2], escrow=1), 61.0)
    assert End() in orders
    assert outcome(one.work, one.takings, status=one.status, reason=one.reason).status == PAID


def test_a_note_in_a_device_that_went_away_is_waited_for_only_so_long() -> None:
    one = session()
    one.heard("b1", events.BillEscrowed(bill=NOTES[2], escrow=1), 59.0)
    one.heard("b1", events.StateChanged(state=DeviceState.ABSENT, was=DeviceState.READY), 59.5)
    disable = next(order for order in one.tick(60.0) if isinstance(order, Disable))
    one.ended(disable, Ended(How.NOT_NOW), 60.1)
    assert one.phase is Phase.CLOSING
    assert one.wake_at == 69.5
    assert End() in one.tick(69.5)
    (unclear,) = outcome(one.work, one.takings, status=one.status, reason=one.reason).unclear
    assert (unclear.what, unclear.amount) == ("note", NOTES[2].minor)


def test_what_comes_after_money_was_paid_back_does_not_make_it_paid() -> None:
    one = session(hoppers={"h1": Hopper(Stock("h1", 10000, 50))})
    one.heard("b1", events.BillEscrowed(bill=NOTES[1], escrow=1), 1.0)
    one.heard("b1", events.BillStacked(bill=NOTES[1], escrow=1), 2.0)
    one.heard("b1", events.BillEscrowed(bill=NOTES[1], escrow=2), 3.0)
    one.heard("b1", events.StateChanged(state=DeviceState.ABSENT, was=DeviceState.READY), 3.5)
    disable = next(order for order in one.cancel("customer", 4.0) if isinstance(order, Disable))
    one.ended(disable, Ended(How.NOT_NOW), 4.0)
    orders = one.tick(14.0)
    assert any(isinstance(order, PayOut) for order in orders), "half of it goes back"
    one.heard("b1", events.BillStacked(bill=NOTES[1], escrow=2, late=True), 15.0)
    result = outcome(one.work, one.takings, status=one.status, reason=one.reason)
    assert (result.status, result.collected) == ("cancelled", 100000)
    assert result.change_owed + result.change_unclear == 100000


def test_coins_inside_are_waited_for() -> None:
    one = session()
    one.acceptors["b1"].bills = False
    disable = next(order for order in one.cancel("customer", 4.0) if isinstance(order, Disable))
    assert End() not in one.ended(disable, Ended(How.DONE), 4.2)
    assert End() not in one.heard("b1", events.CoinAccepted(coin=COINS[0], path=1, number=1), 5.0)
    assert End() not in one.tick(5.9)
    assert End() in one.tick(6.0)
    assert one.collected == COINS[0].minor


def test_a_second_note_waits_until_the_first_is_where_it_goes() -> None:
    one = session()
    one.acceptors["b2"] = Acceptor("b2", bills=True, knows=NOTES, takes=frozenset(NOTES), touched=True)
    assert Stack("b1", 1) in one.heard("b1", events.BillEscrowed(bill=NOTES[1], escrow=1), 1.0)
    orders = one.heard("b2", events.BillEscrowed(bill=NOTES[2], escrow=1), 1.5)
    assert not any(isinstance(order, Stack | GiveBack) for order in orders)
    orders = one.heard("b1", events.BillReturned(bill=NOTES[1], escrow=1), 2.0)
    assert Stack("b2", 1) in orders


def test_of_two_currencies_in_one_validator_only_the_payments_is_taken() -> None:
    work = CashWork(
        amount=100000, currency="KZT", overpay="keep", idle_timeout=60.0, timeout=180.0, devices=("b1",),
        claim="CD47-KPX3",
    )  # fmt: skip
    one = Session("s", work, {"b1": Acceptor("b1", bills=True)}, {}, 0.0)
    (find, _) = one.tick(0.0)
    both = (*NOTES, Money(50000, "RUB"), Money(100000, "RUB"))
    (enable, _) = one.ended(find, Ended(How.DONE, known=both), 0.0)
    assert enable == Enable("b1", frozenset(NOTES))
    one.ended(enable, Ended(How.DONE), 0.0)
    orders = one.heard("b1", events.BillEscrowed(bill=Money(100000, "RUB"), escrow=1), 1.0)
    assert GiveBack("b1", 1) in orders
    one.heard("b1", events.BillStacked(bill=Money(100000, "RUB"), escrow=1), 2.0)  # it took it all the same
    assert (one.collected, len(one.takings.foreign)) == (0, 1)


def test_a_hopper_that_pays_too_many() -> None:
    one = session(amount=80000, hoppers={"h1": Hopper(Stock("h1", 10000, 50))})
    one.heard("b1", events.BillEscrowed(bill=NOTES[2], escrow=1), 1.0)
    orders = one.heard("b1", events.BillStacked(bill=NOTES[2], escrow=1), 2.0)
    disable = next(order for order in orders if isinstance(order, Disable))
    orders = one.ended(disable, Ended(How.DONE), 2.1)
    pay = next(order for order in orders if isinstance(order, PayOut))
    assert (pay.intent.minor, pay.intent.count) == (10000, 2)
    coin, reference = Money(10000, "KZT"), pay.intent.reference
    one.heard("h1", events.PayoutBegan(reference=reference, asked=2, coin=coin), 2.2)
    one.heard("h1", events.PayoutEnded(reference=reference, asked=2, paid=5, coin=coin), 3.0)
    assert End() in one.ended(pay, Ended(How.DONE), 3.1)
    result = outcome(one.work, one.takings, status=one.status, reason=one.reason)
    assert (result.status, result.change_paid, result.change_owed, result.overpaid) == (PAID, 50000, 0, 30000)
    assert result.adds_up
    assert not result.claim


def test_a_note_with_a_number_is_the_sessions_in_which_it_was_held() -> None:
    """A validator may take longer with it than anybody waits, without ever being away."""
    one = session()
    one.heard("b1", events.BillStacked(bill=NOTES[2], escrow=7), 1.0)
    assert one.collected == 0
    assert one.takings.foreign
    assert one.open


def test_no_change_can_be_given_of_the_smallest_amount() -> None:
    one = Session(
        "s",
        CashWork(
            amount=1, currency="KZT", overpay="change", idle_timeout=60.0, timeout=180.0, devices=("b1",), claim="C"
        ),
        {"b1": Acceptor("b1", bills=True)}, {"h1": Hopper(Stock("h1", 10000, 50))}, 0.0,
    )  # fmt: skip
    (find, _) = one.tick(0.0)
    assert End() in one.ended(find, Ended(How.DONE, known=NOTES), 0.1)
    assert (one.status, one.enabled) == ("failed", False)
    assert "no change can be given" in one.reason


@pytest.mark.parametrize(("asked", "paid", "stacked"), [(4, 4, False), (6, 2, False), (1, 1, True)])
def test_coins_the_customer_before_got_are_not_promised_again(asked: int, paid: int, *, stacked: bool) -> None:
    """The hopper was away in the middle of that, and tells it in the next session."""
    one = session(amount=160000, hoppers={"h1": Hopper(Stock("h1", 10000, 7), away=True)})
    coin = Money(10000, "KZT")
    one.heard("h1", events.PayoutEnded(reference="r0/change/1", asked=asked, paid=paid, coin=coin, late=True), 1.0)
    one.heard("h1", events.StateChanged(state=DeviceState.READY, was=DeviceState.ABSENT), 1.1)
    one.heard("h2", events.PayoutEnded(reference="r0/change/2", asked=1, paid=1, coin=coin, late=True), 1.2)
    orders = one.heard("b1", events.BillEscrowed(bill=NOTES[3], escrow=1), 2.0)
    assert (Stack("b1", 1) in orders) == stacked
    assert (GiveBack("b1", 1) in orders) != stacked


def test_a_device_in_trouble_is_named_once() -> None:
    acceptors = {name: Acceptor(name, bills=True) for name in ("b1", "b2", "b3")}
    acceptors["b1"].trouble = "b1: the port is gone (absent)"
    acceptors["b2"].trouble = "out of service by order"
    one = session()
    one.acceptors = acceptors
    assert one.troubles() == "b1: the port is gone (absent); b2: out of service by order"
