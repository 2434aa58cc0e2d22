"""One log record as one line of JSON, the same in both programs, masked. Pure: the programs' loggers call it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from wire.masking import mask

_encode = msgspec.json.Encoder(enc_hook=str).encode
# Identifiers that our own doors have parsed or made, and words of our own: masking could only make them unfindable.
_VERBATIM = frozenset(
    {"request_id", "kiosk", "operation", "method", "state", "executed", "problem", "api_key", "dialect", "level"}
)


def format_line(time: float, level: str, logger: str, message: str, fields: Mapping[str, object]) -> str:
    """`time` is Unix seconds. Fields whose value is None are left out; text is masked."""
    second = int(time // 1)
    at = f"{_second(second)}.{int((time - second) * 1000):03d}+00:00"
    line: dict[str, object] = {"time": at, "level": level, "logger": logger, "message": mask(message)}
    for name, value in fields.items():
        if value is not None:
            line[name] = mask(value) if isinstance(value, str) and name not in _VERBATIM else value
    return _encode(line).decode()


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
