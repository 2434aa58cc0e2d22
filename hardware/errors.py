"""What can go wrong with a device.

    DeviceError
    ├── TransportError        the port or the line is gone, nothing was heard: reopened by the link; "unavailable" above
    ├── RemoteProtocolError   the other end broke its own rules: counted, resynchronised, repeated
    ├── LocalProtocolError    we broke them: a bug, with the frame
    ├── DeviceFault           understood, and broken: jam, paper out; words for a person, no retry by habit
    ├── Refused               understood, and said no; surely nothing happened
    └── OutcomeUnknown        asked, not answered: it may have happened; never done again without asking first

`Refused` is the only one that promises that nothing happened. A `TransportError` raised by a call says that the call
was not begun; once a single byte of a money command may have left, the call ends in `OutcomeUnknown` or in what the
device says when it is asked.
"""


class DeviceError(Exception):
    """Any of them; `str()` is a sentence for a person."""


class TransportError(DeviceError):
    """The port cannot be opened, was unplugged, or the device does not answer. Nothing was begun."""


class RemoteProtocolError(DeviceError):
    """The device answered against its own protocol, and repeating did not help."""


class LocalProtocolError(DeviceError):
    """Our own mistake: something was asked for that the protocol has no words for."""


class DeviceFault(DeviceError):
    """The device is out of service and says why.

    Attributes:
        code: the family's own code, such as "47 51" or "paper-out".
        words: what an engineer does about it.
    """

    def __init__(self, code: str, words: str) -> None:
        self.code = code
        self.words = words
        super().__init__(f"{words} ({code})")


class Refused(DeviceError):
    """The device understood and did not do it; it may be asked again.

    Attributes:
        code: the family's own code, or a word of ours.
        words: the reason for a person.
    """

    def __init__(self, code: str, words: str) -> None:
        self.code = code
        self.words = words
        super().__init__(f"{words} ({code})")


class OutcomeUnknown(DeviceError):
    """It may have happened, and the device cannot tell (any more).

    Attributes:
        what: what was asked for: "pay out 3 coins".
        remedy: what a person does to find out: "count the hopper".
    """

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"it is not known whether this happened: {what}; {remedy}")
