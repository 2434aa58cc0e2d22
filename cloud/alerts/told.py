"""What a kiosk's event says of what is wrong there: a fact that holds from now on, or facts that hold no more. Pure.

A fact is named more closely than the alert it is for, since each has an end of its own: a cassette is full by the count
of notes until it is emptied, and full by the validator's word until that takes notes again. Kiosks are not trusted:
what cannot be read says nothing, and texts and numbers are cut to what people can use.
"""

from collections.abc import Callable

import msgspec

from wire.messages import Event

NAME_MAX = 64
_TEXT_MAX = 200
_NUMBER_MAX = 1e15
HOUR, DAY = 3600.0, 86400.0

# Which alert each fact is for.
ALERTS = {
    "fault": "device-fault",
    "circuit": "device-fault",
    "tampered": "device-fault",
    "absent": "device-absent",
    "near-full": "cassette-near-full",
    "full": "cassette-full",
    "stacker-full": "cassette-full",
    "cassette-out": "cassette-removed",
    "near-empty": "hopper-near-empty",
    "empty": "hopper-empty",
    "paper-out": "paper-out",
    "paper-low": "paper-low",
    "shift": "shift-old",
    "pending": "receipt-pending",
    "unclear": "receipt-unclear",
    "owed": "cash-owed",
    "payment": "payment-unclear",
    "differences": "reconciliation",
    "disk": "kiosk-disk",
    "clock": "kiosk-clock",
    "journal": "kiosk-journal",
    "incident": "kiosk-journal",
}
# Of these the subject is a device; they end when the kiosk has no such device any more.
OF_DEVICES = frozenset(
    {
        *("fault", "circuit", "tampered", "absent", "near-full", "full", "stacker-full", "cassette-out"),
        *("near-empty", "empty", "paper-out", "paper-low", "shift"),
    }
)
# Where nothing may ever say that it is over: it ends so many seconds after the hub heard of it. The kiosk knows
# documents and claims for thirty days; what people compare by hand they have done within a week.
ENDS = {
    "tampered": HOUR,
    "incident": DAY,
    "pending": 30 * DAY,
    "owed": 30 * DAY,
    "unclear": 7 * DAY,
    "payment": 7 * DAY,
    "differences": 7 * DAY,
}

