"""Conversations: what is written down before what is sent, and what is made of every end a task can have."""

from collections.abc import Mapping
from typing import Any

import pytest

from hardware.atol.protocol import AtolProtocol
from hardware.atol.steps import NoAnswer, Request, Timing
from hardware.errors import DeviceFault, LocalProtocolError, OutcomeUnknown, Refused, TransportError
from hardware.events import (
    DeviceState,
    DocumentAbsent,
    DocumentRegistered,
    DocumentUnclear,
    PaperOut,
    PaperReturned,
    SlipPrinted,
    SlipUnclear,
    StateChanged,
)
from hardware.protocol import Finish, Record
from hardware.registers import (
    AwaitReady,
    CashIn,
    CashOut,
    CloseShift,
    Find,
    OpenDrawer,
    OpenShift,
    PrintCopy,
    PrintSlip,
    ReadStatus,
    RegisterReceipt,
    XReport,
)
from hardware.roles import RegisterStatus
from hardware.slip import lines
from tests.hardware.atol.schedules import receipt
from tests.hardware.atol.web_duel import WebDuel
from wire.money import Money
from wire.receipt import FiscalDocument, Operator, ReceiptKind

SALE = RegisterReceipt(receipt("r", 12_345), "r")


def open_register(**world: Any) -> WebDuel:
    """A world with a shift open in it."""
    duel = WebDuel(**world)
    duel.start()
    duel.hand("paper_in")
    ticket = duel.command(OpenShift("s"))
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    assert isinstance(duel.finished[ticket], FiscalDocument)
    return duel


def done(duel: WebDuel, command: object, within_s: float = 120) -> object:
    ticket = duel.command(command)
    duel.run(until=lambda: ticket in duel.finished, within_s=within_s)
    return duel.finished[ticket]


def posts(duel: WebDuel, kind: str) -> list[Request]:
    return [
        request for _, request in duel.requests if request.method == "POST" and f'"{kind}"'.encode() in request.data
    ]


def test_the_intent_is_written_before_the_task_is_sent() -> None:
    duel = open_register()
    duel.command(SALE)
    order: list[str] = []
    memories: list[Mapping[str, Any]] = []
    original = duel._carry_out

    def watch(action: object) -> None:
        if isinstance(action, Record) and action.memory is not None:
            order.append("record")
            memories.append(action.memory)
        if isinstance(action, Request) and action.method == "POST" and b'"sell"' in action.data:
            order.append("post")
        original(action)  # type: ignore[arg-type]

    duel._carry_out = watch  # type: ignore[method-assign]
    duel.run(until=lambda: bool(duel.facts("document")[1:]), within_s=60)
    assert order == ["record", "post"]
    intent = memories[0]["open"]
    assert (intent["reference"], intent["before"], intent["total"]) == ("r", 1, 12_345)
    assert intent["storage"] == "9999078900000961"
    assert intent["uuid"].encode() in posts(duel, "sell")[0].data


def test_the_result_is_copied_out() -> None:
    duel = open_register()
    document = done(duel, SALE)
    assert isinstance(document, FiscalDocument)
    assert (document.number, document.shift, document.receipt, document.total_minor) == (2, 1, 1, 12_345)
    assert duel.told(DocumentRegistered)[-1] == DocumentRegistered(reference="r", document=document)
    assert "open" not in duel.memory


def test_the_same_reference_is_the_same_document() -> None:
    duel = open_register()
    first = done(duel, SALE)
    assert done(duel, SALE) == first
    assert len(duel.facts("document")) == 2
    assert isinstance(done(duel, RegisterReceipt(receipt("r", 200), "r")), Refused)


def test_the_same_reference_after_others_is_the_same_document() -> None:
    """The uuid remembers it when the driver does not."""
    duel = open_register()
    first = done(duel, SALE)
    done(duel, RegisterReceipt(receipt("other", 777), "other"))
    assert done(duel, SALE) == first
    assert [figures["text"] for figures in duel.facts("document")] == ["", "r", "other"]
    used = done(duel, RegisterReceipt(receipt("r", 999), "other"))
    assert isinstance(used, Refused)


def test_two_who_ask_for_the_same_get_the_same() -> None:
    duel = open_register()
    first, second = duel.command(SALE), duel.command(SALE)
    duel.run(until=lambda: first in duel.finished and second in duel.finished, within_s=60)
    assert duel.finished[first] == duel.finished[second]
    assert len(posts(duel, "sell")) == 1


