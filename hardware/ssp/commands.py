"""What the host may say, one declaration each. Those with `encrypted` a device takes only in encrypted packets."""

from collections.abc import Mapping
from dataclasses import dataclass

Fields = tuple[str, ...]
"""`name:kind` each; kinds: u8, u16, u32, u64 (low byte first), text3, hex (all that is left), text (likewise)."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `replied` names the data behind F0; "…" leaves it to `replies`."""

    code: int
    name: str
    words: str
    sent: Fields = ()
    replied: Fields = ()
    encrypted: bool = False

    def data(self, *arguments: int) -> bytes:
        """The command with these bytes behind it."""
        return bytes((self.code, *arguments))


_AMOUNT = ("amount:u32", "currency:text3", "option:u8")

RESET = Command(0x01, "RESET", "begin anew, as after power")
SET_INHIBITS = Command(0x02, "SET CHANNEL INHIBITS", "which channels are taken (1 = taken)", ("enabled:u16",))
DISPLAY_ON = Command(0x03, "DISPLAY ON", "light the bezel when enabled")
DISPLAY_OFF = Command(0x04, "DISPLAY OFF", "leave the bezel dark")
SETUP = Command(0x05, "SETUP REQUEST", "who it is and what it takes", (), ("…",))
PROTOCOL = Command(0x06, "HOST PROTOCOL VERSION", "the protocol the host speaks", ("version:u8",))
POLL = Command(0x07, "POLL", "what happened; each event is given once", (), ("…",))
REJECT = Command(0x08, "REJECT NOTE", "give the note in escrow back")
DISABLE = Command(0x09, "DISABLE", "take nothing")
ENABLE = Command(0x0A, "ENABLE", "take notes of the channels that are not inhibited")
SERIAL = Command(0x0C, "GET SERIAL NUMBER", "its number", (), ("…",))
UNIT_DATA = Command(0x0D, "UNIT DATA", "kind, firmware, country", (), ("…",))
CHANNEL_VALUES = Command(0x0E, "CHANNEL VALUE REQUEST", "what each channel is worth", (), ("…",))
CHANNEL_SECURITY = Command(0x0F, "CHANNEL SECURITY DATA", "how strictly each channel is looked at", (), ("…",))
RETEACH = Command(0x10, "CHANNEL RETEACH DATA", "of no use any more", (), ("data:hex",))
SYNC = Command(0x11, "SYNC", "begin the sequence anew: the next command has flag 0")
LAST_REJECT = Command(0x17, "LAST REJECT CODE", "why the last note was refused", (), ("reason:u8",))
HOLD = Command(0x18, "HOLD", "keep the note in escrow for another 10 s")
FIRMWARE = Command(0x20, "GET FIRMWARE VERSION", "its program", (), ("version:text",))
DATASET = Command(0x21, "GET DATASET VERSION", "its notes", (), ("version:text",))
ALL_LEVELS = Command(0x22, "GET ALL LEVELS", "what is stored of each value", (), ("…",))
PAYOUT = Command(0x33, "PAYOUT AMOUNT", "pay that much", _AMOUNT, (), True)
SET_LEVEL = Command(0x34, "SET DENOMINATION LEVEL", "how many are stored",
                    ("level:u16", "value:u32", "currency:text3"))  # fmt: skip
LEVEL = Command(0x35, "GET DENOMINATION LEVEL", "how many are stored", ("value:u32", "currency:text3"),
                ("level:u16",))  # fmt: skip
HALT = Command(0x38, "HALT PAYOUT", "stop paying", (), (), True)
SET_ROUTE = Command(0x3B, "SET DENOMINATION ROUTE", "0: store it for payout, 1: to the cashbox",
                    ("route:u8", "value:u32", "currency:text3"), (), True)  # fmt: skip
