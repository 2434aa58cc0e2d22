"""The conversation as a whole, against the simulated register, in virtual time."""

from typing import Any

import msgspec
import pytest

from hardware.errors import DeviceFault, LocalProtocolError, OutcomeUnknown, Refused, TransportError
from hardware.events import (
    DeviceState,
    DocumentAbsent,
    DocumentRegistered,
    DocumentUnclear,
    Identified,
    PaperOut,
    PaperReturned,
    SlipPrinted,
    SlipUnclear,
    StateChanged,
    TotalsRead,
)
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
    ReadTotals,
    RegisterReceipt,
    XReport,
)
from hardware.roles import RegisterStatus, RegisterTotals
from hardware.shtrih.commands import command
from hardware.shtrih.fiscal import No
from hardware.shtrih.frames import FrameV2, ReaderV1, ReaderV2
from hardware.shtrih.line import LineV2
from hardware.shtrih.plan import Settings
from hardware.shtrih.protocol import ShtrihProtocol
from hardware.simulation.simulator import ControlError
from hardware.slip import Align, Barcode, Cut, Feed, Picture, QrCode, Slip, Text, lines
from hardware.slip import OpenDrawer as Drawer
from tests.hardware.shtrih.schedules import World, receipt
from wire.money import Money
from wire.receipt import FiscalDocument, Operator, ReceiptKind


def world(link: str = "v2", **settings: Any) -> World:
    made = World(link, **settings)
    made.duel.start()
    assert end(made, AwaitReady()) is None
    return made


def end(made: World, asked: object, within_s: float = 900) -> Any:
    ticket = made.duel.command(asked)
    made.duel.run(until=lambda: ticket in made.duel.finished, within_s=within_s)
    return made.duel.finished[ticket]


def commands_sent(made: World) -> list[str]:
    """The names of what the host asked, in order, without what was only looked at."""
    found = []
    one, two = ReaderV1(), ReaderV2()
    for _, sender, data in made.duel.sent:
        if sender != "host":
            continue
        for frame in [*one.feed(data)] if made.link == "v1" else two.feed(data):
            content = getattr(frame, "data", b"")
            for known in (
                "open",
                "operation_v2",
                "close_v2",
                "cancel",
                "z_report",
                "cash_in",
                "fn_tlv",
                "continue_print",
            ):
                if content.startswith(command(known).number):
                    found.append(known)
    return found


def storage(made: World) -> dict[str, Any]:
    kept: dict[str, Any] = made.duel.simulator.handlers.storage.kept  # type: ignore[attr-defined]
    return kept


@pytest.mark.parametrize("link", ["v1", "v2"])
def test_a_receipt_is_opened_entered_closed_and_told(link: str) -> None:
    made = world(link, options={"line_by_line": False})
    document = end(made, RegisterReceipt(receipt(), "r1"))
    assert isinstance(document, FiscalDocument)
    assert (document.number, document.total_minor, document.change_minor) == (5, 18999, 1001)
    assert (document.shift, document.receipt, document.printed) == (3, 1, True)
    assert (document.storage, document.at) == ("9999078902000273", "2026-11-21T09:00")
    assert document.sign
    assert made.duel.told(DocumentRegistered) == [DocumentRegistered(reference="r1", document=document)]
    assert commands_sent(made) == ["open", "operation_v2", "operation_v2", "fn_tlv", "close_v2"]


def test_a_device_that_speaks_only_version_1_is_found() -> None:
    made = World("v1")
    made.duel._make_protocol = lambda memories: ShtrihProtocol(memories[""], Settings(), link="auto")
    made.duel.start()
    assert end(made, AwaitReady()) is None
    assert made.duel.said == ["it answers by link layer v1"]


def test_who_it_is() -> None:
    made = world()
    (who,) = made.duel.told(Identified)
    assert isinstance(who, Identified)
    assert (who.maker, who.model, who.serial, who.firmware) == ("Shtrih-M", "SIMULATED-FR", "1", "C.1.32920")
    protocol = made.duel.protocol
    assert isinstance(protocol, ShtrihProtocol)
    assert (protocol.status.state, protocol.status.identity.model) == (DeviceState.READY, "SIMULATED-FR")


