"""The code by which a customer who is owed something is found again."""

import secrets

# Without vowels, so that it is no word, and without what is taken for something else: 0 O Q, 1 I L, 2 Z, 5 S, 8 B.
LETTERS = "CDFGHJKMNPRTVWXY34679"
_HALF = 4


def new_claim() -> str:
    """`CD47-KPX3`: one of 38 milliards."""
    text = "".join(secrets.choice(LETTERS) for _ in range(2 * _HALF))
    return f"{text[:_HALF]}-{text[_HALF:]}"
