"""What a kiosk told, in a person's words: what happened, and the few facts that matter. Pure; the page escapes.

Kinds that are not known here, and data of another shape than ours, come out as they were told: a hub keeps whatever its
kiosks say.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cloud.dashboard.rendering import money, number, span
from cloud.dashboard.texts import TEXTS, Language, say
from wire.masking import mask

STATES = ("absent", "starting", "disabled", "ready", "busy", "fault")  # of a device
_DATA_MAX = 16_384  # bytes; ours have some hundreds
_TEXT_MAX = 200
_NUMBER_MAX = 10**15  # within what anybody counts here
_NAMES_MAX = 5
# Why a cash session ended, as kiosks name it.
_REASONS = {
    "hub": "hub", "customer": "customer", "idle": "idle", "timeout": "timeout", "power": "power",
    "the appliance stops": "stopping",
}  # fmt: skip
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # as the hub gives them

_Data = Mapping[str, Any]
_Fact = Callable[[_Data, Language], str]


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """An event in words. `facts` are short phrases; `said` is what the device or the kiosk's program said itself, in
    English; `operation` the id of the operation that it is about, or empty.
    """

    title: str
    is_known: bool = True
    tone: str = ""  # bad, warn or nothing
    facts: tuple[str, ...] = ()
    said: str = ""
    operation: str = ""


def speak(language: Language, kind: str, data: bytes) -> Spoken:
    """An event in words. Never raises."""
    fields = _read(data)
    key = _variant(kind, fields)
    if f"events.{key}" not in TEXTS[language]:
        return Spoken(title=kind, is_known=False, operation=_operation(fields))
    facts = (_FACTS[name](fields, language) for name in _OF.get(kind, ()))
    return Spoken(
        title=say(language, f"events.{key}"),
        tone="bad" if key in _BAD else "warn" if key in _WARN else "",
        facts=tuple(filter(None, facts)),
        # Of a device that is well it says how its maker calls that.
        said="" if key.startswith("state-") and key not in _BAD else _said(fields),
        operation=_operation(fields),
    )


def _read(data: bytes) -> dict[str, Any]:
    if len(data) > _DATA_MAX:
        return {}
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def _variant(kind: str, data: _Data) -> str:
    """The sentence: some kinds tell of one thing or of its opposite."""
    match kind:
        case "state-changed":
            return f"state-{_text(data, 'state')}"
        case "cash-ended":
            return f"cash-{_text(data, 'status')}"
        case "cash-moved":
            return "kind-cash-out" if (_whole(_part(data, "amount"), "minor") or 0) < 0 else "kind-cash-in"
        case "service-ordered":
            return "kind-service-ordered" if data.get("in_service") is False else "kind-service-resumed"
        case "reconciliation":
            return "kind-reconciled" if data.get("differences") == [] else "kind-reconciliation"
        case "engineer-tested" | "engineer-checked-routes" if data.get("outcome") in ("failed", "cut"):
            return f"kind-{kind}-{data['outcome']}"
    return f"kind-{kind}"


def _operation(data: _Data) -> str:
    for name in ("work", "request_id", "reference"):  # a receipt of a payment goes by `id/receipt`
        id = _text(data, name).partition("/")[0]
        if _ID.fullmatch(id):
            return id
    return ""


def _said(data: _Data) -> str:
    words = [_text(data, name) for name in ("words", "reason", "detail", "remedy")]
    words = [each for each in words if each not in _REASONS]
    code = _text(data, "code")
    return mask(" · ".join(dict.fromkeys(filter(None, [*words, f"({code})" if code else ""]))))[:_TEXT_MAX]


# Fields, each read as what is wanted or not at all


def _text(data: _Data, name: str) -> str:
    value = data.get(name)
    return value[:_TEXT_MAX] if isinstance(value, str) else ""


def _whole(data: _Data, name: str) -> int | None:
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _NUMBER_MAX else None


def _part(data: _Data, name: str) -> _Data:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _names(data: _Data, name: str) -> str:
    value = data.get(name)
    names = [each[:64] for each in value if isinstance(each, str)] if isinstance(value, list) else []
    return ", ".join(names[:_NAMES_MAX]) + (" …" if len(names) > _NAMES_MAX else "")


def _minor(minor: int | None, currency: object, language: Language) -> str:
    return money(minor, currency, language) if minor is not None and isinstance(currency, str) else ""


# Facts


def _piece(name: str) -> _Fact:
    """Money with its currency in it: a note, a coin."""
    return lambda data, language: _minor(
        _whole(_part(data, name), "minor"), _part(data, name).get("currency"), language
    )


def _amount(name: str, key: str = "") -> _Fact:
    """An amount whose currency stands beside it; nothing of 0."""

    def tell(data: _Data, language: Language) -> str:
        words = _minor(_whole(data, name) or None, data.get("currency"), language)
        return say(language, f"events.fact-{key}", amount=words) if words and key else words

    return tell


def _count(name: str, key: str) -> _Fact:
    def tell(data: _Data, language: Language) -> str:
        count = _whole(data, name)
        return "" if count is None else say(language, f"events.fact-{key}", count=number(count, language))

    return tell


def _named(name: str, key: str = "") -> _Fact:
    def tell(data: _Data, language: Language) -> str:
        value = data.get(name)
        text = str(value) if _whole(data, name) is not None else _text(data, name)
        return say(language, f"events.fact-{key}", value=text) if text and key else text

    return tell


def _if(name: str, key: str, value: object = True) -> _Fact:
    return lambda data, language: say(language, f"events.fact-{key}") if data.get(name) == value else ""


def _paid(data: _Data, language: Language) -> str:
    coin, asked, paid = _piece("coin")(data, language), _whole(data, "asked"), _whole(data, "paid")
    if not coin or asked is None:
        return ""
    if paid is None:
        return say(language, "events.fact-at-most-coins", count=asked, coin=coin)
    return say(language, "events.fact-paid", count=paid, asked=asked, coin=coin)


def _before(data: _Data, language: Language) -> str:
    was = _text(data, "was")
    if was not in STATES or was == data.get("state"):
        return ""
    return say(language, "events.fact-before", state=say(language, f"kiosks.device-{was}"))


def _counted(data: _Data, language: Language) -> str:
    counted, expected = _whole(data, "counted"), _whole(data, "expected")
    if counted is None or expected is None:
        return ""
    return say(language, "events.fact-counted", counted=counted, expected=expected)


def _filled(data: _Data, language: Language) -> str:
    count, capacity = _whole(data, "count"), _whole(data, "capacity")
    if count is None:
        return ""
    if not capacity:
        return say(language, "events.fact-pieces", count=number(count, language))
    return say(language, "events.fact-of", count=number(count, language), capacity=number(capacity, language))


def _coins(data: _Data, language: Language) -> str:
    count, coin = _whole(data, "count"), _minor(_whole(data, "minor"), data.get("currency"), language)
    return "" if count is None or not coin else f"{number(count, language)} × {coin}"


def _pieces(data: _Data, language: Language) -> str:
    counts = _part(data, "counts").values()
    pieces = sum(count for count in counts if isinstance(count, int) and abs(count) < _NUMBER_MAX)
    return say(language, "events.fact-pieces", count=number(pieces, language)) if pieces else ""


def _differences(data: _Data, language: Language) -> str:
    found = data.get("differences")
    count = len(found) if isinstance(found, list) else _whole(data, "differences")
    return say(language, "events.fact-differences", count=count) if count else ""


def _what(data: _Data, _language: Language) -> str:
    """The first difference, in the kiosk's words."""
    found = data.get("differences")
    first = found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
    return mask(_text(first, "words"))


