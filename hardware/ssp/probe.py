"""Is it an SSP validator? SYNC, then who it is. No poll: a poll would accept a note that is held in escrow."""

from hardware.probe import Ask, Found, Probe, Probing
from hardware.roles import Identity
from hardware.ssp import commands as c
from hardware.ssp.driver import LINE
from hardware.ssp.frames import Frame, FrameReader, encode
from hardware.ssp.replies import read_setup
from hardware.ssp.states import ENCRYPTED_ONLY, UNITS, VALIDATORS, Generic

_SECONDS = 0.6


def _answers(data: bytes, flag: bool) -> list[bytes]:
    return [frame.data for frame in FrameReader().feed(data) if frame.flag == flag and frame.data[0] >= Generic.OK]


def _ask(command: c.Command, flag: bool) -> Ask:
    return Ask(encode(Frame(command.data(), flag)), _SECONDS, lambda data: bool(_answers(data, flag)))


def _probing() -> Probing:
    heard = yield _ask(c.SYNC, True)
    if not _answers(heard, True):
        return []
    heard = yield _ask(c.SETUP, False)
    setups = _answers(heard, False)
    if not setups:
        return []
    if setups[-1][0] == Generic.KEY_NOT_SET:
        return [Found("ssp", Identity(maker="ITL"), ENCRYPTED_ONLY)]
    setup = read_setup(setups[-1][1:])
    unit = setup.unit if setup is not None else setups[-1][1] if len(setups[-1]) > 1 else -1
    if setup is None or setup.unit not in VALIDATORS:
        return [Found("ssp", Identity(maker="ITL", model=UNITS.get(unit, "")), "no note validator")]
    heard = yield _ask(c.SERIAL, True)
    serials = [answer for answer in _answers(heard, True) if answer[0] == Generic.OK and len(answer) >= 5]
    serial = str(int.from_bytes(serials[-1][1:5], "big")) if serials else ""
    identity = Identity(maker="ITL", model=UNITS[setup.unit], serial=serial, firmware=setup.firmware)
    notes = ", ".join(f"{each.value} {each.currency}" for each in setup.channels if each.value)
    return [Found("ssp", identity, f"protocol {setup.protocol}; takes {notes or 'nothing'}", address=0)]


PROBES = (Probe("ssp", LINE, _probing),)
