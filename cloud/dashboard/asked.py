"""What the form above the list of operations asks for. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

import msgspec

from cloud.operations.operation import State
from cloud.operations.search import OUTCOMES, Wanted
from wire.ids import parse_kiosk_id, parse_operation

QUICK = {"hour": 3600.0, "day": 86400.0, "week": 7 * 86400.0, "month": 30 * 86400.0}
_BEGINNING = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NAMES = ("kiosk", "type", "outcome", "quick", "from", "to", "id")
_FIRST, _LAST = datetime(2000, 1, 1), datetime(9000, 1, 1)  # noqa: DTZ001 - compared with what a form says, without zones


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """`values` as they stand in the form; `wrong` names the sentence for each field that cannot be read."""

    values: dict[str, str]
    wanted: Wanted
    wrong: dict[str, str]

    @property
    def is_all(self) -> bool:
        """Whether nothing is filtered."""
        return not any(self.values.values())


def read_asked(given: Mapping[str, str], zone: tzinfo, now: float) -> Asked:
    """The form of an address. Times without a zone are of `zone`; `now` in Unix seconds."""
    values = {name: given.get(name, "").strip() for name in _NAMES}
    values["outcome"] = values["outcome"] or given.get("state", "").strip()  # as the API names it
    wrong: dict[str, str] = {}
    for name, parse, words in (
        ("kiosk", parse_kiosk_id, "operations.wrong-kiosk"),
        ("type", parse_operation, "operations.wrong-type"),
        ("id", _beginning, "operations.wrong-id"),
        ("outcome", _outcome, "operations.wrong-outcome"),
        ("quick", _quick, "operations.wrong-quick"),
    ):
        try:
            values[name] and parse(values[name])
        except ValueError:
            wrong[name] = words
    times: dict[str, float | None] = {}
    for name in ("from", "to"):
        try:
            times[name] = _time(values[name], zone, is_end=name == "to") if values[name] else None
        except (ValueError, OverflowError):
            wrong[name] = "operations.wrong-time"
    since, until = times.get("from"), times.get("to")
    if since is not None and until is not None and since >= until:
        wrong["to"] = "operations.wrong-order"
    if values["from"] or values["to"]:
        values["quick"] = ""  # the closer word wins
    elif values["quick"] in QUICK:
        since = now - QUICK[values["quick"]]
    wanted = Wanted(
        kiosk_id=values["kiosk"], operation=values["type"], outcome=values["outcome"], beginning=values["id"],
        since=since, until=until,
    )  # fmt: skip
    return Asked(values=values, wanted=wanted, wrong=wrong)


def _time(text: str, zone: tzinfo, *, is_end: bool) -> float:
    """A minute ends with its last second, and a day with its last minute: both are meant as a whole."""
    at = datetime.fromisoformat(text)
    bare = at.replace(tzinfo=None)
    if not _FIRST <= bare < _LAST:
        raise ValueError(text)
    if is_end and len(text) <= len("2026-01-31"):
        at += timedelta(days=1)
    elif is_end and at.second == 0 and text.count(":") == 1:
        at += timedelta(minutes=1)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()


def _beginning(text: str) -> None:
    if not _BEGINNING.fullmatch(text):
        raise ValueError(text)


def _outcome(text: str) -> None:
    if text not in OUTCOMES:
        State(text)


def _quick(text: str) -> None:
    if text not in QUICK:
        raise ValueError(text)