def test_a_known_reference_is_not_done_again() -> None:
    made = world()
    first = end(made, RegisterReceipt(receipt(), "r1"))
    assert end(made, RegisterReceipt(receipt(), "r1")) == first
    one, other = made.duel.command(CloseShift("z1")), made.duel.command(CloseShift("z1"))
    made.duel.run(until=lambda: other in made.duel.finished, within_s=60)
    assert made.duel.finished[one] == made.duel.finished[other]
    assert len(made.duel.facts("document_stored")) == 2


def test_the_owner_decides_about_shifts() -> None:
    made = world(shift_open=False)
    assert end(made, RegisterReceipt(receipt(), "r1")).code == "3D"
    assert end(made, CloseShift("z1")).code == "3D"
    opened = end(made, OpenShift("s1", Operator("Иванов", "123456789012")))
    assert (opened.number, opened.shift) == (5, 4)
    assert end(made, OpenShift("s2")).code == "3C"
    made.duel.hand("expire_shift")
    refused = end(made, RegisterReceipt(receipt(), "r2"))
    assert isinstance(refused, Refused)
    assert refused.code == "4E"
    assert end(made, CashIn(Money(1, "RUB"), "c1")).code == "4E"
    status = end(made, ReadStatus())
    assert isinstance(status, RegisterStatus)
    assert status.shift.state == "expired"
    closed = end(made, CloseShift("z2", Operator("Иванов")))
    assert (closed.number, closed.shift) == (6, 4)
    assert made.duel.told(DocumentAbsent) == []
    assert len(made.duel.facts("document_stored")) == 2


def test_a_shift_that_expires_under_a_receipt_leaves_nothing() -> None:
    made = world()
    ticket = made.duel.command(RegisterReceipt(receipt(), "r1"))
    made.duel.run(until=lambda: len(made.duel.facts("receipt_line_printed")) == 3, within_s=60)
    made.duel.hand("expire_shift")
    made.duel.run(until=lambda: ticket in made.duel.finished, within_s=60)
    refused = made.duel.finished[ticket]
    assert isinstance(refused, Refused)
    assert refused.code in {"16", "4E"}
    assert made.duel.facts("document_stored") == []
    assert len(made.duel.facts("document_annulled")) == 1
    assert [type(event) for event in made.duel.told(DocumentAbsent)] == [DocumentAbsent]


def test_a_receipt_without_paper_is_printed_all_the_same() -> None:
    made = world()
    document = end(made, RegisterReceipt(msgspec.structs.replace(receipt(), paper=False), "r1"))
    assert document.printed is True
    assert [fact.figures["number"] for fact in made.duel.facts("document_printed")] == [document.number]


def test_no_paper_is_told_before_anything_is_begun() -> None:
    made = world()
    made.duel.hand("paper_out")
    fault = end(made, RegisterReceipt(receipt(), "r1"))
    assert isinstance(fault, DeviceFault)
    assert commands_sent(made) == []
    made.duel.hand("paper_in")
    assert end(made, RegisterReceipt(receipt(), "r1")).printed
    made.duel.run(within_s=5)
    assert [type(event) for event in made.duel.told(PaperOut, PaperReturned)] == [PaperOut, PaperReturned]


def test_paper_that_ends_in_a_line_ends_the_receipt_and_it_is_annulled_later() -> None:
    made = world()
    made.duel.hand("paper_out", after="2")
    fault = end(made, RegisterReceipt(receipt(), "r1"))
    assert isinstance(fault, DeviceFault)
    assert made.duel.simulator.describe()["receipt_open"]
    assert made.duel.told(DocumentAbsent)
    made.duel.hand("paper_in")
    made.duel.run(within_s=10)
    assert not made.duel.simulator.describe()["receipt_open"]
    assert end(made, RegisterReceipt(receipt(), "r1")).number == 5


def test_paper_that_ends_in_the_document_leaves_it_unprinted_until_there_is_more() -> None:
    made = world(options={"line_by_line": False})
    made.duel.hand("paper_out", after="2")
    document = end(made, RegisterReceipt(receipt(), "r1"))
    assert document.printed is False
    assert made.duel.facts("document_printed") == []
    made.duel.run(within_s=10)
    made.duel.hand("paper_in")
    made.duel.run(within_s=10)
    assert made.duel.told(SlipPrinted) == [SlipPrinted(reference="r1")]
    assert [fact.figures["number"] for fact in made.duel.facts("document_printed")] == [5]
    assert end(made, RegisterReceipt(receipt(), "r1")).printed is True


