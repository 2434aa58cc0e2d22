"""Documents in a real journal: every write twice, as after a commit that failed and was kept."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from appliance.fiscal import records
from appliance.fiscal.records import Document
from appliance.fiscal.result import Moved, Refused, Registered, Unclear
from appliance.journal import Book, Entry, Journal
from appliance.levels.booking import kind_of
from hardware.events import CashMoved, DocumentAbsent, DocumentRegistered, DocumentUnclear, Event, SlipPrinted
from tests.appliance import worlds
from wire.money import Money
from wire.receipt import FiscalDocument

T = TypeVar("T")

SHIFT = Document(device="register", kind="open-shift")
CASH = Document(device="register", kind="cash-in", amount=Money(500, "KZT"))
MADE = FiscalDocument(number=5, sign="77", shift=2, printed=False)


async def twice(journal: Journal, call: Callable[[Book], T]) -> T:
    first = await journal.write(call)
    again = await journal.write(call)
    assert first == again
    return again


async def told(journal: Journal, event: Event, device: str = "register") -> None:
    data = msgspec.Raw(msgspec.json.encode(event))
    entry = Entry(nonce=secrets.randbits(62), at=1.0, kind=kind_of(event), data=data, device=device)
    await journal.write(lambda book: book.enter(entry))


async def kinds(journal: Journal) -> list[str]:
    return [event.kind for event in await journal.events(100, 0)]


async def begun(journal: Journal, reference: str, document: Document) -> Document:
    work = await twice(journal, lambda book: records.begin(book, reference, document, 1.0))
    read = records.read_document(work)
    assert read is not None
    return read


async def test_the_register_s_word_counts(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        await told(journal, DocumentRegistered(reference="a", document=MADE))
        document = await begun(journal, "a", SHIFT)
        assert await journal.read(lambda book: records.find_end(book, "a", document)) == (None, 0)
        await told(journal, DocumentRegistered(reference="b", document=MADE))
        await told(journal, DocumentRegistered(reference="a", document=MADE), device="other")
        await told(journal, DocumentAbsent(reference="a", words="no"))
        assert await journal.read(lambda book: records.find_end(book, "a", document)) == (None, 1)
        await told(journal, DocumentRegistered(reference="a", document=MADE, late=True))
        end, _ = await journal.read(lambda book: records.find_end(book, "a", document))
        assert end == Registered(reference="a", document="open-shift", number=5, sign="77", shift=2, printed=False)


async def test_cash_and_what_nobody_can_tell(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        document = await begun(journal, "c", CASH)
        await told(journal, CashMoved(reference="c", amount=Money(500, "KZT")))
        end, _ = await journal.read(lambda book: records.find_end(book, "c", document))
        assert end == Moved(reference="c", document="cash-in", amount=500, currency="KZT")
        document = await begun(journal, "u", CASH)
        await told(journal, DocumentUnclear(reference="u", remedy="look"))
        end, _ = await journal.read(lambda book: records.find_end(book, "u", document))
        assert end == Unclear(reference="u", document="cash-in", remedy="look")


async def test_the_first_end_stands_and_is_told_once(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        document = await begun(journal, "s", SHIFT)
        end = records.registered("s", document, MADE)
        refused = Refused(reference="s", document="open-shift", reason="late")
        assert await twice(journal, lambda book: records.end(book, "s", document, end, 2.0)) == end
        assert await twice(journal, lambda book: records.end(book, "s", document, refused, 3.0)) == end
        assert await kinds(journal) == ["shift-opened"]


async def test_pending_is_told_once_and_ends(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        await begun(journal, "p", SHIFT)
        document, end = await twice(journal, lambda book: records.pend(book, "p", "no paper", 4.0))
        assert end is None
        assert document is not None
        assert (document.reason, document.since) == ("no paper", 4.0)
        assert await twice(journal, lambda book: records.pend(book, "p", "no link", 5.0)) == (document, None)
        assert await kinds(journal) == ["document-pending"]
        refused = Refused(reference="p", document="open-shift", reason="never")
        await twice(journal, lambda book: records.end(book, "p", document, refused, 6.0))
        assert await kinds(journal) == ["document-pending", "document-refused"]
        assert (await twice(journal, lambda book: records.pend(book, "p", "no paper", 7.0)))[1] == refused
        assert await twice(journal, lambda book: records.pend(book, "none", "no paper", 7.0)) == (None, None)


async def test_a_mark_keeps_the_rest(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        document = await begun(journal, "m", SHIFT)
        marked = await twice(journal, lambda book: records.mark(book, "m", document, asked=True))
        work = await journal.read(lambda book: book.find_work("m"))
        assert work is not None
        assert records.read_document(work) == marked == msgspec.structs.replace(document, asked=True)


async def test_what_came_onto_paper_later(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        document = await begun(journal, "a", SHIFT)
        assert not await journal.read(lambda book: records.is_printed(book, "a", document))
        await told(journal, SlipPrinted(reference="a"))
        assert await journal.read(lambda book: records.is_printed(book, "a", document))


async def test_a_work_that_nobody_here_wrote(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        await journal.write(lambda book: records.begin(book, "x", SHIFT, 1.0))
        await journal.write(lambda book: book.change_work("x", {"of": "a later version"}))
        work = await journal.read(lambda book: book.find_work("x"))
        assert work is not None
        assert records.read_document(work) is None


async def test_what_only_the_clerk_gave_up_is_told_and_what_the_register_told_is_not_told_twice(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        unclear = Unclear(reference="a", document="open-shift", remedy="look")
        for reference in ("a", "b"):
            document = await begun(journal, reference, SHIFT)
            if reference == "b":
                await told(journal, DocumentUnclear(reference="b", remedy="look"))
            result = msgspec.structs.replace(unclear, reference=reference)
            await twice(journal, lambda book, r=reference, d=document, u=result: records.end(book, r, d, u, 5.0))
        (event,) = await journal.events(100, 0)
        assert event.kind == "document-unclear"
        assert msgspec.json.decode(event.data)["reference"] == "a"
