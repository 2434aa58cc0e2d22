"""Bad bytes and bad JSON out of good ones. Pure, given the random numbers."""

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

Json = Any

# Bytes that mean something to somebody on the way: line ends, separators, escapes, the ends of UTF-8.
_TELLING = [
    b"\r\n", b"\n", b"\r", b"\x00", b"\r\n\r\n", b" ", b"\t", b":", b",", b";", b"=", b'"', b"'", b"\\", b"/", b"?",
    b"#",
    b"%", b"%00", b"%0d%0a", b"..", b"\x7f", b"\x80", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    "\u2028".encode(), "\ufeff".encode(), b"-1", b"0", b"9" * 30, b"{", b"}", b"[", b"]", b"<", b"\x1b[2J",
    b"\x16\x03\x01",
]  # fmt: skip


def _flip(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)


def _insert(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(_TELLING)


def _overwrite(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    telling = rng.choice(_TELLING)
    data[at : at + len(telling)] = telling


def _remove(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 1, 2, 5, 50))]


def _repeat(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    piece = data[at : at + rng.randrange(1, 40)]
    data[at:at] = piece * rng.choice((1, 1, 3, 100))


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _swap(rng: random.Random, data: bytearray) -> None:
    one, two = sorted(rng.randrange(len(data)) for _ in range(2))
    data[one:two] = data[one:two][::-1] if rng.random() < 0.3 else data[two:] + data[one:two]


def _noise(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.choice((1, 4, 64)))


_BYTES: list[Callable[[random.Random, bytearray], None]] = [
    _flip, _insert, _insert, _overwrite, _remove, _repeat, _cut, _swap, _noise
]  # fmt: skip
_SIZE_MAX = 256 * 1024


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """The same with one to four things wrong."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if changed:
            rng.choice(_BYTES)(rng, changed)
    return bytes(changed[:_SIZE_MAX])


_VALUES: list[Json] = [
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e308, 5e-324, "",
    " ",
    "x", "\x00", "\r\nX: 1", "\ud800", "\u2028", "\ufeff", "' OR 1=1 --", "../../etc/passwd", "%s%n", "{{7*7}}",
    "x" * 300,
    "я" * 70, "nan", "1", [], {}, [[]], {"": {}}, [None] * 50, {"type": "hello"}, {"__proto__": 1},
]  # fmt: skip


def _paths(value: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for name, item in value.items():
            found += _paths(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _paths(item, (*path, index))
    return found


def mutate_json(rng: random.Random, value: Json) -> Json:
    """The same structure with a member of another type, away, doubled, renamed, deeper or endless."""
    changed: Json = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 2, 3))):
        path = rng.choice(_paths(changed))
        if not path:
            continue
        *into, last = path
        holder = changed
        for step in into:
            holder = holder[step]
        match rng.randrange(7):
            case 0:
                holder[last] = deepcopy(rng.choice(_VALUES))
            case 1:
                del holder[last]
            case 2:
                holder[last] = [holder[last]]
            case 3:
                holder[last] = {"value": holder[last]}
            case 4 if isinstance(holder, dict):
                holder[rng.choice(("", "type", "body", "x" * 200, "\x00", last.upper() if last else "a"))] = holder.pop(
                    last
                )
            case 5 if isinstance(holder[last], str):
                holder[last] = holder[last] * rng.choice((2, 100)) + rng.choice(("", "\x00", "\n", "\ud800"))
            case _:
                holder[last] = deepcopy(rng.choice(_VALUES))
    return changed


def deep(rng: random.Random) -> bytes:
    """JSON that is deeper than anybody's stack."""
    depth = rng.choice((900, 1100, 20_000, 100_000))
    if rng.random() < 0.5:
        return b"[" * depth + b"]" * depth
    return b'{"a":' * depth + b"1" + b"}" * depth


def encode_json(rng: random.Random, value: Json) -> bytes:
    """As JSON, in one of the ways in which it may come: spaced, in ASCII, a name twice, a lone surrogate as it is."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, None, 1)))
    data = text.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and value and rng.random() < 0.1:
        name = rng.choice(list(value))
        data = (
            data[:-1].rstrip()
            + b","
            + json.dumps(name).encode()
            + b":"
            + json.dumps(rng.choice(_VALUES)).encode()
            + b"}"
        )
    return data


def mutate_message(rng: random.Random, message: Json) -> bytes:
    """A JSON message, spoiled in its structure, in its bytes, or replaced by something monstrous."""
    kind = rng.random()
    if kind < 0.55:
        return encode_json(rng, mutate_json(rng, message))
    if kind < 0.9:
        return mutate_bytes(rng, json.dumps(message).encode())
    if kind < 0.95:
        return json.dumps(message).encode().replace(b"}", b', "data": ' + deep(rng) + b"}", 1)
    return rng.choice((b"", b"null", b"[]", b'"x"', b"\xff" * 40, b"{" * 5000, b" " * 5000, rng.randbytes(500)))