def test_a_document_after_paper_came_back_tells_of_the_one_before() -> None:
    made = world(options={"line_by_line": False})
    made.duel.hand("paper_out", after="2")
    assert end(made, RegisterReceipt(receipt(), "r1")).printed is False
    made.duel.hand("paper_in")
    assert end(made, RegisterReceipt(receipt(), "r2")).printed is True
    assert made.duel.told(SlipPrinted) == [SlipPrinted(reference="r1")]
    assert [fact.figures["number"] for fact in made.duel.facts("document_printed")] == [5, 6]


def test_a_mistake_of_ours_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made = world()
    monkeypatch.setattr("hardware.shtrih.procedures.CASH_MAX", 1 << 60)
    assert isinstance(end(made, CashIn(Money(1 << 41, "RUB"), "c1")), OutcomeUnknown)
    made.duel.run(until=lambda: bool(made.duel.told(DocumentAbsent)), within_s=60)
    assert end(made, CashIn(Money(1, "RUB"), "c2")).total_minor == 1


def test_a_refusal_in_the_middle_annuls_the_receipt() -> None:
    made = world()
    made.duel.hand("fail", code="71")
    fault = end(made, RegisterReceipt(receipt(), "r1"))
    assert isinstance(fault, Refused)
    assert fault.code == "71"
    assert not made.duel.simulator.describe()["receipt_open"]
    assert made.duel.facts("document_stored") == []


def test_a_line_too_many_is_never_registered() -> None:
    made = world()
    ticket = made.duel.command(RegisterReceipt(receipt(), "r1"))
    made.duel.run(until=lambda: len(made.duel.facts("receipt_line_printed")) == 2, within_s=60)
    storage(made)["open"]["lines"].append(100)
    made.duel.run(until=lambda: ticket in made.duel.finished, within_s=60)
    refused = made.duel.finished[ticket]
    assert isinstance(refused, Refused)
    assert refused.code == "subtotal"
    assert made.duel.facts("document_stored") == []
    assert not made.duel.simulator.describe()["receipt_open"]


def test_a_receipt_that_is_whole_is_closed_and_not_begun_anew() -> None:
    made = world("v1", options={"line_by_line": False})
    ticket = made.duel.command(RegisterReceipt(receipt(), "r1"))
    made.duel.run(until=lambda: "close_v2" in commands_sent(made), within_s=60)
    made.duel._epochs["host"] += 1  # the closing command is lost on its way
    made.duel.run(until=lambda: ticket in made.duel.finished, within_s=60)
    assert made.duel.finished[ticket].number == 5  # type: ignore[union-attr]
    assert commands_sent(made) == ["open", "operation_v2", "operation_v2", "fn_tlv", "close_v2", "close_v2"]
    assert made.duel.facts("document_annulled") == []


def test_a_link_lost_after_closing_is_settled_by_a_late_event() -> None:
    made = world()
    ticket = made.duel.command(RegisterReceipt(receipt(), "r1"))
    made.duel.run(until=lambda: bool(made.duel.facts("document_stored")), within_s=60)
    made.duel.trouble("unplug", 3)
    made.duel.run(until=lambda: ticket in made.duel.finished, within_s=60)
    unknown = made.duel.finished[ticket]
    assert isinstance(unknown, OutcomeUnknown)
    with_link = end(made, Find(5))
    assert isinstance(with_link, TransportError)
    again = end(made, RegisterReceipt(receipt(), "r1"))
    assert isinstance(again, OutcomeUnknown)
    made.duel.run(until=lambda: bool(made.duel.told(DocumentRegistered)), within_s=60)
    (told,) = made.duel.told(DocumentRegistered)
    assert isinstance(told, DocumentRegistered)
    assert told.late
    assert end(made, RegisterReceipt(receipt(), "r1")) == told.document
    assert len(made.duel.facts("document_stored")) == 1


def test_who_asks_while_it_is_being_resolved_joins() -> None:
    made = world()
    made.duel.command(RegisterReceipt(receipt(), "r1"))
    made.duel.run(until=lambda: bool(made.duel.facts("document_stored")), within_s=60)
    made.duel.trouble("crash", 1)
    made.duel.run(until=lambda: made.duel.life == 2 and made.duel.protocol is not None, within_s=60)
    made.duel.run(within_s=0.05)
    document = end(made, RegisterReceipt(receipt(), "r1"))
    assert document.number == 5
    assert len(made.duel.facts("document_stored")) == 1


