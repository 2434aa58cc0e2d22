"""How long, as people write it."""

import pytest

from cloud.bot.durations import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1d12h", 129600), ("1 h 30 min", 5400), ("1.5h", 5400),
        ("2ч", 7200), ("30 мин.", 1800), ("1,5 ч", 5400), ("3 дня", 259200), ("полчаса", 1800), ("час", 3600),
        ("1 сутки", 86400), (" 2H ", 7200),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h2", "2x", "2h x", "-2h", "0h", "2h!", "1e3h", "99999999999h", "2 2 h"])
def test_what_is_none(text: str) -> None:
    assert seconds_of(text) is None
