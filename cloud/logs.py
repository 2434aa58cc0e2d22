"""The hub's log: one JSON object a line on standard output, masked. Set up once, by the entrance."""

import logging
import re
import sys
from collections.abc import Mapping

from wire.logline import format_line

# Set by Python on every record; what else a record holds came from `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats a record with its `extra` fields by `wire.logline`. `always` are fields of every line."""

    def __init__(self, always: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._always = dict(always or {})

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback goes into the field `error`."""
        fields = self._always | {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return format_line(record.created, record.levelname, record.name, record.getMessage(), fields)


def set_up(level: str, process: str = "") -> None:
    """Send all logging to standard output as JSON lines, with the `process` where there are several."""
    # Nothing of this is in a line, and finding it out costs more than the rest of one (see logging, Optimization).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter({"process": process} if process else None))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Their INFO is one line a request or a statement: ours says that once, with more.
    for name in ("tornado.access", "httpx", "httpcore", "alembic", "aiosqlite", "sqlalchemy.engine"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It tells addresses, in which the bot's token stands, and all of what it cannot read.
    logging.getLogger("telegram").setLevel(logging.CRITICAL)
    # Its lines quote the request's address with the query, in which old clients carry their token, and headers that are
    # none, of which one may be Authorization.
    logging.getLogger("tornado.general").addFilter(_without_quotes)


def _without_quotes(record: logging.LogRecord) -> bool:
    record.msg, record.args = re.split(r"[?'\"]", record.getMessage(), maxsplit=1)[0].strip(), None
    return True