def test_who_joins_an_operation_that_never_was_is_told_so() -> None:
    made = world()
    made.duel.command(RegisterReceipt(receipt(), "r1"))
    made.duel.run(until=lambda: "open" in commands_sent(made), within_s=60)
    made.duel.trouble("crash", 1)
    made.duel.run(until=lambda: made.duel.life == 2 and made.duel.protocol is not None, within_s=60)
    made.duel.run(within_s=0.05)
    refused = end(made, RegisterReceipt(receipt(), "r1"))
    assert isinstance(refused, Refused)
    assert refused.code == "absent"
    assert end(made, RegisterReceipt(receipt(), "r1")).number == 5


def test_somebody_elses_document_makes_it_unclear_and_it_is_not_done_again() -> None:
    made = world()
    made.duel.command(RegisterReceipt(receipt(), "r1"))
    made.duel.run(until=lambda: bool(made.duel.facts("document_stored")), within_s=60)
    made.duel.trouble("crash", 3)
    made.duel.hand("foreign_receipt", minor="100")
    made.duel.run(until=lambda: bool(made.duel.told(DocumentUnclear)), within_s=60)
    assert isinstance(end(made, RegisterReceipt(receipt(), "r1")), OutcomeUnknown)
    assert len(made.duel.facts("document_stored")) == 2


def test_another_document_in_its_place_is_not_taken_for_it() -> None:
    made = world()
    made.duel.command(RegisterReceipt(receipt(), "r1"))
    made.duel.run(until=lambda: "open" in commands_sent(made), within_s=60)
    made.duel.trouble("outage", 1)
    storage(made)["open"] = None
    made.duel.hand("foreign_receipt", minor="100")
    made.duel.run(until=lambda: bool(made.duel.told(DocumentUnclear)), within_s=60)
    (told,) = made.duel.told(DocumentUnclear)
    assert isinstance(told, DocumentUnclear)
    assert "is of 100, not of 18999" in told.remedy


def patched(made: World, name: str, error: int) -> None:
    def refuse(*_: object) -> None:
        raise No(error)

    setattr(made.duel.simulator.handlers, f"_{name}", refuse)  # type: ignore[attr-defined]


def test_a_register_that_cannot_say_what_became_of_it_is_asked_until_it_can() -> None:
    made = world()
    made.duel.command(RegisterReceipt(receipt(), "r1"))
    made.duel.run(until=lambda: bool(made.duel.facts("document_stored")), within_s=60)
    made.duel.trouble("crash", 1)
    patched(made, "fn_find", 0x03)
    made.duel.run(within_s=30)
    protocol = made.duel.protocol
    assert isinstance(protocol, ShtrihProtocol)
    assert protocol.status.state is DeviceState.FAULT
    assert "the storage is broken" in protocol.status.words
    assert len(made.duel.told(StateChanged)) < 8
    del made.duel.simulator.handlers._fn_find  # type: ignore[attr-defined]
    made.duel.run(until=lambda: bool(made.duel.told(DocumentRegistered)), within_s=60)
    assert end(made, RegisterReceipt(receipt(), "r1")).number == 5


@pytest.mark.parametrize("error", [0x37, 0x08])
def test_a_document_that_is_not_shown_is_unclear(error: int) -> None:
    made = world()
    patched(made, "fn_find", error)
    assert isinstance(end(made, RegisterReceipt(receipt(), "r1")), OutcomeUnknown)
    assert len(made.duel.told(DocumentUnclear)) == 1
    assert isinstance(end(made, RegisterReceipt(receipt(), "r1")), OutcomeUnknown)
    assert len(made.duel.facts("document_stored")) == 1


@pytest.mark.parametrize("fiscal", ["fn", "base"])
def test_its_totals(fiscal: str) -> None:
    made = world(fiscal=fiscal)
    end(made, RegisterReceipt(receipt(), "r1"))
    handlers = made.duel.simulator.handlers  # type: ignore[attr-defined]
    handlers.storage.kept["counts"]["150"] = 65_535
    totals = RegisterTotals(drawer=Money(118_999, "RUB"), receipts=0, receipts_wrap=65_536)
    assert end(made, ReadTotals()) == totals, "a sum of counts begins again where each of them does"
    (told,) = made.duel.told(TotalsRead)
    assert told == TotalsRead(drawer=totals.drawer, receipts=0, receipts_wrap=65_536)


