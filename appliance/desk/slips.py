"""The slip for a customer who is owed money: how much, by which code, in the three languages of the kiosk."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from appliance.printing.service import PrintDesk
from wire.money import Money

_WITHIN_S = 20.0
_CUT_OFF = "the kiosk was cut off meanwhile; who stands there now may be another"


class OwedSlips:
    """What follows a cash session: a slip where something is owed. Never raises."""

    def __init__(self, printing: PrintDesk, printer: str, clock: Callable[[], float]) -> None:
        self._printing = printing
        self._printer = printer
        self._clock = clock

    async def __call__(self, request_id: str, answer: dict[str, Any], *, cut_off: bool) -> dict[str, Any]:
        """Print it; returns what is added to the answer."""
        at = datetime.fromtimestamp(self._clock()).astimezone()
        lines = owed_slip(answer, request_id=request_id, at=at)
        if not lines:
            return {}
        if cut_off:  # the code on it is worth money to whoever takes it
            return {"slip": {"status": "not-printed", "words": _CUT_OFF}}
        return {
            "slip": await self._printing.print_lines(
                reference=request_id, printer=self._printer, lines=lines, within_s=_WITHIN_S
            )
        }


def owed_slip(answer: Mapping[str, Any], *, request_id: str, at: datetime) -> list[str]:
    """Pure. Lines of at most 32 signs, as the narrowest printers take; empty where nothing is owed for certain."""
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