def test_a_refused_receipt_leaves_nothing_and_may_be_tried_again() -> None:
    duel = WebDuel()
    duel.start()
    refused = done(duel, SALE)
    assert isinstance(refused, Refused)
    assert refused.code == "73"
    assert posts(duel, "sell") == []
    done(duel, OpenShift("s"))
    assert isinstance(done(duel, SALE), FiscalDocument)


def test_a_task_that_fails_may_be_tried_again_under_the_same_reference() -> None:
    """The shift runs out between the look and the task: the uuid is spent, the reference is not."""
    duel = open_register()
    ticket = duel.command(SALE)
    duel.run(until=lambda: bool(posts(duel, "sell")), within_s=10)
    duel.hand("expire_shift")
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    assert isinstance(duel.finished[ticket], Refused)
    assert duel.told(DocumentAbsent) == []
    done(duel, CloseShift("z"))
    done(duel, OpenShift("s2"))
    assert isinstance(done(duel, SALE), FiscalDocument)
    assert len({request.data[:48] for request in posts(duel, "sell")}) == 2


@pytest.mark.parametrize("fate", ["deaf", "mute", "late"])
def test_a_lost_post_is_asked_for_and_never_doubled(fate: str) -> None:
    duel = open_register()
    ticket = duel.command(SALE)
    duel.run(until=lambda: "open" in duel.memory, within_s=10)
    duel.once.append(fate)
    duel.run(until=lambda: ticket in duel.finished, within_s=200)
    assert isinstance(duel.finished[ticket], FiscalDocument)
    duel.run(within_s=60)
    assert len(duel.facts("document")) == 2
    assert len({request.data for request in posts(duel, "sell")}) == 1


def test_a_refused_connection_begins_nothing() -> None:
    duel = open_register()
    ticket = duel.command(SALE)
    duel.run(until=lambda: "open" in duel.memory, within_s=10)
    duel.once.append("refused")
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    assert isinstance(duel.finished[ticket], TransportError)
    assert "open" not in duel.memory


@pytest.mark.parametrize("cut", ["interrupted", "error", "blocked"])
@pytest.mark.parametrize("registered", [True, False])
def test_power_cut_at_the_register(cut: str, registered: bool) -> None:
    """The status word is the same; the storage tells."""
    duel = open_register(options={"on_cut": cut})
    ticket = duel.command(SALE)
    duel.run(until=lambda: bool(posts(duel, "sell")), within_s=10)
    duel.run(within_s=1.3 if registered else 0.5)
    assert len(duel.facts("document")) == (2 if registered else 1)
    duel.trouble("blackout", 2.0)
    duel.run(until=lambda: ticket in duel.finished, within_s=100)
    result = duel.finished[ticket]
    if registered:
        assert isinstance(result, FiscalDocument)
        assert (result.number, result.total_minor) == (2, 12_345)
    else:
        assert isinstance(result, DeviceFault)
        assert isinstance(done(duel, SALE), FiscalDocument)
    assert len(duel.facts("document")) == 2


def test_a_forgotten_task_is_looked_for_in_the_storage() -> None:
    duel = open_register()
    ticket = duel.command(SALE)
    duel.run(until=lambda: len(duel.facts("document")) == 2, within_s=10)
    duel.hand("forget_results")
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    result = duel.finished[ticket]
    assert isinstance(result, FiscalDocument)
    assert (result.number, result.total_minor, result.printed) == (2, 12_345, None)


def test_without_documents_from_the_storage_it_is_unclear() -> None:
    duel = open_register(options={"documents": "no"})
    ticket = duel.command(SALE)
    duel.run(until=lambda: len(duel.facts("document")) == 2, within_s=10)
    duel.hand("forget_results")
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    assert isinstance(duel.finished[ticket], OutcomeUnknown)
    assert [event.reference for event in duel.told(DocumentUnclear)] == ["r"]
    assert isinstance(done(duel, SALE), OutcomeUnknown)
    assert len(posts(duel, "sell")) == 1