def _bytes(name: str, key: str) -> _Fact:
    def tell(data: _Data, language: Language) -> str:
        size = _whole(data, name)
        return "" if size is None else say(language, f"events.fact-{key}", count=number(size // 10**6, language))

    return tell


def _offset(data: _Data, language: Language) -> str:
    value = data.get("offset_s")
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _NUMBER_MAX:
        return ""
    return say(language, "events.fact-ahead" if value < 0 else "events.fact-behind", span=span(abs(value), language))


def _from_to(data: _Data, _language: Language) -> str:
    was, now = _text(data, "from"), _text(data, "to")
    return f"{was} → {now}" if was and now else now


def _serials(data: _Data, _language: Language) -> str:
    was, now = _text(data, "was"), _text(data, "serial")
    return f"{was} → {now}" if was and now else ""


def _who(data: _Data, language: Language) -> str:
    name = " ".join(filter(None, (_text(data, "maker"), _text(data, "model"))))
    serial = _text(data, "serial")
    return ", ".join(filter(None, (name, say(language, "events.fact-serial", value=serial) if serial else "")))


def _document(data: _Data, language: Language) -> str:
    made = _part(data, "document")
    number_, shift = _whole(made, "number"), _whole(made, "shift")
    found = [] if number_ is None else [say(language, "events.fact-number", value=number_)]
    return ", ".join([*found, *([] if shift is None else [say(language, "events.fact-shift", value=shift)])])


def _why(data: _Data, language: Language) -> str:
    reason = _REASONS.get(_text(data, "reason"))
    return say(language, f"events.fact-why-{reason}") if reason else ""


def _totals(data: _Data, language: Language) -> str:
    totals = data.get("totals")
    found = [
        f"{_text(each, 'device')} {_minor(_whole(each, 'total'), each.get('currency'), language)}"
        for each in (totals if isinstance(totals, list) else ())
        if isinstance(each, dict)
    ]
    return ", ".join(words for words in found[:_NAMES_MAX] if not words.endswith(" "))


_FACTS: dict[str, _Fact] = {
    "bill": _piece("bill"), "coin": _piece("coin"), "moved": _piece("amount"), "amount": _amount("amount"),
    "total": _amount("total"), "price": _amount("amount", "price"), "collected": _amount("collected", "collected"),
    "change": _amount("change_paid", "change"), "change-owed": _amount("change_owed", "owed"),
    "owed": _amount("owed", "owed"), "unclear": _amount("unclear", "unclear"), "claim": _named("claim", "claim"),
    "paid": _paid, "before": _before, "changes": _count("changes", "changes"), "counted": _counted, "filled": _filled,
    "at-most": _count("at_most", "at-most"), "coins": _coins, "pieces": _pieces, "differences": _differences,
    "what": _what, "late": _if("late", "late"), "document": _document, "shift": _named("shift", "shift"),
    "number": _named("number", "number"), "found": _if("found", "found"), "expired": _if("state", "expired", "expired"),
    "operation": _named("operation"), "version": _named("version", "version"),
    "running": _named("running", "running"), "from-to": _from_to, "tries": _count("tries", "tries"),
    "dropped": _count("count", "events"), "carried": _count("carried", "carried"), "free": _bytes("free", "free"),
    "size": _bytes("bytes", "size"), "offset": _offset, "serials": _serials, "who": _who,
    "devices": lambda data, _: _names(data, "devices"), "address": _named("address"), "subject": _named("subject"),
    "unreachable": lambda data, language: (
        say(language, "events.fact-unreachable", names=names) if (names := _names(data, "unreachable")) else ""
    ),
    "totals": _totals, "why": _why, "note": lambda data, _: mask(_text(data, "note")),
}  # fmt: skip

# Which facts of which kind, in this order.
_OF: dict[str, tuple[str, ...]] = {
    "identified": ("who",), "state-changed": ("before", "changes"), "device-replaced": ("serials",),
    "bill-stacked": ("bill", "late"), "bill-returned": ("bill", "late"), "bill-unclear": ("bill",),
    "stack-count-differs": ("counted",), "coin-accepted": ("coin", "late"), "credits-lost": ("at-most",),
    "payout-ended": ("paid", "late"), "payout-unclear": ("paid",), "devices-changed": ("devices",),
    "document-registered": ("document", "late"), "cash-moved": ("moved", "late"),
    "document-unclear": ("operation",),
    "shift-opened": ("shift", "expired", "found"), "shift-closed": ("shift", "differences", "found"),
    "reconciliation": ("shift", "differences", "what"),
    "cash-ended": ("why", "price", "collected", "change", "change-owed", "claim"),
    "cash-owed": ("owed", "unclear", "claim", "why"),
    "claim-settled": ("owed", "unclear", "claim", "note"), "cash-unclaimed": ("amount", "claim"),
    "cash-cleared": ("amount", "owed", "claim"), "collection": ("total", "pieces"), "levels-left": ("total", "pieces"),
    "level-set": ("coins",), "level-refilled": ("coins",),
    "level-normal": ("filled",), "level-near-full": ("filled",), "level-full": ("filled",),
    "level-near-empty": ("filled",), "level-empty": ("filled",),
    "payment-unclear": ("amount", "operation"), "payment-amount-differs": ("amount", "operation"),
    "operation-unknown": ("operation",), "started": ("version",), "events-dropped": ("dropped",),
    "journal-damaged": ("carried",), "disk-low": ("free",), "disk-ok": ("free",), "clock-wrong": ("offset",),
    "clock-right": ("offset",), "update-available": ("version", "running"), "update-installed": ("from-to",),
    "update-confirmed": ("version",), "update-failed": ("version", "running"), "update-put-off": ("version", "tries"),
    "engineer-signed-in": ("address",), "engineer-refused": ("tries", "address"),
    "engineer-tested": ("subject", "amount"), "engineer-checked-routes": ("unreachable",),
    "engineer-collected": ("totals",), "engineer-bundle": ("size",),
}  # fmt: skip

_BAD = frozenset({
    "state-fault", "state-absent", "cash-failed", "cash-interrupted",
    *(f"kind-{kind}" for kind in (
        "bill-unclear", "bill-held-back", "stack-count-differs", "credits-lost", "payout-unclear", "jammed", "tampered",
        "cassette-full", "level-full", "level-empty", "paper-out", "circuit-opened", "cash-owed", "cash-unclaimed",
        "document-refused", "document-unclear", "slip-unclear", "reconciliation", "payment-unclear",
        "payment-amount-differs", "operation-unknown", "work-interrupted", "disk-low", "clock-wrong", "journal-trouble",
        "journal-damaged", "journal-copied", "events-dropped", "disk-moved", "levels-left", "update-failed",
    )),
})  # fmt: skip
_WARN = frozenset(f"kind-{kind}" for kind in (
    "cassette-removed", "level-near-full", "level-near-empty", "paper-low", "cover-opened", "document-pending",
    "service-ordered", "device-replaced", "update-put-off", "engineer-refused", "engineer-tested-failed",
    "engineer-checked-routes-failed",
))  # fmt: skip
