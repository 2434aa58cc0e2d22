"""A PIN typed at the shell: twice and unseen at a terminal, else one line of standard input."""

import getpass
import sys
from pathlib import Path

from appliance.engineer import pin
from wire.pin import RIGHT, parse_pin

_TRIES = 3


def ask() -> str:
    """What was typed. Raises `ValueError` in words when it is no PIN."""
    if not sys.stdin.isatty():
        return parse_pin(sys.stdin.readline(200))
    for _ in range(_TRIES):
        try:
            typed = parse_pin(getpass.getpass("the engineer's PIN: "))
            if typed == parse_pin(getpass.getpass("once more: ")):
                return typed
            print("the two differ", file=sys.stderr)
        except ValueError as error:
            print(error, file=sys.stderr)
        except EOFError:
            break
    raise ValueError(f"no PIN was set; {RIGHT}")


def ask_and_save(state_dir: Path, at: float) -> None:
    """Set it. A running appliance goes by it from the next try on. Raises `ValueError` and OSError."""
    pin.save(state_dir, ask(), at)
