"""The slip for a customer who is owed money: what, by which code, in the three languages of the kiosk. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wire.money import Money


def owed_slip(answer: Mapping[str, Any], *, request_id: str, at: datetime) -> list[str]:
    """Lines of at most 32 signs, as the narrowest printers take; empty where nothing is owed for certain."""
    owed, currency, claim = answer.get("change_owed"), answer.get("currency"), answer.get("claim")
    if type(owed) is not int or owed <= 0 or not isinstance(currency, str) or not claim:
        return []
    try:
        amount = str(Money(owed, currency))
    except ValueError:
        return []
    return [
        "Вам не выдано / Сізге берілмеді",
        "Not paid out to you:",
        f"  {amount}",
        "Код / Код / Code:",
        f"  {claim}",
        "",
        "Сохраните этот чек: по нему",
        "вам вернут деньги.",
        "Осы чекті сақтаңыз: ол бойынша",
        "ақшаңыз қайтарылады.",
        "Keep this slip: it is needed",
        "to get your money back.",
        "",
        f"{at:%d.%m.%Y %H:%M}",
        *[request_id[start : start + 32] for start in range(0, len(request_id), 32)],
    ]
