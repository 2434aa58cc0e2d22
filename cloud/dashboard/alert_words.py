"""Alerts as people read them on a page: what is wrong, in what measure, what to do. Pure; the page escapes."""

from collections.abc import Callable

from cloud.alerts.alert import Alert
from cloud.dashboard.rendering import money, number, span
from cloud.dashboard.texts import TEXTS, Language, say
from wire.masking import mask

_SAID = (
    "code",
    "words",
    "reason",
    "remedy",
    "error",
    "detail",
    "address",
    "other_address",
)  # by others, in their words
_NAMED = ("version", "operation", "device", "document", "shift", "register")
_TEXT_MAX = 300
LEVELS = {"critical": "bad", "warning": "warn", "info": "info"}  # severity → badge


def title(language: Language, kind: str) -> str:
    """What a kind is called; its own name where it is not known here."""
    return say(language, f"alerts.kind-{kind}") if f"alerts.kind-{kind}" in TEXTS[language] else kind


def remedy(language: Language, kind: str) -> str:
    """What to do; empty where it is not known here."""
    return say(language, f"alerts.do-{kind}") if f"alerts.do-{kind}" in TEXTS[language] else ""


def measures(language: Language, alert: Alert) -> list[str]:
    """What is known of it in numbers and names."""
    data, found = alert.data, []
    count, capacity = _number(data.get("count")), _number(data.get("capacity"))
    if count is not None and capacity is not None:
        found.append(say(language, "alerts.fill", count=number(count, language), capacity=number(capacity, language)))
    elif count is not None and alert.kind == "operation-unknown":
        found.append(say(language, "alerts.more-operations", count=int(count)))
    elif count is not None:
        found.append(number(count, language))
    if (more := _number(data.get("more"))) is not None:
        found.append(say(language, "alerts.more", count=int(more)))
    for name, key in (("owed", "owed"), ("amount", "amount")):
        if amount := _money(data.get(name), data.get("currency"), language):
            found.append(say(language, f"alerts.{key}", amount=amount))
    if (offset := _number(data.get("offset"))) is not None:
        found.append(say(language, "alerts.drift", span=span(abs(offset), language)))
    return [*found, *(str(data[name])[:_TEXT_MAX] for name in _NAMED if data.get(name))]


def said(alert: Alert) -> str:
    """What the device, or whoever it is about, says in its own words; masked."""
    words = " · ".join(str(value) for name in _SAID if (value := alert.data.get(name)))
    return mask(words)[:_TEXT_MAX]


def titles(language: Language) -> Callable[[Alert], str]:
    """For templates."""
    return lambda alert: title(language, alert.kind)


def _number(value: object) -> int | float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value) if value == int(value) else value


def _money(minor: object, currency: object, language: Language) -> str:
    amount = _number(minor)
    if not isinstance(amount, int) or not amount or not isinstance(currency, str):
        return ""
    return money(amount, currency, language)
