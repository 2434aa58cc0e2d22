"""Is it a CCNET device that hangs on this port? GET STATUS and IDENTIFICATION change nothing, in whatever state it is.

POLL is not so harmless: a unit that tells an event once only (the document does not say that single-note validators
repeat it) would lose a credit to it. It is asked only of a device that has just identified itself, which it does in no
state that has an event to tell.
"""

from collections.abc import Mapping

from hardware.ccnet import commands
from hardware.ccnet.frames import Address, Frame, FrameReader, encode
from hardware.ccnet.states import read_poll
from hardware.ports import LineSettings
from hardware.probe import Ask, Found, Probe, Probing
from hardware.roles import Identity

_SECONDS = 0.3


def _ask(address: int) -> Probing:
    status = yield _asking(address, commands.GET_STATUS)
    if not any(_fields(commands.GET_STATUS, frame) for frame in _frames(address, status)):
        return []
    identity = Identity(maker="CashCode")
    words = "at work; it was not asked more, as that could take a note's event from its driver"
    identification = yield _asking(address, commands.IDENTIFICATION)
    for frame in _frames(address, identification):
        if fields := _fields(commands.IDENTIFICATION, frame):
            identity = Identity(maker="CashCode", model=str(fields["part"]), serial=str(fields["serial"]))
            poll = yield _asking(address, commands.POLL)
            answers = [answer for each in _frames(address, poll) if (answer := read_poll(each.data)) and answer.known]
            words = answers[0].words if answers else "does not say how it stands"
            break
    return [Found(driver="ccnet", identity=identity, words=words, address=address)]


def _asking(address: int, command: commands.Command) -> Ask:
    return Ask(_question(address, command), _SECONDS, lambda data: bool(_frames(address, data)))


def _fields(command: commands.Command, frame: Frame) -> Mapping[str, object]:
    """Empty for an answer that is none to this command, such as 30: not in this state."""
    try:
        return commands.read_fields(command.reply, frame.data)
    except ValueError:
        return {}


def _question(address: int, command: commands.Command) -> bytes:
    return encode(Frame(address, command.encode()), "host")


def _frames(address: int, data: bytes) -> list[Frame]:
    return [frame for frame in FrameReader("device").feed(data) if frame.address == address]


def _probe(baud: int, address: int) -> Probe:
    return Probe("ccnet", LineSettings(baud=baud), lambda: _ask(address))


PROBES: tuple[Probe, ...] = tuple(
    _probe(baud, address) for baud in (9600, 19200) for address in (Address.BILL_VALIDATOR, Address.BILL_TO_BILL)
)