def test_somebody_else_with_the_same_sum_makes_it_unclear() -> None:
    duel = open_register()
    ticket = duel.command(SALE)
    duel.run(until=lambda: len(duel.facts("document")) == 2, within_s=10)
    duel.hand("forget_results")
    duel.hand("other_sale", total="123.45")
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    assert isinstance(duel.finished[ticket], OutcomeUnknown)


def test_another_storage_makes_it_unclear() -> None:
    duel = open_register()
    ticket = duel.command(SALE)
    duel.run(until=lambda: len(duel.facts("document")) == 2, within_s=10)
    duel.hand("forget_results")
    duel._device_memory["storage"] = "9999"
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    assert isinstance(duel.finished[ticket], OutcomeUnknown)
    assert "9999078900000961" in str(duel.finished[ticket])


def test_a_restart_finds_out_and_tells_late() -> None:
    duel = open_register()
    duel.command(SALE)
    duel.run(until=lambda: bool(posts(duel, "sell")), within_s=10)
    duel.trouble("crash", 1.0)
    duel.run(until=lambda: len(duel.told(DocumentRegistered)) == 2, within_s=60)
    told = duel.told(DocumentRegistered)[-1]
    assert (told.reference, told.document.number, told.late) == ("r", 2, True)
    assert done(duel, SALE) == told.document


def test_a_restart_after_nothing_was_sent_tells_absent() -> None:
    duel = open_register()
    duel.command(SALE)
    duel.run(until=lambda: "open" in duel.memory, within_s=10)
    duel.trouble("crash", 1.0)
    duel.run(until=lambda: bool(duel.told(DocumentAbsent)), within_s=60)
    assert posts(duel, "sell") == []
    assert isinstance(done(duel, SALE), FiscalDocument)


def test_a_task_that_is_still_on_its_way_at_the_restart() -> None:
    """The host dies with the task in a socket's buffer: the first answer "unknown" is not believed."""
    duel = open_register()
    duel.command(SALE)
    duel.run(until=lambda: "open" in duel.memory, within_s=10)
    duel.later(
        3.0, lambda: duel.simulator.answer("POST", posts(duel, "sell")[0].path, posts(duel, "sell")[0].data, duel.now)
    )
    duel.once.append("deaf")
    duel.run(until=lambda: bool(posts(duel, "sell")), within_s=10)
    duel.trouble("crash", 0.1)
    duel.run(until=lambda: len(duel.told(DocumentRegistered)) == 2, within_s=60)
    assert duel.told(DocumentAbsent) == []


def test_who_asks_during_the_restart_gets_its_answer() -> None:
    duel = open_register()
    duel.command(SALE)
    duel.run(until=lambda: bool(posts(duel, "sell")), within_s=10)
    duel.crash()
    duel.boot()
    document = done(duel, SALE)
    assert isinstance(document, FiscalDocument)
    assert len(duel.facts("document")) == 2


@pytest.mark.parametrize(
    "memory",
    [
        {"open": 5, "last": "x"},
        {"open": {"reference": "r"}},
        {"open": {"reference": "r", "uuid": "u", "type": "sell", "before": "7", "total": None}},
        {"last": {"reference": "r", "state": "done", "document": {"number": "x"}}},
        {"version": 9, "open": None},
    ],
)
def test_a_memory_that_is_none_does_no_harm(memory: Mapping[str, Any]) -> None:
    duel = WebDuel(memory=memory)
    duel.start()
    duel.run(within_s=30)
    assert isinstance(done(duel, OpenShift("s")), FiscalDocument)


def test_paper_out_before_a_receipt_begins_nothing() -> None:
    duel = open_register()
    duel.hand("paper_out")
    refused = done(duel, SALE)
    assert isinstance(refused, DeviceFault)
    assert refused.code == "44"
    assert posts(duel, "sell") == []
    assert isinstance(done(duel, RegisterReceipt(receipt("e", 100, paper=False), "e")), FiscalDocument)
    duel.run(until=lambda: duel.told(PaperOut) != [], within_s=200)
    assert duel.protocol is not None
    assert duel.protocol.status.state is DeviceState.FAULT
    duel.hand("paper_in")
    duel.run(until=lambda: duel.told(PaperReturned) != [], within_s=200)
    assert duel.protocol.status.state is DeviceState.READY


