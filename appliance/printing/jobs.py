"""What became of a slip, out of the journal: its work, what the device told of it, and what its driver remembers.

A driver writes a slip's reference into its page before the first byte goes out, and takes it away together with the
event that says how it ended. A slip that no event tells of and no page names was therefore never begun.
"""

from typing import Any

import msgspec

from appliance.journal import Book, Work
from hardware.slip import Slip

KIND = "print"
PRINTED, UNCLEAR, NOT_PRINTED = "printed", "unclear", "not-printed"
LOOK = "look at the paper; print it again only as a marked copy (copy_of)"

_TOLD = {"slip-printed": PRINTED, "slip-unclear": UNCLEAR}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a slip: on which device, what stands on it, and from where on the journal may tell of it."""

    device: str
    slip: Slip
    copy: bool = False
    after: int = 0


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it ended. `status` is one of the words above; a work that was left on another machine is `interrupted`."""

    status: str
    reference: str = ""
    device: str = ""
    copy: bool = False
    words: str = ""
    remedy: str = ""
    reason: str = ""
    problem: str = ""  # of `wire.problems`, where nothing was printed

    def shown(self) -> dict[str, Any]:
        """As JSON, for who asked."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        fields.pop("problem", None)
        return fields


def begin(book: Book, id: str, order: Order, at: float) -> Work:
    """Write that it is begun, unless it is known; what stands there now."""
    newest = (book.last_entry(order.device, kind) for kind in _TOLD)
    order = msgspec.structs.replace(order, after=max((entry.n for entry in newest if entry is not None), default=0))
    return book.begin_work(Work(id=id, kind=KIND, begun_at=at, data=msgspec.Raw(msgspec.json.encode(order))))


def order_of(work: Work) -> Order:
    """What was kept."""
    return msgspec.json.decode(work.data, type=Order)


def result_of(work: Work) -> Result | None:
    """How it ended; None: it has not."""
    return None if work.result is None else msgspec.json.decode(work.result, type=Result)


def ended(id: str, order: Order, status: str, words: str = "", problem: str = "") -> Result:
    """An end."""
    if status == NOT_PRINTED:
        words, problem = f"{words}; nothing was printed", problem or "device-fault"
    return Result(
        status=status, reference=id, device=order.device, copy=order.copy, words=words,
        remedy=LOOK if status == UNCLEAR else "", problem=problem,
    )  # fmt: skip


def told(book: Book, id: str, order: Order) -> Result | None:
    """How the device's events say that it ended; None: they say nothing."""
    for entry in reversed(book.entries(device=order.device, kinds=list(_TOLD), after=order.after)):
        data = msgspec.json.decode(entry.data, type=dict[str, Any])
        if data.get("reference") == id:
            return ended(id, order, _TOLD[entry.kind], str(data.get("words", "")))
    return None


def find(book: Book, id: str) -> tuple[Work | None, Result | None, bool]:
    """A slip's work, its end as far as the journal knows it, and whether its device may still tell of it.

    The end is that of the work, or what follows for an open one, which is not written here.
    """
    work = book.find_work(id)
    if work is None or work.kind != KIND:
        return None, None, False
    order = order_of(work)
    if (result := result_of(work) or told(book, id, order)) is not None:
        return work, result, False
    if msgspec.json.encode(id) in msgspec.json.encode(book.page(order.device)):
        return work, None, True
    return work, ended(id, order, NOT_PRINTED, "the kiosk was cut off before a byte of it was sent"), False
