"""The code by which a customer who is owed something is found again."""

import secrets

# Without vowels, so that it is no word, and without what is taken for something else: 0 O Q, 1 I L, 2 Z, 5 S, 8 B.
LETTERS = "CDFGHJKMNPRTVWXY34679"
_HALF = 4


def is_claim(text: str) -> bool:
    """Whether it is written as one. Letters that are in none are let through: a kiosk's journal knows its own."""
    return len(text) == 2 * _HALF + 1 and text[_HALF] == "-" and text.replace("-", "", 1).isalnum() and text.isascii()


def new_claim() -> str:
    """`CD47-KPX3`: one of 38 milliards."""
    text = "".join(secrets.choice(LETTERS) for _ in range(2 * _HALF))
    return f"{text[:_HALF]}-{text[_HALF:]}"
