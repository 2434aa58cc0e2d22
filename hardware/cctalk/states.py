"""Faults, events and flags of the three kinds of device, with words for the operator.

Source: Part 2 v4.6, tables 2 (coin events), 3 (faults) and 7 (bill events), and the hopper's test flags.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum


class Category(StrEnum):
    """What a device calls itself (245)."""

    COIN_ACCEPTOR = "Coin Acceptor"
    HOPPER = "Payout"
    BILL_VALIDATOR = "Bill Validator"
    CHANGER = "Changer"


DEFAULT_ADDRESSES: Mapping[int, str] = {
    2: "Coin Acceptor",
    **dict.fromkeys(range(11, 18), "Coin Acceptor"),
    **dict.fromkeys(range(3, 11), "Payout"),
    **dict.fromkeys(range(30, 35), "Reel"),
    **dict.fromkeys(range(40, 48), "Bill Validator"),
    50: "Card Reader",
    55: "Changer",
    60: "Display",
    70: "Keypad",
    80: "Dongle",
    **dict.fromkeys(range(85, 90), "Dongle"),
    90: "Meter",
    99: "Bootloader",
    100: "Power",
    110: "Printer",
    120: "RNG",
    130: "Hopper Scale",
    140: "Coin Feeder",
    150: "Bill Recycler",
    160: "Escrow",
    240: "Debug",
}
"""Where each category stands when it leaves the factory."""


def usual_category(address: int) -> str:
    """What usually has this address, or "device"."""
    return DEFAULT_ADDRESSES.get(address, "device")


FAULTS: Mapping[int, str] = {
    0: "no fault",
    1: "its settings memory is damaged (EEPROM checksum): have it serviced",
    2: "an inductive coil is faulty: clean the coin path, then have it serviced",
    3: "the credit sensor is faulty or blocked: clean the coin path",
    4: "the piezo sensor is faulty: have it serviced",
    5: "the reflective sensor is faulty: clean it",
    6: "the diameter sensor is faulty: clean it",
    7: "the wake-up sensor is faulty: clean the coin entry",
    8: "a sorter exit sensor is faulty or blocked: clean the sorter",
    9: "its counters' memory is damaged (NVRAM checksum): have it serviced",
    10: "coins could not be dispensed: look into the payout",
    11: "a low-level sensor is faulty: clean it",
    12: "a high-level sensor is faulty: clean it",
    13: "coins were counted wrongly: have it serviced",
    14: "the keypad is faulty: a key may be stuck",
    15: "a button is faulty: it may be stuck",
    16: "the display is faulty",
    17: "its audit memory is faulty: have it serviced",
    18: "the reject sensor is faulty or blocked: clean the reject path",
    19: "the coin return mechanism is faulty: see that the return lever is free",
    20: "the coin-on-string detector is faulty or tripped: look for a string in the coin path",
    21: "the rim sensor is faulty: clean it",
    22: "the temperature sensor is faulty: have it serviced",
    23: "the payout motor is faulty: have it serviced",
    24: "the payout took too long: the hopper may be empty or jammed",
    25: "the payout is jammed: free it",
    26: "a payout sensor is faulty or blocked: clean the exit",
    27: "a level sensor is faulty: clean it",
    28: "the personality module is missing: fit it",
    29: "the personality module's checksum is wrong: replace it",
    30: "its program is damaged (ROM checksum): have it serviced",
    31: "a part behind it is missing: see to its cables",
    32: "it cannot speak to a part behind it: see to its cables",
    33: "the supply voltage is out of limits: see to the power supply",
    34: "the temperature is out of limits: let it cool down or warm up",
    35: "the coin entry (DCE) is faulty: see that it is free",
    36: "a bill sensor is faulty: clean the bill path",
    37: "the bill transport motor is faulty: have it serviced",
    38: "the stacker is faulty: see to the cassette",
    39: "a bill is jammed: take it out",
    40: "its memory is faulty (RAM test): have it serviced",
    41: "the string sensor is faulty or tripped: look for a string",
    42: "the accept gate stays open: see that it is free",
    43: "the accept gate stays closed: see that it is free",
    44: "the stacker is missing: put the cassette in",
    45: "the stacker is full: empty the cassette",
    46: "its program memory cannot be erased: have it serviced",
    47: "its program memory cannot be written: have it serviced",
    48: "a part behind it does not answer: see to its cables",
    49: "an optical sensor is faulty or dirty: clean it",
    50: "its battery is faulty: have it replaced",
    51: "its door is open: close it",
    52: "a microswitch is faulty: have it serviced",
    53: "its clock is faulty: have it serviced",
    54: "its program is faulty: have it serviced",
    55: "it could not be started: switch it off and on",
    56: "the supply current is out of limits: see to the power supply",
    57: "it waits for a program (bootloader): have it serviced",
    255: "a fault that the maker does not name: have it serviced",
}
"""What the self check (232) found. Some carry a second byte: the number of the coil, sensor or hopper."""


def fault_words(code: int, extra: int | None = None) -> str:
    """A fault as a sentence."""
    words = FAULTS.get(code, f"fault {code}, which the specification does not name: see the maker's manual")
    return words if extra is None else f"{words} (no. {extra})"


class CoinError(IntEnum):
    """The second byte of a coin event whose first is 0. None of them is money."""

    NONE = 0
    REJECTED = 1
    INHIBITED = 2
    MULTIPLE_WINDOW = 3
    WAKE_UP_TIMEOUT = 4
    VALIDATION_TIMEOUT = 5
    CREDIT_SENSOR_TIMEOUT = 6
    SORTER_TIMEOUT = 7
    SECOND_CLOSE_COIN = 8
    GATE_NOT_READY = 9
    CREDIT_SENSOR_NOT_READY = 10
    SORTER_NOT_READY = 11
    REJECT_NOT_CLEARED = 12
    VALIDATION_SENSOR_NOT_READY = 13
    CREDIT_SENSOR_BLOCKED = 14
    SORTER_BLOCKED = 15
    CREDIT_SEQUENCE = 16
    GOING_BACKWARDS = 17
    TOO_FAST = 18
    TOO_SLOW = 19
    ON_STRING = 20
    DCE_TIMEOUT = 21
    DCE_NOT_SEEN = 22
    CREDIT_SENSOR_TOO_EARLY = 23
    REPEATED_REJECT = 24
    SLUG = 25
    REJECT_SENSOR_BLOCKED = 26
    GAMES_OVERLOAD = 27
    METER_PULSES = 28
    GATE_STUCK_OPEN = 29
    GATE_STUCK_CLOSED = 30
    MANIFOLD_TIMEOUT = 31
    MANIFOLD_BLOCKED = 32
    MANIFOLD_NOT_READY = 33
    SECURITY_CHANGED = 34
    MOTOR = 35
    SWALLOWED = 36
    TOO_FAST_VALIDATION = 37
    TOO_SLOW_VALIDATION = 38
    WRONGLY_SORTED = 39
    LIGHT_ATTACK = 40
    INHIBITED_TYPE_FIRST = 128
    INHIBITED_TYPE_LAST = 159
    DATA_BLOCK = 253
    RETURN_PRESSED = 254
    UNSPECIFIED = 255


COIN_ERRORS: Mapping[int, str] = {
    0: "nothing (a filler that some devices send)",
    1: "the coin was not recognised and went back",
    2: "a coin that is not taken now went back",
    3: "the coin fits two kinds and went back",
    4: "a coin entered and was not seen again: look for one stuck at the entry",
    5: "a coin was not measured in time: look for one stuck in the path",
    6: "an accepted coin never reached the credit sensor: look for one stuck behind the gate",
    7: "a coin never left the sorter: look into the sorter",
    8: "a second coin came too soon behind the first; one or both went back",
    9: "a coin came while the gate was not ready and went back",
    10: "a coin came while the credit sensor was not ready and went back",
    11: "a coin came while the sorter was not ready and went back",
    12: "a coin came before the last rejected one was out and went back",
    13: "a coin came while the validation sensor was not ready and went back",
    14: "the credit sensor is blocked: clean the coin path",
    15: "the sorter's sensor is blocked: clean the sorter",
    16: "the sensors were passed in the wrong order: somebody may be cheating",
    17: "a coin went backwards past the sensors: somebody may be cheating",
    18: "a coin passed the credit sensor too fast: somebody may be cheating",
    19: "a coin passed the credit sensor too slowly: somebody may be cheating, or the path is dirty",
    20: "a coin on a string: somebody is cheating",
    21: "a coin stayed in the entry: look for one stuck there",
    22: "a coin was not seen in the entry's sensor and went back",
    23: "the credit sensor was reached too early: somebody may be cheating",
    24: "the same rejected coin came again and again",
    25: "a slug was rejected",
    26: "the reject sensor is blocked: clean the reject path",
    27: "more coins came than the game takes",
    28: "more meter pulses than allowed: have it serviced",
    29: "the accept gate did not close: see that it is free",
    30: "the accept gate did not open: see that it is free",
    31: "a coin never left the manifold: look into it",
    32: "the manifold is blocked: clean it",
    33: "a coin came while the manifold was not ready and went back",
    34: "the security setting was changed by the device itself after attempts at cheating",
    35: "its motor misbehaves: have it serviced",
    36: "a coin was swallowed without credit: a dispute, look for it inside",
    37: "a coin passed the validation sensor too fast and went back",
    38: "a coin passed the validation sensor too slowly and went back",
    39: "a coin was sorted to the wrong place; the count of that hopper or box may be off",
    40: "somebody shines light into it: somebody is cheating",
    253: "the device has a block of data to be read",
    254: "the coin return was pressed",
    255: "an alarm that the maker does not name",
}
INHIBITED_CODES = frozenset({2, *range(128, 160)})


def coin_error_words(code: int) -> str:
    """A coin event that is not a credit, as a sentence."""
    if CoinError.INHIBITED_TYPE_FIRST <= code <= CoinError.INHIBITED_TYPE_LAST:
        return f"a coin of type {code - 127}, which is not taken now, went back"
    return COIN_ERRORS.get(code, f"coin event {code}, which the specification does not name: see the maker's manual")


COIN_STATUS: Mapping[int, str] = {0: "well", 1: "the coin return is pressed", 2: "a coin on a string was detected"}


class BillEvent(IntEnum):
    """The second byte of a bill event whose first is 0."""

    MASTER_INHIBIT = 0
    RETURNED = 1
    INVALID = 2
    TRANSPORT_PROBLEM = 3
    INHIBITED = 4
    INHIBITED_BY_SWITCH = 5
    JAM_UNSAFE = 6
    JAM_IN_STACKER = 7
    PULLED_BACK = 8
    TAMPERED = 9
    STACKER_OK = 10
    STACKER_REMOVED = 11
    STACKER_INSERTED = 12
    STACKER_FAULTY = 13
    STACKER_FULL = 14
    STACKER_JAMMED = 15
    JAM_SAFE = 16
    OPTO_FRAUD = 17
    STRING_FRAUD = 18
    ANTI_STRING_FAULTY = 19
    BARCODE = 20
    UNKNOWN_STACKED = 21


BILL_EVENTS: Mapping[int, str] = {
    0: "the validator takes nothing now",
    1: "the bill in escrow went back",
    2: "the bill was not recognised and went back",
    3: "the bill could not be drawn in and went back",
    4: "a bill that is not taken now went back",
    5: "a bill that is switched off at the validator (DIP switch) went back",
    6: "a bill is jammed where it can still be pulled out: take it out",
    7: "a bill is jammed in the stacker: open the cassette and free it",
    8: "a bill was pulled backwards: somebody may be cheating",
    9: "the validator was tampered with",
    10: "the stacker is well",
    11: "the stacker was removed",
    12: "the stacker was put in",
    13: "the stacker is faulty: have it serviced",
    14: "the stacker is full: empty the cassette",
    15: "the stacker is jammed: open the cassette and free it",
    16: "a bill is jammed where nobody can pull it out: open the validator and free it",
    17: "a sensor was cheated",
    18: "a bill on a string: somebody is cheating",
    19: "the protection against strings is faulty: have it serviced",
    20: "a barcode was read",
    21: "a bill of unknown kind was stacked: a dispute, look into the cassette",
}


def bill_event_words(code: int) -> str:
    """A bill event that is not a credit, as a sentence."""
    return BILL_EVENTS.get(code, f"bill event {code}, which the specification does not name: see the maker's manual")


HOPPER_FLAGS: tuple[tuple[str, ...], ...] = (
    (
        "the motor drew too much current: coins are jammed",
        "a payout took too long: the hopper is empty or jammed",
        "the motor was reversed to free a jam",
        "the exit is blocked while nothing is paid: free it",
        "light at the exit sensor while nothing is paid: somebody may be cheating",
        "the exit sensor was blocked during a payout: free it",
        "power came since the last reset",
        "payout is disabled",
    ),
    (
        "light at the exit sensor during a payout: somebody may be cheating",
        "it pays single coins",
        "another hopper should be used",
        "the finger mechanism does not agree: have it serviced",
        "the motor was reversed too often: coins are jammed",
        "the motor's coil is faulty: have it serviced",
        "its counters' memory is damaged: what was paid and not paid may be wrong",
        "it wants a PIN",
    ),
    (
        "power was lost during a payout; what was paid and not paid is known",
        "an unknown coin was paid",
        "the PIN was wrong",
        "the cipher key was wrong",
        "it wants encrypted commands",
    ),
)
"""What the hopper's test (163) answers, by byte and bit."""


class HopperFlag(IntEnum):
    """Flags that decide something, as bits of the three bytes, the first lowest."""

    OVER_CURRENT = 1 << 0
    PAYOUT_TIMEOUT = 1 << 1
    PATH_BLOCKED = 1 << 3
    OPTO_BLOCKED = 1 << 5
    POWER_UP = 1 << 6
    DISABLED = 1 << 7
    COIL = 1 << 13
    COUNTERS_DOUBTFUL = 1 << 14
    PIN = 1 << 15
    POWER_LOST = 1 << 16
    ENCRYPTED = 1 << 20


HARMLESS_FLAGS = 1 << 2 | 1 << 6 | 1 << 7 | 1 << 9 | 1 << 16
"""Motor reversed, power came, disabled, single-coin mode, power lost in a payout: nothing that hinders the next one."""


def hopper_words(flags: int, *, but: int = 0) -> str:
    """Those flags that are up, as a sentence; empty for none."""
    flags &= ~but
    return "; ".join(
        words
        for byte, bits in enumerate(HOPPER_FLAGS)
        for bit, words in enumerate(bits)
        if flags >> (byte * 8 + bit) & 1
    )
