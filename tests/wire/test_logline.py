"""One record, one line of JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from wire.logline import format_line


def test_a_line_is_json_with_the_fields_in_it() -> None:
    line = format_line(0.5, "INFO", "cloud.web", "Operation ended", {"request_id": "12345678", "status": 200})
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.500+00:00",
        "level": "INFO",
        "logger": "cloud.web",
        "message": "Operation ended",
        "request_id": "12345678",
        "status": 200,
    }


def test_fields_without_a_value_are_left_out() -> None:
    assert "error" not in json.loads(format_line(0, "INFO", "x", "m", {"error": None}))


def test_message_and_fields_are_masked() -> None:
    line = format_line(0, "INFO", "x", "card 4111111111111111", {"url": "/ws?token=plain-secret"})
    assert json.loads(line)["message"] == "card …1111"
    assert json.loads(line)["url"] == "/ws?token=…"


def test_identifiers_stay_findable() -> None:
    assert json.loads(format_line(0, "INFO", "x", "m", {"request_id": "87011234567"}))["request_id"] == "87011234567"


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert json.loads(format_line(0, "INFO", "x", "m", {"error": OSError("no route")}))["error"] == "no route"


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.floats() | st.none()))
def test_a_line_is_always_one_line(message: str, fields: dict[str, object]) -> None:
    line = format_line(0, "INFO", "x", message, fields)
    assert "\n" not in line
    assert isinstance(json.loads(line), dict)
