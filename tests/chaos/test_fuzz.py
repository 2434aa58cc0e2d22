"""A slice of the hostile input on every door; and that the ones who judge it would see harm."""

import random
from pathlib import Path

import pytest

from tests.chaos import fuzz
from tests.chaos.doors.mutate import mutate_bytes, mutate_message
from tests.chaos.doors.raw import answers, frame
from tests.chaos.doors.requests import Keys, Requests
from tests.chaos.doors.transcripts import from_hub, from_kiosk
from tests.chaos.doors.watch import is_calm


def test_hostile_input_on_every_door_harms_nothing_and_nobody(tmp_path: Path) -> None:
    result = fuzz.run(tmp_path, seed=11, scale=0.04)
    assert result.breaches == []
    for door in fuzz.INPUTS:
        assert result.figures[f"inputs_{door}"] > 0 or door == "hub_huge", door
    assert result.figures["bystander_payments"] > 5
    assert result.faults.total() > 300


def test_a_seed_says_it_all() -> None:
    keys = Keys("kw_1_x", "admin", "token", "kiosk_001", "victim")

    def made(seed: int) -> list[object]:
        rng = random.Random(seed)
        requests = Requests(rng, keys)
        return [requests.next() for _ in range(50)] + [mutate_message(rng, from_hub(rng, n)) for n in range(50)]

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_spoiling_leaves_bytes_and_changes_most_of_them() -> None:
    rng = random.Random(1)
    spoiled = [mutate_bytes(rng, b"GET / HTTP/1.1\r\n\r\n") for _ in range(200)]
    assert sum(data != b"GET / HTTP/1.1\r\n\r\n" for data in spoiled) > 180
    assert len({mutate_message(rng, from_kiosk(rng)) for _ in range(200)}) > 150


@pytest.mark.parametrize(
    ("line", "calm"),
    [
        ('{"level": "INFO", "message": "x"}', True),
        ('{"level": "ERROR", "message": "a handler failed", "error": "Traceback (most recent call last):"}', False),
        ("Exception ignored in: <x>", False),
        ('{"level": "WARNING", "message": "coroutine x was never awaited"}', False),
        ("[]", False),
    ],
)
def test_what_tells_a_defect_in_a_log_is_seen(line: str, calm: bool) -> None:
    assert is_calm(line) is calm


def test_answers_are_told_apart() -> None:
    heard = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 400 Bad\r\nX: y\r\n\r\n"
    )
    assert [(each.status, each.body) for each in answers(heard)] == [(200, b"{}"), (400, b"")]


def test_a_frame_is_masked_as_the_standard_says() -> None:
    made = frame(b"Hello")
    assert made[:2] == b"\x81\x85"
    assert bytes(byte ^ made[2 + index % 4] for index, byte in enumerate(made[6:])) == b"Hello"
    assert frame(b"Hello", masked=False) == b"\x81\x05Hello"