@pytest.mark.parametrize(
    ("name", "totals"),
    [
        ("money_register", RegisterTotals(receipts=0, receipts_wrap=65_536)),
        ("operation_register", RegisterTotals(drawer=Money(100_000, "RUB"))),
    ],
)
def test_a_counter_that_a_model_does_not_keep_is_not_known(name: str, totals: RegisterTotals) -> None:
    made = world()
    patched(made, name, 0x33)
    assert end(made, ReadTotals()) == totals
    patched(made, name, 0x4F)
    assert end(made, ReadTotals()).code == "4F"
    assert len(made.duel.told(TotalsRead)) == 1, "what was refused is not told"


def test_a_drawer_that_moved_by_another_sum_is_unclear() -> None:
    made = world()
    made.duel.command(CashIn(Money(5000, "RUB"), "c1"))
    made.duel.run(until=lambda: bool(made.duel.facts("cash_moved")), within_s=60)
    storage(made)["drawer"] += 1
    made.duel.run(until=lambda: bool(made.duel.told(DocumentUnclear)), within_s=60)


def test_a_mode_in_which_nothing_can_be_sold() -> None:
    made = world()
    made.duel.simulator.handlers.storage.mode = lambda _: 6  # type: ignore[attr-defined]
    fault = end(made, RegisterReceipt(receipt(), "r1"))
    assert isinstance(fault, DeviceFault)
    assert fault.words == "the date is to be confirmed, ready to print"
    protocol = made.duel.protocol
    assert isinstance(protocol, ShtrihProtocol)
    assert protocol.status.state is DeviceState.FAULT
    assert isinstance(end(made, AwaitReady()), DeviceFault)


def test_a_slip_that_is_refused_at_once_is_not_unclear() -> None:
    made = world()
    made.duel.hand("fail", code="71")
    assert isinstance(end(made, PrintSlip(lines("a"), "p1")), Refused)
    assert made.duel.told(SlipUnclear) == []
    assert end(made, PrintSlip(lines("a"), "p1")) is None


def test_a_memory_that_is_not_understood_makes_it_unclear() -> None:
    made = World("v2")
    made.duel.memories = {"": {"open": {"reference": "r7", "kind": 3}}}
    made.duel.start()
    assert end(made, AwaitReady()) is None
    assert [event.reference for event in made.duel.told(DocumentUnclear)] == ["r7"]  # type: ignore[attr-defined]
    assert any("could not be read" in words for words in made.duel.said)


def test_a_receipt_nobody_knows_of_is_annulled_before_the_next() -> None:
    made = world()
    storage(made)["open"] = {"type": 0, "lines": [5]}
    assert end(made, RegisterReceipt(receipt(), "r1")).number == 5
    assert len(made.duel.facts("document_annulled")) == 1


def test_a_document_that_was_left_open_in_the_storage_is_cancelled() -> None:
    made = World("v2")
    made.duel.start()
    storage(made)["fn_doc"] = 8
    assert end(made, AwaitReady()) is None
    assert storage(made)["fn_doc"] == 0


@pytest.mark.parametrize("link", ["v1", "v2"])
def test_nobody_there(link: str) -> None:
    made = World(link)
    made.duel._boot()
    made.duel.run(within_s=30)
    protocol = made.duel.protocol
    assert isinstance(protocol, ShtrihProtocol)
    assert protocol.status.state is DeviceState.ABSENT
    error = end(made, RegisterReceipt(receipt(), "r1"))
    assert isinstance(error, TransportError)
    made.duel._power_on()
    assert end(made, AwaitReady()) is None


def test_a_wrong_password_is_a_fault_with_words() -> None:
    made = World("v2")
    made.duel._make_protocol = lambda memories: ShtrihProtocol(
        memories[""], Settings(password=99, admin_password=99), link="v2"
    )
    made.duel.start()
    made.duel.run(within_s=10)
    protocol = made.duel.protocol
    assert isinstance(protocol, ShtrihProtocol)
    assert protocol.status.state is DeviceState.FAULT
    assert protocol.status.code == "4F"
    assert "password" in protocol.status.words
    made.duel.run(within_s=20)
    states = [event.state for event in made.duel.told(StateChanged) if isinstance(event, StateChanged)]
    assert states == [DeviceState.STARTING, DeviceState.FAULT]


