"""docs/screen.md and the page beside it say what the screen's paths do."""

import re
from pathlib import Path

import msgspec

from appliance.cash.session import Phase
from appliance.cash.showing import Last
from appliance.operations import outcomes
from appliance.web import local
from hardware.events import DeviceState
from tests.markdown import fences, rows
from wire.messages import Response

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "screen.md").read_text(encoding="utf-8")
PAGE = (DOCS / "screen.html").read_text(encoding="utf-8")
EXAMPLES = [msgspec.json.decode(text) for text in fences(TEXT, "json")]


def test_examples_are_json_of_the_kinds_that_are_named() -> None:
    named = {cells[0].strip("`") for cells in rows(TEXT) if cells[0] in ("`hello`", "`device`", "`operation`")}
    assert named == {"hello", "device", "operation"}
    assert {each["type"] for each in EXAMPLES if "type" in each} == {"device", "operation"}


def test_states_and_stages_are_the_codes() -> None:
    plain = " ".join(TEXT.split())
    for state in DeviceState:
        assert re.search(rf"`state` is [^;]*\b{state.value}\b", plain)
    for phase in Phase:
        word = "ended" if phase is Phase.ENDING else phase.value
        assert re.search(rf"`stage` is [^;]*\b{word}\b", plain)


def test_ends_are_as_they_are_shown() -> None:
    for end in (each for each in EXAMPLES if each.get("over")):
        fields = {name: value for name, value in end.items() if name not in {"type", "id", "over"}}
        error = None
        if "problem" in fields:
            error = {"type": fields["problem"], "detail": fields["detail"]}
        response = msgspec.convert(
            {"type": "response", "request_id": end["id"], "operation": end["operation"], "executed": end["executed"],
             "status": end.get("status", 0), "error": error}, Response,
        )  # fmt: skip
        if "result" in fields:
            response = msgspec.structs.replace(response, body=msgspec.Raw(msgspec.json.encode(fields["result"])))
        shown = msgspec.json.decode(msgspec.json.encode(outcomes.shown(response)))
        assert {"operation": end["operation"], **shown} == fields


def test_progress_has_the_fields_of_a_session() -> None:
    progress = next(each for each in EXAMPLES if each.get("stage") == "collecting")
    assert set(progress["last"]) <= set(Last.__slots__)


def test_limits_are_the_codes() -> None:
    assert f"more than {local.HEARD_MAX} messages in a minute" in TEXT
    assert local.HEARD_WITHIN_S == 60
    assert (local.CANCELS_MAX, local.CANCELS_WITHIN_S, local.CLIENTS_MAX) == (20, 10.0, 8)
    for code in (local._GOING_AWAY, local._NOT_WANTED, local._TRY_AGAIN):
        assert f"| {code} |" in TEXT


def test_the_page_is_short_and_asks_for_what_there_is() -> None:
    assert len(PAGE.splitlines()) <= 30
    assert "/events" in PAGE
    assert "/local/cancel" in PAGE
    assert "application/json" in PAGE
    texts = [line.split("'")[1] for line in PAGE.splitlines() if re.match(r"  (ru|kk|en): '", line)]
    assert len({len(each.split("|")) for each in texts}) == 1
    assert len(texts) == 3
