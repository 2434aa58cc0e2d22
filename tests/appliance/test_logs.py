"""Log lines: their form, their repetitions, their files."""

import io
import json
import logging
import threading
from pathlib import Path

import pytest

from appliance.logs import FILE_NAME, REPEAT_WINDOW, JsonFormatter, Logs, Repeats


def record(level: int = logging.ERROR, message: str = "it failed", **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("appliance.test", level, "", 0, message, None, None)
    vars(made).update(fields)
    return made


def test_a_line_is_json_with_its_fields_and_without_secrets() -> None:
    line = json.loads(JsonFormatter().format(record(request_id="request-1", url="http://h/?token=canary")))
    assert (line["message"], line["level"], line["request_id"]) == ("it failed", "ERROR", "request-1")
    assert "canary" not in json.dumps(line)


def test_a_traceback_is_a_field_of_the_line() -> None:
    try:
        raise ValueError("of eyJabcdefgh.abcdefgh.canary")
    except ValueError as error:
        made = record()
        made.exc_info = (ValueError, error, error.__traceback__)
    text = JsonFormatter().format(made)
    assert "Traceback" in json.loads(text)["exception"]
    assert "canary" not in text
    assert "\n" not in text


def test_repeated_troubles_are_counted_and_news_pass() -> None:
    now = 0.0
    repeats = Repeats(lambda: now)
    assert [repeats.filter(record()) for _ in range(5)] == [True, False, False, False, False]
    assert repeats.filter(record(message="another"))
    assert all(repeats.filter(record(logging.INFO)) for _ in range(3))
    now = REPEAT_WINDOW
    again = record()
    assert repeats.filter(again)
    assert vars(again)["repeated"] == 4


def test_what_was_kept_back_is_reported_when_its_minute_is_over() -> None:
    now = 0.0
    repeats = Repeats(lambda: now)
    for _ in range(3):
        repeats.filter(record())
    assert repeats.report() == []
    now = REPEAT_WINDOW
    assert repeats.report() == [("appliance.test", logging.ERROR, "it failed", 2)]
    assert repeats.report() == []


def test_lines_go_to_stdout_and_to_rotated_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs = Logs("INFO", str(tmp_path), max_mb=1)
    try:
        logs.start()
        for number in range(4500):
            logging.getLogger("appliance.test").info("line", extra={"number": number, "pad": "x" * 400})
        logging.getLogger("httpx").info("a URL with a query")
    finally:
        logs.stop()
        logging.captureWarnings(False)
        logging.raiseExceptions = True
        root.handlers[:], level = before
        root.setLevel(level)
    out = capsys.readouterr().out.splitlines()
    assert json.loads(out[0])["number"] == 0
    assert not any("a URL" in line for line in out)
    files = list(tmp_path.glob(f"{FILE_NAME}*"))
    assert 2 <= len(files) <= 5
    assert sum(file.stat().st_size for file in files) <= 1024 * 1024 + 1000


def test_a_stalled_reader_of_stdout_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    class Stalled(io.StringIO):
        def write(self, text: str) -> int:
            released.wait(20)
            return super().write(text)

    monkeypatch.setattr("appliance.logs.STOP_S", 0.05)
    monkeypatch.setattr("appliance.logs.QUEUE_LINES", 10)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs = Logs("INFO")
    out = Stalled()
    monkeypatch.setattr("sys.stdout", out)
    try:
        logs.start()
        for number in range(30):
            logging.getLogger("appliance.test").info("line", extra={"number": number})
        assert not logs.stop()
    finally:
        released.set()
        logging.captureWarnings(False)
        logging.raiseExceptions = True
        root.handlers[:], level = before
        root.setLevel(level)


def test_a_directory_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    root = logging.getLogger()
    before = root.handlers[:]
    with pytest.raises(OSError, match="file"):
        Logs("INFO", str(tmp_path / "file" / "logs")).start()
    logging.raiseExceptions = True
    root.handlers[:] = before