def test_paper_out_behind_the_close_is_registered_and_not_printed() -> None:
    duel = open_register(options={"on_paper": "error"})
    ticket = duel.command(SALE)
    duel.run(until=lambda: len(duel.facts("document")) == 2, within_s=10)
    duel.hand("paper_out")
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    result = duel.finished[ticket]
    assert isinstance(result, FiscalDocument)
    assert result.printed is False
    duel.hand("paper_in")
    assert done(duel, PrintCopy()) is None


@pytest.mark.parametrize("unblock", ["self", "continue"])
@pytest.mark.parametrize("registered", [True, False])
def test_a_blocked_document_is_settled_when_paper_is_back(unblock: str, registered: bool) -> None:
    duel = open_register(options={"on_paper": "block", "unblock": unblock})
    ticket = duel.command(SALE)
    duel.run(until=lambda: bool(posts(duel, "sell")), within_s=10)
    if registered:
        duel.run(until=lambda: len(duel.facts("document")) == 2, within_s=10)
    duel.hand("paper_out")
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    unknown = duel.finished[ticket]
    assert isinstance(unknown, OutcomeUnknown)
    assert "paper" in str(unknown)
    assert duel.protocol is not None
    assert duel.protocol.status.state is DeviceState.FAULT
    duel.run(within_s=1)
    assert any(event.state is DeviceState.FAULT for event in duel.told(StateChanged))
    assert isinstance(done(duel, ReadStatus()), DeviceFault)
    duel.hand("paper_in")
    kind = DocumentRegistered if registered else DocumentAbsent
    duel.run(until=lambda: any(event.reference == "r" for event in duel.told(kind)), within_s=60)
    assert len(duel.facts("document")) == (2 if registered else 1)
    duel.run(until=lambda: duel.protocol is not None and duel.protocol.status.state is DeviceState.READY, within_s=60)
    assert isinstance(done(duel, SALE), FiscalDocument)
    assert len(duel.facts("document")) == 2


@pytest.mark.parametrize("registered", [True, False])
def test_a_task_that_stays_blocked_in_a_queue_that_moves(registered: bool) -> None:
    """Somebody freed the queue and left the task: the storage tells, or nobody does."""
    duel = open_register(options={"on_paper": "block"})
    ticket = duel.command(SALE)
    duel.run(until=lambda: bool(posts(duel, "sell")), within_s=10)
    if registered:
        duel.run(until=lambda: len(duel.facts("document")) == 2, within_s=10)
    duel.hand("paper_out")
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    duel._device_memory["blocked"] = None
    duel.hand("paper_in")
    kind = DocumentRegistered if registered else DocumentUnclear
    duel.run(until=lambda: any(event.reference == "r" for event in duel.told(kind)), within_s=300)


def test_a_question_that_is_cut_short_is_no_answer() -> None:
    """The register goes away while the storage is asked: it is asked again."""
    duel = open_register(options={"on_cut": "error"})
    ticket = duel.command(SALE)
    duel.run(until=lambda: len(duel.facts("document")) == 2, within_s=10)
    duel.hand("forget_results")
    questions = len(posts(duel, "getFnStatus"))
    duel.run(until=lambda: len(posts(duel, "getFnStatus")) > questions, within_s=10)
    duel.run(within_s=0.05)
    duel.trouble("blackout", 2.0)
    duel.run(until=lambda: ticket in duel.finished, within_s=100)
    assert isinstance(duel.finished[ticket], FiscalDocument)


@pytest.mark.parametrize("answer", [(400, b'{"error":{"code":500,"description":"?"}}'), (200, b"<html>"), (503, b"")])
@pytest.mark.parametrize("registered", [True, False])
def test_answers_that_say_neither_are_no_proof(answer: tuple[int, bytes], registered: bool) -> None:
    """The storage may say yes; that it has nothing new proves nothing while the task may still wait somewhere."""
    duel = open_register()
    ticket = duel.command(SALE)
    duel.run(until=lambda: bool(posts(duel, "sell")), within_s=10)
    if registered:
        duel.run(until=lambda: len(duel.facts("document")) == 2, within_s=10)
    else:
        duel.run(within_s=0.3)
        duel.hand("forget_results")
    task = posts(duel, "sell")[0].data[9:45].decode()
    real = duel.simulator.answer

    def broken(method: str, target: str, body: bytes, now: float, **more: str) -> tuple[int, bytes]:
        return answer if target.endswith(task) else real(method, target, body, now, **more)

    duel.simulator.answer = broken  # type: ignore[method-assign]
    duel.run(until=lambda: ticket in duel.finished, within_s=300)
    result = duel.finished[ticket]
    if registered:
        assert isinstance(result, FiscalDocument)
    else:
        assert isinstance(result, OutcomeUnknown)
        assert "open" in duel.memory
        duel.simulator.answer = real  # type: ignore[method-assign]
        duel.run(until=lambda: "open" not in duel.memory, within_s=300)
        assert duel.told(DocumentAbsent)[-1].reference == "r"


