"""A wall clock that a test sets: it shows the real time and what stands in the file that `KIOSKWIRE_CLOCK` names.

The file holds one number of seconds, eight bytes of a double, and is mapped into memory, so that a step is there at
once. Steady clocks are left alone, as a step of the real clock leaves them. All that the programs use of the wall
clock is covered: `time.time`, `time.time_ns` and `datetime.now`; SQLite is never asked for the time.
"""

import datetime
import mmap
import os
import struct
import time

_SECONDS = struct.Struct("d")

with open(os.environ["KIOSKWIRE_CLOCK"], "rb") as _file:
    _shift = mmap.mmap(_file.fileno(), _SECONDS.size, access=mmap.ACCESS_READ)
_real, _real_ns = time.time, time.time_ns


def _off() -> float:
    off: float = _SECONDS.unpack_from(_shift)[0]
    return off


def _now() -> float:
    return _real() + _off()


def _now_ns() -> int:
    return _real_ns() + int(_off() * 1e9)


class _DateTime(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_DateTime":
        return cls.fromtimestamp(_now(), tz)

    @classmethod
    def utcnow(cls) -> "_DateTime":
        return cls.fromtimestamp(_now(), datetime.UTC).replace(tzinfo=None)


time.time = _now
time.time_ns = _now_ns
datetime.datetime = _DateTime  # type: ignore[misc]
