"""Codes of SSP in words: the generic answers, why a note was refused, what kinds of device there are."""

from enum import IntEnum


class Generic(IntEnum):
    """The first byte of every answer."""

    OK = 0xF0
    UNKNOWN_COMMAND = 0xF2
    WRONG_PARAMETERS = 0xF3
    OUT_OF_RANGE = 0xF4
    CANNOT_PROCESS = 0xF5  # with a reason
    SOFTWARE_ERROR = 0xF6
    FAIL = 0xF8
    KEY_NOT_SET = 0xFA


GENERIC_NAMES: dict[int, str] = {
    Generic.OK: "OK",
    Generic.UNKNOWN_COMMAND: "UNKNOWN COMMAND",
    Generic.WRONG_PARAMETERS: "WRONG PARAMETER COUNT",
    Generic.OUT_OF_RANGE: "OUT OF RANGE",
    Generic.CANNOT_PROCESS: "CANNOT BE PROCESSED",
    Generic.SOFTWARE_ERROR: "SOFTWARE ERROR",
    Generic.FAIL: "FAIL",
    Generic.KEY_NOT_SET: "KEY NOT SET",
}

GENERIC_WORDS: dict[int, str] = {
    Generic.OK: "understood and done",
    Generic.UNKNOWN_COMMAND: "the device does not know this command",
    Generic.WRONG_PARAMETERS: "the command has too many or too few bytes",
    Generic.OUT_OF_RANGE: "a value is out of range",
    Generic.CANNOT_PROCESS: "it cannot be done now",
    Generic.SOFTWARE_ERROR: "the device's program failed: switch it off and on",
    Generic.FAIL: "refused",
    Generic.KEY_NOT_SET: "the device takes only encrypted commands",
}

ENCRYPTED_ONLY = (
    "the validator takes only encrypted commands, which this driver does not speak: "
    "switch encryption off with ITL's Validator Manager"
)

PAYOUT_REASONS: dict[int, str] = {
    1: "not enough value in the device",
    2: "the exact amount cannot be paid",
    3: "busy",
    4: "disabled",
}
"""Behind F5, in answer to payout commands. Not certain: sources differ by one."""

REJECTS: dict[int, str] = {
    0x00: "it was accepted",
    0x01: "it is too long",
    0x02: "it was not recognised",
    0x03: "it was not recognised",
    0x04: "it was not recognised",
    0x05: "it was not recognised",
    0x06: "notes of this value are refused by the device's own settings",
    0x07: "a second note was put in too soon",
    0x08: "the host gave it back",
    0x09: "it looks like two different notes",
    0x0A: "the rear sensor saw something else than it should",
    0x0B: "it is too long",
    0x0C: "notes of this value are not taken now",
    0x0D: "the mechanism moves too slowly: clean it",
    0x0E: "somebody tried to pull it back",
    0x0F: "a fraud channel (no longer used)",
    0x10: "no note came",
    0x11: "it was not recognised",
    0x12: "it was put in askew",
    0x13: "nobody decided on it in time",
    0x14: "its bar code could not be read",
    0x15: "it did not reach the sensors",
    0x16: "it was not recognised",
    0x17: "it was not recognised",
    0x18: "it moved too fast",
    0x19: "its width is wrong",
    0x1A: "it is too short",
    0x1B: "it was paid out",
    0x1C: "two notes were put in together",
    0x1D: "it could not be stacked",
}

UNITS: dict[int, str] = {
    0: "note validator",
    3: "Smart Hopper",
    6: "note validator with Smart Payout",
    7: "note validator with note float",
    8: "add-on printer",
    11: "printer",
    13: "TEBS",
    14: "TEBS with Smart Payout",
    15: "TEBS with Smart Ticket",
}
VALIDATORS = frozenset((0, 6, 7, 13, 14, 15))

SECURITY: dict[int, str] = {0: "not used", 1: "low", 2: "standard", 3: "high", 4: "inhibited"}


def generic(data: bytes) -> str:
    """A generic answer for a person."""
    if not data:
        return "nothing"
    said = GENERIC_WORDS.get(data[0], f"answers {data[0]:02X}, which is not known here")
    if data[0] == Generic.CANNOT_PROCESS and len(data) > 1:
        said += f" (reason {data[1]:02X})"
    return said
