"""Every header: what it is called, what stands in the question and in the answer.

Source: Part 2 v4.6. `asks` and `answers` are fields in the order of the line; None where the contents are the maker's
own and only shown as bytes. An answer without data is an ACK. The names are the specification's, in lower case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hardware.cctalk import states
from hardware.cctalk.fields import Bytes, Field, Flags, Listed, Mask, Text, Version
from hardware.cctalk.frames import BUSY, NAK, REPLY

EVENTS_BYTES = 11  # a counter and five events of two bytes


@dataclass(frozen=True, slots=True)
class Command:
    """One header, and all that is known of it."""

    header: int
    name: str
    words: str
    asks: Sequence[Field] = ()
    answers: Sequence[Field] | None = ()
    money: bool = False  # doing it twice is not doing it once


class Events(Listed):
    """Counter and buffer of 229 or 159; told apart by `explain`, which knows what their numbers mean."""


_TEXT = (Text("text", 0),)
_COUNT = (Field("count", 3),)
_RAW = (Bytes("data", 0),)
_ANY = (Bytes("data", 0, optional=True),)
_COIN = (Field("coin"),)
_BILL = (Field("bill"),)
_FLAG = {0: "off", 1: "on"}

_DECLARED = (
    Command(255, "factory set-up and test", "for the factory alone", _ANY, None),
    Command(254, "simple poll", "is anybody there?"),
    Command(253, "address poll", "all devices say their address, 4 ms times the address later", (), None),
    Command(252, "address clash", "all devices of one address say it, at a random time", (), None),
    Command(251, "address change", "the device gets another address", (Field("address"),)),
    Command(250, "address random", "the device chooses another address"),
    Command(
        249,
        "request polling priority",
        "how often does it want to be asked?",
        (),
        (
            Field(
                "unit",
                words={
                    0: "special: 255 means a request line of its own, 0 see its manual",
                    1: "1 ms",
                    2: "10 ms",
                    3: "seconds",
                    4: "minutes",
                    5: "hours",
                    6: "days",
                    7: "weeks",
                    8: "months",
                    9: "years",
                },
            ),
            Field("value"),
        ),
    ),
    Command(248, "request status", "how is the coin mechanism?", (), (Field("status", words=states.COIN_STATUS),)),
    Command(247, "request variable set", "the maker's variables", (), _RAW),
    Command(246, "request manufacturer id", "who made it?", (), _TEXT),
    Command(245, "request equipment category id", "what is it?", (), _TEXT),
    Command(244, "request product code", "which model is it?", (), _TEXT),
    Command(243, "request database version", "which table of calibrations?", (), (Field("version"),)),
    Command(242, "request serial number", "which one is it?", (), (Field("serial", 3),)),
    Command(241, "request software revision", "which firmware?", (), _TEXT),
    Command(240, "test solenoids", "move them, for service", (Field("solenoids"),)),
    Command(239, "operate motors", "run them, for service", (Field("motors"),)),
    Command(238, "test output lines", "pulse them, for service", (Field("lines"),)),
    Command(237, "read input lines", "how are they?", (), _RAW),
    Command(236, "read opto states", "which sensors are blocked?", (), _RAW),
    Command(235, "read last credit or error code", "the last event alone; outdated", (), _RAW),
    Command(234, "issue guard code", "outdated", _ANY, None),
    Command(233, "latch output lines", "set them", (Field("lines"),)),
    Command(
        232,
        "perform self-check",
        "is it well?",
        (),
        (Field("fault", words=states.FAULTS), Field("extra", optional=True)),
    ),
    Command(231, "modify inhibit status", "which coins or notes may it take?", (Mask("mask", 0),)),
    Command(230, "request inhibit status", "which coins or notes does it take?", (), (Mask("mask", 0),)),
    Command(
        229, "read buffered credit or error codes", "what happened to coins?", (), (Events("events", EVENTS_BYTES),)
    ),
    Command(
        228,
        "modify master inhibit status",
        "may it take anything at all?",
        (Field("status", words={0: "takes nothing", 1: "takes what the mask allows"}),),
    ),
    Command(
        227,
        "request master inhibit status",
        "does it take anything at all?",
        (),
        (Field("status", words={0: "takes nothing", 1: "takes what the mask allows"}),),
    ),
    Command(226, "request insertion counter", "how many were put in, ever?", (), _COUNT),
    Command(225, "request accept counter", "how many were taken, ever?", (), _COUNT),
    Command(224, "dispense coins", "outdated", _ANY, None, money=True),
    Command(223, "dispense change", "outdated", _ANY, None, money=True),
    Command(
        222, "modify sorter override status", "which paths go to the default one?", (Mask("mask", 1, of="normal"),)
    ),
    Command(221, "request sorter override status", "which paths do?", (), (Mask("mask", 1, of="normal"),)),
    Command(220, "one-shot credit", "outdated", _ANY, None),
    Command(219, "enter new PIN number", "set the PIN", (Listed("pin", 4),)),
    Command(218, "enter PIN number", "unlock with the PIN", (Listed("pin", 4),)),
    Command(
        217,
        "request payout high / low status",
        "is the hopper full or low?",
        (Field("hopper", optional=True),),
        (
            Flags(
                "level",
                bits=(
                    "below the low level",
                    "above the high level",
                    "bit 2",
                    "bit 3",
                    "the low sensor is there",
                    "the high sensor is there",
                ),
            ),
        ),
    ),
    Command(
        216,
        "request data storage availability",
        "what can be kept in it?",
        (),
        (
            Field("memory"),
            Field("read_blocks"),
            Field("read_bytes"),
            Field("write_blocks"),
            Field("write_bytes"),
        ),
    ),
    Command(215, "read data block", "what is kept there?", (Field("block"),), _RAW),
    Command(214, "write data block", "keep this there", (Field("block"), Bytes("data", 0))),
    Command(213, "request option flags", "which options are set?", (), (Flags("options"),)),
    Command(212, "request coin position", "at which numbers is this coin?", _COIN, (Mask("mask", 2, of="positions"),)),
    Command(211, "power management control", "sleep or wake", (Field("option"),)),
    Command(
        210,
        "modify sorter paths",
        "where does this coin go?",
        (Field("coin"), Field("path"), Listed("more_paths", 0, optional=True)),
    ),
    Command(
        209,
        "request sorter paths",
        "where does this coin go?",
        _COIN,
        (Field("path"), Listed("more_paths", 0, optional=True)),
    ),
    Command(208, "modify payout absolute count", "set a count", (Field("hopper", optional=True), Field("count", 2))),
    Command(207, "request payout absolute count", "read it", (Field("hopper", optional=True),), (Field("count", 2),)),
    Command(206, "empty payout", "pay all that is in it", (Field("hopper", optional=True),), (), money=True),
    Command(205, "request audit information block", "the maker's audit", _ANY, None),
    Command(204, "meter control", "read or set a meter", _RAW, None),
    Command(203, "display control", "show something", _RAW, None),
    Command(202, "teach mode control", "learn a coin", (Field("position"), Field("orientation", optional=True))),
    Command(201, "request teach status", "is it learnt?", (Field("mode"),), (Field("coins"), Field("status"))),
    Command(200, "upload coin data", "the maker's own", _ANY, None),
    Command(199, "configuration to EEPROM", "keep the configuration"),
    Command(198, "counters to EEPROM", "keep the counters"),
    Command(197, "calculate ROM checksum", "is its program whole?", (), (Bytes("checksum", 4),)),
    Command(196, "request creation date", "when was it made?", (), (Field("date", 2),)),
    Command(195, "request last modification date", "when was it changed?", (), (Field("date", 2),)),
    Command(194, "request reject counter", "how many went back, ever?", (), _COUNT),
    Command(193, "request fraud counter", "how many tricks, ever?", (), _COUNT),
    Command(192, "request build code", "which build?", (), _TEXT),
    Command(191, "keypad control", "read keys", _ANY, None),
    Command(190, "request payout status", "outdated", (), _RAW),
    Command(189, "modify default sorter path", "where do others go?", (Field("path"),)),
    Command(188, "request default sorter path", "where do others go?", (), (Field("path"),)),
    Command(187, "modify payout capacity", "how many fit?", (Field("hopper", optional=True), Field("count", 2))),
    Command(186, "request payout capacity", "how many fit?", (Field("hopper", optional=True),), (Field("count", 2),)),
    Command(185, "modify coin id", "name a coin", (Field("coin"), Text("text", 6))),
    Command(184, "request coin id", "what coin is it?", _COIN, (Text("text", 6),)),
    Command(183, "upload window data", "the maker's own", _ANY, None),
    Command(182, "download calibration info", "the maker's own", _ANY, None),
    Command(181, "modify security setting", "how strict with a coin?", (Field("coin"), Field("security"))),
    Command(180, "request security setting", "how strict with a coin?", _COIN, (Field("security"),)),
    Command(179, "modify bank select", "which table?", (Field("bank"),)),
    Command(178, "request bank select", "which table?", (), (Field("bank"),)),
    Command(177, "handheld function", "the maker's own", _ANY, None),
    Command(176, "request alarm counter", "how many alarms?", (), (Field("count"),)),
    Command(175, "modify payout float", "how many stay in?", (Field("hopper", optional=True), Field("count", 2))),
    Command(174, "request payout float", "how many stay in?", (Field("hopper", optional=True),), (Field("count", 2),)),
    Command(173, "request thermistor reading", "how warm is it?", (), _RAW),
    Command(172, "emergency stop", "stop paying, now", (), (Field("unpaid"),)),
    Command(171, "request hopper coin", "which coin is in it?", (), (Text("text", 6),)),
    Command(170, "request base year", "from which year are its dates?", (), _TEXT),
    Command(
        169,
        "request address mode",
        "how is its address set?",
        (),
        (
            Flags(
                "mode",
                bits=(
                    "kept in ROM",
                    "kept in RAM",
                    "kept in EEPROM",
                    "chosen by the connector",
                    "chosen by switches or jumpers",
                    "may be changed by commands, lost with power",
                    "may be changed by commands, kept without power",
                    "bit 7",
                ),
            ),
        ),
    ),
    Command(168, "request hopper dispense count", "how many were paid, ever?", (), _COUNT),
    Command(167, "dispense hopper coins", "pay coins", _RAW, (Field("counter", optional=True),), money=True),
    Command(
        166,
        "request hopper status",
        "how far is the payout?",
        (),
        (Field("counter"), Field("remaining"), Field("paid"), Field("unpaid")),
    ),
    Command(165, "modify variable set", "the maker's variables", _RAW),
    Command(
        164, "enable hopper", "165 allows payouts, all else forbids them", (Field("code", words={165: "enabled"}),)
    ),
    Command(
        163,
        "test hopper",
        "is the hopper well?",
        (),
        (
            Flags("flags1", bits=states.HOPPER_FLAGS[0]),
            Flags("flags2", bits=states.HOPPER_FLAGS[1], optional=True),
            Flags("flags3", bits=states.HOPPER_FLAGS[2], optional=True),
        ),
    ),
    Command(
        162,
        "modify inhibit and override registers",
        "both masks at once",
        (Mask("mask", 2), Mask("override", 0, of="overridden")),
    ),
    Command(161, "pump RNG", "random numbers for the hopper's cipher", (Bytes("random", 8),)),
    Command(160, "request cipher key", "the hopper's cipher key", (), (Bytes("key", 8),)),
    Command(159, "read buffered bill events", "what happened to notes?", (), (Events("events", EVENTS_BYTES),)),
    Command(158, "modify bill id", "name a note", (Field("bill"), Text("text", 7))),
    Command(157, "request bill id", "what note is it?", _BILL, (Text("text", 7),)),
    Command(
        156,
        "request country scaling factor",
        "by what are the values of this country's notes multiplied?",
        (Text("country", 2),),
        (Field("scale", 2), Field("decimals")),
    ),
    Command(
        155,
        "request bill position",
        "at which numbers is this country?",
        (Text("country", 2),),
        (Mask("mask", 0, of="positions"),),
    ),
    Command(
        154,
        "route bill",
        "what becomes of the note in escrow?",
        (Field("route", words={0: "return", 1: "stack", 255: "hold longer"}),),
        (Field("error", words={254: "nothing is in escrow", 255: "it could not be routed"}, optional=True),),
        money=True,
    ),
    Command(
        153,
        "modify bill operating mode",
        "with stacker (bit 0) and escrow (bit 1)?",
        (Flags("mode", bits=("stacker", "escrow")),),
    ),
    Command(152, "request bill operating mode", "how does it work?", (), (Flags("mode", bits=("stacker", "escrow")),)),
    Command(151, "test lamps", "light them", (Field("lamp"), Field("control"))),
    Command(150, "request individual accept counter", "how many of this note?", _BILL, _COUNT),
    Command(149, "request individual error counter", "how many of this error?", (Field("error"),), _COUNT),
    Command(148, "read opto voltages", "how clean are the sensors?", (), _RAW),
    Command(147, "perform stacker cycle", "move the stacker once", (), (Field("error", optional=True),)),
    Command(
        146,
        "operate bi-directional motors",
        "run them, for service",
        (Field("motors"), Field("direction"), Field("speed")),
    ),
    Command(145, "request currency revision", "which table of notes?", (Text("country", 2, optional=True),), _TEXT),
    Command(144, "upload bill tables", "the maker's own", _RAW),
    Command(143, "begin bill table upgrade", "the maker's own"),
    Command(142, "finish bill table upgrade", "the maker's own"),
    Command(141, "request firmware upgrade capability", "can it get another firmware?", (), (Field("capable"),)),
    Command(140, "upload firmware", "the maker's own", _RAW),
    Command(139, "begin firmware upgrade", "the maker's own", _ANY),
    Command(138, "finish firmware upgrade", "the maker's own"),
    Command(137, "switch encryption code", "another code for the BNV cipher", (Bytes("code", 3),)),
    Command(136, "store encryption code", "keep it"),
    Command(135, "set accept limit", "stop taking after so many coins", (Field("count"),)),
    Command(134, "dispense hopper value", "pay a value", _RAW, (Field("counter", optional=True),), money=True),
    Command(
        133,
        "request hopper polling value",
        "how far is the payout by value?",
        (),
        (Field("counter"), Field("remaining", 2), Field("paid", 2), Field("unpaid", 2)),
    ),
    Command(132, "emergency stop value", "stop paying, now", (), (Field("unpaid", 2),)),
    Command(131, "request hopper coin value", "which coin is it?", _COIN, (Text("text", 6), Field("value", 2))),
    Command(130, "request indexed hopper dispense count", "how many of this coin, ever?", _COIN, _COUNT),
    Command(129, "read barcode data", "what does the barcode say?", (), _TEXT),
    Command(128, "request money in", "how much came in?", (), (Field("minor", 4),)),
    Command(127, "request money out", "how much went out?", (), (Field("minor", 4),)),
    Command(126, "clear money counters", "set both to nothing"),
    Command(125, "pay money out", "pay an amount", (Field("minor", 4),), (), money=True),
    Command(
        124,
        "verify money out",
        "how far is the payout?",
        (),
        (Field("counter"), Field("paid", 4), Field("unpaid", 4)),
    ),
    Command(123, "request activity register", "what is it doing?", (), _RAW),
    Command(122, "request error status", "what went wrong?", (), _RAW),
    Command(121, "purge hopper", "empty one", _RAW, None, money=True),
    Command(120, "modify hopper balance", "set a balance", (Field("hopper"), Field("count", 2))),
    Command(119, "request hopper balance", "read it", (Field("hopper"),), (Text("text", 6), Field("count", 2))),
    Command(118, "modify cashbox value", "set it", (Field("minor", 4),)),
    Command(117, "request cashbox value", "read it", (), (Field("minor", 4),)),
    Command(116, "modify real time clock", "set it", (Field("seconds", 4),)),
    Command(115, "request real time clock", "read it", (), (Field("seconds", 4),)),
    Command(114, "request USB id", "its numbers on USB", (), (Field("vendor", 2), Field("product", 2))),
    Command(113, "switch baud rate", "another speed", _RAW, None),
    Command(112, "read encrypted events", "events under DES; not supported here", _RAW, None),
    Command(111, "request encryption support", "which ciphers does it want?", _RAW, None),
    Command(110, "switch encryption key", "another DES key; not supported here", _RAW, None),
    Command(109, "request encrypted hopper status", "status under DES; not supported here", _RAW, None),
    Command(108, "request encrypted monetary id", "names under DES; not supported here", _RAW, None),
    Command(107, "operate escrow", "move the escrow", _RAW),
    Command(106, "request escrow status", "how is the escrow?", (), _RAW),
    Command(105, "data stream", "the maker's own", _ANY, None),
    Command(104, "request service status", "does it want service?", _ANY, None),
    Command(4, "request comms revision", "which commands does it know?", (), (Field("level"), Version("revision", 2))),
    Command(3, "clear comms status variables", "forget line errors"),
    Command(
        2,
        "request comms status variables",
        "how was the line?",
        (),
        (Field("timeouts"), Field("ignored"), Field("bad_sums")),
    ),
    Command(1, "reset device", "begin anew; the event counter becomes 0"),
)
COMMANDS: Mapping[int, Command] = {command.header: command for command in _DECLARED}
"""By header. Those that are not here are the maker's own (20 to 99 depend on the kind of device)."""

SPECIAL: Mapping[int, str] = {
    REPLY: "reply",
    NAK: "NAK: refused",
    BUSY: "BUSY: cannot answer now",
}


def name_of(header: int) -> str:
    """What a header is called."""
    command = COMMANDS.get(header)
    return command.name if command else f"header {header}"
