import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.release import is_among, is_open, parse_channel, parse_window, read_manifest, read_rollout, version_key

RELEASE = {
    "version": "1.4.0", "target": "linux-x86_64", "file": "kioskwire-1.4.0.tar.xz", "size": 9, "sha256": "0" * 64,
}  # fmt: skip


def manifest(**changes: Any) -> bytes:
    return json.dumps({"channel": "stable", "serial": 3, "releases": [RELEASE | changes]}).encode()


def test_versions_are_ordered_as_people_mean_them() -> None:
    ordered = ["0.9.9", "0.10.0rc1", "0.10.0rc2", "0.10.0rc10", "0.10.0", "0.10.1", "1.0.0", "10.0.0"]
    assert sorted(set(ordered), key=version_key) == ordered


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.3rc0", "1.2.3-rc1", "1.2.3\n", "1.2.x"]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"MAJOR\.MINOR\.PATCH"):
        version_key(text)


@pytest.mark.parametrize("text", ["", "Stable", "stable/..", "-x", "x" * 33])
def test_a_channel_is_a_plain_name(text: str) -> None:
    with pytest.raises(ValueError, match="channel"):
        parse_channel(text)


def test_a_window_may_lie_over_midnight() -> None:
    night = parse_window("23:30-04:00")
    assert [is_open(night, minute) for minute in (23 * 60 + 29, 23 * 60 + 30, 0, 239, 240)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    day = parse_window("02:00-05:00")
    assert [is_open(day, minute) for minute in (119, 120, 299, 300)] == [False, True, True, False]
    assert is_open(parse_window("00:00-00:00"), 720)
    with pytest.raises(ValueError, match="HH:MM"):
        parse_window("24:00-05:00")


@given(st.text(min_size=1, max_size=20), st.integers(0, 100), st.integers(0, 100))
def test_who_is_among_the_first_stays_among_them(kiosk: str, few: int, many: int) -> None:
    few, many = sorted((few, many))
    assert is_among(100, kiosk, "1.0.0")
    assert not is_among(0, kiosk, "1.0.0")
    if is_among(few, kiosk, "1.0.0"):
        assert is_among(many, kiosk, "1.0.0")


def test_a_percentage_is_about_that_many_and_not_always_the_same() -> None:
    first = {n for n in range(2000) if is_among(10, f"kiosk_{n}", "1.0.0")}
    other = {n for n in range(2000) if is_among(10, f"kiosk_{n}", "1.0.1")}
    assert 150 < len(first) < 250
    assert len(first & other) < 60


def test_a_manifest_is_read_or_refused_in_words() -> None:
    assert read_manifest(manifest()).releases[0].version == "1.4.0"
    for changes, words in (
        ({"file": "../etc/passwd"}, "plain name"), ({"file": ".hidden"}, "plain name"), ({"size": 0}, "size"),
        ({"sha256": "x" * 64}, "sha256"), ({"version": "latest"}, "MAJOR"), ({"target": 3}, "target"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            read_manifest(manifest(**changes))
    for data in (b"", b"[]", b"\xff", manifest()[:-1], manifest().replace(b'"stable"', b'"../x"')):
        with pytest.raises(ValueError, match=r"manifest|channel"):
            read_manifest(data)


def test_a_rollout_is_read_or_refused_in_words() -> None:
    assert read_rollout(b'{"version": "1.0.0"}').percent == 100
    for data in (
        b"{}",
        b'{"version": "1"}',
        b'{"version": "1.0.0", "percent": 101}',
        b'{"version": "1.0.0", "window": "x"}',
        b'{"notes": ' + b"[" * 200_000,
    ):
        with pytest.raises(ValueError, match=r"rollout|version|window"):
            read_rollout(data)