def test_before_a_number_that_a_rebooted_device_would_take_something_harmless_is_asked() -> None:
    made = world()
    protocol = made.duel.protocol
    assert isinstance(protocol, ShtrihProtocol)
    line = protocol._line
    assert isinstance(line, LineV2)
    line._last = made.duel.simulator._end._last = 0  # type: ignore[attr-defined]
    at = len(made.duel.sent)
    assert end(made, OpenDrawer()) is None
    asked = [frame for _, sender, data in made.duel.sent[at:] if sender == "host" for frame in ReaderV2().feed(data)]
    assert asked[0] == FrameV2(1, command("short_status").ask({"password": 30}))
    assert asked[1].number == 2


def test_cash() -> None:
    made = world()
    document = end(made, CashIn(Money(5000, "RUB"), "c1"))
    assert (document.total_minor, storage(made)["drawer"]) == (5000, 105_000)
    refused = end(made, CashOut(Money(10_000_000, "RUB"), "c2"))
    assert isinstance(refused, Refused)
    assert refused.code == "46"
    assert storage(made)["drawer"] == 105_000


def test_a_correction() -> None:
    made = world()
    asked = receipt(ReceiptKind.SALE_CORRECTION)
    document = end(made, RegisterReceipt(type(asked)(**{**_fields(asked), "correction_of": "A-17"}), "k1"))
    assert (document.number, document.total_minor) == (5, 18999)
    assert [fact.figures["document"] for fact in made.duel.facts("document_stored")] == ["sale_correction"]


def _fields(asked: Any) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in asked.__struct_fields__}


def test_what_is_asked_of_it() -> None:
    made = world()
    end(made, RegisterReceipt(receipt(), "r1"))
    made.duel.hand("ofd_off")
    end(made, CashIn(Money(100, "RUB"), "c1"))
    end(made, RegisterReceipt(receipt(), "r2"))
    status = end(made, ReadStatus())
    assert isinstance(status, RegisterStatus)
    assert (status.shift.state, status.shift.number, status.last_document) == ("open", 3, 6)
    assert (status.unsent, status.unsent_since, status.paper) == (1, "2026-11-21T09:00", True)
    assert status.storage == "9999078902000273"
    assert end(made, Find(99)) is None
    found = end(made, Find(5))
    assert (found.total_minor, found.shift, found.receipt, found.registration) == (18999, 3, 1, "0000000001012345")
    assert end(made, XReport()) is None
    assert end(made, PrintCopy()) is None
    assert [len(made.duel.facts(kind)) for kind in ("report_printed", "copy_printed")] == [1, 1]
    assert status.words == ""
    storage(made)["skew"] += 4 * 24 * 3600
    old = end(made, ReadStatus())
    assert "1 documents are unsent since 2026-11-21 09:00" in old.words
    storage(made)["skew"] -= 4 * 24 * 3600
    made.duel.hand("queue_old")
    assert end(made, RegisterReceipt(receipt(), "r3")).code == "15"


def test_a_reading_that_was_cut_off_hinders_nothing() -> None:
    made = world()
    end(made, RegisterReceipt(receipt(), "r1"))
    made.duel.command(Find(5))
    made.duel.run(until=lambda: bool(made.duel.simulator.handlers._reading), within_s=5)  # type: ignore[attr-defined]
    made.duel.trouble("crash", 1)
    made.duel.run(until=lambda: made.duel.life == 2 and made.duel.protocol is not None, within_s=5)
    assert end(made, RegisterReceipt(receipt(), "r2")).number == 6


def test_a_slip() -> None:
    made = world()
    slip = Slip((
        Text(text="Кофейня", align=Align.CENTER, bold=True), Text(text="спасибо", align=Align.RIGHT),
        QrCode(content="https://example.org/" + "x" * 80), Barcode(content="460123456789"), Feed(lines=2), Cut(),
        Drawer(),
    ))  # fmt: skip
    assert end(made, PrintSlip(slip, "p1")) is None
    assert made.duel.told(SlipPrinted) == [SlipPrinted(reference="p1")]
    assert [fact.figures["text"] for fact in made.duel.facts("line_printed")] == ["      Кофейня", "спасибо".rjust(48)]
    assert [fact.figures["content"] for fact in made.duel.facts("code_printed")] == [
        "https://example.org/" + "x" * 80, "460123456789",
    ]  # fmt: skip
    assert len(made.duel.facts("paper_cut")) == len(made.duel.facts("drawer_opened")) == 1
    assert end(made, PrintSlip(slip, "p1")) is None
    assert len(made.duel.facts("paper_cut")) == 1