def test_behind_a_blocked_queue_nothing_is_begun() -> None:
    duel = open_register()
    duel.hand("block", reason="paperError")
    blocked = done(duel, SALE)
    assert isinstance(blocked, DeviceFault)
    assert blocked.code == "blocked"
    duel.hand("unblock")
    duel.run(within_s=60)
    assert len(duel.facts("document")) == 1
    assert isinstance(done(duel, SALE), FiscalDocument)


def test_a_task_that_waits_too_long_is_taken_back() -> None:
    duel = open_register()
    ticket = duel.command(SALE)
    duel.run(until=lambda: "open" in duel.memory, within_s=10)
    duel.hand("block", reason="paperError")
    duel.run(until=lambda: ticket in duel.finished, within_s=200, must=False)
    duel.hand("unblock")
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    duel.run(within_s=30)
    assert len(duel.facts("document")) == 1 + isinstance(duel.finished[ticket], FiscalDocument)


def test_shifts_are_looked_at_first() -> None:
    duel = open_register()
    again = done(duel, OpenShift("s2"))
    assert isinstance(again, Refused)
    assert again.code == "83"
    duel.hand("expire_shift")
    expired = done(duel, SALE)
    assert isinstance(expired, Refused)
    assert expired.code == "68"
    assert "24 hours" in expired.words
    closed = done(duel, CloseShift("z", Operator("A")))
    assert isinstance(closed, FiscalDocument)
    assert isinstance(done(duel, CloseShift("z2")), Refused)


def test_corrections_and_returns() -> None:
    duel = open_register()
    for index, kind in enumerate(ReceiptKind):
        wish = RegisterReceipt(receipt(f"k{index}", 1000 + index, kind), f"k{index}")
        assert isinstance(done(duel, wish), FiscalDocument), kind
    assert len(duel.facts("document")) == 1 + len(ReceiptKind)


def test_cash() -> None:
    duel = open_register()
    assert done(duel, CashIn(Money(5000, "RUB"), "c")) is None
    assert done(duel, CashIn(Money(5000, "RUB"), "c")) is None
    assert len(duel.facts("cash")) == 1
    too_much = done(duel, CashOut(Money(5001, "RUB"), "d"))
    assert isinstance(too_much, Refused)
    assert too_much.code == "80"


def test_cash_that_nobody_knows_of_is_unclear() -> None:
    duel = open_register()
    ticket = duel.command(CashIn(Money(5000, "RUB"), "c"))
    duel.run(until=lambda: bool(duel.facts("cash")), within_s=10)
    duel.trouble("blackout", 1.0)
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    assert isinstance(duel.finished[ticket], OutcomeUnknown)
    assert [event.reference for event in duel.told(DocumentUnclear)] == ["c"]


def test_slips() -> None:
    duel = open_register()
    assert done(duel, PrintSlip(lines("hello"), "p")) is None
    assert [event.reference for event in duel.told(SlipPrinted)] == ["p"]
    duel.hand("cover_open")
    assert isinstance(done(duel, PrintSlip(lines("more"), "q")), DeviceFault)
    duel.hand("cover_close")
    ticket = duel.command(PrintSlip(lines("cut"), "x"))
    duel.run(until=lambda: bool(posts(duel, "nonFiscal")[1:]), within_s=30)
    duel.hand("paper_out")
    duel.run(until=lambda: ticket in duel.finished, within_s=60)
    assert isinstance(duel.finished[ticket], OutcomeUnknown)
    assert [event.reference for event in duel.told(SlipUnclear)] == ["x"]


