"""What an operation asks of ATOL's web server: native tasks, looked at and not translated. Pure.

    {"type": "sell", "items": […], "payments": […], …}           one task
    {"request": [{"type": "sell", …}, {"type": "nonFiscal", …}]}  several, done one after another

Numbers reach the server exactly as they stand. The `uuid` is made from the request's id, which makes the task one
that is done once however often it arrives; a body must not bring its own.
"""

import difflib
import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from appliance.targets import NotUnderstood
from hardware.atol.commands import TASKS
from hardware.atol.frames import kopecks

TASKS_MAX = 50


class Tasks(msgspec.Struct, frozen=True):
    """What is asked for, understood."""

    tasks: list[dict[str, Any]]  # decimals are `Decimal`
    fiscal: int | None = None  # which of them makes a document in the fiscal storage

    @property
    def types(self) -> list[str]:
        """Their types."""
        return [str(task["type"]) for task in self.tasks]

    @property
    def only_asks(self) -> bool:
        """Whether nothing comes of them."""
        return all(kind.startswith("get") or kind == "ofdExchangeStatus" for kind in self.types)

    @property
    def total(self) -> int | None:
        """What the document comes to, in kopecks, as far as the task says it."""
        return None if self.fiscal is None else _total(self.tasks[self.fiscal])

    @property
    def on_paper(self) -> bool:
        """Whether it needs paper."""
        return self.fiscal is None or self.tasks[self.fiscal].get("electronically") is not True


def read_tasks(body: bytes) -> Tasks:
    """Understand a body. Raises `NotUnderstood` with everything that is wrong."""
    try:
        fields = json.loads(body or b"{}", parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise NotUnderstood(f"the body is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise NotUnderstood('the body is not a JSON object; right would be such as {"type": "sell", …}')
    mistakes: list[str] = []
    if "uuid" in fields:
        mistakes.append("uuid: is made from the request's id; right would be to leave it out")
    if "request" in fields:
        if "type" in fields:
            mistakes.append("type: stands beside request; right would be one of them")
        given = fields["request"]
        given = [given] if isinstance(given, dict) else given
        where = "request[{}]."
    else:
        given = [{name: value for name, value in fields.items() if name != "uuid"}]
        where = ""
    if not isinstance(given, list) or not 1 <= len(given) <= TASKS_MAX:
        mistakes.append(f"request: right would be a list of 1 to {TASKS_MAX} tasks")
        given = []
    fiscal: list[int] = []
    for index, task in enumerate(given):
        mistakes += _mistakes_of(task, where.format(index))
        if (
            isinstance(task, dict)
            and isinstance(kind := task.get("type"), str)
            and kind in TASKS
            and TASKS[kind].fiscal
        ):
            fiscal.append(index)
    if len(fiscal) > 1:
        there = ", ".join(str(given[index]["type"]) for index in fiscal)
        mistakes.append(
            f"request: has {len(fiscal)} tasks that make a document ({there}); right would be one at a time"
        )
    if mistakes:
        raise NotUnderstood("; ".join(mistakes))
    return Tasks(given, fiscal[0] if fiscal else None)


def _mistakes_of(task: object, where: str) -> list[str]:
    if not isinstance(task, dict):
        return [f"{where.rstrip('.')}: is no task; right would be an object with a type"]
    kind = task.get("type")
    if not isinstance(kind, str) or not kind or len(kind) > 64:
        return [f"{where}type: {'is missing' if kind is None else 'is no text'}; right would be such as sell"]
    if kind in TASKS:
        return []
    near = difflib.get_close_matches(kind, TASKS, n=1, cutoff=0.75)  # later drivers have more, and those may pass
    return [f"{where}type={kind}: is not known; did you mean {near[0]}?"] if near else []


def _total(task: dict[str, Any]) -> int | None:
    amounts = [task.get("total")]
    if amounts == [None]:
        items = task.get("items")
        of = [item for item in items if isinstance(item, dict) and "amount" in item] if isinstance(items, list) else []
        amounts = [item["amount"] for item in of] or [None]
    total = 0
    for amount in amounts:
        if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
            return None
        minor = kopecks(Decimal(amount))
        if minor is None:
            return None
        total += minor
    return total


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