@pytest.mark.parametrize(
    "element",
    [
        Picture(width=8, rows=(b"\xff",)), Barcode(content="1", symbology="code39"), Barcode(content="12"),
        Text(text="Қ"), QrCode(content=""),
    ],
)  # fmt: skip
def test_what_a_slip_cannot_hold_is_refused_before_the_first_line(element: Any) -> None:
    made = world()
    refused = end(made, PrintSlip(Slip((Text(text="a"), element)), "p1"))
    assert isinstance(refused, Refused)
    assert made.duel.facts("line_printed") == []


def test_a_slip_that_was_cut_off_is_unclear() -> None:
    made = world()
    made.duel.command(PrintSlip(lines("a", "b", "c"), "p1"))
    made.duel.run(until=lambda: len(made.duel.facts("line_printed")) == 1, within_s=60)
    made.duel.trouble("crash", 1)
    made.duel.run(until=lambda: bool(made.duel.told(SlipUnclear)), within_s=60)
    made.duel.hand("paper_out", after="1")
    assert isinstance(end(made, PrintSlip(lines("a", "b", "c"), "p2")), OutcomeUnknown)


def test_what_it_has_no_words_for_is_our_mistake() -> None:
    made = world()
    assert isinstance(end(made, "sell"), LocalProtocolError)
    with pytest.raises(ValueError, match="v3"):
        ShtrihProtocol({}, Settings(), link="v3")
    with pytest.raises(ControlError):
        made.duel.hand("kick")


def test_while_it_is_closed_nothing_new_is_begun() -> None:
    made = world()
    protocol = made.duel.protocol
    assert isinstance(protocol, ShtrihProtocol)
    made.duel.command(CloseShift("z1"))
    made.duel.run(within_s=0.05)
    assert not protocol.settled
    protocol.closing(made.duel.now)
    assert isinstance(end(made, RegisterReceipt(receipt(), "r1")), TransportError)
    made.duel.run(until=lambda: protocol.settled, within_s=60)
    assert len(made.duel.facts("document_stored")) == 1


def test_a_register_without_a_storage() -> None:
    made = world(fiscal="base")
    document = end(made, RegisterReceipt(receipt(), "r1"))
    assert (document.total_minor, document.change_minor, document.shift) == (18999, 1001, 3)
    status = end(made, ReadStatus())
    assert (status.shift.state, status.shift.number, status.unsent) == ("open", 3, None)
    assert isinstance(end(made, Find(1)), Refused)
    assert end(made, CloseShift("z1")).shift == 3
    assert end(made, ReadStatus()).shift.state == "closed"
    assert end(made, OpenShift("s1")).shift == 4


@pytest.mark.parametrize("link", ["v1", "v2"])
@pytest.mark.parametrize(
    "changed",
    [{"contact": "x" * 300}, {"contact": "x" * 70_000}, {"operator": Operator("И" * 300)}, {"contact": "₸"}],
    ids=["long", "endless", "name", "letter"],
)
def test_tags_that_do_not_fit_are_refused_before_anything_is_begun(link: str, changed: dict[str, Any]) -> None:
    made = world(link)
    asked = receipt()
    refused = end(made, RegisterReceipt(type(asked)(**{**_fields(asked), **changed}), "r1"))
    assert isinstance(refused, Refused)
    if "operator" in changed:
        assert isinstance(end(made, CloseShift("z1", changed["operator"])), Refused)
    assert commands_sent(made) == []
    assert made.duel.told(DocumentAbsent) == []
    assert isinstance(end(made, RegisterReceipt(receipt(), "r2")), FiscalDocument)