_LEVELS = ("near-full", "full", "near-empty", "empty")
_PAPER = ("paper-out", "paper-low")
_DOCUMENT = ("pending", "unclear")
# A device that is well has paper and room: without either each family says FAULT.
_WELL = ("fault", "absent", "paper-out", "stacker-full")
# Told anew by each start of the kiosk's program if they hold, and by it alone.
_OF_A_RUN = ("circuit", "paper-low", "disk", "clock", "journal")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one event comes to.

    Attributes:
        subject: a device, a document's reference, a claim; of the kiosk itself, nothing.
        over: facts of that subject that hold no more.
        of_all: `over` means those of every subject.
        fact: holds from now on; empty: none.
        anew: it began now, be it that it was held to hold before.
        data: for the words of the alert.
    """

    subject: str = ""
    over: tuple[str, ...] = ()
    of_all: bool = False
    fact: str = ""
    anew: bool = False
    data: dict[str, str | int | float | None] = {}


class _Raw:
    """The fields of an event's data, each read as what is wanted or not at all."""

    def __init__(self, data: msgspec.Raw) -> None:
        try:
            self._fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            self._fields = {}

    def text(self, name: str, most: int = _TEXT_MAX) -> str:
        """Empty where there is none."""
        value = self._read(name)
        return cut(value, most) if isinstance(value, str) else ""

    def number(self, name: str) -> int | float | None:
        """Within what anybody counts here."""
        value = self._read(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if -_NUMBER_MAX <= value <= _NUMBER_MAX else None  # no infinity, and no integer of a page

    def length(self, name: str) -> int:
        """Of a list."""
        try:
            return len(msgspec.json.decode(self._fields.get(name, b"[]"), type=list[msgspec.Raw]))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return 0

    def truth(self, name: str) -> bool | None:
        """True, false or not said."""
        value = self._read(name)
        return value if isinstance(value, bool) else None

    def some(self, *names: str) -> dict[str, str | int | float | None]:
        """Those that are texts or numbers."""
        found = {name: self.text(name) or self.number(name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def _read(self, name: str) -> object:
        try:
            # The text or number is read as it stands: a list of a megabyte is not unpacked to be refused.
            return msgspec.json.decode(self._fields.get(name, b"null"), type=str | bool | int | float | None)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
            return None


def cut(text: str, most: int = NAME_MAX) -> str:
    """A text as databases and people take it."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:most])


def read(event: Event) -> Said | None:
    """What an event comes to; None for one that says nothing of the kind. Never raises."""
    reader = _READERS.get(event.kind)
    return None if reader is None else reader(event, cut(event.device), _Raw(event.data))


def _state(event: Event, device: str, data: _Raw) -> Said | None:
    match data.text("state"):
        case "fault":
            return Said(subject=device, over=("absent",), fact="fault", data=data.some("code", "words"))
        case "absent":
            return Said(subject=device, over=("fault",), fact="absent", data=data.some("words"))
        case "starting":  # it answers; whether it is well again is not known yet
            return Said(subject=device, over=("absent",))
        case "disabled" | "ready" | "busy":
            return Said(subject=device, over=_WELL)
    return None


def _level(event: Event, device: str, data: _Raw) -> Said | None:
    level = event.kind.removeprefix("level-")
    if level == "normal":
        return Said(subject=device, over=_LEVELS)
    others = tuple(other for other in _LEVELS if other != level)
    return Said(subject=device, over=others, fact=level, data=data.some("count", "capacity"))


def _collection(event: Event, device: str, data: _Raw) -> Said | None:
    back = ("cassette-out",) if data.text("by").startswith("cassette") else ()
    return Said(subject=device, over=("near-full", "full", "stacker-full", *back))


def _paper(event: Event, device: str, data: _Raw) -> Said | None:
    if event.kind == "paper-returned":
        return Said(subject=device, over=_PAPER)
    return Said(subject=device, over=tuple(other for other in _PAPER if other != event.kind), fact=event.kind)


def _shift(event: Event, device: str, data: _Raw) -> Said | None:
    if event.kind == "shift-closed":
        return Said(subject=device, over=("shift",))
    # One that was found open may be known since it was opened.
    return Said(subject=device, fact="shift", anew=not data.truth("found"), data=data.some("shift", "state"))


def _document(event: Event, device: str, data: _Raw) -> Said | None:
    # Of ATOL's web server it is the operation, which has one document.
    reference = data.text("reference", NAME_MAX) or data.text("request_id", NAME_MAX) or data.text("id", NAME_MAX)
    if not reference:
        return None
    told = data.some("document", "reason", "remedy", "words") | ({"device": device} if device else {})
    match event.kind:
        case "document-pending":
            return Said(subject=reference, fact="pending", data=told)
        case "document-unclear":
            return Said(subject=reference, over=("pending",), fact="unclear", data=told)
        case "work-interrupted" if data.text("kind") != "fiscal":
            return None
        case "work-interrupted":
            return Said(subject=reference, over=("pending",), fact="unclear", data=told)
    return Said(subject=reference, over=_DOCUMENT)


def _claim(event: Event, device: str, data: _Raw) -> Said | None:
    claim = data.text("claim", NAME_MAX)
    if not claim:
        return None
    if event.kind == "claim-settled" or data.truth("stands") is False:
        return Said(subject=claim, over=("owed",))
    if event.kind == "cash-cleared":
        return None
    return Said(subject=claim, fact="owed", data=data.some("owed", "unclear", "amount", "currency", "reason", "work"))


def _payment(event: Event, device: str, data: _Raw) -> Said | None:
    told = data.some("operation", "amount", "currency", "words")
    return Said(subject=data.text("request_id", NAME_MAX), fact="payment", data=told)


def _reconciliation(event: Event, device: str, data: _Raw) -> Said | None:
    count = data.length("differences")
    if not count:
        return Said(over=("differences",))
    return Said(fact="differences", data={"differences": count, **data.some("shift", "register")})


def _incident(event: Event, device: str, data: _Raw) -> Said | None:
    return Said(subject=event.kind, fact="incident", anew=True, data=data.some("reason", "count", "carried"))


def _tampered(event: Event, device: str, data: _Raw) -> Said | None:
    return Said(subject=device, fact="tampered", anew=True, data=data.some("code", "words"))


_Reader = Callable[[Event, str, _Raw], Said | None]
_READERS: dict[str, _Reader] = {
    "state-changed": _state,
    "circuit-opened": lambda _, device, data: Said(subject=device, fact="circuit", data=data.some("words")),
    "circuit-closed": lambda _, device, data: Said(subject=device, over=("circuit",)),
    "tampered": lambda _, device, data: Said(
        subject=device, fact="tampered", anew=True, data=data.some("code", "words")
    ),
    **dict.fromkeys((f"level-{level}" for level in ("normal", *_LEVELS)), _level),
    "collection": _collection,
    "cassette-full": lambda _, device, data: Said(subject=device, fact="stacker-full"),
    "cassette-removed": lambda _, device, data: Said(subject=device, over=("stacker-full",), fact="cassette-out"),
    "cassette-returned": lambda _, device, data: Said(subject=device, over=("cassette-out", "stacker-full")),
    **dict.fromkeys((*_PAPER, "paper-returned"), _paper),
    **dict.fromkeys(("shift-opened", "shift-closed"), _shift),
    **dict.fromkeys(
        (
            *("document-pending", "document-registered", "document-refused", "document-unclear"),
            *("cash-moved", "work-interrupted"),
        ),
        _document,
    ),
    **dict.fromkeys(("cash-owed", "cash-unclaimed", "cash-cleared", "claim-settled"), _claim),
    "payment-unclear": _payment,
    "reconciliation": _reconciliation,
    **dict.fromkeys(("journal-damaged", "journal-copied", "events-dropped", "disk-moved"), _incident),
    "disk-low": lambda _, device, data: Said(fact="disk", data=data.some("free", "limit")),
    "disk-ok": lambda _, device, data: Said(over=("disk",)),
    "clock-wrong": lambda _, device, data: Said(fact="clock", data={"offset": data.number("offset_s")}),
    "clock-right": lambda _, device, data: Said(over=("clock",)),
    "journal-trouble": lambda _, device, data: Said(fact="journal", data=data.some("reason")),
    "journal-well": lambda _, device, data: Said(over=("journal",)),
    "started": lambda _, device, data: Said(over=_OF_A_RUN, of_all=True),
}
KINDS = frozenset(_READERS)
