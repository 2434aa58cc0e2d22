"""Is it a CCNET device that hangs on this port? POLL and IDENTIFICATION change nothing.

No answer to POLL is confirmed here: what it has to tell about money it tells again to its driver. A unit that tells an
event only once would lose it to any POLL, so a port that has a driver must not be probed.
"""

from hardware.ccnet import commands
from hardware.ccnet.frames import Address, Frame, FrameReader, encode
from hardware.ccnet.states import PollAnswer, read_poll
from hardware.ports import LineSettings
from hardware.probe import Ask, Found, Probe, Probing
from hardware.roles import Identity

_SECONDS = 0.3


def _ask(address: int) -> Probing:
    poll = yield Ask(_question(address, commands.POLL), _SECONDS, lambda data: bool(_frames(address, data)))
    answers = [answer for frame in _frames(address, poll) if (answer := read_poll(frame.data)) and answer.known]
    if not answers:
        return []
    identification = yield Ask(
        _question(address, commands.IDENTIFICATION), _SECONDS, lambda data: bool(_frames(address, data))
    )
    return [_found(address, answers[0], _frames(address, identification))]


def _found(address: int, answer: PollAnswer, frames: list[Frame]) -> Found:
    identity = Identity(maker="CashCode")
    for frame in frames:
        try:
            fields = commands.read_fields(commands.IDENTIFICATION.reply, frame.data)
        except ValueError:
            continue  # 30: not in this state
        identity = Identity(maker="CashCode", model=str(fields["part"]), serial=str(fields["serial"]))
    return Found(driver="ccnet", identity=identity, words=answer.words, address=address)


def _question(address: int, command: commands.Command) -> bytes:
    return encode(Frame(address, command.encode()), "host")


def _frames(address: int, data: bytes) -> list[Frame]:
    return [frame for frame in FrameReader("device").feed(data) if frame.address == address]


def _probe(baud: int, address: int) -> Probe:
    return Probe("ccnet", LineSettings(baud=baud), lambda: _ask(address))


PROBES: tuple[Probe, ...] = tuple(
    _probe(baud, address) for baud in (9600, 19200) for address in (Address.BILL_VALIDATOR, Address.BILL_TO_BILL)
)
