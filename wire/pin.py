"""What an engineer's PIN may be. Pure."""

import itertools

DIGITS_LEAST, DIGITS_MOST = 6, 12
RIGHT = f"right would be {DIGITS_LEAST} to {DIGITS_MOST} digits that are no row and no repetition"
_LONGEST_TURN = 4  # 1212, 123123 and 19841984 are repetitions
_ROUND = 10  # behind 9 comes 0


def parse_pin(text: str) -> str:
    """The PIN, blanks and hyphens taken away. Raises `ValueError`, which says what is wrong and never the PIN."""
    pin = "".join(text.split()).replace("-", "")
    if not (pin.isascii() and pin.isdecimal()):
        raise ValueError(f"a PIN is of digits; {RIGHT}")
    if not DIGITS_LEAST <= len(pin) <= DIGITS_MOST:
        raise ValueError(f"a PIN of {len(pin)} digits cannot be; {RIGHT}")
    if is_guessed_first(pin):
        raise ValueError(f"this PIN is one of those that are tried first; {RIGHT}")
    return pin


def is_guessed_first(pin: str) -> bool:
    """Whether it is a row up or down (123456, 890123), one turn over and over (111111, 121212), or nearly one digit."""
    steps = {(int(b) - int(a)) % _ROUND for a, b in itertools.pairwise(pin)}
    if len(steps) == 1:
        return True
    turns = (pin[:length] for length in range(1, _LONGEST_TURN + 1))
    if any((turn * len(pin))[: len(pin)] == pin for turn in turns if len(turn) * 2 <= len(pin)):
        return True
    return max(map(pin.count, set(pin))) >= len(pin) - 1
