"""The fast door and the general server: whatever is sent, both understand the same or both refuse it."""

import asyncio
import json
import random
import re
from pathlib import Path
from typing import Any

from tests.chaos.doors.mutate import encode_json, mutate_bytes, mutate_json
from tests.chaos.doors.raw import answers, exchange
from tests.cloud.hub import PATIENCE, Running, running

# An unusual header that changes nothing: who has it is served by the general server.
_ELSEWHERE = b"Trailer: X\r\n"
_COUNT = 150


def spoiled(rng: random.Random, hub: Running) -> bytes:
    """A `POST /send`, some of it wrong, whole as HTTP."""
    headers = {
        "Authorization": f"Bearer {hub.key}", "Header-Kiosk-Id": "kiosk_001", "Header-Operation-Type": "payment",
        "Header-Http-Method": "POST", "Header-Timeout": "60", "Header-Delivery": "now", "Header-Expires": "60",
    }  # fmt: skip
    lines = [f"{name}: {value}".encode() for name, value in headers.items()]
    value: dict[str, Any] = {"order_id": "A1", "sum": 15000, "items": [{"name": "tea"}]}
    body = json.dumps(value).encode()
    if rng.random() < 0.5:
        at = rng.randrange(len(lines))
        name, _, text = lines[at].partition(b": ")
        bad = re.sub(rb"[\r\n\x00]", b"", mutate_bytes(rng, text))[:2000]
        name = rng.choice((name, name.upper(), name.lower()))
        lines[at : at + 1] = rng.choice(
            ([name + b": " + bad], [name + b":\t" + bad + b" \t"], [lines[at], name + b": " + bad])
        )
    else:
        body = encode_json(rng, mutate_json(rng, value)) if rng.random() < 0.6 else mutate_bytes(rng, body)
    lines.append(b"Content-Length: %d" % len(body))
    rng.shuffle(lines)
    return b"POST /send HTTP/1.1\r\nHost: hub\r\n" + b"\r\n".join(lines) + b"\r\nConnection: close\r\n\r\n" + body


async def told(hub: Running, sent: bytes) -> tuple[Any, ...]:
    """What is answered, without what is every answer's own."""
    found = answers(await exchange(hub.hub.port, sent, silence=PATIENCE, patience=4 * PATIENCE))
    assert len(found) == 1, sent
    (answer,) = found
    body = json.loads(answer.body)
    if answer.headers["content-type"] == "application/problem+json":
        words = body["detail"].split(":")[0]
        return answer.status, body["type"], body["outcome"], words if answer.status != 400 else ""
    return answer.status, body


async def test_both_doors_understand_the_same(tmp_path: Path) -> None:
    rng = random.Random(20260131)
    statuses = set()
    async with (
        running(tmp_path, rate_limit_per_key=0.0, rate_limit_per_kiosk=0.0) as hub,
        hub.kiosk() as kiosk,
        kiosk.serving(),
    ):
        for _ in range(_COUNT):
            sent = spoiled(rng, hub)
            elsewhere = sent.replace(b"Host: hub\r\n", b"Host: hub\r\n" + _ELSEWHERE, 1)
            here, there = await asyncio.gather(told(hub, sent), told(hub, elsewhere))
            assert here == there, sent
            statuses.add(here[0])
    assert statuses >= {200, 400, 401, 404}


async def test_blanks_around_a_value_are_none_of_it(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving():
        lines = [b"Authorization:  Bearer " + hub.key.encode() + b" \t", b"Header-Kiosk-Id:\tkiosk_001\t"]
        lines += [
            b"Header-Operation-Type:payment ",
            b"Header-Timeout: 60 \t",
            b"Header-Delivery: now ",
            b"Content-Length: 2 ",
        ]
        whole = b"POST /send HTTP/1.1\r\nHost: hub\r\n" + b"\r\n".join(lines) + b"\r\nConnection: close\r\n\r\n{}"
        for each in (whole, whole.replace(b"Host: hub\r\n", b"Host: hub\r\n" + _ELSEWHERE)):
            assert await told(hub, each) == (200, {"echo": {}})
