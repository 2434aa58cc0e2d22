"""Which bytes of a file a request asks for, by RFC 9110, sections 13 and 14: one range or all. Pure."""

import re
from typing import NamedTuple

_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,15})\s*-\s*([0-9]{0,15})\s*", re.IGNORECASE)


class Part(NamedTuple):
    """Bytes `start` to `end`, without it. `is_whole` is answered with 200, a part with 206."""

    start: int
    end: int
    is_whole: bool = False


def choose(size: int, etag: str, asked: str, if_range: str) -> Part | None:
    """What to give of `size` bytes; None where there is nothing of what was asked (416).

    More ranges than one, other units and what is no range are answered with the whole, as is a range of something
    that is no longer what the caller has the beginning of: `if_range` counts only as the very same strong `etag`.
    """
    whole = Part(0, size, is_whole=True)
    match = _RANGE.fullmatch(asked)
    if match is None or (if_range and if_range.strip() != etag):
        return whole
    first, last = match.groups()
    if not first and not last:
        return whole
    if not first:
        count = min(int(last), size)
        return Part(size - count, size) if count else None
    if last and int(last) < int(first):
        return whole
    if int(first) >= size:
        return None
    return Part(int(first), min(int(last) + 1, size) if last else size)
