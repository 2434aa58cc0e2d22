"""Where log lines go: JSON to stdout and, with LOG_DIR, to rotated files; repeated troubles are counted.

Lines are formatted where they arise and written by a thread of their own behind a bounded queue, so that neither a
stalled reader of stdout nor a slow disk holds the event loop; what does not fit is dropped and counted.
"""

import logging
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path

from wire.logline import format_line

FILE_NAME = "appliance.log"
QUEUE_LINES = 5000
REPEAT_WINDOW = 60.0
STOP_S = 3.0
RECENT_LINES, RECENT_LETTERS = 2000, 4000  # kept in memory, and of each, for the engineer's page and the bundle
_KEPT_TEMPLATES = 500
_FILES = 5
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime", "taskName"}
# They print URLs with queries and headers with tokens at their lower levels.
_QUIET = ("httpx", "httpcore", "websockets", "tornado", "asyncio", "dotenv", "hpack")

_log = logging.getLogger(__name__)


class JsonFormatter(logging.Formatter):
    """A record and its `extra` fields as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, masked, without a line break."""
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = self.formatException(record.exc_info)
        return format_line(record.created, record.levelname, record.name, record.getMessage(), fields)


class Repeats(logging.Filter):
    """Lets a warning or error through once a minute and counts the rest by logger and template.

    The count stands in the field `repeated` of the next line that passes, or in a summary from `report`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, int, str], list[float]] = {}  # → time of the line that passed, count since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        if record.levelno < logging.WARNING:
            return True
        key = (record.name, record.levelno, str(record.msg))
        now = self._clock()
        entry = self._seen.get(key)
        if entry is not None and now - entry[0] < REPEAT_WINDOW:
            entry[1] += 1
            return False
        if entry is not None and entry[1]:
            record.repeated = int(entry[1])
        elif entry is None and len(self._seen) >= _KEPT_TEMPLATES:
            self._seen.pop(next(iter(self._seen)))
        self._seen[key] = [now, 0]
        return True

    def report(self) -> list[tuple[str, int, str, int]]:
        """Logger, level, template and count of what was kept back and whose minute is over; forgets it."""
        now = self._clock()
        over = [key for key, entry in self._seen.items() if now - entry[0] >= REPEAT_WINDOW]
        counts = [(*key, int(self._seen.pop(key)[1])) for key in over]
        return [line for line in counts if line[3]]


class _Lines(QueueHandler):
    """Formats at once and never waits: a full queue drops the line and counts it."""

    dropped = 0

    def __init__(self, lines: queue.Queue[logging.LogRecord]) -> None:
        super().__init__(lines)
        self.recent: deque[str] = deque(maxlen=RECENT_LINES)

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        line = logging.LogRecord(record.name, record.levelno, "", 0, self.format(record), None, None)
        line.created = record.created
        self.recent.append(str(line.msg)[:RECENT_LETTERS])
        return line

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class _Writer(QueueListener):
    """Writes the lines, in a thread of its own."""

    def enqueue_sentinel(self) -> None:
        self.queue.put(self._sentinel)  # type: ignore[attr-defined]  # waits for room where the original fails

    def close(self) -> None:
        """Write what is queued, close the files. May take for ever: so long as nobody reads stdout."""
        self.stop()
        for target in self.handlers:
            target.close()


class Logs:
    """The program's logging, from `start` to `stop`."""

    def __init__(self, level: str, directory: str = "", max_mb: int = 50) -> None:
        self._level = level
        self._directory = directory
        self._max_bytes = max_mb * 1024 * 1024
        self._listener: _Writer | None = None
        self._handler: _Lines | None = None
        self._repeats = Repeats()
        self._dropped_told = 0

    def start(self) -> None:
        """Take over the root logger. Raises OSError when the directory cannot be used."""
        logging.raiseExceptions = False  # a full disk must not turn into tracebacks on stderr
        plain = logging.Formatter("%(message)s")
        targets: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
        if self._directory:
            directory = Path(self._directory)
            directory.mkdir(parents=True, exist_ok=True)
            size = max(64 * 1024, self._max_bytes // _FILES)
            name = directory / FILE_NAME
            targets.append(RotatingFileHandler(name, maxBytes=size, backupCount=_FILES - 1, encoding="utf-8"))
        for target in targets:
            target.setFormatter(plain)
        self._handler = _Lines(queue.Queue(QUEUE_LINES))
        self._handler.setFormatter(JsonFormatter())
        self._handler.addFilter(self._repeats)
        root = logging.getLogger()
        root.handlers[:] = [self._handler]
        root.setLevel(self._level)
        for name_ in _QUIET:
            logging.getLogger(name_).setLevel(logging.WARNING)
        logging.captureWarnings(True)
        self._listener = _Writer(self._handler.queue, *targets)
        self._listener.start()

    def recent(self) -> list[str]:
        """The last lines of this run, oldest first, as they were written; masked already as every line is."""
        return [] if self._handler is None else list(self._handler.recent)

    def report(self) -> None:
        """Tell what was kept back. Call about once a minute."""
        for name, level, template, count in self._repeats.report():
            _log.log(min(level, logging.INFO), "repeated messages were counted", extra={
                "of": name, "template": template, "repeated": count,
            })  # fmt: skip
        if self._handler and self._handler.dropped > self._dropped_told:
            count = self._handler.dropped - self._dropped_told
            self._dropped_told = self._handler.dropped
            _log.warning("log lines were dropped", extra={"dropped": count})

    def stop(self) -> bool:
        """Write what is queued and let go of the files. False when that takes too long: stdout has a stalled reader.

        Then the interpreter would not end either, as it flushes stdout.
        """
        self.report()
        logging.getLogger().handlers[:] = []
        listener, self._listener = self._listener, None
        if listener is None:
            return True
        closing = threading.Thread(target=listener.close, name="logs-stop", daemon=True)
        closing.start()
        closing.join(STOP_S)
        return not closing.is_alive()
