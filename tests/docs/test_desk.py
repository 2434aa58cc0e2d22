"""docs/desk.md says what the desk takes and answers: routes, bodies, actions, statuses."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.cash import result
from appliance.cash.reading import read_wanted
from appliance.desk.actions import ACTIONS
from appliance.fiscal.reading import ACTIONS as FISCAL_ACTIONS
from appliance.fiscal.reading import check_receipt
from appliance.kinds import AtolWebRoute, CashRoute, DeviceRoute, KaspiPosRoute
from appliance.routes import parse_routes
from tests.markdown import fences, rows

TEXT = (Path(__file__).resolve().parent.parent.parent / "docs/desk.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """From a heading to the next one."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def names(text: str) -> set[str]:
    return set(re.findall(r"`([a-z][\w-]*)`", text))


def example(title: str, at: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(fences(section(title), "json")[at].encode())
    return found


def test_the_routing_file_loads() -> None:
    (text,) = fences(TEXT, "yaml")
    table = parse_routes(text.encode(), "docs/desk.md")
    kinds = {type(route.kind) for route in table.all()}
    assert {CashRoute, DeviceRoute, KaspiPosRoute, type(None)} <= kinds
    assert table.routes["payment"].register == "register"


@pytest.mark.parametrize(
    ("word", "kind"),
    [("desk: cash", CashRoute), ("gateway: kaspi-pos", KaspiPosRoute), ("gateway: atol-web", AtolWebRoute)],
)
def test_every_option_of_a_kind_stands_there(word: str, kind: type[msgspec.Struct]) -> None:
    told: set[str] = set()
    of = ""
    for cells in rows(section("The routing file")):
        of = cells[0].strip("`") or of
        told |= names(cells[1]) if of == word else set()
    assert {field.name for field in msgspec.structs.fields(kind)} == told - {"timeout"}


def test_defaults_are_those_of_the_code() -> None:
    defaults = {cells[1].strip("`"): cells[2].strip("`") for cells in rows(section("The routing file"))}
    route = CashRoute(devices=("bills",))
    assert defaults["idle_timeout"] == f"{route.idle_timeout:g}"
    assert defaults["overpay"] == route.overpay
    assert [f"{kind.timeout_default:g}" for kind in (CashRoute, DeviceRoute)] == ["180", "120"]


def test_the_cash_request_is_understood() -> None:
    wanted = read_wanted(msgspec.json.encode(example("Cash")), CashRoute(("bills",)), 180.0, {"KZT"})
    assert (wanted.amount, wanted.reference) == (135000, "A-17")


def test_the_cash_answer_has_the_answers_fields_and_adds_up() -> None:
    found = msgspec.convert(example("Cash", 1), result.CashResult)
    assert found.adds_up
    known = {field.name for field in msgspec.structs.fields(result.CashResult)}
    told = {name for cells in rows(section("Cash")) for name in names(cells[0])}
    assert known - told - {"amount", "currency", "reason", "reference"} == set()
    statuses = {result.PAID, result.CANCELLED, result.TIMED_OUT, result.FAILED, result.INTERRUPTED}
    assert statuses <= names(section("Cash"))


def test_receipts_are_understood() -> None:
    assert check_receipt(example("Documents")) == []
    receipt = example("With a receipt")["receipt"] | {"settlements": [{"tender": "cash", "amount": 135000}]}
    assert check_receipt({**receipt, "currency": "KZT"}) == []


def test_every_action_stands_there_and_no_other() -> None:
    told = {name for cells in rows(section("Any device")) for name in names(cells[0])}
    assert told == set(ACTIONS)
    documents = section("Documents")
    asked = set(re.findall(r'"action": "([\w-]+)"', documents)) | names(documents) & set(FISCAL_ACTIONS)
    assert asked == {*FISCAL_ACTIONS, "print"}