def test_questions() -> None:
    duel = open_register()
    done(duel, SALE)
    status = done(duel, ReadStatus())
    assert isinstance(status, RegisterStatus)
    assert (status.shift.state, status.shift.number, status.last_document) == ("open", 1, 2)
    assert (status.paper, status.unsent, status.storage) == (True, 0, "9999078900000961")
    found = done(duel, Find(2))
    assert isinstance(found, FiscalDocument)
    assert (found.number, found.total_minor) == (2, 12_345)
    assert done(duel, Find(3)) is None
    assert done(duel, Find(0)) is None
    assert done(duel, XReport()) is None


def test_the_drawer_opens() -> None:
    duel = open_register()
    assert done(duel, OpenDrawer()) is None
    assert len(duel.facts("drawer")) == 1


@pytest.mark.parametrize(
    ("lacking", "state"), [("getDeviceInfo", DeviceState.READY), ("getShiftStatus", DeviceState.FAULT)]
)
def test_a_driver_that_lacks_a_task(lacking: str, state: DeviceState) -> None:
    duel = WebDuel()
    real = duel.simulator.answer

    def older(method: str, target: str, body: bytes, now: float, **more: str) -> tuple[int, bytes]:
        return real(method, target, body.replace(lacking.encode(), b"unheard-of"), now, **more)

    duel.simulator.answer = older  # type: ignore[method-assign]
    duel.start()
    duel.run(within_s=10)
    assert duel.protocol is not None
    assert duel.protocol.status.state is state


def test_a_wrong_password_is_said() -> None:
    duel = WebDuel(options={"login": "u", "password": "p"})
    duel.start()
    ticket = duel.command(AwaitReady())
    refused = done(duel, SALE)
    assert isinstance(refused, DeviceFault)
    assert refused.code == "504"
    assert ticket not in duel.finished


def test_nobody_waits_for_ever() -> None:
    """The server is away while a document is open: whoever asks for something else is told at once."""
    duel = open_register()
    ticket = duel.command(SALE)
    duel.run(until=lambda: bool(posts(duel, "sell")), within_s=10)
    duel.run(within_s=0.5)
    duel.power_off()
    other = duel.command(RegisterReceipt(receipt("other", 100), "other"))
    duel.run(until=lambda: ticket in duel.finished and other in duel.finished, within_s=200)
    assert isinstance(duel.finished[ticket], OutcomeUnknown)
    assert isinstance(duel.finished[other], TransportError)
    assert isinstance(done(duel, ReadStatus(), within_s=1), TransportError)
    assert isinstance(done(duel, SALE, within_s=1), OutcomeUnknown)
    duel.power_on()
    duel.run(until=lambda: "open" not in duel.memory, within_s=60)


def test_whoever_stops_waiting_changes_nothing() -> None:
    duel = open_register()
    ticket = duel.command(SALE)
    duel.run(until=lambda: bool(posts(duel, "sell")), within_s=10)
    assert duel.protocol is not None
    duel.protocol.abandoned(ticket, duel.now)
    duel.run(until=lambda: len(duel.told(DocumentRegistered)) == 2, within_s=60)
    assert duel.told(DocumentRegistered)[-1].late
    assert ticket not in duel.finished


def test_closing_takes_nothing_new() -> None:
    protocol = AtolProtocol("x", {}, nonce="1")
    assert len(protocol.opened(0.0)) == 1
    assert protocol.command(SALE, 1, 0.0) == ()
    assert [type(action) for action in protocol.closing(0.0)] == [Finish]
    with pytest.raises(TransportError):
        protocol.command(SALE, 2, 0.0)
    assert protocol.settled


def test_answers_that_nobody_asked_for_are_dropped() -> None:
    protocol = AtolProtocol("x", {}, nonce="1", timing=Timing())
    assert protocol.answered(NoAnswer(True, ""), 0.0) == ()
    assert protocol.lost(0.0) == ()
    assert protocol.received(b"x", 0.0) == ()
    assert list(protocol.wake(0.0)) == []
    with pytest.raises(LocalProtocolError):
        protocol.command("dance", 1, 0.0)


def test_two_registers_never_share_a_uuid() -> None:
    names = set()
    for name in ("a", "b"):
        protocol = AtolProtocol(name, {}, nonce="1")
        for attempt in range(3):
            names.add(protocol._asking.task_uuid("r", attempt))
    assert len(names) == 6
    assert AtolProtocol("a", {}, nonce="2")._asking.task_uuid("r", 0) in names
