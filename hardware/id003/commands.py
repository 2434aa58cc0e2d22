"""What the host may say, one declaration each: numbers, data, and how the device answers."""

from dataclasses import dataclass
from enum import StrEnum

from hardware.id003.frames import Frame


class Answer(StrEnum):
    """How the device answers a command."""

    STATUS = "status"  # with its status
    ACK = "ack"  # with 50; 4B when it cannot be done now
    ECHO = "echo"  # with the same frame, once it is set
    DATA = "data"  # with the same code and what was asked for
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    `sent` and `answered` name the data, byte by byte, or with `name:text`, `name:mask`, `name:hex` or `name:table` for
    all that is left.
    """

    code: int
    name: str
    words: str
    answer: Answer
    sent: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()

    def frame(self, *data: int) -> Frame:
        """The command with these bytes of data."""
        return Frame(self.code, bytes(data))


STATUS = Command(0x11, "STATUS REQUEST", "asks how the validator stands", Answer.STATUS)
RESET = Command(0x40, "RESET", "begins anew: it moves what is in its path and wants to be set up", Answer.ACK)
STACK_1 = Command(0x41, "STACK-1", "keep the note; VEND VALID once it is past the gate", Answer.ACK)
STACK_2 = Command(0x42, "STACK-2", "keep the note; VEND VALID once it lies in the stacker", Answer.ACK)
RETURN = Command(0x43, "RETURN", "give the note in escrow back", Answer.ACK)
HOLD = Command(0x44, "HOLD", "keep the note in escrow longer", Answer.ACK, ("data:hex",))
WAIT = Command(0x45, "WAIT", "the host needs time", Answer.ACK)
ACK = Command(0x50, "ACK", "the host has written the note down", Answer.NOTHING)

SET_DENOMINATIONS = Command(0xC0, "SET ENABLE/DISABLE", "which notes are refused (1 = refused)", Answer.ECHO,
                            ("disabled_mask:mask",), ("disabled_mask:mask",))  # fmt: skip
SET_SECURITY = Command(0xC1, "SET SECURITY", "which notes are looked at more strictly", Answer.ECHO,
                       ("security_mask:mask",), ("security_mask:mask",))  # fmt: skip
SET_COMMUNICATION = Command(0xC2, "SET COMMUNICATION MODE", "0: it is polled, 1: it sends ENQ by itself", Answer.ECHO,
                            ("data",), ("data",))  # fmt: skip
SET_INHIBIT = Command(0xC3, "SET INHIBIT", "1: take nothing, 0: take notes", Answer.ECHO, ("data",), ("data",))
SET_DIRECTION = Command(0xC4, "SET DIRECTION", "which ways of inserting a note are refused", Answer.ECHO,
                        ("data",), ("data",))  # fmt: skip
SET_OPTIONS = Command(0xC5, "SET OPTIONAL FUNCTION", "power recovery and other options", Answer.ECHO,
                      ("data:hex",), ("data:hex",))  # fmt: skip
SET_BARCODE = Command(0xC6, "SET BARCODE FUNCTION", "kind and length of bar codes", Answer.ECHO,
                      ("data:hex",), ("data:hex",))  # fmt: skip
SET_BARCODE_INHIBIT = Command(0xC7, "SET BARCODE INHIBIT", "whether tickets are taken", Answer.ECHO,
                              ("data:hex",), ("data:hex",))  # fmt: skip

GET_DENOMINATIONS = Command(0x80, "GET ENABLE/DISABLE", "as set by C0", Answer.DATA, (), ("disabled_mask:mask",))
GET_SECURITY = Command(0x81, "GET SECURITY", "as set by C1", Answer.DATA, (), ("security_mask:mask",))
GET_COMMUNICATION = Command(0x82, "GET COMMUNICATION MODE", "as set by C2", Answer.DATA, (), ("data",))
GET_INHIBIT = Command(0x83, "GET INHIBIT", "as set by C3", Answer.DATA, (), ("data",))
GET_DIRECTION = Command(0x84, "GET DIRECTION", "as set by C4", Answer.DATA, (), ("data",))
GET_OPTIONS = Command(0x85, "GET OPTIONAL FUNCTION", "as set by C5", Answer.DATA, (), ("data:hex",))
GET_VERSION = Command(0x88, "VERSION REQUEST", "model and program", Answer.DATA, (), ("version:text",))
GET_BOOT_VERSION = Command(0x89, "BOOT VERSION REQUEST", "version of the boot program", Answer.DATA, (),
                           ("version:text",))  # fmt: skip
GET_CURRENCY = Command(0x8A, "CURRENCY ASSIGN REQUEST", "what each denomination code is worth", Answer.DATA, (),
                       ("denominations:table",))  # fmt: skip
EXTENSION = Command(0xF0, "EXTENSION", "the recycler's commands (F0 20 …), whose meaning is not confirmed",
                    Answer.DATA, ("data:hex",), ("data:hex",))  # fmt: skip

COMMANDS = {
    command.code: command
    for command in (
        STATUS, RESET, STACK_1, STACK_2, RETURN, HOLD, WAIT, ACK,
        SET_DENOMINATIONS, SET_SECURITY, SET_COMMUNICATION, SET_INHIBIT, SET_DIRECTION, SET_OPTIONS, SET_BARCODE,
        SET_BARCODE_INHIBIT,
        GET_DENOMINATIONS, GET_SECURITY, GET_COMMUNICATION, GET_INHIBIT, GET_DIRECTION, GET_OPTIONS, GET_VERSION,
        GET_BOOT_VERSION, GET_CURRENCY, EXTENSION,
    )
}  # fmt: skip

SET_UP = (SET_DENOMINATIONS, SET_SECURITY, SET_INHIBIT, SET_DIRECTION, SET_OPTIONS, SET_COMMUNICATION)
"""What a validator in INITIALIZE waits for: all of them, in any order."""
