"""How letters look after a command."""

import pytest

from hardware.escpos.style import STYLES, Style


@pytest.mark.parametrize(
    ("command", "n", "words"),
    [
        ("ESC !", 0xB8, "bold underline 2x2"),
        ("ESC !", 0x20, "2x1"),
        ("ESC a", 0x31, "center"),
        ("ESC a", 2, "right"),
        ("ESC E", 1, "bold"),
        ("ESC -", 2, "underline"),
        ("GS B", 1, "invert"),
        ("GS !", 0x21, "3x2"),
    ],
)
def test_in_words_and_back(command: str, n: int, words: str) -> None:
    style = STYLES[command](Style(), n)
    assert str(style) == words
    assert STYLES[command](style, 0) == Style()
