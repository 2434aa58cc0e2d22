"""Which bytes a request asks for, by RFC 9110."""

import pytest

from cloud.updates.ranges import Part, choose

WHOLE = Part(0, 100, is_whole=True)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", WHOLE),
        ("bytes=0-", Part(0, 100)),
        ("bytes=0-9", Part(0, 10)),
        ("Bytes = 10-19", Part(10, 20)),
        ("bytes=90-1000", Part(90, 100)),
        ("bytes=99-", Part(99, 100)),
        ("bytes=100-", None),
        ("bytes=-10", Part(90, 100)),
        ("bytes=-1000", Part(0, 100)),
        ("bytes=-0", None),
        # What is no range, or more than one, is answered with the whole.
        ("bytes=-", WHOLE),
        ("bytes=9-8", WHOLE),
        ("bytes=0-1,5-6", WHOLE),
        ("lines=0-1", WHOLE),
        ("bytes=1-x", WHOLE),
        ("bytes=+1-2", WHOLE),
        ("bytes=0-" + "9" * 30, WHOLE),
    ],
)
def test_ranges(asked: str, expected: Part | None) -> None:
    assert choose(100, '"e"', asked, "") == expected


@pytest.mark.parametrize(
    ("if_range", "is_part"),
    [('"e"', True), (' "e" ', True), ("", True), ('W/"e"', False), ('"f"', False), ("Sat, 21 Nov 2026", False)],
)
def test_a_part_is_given_only_of_what_the_caller_has_the_beginning_of(if_range: str, *, is_part: bool) -> None:
    part = choose(100, '"e"', "bytes=50-", if_range)
    assert part == (Part(50, 100) if is_part else WHOLE)


def test_nothing_can_be_asked_of_an_empty_file() -> None:
    assert choose(0, '"e"', "bytes=0-", "") is None
    assert choose(0, '"e"', "", "") == Part(0, 0, is_whole=True)
