"""The hub's log lines."""

import json
import logging
from collections.abc import Iterator

import pytest

from cloud.logs import JsonFormatter, set_up


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    general = logging.getLogger("tornado.general")
    filters = general.filters[:]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    general.filters[:] = filters


def test_fields_stand_beside_the_sentence_and_a_traceback_in_its_own() -> None:
    record = logging.makeLogRecord({"msg": "operation %s", "args": ("done",), "name": "cloud.x", "levelname": "INFO"})
    record.kiosk = "kiosk_001"
    record.nothing = None
    line = json.loads(JsonFormatter().format(record))
    assert tuple(line[name] for name in ("message", "kiosk", "logger", "level")) == (
        "operation done",
        "kiosk_001",
        "cloud.x",
        "INFO",
    )
    assert "nothing" not in line
    try:
        raise RuntimeError("why")
    except RuntimeError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    assert "RuntimeError: why" in json.loads(JsonFormatter().format(record))["error"]


def test_what_a_server_logs_of_an_address_has_no_query(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    set_up("DEBUG")
    caplog.set_level(logging.INFO, "tornado.general")  # the kiosk's programs, tested before, keep it quieter
    logging.getLogger("tornado.general").warning("400 GET %s", "/ws?anything=canary")
    logging.getLogger("tornado.general").info("Malformed HTTP message from %s: Bad value %r", "h", "Bearer \x01canary")
    logging.getLogger("tornado.access").info("200 GET /ws?anything=canary")
    logging.getLogger("cloud.x").info("secret", extra={"url": "http://h/ws?token=canary"})
    output = capsys.readouterr().out
    assert "400 GET /ws" in output
    assert "Malformed HTTP message from h: Bad value" in output
    assert "canary" not in output