ROUTE = Command(0x3C, "GET DENOMINATION ROUTE", "where it goes", ("value:u32", "currency:text3"), ("route:u8",), True)
FLOAT = Command(0x3D, "FLOAT AMOUNT", "keep that much, the rest to the cashbox",
                ("minimum:u16", *_AMOUNT), (), True)  # fmt: skip
MINIMUM_PAYOUT = Command(0x3E, "GET MINIMUM PAYOUT", "the least it can pay", (), ("value:u32",))
EMPTY = Command(0x3F, "EMPTY ALL", "all to the cashbox, uncounted", (), (), True)
NOTE_POSITIONS = Command(0x41, "GET NOTE POSITIONS", "what lies in the note float", (), ("…",))
PAYOUT_NOTE = Command(0x42, "PAYOUT NOTE", "pay the last stored note")
STACK_NOTE = Command(0x43, "STACK NOTE", "move the last stored note to the cashbox")
REPORT_TYPE = Command(0x45, "SET VALUE REPORTING TYPE", "0: by value, 1: by channel", ("by_channel:u8",))
PAYOUT_BY = Command(0x46, "PAYOUT BY DENOMINATION", "pay these notes or coins", ("…",), (), True)
GENERATOR = Command(0x4A, "SET GENERATOR", "for the exchange of keys", ("generator:u64",))
MODULUS = Command(0x4B, "SET MODULUS", "for the exchange of keys", ("modulus:u64",))
KEY_EXCHANGE = Command(0x4C, "REQUEST KEY EXCHANGE", "the host's half of a key", ("key:u64",), ("key:u64",))
BAUD = Command(0x4D, "SET BAUD RATE", "0: 9600, 1: 38400, 2: 115200", ("rate:u8", "keep:u8"))
BUILD = Command(0x4F, "GET BUILD REVISION", "its build", (), ("…",))
HOPPER_OPTIONS = Command(0x50, "SET HOPPER OPTIONS", "of a coin hopper", ("options:u16",))
GET_HOPPER_OPTIONS = Command(0x51, "GET HOPPER OPTIONS", "of a coin hopper", (), ("options:u16",))
SMART_EMPTY = Command(0x52, "SMART EMPTY", "all to the cashbox, counted", (), (), True)
CASHBOX_DATA = Command(0x53, "CASHBOX PAYOUT OPERATION DATA", "what went to the cashbox", (), ("…",))
BEZEL = Command(0x54, "CONFIGURE BEZEL", "its colour", ("red:u8", "green:u8", "blue:u8", "keep:u8"))
POLL_ACK = Command(0x56, "POLL WITH ACK", "what happened; money is told until EVENT ACK", (), ("…",))
EVENT_ACK = Command(0x57, "EVENT ACK", "what was told is written down")
COUNTERS = Command(0x58, "GET COUNTERS", "notes stacked, stored, dispensed, rejected", (), ("…",))
RESET_COUNTERS = Command(0x59, "RESET COUNTERS", "count anew")
DISABLE_PAYOUT = Command(0x5B, "DISABLE PAYOUT DEVICE", "pay nothing, store nothing")
ENABLE_PAYOUT = Command(0x5C, "ENABLE PAYOUT DEVICE", "store and pay", ("options:u8",))
FIXED_KEY = Command(0x60, "SET FIXED ENCRYPTION KEY", "another fixed half of the key", ("key:u64",))
RESET_FIXED_KEY = Command(0x61, "RESET FIXED ENCRYPTION KEY", "the fixed half it was made with")

COMMANDS: Mapping[int, Command] = {
    command.code: command for command in list(globals().values()) if isinstance(command, Command)
}

POLLS = frozenset((POLL.code, POLL_ACK.code))
SILENT = frozenset(
    (SET_INHIBITS.code, PROTOCOL.code, REJECT.code, DISABLE.code, ENABLE.code, SYNC.code, HOLD.code, EVENT_ACK.code)
)
"""Those we send that are answered by a generic answer and nothing more."""
