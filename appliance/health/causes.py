"""Why a device is out of service, in one of a few words that a page can explain in any language. Pure.

Drivers say it in sentences of their own, in English, each for its family; here they are sorted. All those sentences are
ours: each of the tables (`hardware/*/states.py`) is listed with its cause in `tests/appliance/health/sentences.tsv`.
"""

import re
from enum import StrEnum

MONEY_IN = ("bill validator", "coin acceptor")


class Cause(StrEnum):
    """What a person can see to; the last is for all the rest."""

    CASSETTE_FULL = "cassette-full"
    CASSETTE_OUT = "cassette-out"
    CHEATED = "cheated"
    JAM = "jam"
    HOPPER_EMPTY = "hopper-empty"
    PAPER_OUT = "paper-out"
    COVER_OPEN = "cover-open"
    CUTTER = "cutter"
    FEED_BUTTON = "feed-button"
    HOT = "hot"
    SHIFT_OLD = "shift-old"
    UNSENT = "unsent"
    STORAGE = "storage"
    REGISTER_CLOCK = "register-clock"
    NOT_CONNECTED = "not-connected"
    POWER = "power"
    SETTINGS = "settings"
    DIRTY = "dirty"
    BROKEN = "broken"


# In this order: a jam "at the cassette" is a jam, a storage that is full no cassette.
_SIGNS: tuple[tuple[Cause, str], ...] = (
    # What only sounds like something else: a damaged memory of settings, a key that hangs, a coin acceptor's clock.
    (Cause.BROKEN, r"checksum|(keypad|button) is faulty|its clock is faulty|protection against strings is faulty"),
    (Cause.FEED_BUTTON, r"feed button"),
    (Cause.CUTTER, r"cutter"),
    (Cause.COVER_OPEN, r"cover is open|printer's cover|its door is open|note path is open"),
    (Cause.PAPER_OUT, r"paper is out|paper out|no paper|new roll|paper ran out|paper end"),
    (Cause.SHIFT_OLD, r"24 hours|shift must be closed"),
    (Cause.UNSENT, r"data operator|unsent for|transport connection"),
    (Cause.REGISTER_CLOCK, r"set the clock|confirm the date|date is to be confirmed|date or time|its clock is"),
    (Cause.STORAGE, r"storage"),
    (Cause.CHEATED, r"cheat|tamper|fraud|on.a.string|look for a string"),
    (Cause.CASSETTE_FULL, r"(cassette|stacker|cash ?box) is full|stacker full"),
    (Cause.CASSETTE_OUT, (
        r"(cassette|stacker|cash ?box) (is|was) (out|removed|taken|missing)|cash ?box (was )?removed|push it in until|"
        r"cassette was not as it must|cash box is not ready|head is off"
    )),
    (Cause.HOPPER_EMPTY, r"empty or jammed|hopper is empty|could not be dispensed"),
    (Cause.BROKEN, r"is blocked: restart it"),
    (Cause.JAM, r"jam|stuck|blocked|paper path|torn paper|see that (it|the return lever) is free"),
    (Cause.HOT, r"\bhot\b"),
    (Cause.POWER, r"supply|power is failing"),
    (Cause.SETTINGS, r"encrypt|\bPIN\b|cipher|login|password|currency table|knows no notes|settings"),
    (Cause.DIRTY, r"clean|sensor|faulty or dirty"),
    (Cause.BROKEN, r"needs service|have it serviced"),
    (Cause.NOT_CONNECTED, (
        r"does not answer|does not reach|no answer|nothing answers|power and cable|is missing|register's port|"
        r"not connected to|see to its cables"
    )),
)  # fmt: skip
_COMPILED = tuple((cause, re.compile(signs)) for cause, signs in _SIGNS)


def find_cause(words: str) -> Cause:
    """What a driver's sentence comes to."""
    for cause, signs in _COMPILED:
        if signs.search(words):
            return cause
    return Cause.BROKEN