@pytest.mark.parametrize("ground", ["1950-01-01", "2200-01-01", "A" * 400])
def test_a_ground_that_no_storage_can_hold_is_refused(ground: str) -> None:
    made = world("v1")
    asked = receipt(ReceiptKind.SALE_CORRECTION)
    refused = end(made, RegisterReceipt(type(asked)(**{**_fields(asked), "correction_of": ground}), "k1"))
    assert isinstance(refused, Refused)
    assert made.duel.told(DocumentAbsent) == []
    assert isinstance(end(made, RegisterReceipt(receipt(), "r2")), FiscalDocument)


def test_more_cash_than_five_bytes_hold_is_refused_before_anything_is_begun() -> None:
    made = world()
    assert isinstance(end(made, CashIn(Money(1 << 40, "RUB"), "c1")), Refused)
    assert made.duel.told(DocumentAbsent) == []
    assert isinstance(end(made, CashIn(Money(100, "RUB"), "c1")), FiscalDocument)


@pytest.mark.parametrize("content", ["²" * 12, "٣" * 12])
def test_digits_of_other_scripts_are_no_bar_code(content: str) -> None:
    made = world()
    assert isinstance(end(made, PrintSlip(Slip((Barcode(content=content),)), "p1")), Refused)
    assert isinstance(end(made, RegisterReceipt(receipt(), "r2")), FiscalDocument)


@pytest.mark.parametrize("asked", [XReport(), PrintCopy(), OpenDrawer()])
@pytest.mark.parametrize("trouble", ["unplug", "silence"])
def test_what_may_have_been_printed_is_not_said_to_be_unbegun(asked: object, trouble: str) -> None:
    made = world()
    number = command({XReport: "x_report", PrintCopy: "copy", OpenDrawer: "drawer"}[type(asked)]).number
    at = len(made.duel.sent)

    def begun() -> bool:
        frames = [
            frame for _, sender, data in made.duel.sent[at:] if sender == "host" for frame in ReaderV2().feed(data)
        ]
        return any(frame.data.startswith(number) for frame in frames)

    ticket = made.duel.command(asked)
    made.duel.run(until=begun, within_s=20)
    if trouble == "unplug":
        made.duel.trouble("unplug", 5.0)
    else:
        made.duel.trouble("blackout", 300.0)
    made.duel.run(until=lambda: ticket in made.duel.finished, within_s=300)
    assert isinstance(made.duel.finished[ticket], OutcomeUnknown)


@pytest.mark.parametrize("asked", [RegisterReceipt(receipt(), "r1"), CashIn(Money(500, "RUB"), "r1")])
def test_another_storage_or_register_with_the_same_numbers_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, asked: object
) -> None:
    """Its number says nothing of what was begun in the one before: neither that it happened nor that it did not."""
    made = world()
    made.duel.command(asked)
    made.duel.run(until=lambda: bool(made.duel.memories[""].get("open")), within_s=20)
    made.duel.trouble("crash", 5.0)
    monkeypatch.setattr("hardware.shtrih.handlers.STORAGE", "9999078902000999")
    monkeypatch.setattr("hardware.shtrih.handlers.SERIAL", 2)
    made.duel.run(until=lambda: made.duel.life == 2 and made.duel.protocol is not None, within_s=20)
    assert end(made, AwaitReady()) is None
    [unclear] = made.duel.told(DocumentUnclear)
    assert isinstance(unclear, DocumentUnclear)
    assert "another" in unclear.remedy
    assert made.duel.told(DocumentAbsent, DocumentRegistered) == []
    assert isinstance(end(made, asked), OutcomeUnknown)


def test_a_register_that_came_in_the_place_of_another_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = world()
    made.duel.trouble("unplug", 1.0)
    made.duel.run(within_s=5)
    assert len(made.duel.told(Identified)) == 1
    monkeypatch.setattr("hardware.shtrih.handlers.SERIAL", 2)
    made.duel.trouble("unplug", 1.0)
    made.duel.run(within_s=5)
    assert [event.serial for event in made.duel.told(Identified)] == ["1", "2"]  # type: ignore[attr-defined]


def test_a_mistake_of_ours_ends_one_call_and_not_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    made = world()
    monkeypatch.setattr("hardware.shtrih.slips._days", lambda *_: 1 // 0)
    made.duel.hand("ofd_off")
    assert isinstance(end(made, RegisterReceipt(receipt(), "r1")), FiscalDocument)
    assert isinstance(end(made, ReadStatus()), LocalProtocolError)
    assert isinstance(end(made, RegisterReceipt(receipt(), "r2")), FiscalDocument)
